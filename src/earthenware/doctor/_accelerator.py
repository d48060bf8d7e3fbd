"""PyTorch's build, and the GPUs of this machine as PyTorch sees them."""

from __future__ import annotations

import importlib.util
import json
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

from earthenware.doctor._examine import Verdict, failed, ok, skipped, warning
from earthenware.doctor._packages import INSTALL

_CUDA_BUILD: Final = "Install the CUDA build of the same version: docs/install.md says how."
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


def torch_build() -> dict[str, Any]:
    """Return what PyTorch's ``version.py`` says of its build, without importing PyTorch; empty where it is absent."""
    spec = importlib.util.find_spec("torch")
    for folder in (spec.submodule_search_locations or ()) if spec is not None else ():
        path = Path(folder, "version.py")
        if path.is_file():
            values = runpy.run_path(str(path))
            return {name: values.get(name) for name in ("__version__", "cuda", "hip")}
    return {}


def check_torch(wants_gpu: bool) -> Verdict:
    """Tell PyTorch's build; one without CUDA is a warning where the work runs on this machine and wants a GPU."""
    build = torch_build()
    if not build:
        return failed("PyTorch is not installed.", INSTALL)
    kind = f"CUDA {build['cuda']}" if build["cuda"] else f"ROCm {build['hip']}" if build["hip"] else "CPU only"
    sentence = f"PyTorch {build['__version__']}, {kind}."
    return warning(sentence, _CUDA_BUILD) if wants_gpu and kind == "CPU only" else ok(sentence)


def check_accelerator(wanted: bool, seconds: float) -> Verdict:
    """Tell the GPUs of this machine; where the profile wants none, their absence is no trouble."""
    driver = _driver()
    build = torch_build()
    if not (build.get("cuda") or build.get("hip")):
        though = f", though there is an NVIDIA driver {driver}" if driver else ""
        sentence = f"This PyTorch was built for CPUs{though}."
        if wanted or driver:
            return warning(sentence, _CUDA_BUILD)
        return ok(f"{sentence} The profile wants no GPU.")
    if not driver and not wanted and not build.get("hip"):
        return ok("There is no NVIDIA driver; the profile wants no GPU.")
    try:
        done = subprocess.run(
            [sys.executable, "-c", _ASK], capture_output=True, text=True, timeout=seconds, check=False
        )
        answer = json.loads(done.stdout.splitlines()[-1]) if done.returncode == 0 and done.stdout else None
    except subprocess.TimeoutExpired:
        sentence = f"PyTorch did not find its GPUs within {seconds:g} s."
        return warning(sentence, "Does nvidia-smi answer? Try --timeout 60.")
    if answer is None:
        last = (done.stderr.strip().splitlines() or ["no word"])[-1][:200]
        return warning(f"PyTorch fails to look for GPUs: {last}.", "Match the driver with PyTorch's CUDA version.")
    return describe_gpus(answer, driver, wanted)


def describe_gpus(answer: dict[str, Any], driver: str, wanted: bool) -> Verdict:
    """Return the verdict over what PyTorch answered: ``gpus``, a list of name and memory in bytes, and ``nccl``."""
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
