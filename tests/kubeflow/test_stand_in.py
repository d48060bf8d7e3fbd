"""The stand-in is strict: what no Kubeflow would take, it does not take either."""

from __future__ import annotations

import json

import kfp_server_api
import pytest
import urllib3
from kfp_server_api.models import V2beta1Experiment, V2beta1Run

from tests.kubeflow.kfp_models import InvalidError, check, routes
from tests.kubeflow.kfp_pipelines import RefusedError, check_parameters, parse_package
from tests.kubeflow.stand_in_kfp import StandIn


@pytest.fixture
def server():
    with StandIn() as stand_in:
        yield stand_in


def api(server):
    return kfp_server_api.ApiClient(kfp_server_api.Configuration(host=server.url))


@pytest.mark.parametrize(
    ("value", "kind", "said"),
    [
        ({"display_name": "a", "colour": "red"}, "V2beta1Run", "unknown"),
        ({"display_name": 3}, "V2beta1Run", "display_name must be str"),
        ({"state": "DONE"}, "V2beta1Run", "one of"),
        ({"created_at": "yesterday"}, "V2beta1Run", "RFC 3339"),
        ({"run_details": {"task_details": [{"stat": "x"}]}}, "V2beta1Run", r"task_details\[0\]"),
        ({"max_concurrency": 1}, "V2beta1RecurringRun", "int64"),
        ([], "V2beta1Experiment", "an object"),
    ],
)
def test_what_the_models_do_not_describe_is_invalid(value, kind, said):
    with pytest.raises(InvalidError, match=said):
        check(value, kind, answer=True)


def test_a_request_may_write_int64_as_a_number():
    check({"max_concurrency": 1}, "V2beta1RecurringRun", answer=False)


def test_every_request_of_the_generated_client_has_a_route():
    found = {route.name: route for route in routes()}
    assert len(found) > 30
    assert found["run_service_create_run"].body == "V2beta1Run"
    assert "filter" in found["pipeline_service_list_pipelines"].query


def test_unknown_fields_and_query_parameters_are_refused_and_kept(server):
    pool = urllib3.PoolManager()
    body = json.dumps({"display_name": "e", "color": "red"})
    assert pool.request("POST", f"{server.url}/apis/v2beta1/experiments", body=body).status == 400
    assert pool.request("GET", f"{server.url}/apis/v2beta1/experiments?page=3").status == 400
    assert pool.request("GET", f"{server.url}/apis/v2beta1/experimentz").status == 404
    assert len(server.broken) == 3


def test_an_answer_that_the_models_do_not_describe_is_kept(server):
    server.state.healthz_service_get_healthz = lambda: {"multi_user": "yes"}
    kfp_server_api.HealthzServiceApi(api(server)).healthz_service_get_healthz()
    assert "answer" in server.broken[0]


def test_a_run_needs_an_experiment_a_name_and_a_version(server):
    runs = kfp_server_api.RunServiceApi(api(server))
    with pytest.raises(kfp_server_api.ApiException) as refused:
        runs.run_service_create_run(run=V2beta1Run(experiment_id="nope"))
    assert refused.value.status == 400
    with pytest.raises(kfp_server_api.ApiException) as refused:
        runs.run_service_create_run(run=V2beta1Run(display_name="r", experiment_id="nope"))
    assert refused.value.status == 404


def test_several_users_need_a_namespace_of_their_own(server):
    server.state.multi_user = True
    experiments = kfp_server_api.ExperimentServiceApi(api(server))
    for namespace, status in (("", 400), ("team-b", 403)):
        with pytest.raises(kfp_server_api.ApiException) as refused:
            experiments.experiment_service_create_experiment(
                experiment=V2beta1Experiment(display_name="e", namespace=namespace)
            )
        assert refused.value.status == status


def test_a_pipeline_with_an_unknown_field_is_refused():
    with pytest.raises(RefusedError, match="colour"):
        parse_package("pipelineInfo: {name: p}\ncolour: red\n")


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"epochs": 3, "x": 1}, "not required by pipeline: x"),
        ({}, "epochs is not optional"),
        ({"epochs": "3"}, "epochs is not of the required type"),
        ({"epochs": True}, "epochs is not of the required type"),
        ({"epochs": 3, "name": 4}, "name is not of the required type"),
    ],
)
def test_a_wrong_parameter_is_refused(values, said):
    parameters = {
        "epochs": {"parameterType": "NUMBER_INTEGER"},
        "name": {"parameterType": "STRING", "isOptional": True},
    }
    with pytest.raises(RefusedError, match=said):
        check_parameters({"root": {"inputDefinitions": {"parameters": parameters}}}, values)
