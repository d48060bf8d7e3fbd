"""Packages, memory, disks and GPUs of this machine, and of containers whose limits are files here."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path

import pytest

from earthenware.doctor._accelerator import check_accelerator, describe_gpus
from earthenware.doctor._machine import (
    check_cpu,
    check_disk,
    check_memory,
    check_shared_memory,
    check_temporary,
    cpu_limit,
    memory_limit,
)
from earthenware.doctor._packages import (
    check_packages,
    check_python,
    check_tested,
    check_torch,
    pinned_versions,
    torch_build,
)
from earthenware.network import is_hidden
from tests.doctor.look import look

GIB = 2**30


def test_this_environment_is_the_one_that_the_release_asks_for() -> None:
    assert look("python")["python"].state == "ok"
    assert look("packages")["packages"].state == "ok"
    assert "PyTorch" in look("torch")["torch"].sentence
    assert look("pipeline")["pipeline"].state == "ok"


def test_wrong_and_missing_packages_are_named() -> None:
    versions = {"kfp": "2.16.0", "click": "8.5.1"}

    def version_of(name: str) -> str:
        if name not in versions:
            raise importlib.metadata.PackageNotFoundError(name)
        return versions[name]

    lines = ["kfp==2.17.0", "click>=8.1", "minio>=7.2", 'moto>=5; extra == "dev"']
    verdict = check_packages(lines, version_of)
    assert verdict.state == "failed"
    assert verdict.sentence == "kfp is 2.16.0, not ==2.17.0; minio is missing (>=7.2)."
    assert "constraints.txt" in verdict.remedy
    versions |= {"kfp": "2.17.0", "minio": "7.2.20"}
    assert check_packages(lines, version_of).sentence.startswith("All 3 packages")


def test_versions_other_than_the_tested_ones_are_told() -> None:
    versions = {"torch": "2.13.0+cu130", "numpy": "2.4.6"}

    def version_of(name: str) -> str:
        if name not in versions:
            raise importlib.metadata.PackageNotFoundError(name)
        return versions[name]

    pins = {"torch": "2.13.0", "numpy": "2.4.6", "not-installed": "1"}
    assert check_tested(pins, version_of).sentence.startswith("2 packages are there")
    versions["numpy"] = "2.5.0"
    verdict = check_tested(pins, version_of)
    assert verdict.state == "warning"
    assert "numpy 2.5.0 (tested 2.4.6)" in verdict.sentence
    assert check_tested({}, version_of).state == "skipped"
    assert pinned_versions()["kfp"] == "2.17.0"


def test_another_python_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.python_version", lambda: "3.12.1")
    verdict = check_python()
    assert verdict.state == "failed"
    assert "3.12.1" in verdict.sentence


def test_the_build_of_torch() -> None:
    import torch

    assert torch_build()["__version__"] == torch.__version__
    assert torch_build()["cuda"] == torch.version.cuda
    cpu, cuda = ({"__version__": "2.13.0", "cuda": value, "hip": None} for value in (None, "13.0"))
    assert check_torch(wants_gpu=False, build=cpu).state == "ok"
    assert check_torch(wants_gpu=True, build=cpu).state == "warning"
    assert check_torch(wants_gpu=True, build=cuda).sentence == "PyTorch 2.13.0, CUDA 13.0."


@pytest.mark.parametrize(("free", "state"), [(GIB, "failed"), (4 * GIB, "warning"), (64 * GIB, "ok")])
def test_memory(free: int, state: str) -> None:
    verdict = check_memory(free)
    assert verdict.state == state
    assert f"{free // GIB}.0 GiB" in verdict.sentence


def test_shared_memory(tmp_path: Path) -> None:
    assert check_shared_memory(total=64 * 2**20).state == "warning"  # Docker's own default
    assert "--shm-size" in check_shared_memory(total=64 * 2**20).remedy
    assert check_shared_memory(total=2 * GIB).state == "ok"
    assert "no shared memory" in check_shared_memory(tmp_path / "absent").sentence


def test_disks(tmp_path: Path) -> None:
    root = str(tmp_path / "not" / "yet")
    assert check_disk(root, free=GIB // 2).state == "failed"
    assert check_disk(root, free=5 * GIB).state == "warning"
    assert check_disk(root, free=50 * GIB).state == "ok"
    assert "GiB are free" in check_disk(root).sentence
    assert not (tmp_path / "not").exists()
    assert check_temporary(str(tmp_path), free=GIB // 4).state == "failed"
    assert check_temporary(str(tmp_path), free=50 * GIB).state == "ok"
    absent = check_temporary(str(tmp_path / "absent"))
    assert absent.state == "failed"
    assert "TMPDIR" in absent.remedy
    assert list(tmp_path.iterdir()) == []


def test_cores() -> None:
    assert check_cpu(0.5).state == "warning"
    assert check_cpu(8.0).sentence == "8 CPU cores can be used."
    assert "CPU cores" in check_cpu().sentence


def _group(folder: Path, **files: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("_", ".", 1)).write_text(f"{text}\n")


def test_the_tightest_limit_on_the_way_up_counts(tmp_path: Path) -> None:
    _group(tmp_path, memory_max="max", cpu_max="max 100000")
    _group(tmp_path / "kubepods", memory_max=str(64 * GIB), memory_current=str(2 * GIB), cpu_max="800000 100000")
    _group(tmp_path / "kubepods/pod1", memory_max=str(8 * GIB), memory_current=str(3 * GIB), cpu_max="150000 100000")
    (tmp_path / "kubepods/pod1/memory.stat").write_text(f"anon 5\ninactive_file {GIB}\n")
    assert memory_limit(tmp_path, "/kubepods/pod1") == (8 * GIB, 2 * GIB)
    assert cpu_limit(tmp_path, "/kubepods/pod1") == 1.5
    assert memory_limit(tmp_path, "/kubepods") == (64 * GIB, 2 * GIB)


def test_inside_a_container_the_mount_is_the_group(tmp_path: Path) -> None:
    _group(tmp_path, memory_max=str(2 * GIB), memory_current=str(GIB), cpu_max="50000 100000")
    for own in ("/", "/system.slice/not-mounted-here", "/../outside"):
        assert memory_limit(tmp_path, own) == (2 * GIB, GIB)
        assert cpu_limit(tmp_path, own) == 0.5


def test_without_limits_and_without_control_groups(tmp_path: Path) -> None:
    assert memory_limit(tmp_path / "absent", "/") is None
    assert cpu_limit(tmp_path / "absent", "/") is None
    _group(tmp_path, memory_max="max", cpu_max="max 100000")
    assert memory_limit(tmp_path, "/") is None
    assert cpu_limit(tmp_path, "/") is None


def test_version_1_of_control_groups(tmp_path: Path) -> None:
    (tmp_path / "memory").mkdir()
    (tmp_path / "memory" / "memory.limit_in_bytes").write_text(f"{4 * GIB}\n")
    (tmp_path / "memory" / "memory.usage_in_bytes").write_text(f"{GIB}\n")
    assert memory_limit(tmp_path, "/") == (4 * GIB, GIB)
    (tmp_path / "memory" / "memory.limit_in_bytes").write_text("9223372036854771712\n")
    assert memory_limit(tmp_path, "/") is None


def test_accelerators() -> None:
    two = {"gpus": [["NVIDIA H200", 139 * GIB]] * 2, "nccl": True}
    verdict = describe_gpus(two, "580.65.06", wanted=True)
    assert verdict.state == "ok"
    assert verdict.sentence == "2 x NVIDIA H200 with 139 GiB, driver 580.65.06, NCCL there."
    assert describe_gpus({**two, "nccl": False}, "580.65.06", wanted=True).state == "warning"
    none = {"gpus": [], "nccl": True}
    assert describe_gpus(none, "", wanted=True).state == "warning"
    assert describe_gpus(none, "", wanted=False).state == "skipped"


def test_the_accelerator_of_this_machine() -> None:
    import torch

    verdict = check_accelerator(wanted=True, seconds=120)
    assert verdict.state == ("ok" if torch.cuda.is_available() else "warning")
    assert look("accelerator", seconds=120.0)["accelerator"].state in ("ok", "skipped", "warning")


def test_names_that_mean_something_only_inside_a_cluster() -> None:
    assert is_hidden("http://earthenware-mlflow:5000")
    assert is_hidden("http://ml-pipeline.kubeflow.svc.cluster.local:8888/x")
    for url in (
        "http://localhost:5000",
        "http://127.0.0.1:5000",
        "https://mlflow.example.org",
        "https://[::1]:5000",
        "",
    ):
        assert not is_hidden(url)
