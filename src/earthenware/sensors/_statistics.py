"""Band statistics that a published model was trained with, to compare against and to load its weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final


@dataclass(frozen=True)
class BandStatistics:
    """Mean and standard deviation of one band, in the units that the model saw."""

    mean: float
    std: float


CLAY_V0_STATISTICS: Final[Mapping[str, BandStatistics]] = MappingProxyType(
    {
        "B02": BandStatistics(1369.03, 2026.96),
        "B03": BandStatistics(1597.68, 2011.88),
        "B04": BandStatistics(1741.10, 2146.35),
        "B05": BandStatistics(2053.58, 2138.96),
        "B06": BandStatistics(2569.82, 2003.27),
        "B07": BandStatistics(2763.01, 1962.45),
        "B08": BandStatistics(2858.43, 2016.38),
        "B8A": BandStatistics(2893.86, 1917.12),
        "B11": BandStatistics(2303.00, 1679.88),
        "B12": BandStatistics(1807.79, 1568.06),
        "vv": BandStatistics(0.118, 0.873),
        "vh": BandStatistics(0.026, 0.118),
        "dem": BandStatistics(499.46, 880.35),
    }
)
"""Normalisation of Clay v0: Sentinel-2 numbers without any offset handling, **linear** gamma0, metres.

Clay's code feeds the radar channels as vh, vv, so 0.026 +- 0.118 belongs to vh and 0.118 +- 0.873 to vv; its published
table has the two labels exchanged (vh is always the weaker of the two over land). Convert stored dB with
``linear_from_db`` before using them.
"""
