"""What became of scenes and chips: counted while they are cut, and told in the manifest of a finished store."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from earthenware.chips import STORE_FILE, StoreDocument
from earthenware.errors import EarthenwareError
from earthenware.steps import Attempt, Manifest, Result


@dataclass
class Tally:
    """What became of scenes and chips.

    Attributes:
        candidates: Chips that the scenes' grids hold.
        dropped_nodata: Chips left out for missing pixels.
        dropped_cloud: Chips left out for clouds and shadows.
        dropped_split: Chips left out because another split holds the same ground.
        splits: Split -> chips kept.
        contradicted: Scenes whose pixels contradict the declared offset.
        suspected: Scenes whose pixels look as if they had an offset that is not declared.
    """

    candidates: int = 0
    dropped_nodata: int = 0
    dropped_cloud: int = 0
    dropped_split: int = 0
    splits: dict[str, int] = field(default_factory=dict)
    contradicted: list[str] = field(default_factory=list)
    suspected: list[str] = field(default_factory=list)

    @classmethod
    def total(cls, tallies: Iterable[Tally]) -> Tally:
        """Add tallies."""
        result = cls()
        for one in tallies:
            result.candidates += one.candidates
            result.dropped_nodata += one.dropped_nodata
            result.dropped_cloud += one.dropped_cloud
            result.dropped_split += one.dropped_split
            result.splits = dict(Counter(result.splits) + Counter(one.splits))
            result.contradicted = sorted({*result.contradicted, *one.contradicted})  # each strip names its scene
            result.suspected = sorted({*result.suspected, *one.suspected})
        return result

    @classmethod
    def of(cls, manifest: Manifest) -> Tally:
        """Return what :func:`publish` told."""
        return cls(
            candidates=manifest.details["candidates"],
            dropped_nodata=manifest.counts["chips_dropped_nodata"],
            dropped_cloud=manifest.counts["chips_dropped_cloud"],
            dropped_split=manifest.counts["chips_dropped_split"],
            splits=manifest.details["splits"],
            contradicted=manifest.details["offset_contradicted"],
            suspected=manifest.details["offset_suspected"],
        )


def publish(
    attempt: Attempt, document: StoreDocument, tally: Tally, *, scenes: int, may_be_empty: bool = False
) -> Result:
    """Write a store's document, warn of offsets that metadata and pixels disagree about, and sum up.

    Raises:
        EarthenwareError: ``NO_CHIPS``.
    """
    if not document.chips and not may_be_empty:
        raise EarthenwareError(
            "NO_CHIPS",
            f"Not one chip is left of {scenes} scenes: of {tally.candidates} candidates {tally.dropped_cloud} were too "
            f"cloudy, {tally.dropped_nodata} had too few pixels and {tally.dropped_split} lie on another split's "
            "ground.",
            "Raise max_cloud or max_nodata, give a smaller chip_size, or query clearer scenes.",
        )
    attempt.put_json(STORE_FILE, document.to_json())
    for code, named, what in (
        ("OFFSET_CONTRADICTED", tally.contradicted, "declare an offset that their pixels rule out; it was not removed"),
        ("OFFSET_SUSPECTED", tally.suspected, "look as if they had an offset that is not declared; it was not removed"),
    ):
        if named:
            attempt.warn(code, f"{len(named)} scenes {what}, such as {named[0]}")
    return Result(
        counts={
            "chips": document.chips,
            "scenes": scenes,
            "scenes_rejected": len(attempt.all_rejects()),
            "parts": len(document.parts),
            "chips_dropped_cloud": tally.dropped_cloud,
            "chips_dropped_nodata": tally.dropped_nodata,
            "chips_dropped_split": tally.dropped_split,
            "scenes_offset_contradicted": len(tally.contradicted),
            "scenes_offset_suspected": len(tally.suspected),
            **{f"chips_{split}": count for split, count in sorted(tally.splits.items())},
        },
        details={
            "content_digest": document.content_digest,
            "sensors": list(document.sensors),
            "chip_size": document.chip_size,
            "gsd": document.gsd,
            "candidates": tally.candidates,
            "splits": tally.splits,
            "offset_contradicted": tally.contradicted,
            "offset_suspected": tally.suspected,
        },
        content=document.content_digest,
    )
