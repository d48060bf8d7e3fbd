"""Weights and chips to embeddings and reconstructions: packages, batches, devices.

A model package is a folder with ``model.safetensors`` (weights) and ``model.json`` (format and version, architecture,
sensors and bands in order, statistics, ignored flags, chip size, GSD, digest of the training chips, metrics).
"""

from __future__ import annotations

from earthenware.inference._batches import chips_to_batch, iterate_batches
from earthenware.inference._device import resolve_device
from earthenware.inference._embed import ChipEmbeddings, embed_chips
from earthenware.inference._info import DEFAULT_IGNORE, Normalization, PackageInfo
from earthenware.inference._masks import chip_masks
from earthenware.inference._package import (
    PACKAGE_FORMAT,
    PACKAGE_FORMAT_VERSION,
    Package,
    load_package,
    save_package,
)
from earthenware.inference._reconstruct import ChipReconstructions, iterate_reconstructions, reconstruct_chips

__all__ = [
    "DEFAULT_IGNORE",
    "PACKAGE_FORMAT",
    "PACKAGE_FORMAT_VERSION",
    "ChipEmbeddings",
    "ChipReconstructions",
    "Normalization",
    "Package",
    "PackageInfo",
    "chip_masks",
    "chips_to_batch",
    "embed_chips",
    "iterate_batches",
    "iterate_reconstructions",
    "load_package",
    "reconstruct_chips",
    "resolve_device",
    "save_package",
]
