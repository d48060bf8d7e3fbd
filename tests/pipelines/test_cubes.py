"""The second pipeline: it costs a declaration, and runs, compiles and is submitted as the first does."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from google.protobuf import json_format
from kfp.pipeline_spec import pipeline_spec_pb2

from earthenware.cli._main import _call
from earthenware.compiling import compile_pipeline, load_profile, shipped_profiles
from earthenware.graph import KINDS, PIPELINES, find_steps
from tests.kubeflow.stand_in_kfp import StandIn
from tests.pipelines.runs import earthenware

CUBES = [step.name for step in PIPELINES["cubes"].steps]


def test_it_is_the_beginning_of_pretrain() -> None:
    assert [step.name for step in PIPELINES["pretrain"].steps][: len(CUBES)] == CUBES


@pytest.mark.parametrize("profile", shipped_profiles())
@pytest.mark.parametrize("name", PIPELINES)
def test_every_pipeline_compiles_with_every_profile(name: str, profile: str) -> None:
    compiled = compile_pipeline(name, load_profile(profile))
    first, *rest = yaml.load_all(compiled.text, yaml.CSafeLoader)
    assert json_format.ParseDict(first, pipeline_spec_pb2.PipelineSpec()) == compiled.spec
    tasks = {"configure", *(step.name for step in PIPELINES[name].steps)}
    assert {label.removeprefix("exec-") for label in first["deploymentSpec"]["executors"]} == tasks
    with_ray = [task for task in tasks if KINDS[task] == "ray"]
    assert ("EARTHENWARE_RAY_JOB" in compiled.text) == (profile != "laptop" and bool(with_ray))
    assert bool(rest) == (profile != "laptop")


@pytest.mark.parametrize("profile", shipped_profiles())
def test_it_is_submitted_with_every_profile(profile: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    query = "query: {seed: 4, bbox: '5,49,6,50', datetime: '2021'}"
    (tmp_path / "cubes.yaml").write_text(f"root: s3://bucket/prefix\nbuild: {{chip_size: 32}}\n{query}\n")
    with StandIn() as server:
        given = ["--spec", str(tmp_path / "cubes.yaml"), "--profile", profile, "--host", server.url, "--json"]
        assert _call(["submit", "cubes", *given]) == 0, capsys.readouterr().err
        (run,) = server.state.runs.values()
    parameters = run["run"]["runtime_config"]["parameters"]
    assert (parameters["build_chip_size"], parameters["spec"]) == (32, "query:\n  seed: 4\n")
    assert not any(name.startswith("train") for name in parameters)
    assert json.loads(capsys.readouterr().out)["mlflow"] == ""


PROGRAM = """
import sys
from earthenware.runner import run

done = run("cubes", {"root": "root", "query": {"catalog": sys.argv[1]}}, ["shards=2", "build.workers=1"])
print(done.manifest("merge").counts["chips"], done.folder, sep="\\n")
"""


def test_a_program_runs_it_and_it_keeps_its_spec(small_catalog: Path, tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    done = subprocess.run(
        [sys.executable, "program.py", str(small_catalog)],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    *_, chips, folder = done.stdout.split()
    assert int(chips) > 20
    kept = yaml.safe_load((Path(folder) / "spec.yaml").read_text())
    (written,) = (tmp_path / "root" / "specs").iterdir()
    assert yaml.safe_load(written.read_text()) == kept
    assert (kept["shards"], kept["build"]["workers"], kept["query"]["catalog"]) == (2, 1, str(small_catalog))
    found = [state.step for state in find_steps(str(tmp_path / "root"))]
    assert found == ["query", "build", "build", "merge", "validate"], "in the order in which they ran"
    dry = earthenware("run", "cubes", "--spec", str(Path(folder) / "spec.yaml"), "--dry-run")
    assert dry.stdout.count(" is done (") == len(found), dry.stdout + dry.stderr


def test_a_bad_spec_is_refused_before_a_pod_starts(tmp_path: Path) -> None:
    (tmp_path / "cubes.yaml").write_text("train: {epochs: 3}\n")
    done = earthenware("run", "cubes", "--spec", str(tmp_path / "cubes.yaml"))
    assert done.returncode == 2
    assert "train is not a known field (known: root, shards, query, build, validate" in done.stderr
