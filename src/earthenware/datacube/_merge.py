"""The step that makes one store of several shards."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from earthenware import storage
from earthenware.chips import STORE_FILE, merge_documents
from earthenware.datacube._build import no_chips, summarise, warn_of_offsets
from earthenware.datacube._cut import Tally
from earthenware.datacube._spec import MergeSpec
from earthenware.errors import EarthenwareError
from earthenware.steps import Attempt, Manifest, Result, StepReport, read_manifest, run_step

ALGORITHM_VERSION: Final = 1


def merge(stores: Sequence[str], output: str) -> StepReport:
    """Make one chip store of the shards of a build: their parts stay where they are, no pixel is copied.

    Args:
        stores: Outputs of ``build``, in any order.
        output: The prefix to own.

    Returns:
        The report. Its manifest holds the rejects of all shards; the share of rejected scenes is checked over all.

    Raises:
        EarthenwareError: ``NO_STORES``, ``STORES_DIFFER``, ``TOO_MANY_REJECTS``, ``NO_CHIPS``, or what the step
            contract raises.
    """
    if not stores:
        raise EarthenwareError("NO_STORES", "No chip store was given to merge.", "Name at least one.")
    # The order in which an orchestrator hands over its shards must not make another fingerprint.
    ordered = sorted(storage.normalise(uri) for uri in stores)
    return run_step(
        "merge",
        ALGORITHM_VERSION,
        spec=MergeSpec(),
        inputs={"shards": ordered},
        output=output,
        body=lambda attempt: _body(attempt, ordered),
    )


def _body(attempt: Attempt, shards: Sequence[str]) -> Result:
    manifests = [read_manifest(uri) for uri in shards]
    document = merge_documents(shards, attempt.output)
    tally = Tally.total(_tally(manifest) for manifest in manifests)
    scenes = sum(manifest.counts["scenes"] for manifest in manifests)
    for uri in shards:
        for row in storage.read_table(storage.join(uri, "rejects.parquet")).to_pylist():
            attempt.reject(row["record"], row["reason"], row["message"])
    attempt.check_rejects(scenes, min(float(manifest.spec["reject_limit"]) for manifest in manifests))
    if not document.chips:
        raise no_chips(tally, scenes)
    attempt.put_json(STORE_FILE, document.to_json())
    warn_of_offsets(attempt, tally)
    return summarise(document, tally, scenes=scenes, rejected=len(attempt.all_rejects()))


def _tally(manifest: Manifest) -> dict[str, object]:
    return {
        "candidates": manifest.details["candidates"],
        "dropped_nodata": manifest.counts["chips_dropped_nodata"],
        "dropped_cloud": manifest.counts["chips_dropped_cloud"],
        "dropped_split": manifest.counts["chips_dropped_split"],
        "splits": manifest.details["splits"],
        "contradicted": manifest.details["offset_contradicted"],
        "suspected": manifest.details["offset_suspected"],
    }
