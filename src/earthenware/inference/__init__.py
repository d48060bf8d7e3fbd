"""Weights and chips to embeddings and reconstructions: packages, batches, devices.

A model package is a folder with ``model.safetensors`` (weights) and ``model.json`` (format and version, family and
its code version, configuration, what it reads, statistics, ignored flags, digest of the training chips, metrics).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from earthenware.lazy import lazy_exports

if TYPE_CHECKING:
    from earthenware.inference._batches import chips_to_batch, iterate_batches, read_ahead
    from earthenware.inference._device import require_device, resolve_device
    from earthenware.inference._embed import ChipEmbeddings, embed_chips
    from earthenware.inference._info import ModelDocument, Normalization, PackageInfo
    from earthenware.inference._input import model_input, read_sensors
    from earthenware.inference._package import Package, fresh_model, load_package, save_package
    from earthenware.inference._reconstruct import ChipReconstructions, iterate_reconstructions
    from earthenware.inference._session import hiding_noise, key_of
else:
    __getattr__, __dir__ = lazy_exports(__name__)

__all__ = [
    "ChipEmbeddings",
    "ChipReconstructions",
    "ModelDocument",
    "Normalization",
    "Package",
    "PackageInfo",
    "chips_to_batch",
    "embed_chips",
    "fresh_model",
    "hiding_noise",
    "iterate_batches",
    "iterate_reconstructions",
    "key_of",
    "load_package",
    "model_input",
    "read_ahead",
    "read_sensors",
    "require_device",
    "resolve_device",
    "save_package",
]
