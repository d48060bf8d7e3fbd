"""Checkpoints as one safetensors file each: tensors in the body, the rest as JSON in its header, never a pickle.

A checkpoint is a single object that appears whole or not at all, so a run that is killed while it writes one resumes
from the one before. Ray's own registry of checkpoints is not used for this: it rewrites one snapshot file in place,
and a kill in between leaves a run that can no longer be restored.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from lightning.fabric.plugins.io.checkpoint_io import CheckpointIO

from earthenware import storage
from earthenware.errors import EarthenwareError

if TYPE_CHECKING:
    import torch

_NAME = re.compile(r"^step-(\d{9,})\.safetensors$")
_HEADER = "state"
_DIGEST = "sha256"


def checkpoint_name(step: int) -> str:
    """Return the file name of the checkpoint after ``step`` optimiser steps."""
    return f"step-{step:09d}.safetensors"


def _find(prefix: str) -> list[tuple[int, str]]:
    names = [match for path in storage.list_files(prefix) if (match := _NAME.match(path))]
    return sorted((int(match[1]), storage.join(prefix, match[0])) for match in names)


def latest_checkpoint(prefix: str) -> tuple[int, str] | None:
    """Return (optimiser steps, URI) of the newest checkpoint below ``prefix``."""
    found = _find(prefix)
    return found[-1] if found else None


def whole_checkpoint(prefix: str, warn: Callable[[str, str], object]) -> tuple[int, str] | None:
    """Return the newest checkpoint that is what was written; damaged ones are set aside, and ``warn`` is told."""
    while (latest := latest_checkpoint(prefix)) and (error := _damage(latest[1])):
        aside = f"{latest[1]}.damaged"
        storage.copy_file(latest[1], aside)
        storage.delete_file(latest[1])
        what = f"It is kept as '{storage.redact(aside)}', and training goes on from the one before."
        warn(error.code, f"{error.message} {what}")
    return latest


def damaged_checkpoints(prefix: str) -> Iterator[str]:
    """Read every checkpoint and yield one sentence per damaged one."""
    for _, uri in _find(prefix):
        if error := _damage(uri):
            yield error.message


def _damage(uri: str) -> EarthenwareError | None:
    try:
        SafetensorsCheckpoints().load_checkpoint(uri)
    except EarthenwareError as error:
        if error.code != "CHECKPOINT_UNREADABLE":
            raise
        return error
    return None


def prune(prefix: str, keep: int) -> None:
    """Delete all but the newest ``keep`` checkpoints."""
    for _, uri in _find(prefix)[:-keep]:
        storage.delete_file(uri)


def pack(state: Any) -> bytes:
    """Serialise nested dicts, lists, tensors and JSON scalars; a TypeError names what is none of them."""
    from safetensors.torch import save

    tensors: dict[str, torch.Tensor] = {}
    tree = json.dumps(_flatten(state, tensors))
    return save(tensors, metadata={_HEADER: tree, _DIGEST: _digest(tree, tensors)})


def _digest(tree: str, tensors: dict[str, torch.Tensor]) -> str:
    import torch

    digest = hashlib.sha256(tree.encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name}:{tensor.dtype}:{tuple(tensor.shape)};".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _flatten(value: Any, tensors: dict[str, torch.Tensor]) -> Any:
    import torch

    if isinstance(value, torch.Tensor):
        name = f"t{len(tensors)}"
        # safetensors refuses tensors that share memory: a copy makes tied weights safe.
        tensors[name] = value.detach().cpu().clone().contiguous()
        return {"tensor": name}
    if isinstance(value, dict):
        return {"dict": [[_scalar(key), _flatten(item, tensors)] for key, item in value.items()]}
    if isinstance(value, list | tuple):
        return {"list" if isinstance(value, list) else "tuple": [_flatten(item, tensors) for item in value]}
    return _scalar(value)


def _scalar(value: Any) -> Any:
    if value is None or type(value) in (bool, int, float, str):
        return value
    raise TypeError(f"a checkpoint cannot hold a {type(value).__name__}")


def unpack(data: bytes) -> Any:
    """Return what :func:`pack` was given; a ValueError says that the bytes are no checkpoint."""
    from safetensors.torch import load

    length = int.from_bytes(data[:8], "little")
    try:
        tensors = load(data)
        header = json.loads(data[8 : 8 + length])["__metadata__"]
        tree, stated = json.loads(header[_HEADER]), header[_DIGEST]
    except Exception as error:  # safetensors has an error type of its own, without a public base
        raise ValueError(f"not a checkpoint: {error}") from error
    if stated != _digest(header[_HEADER], tensors):
        raise ValueError("its digest does not match")
    return _restore(tree, tensors)


def _restore(tree: Any, tensors: dict[str, torch.Tensor]) -> Any:
    if not isinstance(tree, dict):
        return tree
    (kind, value) = next(iter(tree.items()))
    if kind == "tensor":
        return tensors[value]
    if kind == "dict":
        return {key: _restore(item, tensors) for key, item in value}
    items = [_restore(item, tensors) for item in value]
    return items if kind == "list" else tuple(items)


class SafetensorsCheckpoints(CheckpointIO):
    """Lets Lightning save to and restore from any storage URI in this format."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        storage.write_bytes(str(path), pack(checkpoint))

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = None) -> dict[str, Any]:
        """Read a checkpoint; an EarthenwareError ``CHECKPOINT_UNREADABLE`` says where that cannot be done."""
        try:
            state: dict[str, Any] = unpack(storage.read_bytes(str(path)))
        except (ValueError, FileNotFoundError) as error:
            message = f"The checkpoint '{storage.redact(str(path))}' cannot be read: {error}."
            remedy = "Run the step again: it sets it aside and resumes from the one before."
            raise EarthenwareError("CHECKPOINT_UNREADABLE", message, remedy) from error
        return state

    def remove_checkpoint(self, path: Any) -> None:
        storage.delete_file(str(path))
