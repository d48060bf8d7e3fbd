"""What the chart gives the steps of a pipeline: permissions, their store, and the profile and command of the notes."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from earthenware.compiling import load_profile
from earthenware.launch import PERMISSIONS
from tests.charts.release import VARIANTS, Document, Release, render


def rules(role: Document) -> set[tuple[str, str, str]]:
    return {
        (group, resource, verb)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


def wanted() -> set[tuple[str, str, str]]:
    return {(group, resource, verb) for group, resource, verbs in PERMISSIONS for verb in verbs}


@pytest.mark.parametrize("variant", ["trial", "existing-kubeflow", "all-options"])
def test_the_role_allows_exactly_what_the_launcher_calls(variant: str) -> None:
    release = render(VARIANTS[variant])
    roles = [one for one in release.documents if one["kind"] in ("Role", "ClusterRole")]
    assert [one["kind"] for one in roles] == ["Role"]
    assert rules(roles[0]) == wanted()
    assert not any("resourceNames" in rule or "*" in str(rule) for rule in roles[0]["rules"])


def test_a_role_with_another_verb_would_be_noticed() -> None:
    role = render(VARIANTS["trial"]).one("Role", "earthenware-steps")
    role["rules"][0]["verbs"].append("list")
    assert rules(role) != wanted()


def test_permissions_are_bound_where_the_steps_run_and_to_whom_the_values_name() -> None:
    release = render(VARIANTS["existing-kubeflow"])
    binding = release.one("RoleBinding", "earthenware-steps")
    assert binding["metadata"]["namespace"] == "team-earth"
    assert {(one["name"], one["namespace"]) for one in binding["subjects"]} == {
        ("earthenware-steps", "team-earth"),
        ("default-editor", "team-earth"),
    }
    account = release.one("ServiceAccount", "earthenware-steps")
    assert account["metadata"]["namespace"] == "team-earth"
    assert account["automountServiceAccountToken"] is True
    kubeflow = release.one("RoleBinding", "earthenware-steps-kubeflow")
    assert (kubeflow["roleRef"]["kind"], kubeflow["roleRef"]["name"]) == ("ClusterRole", "kubeflow-edit")
    assert [one["name"] for one in kubeflow["subjects"]] == ["earthenware-steps"]


def launcher(values: Document) -> tuple[str, Document]:
    data = render(values).one("ConfigMap", "kfp-launcher")["data"]
    return data["defaultPipelineRoot"], yaml.safe_load(data["providers"])["s3"]["default"]


def test_kfp_launcher_finds_the_store_and_its_credentials() -> None:
    root, store = launcher(VARIANTS["existing-kubeflow"])
    assert root == "s3://team-earth/pipelines"
    assert store == {
        "endpoint": "s3.eu-central-1.example.org",
        "region": "eu-central-1",
        "disableSSL": False,
        "forcePathStyle": True,
        "credentials": {
            "fromEnv": False,
            "secretRef": {
                "secretName": "earthenware-store",
                "accessKeyKey": "AWS_ACCESS_KEY_ID",
                "secretKeyKey": "AWS_SECRET_ACCESS_KEY",
            },
        },
    }


def test_kfp_launcher_of_a_trial_and_of_amazon() -> None:
    _, trial = launcher({**VARIANTS["trial"], "steps": {"kfpLauncher": {"create": True}}})
    assert (trial["endpoint"], trial["disableSSL"]) == ("earthenware-seaweedfs.kubeflow.svc.cluster.local:8333", True)
    _, amazon = launcher(VARIANTS["all-options"])
    assert amazon["endpoint"] == "s3.us-east-1.amazonaws.com"
    assert amazon["credentials"] == {"fromEnv": True}


@pytest.mark.parametrize(
    ("endpoint", "port"), [("http://s3", 80), ("https://s3.example.org/", 443), ("http://s3:9000", 9000), ("", 443)]
)
def test_the_store_is_reached_on_its_own_port_only(endpoint: str, port: int) -> None:
    policy = render({"database": {"host": "db"}, "store": {"endpoint": endpoint}}).one(
        "NetworkPolicy", "earthenware-bucket"
    )
    assert [rule["ports"] for rule in policy["spec"]["egress"]] == [[{"port": port, "protocol": "TCP"}]]


def noted_profile(release: Release) -> str:
    match = re.search(r"^cat > (\S+-profile\.yaml) <<'END'\n(.*?)\nEND$", release.notes, re.MULTILINE | re.DOTALL)
    assert match
    return match[2] + "\n"


def noted_command(release: Release) -> list[str]:
    (line,) = [line.strip() for line in release.notes.splitlines() if line.strip().startswith("earthenware submit")]
    return shlex.split(line)


@pytest.mark.parametrize("variant", ["trial", "existing-kubeflow", "all-options"])
def test_the_noted_profile_is_one_and_names_the_services_of_the_release(variant: str, tmp_path: Path) -> None:
    release = render(VARIANTS[variant], name="r", namespace="ns")
    path = tmp_path / "profile.yaml"
    path.write_text(noted_profile(release))
    profile = load_profile(str(path))
    step = profile.step("train")
    assert step.environment["MLFLOW_TRACKING_URI"].startswith("http://r-earthenware-mlflow.ns.svc.cluster.local:")
    expected = {"MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"}
    if variant != "all-options":
        expected |= {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}
    assert {secret.variable for secret in step.secrets} == expected
    assert profile.service_account == ("default-editor" if variant == "all-options" else "earthenware-steps")


@pytest.mark.parametrize("variant", VARIANTS)
def test_the_noted_command_is_one_that_submit_understands(
    variant: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from earthenware.cli.init import init
    from earthenware.cli.submit import submit

    release = render(VARIANTS[variant], name="r", namespace="ns")
    program, name, *arguments = noted_command(release)
    assert (program, name) == ("earthenware", "submit")
    namespace: Any = submit.make_context("submit", list(arguments)).params["namespace"]
    assert namespace == VARIANTS[variant].get("steps", {}).get("namespace", "ns")

    monkeypatch.chdir(tmp_path)
    Path("r-profile.yaml").write_text(noted_profile(release))
    where = ["--bbox", "5.9,49.4,6.6,50.2", "--datetime", "2022-04-01/2022-10-31"]
    assert CliRunner().invoke(init, [*where, "pretrain.yaml"]).exit_code == 0
    done = CliRunner().invoke(submit, [*arguments, "--dry-run"])
    assert done.exit_code == 0, done.output + repr(done.exception)


def test_the_notes_name_every_secret_that_the_pods_need() -> None:
    for variant, values in VARIANTS.items():
        release = render(values)
        needed = re.findall(r"'secretKeyRef': \{'name': '([^']+)', 'key': '([^']+)'\}", str(release.documents))
        for secret, key in needed:
            (line,) = [x for x in release.notes.splitlines() if re.match(rf"  kubeflow/{re.escape(secret)}:", x)]
            assert key in line, variant
