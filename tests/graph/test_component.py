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
from earthenware.graph import STEPS, Artifact, Step, read_pointer, run_component
from earthenware.graph import _component as glue
from earthenware.steps import EVENTS_VARIABLE, Attempt, Result, Spec, StepReport, read_manifest, run_step

_CHIPS = Artifact("pointer", "Dataset", "Pointer to chips", "chips")
_SHOWN = (
    Artifact("metrics", "Metrics", "Metrics"),
    Artifact("page", "HTML", "Page"),
    Artifact("summary", "Markdown", "Summary"),
)


class Size(Spec):
    """What the steps of these tests are asked for."""

    size: int = Field(64, ge=16, description="edge")


def _body(attempt: Attempt) -> Result:
    attempt.put("report.html", b"<p>report</p>")
    attempt.put("summary.md", b"# summary")
    return Result({"chips": 3}, {"loss": 0.25})


BODY: Any = _body


def make(spec: Size, output: str) -> StepReport:
    return run_step("make", 1, spec=spec, inputs={}, output=output, body=lambda attempt: BODY(attempt))


def use(chips: str, output: str) -> StepReport:
    return run_step("use", 1, spec=Spec(), inputs={"chips": chips}, output=output, body=_body)


@pytest.fixture(autouse=True)
def _steps(monkeypatch: pytest.MonkeyPatch) -> None:
    made = {
        "make": Step(
            "make", f"{__name__}:make", f"{__name__}:Size", "Make.", outputs=(_CHIPS, *_SHOWN), divides="chips"
        ),
        "use": Step(
            "use", f"{__name__}:use", "", "Use.", inputs=(Artifact("chips", "Dataset", "Chips"),), outputs=_SHOWN
        ),
    }
    monkeypatch.setattr(glue, "STEPS", {**STEPS, **made})


def _artifact(kind: type[Any], folder: Path, name: str) -> Any:
    """An output artifact whose folder does not exist yet, as the launcher hands it over."""
    return kind(name=name, uri=str(folder / "artifacts" / name), metadata={})


def _component(
    root: str, folder: Path, version: str = __version__, spec: str = "", body: Any = _body
) -> dict[str, Any]:
    global BODY
    made = {
        "pointer": _artifact(dsl.Artifact, folder, "chips"),
        "metrics": _artifact(dsl.Metrics, folder, "metrics"),
        "page": _artifact(dsl.HTML, folder, "page"),
        "summary": _artifact(dsl.Markdown, folder, "summary"),
    }
    BODY = body
    try:
        shares = run_component("make", root=root, package_version=version, spec=spec, **made)
    finally:
        BODY = _body
    return {"shares": shares, **made}


@pytest.fixture(params=["file", "s3"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return storage.join(request.getfixturevalue("bucket") if request.param == "s3" else str(tmp_path), "work")


def test_a_component_publishes_a_pointer_and_what_the_page_shows(root: str, tmp_path: Path) -> None:
    made = _component(root, tmp_path)
    output = read_pointer(made["pointer"].path)
    manifest = read_manifest(output)
    assert output == storage.join(root, "make", manifest.fingerprint[:12])
    assert Path(made["pointer"].path).stat().st_size < 2000
    assert made["pointer"].metadata == {"uri": output, "step": "make", "digest": manifest.digest, "chips": "3"}
    assert made["metrics"].metadata == {"chips": 3.0, "loss": 0.25}
    assert Path(made["page"].path).read_bytes() == b"<p>report</p>"
    assert Path(made["summary"].path).read_bytes() == b"# summary"
    assert "EARTHENWARE_GUARD" not in os.environ


def test_the_next_component_finds_the_step_by_its_pointer(root: str, tmp_path: Path) -> None:
    made = _component(root, tmp_path)
    shown = {item.name: _artifact(getattr(dsl, item.type), tmp_path / "next", item.name) for item in _SHOWN}
    run_component("use", root=root, package_version=__version__, chips=made["pointer"], **shown)
    (output,) = storage.list_prefixes(storage.join(root, "use"))
    records = read_manifest(storage.join(root, "use", output)).inputs["chips"]
    assert records[0].digest == read_manifest(read_pointer(made["pointer"].path)).digest


def test_a_component_run_again_reuses_and_publishes_the_same(
    root: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, again = _component(root, tmp_path / "a"), _component(root, tmp_path / "b")
    assert "nothing to do" in capsys.readouterr().err
    assert Path(first["pointer"].path).read_bytes() == Path(again["pointer"].path).read_bytes()


@pytest.mark.parametrize(("asked", "given"), [(None, 1), (2, 2), (1000, 3)])
def test_there_are_never_more_shares_than_there_is_to_divide(asked: int | None, given: int, tmp_path: Path) -> None:
    spec = "" if asked is None else f"shards: {asked}\n"
    shares = _component(str(tmp_path / "work"), tmp_path, spec=spec)["shares"]
    root = str(tmp_path / "work")
    assert shares == [{"shard": f"{index}/{given}", "root": root, "spec": spec} for index in range(given)]


@pytest.mark.parametrize("spec", ["make: {size: 32}\nshards: 1\n", "size: 32", "{size: 32}", "file"])
def test_a_spec_is_a_whole_one_or_the_step_s_fields_or_a_file(spec: str, tmp_path: Path) -> None:
    if spec == "file":
        (tmp_path / "spec.yaml").write_text("size: 32")
        spec = str(tmp_path / "spec.yaml")
    made = _component(str(tmp_path / "work"), tmp_path, spec=spec)
    assert read_manifest(read_pointer(made["pointer"].path)).spec == {"size": 32}


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
        '{"uri": "\\ud800", "schema_version": 1}',
        '{"uri": ' * 100_000,
        None,
    ],
)
def test_what_is_no_pointer(tmp_path: Path, events: Path, text: str | None) -> None:
    path = tmp_path / "artifact"
    if text is not None:
        path.write_text(text)
    chips = dsl.Artifact(name="x", uri=str(path), metadata={})
    with pytest.raises(EarthenwareError) as caught:
        run_component("use", root=str(tmp_path / "work"), package_version=__version__, chips=chips)
    assert caught.value.code == "BAD_POINTER"
    assert str(path) in caught.value.message
    assert "\n" not in str(caught.value)
    assert [event["code"] for event in _failures(events)] == ["BAD_POINTER"]


def test_a_parameter_out_of_range_is_named(tmp_path: Path, events: Path) -> None:
    with pytest.raises(EarthenwareError) as caught:
        _component(str(tmp_path / "work"), tmp_path, spec="size: 3")
    assert caught.value.code == "BAD_SPEC"
    assert caught.value.message == "make: size = 3: Input should be greater than or equal to 16."
    assert [event["code"] for event in _failures(events)] == ["BAD_SPEC"]


def test_a_value_that_goes_wrong_inside_the_step_is_no_parameter(tmp_path: Path, events: Path) -> None:
    def fail(_: Attempt) -> Result:
        Size(size=3)
        return Result({})

    with pytest.raises(ValidationError):
        _component(str(tmp_path / "work"), tmp_path, body=fail)
    assert [event["code"] for event in _failures(events)] == ["INTERNAL"]
