"""The step contract: specs, leases, attempts, rejects, events and manifests."""

from __future__ import annotations

from earthenware.errors import EarthenwareError
from earthenware.steps._attempt import Attempt, Result
from earthenware.steps._documents import (
    CLAIM,
    ERROR,
    RESERVED,
    Claim,
    Holder,
    Manifest,
    Reject,
    damaged,
    find_manifest,
    read_claim,
    read_failure,
    read_holder,
    read_manifest,
)
from earthenware.steps._events import EVENTS_VARIABLE, EventLog, describe_seconds, render_line
from earthenware.steps._lineage import lineage
from earthenware.steps._plan import Plan
from earthenware.steps._remove import remove_output
from earthenware.steps._results import artifact, read_artifact
from earthenware.steps._run import (
    DryRun,
    StepReport,
    already_reported,
    dry_run,
    is_dry_run,
    report_failure,
    run_step,
)
from earthenware.steps._spec import (
    LARGEST_SEED,
    CommaList,
    Foreseen,
    Meaning,
    Spec,
    Written,
    canonical_json,
    checked_address,
    checksum,
    is_unchanged,
    mark_of,
    marks,
    parse_spec,
    sha256_json,
)
from earthenware.steps._verify import verify_output
from earthenware.steps._yaml import load_yaml, override, parse_yaml

__all__ = [
    "CLAIM",
    "ERROR",
    "EVENTS_VARIABLE",
    "LARGEST_SEED",
    "RESERVED",
    "Attempt",
    "Claim",
    "CommaList",
    "DryRun",
    "EarthenwareError",
    "EventLog",
    "Foreseen",
    "Holder",
    "Manifest",
    "Meaning",
    "Plan",
    "Reject",
    "Result",
    "Spec",
    "StepReport",
    "Written",
    "already_reported",
    "artifact",
    "canonical_json",
    "checked_address",
    "checksum",
    "damaged",
    "describe_seconds",
    "dry_run",
    "find_manifest",
    "is_dry_run",
    "is_unchanged",
    "lineage",
    "load_yaml",
    "mark_of",
    "marks",
    "override",
    "parse_spec",
    "parse_yaml",
    "read_artifact",
    "read_claim",
    "read_failure",
    "read_holder",
    "read_manifest",
    "remove_output",
    "render_line",
    "report_failure",
    "run_step",
    "sha256_json",
    "verify_output",
]
