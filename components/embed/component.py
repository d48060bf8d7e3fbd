"""The component ``embed``."""

from kfp import dsl

from components.base import step_component


@step_component
def embed(
    chips: dsl.Input[dsl.Dataset],
    model: dsl.Input[dsl.Model],
    embeddings: dsl.Output[dsl.Dataset],
    metrics: dsl.Output[dsl.Metrics],
    root: str,
    package_version: str,
    splits: str = "",
    batch_size: int = 64,
    part_chips: int = 1024,
    thumbnails: bool = True,
    thumbnail_size: int = 64,
    row_group_megabytes: int = 128,
    reject_limit: float = 0.2,
    license: str = "various",
    product_id: str = "earthenware-embeddings",
    device: str = "auto",
) -> None:
    """Export one embedding per chip as GeoParquet.

    Args:
        chips: Pointer to the chip store.
        model: Pointer to the trained model.
        embeddings: Pointer to the embedding product.
        metrics: Counts and scores of the step.
        root: Folder or object-store prefix that the steps of a run share.
        package_version: Version of earthenware that compiled the pipeline; the step refuses any other.
        splits: Splits to embed (train, validation, test), separated by commas; empty means all.
        batch_size: Chips per forward pass.
        part_chips: Chips per part: what a killed run loses at most.
        thumbnails: Keep a small true-colour JPEG of every chip in the product.
        thumbnail_size: Longest edge of a thumbnail (pixels).
        row_group_megabytes: Uncompressed size of a Parquet row group (MB).
        reject_limit: Fraction of the chips (0 to 1) that may be left out before it fails.
        license: Licence of the product: an SPDX identifier or 'various'.
        product_id: Id of the product's STAC collection (letters, digits, '.', '_' and '-').
        device: Where to run the model; auto takes an accelerator if there is one.
    """
    from earthenware.embeddings import EmbedSpec
    from earthenware.embeddings import embed as run
    from earthenware.steps import component
    from earthenware.training import record_step

    with component("embed", root, package_version) as task:
        spec = EmbedSpec(
            splits=splits,
            batch_size=batch_size,
            part_chips=part_chips,
            thumbnails=thumbnails,
            thumbnail_size=thumbnail_size,
            row_group_megabytes=row_group_megabytes,
            reject_limit=reject_limit,
            license=license,
            product_id=product_id,
            device=device,
        )
        report = run(spec, task.uri(chips), task.uri(model), output=task.output)
        record_step(task.uri(model), report.output)
        task.publish(report, embeddings, metrics=metrics)
