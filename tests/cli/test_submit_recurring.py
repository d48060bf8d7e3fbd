"""``earthenware submit --cron`` and ``--interval`` over HTTP."""

from __future__ import annotations

import json

import pytest

from tests.kubeflow.stand_in_kfp import StandIn
from tests.kubeflow.submitting import Command, only


@pytest.fixture
def server():
    with StandIn() as stand_in:
        yield stand_in
    assert stand_in.broken == []


@pytest.fixture
def call(server, tmp_path, capsys, monkeypatch):
    return Command(server, tmp_path, capsys, monkeypatch)


def test_a_recurring_run_is_made_once_and_replaced_when_it_changes(server, call):
    code, out, _ = call("--cron", "0 6 * * mon")
    first = only(server.state.recurring)
    assert code == 0
    assert first["trigger"]["cron_schedule"]["cron"] == "0 0 6 * * mon"
    assert (first["mode"], first["no_catchup"], first["max_concurrency"]) == ("ENABLE", True, "1")
    assert first["display_name"] == "pretrain"
    assert first["runtime_config"]["parameters"]["train_epochs"] == 7
    assert "Recurring  pretrain, cron '0 0 6 * * mon'" in out
    assert "(as it was)" in call("--cron", "0 6 * * mon")[1]
    assert only(server.state.recurring) == first
    assert "(as it was)" not in call("--cron", "0 6 * * mon", "--set", "train.epochs=8")[1]
    second = only(server.state.recurring)
    assert second["recurring_run_id"] != first["recurring_run_id"]
    call("--interval", "6h")
    assert only(server.state.recurring)["trigger"] == {"periodic_schedule": {"interval_second": "21600"}}
    assert "(as it was)" in call("--interval", "6h")[1]
    call("--interval", "6h", "--run-name", "other")
    assert len(server.state.recurring) == 2
    assert server.state.runs == {}


def test_a_disabled_recurring_run_is_replaced_by_one_that_is_enabled(server, call):
    call("--interval", "6h")
    only(server.state.recurring).update(status="DISABLED", mode="DISABLE")
    call("--interval", "6h")
    assert only(server.state.recurring)["status"] == "ENABLED"


def test_a_refused_schedule_leaves_the_old_one(server, call):
    call("--interval", "6h")
    old = only(server.state.recurring)
    server.fail("POST .*/recurringruns", 400, json.dumps({"message": "no more schedules"}))
    code, _, err = call("--interval", "7h")
    assert code == 3
    assert "no more schedules" in err
    assert only(server.state.recurring) == old


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--cron", "61 * * * *"], "minute '61'"),
        (["--interval", "soon"], "soon"),
        (["--cron", "@daily", "--interval", "1h"], "Both"),
        (["--cron", "@daily", "--watch"], "--attach"),
    ],
)
def test_a_wrong_schedule_is_refused_before_anything_is_sent(server, call, options, said):
    code, _, err = call(*options)
    assert code == 2
    assert "[BAD_OPTION]" in err
    assert said in err
    assert server.requests == []
