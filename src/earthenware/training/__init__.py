"""Pretraining a masked autoencoder on a chip store, under Ray Train, with exact resume.

Torch, Lightning, Ray and MLflow are imported when training starts.
"""

from earthenware.training._spec import TrainSpec
from earthenware.training._train import record_step, train

__all__ = ["TrainSpec", "record_step", "train"]
