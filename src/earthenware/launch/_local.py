"""The life of a Ray: a private local one from start to end, or the existing one that RAY_ADDRESS names."""

from __future__ import annotations

import contextlib
import functools
import gc
import logging
import os
import secrets
import signal
import threading
from collections.abc import Iterator
from typing import Any, Final

from earthenware.processes import scratch_folder

# Ray appends some 65 characters for its sockets, and a Unix socket's path may have 107.
_LONGEST_FOLDER = 40
_OBJECT_STORE_BYTES = 96 * 2**20  # only messages pass through it; Ray's minimum is 75 MiB

RAY_SETTINGS: Final = {
    "RAY_TRAIN_V2_ENABLED": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_USAGE_STATS_PROMPT_ENABLED": "0",
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",  # would pack and ship the working directory under `uv run`
    "RAY_TRAIN_METRICS_ENABLED": "0",
    "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0",
    "RAY_TRAIN_ENABLE_STATE_TRACKING": "0",
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.5",  # how soon the end of a worker is noticed
    "RAY_DEDUP_LOGS": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
}
"""What every process of a Ray is told, here and in a job's pods."""

_OURS = ("RAY_", "TUNE_", "PYTHONBREAKPOINT")
"""Variables that Ray or this module sets, and that must not outlive the block."""


def existing_ray() -> bool:
    """Return whether ``RAY_ADDRESS`` names a cluster to join, as it does in a Ray job."""
    return os.environ.get("RAY_ADDRESS", "") not in ("", "local")


@contextlib.contextmanager
def local_ray(workers: int) -> Iterator[int]:
    """Run a block with Ray; nothing of a local one is left when it ends.

    With ``RAY_ADDRESS`` set, the block joins that cluster, whose settings are its own. Otherwise a Ray of this process
    starts: on the loopback interface, behind a token that only its processes know, without dashboard or usage
    statistics, its files in a short folder under the temporary directory.

    Args:
        workers: Number of training workers that must fit at once.

    Yields:
        Number of GPUs that Ray has.
    """
    settings = dict(RAY_SETTINGS)
    stack, folder = contextlib.ExitStack(), None
    if not existing_ray():
        settings |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": _token()}
        folder = stack.enter_context(scratch_folder("ray", longest=_LONGEST_FOLDER))
    before = dict(os.environ)
    terminate = signal.getsignal(signal.SIGTERM)

    def restore() -> None:
        """Take SIGTERM back: Ray puts a handler of its own at its start, and none at its end."""
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, terminate)

    os.environ.update(settings)
    try:
        import ray

        logging.getLogger("ray").setLevel(logging.ERROR)
        logging.getLogger("ray.train").setLevel(logging.ERROR)
        options: dict[str, Any] = {}
        if folder is not None:
            options = {
                "address": "local",
                "num_cpus": workers,
                "include_dashboard": False,
                "object_store_memory": _OBJECT_STORE_BYTES,
                "_temp_dir": str(folder),
                "_node_ip_address": "127.0.0.1",
            }
        try:
            ray.init(log_to_driver=False, logging_level=logging.ERROR, configure_logging=False, **options)
            restore()
            resources: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
            yield int(resources.get("GPU", 0))
        finally:
            gc.collect()  # handles of actors in cycles: dropped under a later Ray, they would end its actors of that id
            ray.shutdown()
            restore()
    finally:
        for name in [name for name in os.environ if name.startswith(_OURS) and name not in before]:
            del os.environ[name]
        os.environ.update({name: value for name, value in before.items() if name.startswith(_OURS)})
        stack.close()


@functools.cache
def _token() -> str:
    """Return this process's token: one for all its Rays, as Ray may keep the first that a process used."""
    return secrets.token_hex(32)
