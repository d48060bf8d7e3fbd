"""The pipeline ``pretrain``."""

from pipelines.pretrain.pipeline import pretrain

__all__ = ["pretrain"]
