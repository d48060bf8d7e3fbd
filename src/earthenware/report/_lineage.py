"""The steps behind a report, the shards of one step taken together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from earthenware.steps import Manifest, lineage


@dataclass(frozen=True)
class StepRecord:
    """All runs of one kind of step, such as the shards of a build.

    Attributes:
        manifests: Their manifests.
    """

    manifests: tuple[Manifest, ...]

    @property
    def seconds(self) -> float:
        """Wall-clock seconds, added up."""
        return sum(manifest.seconds.get("total", 0.0) for manifest in self.manifests)

    @property
    def counts(self) -> dict[str, int]:
        """Counts, added up."""
        return _total(manifest.counts for manifest in self.manifests)

    @property
    def rejects(self) -> dict[str, int]:
        """Rejected records by reason, added up."""
        return dict(sorted(_total(manifest.rejects for manifest in self.manifests).items()))

    @property
    def first(self) -> Manifest:
        """One of the manifests."""
        return self.manifests[0]


def _total(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for one in counts:
        total.update(one)
    return dict(total)


@dataclass(frozen=True)
class Lineage:
    """The steps behind a report, each after those whose outputs it read.

    Attributes:
        steps: Name -> record.
    """

    steps: Mapping[str, StepRecord]

    @classmethod
    def of(cls, outputs: Iterable[str]) -> Lineage:
        """Follow the inputs of some outputs back to the first step.

        Raises:
            EarthenwareError: ``NOT_FINISHED`` or ``BAD_MANIFEST`` when one of ``outputs`` is no finished step.
        """
        found: dict[str, list[Manifest]] = {}
        for manifest in lineage(*outputs).values():
            found.setdefault(manifest.step, []).append(manifest)
        return cls({step: StepRecord(tuple(manifests)) for step, manifests in found.items()})

    def counts(self, step: str) -> dict[str, int]:
        """Return the counts of a step; empty where it is not in the lineage."""
        return self.steps[step].counts if step in self.steps else {}

    @property
    def rejects(self) -> dict[str, dict[str, int]]:
        """Step -> reason -> number of rejected records, where there are any."""
        # A merge repeats the rejects of what it merged; everything else speaks for itself.
        return {name: record.rejects for name, record in self.steps.items() if record.rejects and name != "merge"}
