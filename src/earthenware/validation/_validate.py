"""The step that validates a chip store, and the gate that fails on its verdict."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Final

from earthenware import storage
from earthenware.errors import EarthenwareError
from earthenware.steps import Attempt, Result, StepReport, read_manifest, run_step, sha256_json
from earthenware.validation._names import EXPECTATIONS
from earthenware.validation._spec import ValidateSpec

if TYPE_CHECKING:
    import pandas as pd

    from earthenware.chips import ChipStore
    from earthenware.steps import Manifest
    from earthenware.validation._check import Check, Severity
    from earthenware.validation._verdict import Verdict

VERDICT: Final = "verdict.json"
_ALGORITHM_VERSION: Final = 1


def validate(spec: ValidateSpec, chips: str, output: str) -> StepReport:
    """Validate a chip store and publish the verdict, whichever way it falls.

    The output holds ``verdict.json`` (``passed``, ``failures``, ``warnings``, ``statistics``), ``page.html`` for people
    and Great Expectations' own ``data_docs/``. Bad chips are no error of this step: :func:`gate` fails on them.

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

    return run_step("validate", _ALGORITHM_VERSION, spec=spec, inputs={"chips": source}, output=output, body=body)


def gate(validation: str) -> None:
    """Return when a validation passed, raise when it did not.

    Args:
        validation: URI of the output of :func:`validate`.

    Raises:
        EarthenwareError: ``VALIDATION_FAILED``, naming the expectations that were not met; ``NOT_FINISHED`` when there
            is no finished validation there.
    """
    manifest = read_manifest(validation)
    if manifest.step != "validate":
        message = f"'{storage.redact(validation)}' is the output of '{manifest.step}', not of a validation."
        raise EarthenwareError("NOT_A_VALIDATION", message, "Give the output of 'earthenware validate'.")
    verdict = storage.read_json(storage.join(validation, VERDICT))
    if verdict["passed"]:
        return
    failures = verdict["failures"]
    told = "; ".join(f"{failure['expectation']} ({failure['sentence'].rstrip('.')})" for failure in failures[:3])
    rest = f"; and {', '.join(failure['expectation'] for failure in failures[3:])}" if failures[3:] else ""
    page = storage.redact(storage.join(validation, "page.html"))
    raise EarthenwareError(
        "VALIDATION_FAILED",
        f"The chips failed validation: {told}{rest}.",
        f"See '{page}'; mend the data and build again, or list an expectation in validate.warn to let it pass.",
    )


def _body(attempt: Attempt, spec: ValidateSpec, store: ChipStore) -> Result:
    from earthenware.validation._page import render_page
    from earthenware.validation._suites import run_suites
    from earthenware.validation._verdict import judge

    manifest = attempt.input("chips")
    tables, examined = _tables(attempt, spec, store, manifest)
    attempt.log("running the expectations")
    docs = attempt.scratch / "data_docs"
    outcomes = run_suites(_checks(spec, store.gsd), tables, docs)
    verdict = judge(outcomes, tables, examined)
    for warning in verdict.warnings:
        attempt.warn(warning["expectation"].upper(), warning["sentence"])
    for failure in verdict.failures:
        attempt.warn(failure["expectation"].upper(), f"not met: {failure['sentence']}")
    document = verdict.to_json()
    attempt.put_json(VERDICT, document)
    attempt.put("page.html", render_page(verdict, storage.redact(store.uri)).encode())
    if docs.is_dir():
        storage.delete_prefix(attempt.uri("data_docs"))  # a killed attempt may have left pages that no index lists
        storage.upload_tree(docs, attempt.uri("data_docs"))
        attempt.put_file("data_docs/index.html", docs / "index.html")
    return _result(verdict, examined, sha256_json(document))


def _result(verdict: Verdict, examined: int, content: str) -> Result:
    return Result(
        counts={
            "chips": int(verdict.statistics["chips"]),
            "chips_examined": examined,
            "expectations_met": len(verdict.met),
            "expectations_failed": len(verdict.failures),
            "expectations_warned": len(verdict.warnings),
        },
        metrics={"passed": float(verdict.passed)},
        details={
            "passed": verdict.passed,
            "failures": [one["expectation"] for one in verdict.failures],
            "warnings": [one["expectation"] for one in verdict.warnings],
            "page": "page.html",
            "data_docs": "data_docs/index.html",
        },
        # Run times and random ids of the Data Docs are no part of the result.
        content=content,
    )


def _checks(spec: ValidateSpec, gsd: float) -> list[Check]:
    from earthenware.validation._index_checks import index_checks
    from earthenware.validation._offset_checks import offset_checks
    from earthenware.validation._pixel_checks import pixel_checks
    from earthenware.validation._store_checks import store_checks

    severities: dict[str, Severity] = {
        **EXPECTATIONS,
        **dict.fromkeys(spec.fail, "fail"),
        **dict.fromkeys(spec.warn, "warn"),
    }
    checks = [*index_checks(spec, gsd), *pixel_checks(spec), *offset_checks(spec), *store_checks(spec)]
    return [dataclasses.replace(check, severity=severities[check.name]) for check in checks]


def _tables(
    attempt: Attempt, spec: ValidateSpec, store: ChipStore, manifest: Manifest | None
) -> tuple[dict[str, pd.DataFrame], int]:
    """Return every table that can be made of the store, and the number of chips whose pixels were read."""
    import pandas as pd

    from earthenware.validation._examine import draw, examine
    from earthenware.validation._index_tables import index_tables
    from earthenware.validation._pixel_tables import pixel_tables
    from earthenware.validation._store_checks import statistics_table
    from earthenware.validation._upstream import builds, records_table

    tables: dict[str, pd.DataFrame] = {}
    origins = builds(manifest)
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
    tables |= index_tables(index, store.sensors, store.chip_size)
    chosen = draw(index["scene_id"].to_numpy(zero_copy_only=False).astype(str), spec.max_chips, spec.seed)
    examination = examine(store, chosen, lambda done, total: attempt.progress(done, total, "chips"))
    tables |= pixel_tables(examination, tables["chips"])
    if "offsets" in tables:
        _judge_offsets(tables["offsets"], spec, origins)
    return tables, len(chosen)


def _judge_offsets(offsets: pd.DataFrame, spec: ValidateSpec, origins: list[Manifest]) -> None:
    from earthenware.validation._examine import OPTICAL
    from earthenware.validation._offset_checks import add_offset_verdicts
    from earthenware.validation._upstream import baselines

    add_offset_verdicts(offsets, spec)
    told = offsets[~(offsets["agrees"] & offsets["removed"])]
    found = baselines(origins, set(told["scene_id"]), OPTICAL)
    offsets["baseline"] = offsets["scene_id"].map(found).fillna("")
