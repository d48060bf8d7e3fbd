from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import torch

from earthenware.chips import BandStatistics, ChipStore, Mask
from earthenware.errors import EarthenwareError
from earthenware.inference import PackageInfo, chips_to_batch, iterate_batches
from earthenware.sensors import SENSORS

from ._stores import CUBE, make_store

S1, S2 = SENSORS["sentinel-1-rtc"], SENSORS["sentinel-2-l2a"]


def test_bands_stand_in_the_order_of_the_cube(store: ChipStore) -> None:
    info = PackageInfo.from_store(store)
    assert info.bands == tuple(band for sensor in CUBE for band in SENSORS[sensor].band_names)
    batch = chips_to_batch(store, [6, 0], info)
    assert batch.pixels.shape == (2, 13, 16, 16)
    for row, chip in enumerate((6, 0)):
        band = 0
        for sensor in CUBE:
            values, _ = store.read(sensor, chip)
            for name, plane in zip(SENSORS[sensor].band_names, values, strict=True):
                found = store.statistics[sensor][name]
                expected = (plane - found.mean) / found.std
                np.testing.assert_allclose(batch.pixels[row, band], expected, atol=1e-4)
                band += 1


def test_statistics_bring_the_training_pixels_to_zero_and_one(store: ChipStore) -> None:
    batch = chips_to_batch(store, range(len(store)), PackageInfo.from_store(store))
    for band in range(13):
        values = batch.pixels[:, band][batch.valid[:, band]]
        assert values.mean().abs() < 0.2
        assert (values.std() - 1).abs() < 0.2


def test_each_sensor_ignores_its_own_flags(store: ChipStore) -> None:
    info = PackageInfo.from_store(store)
    batch = chips_to_batch(store, range(len(store)), info)
    valid = batch.valid
    assert not valid[1, 10:12].any()  # radar is absent
    assert valid[1, :10].all()
    assert not valid[2, :10, :, :8].any()  # clouds hide the ground from light
    assert valid[2, :10, :, 8:].all()
    assert valid[2, 10:].all()  # and from nothing else
    assert not valid[3, :, :4].any()  # nothing was measured
    assert valid[4].all()  # snow and water are ground like any other
    assert bool((batch.pixels[~valid] == 0).all())
    assert batch.pixels.isfinite().all()
    seeing = chips_to_batch(store, [2], info.model_copy(update={"ignore": {**info.ignore, S2.id: Mask.NODATA}}))
    assert seeing.valid.all()


def test_place_time_and_resolution(store: ChipStore) -> None:
    batch = chips_to_batch(store, [5, 2], PackageInfo.from_store(store))
    assert batch.lonlat[1].tolist() == [22.0, -10.0]
    assert batch.timestamp[1].item() == datetime(2021, 7, 3, 10, 30, tzinfo=UTC).timestamp()
    assert batch.timestamp.dtype == torch.float64
    assert batch.lonlat[0].isnan().all()
    assert batch.timestamp[0].isnan()
    assert batch.gsd.tolist() == [10.0, 10.0]


def test_a_store_without_a_sensor(tmp_path: Path) -> None:
    store = make_store(tmp_path, 6, sensors=(S2.id,))
    info = PackageInfo.from_store(store, CUBE)
    batch = chips_to_batch(store, [0, 4], info)
    assert batch.valid[:, :10].all()
    assert not batch.valid[:, 10:].any()
    assert info.normalization.known.tolist() == [True] * 10 + [False] * 3


def test_a_model_reads_all_that_the_store_has_but_labels(tmp_path: Path) -> None:
    store = make_store(tmp_path, 6, sensors=(S2.id, "cop-dem-glo-30", "land-cover"))
    assert list(PackageInfo.from_store(store).sensors) == [S2.id, "cop-dem-glo-30"]
    assert list(PackageInfo.from_store(store, ["cop-dem-glo-30"]).sensors) == ["cop-dem-glo-30"]
    with pytest.raises(EarthenwareError, match="no sensor 'sentinel-9'") as caught:
        PackageInfo.from_store(store, ["sentinel-9"])
    assert caught.value.code == "UNKNOWN_SENSOR"


def test_a_band_that_training_never_saw_is_invalid(store: ChipStore) -> None:
    info = PackageInfo.from_store(store)
    unknown = {"vv": BandStatistics()}
    info = info.model_copy(update={"statistics": {**info.statistics, S1.id: unknown}})
    batch = chips_to_batch(store, [0], info)
    assert batch.valid[0, :10].all()
    assert not batch.valid[0, 10:12].any()


def test_a_constant_band_does_not_explode(store: ChipStore) -> None:
    info = PackageInfo.from_store(store)
    flat = {"dem": BandStatistics(mean=400.0, std=0.0)}
    info = info.model_copy(update={"statistics": {**info.statistics, "cop-dem-glo-30": flat}})
    batch = chips_to_batch(store, [0], info)
    assert batch.pixels[0, 12].abs().max() < 1000


def test_a_missing_band_is_one_clear_error(store: ChipStore) -> None:
    info = PackageInfo.from_store(store)
    radar = replace(info.reads.sensors[1], bands=("vv", "hv"), groups={})
    info = info.model_copy(update={"reads": replace(info.reads, sensors=(radar,))})
    with pytest.raises(EarthenwareError, match="no band hv of sentinel-1-rtc") as caught:
        chips_to_batch(store, [0], info)
    assert caught.value.code == "BANDS_DIFFER"


@pytest.mark.parametrize("batch_size", [1, 5, 12, 50])
def test_batches_hold_every_chip_once_and_in_order(store: ChipStore, batch_size: int) -> None:
    info = PackageInfo.from_store(store)
    order = np.random.default_rng(0).permutation(len(store))
    batches = list(iterate_batches(store, order, info, batch_size))
    np.testing.assert_array_equal(np.concatenate([block for block, _ in batches]), order)
    whole = chips_to_batch(store, order, info)
    assert torch.equal(torch.cat([batch.pixels for _, batch in batches]), whole.pixels)
    assert max(len(batch) for _, batch in batches) == min(batch_size, 12)


def test_no_chips_no_batches(store: ChipStore) -> None:
    info = PackageInfo.from_store(store)
    assert list(iterate_batches(store, [], info, 4)) == []
    assert len(chips_to_batch(store, [], info)) == 0
    with pytest.raises(ValueError, match="batch_size"):
        next(iterate_batches(store, [0], info, 0))
