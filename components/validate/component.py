"""The component ``validate``."""

from kfp import dsl

from components.base import step_component


@step_component
def validate(
    chips: dsl.Input[dsl.Dataset],
    validation: dsl.Output[dsl.Artifact],
    metrics: dsl.Output[dsl.Metrics],
    page: dsl.Output[dsl.HTML],
    root: str,
    package_version: str,
    max_chips: int = 2048,
    seed: int = 0,
    min_chips_train: int = 1,
    min_chips_validation: int = 1,
    min_chips_test: int = 0,
    min_sensor_share: float = 0.5,
    max_split_overlap: float = 0.01,
    position_tolerance: float = 30.0,
    earliest: str = "2014-04-03",
    latest: str = "",
    max_sensor_gap: float = 30.0,
    max_implausible: float = 0.001,
    fraction_tolerance: float = 0.001,
    offset_dark_dn: float = 1000.0,
    max_offset_scenes: float = 0.05,
    reject_limit: float = 0.2,
    fail: str = "",
    warn: str = "",
) -> None:
    """Check a chip store with Great Expectations and publish the verdict.

    Args:
        chips: Pointer to the chip store.
        validation: Pointer to the verdict.
        metrics: Counts and scores of the step.
        page: The step's own page.
        root: Folder or object-store prefix that the steps of a run share.
        package_version: Version of earthenware that compiled the pipeline; the step refuses any other.
        max_chips: Chips whose pixels are read, drawn evenly over the scenes (0 = all).
        seed: Seed of the draw of chips.
        min_chips_train: Fewest chips of the train split (0 = no limit).
        min_chips_validation: Fewest chips of the validation split (0 = no limit).
        min_chips_test: Fewest chips of the test split (0 = no limit).
        min_sensor_share: Smallest share of chips that have a sensor (fraction).
        max_split_overlap: Largest share of a chip's area that lies in a chip of another split (fraction).
        position_tolerance: Largest distance between a chip's centre by its grid and by its longitude and latitude (m).
        earliest: Earliest plausible acquisition (ISO 8601, UTC).
        latest: Latest plausible acquisition (ISO 8601, UTC; empty = now).
        max_sensor_gap: Longest time between radar and optical acquisition (days).
        max_implausible: Largest share of a band's pixels outside its plausible range (fraction).
        fraction_tolerance: Largest difference between a nodata fraction of the index and the pixels' (fraction).
        offset_dark_dn: Dark level at and above which Sentinel-2 pixels may carry the offset (DN).
        max_offset_scenes: Largest share of scenes whose pixels still carry a removed offset (fraction).
        reject_limit: Largest share of records rejected by the build (fraction).
        fail: Expectations that close the gate although they only warn by default (names).
        warn: Expectations that only warn although they close the gate by default (names).
    """
    from earthenware.steps import component
    from earthenware.validation import ValidateSpec
    from earthenware.validation import validate as run

    with component("validate", root, package_version) as task:
        spec = ValidateSpec(
            max_chips=max_chips,
            seed=seed,
            min_chips_train=min_chips_train,
            min_chips_validation=min_chips_validation,
            min_chips_test=min_chips_test,
            min_sensor_share=min_sensor_share,
            max_split_overlap=max_split_overlap,
            position_tolerance=position_tolerance,
            earliest=earliest,
            latest=latest,
            max_sensor_gap=max_sensor_gap,
            max_implausible=max_implausible,
            fraction_tolerance=fraction_tolerance,
            offset_dark_dn=offset_dark_dn,
            max_offset_scenes=max_offset_scenes,
            reject_limit=reject_limit,
            fail=fail,
            warn=warn,
        )
        report = run(spec, task.uri(chips), output=task.output)
        task.publish(report, validation, metrics=metrics, page=page)
