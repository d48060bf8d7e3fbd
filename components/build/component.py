"""The component ``build``."""

from kfp import dsl

from components.base import step_component


@step_component
def build(
    scenes: dsl.Input[dsl.Dataset],
    chips: dsl.Output[dsl.Dataset],
    metrics: dsl.Output[dsl.Metrics],
    root: str,
    package_version: str,
    sensors: str = "sentinel-2-l2a,sentinel-1-rtc,cop-dem-glo-30,land-cover",
    chip_size: int = 64,
    gsd: float = 10.0,
    edges: str = "drop",
    max_cloud: float = 0.5,
    max_nodata: float = 0.5,
    reject_limit: float = 0.2,
    part_chips: int = 256,
    shard: str = "0/1",
    workers: int = 2,
    threads: int = 4,
    retries: int = 4,
    timeout: int = 60,
) -> None:
    """Read the scenes' pixels and cut them into a chip store.

    Args:
        scenes: Pointer to the table of scenes.
        chips: Pointer to the chip store of this shard.
        metrics: Counts and scores of the step.
        root: Folder or object-store prefix that the steps of a run share.
        package_version: Version of earthenware that compiled the pipeline; the step refuses any other.
        sensors: Sensors to store (ids); land-cover is left out where the scenes have none.
        chip_size: Edge of a chip (pixels).
        gsd: Ground sampling distance of the scenes' grids (metres).
        edges: What to do with the remainder at a scene's right and lower edge: drop it, or shift the last row and
            column of chips back until they fit, so that they overlap their neighbours.
        max_cloud: Largest share of a chip's measured pixels under cloud or shadow (0 to 1).
        max_nodata: Largest share of a chip's pixels without Sentinel-2 data (0 to 1).
        reject_limit: Largest share of scenes that may be left out as bad (0 to 1).
        part_chips: Chips after which a part is closed (number).
        shard: Which share of the scenes to build, as index/count: 0/4 is the first of four.
        workers: Processes (number).
        threads: Files read at once by each process (number).
        retries: Times a failed web request is tried again, waiting longer each time (number).
        timeout: Longest time one web request may take (seconds).
    """
    from earthenware.datacube import BuildSpec
    from earthenware.datacube import build as run
    from earthenware.steps import component

    with component("build", root, package_version) as task:
        spec = BuildSpec(
            sensors=sensors,
            chip_size=chip_size,
            gsd=gsd,
            edges=edges,
            max_cloud=max_cloud,
            max_nodata=max_nodata,
            reject_limit=reject_limit,
            part_chips=part_chips,
            shard=shard,
            workers=workers,
            threads=threads,
            retries=retries,
            timeout=timeout,
        )
        report = run(spec, task.uri(scenes), output=task.output)
        task.publish(report, chips, metrics=metrics)
