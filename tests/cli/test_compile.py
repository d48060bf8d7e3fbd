"""``earthenware compile`` as a person meets it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from earthenware.cli._main import _call
from earthenware.compiling import compile_pipeline, compiled_pipeline, load_profile


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = _call(["compile", *arguments])
    said = capsys.readouterr()
    return code, said.out, said.err


def test_it_writes_to_standard_output_what_the_library_compiles(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, "pretrain", "--profile", "cluster-cpu", "--image", "registry.example.com/eo:1")
    assert (code, err) == (0, "")
    assert out == compile_pipeline("pretrain", load_profile("cluster-cpu"), "registry.example.com/eo:1").text
    assert run(capsys, "pretrain")[1] == compiled_pipeline("pretrain").read_text(encoding="utf-8")


def test_a_file_gets_the_yaml_and_the_person_the_version(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "new" / "pretrain.yaml"
    code, out, err = run(capsys, "pretrain", "--profile", "cluster-gpu", "-o", str(file))
    compiled = compile_pipeline("pretrain", load_profile("cluster-gpu"))
    assert (code, out) == (0, "")
    assert file.read_text(encoding="utf-8") == compiled.text
    assert compiled.version_name in err
    assert str(file) in err


def test_manifests_go_to_a_namespace(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "pretrain", "--format", "manifests", "--namespace", "ours")
    assert code == 0
    objects = list(yaml.load_all(out, getattr(yaml, "CSafeLoader", yaml.SafeLoader)))
    assert [(one["kind"], one["metadata"]["namespace"]) for one in objects] == [
        ("Pipeline", "ours"),
        ("PipelineVersion", "ours"),
    ]
    code, _, err = run(capsys, "pretrain", "--namespace", "ours")
    assert code == 2
    assert "--format manifests" in err


def test_a_profile_of_ones_own_starts_from_a_shown_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "--profile", "cluster-cpu", "--show-profile")
    assert code == 0
    assert "(seconds)" in out
    mine = tmp_path / "mine.yaml"
    mine.write_text(out.replace('memory: "16Gi"', 'memory: "24Gi"'), encoding="utf-8")
    code, out, _ = run(capsys, "pretrain", "--profile", str(mine))
    assert code == 0
    assert "resourceMemoryLimit: 24Gi" in out


def test_profiles_are_listed_and_have_a_schema(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "--list-profiles")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()] == ["cluster-cpu", "cluster-gpu", "laptop"]
    assert all(len(line.split()) > 3 for line in out.splitlines())
    assert "steps" in json.loads(run(capsys, "--profile-schema")[1])["properties"]


def test_help_teaches_with_examples(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "--help")
    assert code == 0
    assert "\n    earthenware compile pretrain --profile cluster-cpu -o pretrain.yaml\n" in out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "Which pipeline?"),
        (("pretain",), "The compiled pipeline 'pretain' is not in this installation"),
        (("pretrain", "--profile", "gpu"), "There is no profile 'gpu'"),
        (("pretrain", "--image", "eo:latest"), "the tag 'latest' moves"),
    ],
)
def test_a_wrong_option_ends_in_one_sentence(
    arguments: tuple[str, ...], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run(capsys, *arguments)
    assert code != 0
    assert out == ""
    assert told in err
    assert "Traceback" not in err
