"""What can be asked of training."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from typing import Any, Final, Literal, Self

from pydantic import Field, JsonValue, field_validator, model_validator

from earthenware import storage, tracking
from earthenware.errors import EarthenwareError
from earthenware.inference import model_input, read_sensors, require_device
from earthenware.launch import existing_ray, ray_job_settings
from earthenware.models import ModelInput, family
from earthenware.processes import require_room
from earthenware.sensors import SENSORS
from earthenware.steps import LARGEST_SEED, CommaList, Foreseen, Spec, marks

_RUNTIME: dict[str, JsonValue] = marks(runtime=True)
_FORM: dict[str, JsonValue] = marks(runtime=True, form=True)
_WORKER_BYTES: Final = 256 * 2**20
"""Memory that a worker takes before it has a model: torch, Lightning and Ray were measured at 313 MiB of its own."""

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
    patch_size: int = Field(16, ge=1, le=2048, description="Side of a patch (pixels); must divide the chip size")
    mask_ratio: float = Field(0.75, ge=0.05, lt=1, description="Share of the valid patches hidden (0 to 1)")
    normalize_targets: bool = Field(
        False, description="Compare patches brought to zero mean and unit deviation instead of plain reflectance"
    )
    epochs: int = Field(
        18, ge=1, le=100_000, description="Passes over the train split (number)", json_schema_extra=marks(form=True)
    )
    batch_size: int = Field(
        64,
        ge=1,
        le=1_000_000,
        description="Chips per optimiser step over all workers (number)",
        json_schema_extra=marks(form=True),
    )
    learning_rate: float = Field(1e-3, gt=0, le=1, description="Highest learning rate of AdamW (per step)")
    weight_decay: float = Field(0.05, ge=0, le=100, description="Weight decay of AdamW on matrices (per step)")
    schedule: Schedule = Field(
        "warmup-cosine",
        description="Learning rate over time: linear warm-up and cosine to 0, or the Clay v0 card's rising restarts",
    )
    warmup: float = Field(0.1, ge=0, lt=1, description="Share of all steps that warm up (0 to 1); not for clay-v0")
    clip: float = Field(1.0, ge=0, le=1e6, description="Largest norm of the gradient; 0 does not clip")
    augment: bool = Field(True, description="Flip and turn chips at random, pixels and masks alike")
    seed: int = Field(
        0, ge=0, le=LARGEST_SEED, description="Seed of the weights, the order of the chips, masks and turns"
    )
    precision: Literal["float32", "bfloat16"] = Field(
        "float32", description="Arithmetic of the model; bfloat16 keeps weights and loss in float32"
    )

    workers: int = Field(2, ge=1, le=10_000, description="Training processes (number)", json_schema_extra=_FORM)
    device: Literal["auto", "cpu", "cuda", "mps"] = Field(
        "auto",
        description="Where to train; auto takes one GPU per worker where there are enough",
        json_schema_extra=_RUNTIME,
    )
    cache_mb: int = Field(
        4096,
        ge=0,
        le=1_000_000_000,
        json_schema_extra=_RUNTIME,
        description="Keep decoded chips in a local file that workers share, if it stays below this (MB); 0 for none",
    )
    checkpoint_every_epochs: int = Field(
        1, ge=0, le=100_000, description="Epochs between checkpoints; 0 only at the end", json_schema_extra=_RUNTIME
    )
    checkpoint_every_steps: int = Field(
        0,
        ge=0,
        le=1_000_000_000,
        description="Optimiser steps between further checkpoints; 0 for none",
        json_schema_extra=_RUNTIME,
    )
    retries: int = Field(
        2,
        ge=0,
        le=1000,
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

    @field_validator("tracking_uri")
    @classmethod
    def _tracking_uri(cls, value: str) -> str:
        if value:
            tracking.check_uri(value)
        return value

    @field_validator("experiment")
    @classmethod
    def _experiment(cls, value: str) -> str:
        tracking.check_experiment(value)
        return value

    @field_validator("model_name")
    @classmethod
    def _model_name(cls, value: str) -> str:
        if value:
            tracking.check_model_name(value)
        return value

    @model_validator(mode="after")
    def _preset_exists(self) -> Self:
        try:
            presets = family(self.family).presets
        except LookupError as error:
            raise ValueError(f"family: {error.args[0]}") from None
        if self.preset not in presets:
            raise ValueError(f"preset: the family {self.family} has {', '.join(presets)}, not {self.preset!r}")
        return self

    @model_validator(mode="after")
    def _workers_have_work(self) -> Self:
        if self.batch_size < self.workers:
            message = f"batch_size = {self.batch_size}: each of {self.workers} workers needs a chip of every batch"
            raise ValueError(message)
        if self.device == "mps" and self.workers > 1:
            raise ValueError(f"workers = {self.workers}: the device mps is one that one worker can use")
        return self

    def foresee(self, inputs: Foreseen) -> Foreseen:
        """Refuse chips that the model could not read, or of which it would see nothing."""
        if inputs.sensors is None or inputs.chip_size is None or inputs.gsd is None:
            return inputs
        sensors = read_sensors(self.sensors, inputs.sensors)
        if not set(sensors) & set(inputs.sensors):
            raise ValueError(f"sensors: the chips have none of them; they have {', '.join(inputs.sensors)}")
        self.configure(model_input(sensors, inputs.chip_size, inputs.gsd))
        return inputs

    def configure(self, reads: ModelInput) -> Any:
        """Return the configuration of the model that is asked for on such chips.

        Raises:
            ValueError: The family cannot make it.
        """
        chosen = family(self.family)
        return chosen.configure(self.preset, reads, self.model_values(chosen.values))

    def tracking_at(self, output: str, environment: Mapping[str, str] = os.environ) -> str:
        """Return the tracking URI of a run into ``<root>/train/<fingerprint>`` or ``<root>/<name>``.

        Raises:
            EarthenwareError: ``NO_TRACKING_URI``, ``BAD_URI``.
        """
        folder = storage.parent(output)
        root = storage.parent(folder) if storage.name(folder) == "train" else folder
        return tracking.resolve_uri(self.tracking_uri, root, environment)

    def accelerator(self, gpus: int) -> str:
        """Return Lightning's name of the device that each worker uses where there are so many GPUs.

        Raises:
            EarthenwareError: ``NO_GPU``.
        """
        if self.device == "cuda" and gpus < self.workers:
            message = f"device is 'cuda', but there are {gpus} GPUs for {self.workers} workers."
            raise EarthenwareError("NO_GPU", message, "Use fewer workers, or device 'auto' or 'cpu'.")
        if self.device in ("cpu", "mps"):
            return self.device
        return "gpu" if gpus >= self.workers else "cpu"

    def require(self, output: str, environment: Mapping[str, str]) -> None:
        """Raise what is missing: a place to record the run, where the root is not on this machine."""
        self.tracking_at(output, environment)

    def require_machine(self) -> None:
        """Raise what this machine lacks, unless a cluster trains: memory for the workers, and the devices."""
        if existing_ray() or ray_job_settings() is not None:
            return
        require_room("workers", self.workers, _WORKER_BYTES)
        require_device(self.device)
        if self.device == "cuda":
            import torch

            self.accelerator(torch.cuda.device_count())

    def model_values(self, known: Collection[str]) -> dict[str, Any]:
        """Return the values of the model's configuration that this spec sets, of those that the family knows.

        A value that the family lacks and that is not the default is returned, too, so that the family can say so.
        """
        return {
            name: getattr(self, name)
            for name in ("patch_size", "mask_ratio", "normalize_targets")
            if name in known or getattr(self, name) != type(self).model_fields[name].default
        }
