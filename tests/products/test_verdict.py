"""The verdict as a document: what is written is what is read, and nothing else is taken for one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from earthenware import storage
from earthenware.errors import EarthenwareError
from earthenware.products import (
    VERDICT_FILE,
    BandFigures,
    Breach,
    Met,
    StoreFigures,
    Verdict,
    put_verdict,
    read_verdict,
)
from earthenware.steps import Attempt, Result, Spec, run_step
from earthenware.validation import gate

FIGURES = BandFigures(
    pixels=4096, minimum=-12.0, mean=800.5, maximum=None, std=120.0, nodata_fraction=0.1, implausible_share=0.0
)
VERDICT = Verdict(
    passed=False,
    failures=[
        Breach(
            expectation="band_alive", column="dead", observed="1 of 9", expected="Bands live", sentence="B11 is dead."
        )
    ],
    warnings=[],
    met=[Met(expectation="optical_range", column="implausible_share", observed="0 of 9", expected="Within range")],
    skipped=["vv_above_vh"],
    statistics=StoreFigures(chips=3, chips_examined=2, scenes=1, sites=1, bands={"landsat-c2-l2": {"red": FIGURES}}),
)


class Nothing(Spec):
    """A step with nothing to choose."""


def write(output: Path, put: Callable[[Attempt], None]) -> str:
    def body(attempt: Attempt) -> Result:
        put(attempt)
        return Result({})

    return run_step("validate", 1, spec=Nothing(), inputs={}, output=str(output), body=body).output


def put_good(attempt: Attempt) -> None:
    put_verdict(attempt, VERDICT)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    assert read_verdict(write(tmp_path / "validation", put_good)) == VERDICT


def test_the_output_of_another_step_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EarthenwareError) as caught:
        read_verdict(write(tmp_path / "other", lambda attempt: attempt.put("page.html", b"")))
    assert caught.value.code == "NOT_A_VALIDATION"


WHOLE = VERDICT.model_dump_json().encode()


@pytest.mark.parametrize(
    "text",
    [
        b'{"passed": true}',
        b"{}",
        b"[]",
        b"null",
        b"{",
        b"[" * 100_000,
        *(WHOLE.replace(b'"passed":false', b'"passed":' + value) for value in (b"true", b"0", b'"false"', b'"no"')),
    ],
    ids=lambda text: str(text[:17]),
)
def test_a_document_of_another_form_is_refused(tmp_path: Path, text: bytes) -> None:
    output = write(tmp_path / "validation", lambda attempt: attempt.put(VERDICT_FILE, text))
    with pytest.raises(EarthenwareError) as caught:
        gate(output)
    assert caught.value.code == "BAD_VERDICT"
    assert storage.redact(output) in caught.value.message


def test_a_changed_verdict_is_refused(tmp_path: Path) -> None:
    output = write(tmp_path / "validation", put_good)
    for path in tmp_path.rglob(VERDICT_FILE):
        text = path.read_text().replace('"passed": false', '"passed": true')
        path.unlink()
        path.write_text(text)
    with pytest.raises(EarthenwareError) as caught:
        gate(output)
    assert caught.value.code == "OUTPUT_DAMAGED"
    for path in tmp_path.rglob(VERDICT_FILE):
        path.unlink()
    with pytest.raises(EarthenwareError) as caught:
        gate(output)
    assert caught.value.code == "OUTPUT_DAMAGED"
