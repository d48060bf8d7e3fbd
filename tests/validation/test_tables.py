"""Expectations about what the chip store's own reader and writer would not let pass, over tables made here."""

from __future__ import annotations

import pandas as pd
import pyarrow as pa
import pytest
import shapely

from earthenware.chips import ChipStore
from earthenware.sensors import SENSORS
from earthenware.validation import ValidateSpec
from earthenware.validation._expectations import checks
from earthenware.validation._index import index_tables
from earthenware.validation._suites import run_suites
from tests.validation._stores import SIZE, draft


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> ChipStore:
    return ChipStore.open(draft().write(tmp_path_factory.mktemp("store")))


def broken(index: pa.Table, store: ChipStore) -> dict[str, str]:
    outcomes = run_suites(checks(ValidateSpec().limits(store.gsd)), index_tables(index, list(store.sensors), SIZE))
    return {outcome.check.name: outcome.sentence for outcome in outcomes if not outcome.passed}


def test_the_index_as_it_is_breaks_nothing(store):
    assert broken(store.index, store) == {}


def test_chips_of_another_ground_sampling_distance_are_named(store):
    gsd = [10.0] * (len(store) - 1) + [20.0]
    index = store.index.set_column(store.index.schema.get_field_index("gsd"), "gsd", pa.array(gsd))
    assert list(broken(index, store)) == ["gsd_matches_store"]


def test_outlines_across_the_antimeridian_go_on_beyond_it(store):
    across = shapely.to_wkb(shapely.box(179.99, 10.0, 180.01, 10.02))
    around = shapely.to_wkb(shapely.box(-179.99, 10.0, 179.99, 10.02))
    geometry = store.index["geometry"].to_pylist()
    index = store.index
    for number, outline, expected in ((0, across, False), (1, around, True)):
        values = [*geometry[:number], outline, *geometry[number + 1 :]]
        changed = index.set_column(index.schema.get_field_index("geometry"), "geometry", pa.array(values))
        assert ("geometry_valid" in broken(changed, store)) == expected


def test_infinite_and_missing_positions_are_named(store):
    lon, lat = store.index["lon"].to_pylist(), store.index["lat"].to_pylist()
    lon[0], lat[1] = float("nan"), float("inf")
    index = store.index
    for name, values in (("lon", lon), ("lat", lat)):
        index = index.set_column(index.schema.get_field_index(name), name, pa.array(values))
    found = broken(index, store)
    assert set(found) == {"required_values", "latitude_range", "position_in_geometry", "position_matches_grid"}
    assert found["required_values"] == "1 of 14 required columns have gaps: lon (empty for 1 chips)."


def test_a_store_that_states_other_counts_is_named():
    tables = {"store": pd.DataFrame({"stated": [12], "indexed": [11]})}
    outcome = next(one for one in run_suites(checks(ValidateSpec().limits(10.0)), tables) if not one.passed)
    assert outcome.check.name == "store_counts"
    assert outcome.sentence == "The store states 12 chips but its index holds 11."


def test_an_index_full_of_nulls_still_gets_a_verdict(store):
    index = pa.table(
        {field.name: pa.nulls(len(store), field.type) for field in store.index.schema}, schema=store.index.schema
    )
    found = broken(index, store)
    assert "14 of 14 required columns have gaps" in found["required_values"]
    assert {"train_chips", "sensor_present", "geometry_valid", "position_matches_grid"} <= set(found)


def test_each_kind_of_sensor_has_a_plausible_range():
    kinds = {sensor.kind for sensor in SENSORS.values() if not sensor.legend}
    ranges = {check.table for check in checks(ValidateSpec().limits(10.0)) if check.column == "implausible_share"}
    assert ranges == {f"{kind}_bands" for kind in kinds}
