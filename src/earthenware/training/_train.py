"""The training step: check the input, train, keep the weights, then record and register them."""

from __future__ import annotations

from collections.abc import Iterator

from earthenware import storage
from earthenware.chips import ChipStore
from earthenware.errors import EarthenwareError
from earthenware.launch import ray_job_settings, run_as_ray_job, step_command
from earthenware.products import TrainedModel, record_step
from earthenware.steps import Attempt, Result, StepReport, read_manifest, run_step
from earthenware.training._job import PACKAGE, split_chips
from earthenware.training._record import Record
from earthenware.training._sampler import ChipSampler
from earthenware.training._spec import TrainSpec

ALGORITHM_VERSION = 3
_STEP = "train"
_CHECKPOINTS = "checkpoints"


def train(spec: TrainSpec, chips: str, output: str, validation: str = "") -> StepReport:
    """Pretrain a model on chips without labels.

    The output holds ``model/`` (the package), ``history.parquet`` (epoch, train_loss, validation_loss, learning_rate,
    chips_per_second) and ``checkpoints/``. A run that was killed resumes from its last checkpoint and ends with the
    weights of an undisturbed one. The weights are written before MLflow is told of them: where it cannot be reached
    at the end, the step fails, and run again it only does that part.

    Where ``EARTHENWARE_RAY_JOB`` holds settings, all this happens in a Ray job on the cluster, which is waited for.

    Args:
        spec: What to do.
        chips: URI of the chip store.
        output: The prefix to own.
        validation: Output of the validation of these chips, for the record in MLflow; it changes no result.

    Raises:
        EarthenwareError: ``NO_TRAINING_CHIPS``, ``TOO_FEW_CHIPS``, ``BAD_MODEL``, ``LOSS_NOT_FINITE``, ``NO_GPU``,
            ``TRAINING_FAILED``, ``TRACKING_*``, what reading the store or the step contract raises, or for a Ray job
            what :func:`earthenware.launch.run_as_ray_job` raises.
    """
    inputs = {"chips": chips}

    def body(attempt: Attempt) -> Result:
        return _body(spec, storage.normalise(chips), attempt)

    def here() -> StepReport:
        return run_step(_STEP, ALGORITHM_VERSION, spec=spec, inputs=inputs, output=output, body=body)

    def command(where: str) -> tuple[str, ...]:
        return step_command(_STEP, spec, inputs, where)

    settings = ray_job_settings()
    report = here() if settings is None else run_as_ray_job(settings, here, command=command, workers=spec.workers)
    if validation:
        record_step(report.manifest, validation, read_manifest(validation))
    return report


def verify_checkpoints(output: str) -> Iterator[str]:
    """Read every checkpoint of a training, finished or not, and yield one sentence per damaged one."""
    from earthenware.training._checkpoint import damaged_checkpoints

    yield from damaged_checkpoints(storage.join(output, _CHECKPOINTS))


def _body(spec: TrainSpec, chips: str, attempt: Attempt) -> Result:
    store = ChipStore.open(chips)
    train_chips, validation_chips = (len(split_chips(store, split)) for split in ("train", "validation"))
    epoch_steps = _check(spec, store, train_chips)
    if not validation_chips:
        attempt.warn("NO_VALIDATION_CHIPS", "no chip is in the validation split: there will be no validation loss")
    checkpoints = attempt.uri(_CHECKPOINTS)
    steps = spec.epochs * epoch_steps
    with Record(spec, store, attempt) as record:
        # Imported here: torch takes seconds, which a wrong spec should not cost.
        from earthenware.training._checkpoint import latest_checkpoint, prune, whole_checkpoint
        from earthenware.training._model import export

        latest = whole_checkpoint(checkpoints, attempt.warn)
        if latest is None or latest[0] < steps:
            from earthenware.training._launch import launch

            launch(spec, chips, checkpoints, attempt, record.epoch)
            latest = latest_checkpoint(checkpoints)
        if latest is None or latest[0] < steps:
            message = f"Training ended after step {latest[0] if latest else 0} of {steps}."
            raise EarthenwareError("TRAINING_FAILED", message, "Run the step again to resume.")

        package, history = export(latest[1], spec, store, attempt)
        metrics = {
            "train_loss": history[-1]["train_loss"],
            "validation_loss": history[-1]["validation_loss"],
            "first_train_loss": history[0]["train_loss"],
            "first_validation_loss": history[0]["validation_loss"],
            "chips_per_second": sum(row["chips_per_second"] for row in history) / len(history),
        }
        metrics = {key: value for key, value in metrics.items() if value is not None}
        counts = {
            "chips_train": train_chips,
            "chips_validation": validation_chips,
            "epochs": spec.epochs,
            "steps": steps,
            "parameters": package.parameters,
        }
        tracked = record.close(package.digest, history, metrics, counts)
        prune(checkpoints, 1)
    trained = TrainedModel(package=PACKAGE, package_digest=package.digest, family=spec.family, tracked=tracked)
    return Result(counts=counts, metrics=metrics, details=trained.details(), content=package.digest)


def _check(spec: TrainSpec, store: ChipStore, chips: int) -> int:
    """Raise what can be said before training starts, and return the number of steps of an epoch."""
    if not chips:
        raise EarthenwareError(
            "NO_TRAINING_CHIPS",
            f"The chip store '{storage.redact(store.uri)}' has no chip in the train split.",
            "Splits are drawn by place: add sites to the query, or change its split fractions.",
        )
    from earthenware.training._model import describe

    describe(store, spec)
    return len(ChipSampler(chips, spec.batch_size, seed=spec.seed, world_size=spec.workers))
