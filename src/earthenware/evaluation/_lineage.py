"""The steps behind a report, found by following what each manifest says of its inputs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from earthenware import storage
from earthenware.errors import EarthenwareError
from earthenware.steps import Manifest, read_manifest

ORDER = ("query", "build", "merge", "validate", "train", "evaluate", "embed")


@dataclass(frozen=True)
class StepRecord:
    """All runs of one kind of step, such as the shards of a build.

    Attributes:
        step: Name of the step.
        manifests: Their manifests by URI.
    """

    step: str
    manifests: Mapping[str, Manifest]

    @property
    def seconds(self) -> float:
        """Wall-clock seconds, added up."""
        return sum(manifest.seconds.get("total", 0.0) for manifest in self.manifests.values())

    @property
    def counts(self) -> dict[str, int]:
        """Counts, added up."""
        total: Counter[str] = Counter()
        for manifest in self.manifests.values():
            total.update(manifest.counts)
        return dict(total)

    @property
    def rejects(self) -> dict[str, int]:
        """Rejected records by reason, added up."""
        total: Counter[str] = Counter()
        for manifest in self.manifests.values():
            total.update(manifest.rejects)
        return dict(sorted(total.items()))

    @property
    def first(self) -> Manifest:
        """One of the manifests."""
        return next(iter(self.manifests.values()))


@dataclass(frozen=True)
class Lineage:
    """The steps behind a report in their order.

    Attributes:
        steps: Name -> record.
    """

    steps: Mapping[str, StepRecord]

    def counts(self, step: str) -> dict[str, int]:
        """Return the counts of a step; empty where it is not in the lineage."""
        return self.steps[step].counts if step in self.steps else {}

    @property
    def rejects(self) -> dict[str, dict[str, int]]:
        """Step -> reason -> number of rejected records, where there are any."""
        # A merge repeats the rejects of what it merged; everything else speaks for itself.
        return {name: record.rejects for name, record in self.steps.items() if record.rejects and name != "merge"}


def trace(outputs: Mapping[str, str]) -> Lineage:
    """Follow the inputs of some outputs back to the first step.

    Args:
        outputs: URIs of finished steps by any name.

    Raises:
        EarthenwareError: ``NOT_FINISHED`` when one of ``outputs`` is no finished step; an input further back that is
            no longer there is left out.
    """
    found: dict[str, Manifest] = {storage.normalise(uri): read_manifest(uri) for uri in outputs.values()}
    waiting = list(found)
    while waiting:
        for records in found[waiting.pop()].inputs.values():
            for record in records:
                uri = record.uri.removesuffix("/manifest.json")
                if uri in found:
                    continue
                try:
                    found[uri] = read_manifest(uri)
                except EarthenwareError:
                    continue  # a single file, or an output that was removed
                waiting.append(uri)
    names = sorted(
        {manifest.step for manifest in found.values()}, key=lambda s: (ORDER.index(s) if s in ORDER else len(ORDER), s)
    )
    return Lineage(
        {
            name: StepRecord(name, {uri: manifest for uri, manifest in sorted(found.items()) if manifest.step == name})
            for name in names
        }
    )
