"""Scenes that mean harm are rejected, and their neighbours built: nothing of this machine gets into a chip."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import rasterio

from earthenware.chips import ChipStore
from earthenware.datacube import BuildSpec, build
from tests.datacube._earth import S2, Earth


def _vrt(source: Path) -> bytes:
    return f"""<VRTDataset rasterXSize="64" rasterYSize="64"><SRS>EPSG:32632</SRS>
<GeoTransform>500000, 10, 0, 5000000, 0, -10</GeoTransform><VRTRasterBand dataType="UInt16" band="1">
<SimpleSource><SourceFilename>{source}</SourceFilename><SourceBand>1</SourceBand></SimpleSource>
</VRTRasterBand></VRTDataset>""".encode()


@pytest.mark.parametrize(
    ("href", "reason"),
    [
        (None, "UNREADABLE_ASSET"),  # a VRT that is called B04.tif
        ("/vsicurl/http://127.0.0.1:9/B04.tif", "FORBIDDEN_LINK"),
        ("http://169.254.169.254/latest/meta-data/B04.tif", "FORBIDDEN_LINK"),
    ],
)
def test_a_hostile_asset_spoils_its_scene_alone(tmp_path: Path, href: str | None, reason: str) -> None:
    earth = Earth(tmp_path, height=64, width=64)
    good, bad = earth.add("good", seed=1, clouds="none"), earth.add("bad", seed=2, clouds="none")
    secret = Path(earth.item(good, S2)["assets"]["B04"]["href"])
    item = earth.item(bad, S2)
    asset = item["assets"]["B04"]
    if href is None:
        Path(asset["href"]).write_bytes(_vrt(secret))
        with rasterio.open(asset["href"]) as file:
            assert file.read(1).any(), "GDAL by itself must fall for it, or this shows nothing"
    else:
        asset["href"] = href
        earth.set_item(bad, S2, item)
    report = build(BuildSpec(chip_size=32, reject_limit=0.5), earth.table(), str(tmp_path / "out"))
    assert report.manifest.rejects == {reason: 1}
    assert set(ChipStore.open(report.output).index["scene_id"].to_pylist()) == {"good"}


def test_a_grid_that_only_metadata_claim_costs_no_work(tmp_path: Path) -> None:
    earth = Earth(tmp_path, height=64, width=64)
    earth.add("good", seed=1, clouds="none")
    bad = earth.add("bad", seed=2, clouds="none", lacks=["SCL"])
    bad["height"], bad["width"] = 49_999, 49_999  # of ten bands: an hour of warping nothing
    report = build(BuildSpec(chip_size=32, reject_limit=0.5), earth.table(), str(tmp_path / "out"))
    (reject,) = pq.read_table(f"{report.output}/rejects.parquet").to_pylist()
    assert (reject["record"], reject["reason"]) == ("bad", "NO_OVERLAP")
    assert "claims 49,999 x 49,999 pixels, of which its files of B02 cover 0.000%" in reject["message"]


def test_a_pipe_in_the_place_of_an_asset_is_not_waited_for(tmp_path: Path) -> None:
    earth = Earth(tmp_path, height=64, width=64)
    earth.add("good", seed=1, clouds="none")
    file = Path(earth.item(earth.add("bad", seed=2, clouds="none"), S2)["assets"]["B04"]["href"])
    file.unlink()
    os.mkfifo(file)
    report = build(BuildSpec(chip_size=32, reject_limit=0.5), earth.table(), str(tmp_path / "out"))
    assert report.manifest.rejects == {"UNREADABLE_ASSET": 1}
