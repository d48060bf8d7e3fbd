"""Every entry of the table of sensors is whole and agrees with itself, whoever adds it."""

import numpy as np
import pyarrow as pa
import pytest

from earthenware import sensors
from earthenware.sensors import NODATA, PROFILES, SENSORS, Mask

ALL = pytest.mark.parametrize("sensor", SENSORS.values(), ids=list(SENSORS))


@ALL
def test_an_entry_is_consistent(sensor):
    assert SENSORS[sensor.id] is sensor
    assert sensor.title
    assert sensor.unit
    assert len(set(sensor.band_names)) == len(sensor.bands) > 0
    assert sensor.gsd_m == min(band.gsd_m for band in sensor.bands) == sensor.finest.gsd_m
    assert sensor.scale > 0
    assert Mask.NODATA in sensor.ignore
    assert sensor.window_days is None or sensor.window_days > 0
    assert (sensor.role == "label") == bool(sensor.legend) == (sensor.kind == "label")
    if sensor.role == "base":
        assert sensor.window_days is None  # it is what the windows are measured from
        assert sensor.kind == "optical"


@ALL
def test_groups_hold_every_band_that_a_model_reads_once(sensor):
    grouped = [band for bands in sensor.groups.values() for band in bands]
    assert len(grouped) == len(set(grouped))
    assert set(grouped) == (set() if sensor.role == "label" else set(sensor.band_names))
    assert set(sensor.true_colour or ()) <= set(sensor.band_names)


def test_sensors_of_one_cube_share_no_group_name():
    """Bases may: a cube has one of them, and a model's red is red."""
    names = [name for sensor in SENSORS.values() if sensor.role != "base" for name in sensor.groups]
    bases = {name for sensor in SENSORS.values() if sensor.role == "base" for name in sensor.groups}
    assert len(names) == len(set(names))
    assert not bases & set(names)


@ALL
def test_plausible_values_can_be_stored(sensor):
    for band in sensor.bands:
        if sensor.role == "label":
            assert band.plausible is None
            continue
        low, high = band.plausible
        stored = sensor.encode([low, high])
        np.testing.assert_allclose(sensor.decode(stored), [low, high], atol=sensor.scale)
        assert NODATA not in stored


@ALL
def test_its_collections_name_an_asset_for_each_band_and_belong_to_known_catalogs(sensor):
    assert "generic" in sensor.collections
    assert set(sensor.collections) <= set(PROFILES)
    for catalog, collections in sensor.collections.items():
        for collection in collections:
            assert set(sensor.band_names) <= set(collection.assets)
            assert collection.licence
            assert (collection.offset_rule == "none") == (sensor.offsets is None)
            assert sensors.collection_in(catalog, collection.id) == (sensor, collection)
            if sensor.quality is not None:
                assert sensor.quality.band in collection.assets


@ALL
def test_its_index_columns_have_arrow_types(sensor):
    for kind in sensor.index_columns.values():
        assert isinstance(pa.type_for_alias(kind), pa.DataType)
    if sensor.offsets is not None:
        decision = sensor.offsets.decide(0, {band: np.zeros((1, 1), np.uint16) for band in sensor.offsets.bands}, None)
        assert set(decision.columns()) == set(sensor.index_columns)


@ALL
def test_its_quality_band_tells_nodata_from_a_clear_pixel(sensor):
    if sensor.quality is None:
        return
    flags = sensor.quality.flags(np.array([[np.nan, sensor.quality.fill]]))
    assert flags.dtype == np.uint8
    assert flags.tolist() == [[int(Mask.NODATA)] * 2]
    values = [*sensor.quality.codes.values(), *sensor.quality.bits.values()]
    assert {Mask.NODATA, Mask.CLOUD, Mask.SHADOW, Mask.SNOW, Mask.WATER} <= set(values)


@pytest.mark.parametrize(
    ("code", "flags"),
    [
        (2, Mask(0)),
        (3, Mask.SHADOW),
        (4, Mask(0)),
        (6, Mask.WATER),
        (7, Mask(0)),
        (8, Mask.CLOUD),
        (9, Mask.CLOUD),
        (10, Mask.CLOUD),
        (11, Mask.SNOW),
        (1, Mask.SATURATED),
        (255, Mask(0)),
    ],
)
def test_scene_classes_of_sentinel_2(code, flags):
    quality = sensors.sensor("sentinel-2-l2a").quality
    assert quality.flags(np.array([[code]])).item() == int(flags)


@pytest.mark.parametrize(
    ("number", "flags"),
    [
        # Numbers from the science product guide's table of common QA_PIXEL values for Landsat 8 and 9.
        (1, Mask.NODATA),
        (21824, Mask(0)),  # clear land
        (21952, Mask.WATER),  # clear water
        (22280, Mask.CLOUD),  # cloud of high confidence
        (23888, Mask.SHADOW),
        (30048, Mask.SNOW),
        (54596, Mask.CLOUD),  # cirrus of high confidence
        (21762, Mask.CLOUD),  # dilated cloud over land
    ],
)
def test_quality_bits_of_landsat(number, flags):
    quality = sensors.sensor("landsat-c2-l2").quality
    assert quality.flags(np.array([[number]], dtype=np.float32)).item() == int(flags)


def test_landsat_numbers_become_the_reflectance_that_sentinel_2_has():
    landsat = sensors.sensor("landsat-c2-l2")
    values = landsat.physical(np.array([[7273.0, 18182.0, 43636.0, np.nan]], dtype=np.float32), {})
    np.testing.assert_allclose(values[0, :3], [0.0, 3000.0, 10000.0], atol=0.2)
    assert np.isnan(values[0, 3])
    assert landsat.unit == sensors.sensor("sentinel-2-l2a").unit


def test_ground_range_amplitudes_become_decibels_that_say_they_are_not_calibrated():
    grd = sensors.sensor("sentinel-1-grd")
    np.testing.assert_allclose(grd.physical(np.array([[1.0, 100.0, 65535.0]]), {}), [[0.0, 40.0, 96.3]], atol=0.05)
    assert "uncalibrated" in grd.unit


@pytest.mark.parametrize(
    ("sensor_id", "properties", "is_one"),
    [
        ("landsat-c2-l2", {"platform": "landsat-9"}, True),
        ("landsat-c2-l2", {"platform": "LANDSAT_8"}, True),
        ("landsat-c2-l2", {"platform": "landsat-7"}, False),
        ("landsat-c2-l2", {}, True),
        ("sentinel-1-grd", {"sar:instrument_mode": "IW"}, True),
        ("sentinel-1-grd", {"sar:instrument_mode": "EW"}, False),
        ("sentinel-2-l2a", {"platform": "sentinel-2c"}, True),
    ],
)
def test_items_of_other_instruments_and_modes_are_told_apart(sensor_id, properties, is_one):
    assert sensors.is_of_mode({"properties": properties}, sensor_id) is is_one


@pytest.mark.parametrize(
    ("properties", "site"),
    [
        ({"landsat:wrs_type": "2", "landsat:wrs_path": "086", "landsat:wrs_row": "107"}, "WRS2-086107"),
        ({"landsat:wrs_path": 8, "landsat:wrs_row": 7}, "WRS2-008007"),
        ({"grid:code": "WRS2-198026"}, "WRS2-198026"),
        ({}, ""),
    ],
)
def test_landsat_sites_are_paths_and_rows(properties, site):
    assert sensors.sensor("landsat-c2-l2").site_of({"id": "x", "properties": properties}) == site
