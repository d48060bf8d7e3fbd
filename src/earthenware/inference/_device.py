"""Devices: the one that a name means, and whether this machine has it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from earthenware.errors import EarthenwareError, first_line

if TYPE_CHECKING:
    import torch


def resolve_device(name: str) -> torch.device:
    """Return the device of this name.

    Args:
        name: ``"auto"`` takes an NVIDIA or AMD accelerator if torch sees one and the CPU if not; else a torch device
            such as ``"cpu"`` or ``"cuda:1"``.

    Raises:
        EarthenwareError: ``DEVICE_UNAVAILABLE``; this machine has no such device.
    """
    import torch

    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    remedy = "Use 'auto' or 'cpu', or run where the accelerator is."
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    # torch says so in four ways: unknown name, not compiled in, no driver, no such number.
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        message = f"The device {name!r} is not there: {first_line(error).partition('. ')[0]}."
        raise EarthenwareError("DEVICE_UNAVAILABLE", message, remedy) from error
    if device.type == "meta":
        raise EarthenwareError("DEVICE_UNAVAILABLE", f"The device {name!r} computes nothing.", remedy)
    return device


def require_device(name: str) -> None:
    """Raise where this machine lacks a device; no time is spent where any machine has it.

    Raises:
        EarthenwareError: ``DEVICE_UNAVAILABLE``.
    """
    if name not in ("auto", "cpu"):
        resolve_device(name)
