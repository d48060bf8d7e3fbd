"""Earthenware: from open satellite catalogs to Earth-observation foundation models and their embeddings.

Importing this package is cheap: torch, ray, kfp and mlflow are imported by the functions that use them.
"""

from __future__ import annotations

__all__ = ["__version__"]

__version__ = "0.1.0"
