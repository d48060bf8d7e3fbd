"""The component ``evaluate``."""

from kfp import dsl

from components.base import step_component


@step_component
def evaluate(
    chips: dsl.Input[dsl.Dataset],
    model: dsl.Input[dsl.Model],
    evaluation: dsl.Output[dsl.Artifact],
    metrics: dsl.Output[dsl.Metrics],
    page: dsl.Output[dsl.HTML],
    root: str,
    package_version: str,
    reconstruction_chips: int = 128,
    probe_chips: int = 1000,
    land_cover_fraction: float = 0.5,
    neighbours: int = 20,
    resamples: int = 1000,
    pictures: int = 6,
    seed: int = 0,
    batch_size: int = 64,
    device: str = "auto",
) -> None:
    """Measure reconstruction and land-cover probes on held-out places.

    Args:
        chips: Pointer to the chip store.
        model: Pointer to the trained model.
        evaluation: Pointer to the evaluation.
        metrics: Counts and scores of the step.
        page: The step's own page.
        root: Folder or object-store prefix that the steps of a run share.
        package_version: Version of earthenware that compiled the pipeline; the step refuses any other.
        reconstruction_chips: Chips of held-out places whose hidden patches are reconstructed, at most.
        probe_chips: Chips per split for the land-cover probes, at most.
        land_cover_fraction: Least share (0 to 1) of a chip that its land-cover class must hold.
        neighbours: Voters of the nearest-neighbour probe.
        resamples: Bootstrap draws behind each interval.
        pictures: Chips to show before and after reconstruction.
        seed: Seed of the chips drawn, masks, untrained weights and bootstrap.
        batch_size: Chips per forward pass.
        device: Where to run the model; auto takes an accelerator if there is one.
    """
    from earthenware.evaluation import EvaluateSpec
    from earthenware.evaluation import evaluate as run
    from earthenware.steps import component

    with component("evaluate", root, package_version) as task:
        spec = EvaluateSpec(
            reconstruction_chips=reconstruction_chips,
            probe_chips=probe_chips,
            land_cover_fraction=land_cover_fraction,
            neighbours=neighbours,
            resamples=resamples,
            pictures=pictures,
            seed=seed,
            batch_size=batch_size,
            device=device,
        )
        report = run(spec, task.uri(chips), task.uri(model), output=task.output)
        task.publish(report, evaluation, metrics=metrics, page=page)
