"""Specs: fingerprints, errors a person can read, and YAML without its traps."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import Field

from earthenware.errors import EarthenwareError
from earthenware.steps import CommaList, Spec, canonical_json, load_yaml, override, parse_spec, sha256_json


class Demo(Spec):
    epochs: int = Field(3, ge=1, le=100, description="passes over the data")
    rate: float = Field(1e-4, gt=0, description="learning rate")
    mode: Literal["fast", "slow"] = Field("fast", description="how")
    start: str = Field("2021-01-01", description="first day")
    sensors: CommaList = Field(("a", "b"), description="names")
    flag: bool = Field(False, description="a switch")
    workers: int = Field(2, ge=1, description="processes", json_schema_extra={"runtime": True})


def _yaml(tmp_path: Path, text: str) -> dict[str, Any]:
    (tmp_path / "spec.yaml").write_text(text, encoding="utf-8")
    return load_yaml(str(tmp_path / "spec.yaml"))


def test_runtime_fields_stay_out_of_the_fingerprint() -> None:
    assert Demo(workers=8).fingerprint() == Demo().fingerprint()
    assert Demo(epochs=4).fingerprint() != Demo().fingerprint()
    assert "workers" not in Demo().results()


@pytest.mark.parametrize(
    ("values", "same"),
    [
        ({"sensors": "a, b"}, True),
        ({"sensors": ["a", "b"]}, True),
        ({"sensors": "b,a"}, False),
        ({"epochs": "3"}, True),
        ({"epochs": 3.0}, True),
    ],
)
def test_values_as_kubeflow_and_yaml_hand_them_over(values: dict[str, Any], same: bool) -> None:
    assert (parse_spec(Demo, values).fingerprint() == Demo().fingerprint()) is same


@pytest.mark.parametrize(
    ("values", "parts"),
    [
        ({"epochs": 0}, ["epochs = 0", "greater than or equal to 1"]),
        ({"epochs": "many"}, ['epochs = "many"', "integer"]),
        ({"epochs": 2.5}, ["epochs = 2.5", "integer"]),
        ({"mode": "quick"}, ['mode = "quick"', "'fast' or 'slow'"]),
        ({"epoch": 3}, ["epoch is not a known field", "epochs, rate, mode"]),
        ({"rate": float("nan")}, ["rate = NaN", "finite"]),
        ({"epochs": 0, "rate": -1}, ["epochs = 0", "rate = -1"]),
        ({"mode": "x" * 1000}, ["mode = ", "..."]),
        ({"start": "a\nb", "mode": "c\nd"}, ["mode"]),
    ],
)
def test_a_wrong_field_is_one_line_with_field_value_and_what_is_allowed(
    values: dict[str, Any], parts: list[str]
) -> None:
    with pytest.raises(EarthenwareError) as caught:
        parse_spec(Demo, values, "train")
    assert caught.value.code == "BAD_SPEC"
    assert "\n" not in str(caught.value)
    assert caught.value.message.startswith("train: ")
    assert len(caught.value.message) < 500
    for part in parts:
        assert part in caught.value.message


def test_a_missing_field_is_named() -> None:
    class Needs(Spec):
        catalog: str

    with pytest.raises(EarthenwareError, match="catalog is required"):
        parse_spec(Needs, {})


@given(st.dictionaries(st.text(max_size=5), st.one_of(st.integers(), st.text(), st.booleans(), st.none()), max_size=5))
def test_fingerprints_do_not_depend_on_order(values: dict[str, Any]) -> None:
    assert sha256_json(values) == sha256_json(dict(reversed(values.items())))
    assert "\n" not in canonical_json(values)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2021-07-01", "2021-07-01"),
        ("2021-07-01T10:00:00Z", "2021-07-01T10:00:00Z"),
        ("12:30:00", "12:30:00"),
        ("no", "no"),
        ("on", "on"),
        ("true", True),
        ("010", 10),
        ("1e-4", 1e-4),
        ("1.5", 1.5),
        (".5", 0.5),
        ("-3", -3),
        ("0x1f", "0x1f"),
        ("1_000", "1_000"),
        ("~", None),
        ("", None),
        ("null", None),
        ("'3'", "3"),
        ("[1, a]", [1, "a"]),
        (".inf", float("inf")),
    ],
)
def test_yaml_means_what_was_written(tmp_path: Path, text: str, value: object) -> None:
    assert _yaml(tmp_path, f"x: {text}\n") == {"x": value}


def test_a_switch_understands_yes_and_no(tmp_path: Path) -> None:
    assert parse_spec(Demo, _yaml(tmp_path, "flag: yes\n")).flag is True
    assert parse_spec(Demo, _yaml(tmp_path, "flag: off\n")).flag is False


def test_anchors_and_merges_work_in_reason(tmp_path: Path) -> None:
    assert _yaml(tmp_path, "a: &a {x: 1, y: 2}\nb:\n  <<: *a\n  y: 3\n")["b"] == {"x": 1, "y": 3}


def test_an_empty_spec_and_a_byte_order_mark(tmp_path: Path) -> None:
    assert _yaml(tmp_path, "# nothing\n") == {}
    assert _yaml(tmp_path, "\ufeffa: 1\n") == {"a": 1}


_BOMB = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{name}: &{name} [{','.join([f'*{before}'] * 9)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("a: 1\na: 2\n", "line 2, column 1: the field 'a' is given twice"),
        ("train:\n  epochs: 1\n  epochs: 2\n", "line 3"),
        ("1: x\n", "a field's name must be text"),
        ("? [a, b]\n: x\n", "a field's name must be text"),
        ("a: !!python/object/apply:os.system ['touch {marker}']\n", "could not determine a constructor"),
        ("a: !!python/name:os.system\n", "could not determine a constructor"),
        ("a: [1, 2\n", "line"),
        ("a: b: c\n", "line 1"),
        ("\ta: 1\n", "line 1"),
        ("- a\n- b\n", "must hold a mapping"),
        ("just text\n", "must hold a mapping"),
        ("a: 1\n---\nb: 2\n", "but found another document"),
        ("a: *nowhere\n", "undefined alias"),
        ("a: " + "[" * 5000 + "]" * 5000 + "\n", "nested too deeply"),
        (_BOMB, "more than 20000 values"),
        ("a: &a [*a]\n", "more than 20000 values"),
        ("a: " + "9" * 10_000 + "\n", "Exceeds the limit"),
        ("a: " + "x" * 2**20 + "\n", "too long"),
    ],
)
def test_bad_yaml_is_one_line_in_a_moment_and_runs_nothing(tmp_path: Path, text: str, part: str) -> None:
    marker = tmp_path / "marker"
    began = time.monotonic()
    with pytest.raises(EarthenwareError) as caught:
        _yaml(tmp_path, text.replace("{marker}", str(marker)))
    assert caught.value.code == "BAD_YAML"
    assert part in caught.value.message
    assert "spec.yaml" in caught.value.message
    assert "\n" not in str(caught.value)
    assert time.monotonic() - began < 10
    assert not marker.exists()


def test_other_files(tmp_path: Path) -> None:
    with pytest.raises(EarthenwareError, match="There is no spec file"):
        load_yaml(str(tmp_path / "absent.yaml"))
    (tmp_path / "x").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(EarthenwareError, match="not a UTF-8 text file"):
        load_yaml(str(tmp_path / "x"))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=60))
def test_any_text_is_a_mapping_or_one_clear_error(tmp_path: Path, text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        return
    (tmp_path / "any.yaml").write_bytes(text.encode())
    failure = None
    try:
        assert isinstance(load_yaml(str(tmp_path / "any.yaml")), dict)
    except EarthenwareError as error:
        failure = error
    assert failure is None or (failure.code == "BAD_YAML" and "\n" not in str(failure))


@pytest.mark.parametrize(
    ("assignment", "expected"),
    [
        ("train.epochs=3", {"train": {"epochs": 3, "rate": 0.1}, "empty": None, "v": 1}),
        ("train.rate=1e-3", {"train": {"epochs": 1, "rate": 1e-3}, "empty": None, "v": 1}),
        (
            "new.deep.er=a=b",
            {"train": {"epochs": 1, "rate": 0.1}, "empty": None, "v": 1, "new": {"deep": {"er": "a=b"}}},
        ),
        ("empty.x=[1, 2]", {"train": {"epochs": 1, "rate": 0.1}, "empty": {"x": [1, 2]}, "v": 1}),
        ("v=2021-07-01", {"train": {"epochs": 1, "rate": 0.1}, "empty": None, "v": "2021-07-01"}),
        ("v=", {"train": {"epochs": 1, "rate": 0.1}, "empty": None, "v": ""}),
        ("v=*star", {"train": {"epochs": 1, "rate": 0.1}, "empty": None, "v": "*star"}),
        ("v={a: b", {"train": {"epochs": 1, "rate": 0.1}, "empty": None, "v": "{a: b"}),
        ("v=null", {"train": {"epochs": 1, "rate": 0.1}, "empty": None, "v": None}),
    ],
)
def test_overrides(assignment: str, expected: dict[str, Any]) -> None:
    values: dict[str, Any] = {"train": {"epochs": 1, "rate": 0.1}, "empty": None, "v": 1}
    assert override(values, [assignment]) == expected
    assert values == {"train": {"epochs": 1, "rate": 0.1}, "empty": None, "v": 1}


@pytest.mark.parametrize("assignment", ["train.epochs", "=3", "", ".a=1", "a..b=1", "a.=1", "v.x=1"])
def test_bad_overrides(assignment: str) -> None:
    with pytest.raises(EarthenwareError) as caught:
        override({"v": 1}, [assignment])
    assert caught.value.code == "BAD_SET"
    assert assignment in caught.value.message
