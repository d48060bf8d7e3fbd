"""From a STAC item to its catalog, its sensor and the asset that holds a band."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from earthenware.errors import EarthenwareError
from earthenware.sensors._catalogs import PROFILES, CatalogProfile
from earthenware.sensors._sensor import Collection, Item, Sensor
from earthenware.sensors._table import collection_in, sensor

_RASTER_MEDIA_TYPES: Final = ("image/tiff", "image/vnd.stac.geotiff")


def profile_for(source: str | Item, landing_id: str = "") -> CatalogProfile:
    """Return the profile of the catalog that an item comes from, or of a catalog's URL.

    An item is recognised by its properties, its collection and the hosts of its links and assets. What nothing
    gives away is ``generic``.

    Args:
        source: STAC item, or root URL (or file URI) of a catalog.
        landing_id: What the catalog's landing page calls itself, which counts more than its URL.
    """
    if isinstance(source, str):
        named = (one for one in PROFILES.values() if landing_id and one.landing_id == landing_id)
        return next(named, None) or _profile_of_url(source) or PROFILES["generic"]
    if source.get("collection") == "sentinel-s2-l2a-cogs":
        return PROFILES["earth-search-v0"]
    if any(key.startswith("earthsearch:") for key in source.get("properties") or {}):
        return PROFILES["earth-search-v1"]
    return next(filter(None, map(_profile_of_url, _hrefs(source))), PROFILES["generic"])


def _profile_of_url(url: str) -> CatalogProfile | None:
    parts = urlsplit(url)
    host = parts.hostname or ""
    if host == "earth-search.aws.element84.com":
        return PROFILES["earth-search-v0" if parts.path.startswith("/v0") else "earth-search-v1"]
    for profile in PROFILES.values():
        if any(host == known or host.endswith("." + known) for known in profile.hosts):
            return profile
    return None


def _hrefs(item: Item) -> Iterator[str]:
    for link in item.get("links") or ():
        if isinstance(link, Mapping) and link.get("rel") in {"self", "root", "collection", "parent"}:
            yield str(link.get("href", ""))
    for asset in (item.get("assets") or {}).values():
        if isinstance(asset, Mapping):
            yield str(asset.get("href", ""))


def sensor_of(item: Item) -> str | None:
    """Return the id of the sensor that an item's collection fills, None where it fills none."""
    found = _filled_by(item)
    return found[0].id if found else None


def is_of_mode(item: Item, sensor_id: str) -> bool:
    """Return whether an item is of the instrument and mode that a sensor stands for, as far as it says."""
    properties: Mapping[str, Any] = item.get("properties") or {}
    wanted = sensor(sensor_id).only.items()
    return all(properties.get(name) is None or str(properties[name]) in values for name, values in wanted)


def declared_offset(item: Item, sensor_id: str) -> int:
    """Return the digital numbers that an item's metadata says must be subtracted; 0 for a sensor without offsets."""
    check = sensor(sensor_id).offsets
    if check is None:
        return 0
    found = _filled_by(item)
    return check.declared(item, found[1].offset_rule if found else "flag")


def _filled_by(item: Item) -> tuple[Sensor, Collection] | None:
    name = str(item.get("collection") or "")
    return collection_in(profile_for(item).name, name) or collection_in("generic", name)


def asset_for(item: Item, sensor_id: str, band: str) -> Mapping[str, Any]:
    """Return the asset of an item that holds a band.

    The catalog's own asset names count first, then those of the other catalogs, then assets that hold exactly one
    band of this name or common name.

    Args:
        item: STAC item.
        sensor_id: Sensor that the item fills.
        band: Name of one of its bands, or of its quality band.

    Returns:
        The asset, with ``href``.

    Raises:
        EarthenwareError: ``UNKNOWN_SENSOR``, ``UNKNOWN_BAND``, or ``MISSING_ASSET`` where the item has no such asset.
    """
    wanted = sensor(sensor_id)
    is_quality = wanted.quality is not None and wanted.quality.band == band
    common_name = "" if is_quality else wanted.band(band).common_name
    assets: Mapping[str, Any] = item.get("assets") or {}
    for name in _asset_names(item, wanted, band):
        asset = assets.get(name)
        if isinstance(asset, Mapping) and asset.get("href"):
            return asset
    for name in filter(None, (band, common_name)):
        matches = [asset for asset in assets.values() if _holds_only(asset, name)]
        if matches:
            return min(matches, key=lambda asset: float(asset.get("gsd") or 0))
    raise EarthenwareError(
        "MISSING_ASSET",
        f"Item {item.get('id')!r} (collection {item.get('collection')!r}) has no asset for band {band} of {sensor_id}; "
        f"it has {', '.join(sorted(assets)) or 'no assets at all'}.",
        "Use a catalog whose items carry this band, or leave the item out.",
    )


def has_asset(item: Item, sensor_id: str, band: str) -> bool:
    """Return whether an item has an asset for a band, such as the quality band, which some catalogs lack."""
    try:
        asset_for(item, sensor_id, band)
    except EarthenwareError:
        return False
    return True


def _asset_names(item: Item, wanted: Sensor, band: str) -> Iterator[str]:
    own = _filled_by(item)
    if own is not None and own[0] is wanted:
        yield from own[1].assets.get(band, ())
    for name in PROFILES:
        for collection in wanted.collections.get(name, ()):
            yield from collection.assets.get(band, ())


def _holds_only(asset: Any, name: str) -> bool:
    if not isinstance(asset, Mapping) or not asset.get("href"):
        return False
    media_type = str(asset.get("type") or "image/tiff")
    bands: list[Any] = asset.get("bands") or asset.get("eo:bands") or []
    if not media_type.startswith(_RASTER_MEDIA_TYPES) or len(bands) != 1 or not isinstance(bands[0], Mapping):
        return False
    return name in {bands[0].get("name"), bands[0].get("common_name"), bands[0].get("eo:common_name")}


def href_signer(item: Item) -> Callable[[str], str]:
    """Return the function that makes an item's asset links readable; links that need no signature stay as they are.

    Signing asks the catalog for a short-lived token, so call it just before reading, and never store its result.
    """
    if profile_for(item).signing == "planetary-computer":
        import planetary_computer

        sign: Callable[[str], str] = planetary_computer.sign_url
        return sign
    return lambda href: href
