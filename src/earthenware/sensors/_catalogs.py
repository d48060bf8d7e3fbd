"""The catalogs: where they are, how their links are made readable, what one must know. The one table of them.

Which collections of a catalog fill a sensor, and under which names its bands are there, stands with the sensor.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal


@dataclass(frozen=True)
class CatalogProfile:
    """One catalog.

    Attributes:
        name: Identifier, as the scenes table has it.
        title: Name for people.
        hosts: Host names of its API and of the stores that its assets lie in.
        landing_id: What its landing page calls itself: mirrors and proxies have other host names.
        signing: How asset links are made readable.
        api: Root URL of its API; empty where it is none.
        query_extension: Whether it filters by ``eo:cloud_cover`` on the server (STAC ``query``).
        notes: What one must know; shown to users.
    """

    name: str
    title: str
    hosts: tuple[str, ...]
    landing_id: str = ""
    signing: Literal["none", "planetary-computer"] = "none"
    api: str = ""
    query_extension: bool = True
    notes: tuple[str, ...] = ()


_TABLE: Final = (
    CatalogProfile(
        name="planetary-computer",
        title="Microsoft Planetary Computer",
        hosts=("planetarycomputer.microsoft.com", "blob.core.windows.net"),
        landing_id="microsoft-pc",
        api="https://planetarycomputer.microsoft.com/api/stac/v1",
        signing="planetary-computer",
        notes=("Asset links need a short-lived signature, fetched without an account when pixels are read.",),
    ),
    CatalogProfile(
        name="earth-search-v1",
        title="Earth Search v1 by Element 84",
        hosts=(
            "earth-search.aws.element84.com",
            "sentinel-cogs.s3.us-west-2.amazonaws.com",
            "e84-earth-search-sentinel-data.s3.us-west-2.amazonaws.com",
            "copernicus-dem-30m.s3.amazonaws.com",
        ),
        landing_id="earth-search-aws",
        api="https://earth-search.aws.element84.com/v1",
        notes=(
            "It has no terrain-corrected radar: its sentinel-1-grd is neither calibrated nor terrain-corrected.",
            "Its offset flag is unreliable; the pixels are checked when they are read.",
            "It has no land-cover map.",
        ),
    ),
    CatalogProfile(
        name="earth-search-v0",
        title="Earth Search v0 by Element 84 (retired)",
        hosts=("earth-search.aws.element84.com", "sentinel-cogs.s3.us-west-2.amazonaws.com"),
        landing_id="earth-search",
        api="https://earth-search.aws.element84.com/v0",
        query_extension=False,
        notes=("`proj:shape` and `proj:transform` may be missing.", "It has no radar, elevation or land cover."),
    ),
    CatalogProfile(
        name="generic",
        title="Items in the shape of the Planetary Computer or of Earth Search",
        hosts=(),
        notes=("Used for item files and for catalogs that are not listed here; the sandbox writes such items.",),
    ),
)

PROFILES: Final[Mapping[str, CatalogProfile]] = MappingProxyType({one.name: one for one in _TABLE})
"""Every known catalog by name; ``generic`` stands for all others."""
