"""The Kubeflow pipelines; ``python -m pipelines`` compiles them."""
