"""What a validation leaves behind: a page, Data Docs, figures from the steps before; and what it must not do."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import pytest
import shapely
from affine import Affine
from odc.geo.geobox import GeoBox

from earthenware import storage
from earthenware.catalog import QuerySpec, query
from earthenware.chips import column
from earthenware.datacube import BuildSpec, build, merge
from earthenware.errors import EarthenwareError
from earthenware.products import read_verdict
from earthenware.scenes import ChosenItem, Scene, scenes_table
from earthenware.steps import Attempt, Result, Spec, run_step
from earthenware.validation import ValidateSpec, gate, validate
from tests.validation._stores import S2, Draft, draft

REPOSITORY = Path(__file__).resolve().parents[2]


class Links(HTMLParser):
    """Collects what a browser would fetch to show a page, and its visible text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.text: list[str] = []
        self.hidden = False
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.hidden = tag in {"style", "script"}
        values = dict(attrs)
        self.fetched += [values[name] for name in ("src", "srcset", "data", "poster") if values.get(name)]
        if tag == "link":
            self.fetched.append(values["href"])

    def handle_endtag(self, tag):
        self.hidden = False

    def handle_data(self, data):
        if not self.hidden:
            self.text.append(data)


def failing_store(folder: Path) -> str:
    made = draft()
    for row in made.rows[:6]:
        row["site"] = "<script>alert(1)</script>"  # a name from a catalog must not become markup
        row[column(S2, "cloud_fraction")] = 2.0
    for row in made.rows[4:6]:
        row["split"] = "test"
    return made.write(folder)


def test_the_page_shows_everything_and_fetches_nothing(tmp_path):
    report = validate(ValidateSpec(), failing_store(tmp_path / "store"), str(tmp_path / "validation"))
    text = (tmp_path / "validation/page.html").read_text()
    assert len(text) < 200_000
    assert report.manifest.artifacts["page.html"].bytes == len(text.encode())
    page = Links(text)
    assert page.fetched == []
    assert "Content-Security-Policy\" content=\"default-src 'none'" in text  # not even an icon is asked for
    assert "@import" not in text
    assert "url(" not in text
    assert "<script" not in text
    shown = " ".join(page.text)
    verdict = read_verdict(str(tmp_path / "validation"))
    assert verdict.failures
    for failure in verdict.failures:
        assert failure.sentence in shown
    assert "The chips failed validation: 3 expectations not met" in shown
    assert "B8A" in shown


def test_the_data_docs_are_attached(tmp_path):
    report = validate(ValidateSpec(), draft().write(tmp_path / "store"), str(tmp_path / "validation"))
    docs = tmp_path / "validation" / report.manifest.details["data_docs"]
    index = docs.read_text()
    results = re.findall(r"'(validations/[^']+\.html)'", index)
    assert results
    assert all((docs.parent / link).is_file() for link in results)
    assert sum(path.stat().st_size for path in docs.parent.rglob("*") if path.is_file()) < 5_000_000


_WITHOUT_NETWORK = """
import socket, sys

tried = []

def refuse(*arguments, **_):
    tried.append(arguments[-1])
    raise OSError("no network in this test")

connect = socket.socket.connect
socket.socket.connect = lambda self, address: (
    connect(self, address) if self.family == socket.AF_UNIX else refuse(address)
)
socket.socket.connect_ex = lambda self, address: refuse(address)
socket.getaddrinfo = refuse
socket.create_connection = refuse

from earthenware.validation import ValidateSpec, validate

report = validate(ValidateSpec(), sys.argv[1], sys.argv[2])
import atexit, great_expectations, os

assert os.environ["GX_ANALYTICS_ENABLED"] == "false"
# Analytics clients send from a thread at exit: look after they had their chance.
atexit._run_exitfuncs()
print("TRIED", tried, report.manifest.metrics)
sys.exit(bool(tried))
"""


