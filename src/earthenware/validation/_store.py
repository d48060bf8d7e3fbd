"""The store as a whole: readable, whole, and built from most of what was asked for."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from earthenware.validation._check import BETWEEN, IN_SET, PAIR, Check, examples_of, naming

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from earthenware.chips import BandStatistics
    from earthenware.steps import Manifest
    from earthenware.validation._limits import Limits


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


def store_checks(spec: Limits) -> list[Check]:
    """Return the expectations about the store as a whole."""
    return [
        Check(
            "store_not_empty",
            "store",
            BETWEEN,
            {"column": "stated", "min_value": 1},
            "The store holds chips",
            lambda _: "The store holds no chips.",
        ),
        Check(
            "store_counts",
            "store",
            PAIR,
            {"column_A": "stated", "column_B": "indexed"},
            "The index holds as many chips as the store states",
            lambda finding: (
                f"The store states {finding.rows['stated'].iloc[0]:,} chips but its index holds "
                f"{finding.rows['indexed'].iloc[0]:,}."
            ),
        ),
        Check(
            "chips_readable",
            "digests",
            IN_SET,
            {"column": "readable", "value_set": [True]},
            "Every chip that was drawn can be read",
            naming("drawn chips", "cannot be read", "{chip_id} ({problem})"),
        ),
        Check(
            "digests_match",
            "intact",
            PAIR,
            {"column_A": "recorded", "column_B": "computed"},
            "Pixels and masks have the digest that the index records",
            naming("drawn chips", "do not have the digest that the index records", "{chip_id}"),
        ),
        Check(
            "statistics_usable",
            "statistics",
            IN_SET,
            {"column": "usable", "value_set": [True]},
            "Each band has a mean and a standard deviation above 0 over the train split",
            naming(
                "bands",
                "have statistics that cannot normalise them",
                "{sensor} {band} ({mean:g} +- {std:g} of {count} pixels)",
            ),
        ),
        Check(
            "rejected_share",
            "records",
            BETWEEN,
            {"column": "share", "max_value": spec.reject_limit},
            f"The build left out at most {spec.reject_limit:.0%} of its scenes",
            lambda finding: (
                f"The build left out {examples_of(finding.rows, '{rejected:,} of {records:,} scenes ({reasons})')}, "
                f"more than {spec.reject_limit:.0%}."
            ),
        ),
    ]
