"""The glue between Kubeflow components and steps, with artifacts as Kubeflow's SDK makes them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from kfp import dsl
from pydantic import Field, ValidationError

from earthenware import __version__, storage
from earthenware.errors import EarthenwareError
from earthenware.steps import EVENTS_VARIABLE, Attempt, Result, Spec, component, read_pointer, run_step


def _artifact(kind: type[Any], folder: Path, name: str) -> Any:
    """An output artifact whose folder does not exist yet, as the launcher hands it over."""
    return kind(name=name, uri=str(folder / "artifacts" / name), metadata={})


def _body(attempt: Attempt) -> Result:
    attempt.put("report.html", b"<p>report</p>")
    attempt.put("summary.md", b"# summary")
    return Result({"chips": 3}, {"loss": 0.25})


def _component(root: str, folder: Path, version: str = __version__, body: Any = _body) -> dict[str, Any]:
    made = {
        "pointer": _artifact(dsl.Artifact, folder, "chips"),
        "metrics": _artifact(dsl.Metrics, folder, "metrics"),
        "page": _artifact(dsl.HTML, folder, "page"),
        "summary": _artifact(dsl.Markdown, folder, "summary"),
    }
    with component("build", root, version) as task:
        report = run_step("build", 1, spec=Spec(), inputs={}, output=task.output, body=body)
        task.publish(report, made["pointer"], metrics=made["metrics"], page=made["page"], summary=made["summary"])
    return {"report": report, **made}


@pytest.fixture(params=["file", "s3"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return storage.join(request.getfixturevalue("bucket") if request.param == "s3" else str(tmp_path), "work")


def test_a_component_publishes_a_pointer_and_what_the_page_shows(root: str, tmp_path: Path) -> None:
    made = _component(root, tmp_path)
    report = made["report"]
    assert report.output == storage.join(root, "build", report.manifest.fingerprint[:12])
    assert read_pointer(made["pointer"].path) == report.output
    assert Path(made["pointer"].path).stat().st_size < 2000
    assert made["pointer"].metadata == {
        "uri": report.output,
        "step": "build",
        "digest": report.manifest.digest,
        "chips": "3",
    }
    assert made["metrics"].metadata == {"chips": 3.0, "loss": 0.25}
    assert Path(made["page"].path).read_bytes() == b"<p>report</p>"
    assert Path(made["summary"].path).read_bytes() == b"# summary"
    assert "EARTHENWARE_GUARD" not in os.environ


def test_the_next_component_finds_the_step_by_its_pointer(root: str, tmp_path: Path) -> None:
    made = _component(root, tmp_path)
    with component("train", root, __version__) as task:
        report = run_step(
            "train", 1, spec=Spec(), inputs={"chips": task.uri(made["pointer"])}, output=task.output, body=_body
        )
    assert report.manifest.inputs["chips"][0].digest == made["report"].manifest.digest


def test_a_component_run_again_reuses_and_publishes_the_same(root: str, tmp_path: Path) -> None:
    first, again = _component(root, tmp_path / "a"), _component(root, tmp_path / "b")
    assert again["report"].reused
    assert Path(first["pointer"].path).read_bytes() == Path(again["pointer"].path).read_bytes()


def _failures(folder: Path) -> list[dict[str, Any]]:
    lines = [json.loads(line) for path in folder.iterdir() for line in path.read_text().splitlines()]
    return [line for line in lines if line["kind"] == "failed"]


@pytest.fixture
def events(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(EVENTS_VARIABLE, str(tmp_path / "events"))
    return tmp_path / "events"


def test_a_pipeline_of_another_version_is_refused_aloud(tmp_path: Path, events: Path) -> None:
    with pytest.raises(EarthenwareError, match=r"compiled by earthenware 0\.0\.0-other") as caught:
        _component(str(tmp_path / "work"), tmp_path, "0.0.0-other")
    assert caught.value.code == "VERSION_MISMATCH"
    assert [event["code"] for event in _failures(events)] == ["VERSION_MISMATCH"]
    assert not (tmp_path / "work").exists()


def test_a_failure_is_reported_once(tmp_path: Path, events: Path) -> None:
    def fail(_: Attempt) -> Result:
        raise EarthenwareError("NO_CATALOG", "No.", "Do.")

    with pytest.raises(EarthenwareError):
        _component(str(tmp_path / "work"), tmp_path, body=fail)
    assert [event["code"] for event in _failures(events)] == ["NO_CATALOG"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "{}",
        '{"uri": 3, "schema_version": 1}',
        '{"uri": "x"}',
        '{"uri": "x", "schema_version": 99}',
        None,
    ],
)
def test_what_is_no_pointer(tmp_path: Path, events: Path, text: str | None) -> None:
    path = tmp_path / "artifact"
    if text is not None:
        path.write_text(text)
    with pytest.raises(EarthenwareError) as caught, component("build", str(tmp_path / "work"), __version__) as task:
        task.uri(dsl.Artifact(name="x", uri=str(path), metadata={}))
    assert caught.value.code == "BAD_POINTER"
    assert str(path) in caught.value.message
    assert "\n" not in str(caught.value)
    assert [event["code"] for event in _failures(events)] == ["BAD_POINTER"]


class _Chips(Spec):
    size: int = Field(64, ge=16, description="edge")


def test_a_parameter_out_of_range_is_named(tmp_path: Path, events: Path) -> None:
    with pytest.raises(EarthenwareError) as caught, component("build", str(tmp_path / "work"), __version__):
        _Chips(size=3)
    assert caught.value.code == "BAD_SPEC"
    assert caught.value.message == "build: size = 3: Input should be greater than or equal to 16."
    assert "build" in caught.value.remedy
    assert [event["code"] for event in _failures(events)] == ["BAD_SPEC"]


def test_a_value_that_goes_wrong_inside_the_step_is_no_parameter(tmp_path: Path, events: Path) -> None:
    def fail(_: Attempt) -> Result:
        _Chips(size=3)
        return Result({})

    with pytest.raises(ValidationError):
        _component(str(tmp_path / "work"), tmp_path, body=fail)
    assert [event["code"] for event in _failures(events)] == ["INTERNAL"]
