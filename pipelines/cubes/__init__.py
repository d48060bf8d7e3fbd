"""The pipeline ``cubes``."""

from pipelines.cubes.pipeline import cubes

__all__ = ["cubes"]
