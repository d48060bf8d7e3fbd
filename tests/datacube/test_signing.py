"""Links of the Planetary Computer are signed when they are read, and stored as they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from earthenware.chips import ChipStore, PartEntry, SensorLayout, column, store_document
from earthenware.datacube import BuildSpec
from earthenware.datacube._part import PartTask, build_part
from earthenware.datacube._plan import PlannedPart
from earthenware.rasters import Reading
from tests.datacube._earth import DEM, LAND_COVER, S1, S2, Earth

SENSORS = (S2, S1, DEM, LAND_COVER)
SPEC = BuildSpec(chip_size=32)
BLOBS = "https://sentinel2l2a01.blob.core.windows.net/files"


def test_signatures_are_used_and_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    earth = Earth(tmp_path / "earth", height=64, width=64)
    scene = earth.add("a", clouds="none")
    item = earth.item(scene, S2)
    for asset in item["assets"].values():
        asset["href"] = asset["href"].replace(str(earth.folder), BLOBS)
    earth.set_item(scene, S2, item)
    signed = []

    def sign(url: str) -> str:
        # What a signature makes readable lies here in a folder: the query must not reach GDAL for a local file.
        assert url.startswith(BLOBS)
        signed.append(url)
        return url.replace(BLOBS, str(earth.folder))

    monkeypatch.setattr("planetary_computer.sign_url", sign)
    built = build_part(
        PartTask(PlannedPart(earth.rows), "part", str(tmp_path / "part"), SENSORS, 10.0, SPEC, Reading(), str(tmp_path))
    )
    assert built.rejects == ()
    assert len(signed) == 11, "ten bands and the scene classification"
    layouts = {sensor: SensorLayout.of(sensor) for sensor in SENSORS}
    part = PartEntry.model_validate(built.payload)
    store_document([part], chip_size=32, gsd=10.0, layouts=layouts).write(str(tmp_path))
    for row in ChipStore.open(str(tmp_path)).index.to_pylist():
        assert all(link.startswith(BLOBS) and "?" not in link for link in row[column(S2, "hrefs")])


def test_no_signature_is_a_reason_to_leave_a_scene_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import requests

    earth = Earth(tmp_path / "earth", height=64, width=64)
    scene = earth.add("a", clouds="none")
    item = earth.item(scene, S2)
    for asset in item["assets"].values():
        asset["href"] = asset["href"].replace(str(earth.folder), BLOBS)
    earth.set_item(scene, S2, item)

    def refuse(url: str) -> str:
        raise requests.ConnectionError("no route to the token service")

    monkeypatch.setattr("planetary_computer.sign_url", refuse)
    built = build_part(
        PartTask(PlannedPart(earth.rows), "part", str(tmp_path / "part"), SENSORS, 10.0, SPEC, Reading(), str(tmp_path))
    )
    assert [reject.reason for reject in built.rejects] == ["HTTP_ERROR"]
    assert "no route to the token service" in built.rejects[0].message
