"""The component ``report``."""

from kfp import dsl

from components.base import step_component


@step_component
def report(
    chips: dsl.Input[dsl.Dataset],
    model: dsl.Input[dsl.Model],
    evaluation: dsl.Input[dsl.Artifact],
    embeddings: dsl.Input[dsl.Dataset],
    pointer: dsl.Output[dsl.Artifact],
    page: dsl.Output[dsl.HTML],
    summary: dsl.Output[dsl.Markdown],
    root: str,
    package_version: str,
    title: str = "Pretraining report",
    places: int = 4,
    map_places: int = 24,
    queries: int = 2,
    seed: int = 0,
) -> None:
    """Write one self-contained page about the whole run.

    Args:
        chips: Pointer to the chip store.
        model: Pointer to the trained model.
        evaluation: Pointer to the evaluation.
        embeddings: Pointer to the embedding product.
        pointer: Pointer to the report.
        page: The step's own page.
        summary: A short summary.
        root: Folder or object-store prefix that the steps of a run share.
        package_version: Version of earthenware that compiled the pipeline; the step refuses any other.
        title: Title of the page.
        places: Datacubes to show.
        map_places: Places whose embeddings are mapped, at most.
        queries: Chips whose nearest neighbours are shown.
        seed: Seed of the choice of places and chips.
    """
    from earthenware.report import ReportSpec
    from earthenware.report import report as run
    from earthenware.steps import component

    with component("report", root, package_version) as task:
        spec = ReportSpec(
            title=title,
            places=places,
            map_places=map_places,
            queries=queries,
            seed=seed,
        )
        report = run(
            spec, task.uri(chips), task.uri(model), task.uri(evaluation), task.uri(embeddings), output=task.output
        )
        task.publish(report, pointer, page=page, summary=summary)
