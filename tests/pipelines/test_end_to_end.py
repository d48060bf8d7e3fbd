"""The compiled pipeline run on this machine: what a newcomer gets, and what a second run costs."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from PIL import Image

from earthenware.chips import ChipStore
from earthenware.graph import PIPELINES
from earthenware.products import TrackedModel, trained_model
from earthenware.steps import read_manifest
from earthenware.tracking import CANDIDATE, resume_run
from tests.pipelines.runs import SMALL, earthenware, processes_about, run_pretrain
from tests.small_run import Run

pytestmark = pytest.mark.system

STEPS = [step.name for step in PIPELINES["pretrain"].steps if step.kind != "gate"]


def test_the_run_ends_well_and_says_what_came_of_it(finished: Run) -> None:
    assert finished.done.returncode == 0, finished.done.stdout + finished.done.stderr
    said = finished.done.stdout
    for step in [*STEPS, "gate"]:
        assert re.search(rf"^{step}: done in ", said, re.M), step
    for word in ("scenes", "chips", "loss", "probe", "embeddings", "seconds per step", "Report: ", "Next:"):
        assert word in said
    assert len(re.findall(r"^  (?:earthenware|mlflow) ", said, re.M)) == 3
    assert "Traceback" not in said + finished.done.stderr


def test_every_step_left_a_manifest_that_names_its_inputs(finished: Run) -> None:
    digests = {}
    for step in STEPS:
        manifest = read_manifest(str(finished.output(step)))
        assert manifest.step == step
        assert not (finished.output(step) / "lease.json").exists()
        assert not (finished.output(step) / "error.json").exists()
        for records in manifest.inputs.values():
            for record in records:
                if Path(record.uri).parent.name in digests:
                    assert record.digest == digests[Path(record.uri).parent.name]
        digests[step] = manifest.digest


def test_no_process_is_left(finished: Run) -> None:
    assert processes_about(str(finished.root)) == []


def test_every_chip_has_an_embedding_with_its_own_place_and_time(finished: Run) -> None:
    store = ChipStore.open(str(finished.output("merge")))
    table = pq.read_table(finished.output("embed") / "embeddings.parquet")
    assert len(table) == len(store) > 20
    chips = {row["chip_id"]: row for row in store.index.select(["chip_id", "lon", "lat", "datetime"]).to_pylist()}
    for row in table.select(["id", "lon", "lat", "datetime"]).to_pylist():
        chip = chips[row["id"]]
        assert (row["lon"], row["lat"]) == (chip["lon"], chip["lat"])
        assert row["datetime"] == chip["datetime"]
    vectors = np.stack(table["embedding"].to_numpy(zero_copy_only=False))
    assert np.isfinite(vectors).all()
    assert np.linalg.matrix_rank(vectors - vectors.mean(0)) > 4


def test_the_report_is_one_small_file_that_asks_for_nothing(finished: Run) -> None:
    text = (finished.output("report") / "report.html").read_text()
    assert len(text.encode()) < 1_000_000
    assert not re.findall(r"""(?:src|href)\s*=\s*["']?(?:https?:)?//""", text)
    assert "url(http" not in text
    assert text.count("<img") + text.count("<svg") >= 8


def tracked_model(finished: Run) -> TrackedModel:
    trained = trained_model(read_manifest(str(finished.output("train"))))
    assert trained is not None
    assert trained.tracked is not None
    return trained.tracked


def test_the_candidate_loads_from_mlflow_and_gives_the_same_embeddings(
    finished: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracked = tracked_model(finished)
    client = resume_run(tracked.run_id, tracked.tracking_uri).client
    assert str(client.get_model_version_by_alias(tracked.name, CANDIDATE).version) == tracked.version
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracked.tracking_uri)
    model = mlflow.pyfunc.load_model(f"models:/{tracked.name}@{CANDIDATE}")
    table = pq.read_table(finished.output("embed") / "embeddings.parquet", columns=["id", "embedding"])
    known = {row["id"]: row["embedding"] for row in table.slice(0, 4).to_pylist()}
    asked = pd.DataFrame({"chips": str(finished.output("merge")), "chip_id": list(known)})
    assert np.allclose(model.predict(asked), list(known.values()), atol=1e-5)


