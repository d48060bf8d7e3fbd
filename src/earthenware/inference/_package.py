"""A model on disk: weights and a document, two files that anyone can read without running code from them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

import torch
from pydantic import ValidationError

from earthenware import storage
from earthenware.errors import EarthenwareError, invalid_fields
from earthenware.inference._info import (
    PACKAGE_FORMAT,
    PACKAGE_FORMAT_VERSION,
    WEIGHTS_FILE,
    ModelDocument,
    PackageInfo,
    WeightsFile,
)
from earthenware.models import Description, Encoder, ModelInput, ReconstructingEncoder, families, family
from earthenware.steps import checksum, is_unchanged

DOCUMENT_FILE: Final = "model.json"
_REMEDY: Final = "Give the folder 'model' in the output of 'earthenware train', or train the model again."


@dataclass(frozen=True)
class Package:
    """A model with what it takes to use it.

    Attributes:
        model: The model in evaluation mode, on the CPU.
        info: Its input and its origin.
        digest: sha256 over both files; empty for a model that lies in none.
    """

    model: Encoder
    info: PackageInfo
    digest: str

    @property
    def name(self) -> str:
        """A name for the model that says which one it is."""
        return f"earthenware-{self.model.family}-{self.digest[:12]}"

    @property
    def width(self) -> int:
        """Length of an embedding."""
        return self.model.width

    @property
    def parameters(self) -> int:
        """Number of the model's weights."""
        return sum(parameter.numel() for parameter in self.model.parameters())

    @property
    def hyperparameters(self) -> dict[str, bool | int | float | str]:
        """The values of the model's configuration, by name."""
        return dict(asdict(self.model.config))

    @property
    def description(self) -> Description:
        """What documents say of the model."""
        return self.model.description

    @property
    def can_reconstruct(self) -> bool:
        """Whether the model fills in what is hidden of a chip."""
        return isinstance(self.model, ReconstructingEncoder)

    @property
    def levels_known(self) -> bool:
        """Whether its reconstructions are given levels that the model never saw; see :class:`ReconstructingEncoder`."""
        return isinstance(self.model, ReconstructingEncoder) and self.model.levels_known

    def untrained(self, seed: int) -> Package:
        """Return the same with the weights that the architecture starts from."""
        return replace(self, model=fresh_model(self.model.family, self.model.config, self.info.reads, seed), digest="")


