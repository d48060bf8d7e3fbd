"""A good store passes without a word; a store broken in one way is told apart by that way's name."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
import zarr

from earthenware.chips import NODATA, Mask, column
from earthenware.errors import EarthenwareError
from earthenware.products import Breach, Verdict, read_verdict
from earthenware.steps import checksum
from earthenware.validation import EXPECTATIONS, ValidateSpec, gate, validate
from tests.validation._stores import DEM, LAND_COVER, S1, S2, Draft, draft


def verdict_of(store: str, output: Path, **limits: Any) -> Verdict:
    report = validate(ValidateSpec(**{"min_chips_test": 1, **limits}), store, str(output))
    verdict = read_verdict(report.output)
    assert verdict.passed == (not verdict.failures)
    return verdict


def names(entries: Sequence[Breach]) -> set[str]:
    return {entry.expectation for entry in entries}


def sentence(verdict: Verdict, name: str) -> str:
    return next(one.sentence for one in verdict.failures + verdict.warnings if one.expectation == name)


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """A good store, and the output of its validation."""
    folder = tmp_path_factory.mktemp("good")
    store = draft().write(folder / "store")
    validate(ValidateSpec(), store, str(folder / "validation"))
    return store, folder / "validation"


# ------------------------------------------------------------------------------------------------------ a good store


def test_a_good_store_passes_without_a_word(good):
    verdict = read_verdict(str(good[1]))
    assert verdict.passed
    assert verdict.failures == []
    assert verdict.warnings == []
    # No build stands behind this store, so nothing is known about rejected records; all else was looked at.
    assert verdict.skipped == ["rejected_share"]
    assert {one.expectation for one in verdict.met} == set(EXPECTATIONS) - {"rejected_share"}
    assert verdict.statistics.splits == {"train": 24, "validation": 8, "test": 8}
    gate(str(good[1]))


def test_statistics_are_those_of_the_pixels(good):
    bands = read_verdict(str(good[1])).statistics.bands
    made = draft()
    measured = made.masks[S2] & Mask.NODATA == 0
    red = made.pixels[S2][:, 2][measured].astype(float)
    assert bands[S2]["B04"].pixels == red.size
    assert bands[S2]["B04"].mean == pytest.approx(red.mean(), abs=1e-3)
    assert bands[S2]["B04"].std == pytest.approx(red.std(), abs=1e-3)
    assert bands[S2]["B04"].minimum == red.min()
    assert bands[S2]["B04"].nodata_fraction == pytest.approx(1 - measured.mean(), abs=1e-4)
    assert bands[S1]["vv"].mean == pytest.approx(made.pixels[S1][:, 0].mean() / 100, abs=1e-3)
    assert bands[DEM]["dem"].maximum == made.pixels[DEM].max() / 2


def test_the_result_is_the_same_wherever_and_whenever_it_is_made(good, tmp_path):
    again = validate(ValidateSpec(), good[0], str(tmp_path / "again"))
    first = validate(ValidateSpec(), good[0], str(good[1]))
    assert first.reused
    assert not again.reused
    assert again.manifest.digest == first.manifest.digest


# ---------------------------------------------------------------------------------------------------- broken stores


def swap_polarisations(made: Draft) -> None:
    made.pixels[S1] = np.ascontiguousarray(made.pixels[S1][:, ::-1])


def keep_declared_offset(made: Draft) -> None:
    chips = made.scene(0, 1)
    stored = made.pixels[S2][chips]
    made.pixels[S2][chips] = np.where(stored == NODATA, NODATA, stored + 1000)
    for row in made.rows[chips]:
        row[column(S2, "offset_applied")] = 0


def claim_offset_removed(made: Draft) -> None:
    chips = made.scene(1, 1)
    stored = made.pixels[S2][chips]
    made.pixels[S2][chips] = np.where(stored == NODATA, NODATA, stored + 1000)


def remove_offset_twice(made: Draft) -> None:
    chips = made.scene(2, 0)
    stored = made.pixels[S2][chips]
    made.pixels[S2][chips] = np.where(stored == NODATA, NODATA, stored - 1000)
    for row in made.rows[chips]:
        row[column(S2, "offset_declared")] = row[column(S2, "offset_applied")] = 1000


def contradict_declared_offset(made: Draft) -> None:
    for row in made.rows[made.scene(0, 0)]:
        row[column(S2, "offset_declared")] = 1000
        row[column(S2, "offset_contradicted")] = True
        row[column(S2, "dark_dn")] = 312.0


def carry_undeclared_offset(made: Draft) -> None:
    chips = made.scene(3, 0)
    stored = made.pixels[S2][chips]
    made.pixels[S2][chips] = np.where(stored == NODATA, NODATA, stored + 1000)
    for row in made.rows[chips]:
        row[column(S2, "dark_dn")] += 1000


def offsets_differ_within_a_scene(made: Draft) -> None:
    chip = made.scene(4, 1).start + 2
    stored = made.pixels[S2][chip]
    made.pixels[S2][chip] = np.where(stored == NODATA, NODATA, stored + 1000)
    made.rows[chip][column(S2, "offset_applied")] = 0


def leak_a_place(made: Draft) -> None:
    for row in made.rows[made.scene(0, 1)]:
        row["split"] = "test"


def leak_under_another_name(made: Draft) -> None:
    for row in made.rows[made.scene(0, 1)]:
        row["split"], row["site"] = "test", "another-name"


def forget_nodata_flags(made: Draft) -> None:
    made.masks[S2][0] &= ~np.uint8(Mask.NODATA)
    made.rows[0][column(S2, "nodata_fraction")] = 0.0


def flag_measured_pixels(made: Draft) -> None:
    made.masks[S1][5, :3] = Mask.NODATA
    made.rows[5][column(S1, "nodata_fraction")] = 3 / 32


def lose_one_band_of_some_pixels(made: Draft) -> None:
    made.pixels[S2][4, 6, 10, 10] = NODATA


def state_wrong_nodata_fraction(made: Draft) -> None:
    made.rows[9][column(S2, "nodata_fraction")] = 0.5


def repeat_chips(made: Draft) -> None:
    for sensor in made.pixels:
        made.pixels[sensor][9] = made.pixels[sensor][8]
        made.masks[sensor][9] = made.masks[sensor][8]
    made.rows[9][column(S2, "nodata_fraction")] = made.rows[8][column(S2, "nodata_fraction")]


def repeat_chip_ids(made: Draft) -> None:
    made.rows[11]["chip_id"] = made.rows[10]["chip_id"]


def raise_the_terrain(made: Draft) -> None:
    made.pixels[DEM][made.scene(2, 0)] = 32000  # 16 km


def name_the_wrong_zone(made: Draft) -> None:
    for row in made.rows[made.scene(4, 0)]:
        row["crs"] = "EPSG:32633"


def name_no_known_crs(made: Draft) -> None:
    made.rows[3]["crs"] = "EPSG:999999"


def swap_longitude_and_latitude(made: Draft) -> None:
    for row in made.rows:
        row["lon"], row["lat"] = row["lat"], row["lon"]


def leave_the_globe(made: Draft) -> None:
    made.rows[0]["lon"], made.rows[0]["lat"] = 190.5, -91.0


def twist_an_outline(made: Draft) -> None:
    row = made.rows[0]
    west, south, east, north = shapely.from_wkb(row["geometry"]).bounds
    row["geometry"] = shapely.to_wkb(shapely.Polygon([(west, south), (east, north), (east, south), (west, north)]))


def kill_a_band(made: Draft) -> None:
    for chips in (made.scene(1, 0), made.scene(1, 1)):
        stored = made.pixels[S2][chips, 8]
        made.pixels[S2][chips, 8] = np.where(stored == NODATA, NODATA, 0)


def kill_a_band_of_one_chip(made: Draft) -> None:
    made.pixels[S1][7, 1] = -2500


def saturate(made: Draft) -> None:
    made.pixels[S2][2, 3, 4:] = 32000


def store_linear_radar(made: Draft) -> None:
    made.pixels[S1] = np.full_like(made.pixels[S1], 6000) + (made.pixels[S1] + 3000)


def store_foreign_legend(made: Draft) -> None:
    made.pixels[LAND_COVER][:] = np.where(made.pixels[LAND_COVER] == 10, 2, 4)


def swap_red_and_infrared(made: Draft) -> None:
    made.pixels[S2][:, [2, 6]] = made.pixels[S2][:, [6, 2]]


def see_the_future(made: Draft) -> None:
    tomorrow = datetime.now(UTC) + timedelta(days=2)
    for row in made.rows[made.scene(0, 0)]:
        row["datetime"] = row[column(S2, "datetime")] = row[column(S1, "datetime")] = tomorrow


def see_before_launch(made: Draft) -> None:
    for row in made.rows[made.scene(0, 0)]:
        row["datetime"] = datetime(1970, 1, 1, tzinfo=UTC)


def part_radar_from_light(made: Draft) -> None:
    for row in made.rows[made.scene(0, 0)]:
        row[column(S1, "datetime")] = row["datetime"] - timedelta(days=200)


def exceed_a_fraction(made: Draft) -> None:
    made.rows[0][column(S2, "cloud_fraction")] = 17.0  # a percentage


def invent_a_split(made: Draft) -> None:
    for row in made.rows[made.scene(4, 0)] + made.rows[made.scene(4, 1)]:
        row["split"] = "holdout"


def lose_the_train_split(made: Draft) -> None:
    for row in made.rows:
        row["split"] = "validation"


def lose_a_sensor(made: Draft) -> None:
    for row in made.rows:
        row[column(S1, "present")] = False


def lose_most_of_a_sensor(made: Draft) -> None:
    for row in made.rows[3:]:
        row[column(S1, "present")] = False


def forget_a_place(made: Draft) -> None:
    made.rows[0]["site"] = None


Fault = tuple[Callable[[Draft], None], set[str], set[str], str]
"""How to break a draft, the failures and warnings to expect, and a part of a sentence that must be told."""

# Faults of one group touch different places, so that one store can have them all and each must still be seen.
BROKEN: dict[str, list[Fault]] = {
    "values": [
        (swap_polarisations, {"vv_above_vh"}, set(), "10 of 10 radar scenes have vh brighter than vv"),
        (raise_the_terrain, {"elevation_range"}, set(), "cop-dem-glo-30 dem (10.00% of its pixels"),
        (store_foreign_legend, {"land_cover_legend"}, set(), "(values reach from 2 to 4)"),
        (repeat_chip_ids, {"chip_id_unique"}, set(), "2 of 40 chips share their id with another"),
    ],
    "offsets": [
        (
            keep_declared_offset,
            {"offset_removed"},
            set(),
            "sentinel-2-l2a-place0-20230603 declares an offset of +1000 and its dark",
        ),
        (claim_offset_removed, {"offset_gone_from_pixels"}, set(), "DN 1130 before 1000 was subtracted, yet the chips"),
        (
            remove_offset_twice,
            {"offset_not_removed_twice"},
            set(),
            "place2-20210605 had 1000 subtracted, although ",
        ),
        (contradict_declared_offset, set(), {"offset_agrees_with_pixels"}, "0.1 % of its visible pixels are at DN 312"),
        (
            carry_undeclared_offset,
            set(),
            {"offset_not_undeclared"},
            "sentinel-2-l2a-place3-20210606 declares none, but its darkest",
        ),
        (offsets_differ_within_a_scene, {"offset_one_per_scene"}, set(), "1 of 10 scenes had different offsets"),
    ],
    "masks": [
        (forget_nodata_flags, {"mask_matches_pixels"}, set(), "(0 flagged pixels with values, 160 unflagged pixels"),
        (flag_measured_pixels, {"mask_matches_pixels"}, set(), "(96 flagged pixels with values, 0 unflagged"),
        (lose_one_band_of_some_pixels, {"mask_matches_pixels"}, set(), "(0 flagged pixels with values, 1 unflagged"),
        (state_wrong_nodata_fraction, {"nodata_fraction_matches_index"}, set(), "(stated 0.500, found 0.156)"),
        (exceed_a_fraction, {"fraction_range"}, set(), "sentinel_2_l2a_cloud_fraction of place0-20210603-0 (17)"),
        (twist_an_outline, {"geometry_valid"}, set(), "1 of 40 chips have an outline that is no valid polygon"),
        (
            kill_a_band_of_one_chip,
            set(),
            {"chip_band_alive"},
            "1 of 560 bands of chips are constant: sentinel-1-rtc vh",
        ),
    ],
    "a leak": [
        (leak_a_place, {"site_in_one_split", "splits_do_not_overlap"}, set(), "place0 (in test, train)"),
        (kill_a_band, {"band_alive"}, {"chip_band_alive"}, "sentinel-2-l2a B11 of place1-20210604 (always 0)"),
        (saturate, {"optical_range"}, set(), "sentinel-2-l2a B05 ("),
        (
            see_the_future,
            {"datetime_range", "sensor_datetime_range"},
            set(),
            "4 of 40 chips were acquired outside 2014",
        ),
    ],
    "a leak under another name": [
        (
            leak_under_another_name,
            {"splits_do_not_overlap"},
            set(),
            "8 of 40 chips lie on the ground of a chip of another",
        ),
        (store_linear_radar, {"radar_range"}, set(), "sentinel-1-rtc vv (100.00% of its pixels"),
        (part_radar_from_light, set(), {"sensor_near_base"}, "sentinel-1-rtc of place0-20210603-0 (200.0 days)"),
    ],
    "grids": [
        (name_no_known_crs, {"position_matches_grid"}, set(), "(inf m off in EPSG:999999)"),
        (name_the_wrong_zone, {"position_matches_grid"}, set(), "m off in EPSG:32633)"),
        (
            repeat_chips,
            {"digest_unique"},
            set(),
            "2 of 40 chips hold the very pixels of another chip: place1-20210604-0",
        ),
        (forget_a_place, {"required_values"}, set(), "site (empty for 1 chips)"),
    ],
    "swaps": [
        (swap_longitude_and_latitude, {"position_in_geometry", "position_matches_grid"}, set(), "40 of 40 chips have"),
        (swap_red_and_infrared, set(), {"nir_above_red"}, "10 of 10 scenes are redder than near infrared"),
        (lose_most_of_a_sensor, set(), {"sensor_share"}, "sentinel-1-rtc (in 7.5%)"),
    ],
    "places and times": [
        (
            leave_the_globe,
            {"longitude_range", "latitude_range", "position_in_geometry", "position_matches_grid"},
            set(),
            "place0-20210603-0 (190.5)",
        ),
        (invent_a_split, {"split_known"}, {"test_chips"}, "place4-20210607-0 ('holdout')"),
        (see_before_launch, {"datetime_range"}, {"sensor_near_base"}, "place0-20210603-0 (1970-01-01)"),
    ],
    "losses": [
        (
            lose_the_train_split,
            {"train_chips"},
            {"test_chips"},
            "The train split has 0 chips, fewer",
        ),
        (lose_a_sensor, {"sensor_present"}, {"sensor_share"}, "No chip has pixels of sentinel-1-rtc."),
    ],
}


@pytest.mark.parametrize("faults", BROKEN.values(), ids=BROKEN)
def test_each_fault_of_a_store_is_caught_by_name(faults, tmp_path):
    made = draft()
    for break_it, *_ in faults:
        break_it(made)
    verdict = verdict_of(made.write(tmp_path / "store"), tmp_path / "validation")
    failures: set[str] = set().union(*(expected for _, expected, _, _ in faults))
    # Nothing more than what was broken: a fault must not make other expectations cry.
    assert names(verdict.failures) == failures
    assert names(verdict.warnings) == set().union(*(expected for _, _, expected, _ in faults))
    sentences = [one.sentence for one in verdict.failures + verdict.warnings]
    for *_, told in faults:
        assert any(told in one for one in sentences), (told, sentences)
    with pytest.raises(EarthenwareError) as caught:
        gate(str(tmp_path / "validation"))
    assert caught.value.code == "VALIDATION_FAILED"
    assert all(name in caught.value.message for name in failures)


def test_every_expectation_is_seen_to_fail():
    seen = {name for faults in BROKEN.values() for _, failures, warnings, _ in faults for name in failures | warnings}
    elsewhere = {  # in the tests below and in the room's other files
        "gsd_matches_store",
        "validation_chips",
        "store_not_empty",
        "store_counts",
        "chips_readable",
        "digests_match",
        "statistics_usable",
        "rejected_share",
    }
    assert seen | elsewhere == set(EXPECTATIONS)
    assert not seen & elsewhere


# ----------------------------------------------------------------------------------------------------- damaged files


def test_changed_pixels_do_not_match_their_digest(good, tmp_path):
    store = Path(shutil.copytree(good[0], tmp_path / "store"))
    array = zarr.open_array(store / "parts/000/pixels.zarr" / S2 / "pixels", mode="r+")
    chip = array[13]
    chip[0, 0, 0] += 1
    array[13] = chip
    verdict = verdict_of(str(store), tmp_path / "validation")
    assert names(verdict.failures) == {"digests_match"}
    assert sentence(verdict, "digests_match").startswith("1 of 40 drawn chips do not have the digest")


def test_a_truncated_shard_is_a_failure_and_not_an_error(good, tmp_path):
    store = Path(shutil.copytree(good[0], tmp_path / "store"))
    shards = [path for path in (store / "parts/000/pixels.zarr" / S1 / "pixels/c").rglob("*") if path.is_file()]
    shards[0].write_bytes(shards[0].read_bytes()[:-200])
    verdict = verdict_of(str(store), tmp_path / "validation")
    assert names(verdict.failures) == {"chips_readable"}
    assert "40 of 40 drawn chips cannot be read" in sentence(verdict, "chips_readable")


def test_a_missing_index_is_a_failure_and_not_an_error(good, tmp_path):
    store = Path(shutil.copytree(good[0], tmp_path / "store"))
    (store / "parts/000/chips.parquet").unlink()
    verdict = verdict_of(str(store), tmp_path / "validation")
    assert names(verdict.failures) == {"chips_readable"}
    assert "chips.parquet is missing" in sentence(verdict, "chips_readable")


def test_an_empty_store_is_a_failure_and_not_an_error(tmp_path):
    made = draft()
    none = ({sensor: values[:0] for sensor, values in arrays.items()} for arrays in (made.pixels, made.masks))
    verdict = verdict_of(Draft(*none, []).write(tmp_path / "store"), tmp_path / "validation")
    assert names(verdict.failures) == {"store_not_empty"}


def test_statistics_that_cannot_normalise_are_a_failure(good, tmp_path):
    store = Path(shutil.copytree(good[0], tmp_path / "store"))
    document = json.loads((store / "store.json").read_text())
    document["statistics"][S2]["B03"]["std"] = 0.0
    document["statistics"][S1]["vv"] = {"mean": None, "std": None, "count": 0}
    (store / "store.json").write_text(json.dumps({**document, "checksum": checksum(document)}))
    verdict = verdict_of(str(store), tmp_path / "validation")
    assert names(verdict.failures) == {"statistics_usable"}
    assert "2 of 13 bands" in sentence(verdict, "statistics_usable")


def test_what_is_no_chip_store_is_an_error(tmp_path):
    with pytest.raises(EarthenwareError) as caught:
        validate(ValidateSpec(), str(tmp_path / "nothing"), str(tmp_path / "validation"))
    assert caught.value.code == "NOT_A_CHIP_STORE"
    assert not (tmp_path / "validation").exists()


# --------------------------------------------------------------------------------------------------------- settings


def test_severities_can_be_changed(tmp_path):
    made = draft()
    contradict_declared_offset(made)
    swap_polarisations(made)
    store = made.write(tmp_path / "store")
    verdict = verdict_of(
        store, tmp_path / "changed", fail="offset_agrees_with_pixels", warn="vv_above_vh, digest_unique"
    )
    assert names(verdict.failures) == {"offset_agrees_with_pixels"}
    assert names(verdict.warnings) == {"vv_above_vh"}


def test_limits_can_be_changed(good, tmp_path):
    verdict = verdict_of(good[0], tmp_path / "validation", min_chips_validation=9, min_chips_test=8, max_sensor_gap=1.5)
    assert verdict.failures == []
    assert names(verdict.warnings) == {"validation_chips", "sensor_near_base"}
    assert sentence(verdict, "validation_chips") == "The validation split has 8 chips, fewer than 9."


def test_a_sample_is_drawn_and_said(good, tmp_path):
    verdict = verdict_of(good[0], tmp_path / "validation", max_chips=10)
    assert verdict.passed
    assert verdict.statistics.chips_examined == 10
    assert verdict.statistics.chips == 40


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("fail", "no_such_thing", "no expectation is called no_such_thing"),
        ("earliest", "yesterday", "'yesterday' is no ISO 8601 date or time"),
        ("max_chips", -1, "greater than or equal to 0"),
    ],
)
def test_a_wrong_field_is_refused(field, value, told):
    with pytest.raises(ValueError, match=told):
        ValidateSpec(**{field: value})


def test_an_expectation_cannot_both_fail_and_warn():
    with pytest.raises(ValueError, match="cannot be in both"):
        ValidateSpec(fail="vv_above_vh", warn="vv_above_vh")


# ------------------------------------------------------------------------------------------------------------- gate


def test_the_gate_wants_a_validation(tmp_path):
    with pytest.raises(EarthenwareError) as caught:
        gate(str(tmp_path))
    assert caught.value.code == "NOT_FINISHED"


def test_the_gate_tells_many_failures_in_one_sentence(tmp_path):
    made = draft()
    for break_it in (swap_polarisations, raise_the_terrain, repeat_chip_ids, store_foreign_legend):
        break_it(made)
    verdict_of(made.write(tmp_path / "store"), tmp_path / "validation")
    with pytest.raises(EarthenwareError) as caught:
        gate(str(tmp_path / "validation"))
    assert caught.value.message.startswith("The chips failed validation: chip_id_unique (2 of 40 chips share")
    assert caught.value.message.count("\n") == 0
    assert "page.html" in caught.value.remedy
