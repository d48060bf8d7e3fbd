"""Packages, memory, disks and GPUs of this machine, and of containers whose limits are files here."""

from __future__ import annotations

import importlib.metadata
import shutil
import tempfile
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from earthenware.doctor import _machine, _packages
from earthenware.doctor._accelerator import check_accelerator, check_torch, describe_gpus, torch_build
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
    pinned_versions,
)
from earthenware.network import is_hidden
from tests.doctor.look import look

GIB = 2**30


def test_this_environment_is_the_one_that_the_release_asks_for() -> None:
    assert look("python")["python"].state == "ok"
    assert look("packages")["packages"].state == "ok"
    assert "PyTorch" in look("torch")["torch"].sentence
    assert look("pipeline")["pipeline"].state == "ok"


@pytest.fixture
def versions(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What is installed, to be filled."""
    found: dict[str, str] = {}

    def version(name: str) -> str:
        if name not in found:
            raise importlib.metadata.PackageNotFoundError(name)
        return found[name]

    monkeypatch.setattr(importlib.metadata, "version", version)
    return found


def test_wrong_and_missing_packages_are_named(versions: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    versions |= {"kfp": "2.16.0", "click": "8.5.1"}
    lines = ["kfp==2.17.0", "click>=8.1", "minio>=7.2", 'moto>=5; extra == "dev"']
    monkeypatch.setattr(importlib.metadata, "requires", lambda name: lines)
    verdict = check_packages()
    assert verdict.state == "failed"
    assert verdict.sentence == "kfp is 2.16.0, not ==2.17.0; minio is missing (>=7.2)."
    assert "constraints.txt" in verdict.remedy
    versions |= {"kfp": "2.17.0", "minio": "7.2.20"}
    assert check_packages().sentence.startswith("All 3 packages")


def test_versions_other_than_the_tested_ones_are_told(
    versions: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert pinned_versions()["kfp"] == "2.17.0"
    versions |= {"torch": "2.13.0+cu130", "numpy": "2.4.6"}
    pins = {"torch": "2.13.0", "numpy": "2.4.6", "not-installed": "1"}
    monkeypatch.setattr(_packages, "pinned_versions", lambda: pins)
    assert check_tested().sentence.startswith("2 packages are there")
    versions["numpy"] = "2.5.0"
    verdict = check_tested()
    assert verdict.state == "warning"
    assert "numpy 2.5.0 (tested 2.4.6)" in verdict.sentence
    pins.clear()
    assert check_tested().state == "skipped"


def test_another_python_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.python_version", lambda: "3.12.1")
    verdict = check_python()
    assert verdict.state == "failed"
    assert "3.12.1" in verdict.sentence


def test_the_build_of_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    assert torch_build()["__version__"] == torch.__version__
    assert torch_build()["cuda"] == torch.version.cuda
    cpu, cuda = ({"__version__": "2.13.0", "cuda": value, "hip": None} for value in (None, "13.0"))
    monkeypatch.setattr("earthenware.doctor._accelerator.torch_build", lambda: cpu)
    assert check_torch(wants_gpu=False).state == "ok"
    assert check_torch(wants_gpu=True).state == "warning"
    monkeypatch.setattr("earthenware.doctor._accelerator.torch_build", lambda: cuda)
    assert check_torch(wants_gpu=True).sentence == "PyTorch 2.13.0, CUDA 13.0."


@pytest.mark.parametrize(("free", "state"), [(GIB, "failed"), (4 * GIB, "warning"), (64 * GIB, "ok")])
def test_memory(free: int, state: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=free))
    monkeypatch.setattr(_machine, "memory_limit", lambda: None)
    verdict = check_memory()
    assert verdict.state == state
    assert f"{free // GIB}.0 GiB" in verdict.sentence


def _disk(monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(total=size, free=size))


def test_shared_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as absent:
        absent.setattr(_machine, "_SHM", tmp_path / "absent")
        assert "no shared memory" in check_shared_memory().sentence
    _disk(monkeypatch, 64 * 2**20)  # Docker's own default
    assert check_shared_memory().state == "warning"
    assert "--shm-size" in check_shared_memory().remedy
    _disk(monkeypatch, 2 * GIB)
    assert check_shared_memory().state == "ok"


def test_disks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = str(tmp_path / "not" / "yet")
    assert "GiB are free" in check_disk(root).sentence
    for size, state in ((GIB // 2, "failed"), (5 * GIB, "warning"), (50 * GIB, "ok")):
        _disk(monkeypatch, size)
        assert check_disk(root).state == state
    assert not (tmp_path / "not").exists()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    for size, state in ((GIB // 4, "failed"), (50 * GIB, "ok")):
        _disk(monkeypatch, size)
        assert check_temporary().state == state
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "absent"))
    absent = check_temporary()
    assert absent.state == "failed"
    assert "TMPDIR" in absent.remedy
    assert list(tmp_path.iterdir()) == []


def test_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "CPU cores" in check_cpu().sentence
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: set(range(8)))
    monkeypatch.setattr(_machine, "cpu_limit", lambda: None)
    assert check_cpu().sentence == "8 CPU cores can be used."
    monkeypatch.setattr(_machine, "cpu_limit", lambda: 0.5)
    assert check_cpu().state == "warning"


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
