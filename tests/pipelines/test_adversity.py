"""The compiled pipeline in trouble: kills, a failing gate, bad catalogs, another object store."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import psutil
import pyarrow.parquet as pq
import pytest

from earthenware import storage
from earthenware.graph import find_steps
from tests.pipelines.runs import SMALL, command, earthenware, processes_about, run_pretrain, wait_until_none_about
from tests.small_run import Run, write_spec

pytestmark = pytest.mark.system


def embeddings(folder: Path | str) -> dict[str, bytes]:
    table = storage.read_table(storage.join(str(folder), "embeddings.parquet"), columns=["id", "embedding"])
    return {row["id"]: json.dumps(row["embedding"]).encode() for row in table.to_pylist()}


def same_vectors(one: dict[str, bytes], other: dict[str, bytes]) -> None:
    import numpy as np

    assert one.keys() == other.keys()
    first = np.array([json.loads(one[key]) for key in sorted(one)])
    second = np.array([json.loads(other[key]) for key in sorted(one)])
    assert np.allclose(first, second, atol=1e-4), np.abs(first - second).max()


def start(spec: Path, root: Path, *assignments: str) -> subprocess.Popen[bytes]:
    settings = [part for value in (*SMALL, *assignments) for part in ("--set", value)]
    # A group of its own: the test can kill all of it and live on.
    return subprocess.Popen(
        command("run", "pretrain", "--spec", str(spec), *settings),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        env={**os.environ, "EW_TEST_RUN": str(root)},
    )


def wait_for_lease(root: Path, step: str, run: subprocess.Popen[bytes], seconds: float = 240) -> psutil.Process:
    """Return the process of a step below ``root``, once it holds the lease that ``run`` made it ask for."""
    deadline = time.monotonic() + seconds
    while True:
        assert time.monotonic() < deadline, f"{step} never took its lease below {root}"
        assert run.poll() is None, "the run ended"
        with contextlib.suppress(psutil.NoSuchProcess, json.JSONDecodeError, FileNotFoundError):
            for path in root.glob(f"{step}/*/lease.json"):
                holder = psutil.Process(json.loads(path.read_text())["pid"])
                if psutil.Process(run.pid) in holder.parents():  # a lease of the run before may lie there still
                    return holder
        time.sleep(0.1)


def data_steps(finished: Run, root: Path) -> Path:
    """Copy what comes before training to another root, where it is done; return a spec of that root."""
    for step in ("query", "build", "merge", "validate"):
        shutil.copytree(finished.root / step, root / step)
    spec = root.parent / "pretrain.yaml"
    spec.write_text(finished.spec.read_text().replace(str(finished.root), str(root)))
    return spec


@pytest.mark.timeout(1800)
def test_killed_again_and_again_while_training_it_ends_like_an_undisturbed_run(finished: Run, tmp_path: Path) -> None:
    """Killed: the step alone, the whole group, the command alone; each time a little later."""
    root = tmp_path / "root"
    spec = data_steps(finished, root)  # only training and what follows is at stake here
    for victim, later in (("step", 6.0), ("group", 10.0), ("run", 14.0)):
        process = start(spec, root)
        step = wait_for_lease(root, "train", process)
        time.sleep(later)
        if victim == "run":
            process.kill()
        elif victim == "group":
            os.killpg(process.pid, signal.SIGKILL)
        else:
            step.kill()
        assert process.wait(timeout=60) != 0, victim
        assert wait_until_none_about(str(root)) == [], f"{victim}: a process outlived the kill"
        assert not list(root.glob("train/*/manifest.json")), f"{victim}: training had ended before the kill"
    again = run_pretrain(spec, *SMALL)
    assert again.returncode == 0, again.stdout + again.stderr
    assert processes_about(str(root)) == []
    (product,) = (root / "embed").iterdir()
    same_vectors(embeddings(product), embeddings(finished.output("embed")))


def test_told_to_end_while_training_it_is_gone_at_once(finished: Run, tmp_path: Path) -> None:
    """The signal goes to the command alone, as that of systemd, of 'timeout' and of 'docker stop'."""
    root = tmp_path / "root"
    process = start(data_steps(finished, root), root, "train.epochs=100000")
    step = wait_for_lease(root, "train", process)
    deadline = time.monotonic() + 240
    while not any('"progress"' in path.read_text() for path in root.glob("runs/*/events/*-train.jsonl")):
        assert time.monotonic() < deadline, "no training"
        time.sleep(0.1)
    assert len(step.children(recursive=True)) > 3, "Ray and its workers"
    began = time.monotonic()
    process.terminate()
    assert process.wait(timeout=60) == 143
    seconds = time.monotonic() - began
    assert wait_until_none_about(str(root), 1) == [], f"a process outlived the run, which ended after {seconds:.1f} s"
    if seconds < 5:  # else this machine was too busy, and the step was killed before it had cleaned up
        assert not list(root.glob("train/*/lease.json"))


def test_shards_in_an_object_store_give_the_same_embeddings(finished: Run, bucket: str, tmp_path: Path) -> None:
    spec = tmp_path / "pretrain.yaml"
    root = f"{bucket}/deep/er"
    spec.write_text(finished.spec.read_text().replace(str(finished.root), root))
    done = run_pretrain(spec, *SMALL, "shards=3", f"train.tracking_uri=sqlite:///{tmp_path}/mlflow.db")
    assert done.returncode == 0, done.stdout + done.stderr
    (product,) = [item for item in find_steps(root) if item.step == "embed"]
    same_vectors(embeddings(product.output), embeddings(finished.output("embed")))
    assert len([item for item in find_steps(root) if item.step == "build"]) == 3
    found = earthenware("search", root, "--chip-id", min(embeddings(product.output)), "-k", "2", "--json")
    assert len(json.loads(found.stdout)["neighbours"]) == 2, found.stderr


def test_a_verdict_that_is_bad_fails_the_run_before_training(finished: Run, tmp_path: Path) -> None:
    root = tmp_path / "root"
    for step in ("query", "build", "merge"):
        shutil.copytree(finished.root / step, root / step)
    spec = tmp_path / "pretrain.yaml"
    spec.write_text(finished.spec.read_text().replace(str(finished.root), str(root)))
    done = run_pretrain(spec, "validate.min_chips_train=100000")
    assert done.returncode == 4, done.stdout + done.stderr
    assert "VALIDATION_FAILED" in done.stderr
    assert "100000" in done.stderr
    assert list((root / "validate").glob("*/verdict.json")), "the verdict is published although it is bad"
    assert not (root / "train").exists()


@pytest.mark.parametrize(
    ("catalog", "code"),
    [
        ("http://127.0.0.1:9/stac", "CATALOG_UNREACHABLE"),
        ("{tmp}/absent.json", "CATALOG_UNREACHABLE"),
        ("{tmp}/empty.json", "EMPTY_SEARCH"),
        ("{tmp}/broken.json", "NOT_JSON"),
    ],
)
def test_bad_catalogs_end_in_one_sentence(catalog: str, code: str, tmp_path: Path) -> None:
    (tmp_path / "empty.json").write_text('{"type": "FeatureCollection", "features": []}')
    (tmp_path / "broken.json").write_text('{"type": "FeatureColl')
    spec = write_spec(tmp_path, Path("items.json"), str(tmp_path / "root"))
    settings = ["query.bbox=5,49,6,50", "query.datetime=2022", f"query.catalog={catalog.format(tmp=tmp_path)}"]
    done = run_pretrain(spec, *settings)
    assert done.returncode == 3
    lines = done.stderr.strip().splitlines()
    assert lines, done.stdout
    assert lines[0].startswith(f"Error [{code}]")
    assert len(lines) <= 2
    assert "Traceback" not in done.stdout + done.stderr


def test_truncated_images_and_missing_assets_are_left_out_with_their_reason(
    small_catalog: Path, tmp_path: Path
) -> None:
    shutil.copytree(small_catalog.parent, tmp_path / "sandbox")
    catalog = tmp_path / "sandbox" / "items.json"
    items = json.loads(catalog.read_text())
    optical = [item for item in items["features"] if item["collection"] == "sentinel-2-l2a"]
    del optical[0]["assets"]["B08"]
    victim = catalog.parent / optical[1]["assets"]["B04"]["href"]
    victim.write_bytes(victim.read_bytes()[:2000])
    catalog.write_text(json.dumps(items))
    scenes = earthenware("query", "--set", f"catalog={catalog}", "--output", str(tmp_path / "scenes"))
    assert scenes.returncode == 0, scenes.stderr
    built = earthenware(
        "build", "--scenes", str(tmp_path / "scenes"), "--output", str(tmp_path / "chips"), "--set", "reject_limit=0.5"
    )
    assert built.returncode == 0, built.stderr
    rejects = pq.read_table(tmp_path / "chips" / "rejects.parquet").to_pylist()
    queried = pq.read_table(tmp_path / "scenes" / "rejects.parquet").to_pylist()
    reasons = {row["reason"] for row in [*rejects, *queried]}
    assert "MISSING_ASSET" in reasons
    assert "UNREADABLE_ASSET" in reasons


def test_real_places_run_through(realdata: Path, tmp_path: Path) -> None:
    spec = write_spec(tmp_path, realdata / "mini_catalog" / "items.json", str(tmp_path / "root"))
    done = run_pretrain(spec, *SMALL)
    assert done.returncode == 0, done.stdout + done.stderr
    (product,) = (tmp_path / "root" / "embed").iterdir()
    table = pq.read_table(product / "embeddings.parquet", columns=["lon", "lat", "datetime"]).to_pylist()
    assert len(table) == 27
    expected = {
        "2021-07-23T13:22:41": (-48.1, -25.3),
        "2023-06-10T07:46:21": (34.07, -3.4),
        "2020-04-08T14:37:29": (-72.5, -38.8),
    }
    for row in table:
        lon, lat = expected[row["datetime"].strftime("%Y-%m-%dT%H:%M:%S")]
        assert abs(row["lon"] - lon) < 0.1
        assert abs(row["lat"] - lat) < 0.1
    verdict = json.loads(next((tmp_path / "root" / "validate").glob("*/verdict.json")).read_text())
    assert verdict["passed"]
    assert any(
        "38D_378R_2_3" in warning["sentence"] and "05.09" in warning["sentence"] for warning in verdict["warnings"]
    )
    index = pq.read_table(next((tmp_path / "root" / "build").glob("*/parts/*/*/chips.parquet")))
    applied = {
        row["site"]: row["sentinel_2_l2a_offset_applied"]
        for row in index.select(["site", "sentinel_2_l2a_offset_applied"]).to_pylist()
    }
    assert sorted(applied.items()) == [
        ("TERRAMESH-282D_485L_3_3", 0),
        ("TERRAMESH-38D_378R_2_3", 0),
        ("TERRAMESH-433D_629L_3_1", 1000),
    ]
