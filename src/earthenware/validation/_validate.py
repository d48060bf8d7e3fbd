"""The step that validates a chip store, and the gate that fails on its verdict."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from earthenware import storage
from earthenware.errors import EarthenwareError
from earthenware.products import put_verdict, read_verdict
from earthenware.steps import Attempt, Result, StepReport, lineage, run_step, sha256_json
from earthenware.validation._spec import ValidateSpec

if TYPE_CHECKING:
    import pandas as pd

    from earthenware.chips import ChipStore
    from earthenware.products import Verdict

ALGORITHM_VERSION: Final = 2
"""Raised when results change; 2: each band by its own sensor's range, offsets by their sensor's own evidence."""


def validate(spec: ValidateSpec, chips: str, output: str) -> StepReport:
    """Validate a chip store and publish the verdict, whichever way it falls.

    The output holds the verdict (:class:`earthenware.products.Verdict`), ``page.html`` for people and Great
    Expectations' own ``data_docs/``. Bad chips are no error of this step: :func:`gate` fails on them.

    Args:
        spec: Limits and severities.
        chips: URI of a chip store, which is the output of a build.
        output: The prefix to own.

    Raises:
        EarthenwareError: There is no chip store at ``chips``, or the storage cannot be reached.
    """
    from earthenware.chips import ChipStore

    store = ChipStore.open(chips)
    source = chips
    if not storage.exists(storage.join(chips, "manifest.json")):
        source = storage.join(chips, "store.json")  # a store that no step made, such as an imported one

    def body(attempt: Attempt) -> Result:
        return _body(attempt, spec, store)

    return run_step("validate", ALGORITHM_VERSION, spec=spec, inputs={"chips": source}, output=output, body=body)


def gate(validation: str) -> None:
    """Return when a validation passed, raise when it did not.

    Args:
        validation: URI of the output of :func:`validate`.

    Raises:
        EarthenwareError: ``VALIDATION_FAILED``, naming the expectations that were not met; ``NOT_FINISHED`` when there
            is no finished validation there.
    """
    verdict = read_verdict(validation)
    if verdict.passed:
        return
    told = "; ".join(f"{one.expectation} ({one.sentence.rstrip('.')})" for one in verdict.failures[:3])
    rest = f"; and {', '.join(one.expectation for one in verdict.failures[3:])}" if verdict.failures[3:] else ""
    page = storage.redact(storage.join(validation, "page.html"))
    raise EarthenwareError(
        "VALIDATION_FAILED",
        f"The chips failed validation: {told}{rest}.",
        f"See '{page}'; mend the data and build again, or list an expectation in validate.warn to let it pass.",
    )


def _body(attempt: Attempt, spec: ValidateSpec, store: ChipStore) -> Result:
    from earthenware.validation._expectations import checks
    from earthenware.validation._suites import run_suites
    from earthenware.validation._verdict import judge, render_page

    tables, examined = _tables(attempt, spec, store)
    attempt.log("running the expectations")
    docs = attempt.scratch / "data_docs"
    verdict = judge(run_suites(checks(spec.limits(store.gsd)), tables, docs), tables, examined)
    for warning in verdict.warnings:
        attempt.warn(warning.expectation.upper(), warning.sentence)
    for failure in verdict.failures:
        attempt.warn(failure.expectation.upper(), f"not met: {failure.sentence}")
    put_verdict(attempt, verdict)
    attempt.put("page.html", render_page(verdict, storage.redact(store.uri)).encode())
    if docs.is_dir():
        attempt.put_tree("data_docs", docs)
    return _result(verdict)


def _result(verdict: Verdict) -> Result:
    return Result(
        counts={
            "chips": verdict.statistics.chips,
            "chips_examined": verdict.statistics.chips_examined,
            "expectations_met": len(verdict.met),
            "expectations_failed": len(verdict.failures),
            "expectations_warned": len(verdict.warnings),
        },
        metrics={"passed": float(verdict.passed)},
        details={
            "passed": verdict.passed,
            "failures": [one.expectation for one in verdict.failures],
            "warnings": [one.expectation for one in verdict.warnings],
            "page": "page.html",
            "data_docs": "data_docs/index.html",
        },
        # Run times and random ids of the Data Docs are no part of the result.
        content=sha256_json(verdict.model_dump(mode="json")),
    )


def _tables(attempt: Attempt, spec: ValidateSpec, store: ChipStore) -> tuple[dict[str, pd.DataFrame], int]:
    """Return every table that can be made of the store, and the number of chips whose pixels were read."""
    import pandas as pd

    from earthenware.validation._examine import draw, examine
    from earthenware.validation._index import index_tables, records_table, statistics_table
    from earthenware.validation._offsets import add_claims, offset_table
    from earthenware.validation._pixels import pixel_tables

    tables: dict[str, pd.DataFrame] = {}
    manifest = attempt.input("chips")
    if manifest is not None and "scenes" in manifest.counts:
        tables["records"] = records_table(manifest)
    try:
        index = store.index
    except EarthenwareError as error:
        if error.code != "CHIPS_CORRUPT":
            raise
        # The index is what all else rests on: report it as unreadable chips, and end there.
        tables["digests"] = pd.DataFrame([{"chip_id": "all", "readable": False, "problem": error.message.rstrip(".")}])
        return tables, 0
    tables["store"] = pd.DataFrame({"stated": [len(store)], "indexed": [len(index)]})
    if not len(index):
        return tables, 0
    tables["statistics"] = statistics_table(store.statistics)
    tables |= index_tables(index, list(store.sensors), store.chip_size)
    chosen = draw(index["scene_id"].to_numpy(zero_copy_only=False).astype(str), spec.max_chips, spec.seed)
    examination = examine(store, chosen, lambda done, total: attempt.progress(done, total, "chips"))
    tables |= pixel_tables(examination)
    offsets = offset_table(examination.evidence, tables["chips"], list(store.sensors), spec)
    if len(offsets):
        behind = lineage(store.uri) if manifest is not None else {}
        add_claims(offsets, [record.uri for one in behind.values() for record in one.inputs.get("scenes", ())])
        tables["offsets"] = offsets
    return tables, len(chosen)
