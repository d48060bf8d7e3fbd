"""A model on disk: weights and a document, two files that anyone can read without running code from them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch

from earthenware import storage
from earthenware.errors import EarthenwareError
from earthenware.inference._info import PackageInfo
from earthenware.models import MAEConfig, MaskedAutoencoder

PACKAGE_FORMAT: Final = "earthenware-model"
PACKAGE_FORMAT_VERSION: Final = 1
DOCUMENT_FILE: Final = "model.json"
WEIGHTS_FILE: Final = "model.safetensors"
ARCHITECTURE: Final = "masked-autoencoder"
_REMEDY: Final = "Give the folder 'model' in the output of 'earthenware train', or train the model again."


@dataclass(frozen=True)
class Package:
    """A model with what it takes to use it.

    Attributes:
        model: The model in evaluation mode, on the CPU.
        info: Its input and its origin.
        digest: sha256 over both files.
    """

    model: MaskedAutoencoder
    info: PackageInfo
    digest: str


def save_package(directory: str | Path, model: MaskedAutoencoder, info: PackageInfo) -> str:
    """Write a model as ``model.safetensors`` and ``model.json``; the same model and info give the same bytes.

    Args:
        directory: Local folder or URI; what it holds of an earlier package is replaced.
        model: The model.
        info: Its input and its origin.

    Returns:
        The package's digest.

    Raises:
        ValueError: If the model does not read the bands that ``info`` names.
        EarthenwareError: What the storage says.
    """
    from safetensors.torch import save

    if model.config.bands != len(info.bands):
        raise ValueError(f"The model reads {model.config.bands} bands, its info names {len(info.bands)}.")
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    weights = save(tensors, metadata={"format": "pt"})
    document = {
        "format": PACKAGE_FORMAT,
        "format_version": PACKAGE_FORMAT_VERSION,
        "architecture": {"kind": ARCHITECTURE, "config": model.config.to_dict()},
        "weights": {"path": WEIGHTS_FILE, "bytes": len(weights), "sha256": hashlib.sha256(weights).hexdigest()},
        **info.to_json(),
    }
    text = (json.dumps(document, indent=2, allow_nan=False) + "\n").encode()
    # The document comes last: it says what weights belong to it.
    storage.write_bytes(storage.join(str(directory), WEIGHTS_FILE), weights)
    storage.write_bytes(storage.join(str(directory), DOCUMENT_FILE), text)
    return _digest(text, weights)


def load_package(directory: str | Path) -> Package:
    """Read what :func:`save_package` wrote; no code that lies in a package is ever run.

    Args:
        directory: Local folder or URI.

    Raises:
        EarthenwareError: ``MODEL_MISSING`` when a file is not there, ``MODEL_FORMAT`` for another format or version,
            ``MODEL_CORRUPT`` when a file is damaged or the weights do not fit the document.
    """
    uri = str(directory)
    where = storage.redact(uri)
    text = _read(uri, DOCUMENT_FILE)
    document = _parse(text, where)
    weights = _read(uri, WEIGHTS_FILE)
    try:
        expected = document["weights"]["sha256"]
        config = MAEConfig.from_dict(document["architecture"]["config"])
        info = PackageInfo.from_json(document)
        if config.bands != len(info.bands) or set(info.ignore) != set(info.sensors):
            raise ValueError(f"the architecture reads {config.bands} bands, the document describes {len(info.bands)}")
        _ = info.normalization
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        what = f"lacks {error}" if isinstance(error, KeyError) else f"is wrong: {str(error).rstrip('.')}"
        raise EarthenwareError("MODEL_CORRUPT", f"'{where}/{DOCUMENT_FILE}' {what}.", _REMEDY) from error
    if hashlib.sha256(weights).hexdigest() != expected:
        message = f"'{where}/{WEIGHTS_FILE}' is damaged: it is not the file that {DOCUMENT_FILE} names."
        raise EarthenwareError("MODEL_CORRUPT", message, _REMEDY)
    model = _build(config, weights, where)
    return Package(model=model, info=info, digest=_digest(text, weights))


def _read(uri: str, name: str) -> bytes:
    try:
        return storage.read_bytes(storage.join(uri, name))
    except FileNotFoundError as error:
        message = f"'{storage.redact(uri)}' holds no model package: {name} is missing."
        raise EarthenwareError("MODEL_MISSING", message, _REMEDY) from error


def _parse(text: bytes, where: str) -> Mapping[str, Any]:
    try:
        document = json.loads(text)
    except ValueError as error:
        message = f"'{where}/{DOCUMENT_FILE}' is not a complete JSON document: {error}."
        raise EarthenwareError("MODEL_CORRUPT", message, _REMEDY) from error
    found = document.get("format") if isinstance(document, dict) else None
    if found != PACKAGE_FORMAT:
        message = f"'{where}' is not a model package: its {DOCUMENT_FILE} says format {found!r}."
        raise EarthenwareError("MODEL_FORMAT", message, _REMEDY)
    version = document.get("format_version")
    if version != PACKAGE_FORMAT_VERSION:
        raise EarthenwareError(
            "MODEL_FORMAT",
            f"The model package '{where}' has format version {version}; this software reads {PACKAGE_FORMAT_VERSION}.",
            "Update Earthenware, or train the model again with this version.",
        )
    architecture = document.get("architecture")
    kind = architecture.get("kind") if isinstance(architecture, dict) else None
    if kind != ARCHITECTURE:
        message = f"The model package '{where}' holds the architecture {kind!r}, which this software does not know."
        raise EarthenwareError("MODEL_FORMAT", message, "Update Earthenware.")
    return dict(document)


def _build(config: MAEConfig, weights: bytes, where: str) -> MaskedAutoencoder:
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        tensors = load(weights)
    except SafetensorError as error:
        message = f"'{where}/{WEIGHTS_FILE}' is not a whole safetensors file: {error}."
        raise EarthenwareError("MODEL_CORRUPT", message, _REMEDY) from error
    # Making a model draws its first weights: the caller's random numbers must not move for that.
    with torch.random.fork_rng(devices=[]):
        model = MaskedAutoencoder(config)
    expected = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    found = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    for name in sorted(expected.keys() | found.keys()):
        if expected.get(name) != found.get(name):
            message = (
                f"'{where}/{WEIGHTS_FILE}' does not fit its {DOCUMENT_FILE}: the tensor {name} is "
                f"{_shape(found.get(name))}, and the architecture wants {_shape(expected.get(name))}."
            )
            raise EarthenwareError("MODEL_CORRUPT", message, _REMEDY)
    model.load_state_dict(tensors)
    return model.eval()


def _shape(shape: tuple[int, ...] | None) -> str:
    return "absent" if shape is None else "x".join(map(str, shape)) or "a scalar"


def _digest(document: bytes, weights: bytes) -> str:
    digest = hashlib.sha256()
    for name, content in ((DOCUMENT_FILE, document), (WEIGHTS_FILE, weights)):
        digest.update(f"{name}:{len(content)};".encode())
        digest.update(content)
    return digest.hexdigest()
