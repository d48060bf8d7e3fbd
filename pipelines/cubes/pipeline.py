"""The pipeline ``cubes``: from a catalog to a validated chip store."""

from pipelines.build import kubeflow_pipeline

__all__ = ["cubes"]

cubes = kubeflow_pipeline("cubes")
