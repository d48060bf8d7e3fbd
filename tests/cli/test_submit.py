"""``earthenware submit`` over HTTP: runs started and followed."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import threading
import time

import pytest

from earthenware.cli._main import _call
from earthenware.graph import PIPELINES, arguments, load_spec
from tests.kubeflow.stand_in_kfp import StandIn
from tests.kubeflow.submitting import BAD, GOOD, TRAIN_POD, Command, only


@pytest.fixture
def server():
    with StandIn() as stand_in:
        yield stand_in
    assert stand_in.broken == []


@pytest.fixture
def call(server, tmp_path, capsys, monkeypatch):
    return Command(server, tmp_path, capsys, monkeypatch)


def test_a_run_is_started_with_the_spec_s_parameters(server, call):
    code, out, err = call("--set", "train.seed=5", "--service-account", "robot", "--pipeline-root", "s3://bucket/kfp")
    assert (code, err) == (0, "")
    run = only(server.state.runs)["run"]
    expected = arguments(PIPELINES["pretrain"], load_spec("pretrain", call.spec, ("train.seed=5",)))
    assert run["runtime_config"] == {"parameters": expected, "pipeline_root": "s3://bucket/kfp"}
    assert run["runtime_config"]["parameters"]["train_epochs"] == 7
    assert run["runtime_config"]["parameters"]["spec"] == "train:\n  seed: 5\n"
    assert run["service_account"] == "robot"
    assert run["display_name"].startswith("pretrain 20")
    version = only(server.state.versions)
    assert only(server.state.pipelines)["name"] == "earthenware-pretrain"
    assert only(server.state.experiments)["display_name"] == "earthenware"
    assert f"version {version['name']} (uploaded now)" in out
    assert f"{server.url}/#/runs/details/{run['run_id']}" in out
    assert f"--attach {run['run_id']}" in out
    assert "enableCache" not in json.dumps(version["pipeline_spec"])


def test_a_version_is_uploaded_once(server, call):
    for _ in range(2):
        assert call()[0] == 0
    code, out, _ = call("--run-name", "third", "--experiment", "other")
    assert code == 0
    assert "(there already)" in out
    assert server.count("POST .*upload") == 1
    assert len(server.state.pipelines) == 1
    assert len(server.state.experiments) == 2
    assert len(server.state.runs) == 3
    call("--image", "registry.example.com/mine-python:2")
    assert len(server.state.versions) == 2


@pytest.mark.parametrize("what", ["/pipelines", "/versions", "/experiments"])
def test_somebody_who_was_quicker_is_no_error(server, call, what):
    assert call()[0] == 0
    server.fail(f"GET .*{what}$", 200, "{}", times=1)
    assert call()[0] == 0
    assert (len(server.state.pipelines), len(server.state.versions), len(server.state.experiments)) == (1, 1, 1)


def test_json_is_all_that_is_on_stdout(server, call):
    server.state.life = GOOD
    code, out, err = call("--json", "--watch", "--run-name", "mine")
    found = json.loads(out)
    assert code == 0
    assert (found["state"], found["name"], found["uploaded"]) == ("SUCCEEDED", "mine", True)
    assert [step["name"] for step in found["steps"]] == ["query", "build", "train"]
    assert "Kubeflow" in err


def test_watching_says_each_change_once(server, call):
    server.state.life = GOOD
    code, out, _ = call("--watch", "--run-name", "mine")
    lines = [line.split("  ", 1)[1] for line in out.splitlines() if line[2:3] == ":"]
    assert lines == [
        "query      running",
        "query      succeeded after 1 min 05 s",
        "build      running (2 parts)",
        "build      succeeded (2 parts) after 1 min 05 s",
        "train      succeeded after 1 min 05 s",
    ]
    assert code == 0
    assert "MLflow     http://earthenware-mlflow:5000" in out
    assert out.endswith("The run 'mine' succeeded.\n")


def test_a_failed_step_is_named_with_its_retries_and_the_end_of_its_log(server, call):
    server.state.life = BAD
    server.logs[TRAIN_POD] = "".join(f"line {number}\n" for number in range(50)) + "Error: out of memory\n"
    code, out, err = call("--watch", "--run-name", "mine")
    assert code == 3
    assert "train      failed after 1 min 05 s, 2 retries" in out
    assert "  | Error: out of memory" in out
    assert "  | line 49" in out
    assert "line 20" not in out
    assert err.startswith("Error [RUN_FAILED] The run 'mine' failed at the step train: child 'train' failed.\n")
    assert "/#/runs/details/" in err


def test_a_log_that_the_server_lacks_is_left_out(server, call):
    server.state.life = BAD
    code, out, err = call("--watch")
    assert code == 3
    assert server.reads == [TRAIN_POD]
    assert "the log of" not in out
    assert "child 'train' failed" in err


def test_a_run_is_found_again(server, call):
    call("--run-name", "mine")
    run_id = only(server.state.runs)["run"]["run_id"]
    server.state.life = GOOD
    code, out, _ = call("--attach", run_id, start=False)
    assert code == 0
    assert "train      succeeded" in out
    assert len(server.state.runs) == 1
    code, _, err = call("--attach", "nonesuch", start=False)
    assert code == 3
    assert "[KFP_NOT_FOUND]" in err
    code, _, err = call("--attach", run_id)
    assert code == 2
    assert "--spec belongs to a new one" in err


def test_mlflow_s_page_comes_from_kubeflow_s_plugin(server, call):
    url = "https://me:secret@mlflow.example.com/?token=abc#/experiments/3/runs/9"
    entries = {"run_url": {"value": url, "render_type": "URL"}, "run_id": {"value": "9"}}
    plugins = {"mlflow": {"entries": entries, "state": "PLUGIN_SUCCEEDED"}}
    server.state.life = [{"state": "SUCCEEDED", "more": {"plugins_output": plugins}}]
    _, out, _ = call("--watch")
    assert "MLflow     https://mlflow.example.com/#/experiments/3/runs/9\n" in out


def test_help_shows_its_examples_line_by_line(capsys):
    assert _call(["submit", "--help"]) == 0
    assert "\n    earthenware submit pretrain --attach RUN_ID --host http://localhost:8080\n" in capsys.readouterr().out


def test_dry_run_sends_nothing(server, call):
    code, out, _ = call("--dry-run")
    assert code == 0
    assert server.requests == []
    assert "train_epochs = 7" in out
    assert "train_seed" not in out


@pytest.mark.parametrize(
    ("assignment", "said"),
    [
        ("root=work", "share no folder"),
        ("root=file:///data", "share no folder"),
        ("query.catalog=items.json", "query.catalog"),
        ("train.tracking_uri=sqlite:///mlflow.db", "train.tracking_uri"),
    ],
)
def test_what_a_pod_cannot_reach_is_refused_before_anything_is_sent(server, call, assignment, said):
    code, _, err = call("--set", assignment)
    assert code == 2
    assert said in err
    assert server.requests == []


@pytest.mark.parametrize(
    ("assignment", "said"),
    [
        ("query.bbox=", "query: bbox must be given to search the API"),
        ("embed.splits=foo", "embed: splits: no chip will be in the split 'foo'"),
        ("train.patch_size=7", "does not divide the chips' 64"),
    ],
)
def test_what_a_step_would_refuse_is_refused_before_anything_is_sent(server, call, assignment, said):
    code, _, err = call("--set", assignment)
    assert code == 2
    assert said in err
    assert server.requests == []


def test_a_profile_must_tell_where_runs_are_recorded(server, call, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://of-this-machine:5000")
    code, _, err = call("--profile", "laptop")
    assert code == 2
    assert "[NO_TRACKING_URI] train: 's3://bucket/prefix'" in err
    assert server.requests == []
    assert call("--profile", "laptop", "--set", "train.tracking_uri=off")[0] == 0
    secret = "defaults:\n  secrets:\n  - {variable: MLFLOW_TRACKING_URI, secret: mlflow, key: uri}\n"
    (tmp_path / "mine.yaml").write_text(f"base: laptop\n{secret}")
    assert call("--profile", str(tmp_path / "mine.yaml"))[0] == 0


def test_ctrl_c_leaves_the_run_alive_and_says_how_to_come_back(server, call, tmp_path, capsys):
    server.state.life = [{"state": "RUNNING", "steps": {"query": "RUNNING"}}]
    looking = threading.Event()
    server.on_request = lambda line: looking.set() if server.count("GET .*/runs/") > 2 else None
    # Nothing of this may be read, and nothing may be written there.
    context = tmp_path / ".config" / "kfp" / "context.json"
    context.parent.mkdir(parents=True)
    text = json.dumps({"namespace": "evil", "client_authentication_cookie": "evil=1"})
    context.write_text(text)
    process = subprocess.Popen(
        [sys.executable, "-m", "earthenware", "submit", "pretrain", "--spec", call.spec, "--watch", "--poll", "0.05"],
        env={
            **os.environ,
            "HOME": str(tmp_path),
            "KFP_HOST": server.url,
            "KF_PIPELINES_IAP_OAUTH2_CLIENT_ID": "would-ask-google",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert looking.wait(120)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130
    assert "the run goes on" in out
    assert "again to resume" not in err
    assert server.count("terminate") == 0
    assert all("cookie" not in headers for headers in server.headers)
    assert context.read_text() == text
    assert sorted(path.name for path in context.parent.iterdir()) == ["context.json"]
    server.state.life = GOOD
    back = shlex.split(out.split("Come back with: ")[1].splitlines()[0])
    assert _call([*back[1:], "--poll", "0.05"]) == 0
    assert "train      succeeded" in capsys.readouterr().out


def test_an_api_that_is_away_for_a_while_does_not_end_watching(server, call):
    server.state.life = GOOD
    server.fail("GET .*/runs/", 503, "upstream connect error", after=1, times=2)
    server.fail("GET .*/runs/", drop=True, after=1, times=1)
    started = time.monotonic()
    code, out, _ = call("--watch")
    assert code == 0
    assert out.count("Trying again for 5 min") in (1, 2)
    assert time.monotonic() - started < 60
