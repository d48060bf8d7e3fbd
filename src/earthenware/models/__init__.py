"""Models: plain torch modules that know nothing of files, stores or training loops."""

from __future__ import annotations

from earthenware.models._batch import CubeBatch
from earthenware.models._config import CUBE_GROUPS, PRESETS, BandGroup, MAEConfig
from earthenware.models._mae import MAEOutput, MaskedAutoencoder, Tokens
from earthenware.models._masking import mask_from_noise
from earthenware.models._patches import patchify, unpatchify

__all__ = [
    "CUBE_GROUPS",
    "PRESETS",
    "BandGroup",
    "CubeBatch",
    "MAEConfig",
    "MAEOutput",
    "MaskedAutoencoder",
    "Tokens",
    "mask_from_noise",
    "patchify",
    "unpatchify",
]
