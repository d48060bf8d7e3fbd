"""Following a run: the steps of a pipeline, the pods behind them, and an API that is not always there."""

from __future__ import annotations

import pytest

from earthenware.compiling import compile_pipeline, load_profile
from earthenware.errors import EarthenwareError
from earthenware.kubeflow import Connection, Order, connect, submit, watch
from earthenware.kubeflow._steps import attempts, node_id, pods, steps_of
from tests.kubeflow.stand_in_kfp import StandIn


@pytest.fixture(scope="module")
def compiled():
    return compile_pipeline("pretrain", load_profile("cluster-cpu"))


@pytest.fixture
def server():
    with StandIn() as stand_in:
        yield stand_in
    assert stand_in.broken == []


@pytest.fixture
def client(server):
    return connect(Connection(server.url))


@pytest.fixture
def run_id(client, compiled):
    return submit(client, compiled, Order({"root": "s3://b/p"}, "r", "e")).run_id


def test_an_api_that_stays_away_is_given_up_in_the_end(server, client, run_id):
    server.fail("GET .*/runs/", 503)
    said, pauses = [], []
    with pytest.raises(EarthenwareError) as error:
        watch(client, run_id, said.append, poll=1, patience=60, pause=pauses.append)
    assert error.value.code == "KFP_UNAVAILABLE"
    assert pauses == [1, 2, 4, 8, 16, pytest.approx(29, abs=5)]
    assert len(said) == 1


def test_a_refusal_is_not_asked_again(server, client, run_id):
    server.fail("GET .*/runs/", 403)
    with pytest.raises(EarthenwareError) as error:
        watch(client, run_id, lambda _: None, pause=lambda _: pytest.fail("must not wait"))
    assert error.value.code == "KFP_FORBIDDEN"


def test_a_run_that_somebody_cancels(server, client, run_id):
    server.state.life = [{"state": "CANCELING"}, {"state": "CANCELED"}]
    outcome = watch(client, run_id, lambda _: None, pause=lambda _: None)
    assert (outcome.state, outcome.failed_step, outcome.log) == ("CANCELED", "", [])


def test_a_long_silence_is_broken(server, client, run_id):
    waiting = {"state": "RUNNING", "steps": {"query": "RUNNING"}}
    server.state.life = [{"state": "PENDING"}] * 3 + [waiting] * 3 + [{"state": "SUCCEEDED"}]
    said = []
    watch(client, run_id, said.append, poll=300, pause=lambda _: None)
    kinds = [line.split("  ", 1)[1] for line in said]
    assert kinds[:2] == ["still pending", "query      running"]
    assert kinds[2].startswith("still running: query for ")
    assert len(kinds) == 3


@pytest.mark.parametrize("unknown", ["RUNTIME_STATE_UNSPECIFIED", None])
def test_steps_that_were_left_out_are_not_shown(server, client, run_id, unknown):
    steps = {"query": "FAILED", "train": unknown}
    server.state.life = [{"state": "FAILED", "steps": steps}]
    outcome = watch(client, run_id, lambda _: None, pause=lambda _: None)
    assert [step.name for step in outcome.steps] == ["query"]


def test_of_a_loop_the_log_that_speaks_of_an_error_is_shown(server, client, run_id):
    server.state.life = [{"state": "FAILED", "steps": {"build": ["SUCCEEDED", ("FAILED", 2), "SUCCEEDED"]}}]
    watch(client, run_id, lambda _: None, pause=lambda _: None)
    assert len(set(server.reads)) == 3
    server.logs.update(dict.fromkeys(server.reads, "all well"))
    server.logs[server.reads[1]] = "Error [STORE] the bucket is gone"
    outcome = watch(client, run_id, lambda _: None, pause=lambda _: None)
    assert outcome.steps[0].attempts == 2
    assert outcome.log == ["Error [STORE] the bucket is gone"]


def test_an_archived_experiment_is_refused(server, client, compiled, run_id):
    for experiment in server.state.experiments.values():
        experiment["storage_state"] = "ARCHIVED"
    with pytest.raises(EarthenwareError, match="is archived"):
        submit(client, compiled, Order({"root": "s3://b/p"}, "r", "e"))


def test_a_wrong_parameter_is_refused_by_the_server(client, compiled):
    with pytest.raises(EarthenwareError, match="colour"):
        submit(client, compiled, Order({"root": "s3://b/p", "colour": 1}, "r", "e"))
    with pytest.raises(EarthenwareError, match="train_epochs"):
        submit(client, compiled, Order({"root": "s3://b/p", "train_epochs": "3"}, "r", "e"))


def test_a_node_s_id_is_argo_s():
    # FNV-1a of "a" and of "foobar", 32 bits, from the hash's own list of test vectors.
    assert node_id("a", ()) == f"a-{0xE40C292C}"
    assert node_id("foobar", ()) == f"foobar-{0xBF9CF968}"


def _task(component, **more):
    return {"componentRef": {"name": component}, **more}


def test_steps_and_their_pods_are_worked_out_from_a_pipeline():
    document = {
        "pipeline_spec": {
            "root": {
                "dag": {
                    "tasks": {
                        "one": _task("c-one"),
                        "loop": _task("c-loop", parameterIterator={"itemInput": "x"}),
                    }
                }
            },
            "components": {
                "c-one": {"executorLabel": "exec-one"},
                "c-loop": {"dag": {"tasks": {"two": _task("c-two", retryPolicy={"maxRetryCount": 2})}}},
                "c-two": {"executorLabel": "exec-two"},
            },
        },
        "platform_spec": {
            "platforms": {
                "kubernetes": {
                    "deploymentSpec": {"executors": {"exec-one": {"podMetadata": {"labels": {"a": "b", "c": "d"}}}}}
                }
            }
        },
    }
    two, one = steps_of(document)
    assert (one.name, one.template, two.name) == ("one", "metadata-0-2-system-container-impl", "two")
    below = [("root", "loop", f"iteration-iterations({number}:{number})") for number in range(2)]
    tries = [(*below[0], "iteration-item", "two", "executor(0)"), (*below[1], "iteration-item", "two", "executor(0)")]
    again = (*below[1], "iteration-item", "two", "executor(1)")
    nodes = {node_id("wf-1", path) for path in (*below, *tries, again, ("root", "one", "executor"))}
    assert attempts(one, nodes) == 1
    assert attempts(two, nodes) == 2
    assert pods(one, nodes) == [node_id("wf-1", ("root", "one", "executor")).replace("wf-1-", f"wf-1-{one.template}-")]
    last = node_id("wf-1", again).removeprefix("wf-1-")
    assert pods(two, nodes)[1] == f"wf-1-retry-system-container-impl-{last}"
    assert attempts(two, set()) == 0


@pytest.mark.parametrize("document", [{}, {"pipeline_spec": {}}, {"root": {}}, {"root": {"dag": {"tasks": {"a": {}}}}}])
def test_a_pipeline_that_is_not_understood_is_no_error(document):
    assert len(steps_of(document)) <= 1
