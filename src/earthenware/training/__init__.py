"""Pretraining a model on the chips of a store, under Ray Train, with exact resume.

Torch, Lightning, Ray and MLflow are imported when training starts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from earthenware.lazy import lazy_exports

if TYPE_CHECKING:
    from earthenware.training._spec import TrainSpec
    from earthenware.training._train import train, verify_checkpoints
else:
    __getattr__, __dir__ = lazy_exports(__name__)

__all__ = ["TrainSpec", "train", "verify_checkpoints"]
