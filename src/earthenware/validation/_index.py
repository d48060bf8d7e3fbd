"""The chip index: identities, splits, times and sensors, as tables and as what is expected of them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import numpy as np

from earthenware.chips import column, index_schema
from earthenware.sensors import SENSORS
from earthenware.validation._check import BETWEEN, IN_SET, Check, Finding, count_of, examples_of, naming
from earthenware.validation._limits import Limits, moment
from earthenware.validation._location import add_location, location_checks

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pandas as pd
    import pyarrow as pa

SPLITS: Final = ("train", "validation", "test")


def index_tables(index: pa.Table, sensors: Sequence[str], chip_size: int) -> dict[str, pd.DataFrame]:
    """Turn a chip index into the tables that its expectations look at.

    Args:
        index: The index of a chip store.
        sensors: The store's sensors.
        chip_size: Side of a chip in pixels.

    Returns:
        Tables by name: ``chips``, ``gaps``, ``sites``, ``splits``, ``sensors``, ``observations``, ``fractions``.
    """
    import pandas as pd

    chips = index.drop_columns([name for name in index.column_names if name.endswith("_hrefs")]).to_pandas()
    # A chip may lack labels; all else that is no sensor's own is required.
    required = [name for name in index_schema(()).names if not name.startswith("land_cover")]
    gaps = pd.DataFrame({"column": required, "missing": [int(chips[name].isna().sum()) for name in required]})
    for name in chips.columns[[isinstance(kind, pd.DatetimeTZDtype) for kind in chips.dtypes]]:
        # Great Expectations compares naive times.
        chips[name] = chips[name].dt.tz_convert("UTC").dt.tz_localize(None).astype("datetime64[us]")
    add_location(chips, chip_size)
    by_site = chips.groupby("site")["split"]
    sites = by_site.agg(splits="nunique", names=lambda values: ", ".join(sorted(set(values.dropna()))))
    counts = chips["split"].value_counts()
    fractions = [name for name in chips.columns if name.endswith("_fraction")]
    return {
        "chips": chips,
        "gaps": gaps,
        "sites": sites.reset_index(),
        "splits": pd.DataFrame({split: [int(counts.get(split, 0))] for split in SPLITS}),
        "sensors": _sensors(chips, sensors),
        "observations": _observations(chips, sensors),
        "fractions": chips.melt("chip_id", fractions, "column", "fraction").dropna(subset="fraction"),
    }


def _sensors(chips: pd.DataFrame, sensors: Sequence[str]) -> pd.DataFrame:
    import pandas as pd

    found = [int(chips[column(sensor, "present")].fillna(False).sum()) for sensor in sensors]
    share = [count / max(1, len(chips)) for count in found]
    return pd.DataFrame({"sensor": list(sensors), "chips": found, "share": share})


def _observations(chips: pd.DataFrame, sensors: Sequence[str]) -> pd.DataFrame:
    """Return one row per chip and sensor that it has: when the sensor looked, and how far from the chip's own time."""
    import pandas as pd

    frames = []
    for sensor in sensors:
        has = chips[column(sensor, "present")].fillna(False).astype(bool)
        times = chips.loc[has, column(sensor, "datetime")]
        gap = (times - chips.loc[has, "datetime"]).abs().dt.total_seconds() / 86400
        frames.append(
            pd.DataFrame(
                {
                    "chip_id": chips.loc[has, "chip_id"],
                    "sensor": sensor,
                    "datetime": times,
                    # Terrain and maps have no date of their own that should be near.
                    "gap_days": gap if _is_timed(sensor) else np.nan,
                }
            )
        )
    return pd.concat(frames, ignore_index=True)


def _is_timed(sensor: str) -> bool:
    return sensor in SENSORS and SENSORS[sensor].window_days is not None


def index_checks(spec: Limits, gsd: float) -> list[Check]:
    """Return the expectations about the index.

    Args:
        spec: The limits.
        gsd: The store's ground sampling distance (m).
    """
    return [*_identity(), *_splits(spec), *location_checks(spec, gsd), *_times(spec), *_presence(spec)]


