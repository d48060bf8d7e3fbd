"""The Kubeflow components, one folder each."""
