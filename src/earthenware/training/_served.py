"""The model as MLflow serves it: this file is copied into the model, and loads the package that lies beside it.

MLflow runs it where ``mlflow.pyfunc.load_model`` is called; nothing in the model is a pickle.
"""

from __future__ import annotations

from typing import Any

import mlflow
import numpy as np
import pandas as pd  # MLflow resolves the hints of predict
from mlflow.pyfunc.model import PythonModel


class EmbeddingModel(PythonModel):
    """Chips in, embeddings out."""

    def load_context(self, context: Any) -> None:
        """Load the package."""
        from earthenware.inference import load_package

        self._package = load_package(context.artifacts["package"])

    def predict(self, context: Any, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> np.ndarray:
        """Embed the chips of a table with the columns ``chips`` (URI of a chip store) and ``chip_id``.

        Returns:
            `[row, dim]` float32, in the order of the rows.

        Raises:
            EarthenwareError: ``UNKNOWN_CHIP``, or what the chip store raises.
        """
        from earthenware.chips import ChipStore
        from earthenware.errors import EarthenwareError
        from earthenware.inference import embed_chips

        embeddings = np.zeros((len(model_input), self._package.width), dtype=np.float32)
        for uri, rows in model_input.groupby("chips", sort=False).indices.items():
            store = ChipStore.open(str(uri))
            places = {chip: i for i, chip in enumerate(store.column("chip_id"))}
            wanted = [str(chip) for chip in model_input["chip_id"].to_numpy()[rows]]
            missing = next((chip for chip in wanted if chip not in places), None)
            if missing is not None:
                raise EarthenwareError("UNKNOWN_CHIP", f"The chip store '{uri}' has no chip '{missing}'.")
            numbers = [places[chip] for chip in wanted]
            embeddings[rows] = embed_chips(store, self._package, numbers, with_loss=False).embeddings
        return embeddings


mlflow.models.set_model(EmbeddingModel())
