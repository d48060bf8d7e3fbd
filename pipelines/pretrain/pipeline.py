"""The pipeline ``pretrain``: from a catalog to a pretrained model, its evaluation and its embeddings."""

from pipelines.build import kubeflow_pipeline

__all__ = ["pretrain"]

pretrain = kubeflow_pipeline("pretrain")
