"""GPUs of this machine, as PyTorch sees them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

from earthenware.doctor._finding import Verdict, ok, skipped, warning
from earthenware.doctor._packages import torch_build

_DRIVER: Final = Path("/proc/driver/nvidia/version")
# Asked in a process of its own: a broken driver can hang or end the process that touches it.
_ASK: Final = """
import json, torch
import torch.distributed as dist
count = torch.cuda.device_count() if torch.cuda.is_available() else 0
gpus = [torch.cuda.get_device_properties(number) for number in range(count)]
nccl = dist.is_available() and dist.is_nccl_available()
print(json.dumps({"gpus": [[gpu.name, gpu.total_memory] for gpu in gpus], "nccl": nccl}))
"""


def check_accelerator(wanted: bool, seconds: float) -> Verdict:
    """Tell the GPUs of this machine.

    Args:
        wanted: Whether the profile wants a GPU; without one the absence of GPUs is no trouble.
        seconds: When to give up.
    """
    driver = _driver()
    if not (torch_build().get("cuda") or torch_build().get("hip")):
        sentence = "This PyTorch was built for CPUs" + (
            f", though there is an NVIDIA driver {driver}." if driver else "."
        )
        if wanted or driver:
            return warning(sentence, "Install the CUDA build of the same version: docs/install.md says how.")
        return ok(f"{sentence} The profile wants no GPU.")
    if not driver and not wanted and not torch_build().get("hip"):
        return ok("There is no NVIDIA driver; the profile wants no GPU.")
    try:
        done = subprocess.run(
            [sys.executable, "-c", _ASK], capture_output=True, text=True, timeout=seconds, check=False
        )
        answer = json.loads(done.stdout.splitlines()[-1]) if done.returncode == 0 and done.stdout else None
    except subprocess.TimeoutExpired:
        return warning(
            f"PyTorch did not find its GPUs within {seconds:g} s.", "Does nvidia-smi answer? Try --timeout 60."
        )
    if answer is None:
        last = (done.stderr.strip().splitlines() or ["no word"])[-1][:200]
        return warning(f"PyTorch fails to look for GPUs: {last}.", "Match the driver with PyTorch's CUDA version.")
    return describe_gpus(answer, driver, wanted)


def describe_gpus(answer: dict[str, Any], driver: str, wanted: bool) -> Verdict:
    """Return the verdict over what PyTorch answered.

    Args:
        answer: ``gpus``, a list of name and memory in bytes; ``nccl``, whether that library is there.
        driver: Version of the driver; empty where there is none.
        wanted: Whether the profile wants a GPU.
    """
    gpus = answer["gpus"]
    if not gpus:
        sentence = f"PyTorch sees no GPU (driver {driver or 'not loaded'})."
        remedy = "On a node with GPUs install the driver and, for containers, the NVIDIA container toolkit."
        return warning(sentence, remedy) if wanted else skipped(f"{sentence} The profile wants none.")
    names = [f"{name} with {memory / 2**30:.0f} GiB" for name, memory in gpus]
    counted = [f"{names.count(name)} x {name}" for name in dict.fromkeys(names)]
    sentence = f"{', '.join(counted)}, driver {driver or 'not known'}, NCCL {'there' if answer['nccl'] else 'missing'}."
    if not answer["nccl"] and len(gpus) > 1:
        return warning(sentence, "Install the official CUDA build of PyTorch: training on several GPUs needs NCCL.")
    return ok(sentence)


def _driver() -> str:
    """Return the version of the loaded NVIDIA kernel driver; empty where there is none."""
    try:
        words = _DRIVER.read_text(encoding="ascii", errors="replace").splitlines()[0].split()
    except (OSError, IndexError):
        return ""
    return next((word for word in words if word[0].isdigit() and "." in word), "of unknown version")
