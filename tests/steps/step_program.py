"""A step with parts for the tests to run in processes of its own, and to kill.

Run as a program: ``python step_program.py OUTPUT KEY=VALUE...``.
"""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time

from pydantic import Field

from earthenware import storage
from earthenware.errors import EarthenwareError
from earthenware.processes import step_process
from earthenware.steps import Attempt, Reject, Result, Spec, StepReport, run_step


class PartsSpec(Spec):
    parts: int = Field(6, ge=1, description="number of parts")
    seed: int = Field(0, description="what the parts hold")
    workers: int = Field(1, description="processes", json_schema_extra={"runtime": True})


def run(
    output: str, spec: PartsSpec | None = None, *, pause: float = 0.0, kill_at: int = 0, author: str = "nobody"
) -> StepReport:
    """Make ``parts`` parts; the process kills itself at its ``kill_at``-th point of danger."""
    spec = spec or PartsSpec()
    points = 0

    def danger() -> None:
        nonlocal points
        points += 1
        if points == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(pause)

    def body(attempt: Attempt) -> Result:
        danger()
        done = attempt.committed()
        attempt.progress(len(done), spec.parts, "parts")
        for number in range(spec.parts):
            key = f"part-{number}"
            if key in done:
                continue
            data = hashlib.sha256(f"{spec.seed}-{number}".encode()).digest() * 1000
            path = attempt.part_path(key)
            storage.write_bytes(attempt.uri(f"{path}/first"), data[:16000])
            danger()
            storage.write_bytes(attempt.uri(f"{path}/second"), data[16000:])
            danger()
            rejects = [Reject(f"record-{number}", "ODD", "an odd one")] if number % 2 else []
            attempt.commit(key, {"path": path, "bytes": len(data)}, rejects)
            danger()
            attempt.progress(number + 1, spec.parts, "parts")
        whole = hashlib.sha256()
        for key in sorted(parts := attempt.committed()):
            data = b"".join(
                storage.read_bytes(attempt.uri(f"{parts[key]['path']}/{half}")) for half in ("first", "second")
            )
            assert len(data) == parts[key]["bytes"]
            whole.update(data)
        attempt.put("author.txt", author.encode())
        attempt.put("result.txt", whole.hexdigest().encode())
        danger()
        attempt.put("author.txt", author.encode())
        return Result({"parts": len(parts)}, content=whole.hexdigest())

    return run_step("demo", 1, spec=spec, inputs={}, output=output, body=body)


def _main(output: str, *arguments: str) -> None:
    values = dict(argument.split("=") for argument in arguments)
    children = [
        # In a session of its own, as Ray's daemons are.
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
        for _ in range(int(values.get("children", 0)))
    ]
    if children and values.get("fork"):
        pid = os.fork()
        if pid == 0:
            os.setsid()
            time.sleep(600)
        print("forked", pid, flush=True)
    for child in children:
        print("child", child.pid, flush=True)
    report = run(
        output,
        PartsSpec(parts=int(values.get("parts", 6))),
        pause=float(values.get("pause", 0)),
        kill_at=int(values.get("kill_at", 0)),
        author=values.get("author", "nobody"),
    )
    print("digest", report.manifest.digest, "reused" if report.reused else "made", flush=True)


if __name__ == "__main__":
    try:
        if "guard=no" in sys.argv:
            _main(*sys.argv[1:])
        else:
            with step_process():
                _main(*sys.argv[1:])
    except EarthenwareError as error:
        print("error", error.code, error.message, flush=True)
        sys.exit(1)
