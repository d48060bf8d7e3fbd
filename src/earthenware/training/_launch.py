"""Ray: start it, run the workers, relay what they say, and leave nothing behind; and what each worker runs."""

from __future__ import annotations

import math
import signal
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

from earthenware.errors import EarthenwareError, first_line
from earthenware.launch import local_ray, ray_storage
from earthenware.models import family, register
from earthenware.processes import guard
from earthenware.steps import Attempt
from earthenware.training._job import Job, Note
from earthenware.training._spec import TrainSpec

_POLL_SECONDS = 0.25
_END_SECONDS = 30.0
"""How long workers may take to end once one of them has found an error (seconds)."""


def launch(spec: TrainSpec, chips: str, checkpoints: str, attempt: Attempt, on_epoch: Callable[[Note], None]) -> None:
    """Train with Ray until the last checkpoint exists; ``on_epoch`` is given the history row of each epoch at its end.

    Raises:
        EarthenwareError: What a worker found, ``NO_GPU``, or ``TRAINING_FAILED`` when workers kept dying.
    """
    try:
        with (
            guard(),
            ray_storage(attempt.output, attempt.name, attempt.scratch) as where,
            local_ray(spec.workers) as gpus,
        ):
            import ray
            from ray.train import FailureConfig, RunConfig, ScalingConfig
            from ray.train.torch import TorchTrainer

            accelerator = spec.accelerator(gpus)
            board = ray.remote(num_cpus=0, max_restarts=0)(Board).remote()
            job = Job(spec, chips, checkpoints, attempt.name, family(spec.family))
            trainer = TorchTrainer(
                work,
                train_loop_config={"job": job, "board": board, "accelerator": accelerator},
                scaling_config=ScalingConfig(num_workers=spec.workers, use_gpu=accelerator == "gpu"),
                # Ray keeps only its own bookkeeping there: checkpoints are ours, see _checkpoint.py.
                run_config=RunConfig(name="train", failure_config=FailureConfig(max_failures=spec.retries), **where),
            )
            _follow(trainer, board, attempt, on_epoch, spec)
    except EarthenwareError as error:
        # Frames of a traceback would keep handles of actors. The next Ray of this process gives the same ids again, and
        # a handle that is dropped then takes the new actor with it.
        raise error.with_traceback(None) from None


class Board:
    """A Ray actor that keeps notes until they are read; it never makes a worker wait."""

    def __init__(self) -> None:
        self._notes: deque[Note] = deque(maxlen=100_000)

    def post(self, note: Note) -> None:
        self._notes.append(note)

    def drain(self) -> list[Note]:
        notes = list(self._notes)
        self._notes.clear()
        return notes


def _follow(trainer: Any, board: Any, attempt: Attempt, on_epoch: Callable[[Note], None], spec: TrainSpec) -> None:
    """Run ``trainer.fit`` in a thread and relay notes from here.

    In the main thread, fit would take over Ctrl-C and exit with success.
    """
    failures: list[BaseException] = []
    found: EarthenwareError | None = None
    deadline = math.inf

    def run() -> None:
        try:
            trainer.fit()
        except BaseException as error:  # handed to the thread that waits
            failures.append(error)

    thread = threading.Thread(target=run, name="ray-train", daemon=True)
    thread.start()
    while True:
        running = thread.is_alive()
        for note in _drain(board):
            error = _relay(note, attempt, on_epoch)
            if error is not None and found is None:
                # The workers end by themselves. Ray is not shut down under the thread that waits for them, which can
                # bring the whole process down; but where some never hear of the end, they are not waited for long.
                found, deadline = error, time.monotonic() + _END_SECONDS
        if not running or time.monotonic() > deadline:
            break
        time.sleep(_POLL_SECONDS)
    if found is not None:
        raise found
    if failures:
        raise _explain(failures[0], spec) from failures[0]


def _drain(board: Any) -> list[Note]:
    import ray

    try:
        return list(ray.get(board.drain.remote(), timeout=60))
    except ray.exceptions.RayError:
        return []  # the board went with its machine: training itself does not need it


def _relay(note: Note, attempt: Attempt, on_epoch: Callable[[Note], None]) -> EarthenwareError | None:
    """Pass a note on; return the error where it tells of one."""
    if note["kind"] == "error":
        return EarthenwareError(note["code"], note["message"], note["remedy"])
    if note["kind"] == "log":
        attempt.log(note["message"])
    else:
        attempt.progress(note["done"], note["total"], "chips")
    if note["kind"] == "epoch":
        on_epoch(note["row"])
    return None


def _explain(error: BaseException, spec: TrainSpec) -> EarthenwareError:
    """Find the sentence in what Ray raises."""
    causes = list(getattr(error, "worker_failures", {}).values()) or [error]
    for cause in causes:
        inner = getattr(cause, "cause", cause)
        if isinstance(inner, EarthenwareError):
            return inner
    said = str(causes[0]).strip().splitlines() or [type(causes[0]).__name__]
    text = said[-1].strip()[:300]
    times = f" {spec.retries + 1} times" if spec.retries else ""
    return EarthenwareError(
        "TRAINING_FAILED",
        f"The training workers failed{times}, at last with: {text}.",
        "Run the step again to resume from the last checkpoint; if memory ran out, lower workers or batch_size.",
    )


def work(config: dict[str, Any]) -> None:
    """Train as one worker of Ray Train; ``config`` holds the job, the board and Lightning's name of the device.

    An error that trying again cannot mend is put on the board and ends the worker without an exception, as Ray would
    otherwise restart all of them; the driver then ends the run.
    """
    # Ctrl-C goes to the whole foreground group: the driver decides.
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    post = config["board"].post.remote
    try:
        from ray import train
        from ray.train.lightning import RayDDPStrategy, RayLightningEnvironment

        from earthenware.training._fit import Place, fit

        register(config["job"].family)
        context = train.get_context()
        place = Place(
            rank=context.get_world_rank(),
            world_size=context.get_world_size(),
            local_rank=context.get_local_rank(),
            local_size=context.get_local_world_size(),
            node=context.get_node_rank(),
            accelerator=config["accelerator"],
            strategy=RayDDPStrategy(),  # type: ignore[no-untyped-call]
            plugins=[RayLightningEnvironment()],  # type: ignore[no-untyped-call]
        )
        fit(config["job"], place, post)
    except EarthenwareError as error:
        post({"kind": "error", **error.to_json()})
    except (RuntimeError, OSError):
        raise  # a lost connection, a full memory: what a restart may mend
    except Exception as error:
        message = f"Training failed: {first_line(f'{type(error).__name__}: {error}')}."
        post({"kind": "error", "code": "TRAINING_FAILED", "message": message, "remedy": "Please report this."})
