"""How training went, as charts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from earthenware.pages import line_chart
from earthenware.report._lineage import Lineage


def training_charts(history: Sequence[Mapping[str, Any]], lineage: Lineage) -> dict[str, Any]:
    """Return the curves of a training.

    Args:
        history: A row per epoch: ``epoch``, ``train_loss``, ``validation_loss`` and ``learning_rate``.
        lineage: Steps behind the report.

    Returns:
        ``losses`` and ``rate``, empty where they are not known; ``hidden``, the share of each chip's patches that was
        hidden in percent, None where it is not known.
    """
    epochs = [float(row["epoch"]) for row in history]

    def values(name: str) -> list[Any]:
        return [row.get(name) for row in history]

    rates = [None if rate is None else 1000 * rate for rate in values("learning_rate")]
    spec = lineage.steps["train"].first.spec if "train" in lineage.steps else {}
    return {
        "losses": line_chart(
            epochs,
            [("training", "a", values("train_loss")), ("validation", "b", values("validation_loss"))],
            x_label="epoch",
            y_label="loss: mean squared error of hidden patches",
        ),
        "rate": line_chart(
            epochs,
            [("rate", "c", rates)],
            x_label="epoch",
            y_label="learning rate at the end of the epoch (thousandths)",
        ),
        "hidden": 100 * spec["mask_ratio"] if "mask_ratio" in spec else None,
    }
