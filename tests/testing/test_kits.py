"""The kits make what the real steps make: whole stores, packages that load, a service that is gone afterwards."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from earthenware import storage
from earthenware.chips import ChipStore, Mask, column
from earthenware.errors import EarthenwareError
from earthenware.inference import load_package
from earthenware.steps import Result, read_manifest
from earthenware.testing import KubernetesRequest, KubernetesServer, make_chips, make_model, run_small_step, s3_service


def test_chips_are_written_as_they_stand_in_memory(tmp_path: Path) -> None:
    made = make_chips(sites=3, chips=4, size=16)
    store = made.write(str(tmp_path), parts=2)
    assert len(store.document.parts) == 2
    assert list(store.verify()) == []
    ids = store.index["chip_id"].to_pylist()
    for sensor, (pixels, mask) in store.read_batch(list(store.sensors), range(len(store))).items():
        for i, chip in enumerate(ids):
            position = [row["chip_id"] for row in made.rows].index(chip)
            if made.rows[position].get(column(sensor, "present"), True):
                np.testing.assert_array_equal(pixels[i], made.pixels[sensor][position])
                np.testing.assert_array_equal(mask[i], made.masks[sensor][position])
            else:
                assert (mask[i] == Mask.NODATA).all()


def test_other_sensors_and_sizes_can_be_made(tmp_path: Path) -> None:
    sensors = ["landsat-c2-l2", "sentinel-1-grd"]
    store = make_chips(sites=2, chips=1, size=24, sensors=sensors, labels=False).write(str(tmp_path))
    assert (list(store.sensors), store.chip_size) == (sensors, 24)
    assert store.index["land_cover"].null_count == len(store) == 2
    assert store.present("sentinel-1-grd").tolist() == [True, False]


def test_a_made_build_is_a_step_like_any(tmp_path: Path) -> None:
    made = make_chips()
    report = made.build(str(tmp_path / "chips"), parts=6)
    manifest = read_manifest(report.output)
    store = ChipStore.open(report.output)
    assert (manifest.step, manifest.counts["chips"]) == ("build", len(store))
    assert make_chips().build(str(tmp_path / "chips"), parts=6).reused
    made.masks["sentinel-2-l2a"][0, 0, 0] |= Mask.SNOW
    with pytest.raises(EarthenwareError):
        made.build(str(tmp_path / "chips"), parts=6)


def test_a_made_model_loads_and_belongs_to_its_chips(tmp_path: Path) -> None:
    chips = make_chips(sites=2, chips=2, size=16).build(str(tmp_path / "chips")).output
    report = make_model(chips, str(tmp_path / "train"))
    package = load_package(f"{report.output}/model")
    assert package.info.training_digest == ChipStore.open(chips).content_digest
    assert list(package.info.sensors) == ["sentinel-2-l2a", "sentinel-1-rtc", "cop-dem-glo-30"]
    assert make_model(chips, str(tmp_path / "train")).reused


def test_a_small_step_runs_once(tmp_path: Path) -> None:
    calls: list[str] = []
    for content in ("a", "a"):
        report = run_small_step("query", str(tmp_path / "q"), lambda attempt: Result(counts={"n": 1}), content=content)
        calls.append("reused" if report.reused else "ran")
    assert calls == ["ran", "reused"]


def test_an_s3_service_is_named_while_it_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_PROFILE", "mine")
    before = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    with s3_service() as service:
        assert "AWS_PROFILE" not in os.environ
        one, two = service.bucket(), service.bucket()
        assert one != two
        storage.write_bytes(f"{one}/a", b"here")
        assert storage.read_bytes(f"{one}/a") == b"here"
        assert list(storage.list_files(two)) == []
    assert {name: value for name, value in os.environ.items() if name.startswith("AWS_")} == before


class Counting(KubernetesServer):
    """An API server that counts slowly, where it is asked for a log, and then breaks off."""

    def answer(self, request: KubernetesRequest) -> tuple[int, Any]:
        return (200, self._count()) if request.resource == "pods/log" else super().answer(request)

    def _count(self) -> Iterator[bytes]:
        yield from (b"one\n", b"two\n")
        raise ConnectionAbortedError


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[tuple[Counting, Any]]:
    """An API server, and the official client for it."""
    from kubernetes import client, config

    server = Counting("team")
    config.load_kube_config(server.kubeconfig(tmp_path / "kubeconfig"))
    yield server, client.CoreV1Api()
    server.close()


def test_a_kubernetes_keeps_objects(cluster: tuple[Counting, Any]) -> None:
    from kubernetes.client import ApiException

    server, api = cluster
    for name, colour in (("a", "red"), ("b", "blue")):
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"colour": colour}}}
        made = api.create_namespaced_pod("team", pod)
    assert [pod.metadata.name for pod in api.list_namespaced_pod("team").items] == ["a", "b"]
    assert [pod.metadata.name for pod in api.list_namespaced_pod("team", label_selector="colour=red").items] == ["a"]
    assert api.read_namespaced_pod("b", "team").metadata.uid == made.metadata.uid
    wrong = {"preconditions": {"uid": "another"}}
    for status, call in (
        (409, lambda: api.create_namespaced_pod("team", pod)),
        (404, lambda: api.create_namespaced_pod("other", pod)),
        (404, lambda: api.read_namespaced_pod("c", "team")),
        (409, lambda: api.delete_namespaced_pod("b", "team", body=wrong)),
    ):
        with pytest.raises(ApiException) as refused:
            call()
        assert refused.value.status == status
    api.delete_namespaced_pod("b", "team")
    assert [pod.metadata.name for pod in api.list_namespaced_pod("team").items] == ["a"]
    assert {(one.verb, one.group, one.resource, one.namespace) for one in server.requests} >= {
        ("create", "", "pods", "other"),
        ("delete", "", "pods", "team"),
        ("list", "", "pods", "team"),
    }


def test_a_kubernetes_asks_for_its_token_and_sends_a_log_as_it_comes(cluster: tuple[Counting, Any]) -> None:
    import urllib3
    from kubernetes.client import ApiException

    server, api = cluster
    log = api.read_namespaced_pod_log("a", "team", _preload_content=False)
    assert log.readline() == b"one\n"
    with pytest.raises(urllib3.exceptions.HTTPError):
        log.read()
    server.token = "renewed"
    with pytest.raises(ApiException) as refused:
        api.list_namespaced_pod("team")
    assert refused.value.status == 401