def test_no_network_request_is_made(tmp_path):
    store = draft().write(tmp_path / "store")
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("GX_", "GE_"))}
    done = subprocess.run(
        [sys.executable, "-c", _WITHOUT_NETWORK, store, str(tmp_path / "validation")],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "TRIED [] {'passed': 1.0}" in done.stdout


def test_a_store_in_a_bucket_is_validated_into_the_bucket(bucket, tmp_path):
    draft().write(tmp_path / "store")
    storage.upload_tree(tmp_path / "store", storage.join(bucket, "chips"))
    report = validate(ValidateSpec(max_chips=6), storage.join(bucket, "chips"), storage.join(bucket, "validation"))
    gate(report.output)
    written = set(storage.list_files(report.output))
    assert {"verdict.json", "page.html", "data_docs/index.html", "manifest.json"} <= written
    assert sum(path.startswith("data_docs/validations/") for path in written) > 10


# -------------------------------------------------------------------------------------- what the steps before left


class Empty(Spec):
    """A step with nothing to choose."""


def scenes_step(output: Path, baseline: str, made: Draft) -> str:
    chosen = ChosenItem("x", datetime(2021, 6, 3, tzinfo=UTC), {"properties": {"s2:processing_baseline": baseline}})
    scenes = [
        Scene(
            id=scene,
            site="place",
            datetime=chosen.datetime,
            geometry=shapely.box(9, 45, 9.1, 45.1),
            grid=GeoBox((64, 64), Affine(10, 0, 500_000, 0, -10, 5_000_000), "EPSG:32632"),
            items={S2: (chosen,)},
        )
        for scene in sorted({row["scene_id"] for row in made.rows})
    ]

    def body(attempt: Attempt) -> Result:
        attempt.put_table("scenes.parquet", scenes_table(scenes, [S2]))
        return Result({"scenes": len(scenes)})

    return run_step("query", 1, spec=Empty(), inputs={}, output=str(output), body=body).output


def build_step(output: Path, scenes: str, made: Draft, rejects: int) -> str:
    def body(attempt: Attempt) -> Result:
        storage.upload_tree(Path(made.write(attempt.scratch / "store")), attempt.output)
        for number in range(rejects):
            attempt.reject(f"scene-{number}", "TRUNCATED_COG", "it ends too early")
        counts = {
            "chips": len(made.rows),
            "scenes": 10 + rejects,
            "chips_dropped_nodata": 0,
            "chips_dropped_cloud": 0,
            "chips_dropped_split": 0,
        }
        details = {"candidates": 40, "splits": {}, "offset_contradicted": [], "offset_suspected": []}
        return Result(counts, details=details)

    return run_step("build", 1, spec=BuildSpec(), inputs={"scenes": scenes}, output=str(output), body=body).output


def contradicted() -> Draft:
    made = draft()
    for row in made.rows[made.scene(0, 0)]:
        row[column(S2, "offset_declared")] = 1000
        row[column(S2, "offset_contradicted")] = True
        row[column(S2, "dark_dn")] = 312.4
    return made


TOLD = (
    "1 of 10 scenes contradict the offset that their item declares: sentinel-2-l2a-place0-20210603 claims processing "
    "baseline 05.09 (+1000) but 0.1 % of its visible pixels are at DN 312 or less, below the 1000 that an offset "
    "would leave: no offset was removed."
)


@pytest.mark.parametrize("merged", [False, True])
def test_baselines_come_from_the_scenes_and_rejects_from_the_build(tmp_path, merged):
    made = contradicted()
    scenes = scenes_step(tmp_path / "query", "05.09", made)
    chips = build_step(tmp_path / "build", scenes, made, rejects=2)
    if merged:
        chips = merge([chips], str(tmp_path / "merge")).output
    report = validate(ValidateSpec(reject_limit=0.1), chips, str(tmp_path / "validation"))
    verdict = read_verdict(str(tmp_path / "validation"))
    assert [one.sentence for one in verdict.warnings] == [TOLD]
    assert [one.sentence for one in verdict.failures] == [
        "The build left out 2 of 12 scenes (2 TRUNCATED_COG), more than 10%."
    ]
    assert report.manifest.details["failures"] == ["rejected_share"]
    with pytest.raises(EarthenwareError, match="rejected_share"):
        gate(report.output)


def test_without_the_scenes_the_sentence_does_without_the_baseline(tmp_path):
    made = contradicted()
    scenes = scenes_step(tmp_path / "query", "05.09", made)
    chips = build_step(tmp_path / "build", scenes, made, rejects=0)
    storage.delete_prefix(scenes)
    validate(ValidateSpec(), chips, str(tmp_path / "validation"))
    verdict = read_verdict(str(tmp_path / "validation"))
    assert verdict.passed
    assert "sentinel-2-l2a-place0-20210603 declares an offset of +1000 but 0.1 %" in verdict.warnings[0].sentence


def test_real_places_pass_and_the_contradicting_one_is_told(realdata, tmp_path):
    catalog = str(realdata / "mini_catalog" / "items.json")
    scenes = query(QuerySpec(catalog=catalog), str(tmp_path / "query")).output
    chips = build(BuildSpec(workers=1), scenes, str(tmp_path / "build")).output
    gate(validate(ValidateSpec(), chips, str(tmp_path / "validation")).output)
    verdict = read_verdict(str(tmp_path / "validation"))
    assert verdict.failures == []
    told = {one.expectation: one.sentence for one in verdict.warnings}
    # The item of Tanzania claims a baseline that its pixels contradict; Chile's and Brazil's are right.
    assert set(told) == {"offset_agrees_with_pixels"}
    assert told["offset_agrees_with_pixels"].startswith(
        "1 of 3 scenes contradict the offset that their item declares: S2_38D_378R_2_3 claims processing baseline 05.09"
    )