def _identity() -> list[Check]:
    return [
        Check(
            "required_values",
            "gaps",
            BETWEEN,
            {"column": "missing", "max_value": 0},
            "Every chip has an id, a scene, a site, a split, a time, a position, an outline, a grid and a digest",
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


def _splits(spec: Limits) -> list[Check]:
    minimum = {"train": spec.min_chips_train, "validation": spec.min_chips_validation, "test": spec.min_chips_test}
    return [
        Check(
            "split_known",
            "chips",
            IN_SET,
            {"column": "split", "value_set": list(SPLITS)},
            f"Each chip belongs to one of the splits {', '.join(SPLITS)}",
            naming("chips", "belong to an unknown split", "{chip_id} ('{split}')"),
        ),
        Check(
            "site_in_one_split",
            "sites",
            BETWEEN,
            {"column": "splits", "max_value": 1},
            "All chips of a site are in the same split",
            naming("sites", "leak between splits, so that scores would be too good", "{site} (in {names})"),
        ),
        *(
            Check(
                f"{split}_chips",
                "splits",
                BETWEEN,
                {"column": split, "min_value": minimum[split]},
                f"The {split} split has at least {minimum[split]} chips",
                _too_few(split, minimum[split]),
                severity="fail" if split == "train" else "warn",
            )
            for split in SPLITS
        ),
    ]


def _too_few(split: str, minimum: int) -> Callable[[Finding], str]:
    def explain(finding: Finding) -> str:
        return f"The {split} split has {finding.rows[split].iloc[0]} chips, fewer than {minimum}."

    return explain


def _times(spec: Limits) -> list[Check]:
    earliest = moment(spec.earliest).replace(tzinfo=None)
    latest = (moment(spec.latest) if spec.latest else datetime.now(UTC)).replace(tzinfo=None)
    limits = {"column": "datetime", "min_value": earliest, "max_value": latest}
    span = f"{earliest:%Y-%m-%d} and {'now' if not spec.latest else f'{latest:%Y-%m-%d}'}"
    breach = f"were acquired outside {span.replace(' and ', ' to ')}"
    return [
        Check(
            "datetime_range",
            "chips",
            BETWEEN,
            limits,
            f"Acquisition times lie between {span}",
            naming("chips", breach, "{chip_id} ({datetime:%Y-%m-%d})"),
        ),
        Check(
            "sensor_datetime_range",
            "observations",
            BETWEEN,
            # A terrain model is dated by the first of its acquisitions, years before any of the satellites.
            {**limits, "min_value": datetime(2000, 1, 1)},
            f"Each sensor's own times lie between 2000-01-01 and {span.split(' and ')[1]}",
            naming("observations", "have an implausible time", "{sensor} of {chip_id} ({datetime:%Y-%m-%d})"),
        ),
        Check(
            "sensor_near_base",
            "observations",
            BETWEEN,
            {"column": "gap_days", "max_value": spec.max_sensor_gap},
            f"Sensors that are paired in time are at most {spec.max_sensor_gap:g} days from their chip's time",
            naming(
                "observations",
                f"are more than {spec.max_sensor_gap:g} days from their chip's time",
                "{sensor} of {chip_id} ({gap_days:.1f} days)",
            ),
            severity="warn",
        ),
    ]


def _presence(spec: Limits) -> list[Check]:
    return [
        Check(
            "fraction_range",
            "fractions",
            BETWEEN,
            {"column": "fraction", "min_value": 0, "max_value": 1},
            "Cloud, nodata and land-cover fractions lie between 0 and 1",
            naming("fractions", "lie outside 0 to 1", "{column} of {chip_id} ({fraction:g})"),
        ),
        Check(
            "sensor_present",
            "sensors",
            BETWEEN,
            {"column": "chips", "min_value": 1},
            "Each sensor of the store is present in some chip",
            lambda finding: f"No chip has pixels of {examples_of(finding.rows, '{sensor}', 10)}.",
        ),
        Check(
            "sensor_share",
            "sensors",
            BETWEEN,
            {"column": "share", "min_value": spec.min_sensor_share},
            f"Each sensor is present in at least {spec.min_sensor_share:.0%} of the chips",
            naming(
                "sensors", f"are in fewer than {spec.min_sensor_share:.0%} of the chips", "{sensor} (in {share:.1%})"
            ),
            severity="warn",
        ),
    ]
