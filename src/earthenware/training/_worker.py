"""What Ray runs in each training process."""

from __future__ import annotations

import signal
import threading
from typing import Any

from earthenware.errors import EarthenwareError, first_line
from earthenware.training._board import Post


def work(config: dict[str, Any]) -> None:
    """Train as one worker of Ray Train.

    An error that trying again cannot mend is put on the board and ends the worker without an exception, as Ray would
    otherwise restart all of them; the driver then ends the run.

    Args:
        config: ``job``, ``board`` (the board's handle) and ``gpu`` (bool).
    """
    # Ctrl-C goes to the whole foreground group: the driver decides.
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    post = Post(config["board"])
    try:
        from ray import train
        from ray.train.lightning import RayDDPStrategy, RayLightningEnvironment

        from earthenware.training._fit import Place, fit

        context = train.get_context()
        place = Place(
            rank=context.get_world_rank(),
            world_size=context.get_world_size(),
            local_rank=context.get_local_rank(),
            local_size=context.get_local_world_size(),
            node=context.get_node_rank(),
            accelerator="gpu" if config["gpu"] else "cpu",
            strategy=RayDDPStrategy(),  # type: ignore[no-untyped-call]
            plugins=[RayLightningEnvironment()],  # type: ignore[no-untyped-call]
        )
        fit(config["job"], place, post)
    except EarthenwareError as error:
        post("error", **error.to_json())
    except (RuntimeError, OSError):
        raise  # a lost connection, a full memory: what a restart may mend
    except Exception as error:
        text = first_line(f"{type(error).__name__}: {error}")
        post("error", code="TRAINING_FAILED", message=f"Training failed: {text}.", remedy="Please report this.")
