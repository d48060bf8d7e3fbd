"""Bands, units and legends."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from earthenware import sensors
from earthenware.errors import EarthenwareError
from earthenware.sensors import NODATA, SENSORS

FLOATS = st.floats(-1e6, 1e6, width=32) | st.just(float("nan")) | st.just(float("inf")) | st.just(float("-inf"))


@pytest.mark.parametrize("sensor_id", SENSORS)
@given(values=hnp.arrays(np.float32, hnp.array_shapes(min_dims=1, max_dims=3, max_side=5), elements=FLOATS))
def test_encoding_keeps_values_within_half_a_step_and_clips_the_rest(sensor_id, values):
    sensor = sensors.sensor(sensor_id)
    stored = sensor.encode(values)
    back = sensor.decode(stored)
    finite = np.isfinite(values)
    assert stored.dtype == np.int16
    assert back.dtype == np.float32
    assert stored.shape == back.shape == values.shape
    np.testing.assert_array_equal(np.isnan(back), ~finite)
    np.testing.assert_array_equal(stored == NODATA, ~finite)
    lowest, highest = (step * sensor.scale + sensor.offset for step in (-32767, 32767))
    expected = np.clip(values[finite].astype(np.float64), lowest, highest)
    assert np.all(np.abs(back[finite] - expected) <= sensor.scale / 2 + 1e-3 * sensor.scale + np.abs(expected) * 1e-6)


@given(stored=hnp.arrays(np.int16, 16, elements=st.integers(-32768, 32767)))
@pytest.mark.parametrize("sensor_id", SENSORS)
def test_stored_numbers_survive_a_round_trip(sensor_id, stored):
    sensor = sensors.sensor(sensor_id)
    np.testing.assert_array_equal(sensor.encode(sensor.decode(stored)), stored)


def test_negative_reflectance_is_kept():
    s2 = sensors.sensor("sentinel-2-l2a")
    np.testing.assert_array_equal(s2.decode(s2.encode([-30.0, 0.0, 12000.0])), [-30.0, 0.0, 12000.0])


def test_encoding_refuses_a_scale_that_is_not_positive():
    with pytest.raises(ValueError, match="larger than 0"):
        replace(sensors.sensor("sentinel-2-l2a"), scale=0.0).encode([1.0])


def test_power_without_measurement_has_no_decibels():
    result = sensors.sensor("sentinel-1-rtc").physical(np.array([0.0, -0.1, np.nan, np.inf, 1.0, 0.1]), {})
    assert np.isnan(result[:4]).all()
    np.testing.assert_allclose(result[4:], [0.0, -10.0], atol=1e-6)


def test_sentinel_2_has_ten_bands_in_order_of_wavelength():
    s2 = sensors.sensor("sentinel-2-l2a")
    assert s2.band_names == ("B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12")
    wavelengths = [band.wavelength_nm for band in s2.bands]
    assert wavelengths == sorted(wavelengths)
    assert wavelengths[0] == 492.3
    assert wavelengths[-1] == 2194.1
    assert {band.gsd_m for band in s2.bands} == {10, 20}


def test_radar_is_c_band_and_vv_comes_first():
    s1 = sensors.sensor("sentinel-1-rtc")
    assert s1.band_names == ("vv", "vh")
    assert s1.bands[0].wavelength_nm == pytest.approx(55.47e6, rel=1e-3)


def test_unknown_names_are_errors_that_list_the_known_ones():
    with pytest.raises(EarthenwareError, match="landsat-1") as sensor_error:
        sensors.sensor("landsat-1")
    assert sensor_error.value.code == "UNKNOWN_SENSOR"
    assert "sentinel-2-l2a" in sensor_error.value.remedy
    with pytest.raises(EarthenwareError) as band_error:
        sensors.sensor("sentinel-2-l2a").band("B99")
    assert band_error.value.code == "UNKNOWN_BAND"


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        ({"collection": "esa-worldcover"}, {0: NODATA, 10: 10, 95: 95, 100: 100, 11: NODATA}),
        ({"collection": "io-lulc"}, {0: NODATA, 1: 80, 2: 10, 3: 90, 4: 40, 5: 50, 6: 60, 7: 70, 8: NODATA, 9: 30}),
        (
            {"collection": "io-lulc", "properties": {"io:tile_id": "34W"}},
            {1: 80, 2: 10, 3: 30, 4: 90, 5: 40, 6: 20, 7: 50, 8: 60, 9: 70, 10: NODATA},
        ),
        (
            {"collection": "io-lulc-annual-v02"},
            {1: 80, 2: 10, 3: NODATA, 4: 90, 5: 40, 7: 50, 8: 60, 9: 70, 10: NODATA, 11: 30},
        ),
    ],
)
def test_land_cover_maps_share_one_legend(item, expected):
    land_cover = sensors.sensor("land-cover")
    table = land_cover.encode(land_cover.physical(np.arange(256, dtype=np.float32), item))
    assert {code: int(table[code]) for code in expected} == expected
    assert set(np.unique(table)) <= {NODATA, *land_cover.legend}


def test_a_map_of_unknown_legend_is_refused():
    with pytest.raises(EarthenwareError, match="nlcd") as error:
        sensors.sensor("land-cover").physical(np.zeros(1), {"collection": "nlcd"})
    assert error.value.code == "BAD_SCENE"
