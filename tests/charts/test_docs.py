"""The commands of docs/helm.md make what the chart needs."""

from __future__ import annotations

import re

import pytest
import yaml

from tests.charts.release import CHART, VARIANTS, render

TEXT = (CHART.parents[1] / "docs" / "helm.md").read_text()


def made() -> dict[str, set[str]]:
    """Return the keys of each Secret that the page's commands make."""
    commands = re.findall(r"create secret generic (\S+)((?: *\\\n|.*--from-literal=\S+)*)", TEXT)
    return {name: set(re.findall(r"--from-literal=([A-Za-z_]+)=", rest)) for name, rest in commands}


def test_the_commands_make_every_secret_and_key_of_a_trial() -> None:
    documents = str(render(VARIANTS["trial"]).documents)
    needed: dict[str, set[str]] = {"earthenware-mlflow": {"MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"}}
    for name, key in re.findall(r"'secretKeyRef': \{'name': '([^']+)', 'key': '([^']+)'\}", documents):
        needed.setdefault(name, set()).add(key)
    assert made() == needed


def test_the_page_holds_no_password() -> None:
    assert not re.findall(r"PASSWORD=(?!\"\$)\S+|password=(?!\"\$)\S+", TEXT)


@pytest.mark.parametrize("path", sorted(set(re.findall(r"charts/earthenware/[\w./-]+\w", TEXT))))
def test_files_that_the_page_names_exist(path: str) -> None:
    assert (CHART.parents[1] / path).is_file()


@pytest.mark.parametrize(
    "value", sorted(set(re.findall(r"`((?:steps|store|networkPolicy|serviceAccount)\.[\w.]+)", TEXT)))
)
def test_values_that_the_page_names_exist(value: str) -> None:

    node = yaml.safe_load((CHART / "values.yaml").read_text())
    for part in value.split("."):
        node = node[part]
