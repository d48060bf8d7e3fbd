"""What is expected of the chip index."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from earthenware.validation._check import Check, Finding, count_of, examples_of, naming
from earthenware.validation._index_tables import SPLITS
from earthenware.validation._spec import ValidateSpec, moment

if TYPE_CHECKING:
    from collections.abc import Callable

_BETWEEN: Final = "ExpectColumnValuesToBeBetween"
_IN_SET: Final = "ExpectColumnValuesToBeInSet"


def index_checks(spec: ValidateSpec, gsd: float) -> list[Check]:
    """Return the expectations about the index.

    Args:
        spec: The limits.
        gsd: The store's ground sampling distance (m).
    """
    return [*_identity(), *_splits(spec), *_places(spec, gsd), *_times(spec), *_sensors(spec)]


def _identity() -> list[Check]:
    return [
        Check(
            "index_schema",
            "columns",
            "ExpectColumnPairValuesToBeEqual",
            {"column_A": "found", "column_B": "expected"},
            "The index has every column that the chip store's format asks for, each of its type",
            naming(
                "columns", "of the index are missing or of another type", "{column} (is {found}, must be {expected})"
            ),
        ),
        Check(
            "required_values",
            "gaps",
            _BETWEEN,
            {"column": "missing", "max_value": 0},
            "Every chip has an id, a scene, a place, a split, a time, a position, an outline, a grid and a digest",
            naming("required columns", "have gaps", "{column} (empty for {missing} chips)"),
        ),
        Check(
            "chip_id_unique",
            "chips",
            "ExpectColumnValuesToBeUnique",
            {"column": "chip_id"},
            "No two chips have the same id",
            naming("chips", "share their id with another", "{chip_id}"),
        ),
        Check(
            "digest_unique",
            "chips",
            "ExpectColumnValuesToBeUnique",
            {"column": "digest"},
            "No two chips hold the same pixels",
            _duplicates,
        ),
    ]


def _duplicates(finding: Finding) -> str:
    groups = finding.rows.groupby("digest", sort=False)["chip_id"].agg(list)
    pairs = [f"{ids[0]} and {ids[1]}" for ids in groups.head(3)]
    rest = len(groups) - len(pairs)
    named = "; ".join(pairs) + (f"; and {rest:,} more groups" if rest else "")
    return f"{count_of(len(finding.rows), finding.total, 'chips')} hold the very pixels of another chip: {named}."


def _splits(spec: ValidateSpec) -> list[Check]:
    minimum = {"train": spec.min_chips_train, "validation": spec.min_chips_validation, "test": spec.min_chips_test}
    return [
        Check(
            "split_known",
            "chips",
            _IN_SET,
            {"column": "split", "value_set": list(SPLITS)},
            f"Each chip belongs to one of the splits {', '.join(SPLITS)}",
            naming("chips", "belong to an unknown split", "{chip_id} ('{split}')"),
        ),
        Check(
            "place_in_one_split",
            "places",
            _BETWEEN,
            {"column": "splits", "max_value": 1},
            "All chips of a place are in the same split",
            naming("places", "leak between splits, so that scores would be too good", "{site} (in {names})"),
        ),
        Check(
            "splits_do_not_overlap",
            "chips",
            _BETWEEN,
            {"column": "other_split_overlap", "max_value": spec.max_split_overlap},
            f"No chip shares more than {spec.max_split_overlap:.0%} of its ground with a chip of another split",
            naming(
                "chips",
                "lie on the ground of a chip of another split",
                "{chip_id} of {split} ({other_split_overlap:.0%} covered by {other_split_chip})",
            ),
        ),
        *(
            Check(
                f"{split}_chips",
                "splits",
                _BETWEEN,
                {"column": split, "min_value": minimum[split]},
                f"The {split} split has at least {minimum[split]} chips",
                _too_few(split, minimum[split]),
            )
            for split in SPLITS
        ),
    ]


def _too_few(split: str, minimum: int) -> Callable[[Finding], str]:
    def explain(finding: Finding) -> str:
        return f"The {split} split has {finding.rows[split].iloc[0]} chips, fewer than {minimum}."

    return explain


def _places(spec: ValidateSpec, gsd: float) -> list[Check]:
    return [
        Check(
            "longitude_range",
            "chips",
            _BETWEEN,
            {"column": "lon", "min_value": -180, "max_value": 180},
            "Longitudes lie between -180 and 180 degrees",
            naming("chips", "have a longitude outside -180 to 180 degrees", "{chip_id} ({lon:.6g})"),
        ),
        Check(
            "latitude_range",
            "chips",
            _BETWEEN,
            {"column": "lat", "min_value": -90, "max_value": 90},
            "Latitudes lie between -90 and 90 degrees",
            naming("chips", "have a latitude outside -90 to 90 degrees", "{chip_id} ({lat:.6g})"),
        ),
        Check(
            "geometry_valid",
            "chips",
            _IN_SET,
            {"column": "geometry_valid", "value_set": [True]},
            "Each chip's outline is a valid polygon in degrees on the globe",
            naming("chips", "have an outline that is no valid polygon in degrees", "{chip_id}"),
        ),
        Check(
            "position_in_geometry",
            "chips",
            _IN_SET,
            {"column": "position_in_geometry", "value_set": [True]},
            "Each chip's longitude and latitude lie inside its outline",
            naming("chips", "have a longitude and latitude outside their outline", "{chip_id} ({lon:.4f}, {lat:.4f})"),
        ),
        Check(
            "position_matches_grid",
            "chips",
            _BETWEEN,
            {"column": "off_grid_m", "max_value": spec.position_tolerance},
            f"Each chip's longitude and latitude are within {spec.position_tolerance:g} m of where its grid puts it",
            naming(
                "chips",
                "lie elsewhere than their CRS and transform say, as with a wrong CRS",
                "{chip_id} ({off_grid_m:,.0f} m off in {crs})",
            ),
        ),
        Check(
            "gsd_matches_store",
            "chips",
            _BETWEEN,
            {"column": "gsd", "min_value": gsd * 0.999, "max_value": gsd * 1.001},
            f"Each chip's ground sampling distance is the store's {gsd:g} m",
            naming(
                "chips", f"have another ground sampling distance than the store's {gsd:g} m", "{chip_id} ({gsd:g} m)"
            ),
        ),
    ]


def _times(spec: ValidateSpec) -> list[Check]:
    earliest = moment(spec.earliest).replace(tzinfo=None)
    latest = (moment(spec.latest) if spec.latest else datetime.now(UTC)).replace(tzinfo=None)
    limits = {"column": "datetime", "min_value": earliest, "max_value": latest}
    span = f"{earliest:%Y-%m-%d} and {'now' if not spec.latest else f'{latest:%Y-%m-%d}'}"
    breach = f"were acquired outside {span.replace(' and ', ' to ')}"
    return [
        Check(
            "datetime_range",
            "chips",
            _BETWEEN,
            limits,
            f"Acquisition times lie between {span}",
            naming("chips", breach, "{chip_id} ({datetime:%Y-%m-%d})"),
        ),
        Check(
            "sensor_datetime_range",
            "observations",
            _BETWEEN,
            # A terrain model is dated by the first of its acquisitions, years before any of the satellites.
            {**limits, "min_value": datetime(2000, 1, 1)},
            f"Each sensor's own times lie between 2000-01-01 and {span.split(' and ')[1]}",
            naming("observations", "have an implausible time", "{sensor} of {chip_id} ({datetime:%Y-%m-%d})"),
        ),
        Check(
            "radar_near_optical",
            "observations",
            _BETWEEN,
            {"column": "gap_days", "max_value": spec.max_sensor_gap},
            f"Radar and optical acquisitions of a chip are at most {spec.max_sensor_gap:g} days apart",
            naming(
                "observations",
                f"are more than {spec.max_sensor_gap:g} days from their chip's time",
                "{sensor} of {chip_id} ({gap_days:.1f} days)",
            ),
        ),
    ]


def _sensors(spec: ValidateSpec) -> list[Check]:
    return [
        Check(
            "fraction_range",
            "fractions",
            _BETWEEN,
            {"column": "fraction", "min_value": 0, "max_value": 1},
            "Cloud, nodata and land-cover fractions lie between 0 and 1",
            naming("fractions", "lie outside 0 to 1", "{column} of {chip_id} ({fraction:g})"),
        ),
        Check(
            "sensor_present",
            "sensors",
            _BETWEEN,
            {"column": "chips", "min_value": 1},
            "Each sensor of the store is present in some chip",
            lambda finding: f"No chip has pixels of {examples_of(finding.rows, '{sensor}', 10)}.",
        ),
        Check(
            "sensor_share",
            "sensors",
            _BETWEEN,
            {"column": "share", "min_value": spec.min_sensor_share},
            f"Each sensor is present in at least {spec.min_sensor_share:.0%} of the chips",
            naming(
                "sensors", f"are in fewer than {spec.min_sensor_share:.0%} of the chips", "{sensor} (in {share:.1%})"
            ),
        ),
    ]
