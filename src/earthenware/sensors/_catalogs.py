"""What differs between catalogs: collection ids, asset names, offsets, signing, licences. The one table of quirks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Literal

OffsetRule = Literal["none", "baseline", "flag"]
Signing = Literal["none", "planetary-computer"]

SCL_BAND: Final = "SCL"
"""Name under which the scene classification is asked for, beside the bands of Sentinel-2."""

_S2_BY_NUMBER: Final = MappingProxyType(
    {b: (b,) for b in ("B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12", SCL_BAND)}
)
_S2_BY_COLOUR: Final = MappingProxyType(
    {
        "B02": ("blue",),
        "B03": ("green",),
        "B04": ("red",),
        "B05": ("rededge1",),
        "B06": ("rededge2",),
        "B07": ("rededge3",),
        "B08": ("nir",),
        "B8A": ("nir08",),
        "B11": ("swir16",),
        "B12": ("swir22",),
        SCL_BAND: ("scl",),
    }
)
# Items from files come from anywhere: try both conventions.
_S2_EITHER: Final = MappingProxyType({b: _S2_BY_NUMBER[b] + _S2_BY_COLOUR[b] for b in _S2_BY_NUMBER})
_S1: Final = MappingProxyType({"vv": ("vv", "gamma0_vv"), "vh": ("vh", "gamma0_vh")})
_DEM: Final = MappingProxyType({"dem": ("data", "elevation")})
_WORLD_COVER: Final = MappingProxyType({"class": ("map",)})
_IO_LULC: Final = MappingProxyType({"class": ("data",)})

_SENTINEL: Final = "Copernicus Sentinel data terms (free, full and open; attribution)"
_RTC: Final = "CC-BY-4.0 (Catalyst), of Copernicus Sentinel data"
_GLO_30: Final = "Copernicus DEM GLO-30 licence (free; attribution to DLR, Airbus and ESA)"
_CC_BY: Final = "CC-BY-4.0"


@dataclass(frozen=True)
class CollectionProfile:
    """One collection of a catalog and how to read its items.

    Attributes:
        collection: STAC collection id in this catalog.
        sensor: Sensor id that its items fill.
        assets: Band name -> asset names, the first that an item has counts.
        licence: Terms under which its data may be used.
        offset_rule: How to learn from an item whether its numbers carry the +1000 offset: ``baseline`` = processing
            baseline 04.00 and later do; ``flag`` = the same, except where the catalog's flag says that it was removed.
    """

    collection: str
    sensor: str
    assets: Mapping[str, tuple[str, ...]]
    licence: str
    offset_rule: OffsetRule = "none"


@dataclass(frozen=True)
class CatalogProfile:
    """One catalog.

    Attributes:
        name: Identifier, as the scenes table has it.
        title: Name for people.
        hosts: Host names of its API and of the stores that its assets lie in.
        collections: Its collections that fill a sensor, the preferred one first per sensor.
        signing: How asset links are made readable.
        api: Root URL of its API; empty where it is none.
        conformant: Whether its root document says what the API can do.
        query_extension: Whether it filters by ``eo:cloud_cover`` on the server (STAC ``query``).
        notes: What one must know; shown to users.
    """

    name: str
    title: str
    hosts: tuple[str, ...]
    collections: tuple[CollectionProfile, ...]
    signing: Signing = "none"
    api: str = ""
    conformant: bool = True
    query_extension: bool = True
    notes: tuple[str, ...] = field(default=())

    def collections_of(self, sensor: str) -> tuple[CollectionProfile, ...]:
        """Return the collections that fill this sensor, the preferred one first."""
        return tuple(one for one in self.collections if one.sensor == sensor)

    def collection(self, collection_id: str) -> CollectionProfile | None:
        """Return the collection of this id, None where the catalog has none that fills a sensor."""
        return next((one for one in self.collections if one.collection == collection_id), None)


_PLANETARY_COMPUTER: Final = CatalogProfile(
    name="planetary-computer",
    title="Microsoft Planetary Computer",
    hosts=("planetarycomputer.microsoft.com", "blob.core.windows.net"),
    api="https://planetarycomputer.microsoft.com/api/stac/v1",
    signing="planetary-computer",
    collections=(
        # Not harmonised: +1000 is in the numbers from baseline 04.00 on (microsoft/PlanetaryComputer issue 134).
        CollectionProfile("sentinel-2-l2a", "sentinel-2-l2a", _S2_BY_NUMBER, _SENTINEL, "baseline"),
        CollectionProfile("sentinel-1-rtc", "sentinel-1-rtc", _S1, _RTC),
        CollectionProfile("cop-dem-glo-30", "cop-dem-glo-30", _DEM, _GLO_30),
        CollectionProfile("esa-worldcover", "land-cover", _WORLD_COVER, _CC_BY),
        CollectionProfile("io-lulc-annual-v02", "land-cover", _IO_LULC, _CC_BY),
        CollectionProfile("io-lulc-9-class", "land-cover", _IO_LULC, _CC_BY),
        CollectionProfile("io-lulc", "land-cover", _IO_LULC, _CC_BY),
    ),
    notes=("Asset links need a short-lived signature, fetched without an account when pixels are read.",),
)

_EARTH_SEARCH_V1: Final = CatalogProfile(
    name="earth-search-v1",
    title="Earth Search v1 by Element 84",
    hosts=(
        "earth-search.aws.element84.com",
        "sentinel-cogs.s3.us-west-2.amazonaws.com",
        "e84-earth-search-sentinel-data.s3.us-west-2.amazonaws.com",
        "copernicus-dem-30m.s3.amazonaws.com",
    ),
    api="https://earth-search.aws.element84.com/v1",
    collections=(
        # `earthsearch:boa_offset_applied` is wrong for many items: false although the pixels were harmonised
        # (Element84/earth-search issues 9, 66, 71); `raster:bands` offset -0.1 stays even where the flag is true.
        CollectionProfile("sentinel-2-l2a", "sentinel-2-l2a", _S2_BY_COLOUR, _SENTINEL, "flag"),
        CollectionProfile("sentinel-2-c1-l2a", "sentinel-2-l2a", _S2_BY_COLOUR, _SENTINEL, "baseline"),
        CollectionProfile("sentinel-2-pre-c1-l2a", "sentinel-2-l2a", _S2_BY_COLOUR, _SENTINEL, "flag"),
        CollectionProfile("cop-dem-glo-30", "cop-dem-glo-30", _DEM, _GLO_30),
    ),
    notes=(
        "Its sentinel-1-grd is neither calibrated nor terrain-corrected and is not used for sentinel-1-rtc.",
        "Its offset flag is unreliable; the pixels are checked when they are read.",
        "It has no land-cover map.",
    ),
)

_EARTH_SEARCH_V0: Final = CatalogProfile(
    name="earth-search-v0",
    title="Earth Search v0 by Element 84 (retired)",
    hosts=("earth-search.aws.element84.com", "sentinel-cogs.s3.us-west-2.amazonaws.com"),
    api="https://earth-search.aws.element84.com/v0",
    collections=(CollectionProfile("sentinel-s2-l2a-cogs", "sentinel-2-l2a", _S2_BY_NUMBER, _SENTINEL, "flag"),),
    conformant=False,
    query_extension=False,
    notes=("`proj:shape` and `proj:transform` may be missing.", "It has no radar, elevation or land cover."),
)

_GENERIC: Final = CatalogProfile(
    name="generic",
    title="Items in the shape of the Planetary Computer or of Earth Search",
    hosts=(),
    collections=(
        CollectionProfile("sentinel-2-l2a", "sentinel-2-l2a", _S2_EITHER, _SENTINEL, "flag"),
        CollectionProfile("sentinel-2-c1-l2a", "sentinel-2-l2a", _S2_EITHER, _SENTINEL, "baseline"),
        CollectionProfile("sentinel-2-pre-c1-l2a", "sentinel-2-l2a", _S2_EITHER, _SENTINEL, "flag"),
        CollectionProfile("sentinel-s2-l2a-cogs", "sentinel-2-l2a", _S2_EITHER, _SENTINEL, "flag"),
        CollectionProfile("sentinel-1-rtc", "sentinel-1-rtc", _S1, _RTC),
        CollectionProfile("sentinel1-rtc-aws", "sentinel-1-rtc", _S1, _SENTINEL),
        CollectionProfile("cop-dem-glo-30", "cop-dem-glo-30", _DEM, _GLO_30),
        CollectionProfile("esa-worldcover", "land-cover", _WORLD_COVER, _CC_BY),
        CollectionProfile("io-lulc-annual-v02", "land-cover", _IO_LULC, _CC_BY),
        CollectionProfile("io-lulc-9-class", "land-cover", _IO_LULC, _CC_BY),
        CollectionProfile("io-lulc", "land-cover", _IO_LULC, _CC_BY),
    ),
    notes=("Used for item files and for catalogs that are not listed here; the sandbox writes such items.",),
)

PROFILES: Final[Mapping[str, CatalogProfile]] = MappingProxyType(
    {one.name: one for one in (_PLANETARY_COMPUTER, _EARTH_SEARCH_V1, _EARTH_SEARCH_V0, _GENERIC)}
)
"""Every known catalog by name; ``generic`` stands for all others."""
