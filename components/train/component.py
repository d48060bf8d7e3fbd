"""The component ``train``."""

from kfp import dsl

from components.base import step_component


@step_component
def train(
    chips: dsl.Input[dsl.Dataset],
    validation: dsl.Input[dsl.Artifact],
    model: dsl.Output[dsl.Model],
    metrics: dsl.Output[dsl.Metrics],
    root: str,
    package_version: str,
    preset: str = "nano",
    patch_size: int = 16,
    mask_ratio: float = 0.75,
    normalize_targets: bool = False,
    epochs: int = 18,
    batch_size: int = 64,
    learning_rate: float = 0.001,
    weight_decay: float = 0.05,
    schedule: str = "warmup-cosine",
    warmup: float = 0.1,
    clip: float = 1.0,
    augment: bool = True,
    seed: int = 0,
    precision: str = "float32",
    workers: int = 2,
    device: str = "auto",
    cache_mb: int = 4096,
    checkpoint_every_epochs: int = 1,
    checkpoint_every_steps: int = 0,
    retries: int = 2,
    tracking_uri: str = "",
    experiment: str = "earthenware",
    model_name: str = "earthenware-mae",
) -> None:
    """Pretrain a masked autoencoder with Ray Train.

    Args:
        chips: Pointer to the chip store.
        validation: Pointer to the verdict on it, for the record of the run.
        model: Pointer to the trained model.
        metrics: Counts and scores of the step.
        root: Folder or object-store prefix that the steps of a run share.
        package_version: Version of earthenware that compiled the pipeline; the step refuses any other.
        preset: Size of the model.
        patch_size: Side of a patch (pixels); must divide the chip size.
        mask_ratio: Share of the valid patches hidden (0 to 1).
        normalize_targets: Compare patches brought to zero mean and unit deviation instead of plain reflectance.
        epochs: Passes over the train split (number).
        batch_size: Chips per optimiser step over all workers (number).
        learning_rate: Highest learning rate of AdamW (per step).
        weight_decay: Weight decay of AdamW on matrices (per step).
        schedule: Learning rate over time: linear warm-up and cosine to 0, or the Clay v0 card's rising restarts.
        warmup: Share of all steps that warm up (0 to 1); not for clay-v0.
        clip: Largest norm of the gradient; 0 does not clip.
        augment: Flip and turn chips at random, pixels and masks alike.
        seed: Seed of the weights, the order of the chips, masks and turns.
        precision: Arithmetic of the model; bfloat16 keeps weights and loss in float32.
        workers: Training processes (number).
        device: Where to train; auto takes one GPU per worker where there are enough.
        cache_mb: Keep decoded chips in a local file that workers share, if it stays below this (MB); 0 for none.
        checkpoint_every_epochs: Epochs between checkpoints; 0 only at the end.
        checkpoint_every_steps: Optimiser steps between further checkpoints; 0 for none.
        retries: Restarts from the last checkpoint after a worker died (number).
        tracking_uri: MLflow server; empty: MLFLOW_TRACKING_URI, else mlflow.db beside the output; 'off' for none.
        experiment: MLflow experiment.
        model_name: Name under which MLflow registers the model.
    """
    from earthenware.steps import component
    from earthenware.training import TrainSpec, record_step
    from earthenware.training import train as run

    with component("train", root, package_version) as task:
        spec = TrainSpec(
            preset=preset,
            patch_size=patch_size,
            mask_ratio=mask_ratio,
            normalize_targets=normalize_targets,
            epochs=epochs,
            batch_size=batch_size,
            learning_rate=learning_rate,
            weight_decay=weight_decay,
            schedule=schedule,
            warmup=warmup,
            clip=clip,
            augment=augment,
            seed=seed,
            precision=precision,
            workers=workers,
            device=device,
            cache_mb=cache_mb,
            checkpoint_every_epochs=checkpoint_every_epochs,
            checkpoint_every_steps=checkpoint_every_steps,
            retries=retries,
            tracking_uri=tracking_uri,
            experiment=experiment,
            model_name=model_name,
        )
        report = run(spec, task.uri(chips), output=task.output)
        record_step(report.output, task.uri(validation))
        task.publish(report, model, metrics=metrics)
