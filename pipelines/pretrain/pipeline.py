"""The pipeline ``pretrain``: from a catalog to a pretrained model, its evaluation and its embeddings."""

from kfp import dsl

from components.build.component import build
from components.embed.component import embed
from components.evaluate.component import evaluate
from components.gate.component import gate
from components.merge.component import merge
from components.query.component import query
from components.report.component import report
from components.train.component import train
from components.validate.component import validate
from earthenware import __version__

__all__ = ["pretrain"]


@dsl.pipeline(name="earthenware-pretrain", display_name="Earthenware: pretrain")
def pretrain(
    root: str = "s3://mlpipeline/earthenware",
    shards: int = 1,
    query_catalog: str = "https://planetarycomputer.microsoft.com/api/stac/v1",
    query_bbox: str = "",
    query_datetime: str = "",
    query_sites: str = "",
    query_max_cloud_cover: float = 50.0,
    query_max_nodata: float = 60.0,
    query_sentinel1_max_days: float = 6.0,
    query_scenes_per_site: int = 4,
    query_max_scenes: int = 0,
    query_max_items: int = 20000,
    query_land_cover: str = "auto",
    query_optical_collection: str = "auto",
    query_on_missing_sensor: str = "keep",
    query_validation_percent: float = 20.0,
    query_test_percent: float = 0.0,
    query_split_block_km: float = 50.0,
    query_seed: int = 0,
    query_reject_limit: float = 0.2,
    query_requests: int = 4,
    build_sensors: str = "sentinel-2-l2a,sentinel-1-rtc,cop-dem-glo-30,land-cover",
    build_chip_size: int = 64,
    build_gsd: float = 10.0,
    build_edges: str = "drop",
    build_max_cloud: float = 0.5,
    build_max_nodata: float = 0.5,
    build_reject_limit: float = 0.2,
    build_part_chips: int = 256,
    build_workers: int = 2,
    build_threads: int = 4,
    build_retries: int = 4,
    build_timeout: int = 60,
    validate_max_chips: int = 2048,
    validate_seed: int = 0,
    validate_min_chips_train: int = 1,
    validate_min_chips_validation: int = 1,
    validate_min_chips_test: int = 0,
    validate_min_sensor_share: float = 0.5,
    validate_max_split_overlap: float = 0.01,
    validate_position_tolerance: float = 30.0,
    validate_earliest: str = "2014-04-03",
    validate_latest: str = "",
    validate_max_sensor_gap: float = 30.0,
    validate_max_implausible: float = 0.001,
    validate_fraction_tolerance: float = 0.001,
    validate_offset_dark_dn: float = 1000.0,
    validate_max_offset_scenes: float = 0.05,
    validate_reject_limit: float = 0.2,
    validate_fail: str = "",
    validate_warn: str = "",
    train_preset: str = "nano",
    train_patch_size: int = 16,
    train_mask_ratio: float = 0.75,
    train_normalize_targets: bool = False,
    train_epochs: int = 18,
    train_batch_size: int = 64,
    train_learning_rate: float = 0.001,
    train_weight_decay: float = 0.05,
    train_schedule: str = "warmup-cosine",
    train_warmup: float = 0.1,
    train_clip: float = 1.0,
    train_augment: bool = True,
    train_seed: int = 0,
    train_precision: str = "float32",
    train_workers: int = 2,
    train_device: str = "auto",
    train_cache_mb: int = 4096,
    train_checkpoint_every_epochs: int = 1,
    train_checkpoint_every_steps: int = 0,
    train_retries: int = 2,
    train_tracking_uri: str = "",
    train_experiment: str = "earthenware",
    train_model_name: str = "earthenware-mae",
    evaluate_reconstruction_chips: int = 128,
    evaluate_probe_chips: int = 1000,
    evaluate_land_cover_fraction: float = 0.5,
    evaluate_neighbours: int = 20,
    evaluate_resamples: int = 1000,
    evaluate_pictures: int = 6,
    evaluate_seed: int = 0,
    evaluate_batch_size: int = 64,
    evaluate_device: str = "auto",
    embed_splits: str = "",
    embed_batch_size: int = 64,
    embed_part_chips: int = 1024,
    embed_thumbnails: bool = True,
    embed_thumbnail_size: int = 64,
    embed_row_group_megabytes: int = 128,
    embed_reject_limit: float = 0.2,
    embed_license: str = "various",
    embed_product_id: str = "earthenware-embeddings",
    embed_device: str = "auto",
    report_title: str = "Pretraining report",
    report_places: int = 4,
    report_map_places: int = 24,
    report_queries: int = 2,
    report_seed: int = 0,
) -> None:
    """Pretrain a masked autoencoder on satellite images from a STAC catalog, evaluate it, and export embeddings.

    Args:
        root: Folder or s3:// prefix under which every step writes; a finished step is found there again.
        shards: Number of pods that a step over many scenes fans out to; 1 on a laptop, where workers count.
        query_catalog: Root URL of a STAC API, or path or URI of an ItemCollection JSON file (local, s3://, https://).
        query_bbox: Area as west,south,east,north in degrees; west > east crosses the antimeridian; empty takes a file's
            every item (an API needs one).
        query_datetime: Date or interval in UTC, such as 2021-06 or 2021-01-01/2021-12-31, '..' for an open end; empty
            takes a file's every item (an API needs one).
        query_sites: Sites to keep, such as 13TDE,31UFS; empty keeps all.
        query_max_cloud_cover: Largest cloud cover of an optical scene (%).
        query_max_nodata: Largest share of an optical scene without data (%).
        query_sentinel1_max_days: Largest distance in time between radar and optical scene (days).
        query_scenes_per_site: Scenes per site, spread over the seasons, clear ones first; 0 takes all (scenes).
        query_max_scenes: Scenes to keep in all, evenly over the sites; 0 keeps all (scenes).
        query_max_items: Most optical items a catalog may answer with (items).
        query_land_cover: Land-cover map: auto, none, or a collection id such as esa-worldcover.
        query_optical_collection: Sentinel-2 collection: auto, or a collection id such as sentinel-2-c1-l2a.
        query_on_missing_sensor: Scenes without matching radar or elevation: keep or drop them.
        query_validation_percent: Places that become validation data (%).
        query_test_percent: Places that become test data (%).
        query_split_block_km: Side of the blocks of ground that are divided among the splits (km).
        query_seed: Seed of the sampling and of the splits.
        query_reject_limit: Largest share of unusable items (fraction, 0 to 1).
        query_requests: Searches under way at a time (requests).
        build_sensors: Sensors to store (ids); land-cover is left out where the scenes have none.
        build_chip_size: Edge of a chip (pixels).
        build_gsd: Ground sampling distance of the scenes' grids (metres).
        build_edges: What to do with the remainder at a scene's right and lower edge: drop it, or shift the last row and
            column of chips back until they fit, so that they overlap their neighbours.
        build_max_cloud: Largest share of a chip's measured pixels under cloud or shadow (0 to 1).
        build_max_nodata: Largest share of a chip's pixels without Sentinel-2 data (0 to 1).
        build_reject_limit: Largest share of scenes that may be left out as bad (0 to 1).
        build_part_chips: Chips after which a part is closed (number).
        build_workers: Processes (number).
        build_threads: Files read at once by each process (number).
        build_retries: Times a failed web request is tried again, waiting longer each time (number).
        build_timeout: Longest time one web request may take (seconds).
        validate_max_chips: Chips whose pixels are read, drawn evenly over the scenes (0 = all).
        validate_seed: Seed of the draw of chips.
        validate_min_chips_train: Fewest chips of the train split (0 = no limit).
        validate_min_chips_validation: Fewest chips of the validation split (0 = no limit).
        validate_min_chips_test: Fewest chips of the test split (0 = no limit).
        validate_min_sensor_share: Smallest share of chips that have a sensor (fraction).
        validate_max_split_overlap: Largest share of a chip's area that lies in a chip of another split (fraction).
        validate_position_tolerance: Largest distance between a chip's centre by its grid and by its longitude and
            latitude (m).
        validate_earliest: Earliest plausible acquisition (ISO 8601, UTC).
        validate_latest: Latest plausible acquisition (ISO 8601, UTC; empty = now).
        validate_max_sensor_gap: Longest time between radar and optical acquisition (days).
        validate_max_implausible: Largest share of a band's pixels outside its plausible range (fraction).
        validate_fraction_tolerance: Largest difference between a nodata fraction of the index and the pixels'
            (fraction).
        validate_offset_dark_dn: Dark level at and above which Sentinel-2 pixels may carry the offset (DN).
        validate_max_offset_scenes: Largest share of scenes whose pixels still carry a removed offset (fraction).
        validate_reject_limit: Largest share of records rejected by the build (fraction).
        validate_fail: Expectations that close the gate although they only warn by default (names).
        validate_warn: Expectations that only warn although they close the gate by default (names).
        train_preset: Size of the model.
        train_patch_size: Side of a patch (pixels); must divide the chip size.
        train_mask_ratio: Share of the valid patches hidden (0 to 1).
        train_normalize_targets: Compare patches brought to zero mean and unit deviation instead of plain reflectance.
        train_epochs: Passes over the train split (number).
        train_batch_size: Chips per optimiser step over all workers (number).
        train_learning_rate: Highest learning rate of AdamW (per step).
        train_weight_decay: Weight decay of AdamW on matrices (per step).
        train_schedule: Learning rate over time: linear warm-up and cosine to 0, or the Clay v0 card's rising restarts.
        train_warmup: Share of all steps that warm up (0 to 1); not for clay-v0.
        train_clip: Largest norm of the gradient; 0 does not clip.
        train_augment: Flip and turn chips at random, pixels and masks alike.
        train_seed: Seed of the weights, the order of the chips, masks and turns.
        train_precision: Arithmetic of the model; bfloat16 keeps weights and loss in float32.
        train_workers: Training processes (number).
        train_device: Where to train; auto takes one GPU per worker where there are enough.
        train_cache_mb: Keep decoded chips in a local file that workers share, if it stays below this (MB); 0 for none.
        train_checkpoint_every_epochs: Epochs between checkpoints; 0 only at the end.
        train_checkpoint_every_steps: Optimiser steps between further checkpoints; 0 for none.
        train_retries: Restarts from the last checkpoint after a worker died (number).
        train_tracking_uri: MLflow server; empty: MLFLOW_TRACKING_URI, else mlflow.db beside the output; 'off' for none.
        train_experiment: MLflow experiment.
        train_model_name: Name under which MLflow registers the model.
        evaluate_reconstruction_chips: Chips of held-out places whose hidden patches are reconstructed, at most.
        evaluate_probe_chips: Chips per split for the land-cover probes, at most.
        evaluate_land_cover_fraction: Least share (0 to 1) of a chip that its land-cover class must hold.
        evaluate_neighbours: Voters of the nearest-neighbour probe.
        evaluate_resamples: Bootstrap draws behind each interval.
        evaluate_pictures: Chips to show before and after reconstruction.
        evaluate_seed: Seed of the chips drawn, masks, untrained weights and bootstrap.
        evaluate_batch_size: Chips per forward pass.
        evaluate_device: Where to run the model; auto takes an accelerator if there is one.
        embed_splits: Splits to embed (train, validation, test), separated by commas; empty means all.
        embed_batch_size: Chips per forward pass.
        embed_part_chips: Chips per part: what a killed run loses at most.
        embed_thumbnails: Keep a small true-colour JPEG of every chip in the product.
        embed_thumbnail_size: Longest edge of a thumbnail (pixels).
        embed_row_group_megabytes: Uncompressed size of a Parquet row group (MB).
        embed_reject_limit: Fraction of the chips (0 to 1) that may be left out before it fails.
        embed_license: Licence of the product: an SPDX identifier or 'various'.
        embed_product_id: Id of the product's STAC collection (letters, digits, '.', '_' and '-').
        embed_device: Where to run the model; auto takes an accelerator if there is one.
        report_title: Title of the page.
        report_places: Datacubes to show.
        report_map_places: Places whose embeddings are mapped, at most.
        report_queries: Chips whose nearest neighbours are shown.
        report_seed: Seed of the choice of places and chips.
    """
    found = query(
        shards=shards,
        root=root,
        package_version=__version__,
        catalog=query_catalog,
        bbox=query_bbox,
        datetime=query_datetime,
        sites=query_sites,
        max_cloud_cover=query_max_cloud_cover,
        max_nodata=query_max_nodata,
        sentinel1_max_days=query_sentinel1_max_days,
        scenes_per_site=query_scenes_per_site,
        max_scenes=query_max_scenes,
        max_items=query_max_items,
        land_cover=query_land_cover,
        optical_collection=query_optical_collection,
        on_missing_sensor=query_on_missing_sensor,
        validation_percent=query_validation_percent,
        test_percent=query_test_percent,
        split_block_km=query_split_block_km,
        seed=query_seed,
        reject_limit=query_reject_limit,
        requests=query_requests,
    )
    with dsl.ParallelFor(found.outputs["Output"], name="shards") as shard:
        built = build(
            scenes=found.outputs["scenes"],
            shard=shard,
            root=root,
            package_version=__version__,
            sensors=build_sensors,
            chip_size=build_chip_size,
            gsd=build_gsd,
            edges=build_edges,
            max_cloud=build_max_cloud,
            max_nodata=build_max_nodata,
            reject_limit=build_reject_limit,
            part_chips=build_part_chips,
            workers=build_workers,
            threads=build_threads,
            retries=build_retries,
            timeout=build_timeout,
        )
    merged = merge(stores=dsl.Collected(built.outputs["chips"]), root=root, package_version=__version__)
    chips = merged.outputs["chips"]
    validated = validate(
        chips=chips,
        root=root,
        package_version=__version__,
        max_chips=validate_max_chips,
        seed=validate_seed,
        min_chips_train=validate_min_chips_train,
        min_chips_validation=validate_min_chips_validation,
        min_chips_test=validate_min_chips_test,
        min_sensor_share=validate_min_sensor_share,
        max_split_overlap=validate_max_split_overlap,
        position_tolerance=validate_position_tolerance,
        earliest=validate_earliest,
        latest=validate_latest,
        max_sensor_gap=validate_max_sensor_gap,
        max_implausible=validate_max_implausible,
        fraction_tolerance=validate_fraction_tolerance,
        offset_dark_dn=validate_offset_dark_dn,
        max_offset_scenes=validate_max_offset_scenes,
        reject_limit=validate_reject_limit,
        fail=validate_fail,
        warn=validate_warn,
    )
    passed = gate(validation=validated.outputs["validation"], root=root, package_version=__version__)
    trained = train(
        chips=chips,
        validation=validated.outputs["validation"],
        root=root,
        package_version=__version__,
        preset=train_preset,
        patch_size=train_patch_size,
        mask_ratio=train_mask_ratio,
        normalize_targets=train_normalize_targets,
        epochs=train_epochs,
        batch_size=train_batch_size,
        learning_rate=train_learning_rate,
        weight_decay=train_weight_decay,
        schedule=train_schedule,
        warmup=train_warmup,
        clip=train_clip,
        augment=train_augment,
        seed=train_seed,
        precision=train_precision,
        workers=train_workers,
        device=train_device,
        cache_mb=train_cache_mb,
        checkpoint_every_epochs=train_checkpoint_every_epochs,
        checkpoint_every_steps=train_checkpoint_every_steps,
        retries=train_retries,
        tracking_uri=train_tracking_uri,
        experiment=train_experiment,
        model_name=train_model_name,
    )
    trained.after(passed)
    model = trained.outputs["model"]
    evaluated = evaluate(
        chips=chips,
        model=model,
        root=root,
        package_version=__version__,
        reconstruction_chips=evaluate_reconstruction_chips,
        probe_chips=evaluate_probe_chips,
        land_cover_fraction=evaluate_land_cover_fraction,
        neighbours=evaluate_neighbours,
        resamples=evaluate_resamples,
        pictures=evaluate_pictures,
        seed=evaluate_seed,
        batch_size=evaluate_batch_size,
        device=evaluate_device,
    )
    embedded = embed(
        chips=chips,
        model=model,
        root=root,
        package_version=__version__,
        splits=embed_splits,
        batch_size=embed_batch_size,
        part_chips=embed_part_chips,
        thumbnails=embed_thumbnails,
        thumbnail_size=embed_thumbnail_size,
        row_group_megabytes=embed_row_group_megabytes,
        reject_limit=embed_reject_limit,
        license=embed_license,
        product_id=embed_product_id,
        device=embed_device,
    )
    reported = report(
        chips=chips,
        model=model,
        evaluation=evaluated.outputs["evaluation"],
        embeddings=embedded.outputs["embeddings"],
        root=root,
        package_version=__version__,
        title=report_title,
        places=report_places,
        map_places=report_map_places,
        queries=report_queries,
        seed=report_seed,
    )
    for task in (found, built, merged, validated, passed, trained, evaluated, embedded, reported):
        # Each step knows by its own manifest whether there is anything to do: Kubeflow's cache would only guess.
        task.set_caching_options(False)