def fresh_model(name: str, config: Any, reads: ModelInput, seed: int) -> Encoder:
    """Return a model of the family ``name`` whose weights follow from ``seed`` alone; the caller's random numbers stay.

    Raises:
        LookupError: There is no such family.
        ValueError: The configuration does not fit the input.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return family(name).build(config, reads).eval()


def save_package(directory: str | Path, model: Encoder, info: PackageInfo) -> str:
    """Write a model as ``model.safetensors`` and ``model.json`` to a folder or URI, and return the package's digest.

    The same model and info give the same bytes. What the folder holds of an earlier package is replaced.

    Raises:
        ValueError: If the model does not read what ``info`` names.
        EarthenwareError: What the storage says.
    """
    from safetensors.torch import save

    if model.reads != info.reads:
        raise ValueError(f"The model reads the bands {model.reads.bands}, its info names {info.bands}.")
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    weights = save(tensors, metadata={"format": "pt"})
    document = ModelDocument(
        family=model.family,
        code_version=family(model.family).version,
        config=asdict(model.config),
        weights=WeightsFile(bytes=len(weights), sha256=hashlib.sha256(weights).hexdigest()),
        **{name: getattr(info, name) for name in PackageInfo.model_fields},
    )
    values = json.loads(document.model_dump_json())  # as they are read: a number that is none becomes null
    document = document.model_copy(update={"checksum": checksum(values)})
    text = (document.model_dump_json(indent=2) + "\n").encode()
    # The document comes last: it says what weights belong to it.
    storage.write_bytes(storage.join(str(directory), WEIGHTS_FILE), weights)
    storage.write_bytes(storage.join(str(directory), DOCUMENT_FILE), text)
    return _digest(text, weights)


def load_package(directory: str | Path, digest: str = "") -> Package:
    """Read what :func:`save_package` wrote to a folder or URI; no code that lies in a package is ever run.

    Args:
        directory: The folder.
        digest: Digest that the package must have, as the step that trained it says; empty where nobody knows.

    Raises:
        EarthenwareError: ``MODEL_MISSING`` when a file is not there, ``MODEL_FORMAT`` for another format, version or
            family, ``MODEL_CORRUPT`` when a file is damaged or the weights do not fit the document.
    """
    uri = str(directory)
    where = storage.redact(uri)
    text = _read(uri, DOCUMENT_FILE)
    document = _parse(text, where)
    weights = _read(uri, WEIGHTS_FILE)
    if hashlib.sha256(weights).hexdigest() != document.weights.sha256:
        raise _corrupt(f"'{where}/{WEIGHTS_FILE}' is damaged: it is not the file that {DOCUMENT_FILE} names.")
    if digest not in ("", found := _digest(text, weights)):
        raise _corrupt(f"'{where}' is not the model that its training made.")
    info = PackageInfo(**{name: getattr(document, name) for name in PackageInfo.model_fields})
    model = _load_weights(_build(document, where), weights, where)
    return Package(model=model, info=info, digest=found)


def _corrupt(message: str) -> EarthenwareError:
    return EarthenwareError("MODEL_CORRUPT", message, _REMEDY)


def _read(uri: str, name: str) -> bytes:
    try:
        return storage.read_bytes(storage.join(uri, name))
    except FileNotFoundError as error:
        message = f"'{storage.redact(uri)}' holds no model package: {name} is missing."
        raise EarthenwareError("MODEL_MISSING", message, _REMEDY) from error


def _parse(text: bytes, where: str) -> ModelDocument:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _corrupt(f"'{where}/{DOCUMENT_FILE}' is not a complete JSON document: {error}.") from error
    found: Mapping[str, Any] = document if isinstance(document, dict) else {}
    if found.get("format") != PACKAGE_FORMAT:
        message = f"'{where}' is not a model package: its {DOCUMENT_FILE} says format {found.get('format')!r}."
        raise EarthenwareError("MODEL_FORMAT", message, _REMEDY)
    if found.get("format_version") != PACKAGE_FORMAT_VERSION:
        raise EarthenwareError(
            "MODEL_FORMAT",
            f"The model package '{where}' has format version {found.get('format_version')}; "
            f"this software reads {PACKAGE_FORMAT_VERSION}.",
            "Update Earthenware, or train the model again with this version.",
        )
    if not is_unchanged(found):
        raise _corrupt(f"'{where}/{DOCUMENT_FILE}' is damaged: its checksum does not match.")
    try:
        return ModelDocument.model_validate(document)
    except ValidationError as error:
        raise _corrupt(invalid_fields(error, f"'{where}/{DOCUMENT_FILE}'", ModelDocument)) from error


def _build(document: ModelDocument, where: str) -> Encoder:
    try:
        made = family(document.family)
    except LookupError as error:
        raise EarthenwareError(
            "MODEL_FORMAT",
            f"The model package '{where}' holds a model of the family {document.family!r}, which is not known here.",
            f"Update Earthenware, or install the package that brings it; known are {', '.join(families())}.",
        ) from error
    if document.code_version != made.version:
        raise EarthenwareError(
            "MODEL_FORMAT",
            f"The model package '{where}' belongs to version {document.code_version} of the family "
            f"{document.family!r}; this software has {made.version}.",
            "Use the Earthenware that trained it, or train the model again with this version.",
        )
    try:
        wrong = sorted(made.values ^ set(document.config))
        if wrong:
            kind = "missing" if wrong[0] in made.values else "unknown"
            raise ValueError(f"the configuration value {wrong[0]!r} is {kind}")
        return fresh_model(document.family, made.config(**document.config), document.reads, seed=0)
    except (TypeError, ValueError) as error:
        raise _corrupt(f"'{where}/{DOCUMENT_FILE}' is wrong: {str(error).rstrip('.')}.") from error


def _load_weights(model: Encoder, weights: bytes, where: str) -> Encoder:
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        tensors = load(weights)
    except SafetensorError as error:
        raise _corrupt(f"'{where}/{WEIGHTS_FILE}' is not a whole safetensors file: {error}.") from error
    expected = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    found = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    for name in sorted(expected.keys() | found.keys()):
        if expected.get(name) != found.get(name):
            raise _corrupt(
                f"'{where}/{WEIGHTS_FILE}' does not fit its {DOCUMENT_FILE}: the tensor {name} is "
                f"{_shape(found.get(name))}, and the architecture wants {_shape(expected.get(name))}."
            )
    model.load_state_dict(tensors)
    return model


def _shape(shape: tuple[int, ...] | None) -> str:
    return "absent" if shape is None else "x".join(map(str, shape)) or "a scalar"


def _digest(document: bytes, weights: bytes) -> str:
    digest = hashlib.sha256()
    for name, content in ((DOCUMENT_FILE, document), (WEIGHTS_FILE, weights)):
        digest.update(f"{name}:{len(content)};".encode())
        digest.update(content)
    return digest.hexdigest()
