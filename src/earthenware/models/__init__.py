"""Models: plain torch modules that know nothing of files, stores or training loops.

Each family has a folder of its own (:mod:`earthenware.models.mae`) with one ``FAMILY``; what they share lies here.
Families, their presets and configurations cost no torch: it is imported with the first thing that needs it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from earthenware.lazy import lazy_exports
from earthenware.models._cube import BandGroup, ModelInput, SensorInput
from earthenware.models._family import ModelFamily, families, family, register

if TYPE_CHECKING:
    from earthenware.models._batch import CubeBatch
    from earthenware.models._encoder import (
        Description,
        Encoder,
        PretrainingEncoder,
        PretrainingLoss,
        ReconstructingEncoder,
        Reconstruction,
        Tokens,
    )
    from earthenware.models._patches import patchify, unpatchify
else:
    __getattr__, __dir__ = lazy_exports(__name__)

__all__ = [
    "BandGroup",
    "CubeBatch",
    "Description",
    "Encoder",
    "ModelFamily",
    "ModelInput",
    "PretrainingEncoder",
    "PretrainingLoss",
    "ReconstructingEncoder",
    "Reconstruction",
    "SensorInput",
    "Tokens",
    "families",
    "family",
    "patchify",
    "register",
    "unpatchify",
]
