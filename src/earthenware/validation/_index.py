"""The index and the document of a chip store, as the tables that expectations look at."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from earthenware.chips import column, index_schema
from earthenware.sensors import SENSORS
from earthenware.validation._location import add_location

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd
    import pyarrow as pa

    from earthenware.chips import BandStatistics
    from earthenware.steps import Manifest


def index_tables(index: pa.Table, sensors: Sequence[str], chip_size: int) -> dict[str, pd.DataFrame]:
    """Turn the index of a store of chips of ``chip_size`` pixels into the tables that its expectations look at.

    These are ``chips``, ``gaps``, ``sites``, ``splits``, ``sensors``, ``observations``, ``fractions``.
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
    found = [int(chips[column(sensor, "present")].fillna(False).sum()) for sensor in sensors]
    fractions = [name for name in chips.columns if name.endswith("_fraction")]
    return {
        "chips": chips,
        "gaps": gaps,
        "sites": sites.reset_index(),
        "splits": pd.DataFrame({split: [int(counts.get(split, 0))] for split in ("train", "validation", "test")}),
        "sensors": pd.DataFrame({"sensor": list(sensors), "chips": found, "share": [n / len(chips) for n in found]}),
        "observations": _observations(chips, sensors),
        "fractions": chips.melt("chip_id", fractions, "column", "fraction").dropna(subset="fraction"),
    }


def _observations(chips: pd.DataFrame, sensors: Sequence[str]) -> pd.DataFrame:
    """Return one row per chip and sensor that it has: when the sensor looked, and how far from the chip's own time."""
    import pandas as pd

    frames = []
    for sensor in sensors:
        has = chips[column(sensor, "present")].fillna(False).astype(bool)
        times = chips.loc[has, column(sensor, "datetime")]
        gap = (times - chips.loc[has, "datetime"]).abs().dt.total_seconds() / 86400
        is_timed = sensor in SENSORS and SENSORS[sensor].window_days is not None
        frames.append(
            pd.DataFrame(
                {
                    "chip_id": chips.loc[has, "chip_id"],
                    "sensor": sensor,
                    "datetime": times,
                    # Terrain and maps have no date of their own that should be near.
                    "gap_days": gap if is_timed else np.nan,
                }
            )
        )
    return pd.concat(frames, ignore_index=True)


def statistics_table(statistics: Mapping[str, Mapping[str, BandStatistics]]) -> pd.DataFrame:
    """Return the store's band statistics, one row per band, and whether a model can be normalised with them."""
    import pandas as pd

    rows = []
    for sensor, bands in sorted(statistics.items()):
        for band, values in bands.items():
            mean, std = (math.nan if value is None else value for value in (values.mean, values.std))
            usable = math.isfinite(mean) and math.isfinite(std) and std > 0 and values.count > 0
            rows.append((sensor, band, mean, std, values.count, usable))
    return pd.DataFrame(rows, columns=["sensor", "band", "mean", "std", "count", "usable"])


def records_table(manifest: Manifest) -> pd.DataFrame:
    """Return one row: how many scenes a build or merge was asked for, and how many were rejected and why."""
    import pandas as pd

    records, rejected = manifest.counts["scenes"], sum(manifest.rejects.values())
    reasons = ", ".join(
        f"{count:,} {reason}" for reason, count in sorted(manifest.rejects.items(), key=lambda one: -one[1])
    )
    row = {"records": records, "rejected": rejected, "share": rejected / max(1, records), "reasons": reasons}
    return pd.DataFrame([row])
