"""What can be asked of training."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Literal, Self

from pydantic import Field, JsonValue, field_validator, model_validator

from earthenware.sensors import SENSORS
from earthenware.steps import CommaList, Spec, marks

_RUNTIME: dict[str, JsonValue] = marks(runtime=True)
_FORM: dict[str, JsonValue] = marks(runtime=True, form=True)

Schedule = Literal["warmup-cosine", "clay-v0"]
"""Names of learning-rate schedules."""


class TrainSpec(Spec):
    """A pretraining run: the model, the optimiser, and how the work is spread."""

    family: str = Field("mae", description="Family of the model")
    preset: str = Field(
        "nano",
        json_schema_extra=marks(form=True),
        description="Size of the model, such as nano, tiny, small, medium, large",
    )
    sensors: CommaList = Field(
        (), description="Sensors that the model reads; empty: all that the chips have, except labels"
    )
    patch_size: int = Field(16, ge=1, description="Side of a patch (pixels); must divide the chip size")
    mask_ratio: float = Field(0.75, ge=0.05, lt=1, description="Share of the valid patches hidden (0 to 1)")
    normalize_targets: bool = Field(
        False, description="Compare patches brought to zero mean and unit deviation instead of plain reflectance"
    )
    epochs: int = Field(
        18, ge=1, description="Passes over the train split (number)", json_schema_extra=marks(form=True)
    )
    batch_size: int = Field(
        64, ge=1, description="Chips per optimiser step over all workers (number)", json_schema_extra=marks(form=True)
    )
    learning_rate: float = Field(1e-3, gt=0, description="Highest learning rate of AdamW (per step)")
    weight_decay: float = Field(0.05, ge=0, description="Weight decay of AdamW on matrices (per step)")
    schedule: Schedule = Field(
        "warmup-cosine",
        description="Learning rate over time: linear warm-up and cosine to 0, or the Clay v0 card's rising restarts",
    )
    warmup: float = Field(0.1, ge=0, lt=1, description="Share of all steps that warm up (0 to 1); not for clay-v0")
    clip: float = Field(1.0, ge=0, description="Largest norm of the gradient; 0 does not clip")
    augment: bool = Field(True, description="Flip and turn chips at random, pixels and masks alike")
    seed: int = Field(0, ge=0, description="Seed of the weights, the order of the chips, masks and turns")
    precision: Literal["float32", "bfloat16"] = Field(
        "float32", description="Arithmetic of the model; bfloat16 keeps weights and loss in float32"
    )

    workers: int = Field(2, ge=1, description="Training processes (number)", json_schema_extra=_FORM)
    device: Literal["auto", "cpu", "cuda", "mps"] = Field(
        "auto",
        description="Where to train; auto takes one GPU per worker where there are enough",
        json_schema_extra=_RUNTIME,
    )
    cache_mb: int = Field(
        4096,
        ge=0,
        json_schema_extra=_RUNTIME,
        description="Keep decoded chips in a local file that workers share, if it stays below this (MB); 0 for none",
    )
    checkpoint_every_epochs: int = Field(
        1, ge=0, description="Epochs between checkpoints; 0 only at the end", json_schema_extra=_RUNTIME
    )
    checkpoint_every_steps: int = Field(
        0, ge=0, description="Optimiser steps between further checkpoints; 0 for none", json_schema_extra=_RUNTIME
    )
    retries: int = Field(
        2,
        ge=0,
        description="Restarts from the last checkpoint after a worker died (number)",
        json_schema_extra=_RUNTIME,
    )
    tracking_uri: str = Field(
        "",
        json_schema_extra=marks(runtime=True, form=True, means="tracking"),
        description="MLflow server; empty: MLFLOW_TRACKING_URI, else mlflow.db beside the output; 'off' for none",
    )
    experiment: str = Field("earthenware", description="MLflow experiment", json_schema_extra=_RUNTIME)
    model_name: str = Field(
        "",
        json_schema_extra=_FORM,
        description="Name under which MLflow registers the model; empty: earthenware-FAMILY",
    )

    @field_validator("sensors")
    @classmethod
    def _sensors(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            if name not in SENSORS:
                raise ValueError(f"there is no sensor {name!r}; sensors are {', '.join(SENSORS)}")
            if SENSORS[name].role == "label" or value.count(name) > 1:
                raise ValueError(f"must name each sensor once, and no labels, got {name!r}")
        return value

    @model_validator(mode="after")
    def _preset_exists(self) -> Self:
        from earthenware.models import family

        try:
            presets = family(self.family).presets
        except LookupError as error:
            raise ValueError(f"family: {error.args[0]}") from None
        if self.preset not in presets:
            raise ValueError(f"preset: the family {self.family} has {', '.join(presets)}, not {self.preset!r}")
        return self

    def model_values(self, known: Collection[str]) -> dict[str, Any]:
        """Return the values of the model's configuration that this spec sets, of those that the family knows.

        A value that the family lacks and that is not the default is returned, too, so that the family can say so.
        """
        return {
            name: getattr(self, name)
            for name in ("patch_size", "mask_ratio", "normalize_targets")
            if name in known or getattr(self, name) != type(self).model_fields[name].default
        }
