"""The component ``query``."""

from kfp import dsl

from components.base import step_component


@step_component
def query(
    scenes: dsl.Output[dsl.Dataset],
    metrics: dsl.Output[dsl.Metrics],
    summary: dsl.Output[dsl.Markdown],
    root: str,
    package_version: str,
    shards: int = 1,
    catalog: str = "https://planetarycomputer.microsoft.com/api/stac/v1",
    bbox: str = "",
    datetime: str = "",
    sites: str = "",
    max_cloud_cover: float = 50.0,
    max_nodata: float = 60.0,
    sentinel1_max_days: float = 6.0,
    scenes_per_site: int = 4,
    max_scenes: int = 0,
    max_items: int = 20000,
    land_cover: str = "auto",
    optical_collection: str = "auto",
    on_missing_sensor: str = "keep",
    validation_percent: float = 20.0,
    test_percent: float = 0.0,
    split_block_km: float = 50.0,
    seed: int = 0,
    reject_limit: float = 0.2,
    requests: int = 4,
) -> list[str]:
    """Search a STAC catalog and write the table of scenes.

    Args:
        scenes: Pointer to the table of scenes.
        metrics: Counts and scores of the step.
        summary: A short summary.
        root: Folder or object-store prefix that the steps of a run share.
        package_version: Version of earthenware that compiled the pipeline; the step refuses any other.
        shards: Number of build shards to split the scenes into.
        catalog: Root URL of a STAC API, or path or URI of an ItemCollection JSON file (local, s3://, https://).
        bbox: Area as west,south,east,north in degrees; west > east crosses the antimeridian; empty takes a file's every
            item (an API needs one).
        datetime: Date or interval in UTC, such as 2021-06 or 2021-01-01/2021-12-31, '..' for an open end; empty takes a
            file's every item (an API needs one).
        sites: Sites to keep, such as 13TDE,31UFS; empty keeps all.
        max_cloud_cover: Largest cloud cover of an optical scene (%).
        max_nodata: Largest share of an optical scene without data (%).
        sentinel1_max_days: Largest distance in time between radar and optical scene (days).
        scenes_per_site: Scenes per site, spread over the seasons, clear ones first; 0 takes all (scenes).
        max_scenes: Scenes to keep in all, evenly over the sites; 0 keeps all (scenes).
        max_items: Most optical items a catalog may answer with (items).
        land_cover: Land-cover map: auto, none, or a collection id such as esa-worldcover.
        optical_collection: Sentinel-2 collection: auto, or a collection id such as sentinel-2-c1-l2a.
        on_missing_sensor: Scenes without matching radar or elevation: keep or drop them.
        validation_percent: Places that become validation data (%).
        test_percent: Places that become test data (%).
        split_block_km: Side of the blocks of ground that are divided among the splits (km).
        seed: Seed of the sampling and of the splits.
        reject_limit: Largest share of unusable items (fraction, 0 to 1).
        requests: Searches under way at a time (requests).

    Returns:
        The shards, each as index/count: one build per shard covers all scenes.
    """
    from earthenware.catalog import QuerySpec
    from earthenware.catalog import query as run
    from earthenware.steps import component

    with component("query", root, package_version) as task:
        spec = QuerySpec(
            catalog=catalog,
            bbox=bbox,
            datetime=datetime,
            sites=sites,
            max_cloud_cover=max_cloud_cover,
            max_nodata=max_nodata,
            sentinel1_max_days=sentinel1_max_days,
            scenes_per_site=scenes_per_site,
            max_scenes=max_scenes,
            max_items=max_items,
            land_cover=land_cover,
            optical_collection=optical_collection,
            on_missing_sensor=on_missing_sensor,
            validation_percent=validation_percent,
            test_percent=test_percent,
            split_block_km=split_block_km,
            seed=seed,
            reject_limit=reject_limit,
            requests=requests,
        )
        report = run(spec, output=task.output)
        task.publish(report, scenes, metrics=metrics, summary=summary)
        number = max(1, min(shards, report.manifest.counts["scenes"]))
    # The one returned value: kfp.local loops only over an output that is called "Output".
    return [f"{index}/{number}" for index in range(number)]
