"""One attempt at a step: what its body may write, and how that comes to count."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from earthenware import storage
from earthenware.errors import EarthenwareError
from earthenware.steps._documents import (
    PARTS,
    RESERVED,
    RESULTS,
    ArtifactRecord,
    Manifest,
    Part,
    Reject,
    read_part,
)
from earthenware.steps._events import EventLog
from earthenware.steps._lease import Lease

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Result:
    """What a step's body returns for the manifest.

    Attributes:
        counts: Whole numbers a person wants to see, most important first.
        metrics: Scores and losses.
        details: JSON values that only this kind of step has.
        content: Digest of the results that does not depend on attempt names; empty to use the artifacts' digests.
    """

    counts: Mapping[str, int]
    metrics: Mapping[str, float] = field(default_factory=dict)
    details: Mapping[str, Any] = field(default_factory=dict)
    content: str = ""


class Attempt:
    """The handle that a step's body works through.

    Attributes:
        output: URI of the prefix that the step owns.
        name: Name of this attempt, unique below ``output``.
        scratch: A local folder that is removed when the attempt ends.
        artifacts: Result files put so far.
        rejects: Records rejected so far by this attempt, outside of any part.
    """

    def __init__(
        self,
        output: str,
        name: str,
        scratch: Path,
        inputs: Mapping[str, Sequence[Manifest | None]],
        lease: Lease,
        events: EventLog,
    ) -> None:
        self.output = output
        self.name = name
        self.scratch = scratch
        self.artifacts: dict[str, ArtifactRecord] = {}
        self.rejects: list[Reject] = []
        self._inputs = inputs
        self._lease = lease
        self._events = events

    # ------------------------------------------------------------------------------------------------------- inputs

    def input(self, name: str) -> Manifest | None:
        """Return the manifest of an input that is an earlier step's output, None for a plain file."""
        manifests = self._inputs[name]
        return manifests[0] if manifests else None

    def uri(self, path: str) -> str:
        """Return the URI of a relative path below the output."""
        return storage.join(self.output, path)

    # -------------------------------------------------------------------------------------------------------- parts

    def committed(self) -> dict[str, dict[str, Any]]:
        """Return the payloads of all parts that count, by key: those of this attempt and of killed ones."""
        return {key: part.payload for key, part in self._parts.items()}

    @cached_property
    def _parts(self) -> dict[str, Part]:
        return {part.key: part for part in map(read_part, part_records(self.output))}

    def part_path(self, key: str) -> str:
        """Return the relative path at which this attempt writes the data of part ``key``.

        Raises:
            ValueError: ``key`` cannot be the name of a part.
        """
        if not key or "/" in key or key.startswith(".") or key.endswith(".json") or "\0" in key:
            # Below a folder of its own the record would not be found again; next to "a.json" lies the data of "a".
            raise ValueError(f"{key!r} cannot be the name of a part")
        return f"{PARTS}/{key}/{self.name}"

    def commit(self, key: str, payload: Mapping[str, Any], rejects: Sequence[Reject] = ()) -> None:
        """Make a part count. Its data must be complete; of two attempts at one part the first wins.

        Args:
            key: Name of the part, the same in every attempt.
            payload: JSON values that name the data (see :meth:`part_path`) and describe it.
            rejects: Records that were rejected while this part was made.
        """
        self.part_path(key)
        self._lease.check()
        uri = self.uri(f"{PARTS}/{key}.json")
        rejected = [asdict(one) for one in rejects]
        # What was read back from JSON and what goes on from here must be the same values.
        values = {"key": key, "attempt": self.name, "payload": dict(payload), "rejects": rejected}
        part = Part.model_validate_json(json.dumps(values, allow_nan=False)).checked()
        try:
            storage.write_json(uri, part.model_dump(mode="json"), create_only=True)
        except FileExistsError:
            part = read_part(uri)
        self._parts[key] = part

    # ------------------------------------------------------------------------------------------------------ rejects

    def reject(self, record: str, reason: str, message: str) -> None:
        """Leave out a bad record and go on."""
        self.rejects.append(Reject(record, reason, message))
        self._events.emit("reject", record=record, reason=reason, message=f"left out {record}: {message}")

    def all_rejects(self) -> list[Reject]:
        """Return the rejects of committed parts and of this attempt, in a stable order."""
        from_parts = [reject for part in self._parts.values() for reject in part.rejects]
        return sorted({*from_parts, *self.rejects})

    def check_rejects(self, total: int, limit: float) -> None:
        """Fail when more than the fraction ``limit`` of ``total`` records was rejected.

        Raises:
            EarthenwareError: ``TOO_MANY_REJECTS``, which quotes the most frequent reason.
        """
        rejects = self.all_rejects()
        if not rejects or len(rejects) <= limit * total:
            return
        reasons = [reject.reason for reject in rejects]
        common = max(sorted(set(reasons)), key=reasons.count)
        example = next(reject for reject in rejects if reject.reason == common)
        message = (
            f"{len(rejects)} of {total} records were rejected, more than the limit of {limit:.3g}; "
            f"{reasons.count(common)} for {common}, such as {example.record}: {example.message.rstrip('.')}."
        )
        raise EarthenwareError("TOO_MANY_REJECTS", message, "Mend the input, or raise reject_limit.")

    # ------------------------------------------------------------------------------------------------------- events

    def progress(self, done: int, total: int, unit: str) -> None:
        """Say how far the work is; rate and time left are worked out from successive calls."""
        self._events.progress(done, total, unit)

    def warn(self, code: str, message: str) -> None:
        """Say something that a person should look at although the step goes on."""
        self._events.emit("warning", code=code, message=message)

    def log(self, message: str) -> None:
        """Say something in passing."""
        self._events.emit("log", message=message)

    # ------------------------------------------------------------------------------------------------------ results

    def put(self, name: str, data: bytes) -> None:
        """Write a result and record it in the manifest; it lies below this attempt's own name until the step is done.

        Raises:
            ValueError: ``name`` is one that the step contract uses.
        """
        path = self._claim(name)
        storage.write_bytes(self.uri(path), data)
        self.artifacts[name] = ArtifactRecord(path=path, sha256=hashlib.sha256(data).hexdigest(), bytes=len(data))

    def put_file(self, name: str, local: Path) -> None:
        """Write a local file as a result; see :meth:`put`."""
        path = self._claim(name)
        with local.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        storage.upload_file(local, self.uri(path))
        self.artifacts[name] = ArtifactRecord(path=path, sha256=digest, bytes=local.stat().st_size)

    def put_tree(self, name: str, local: Path) -> None:
        """Write every file of a local folder as a result below ``name``; see :meth:`put`."""
        for path in sorted(path for path in local.rglob("*") if path.is_file()):
            self.put_file(storage.join(name, path.relative_to(local).as_posix()), path)

    def _claim(self, name: str) -> str:
        if name.partition("/")[0] in RESERVED:
            raise ValueError(f"{name!r} is written by the step contract itself")
        self._lease.check()
        return storage.join(RESULTS, self.name, name)

    def put_json(self, name: str, value: Any) -> None:
        """Write a JSON document as a result file."""
        self.put(name, json.dumps(value, indent=2, sort_keys=True, allow_nan=False).encode() + b"\n")

    def put_table(self, name: str, table: pa.Table, **options: Any) -> None:
        """Write a table as a Parquet result file."""
        self.put(name, storage.table_bytes(table, **options))


def part_records(output: str) -> list[str]:
    """Return the URIs of the records of all parts that count."""
    folder = storage.join(output, PARTS)
    paths = storage.list_files(folder)
    return [storage.join(folder, path) for path in paths if "/" not in path and path.endswith(".json")]
