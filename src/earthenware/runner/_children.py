"""Steps in child processes of this machine, which ``earthenware run`` can end while kfp.local waits for them."""

from __future__ import annotations

import contextlib
import os
import shlex
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

_GRACE_SECONDS: Final = 5.0
"""Time for steps to end cleanly: a run that is told to end is gone within ten seconds, with all below it."""
SHELL_WAITS: Final = "_KFP_RUNTIME=true "
SHELL_LEAVES: Final = "_KFP_RUNTIME=true exec "
"""The shell of a step makes way for Python: a signal reaches the step itself, which ends cleanly on SIGTERM."""


class Children:
    """The child processes of one run; Kubeflow's programs for them go into a folder that the run removes."""

    def __init__(self, scratch: Path) -> None:
        self._mktemp = f"mktemp -d {shlex.quote(str(scratch))}/XXXXXXXX"
        self._starting = threading.Lock()
        self._stopping = False
        self._started: list[subprocess.Popen[bytes]] = []

    def runner(self) -> Any:
        """Return Kubeflow's SubprocessRunner, without an environment of its own."""
        from kfp import local

        return local.SubprocessRunner(use_venv=False)

    def in_charge(self) -> contextlib.AbstractContextManager[None]:
        """Within this block kfp.local starts its processes through this object: its own would stay unknown."""
        from kfp.local import subprocess_task_handler

        return replaced(subprocess_task_handler, "run_local_subprocess", self._run)

    def stop(self) -> None:
        """Start no process any more, and end those that run: SIGTERM, and SIGKILL for those that take too long."""
        with self._starting:
            self._stopping = True
        deadline = time.monotonic() + _GRACE_SECONDS
        for process in self._started:
            process.terminate()
        for process in self._started:
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()

    def _run(self, full_command: Sequence[str], env_vars: Mapping[str, str] | None = None) -> int:
        shell, option, script, *rest = full_command
        script = script.replace(SHELL_WAITS, SHELL_LEAVES).replace("mktemp -d", self._mktemp)
        with self._starting:
            if self._stopping:
                return 143
            sys.stdout.flush()
            # Kubeflow's log itself, not a pipe to it, which would be open as long as anything that the step started.
            process = subprocess.Popen(
                [shell, option, script, *rest],
                stdout=sys.stdout,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(env_vars or {})},
            )
            self._started.append(process)
        return process.wait()


@contextlib.contextmanager
def replaced(module: Any, name: str, call: Callable[..., int]) -> Iterator[None]:
    """Have ``call`` in the place of a module's function of that name."""
    theirs = getattr(module, name)
    setattr(module, name, call)
    try:
        yield
    finally:
        setattr(module, name, theirs)
