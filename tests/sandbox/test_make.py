"""Making: determinism, resuming, refusing, and leaving a finished sandbox alone."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import rasterio

from earthenware.errors import EarthenwareError
from earthenware.sandbox import SandboxSpec, make_sandbox
from earthenware.steps import EVENTS_VARIABLE, read_manifest
from tests.sandbox.conftest import Made

TINY = SandboxSpec(seed=3, places=3, dates=1, size=64, workers=1)


def pixels(folder: Path) -> dict[str, bytes]:
    result = {}
    for path in sorted(folder.rglob("*.tif")):
        with rasterio.open(path) as source:
            result[str(path.relative_to(folder))] = source.read(1).tobytes()
    return result


def test_workers_do_not_change_a_byte(tmp_path: Path) -> None:
    one = make_sandbox(TINY, tmp_path / "one")
    two = make_sandbox(TINY.model_copy(update={"workers": 2}), tmp_path / "two")
    assert one.digest == two.digest
    assert pixels(tmp_path / "one") == pixels(tmp_path / "two")
    assert (tmp_path / "one" / "items.json").read_bytes() == (tmp_path / "two" / "items.json").read_bytes()


def test_seed_changes_pixels_and_more_places_keep_the_first(tmp_path: Path) -> None:
    base = pixels_of_first_place(tmp_path / "base", TINY.model_copy(update={"places": 1}))
    more = pixels_of_first_place(tmp_path / "more", TINY.model_copy(update={"places": 2, "workers": 2}))
    other = pixels_of_first_place(tmp_path / "other", TINY.model_copy(update={"places": 1, "seed": 4}))
    assert base == more
    assert next(iter(base.values())) not in other.values()


def pixels_of_first_place(folder: Path, spec: SandboxSpec) -> dict[str, bytes]:
    make_sandbox(spec, folder)
    return {name: data for name, data in pixels(folder).items() if "P00" in name}


def test_a_second_call_does_nothing(small: Made) -> None:
    before = {path: path.stat().st_mtime_ns for path in small.folder.rglob("*") if path.is_file()}
    again = make_sandbox(small.spec.model_copy(update={"workers": 1}), small.folder)
    assert again.reused
    assert again.digest == small.summary.digest
    assert {path: path.stat().st_mtime_ns for path in small.folder.rglob("*") if path.is_file()} == before


def test_progress_and_summary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(EVENTS_VARIABLE, str(tmp_path / "events"))
    summary = make_sandbox(TINY, tmp_path / "new")
    (log,) = (tmp_path / "events").iterdir()
    events = [json.loads(line) for line in log.read_text().splitlines()]
    seen = [(event["done"], event["total"], event["unit"]) for event in events if event["kind"] == "progress"]
    assert seen[0] == (0, 3, "places")
    assert seen[-1] == (3, 3, "places")
    assert seen == sorted(seen)
    files = list((tmp_path / "new").rglob("*.tif"))
    assert summary.files == len(files)
    assert summary.bytes == sum(path.stat().st_size for path in files)
    assert summary.items["sentinel-2-l2a"] == 3 * 1 + 1  # one date each and the flood
    manifest = read_manifest(str(tmp_path / "new"))
    assert manifest.counts == {"places": 3, "files": summary.files, "bytes": summary.bytes}
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == [
        "cop-dem-glo-30", "esa-worldcover", "flood-water", "items.json", "manifest.json", "parts", "rejects.parquet",
        "results", "sentinel-1-rtc", "sentinel-2-l2a", "step.json",
    ]  # fmt: skip
    assert [path for path in (tmp_path / "new" / "parts").iterdir() if path.is_dir()] == []


@pytest.mark.parametrize(
    ("prepare", "code"),
    [
        (lambda folder: (folder.mkdir(), (folder / "thesis.txt").write_text("mine")), "OUTPUT_OCCUPIED"),
        (lambda folder: folder.write_text("a file"), "OUTPUT_OCCUPIED"),
        (lambda folder: (folder.mkdir(), (folder / "sandbox.json").write_text("{}")), "OUTPUT_OCCUPIED"),
        (lambda folder: make_sandbox(TINY.model_copy(update={"seed": 9, "places": 1}), folder), "OUTPUT_HOLDS_OTHER"),
    ],
)
def test_a_folder_that_holds_something_else_is_left_alone(tmp_path: Path, prepare: object, code: str) -> None:
    folder = tmp_path / "taken"
    prepare(folder)  # type: ignore[operator]
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    with pytest.raises(EarthenwareError) as caught:
        make_sandbox(TINY, folder)
    assert caught.value.code == code
    assert str(folder) in caught.value.message
    assert caught.value.remedy
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_a_url_and_a_damaged_sandbox_are_refused(tmp_path: Path) -> None:
    with pytest.raises(EarthenwareError, match="s3://bucket/x"):
        make_sandbox(TINY, "s3://bucket/x")
    spec = TINY.model_copy(update={"places": 1})
    make_sandbox(spec, tmp_path / "whole")
    next((tmp_path / "whole").rglob("B04.tif")).unlink()
    with pytest.raises(EarthenwareError) as caught:
        make_sandbox(spec, tmp_path / "whole")
    assert caught.value.code == "OUTPUT_DAMAGED"
    assert "B04.tif" in caught.value.message


def test_killed_half_way_it_leaves_no_catalog_and_is_taken_up(tmp_path: Path) -> None:
    folder = tmp_path / "killed"
    code = (
        "import sys\n"
        "from earthenware.sandbox import SandboxSpec, make_sandbox\n"
        "if __name__ == '__main__':\n"
        "    spec = SandboxSpec(seed=3, places=3, dates=1, size=64, workers=1)\n"
        "    make_sandbox(spec, sys.argv[1])\n"
    )
    script = tmp_path / "make.py"
    script.write_text(code)
    process = subprocess.Popen([sys.executable, str(script), str(folder)], stderr=subprocess.DEVNULL)
    while not (folder / "parts" / "place-000.json").exists():
        assert process.poll() is None
        time.sleep(0.005)
    # The first place is done: the lease is held, so another process is refused.
    with pytest.raises(EarthenwareError) as caught:
        make_sandbox(TINY, folder)
    assert caught.value.code == "LEASED"
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (folder / "items.json").exists()
    assert not (folder / "manifest.json").exists()
    with pytest.raises(EarthenwareError) as caught:
        make_sandbox(TINY.model_copy(update={"seed": 5}), folder)
    assert caught.value.code == "OUTPUT_HOLDS_OTHER"
    first = next(folder.glob("sentinel-2-l2a/*P00/B04.tif")).stat().st_mtime_ns
    resumed = make_sandbox(TINY, folder)
    assert next(folder.glob("sentinel-2-l2a/*P00/B04.tif")).stat().st_mtime_ns == first
    assert resumed.digest == make_sandbox(TINY, tmp_path / "undisturbed").digest
    assert pixels(folder) == pixels(tmp_path / "undisturbed")
    assert (folder / "items.json").read_bytes() == (tmp_path / "undisturbed" / "items.json").read_bytes()


@pytest.mark.parametrize("field", [{"size": 100}, {"places": 0}, {"dates": 13}, {"sizes": 64}])
def test_spec_refuses_what_it_cannot_make(field: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=next(iter(field))):
        SandboxSpec(**field)  # type: ignore[arg-type]


def test_importing_the_room_is_cheap() -> None:
    began = time.monotonic()
    code = "import sys, earthenware.sandbox; print([m for m in ('torch', 'ray', 'kfp', 'mlflow') if m in sys.modules])"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ, timeout=60
    )
    assert result.stdout.strip() == "[]"
    assert time.monotonic() - began < 30