def test_the_mlflow_run_knows_the_steps_around_training(finished: Run) -> None:
    tracked = tracked_model(finished)
    run = resume_run(tracked.run_id, tracked.tracking_uri)
    tags = run.client.get_run(run.run_id).data.tags
    for step in ("query", "build", "merge", "validate", "evaluate", "embed"):
        assert tags[f"{step}.digest"] == read_manifest(str(finished.output(step))).digest, step
    assert [item.path for item in run.client.list_artifacts(run.run_id, "manifests")]


def test_a_second_run_does_nothing_and_is_quick(finished: Run) -> None:
    before = {path: path.stat().st_mtime_ns for path in finished.root.rglob("manifest.json")}
    again = run_pretrain(finished.spec, *SMALL)
    assert again.returncode == 0, again.stderr
    for step in STEPS:
        assert f"{step}: nothing to do" in again.stdout
    assert {path: path.stat().st_mtime_ns for path in finished.root.rglob("manifest.json")} == before


def test_dry_run_says_what_is_done_and_what_a_change_would_redo(finished: Run) -> None:
    settings = [part for value in SMALL for part in ("--set", value)]
    same = earthenware("run", "pretrain", "--spec", str(finished.spec), *settings, "--dry-run")
    assert same.stdout.count(" is done (") == len(STEPS), same.stdout + same.stderr
    other = earthenware(
        "run", "pretrain", "--spec", str(finished.spec), *settings, "--set", "train.seed=5", "--dry-run"
    )
    assert "merge is done" in other.stdout
    assert "train would run into" in other.stdout
    assert "embed would run after train" in other.stdout


def test_status_and_search_work_on_the_root(finished: Run) -> None:
    status = earthenware("status", str(finished.root))
    assert status.stdout.count("done") == len(STEPS)
    table = pq.read_table(finished.output("embed") / "embeddings.parquet", columns=["id", "lon", "lat"])
    row = table.slice(3, 1).to_pylist()[0]
    found = earthenware("search", str(finished.root), "--lonlat", str(row["lon"]), str(row["lat"]), "-k", "3", "--json")
    assert found.returncode == 0, found.stderr
    answer = json.loads(found.stdout)
    assert len(answer["neighbours"]) == 3
    assert answer["distance_km"] < 1.0


def test_the_pipeline_keeps_its_log_and_events_with_the_run(finished: Run) -> None:
    runs = sorted((finished.root / "runs").iterdir())
    assert runs
    assert any((run / "kfp.log").stat().st_size > 0 for run in runs)
    lines = [line for path in (runs[0] / "events").glob("*.jsonl") for line in path.read_text().splitlines()]
    assert {"started", "finished", "progress"} <= {json.loads(line)["kind"] for line in lines}
    assert all(json.loads(line)["time"] < time.time() for line in lines)


def test_the_report_shows_its_pictures_in_a_browser(finished: Run, tmp_path: Path) -> None:
    browser = shutil.which("chromium")
    assert browser, "the system tests need Debian's package chromium"
    options = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--hide-scrollbars",
        f"--user-data-dir={tmp_path}/profile",
    ]
    quiet = ["--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"]
    picture = tmp_path / "page.png"
    page = (finished.output("report") / "report.html").as_uri()
    subprocess.run(
        [browser, *options, *quiet, "--window-size=1000,3000", f"--screenshot={picture}", page],
        check=True,
        capture_output=True,
        timeout=120,
    )
    with Image.open(picture) as image:
        colours = image.convert("RGB").resize((250, 750)).getcolors(250 * 750)
    assert colours is not None
    assert len(colours) > 2000, "panels of images have thousands of colours, text on paper has not"
