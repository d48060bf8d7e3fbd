"""From a STAC item to its catalog, its sensor and the asset that holds a band."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from earthenware.errors import EarthenwareError
from earthenware.sensors._catalogs import PROFILES, SCL_BAND, CatalogProfile, CollectionProfile
from earthenware.sensors._sensors import sensor

Item = Mapping[str, Any]

_RASTER_MEDIA_TYPES: Final = ("image/tiff", "image/vnd.stac.geotiff")


def profile_for(source: str | Item) -> CatalogProfile:
    """Return the profile of the catalog that an item comes from, or of a catalog's URL.

    An item is recognised by its properties, its collection and the hosts of its links and assets. What nothing
    gives away is ``generic``.

    Args:
        source: STAC item, or root URL (or file URI) of a catalog.
    """
    if isinstance(source, str):
        return _profile_of_url(source) or PROFILES["generic"]
    if source.get("collection") == "sentinel-s2-l2a-cogs":
        return PROFILES["earth-search-v0"]
    if any(key.startswith("earthsearch:") for key in source.get("properties") or {}):
        return PROFILES["earth-search-v1"]
    for href in _hrefs(source):
        profile = _profile_of_url(href)
        if profile is not None:
            return profile
    return PROFILES["generic"]


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
    collection = _collection_of(item)
    return collection.sensor if collection else None


def _collection_of(item: Item) -> CollectionProfile | None:
    collection_id = str(item.get("collection") or "")
    return profile_for(item).collection(collection_id) or PROFILES["generic"].collection(collection_id)


def asset_for(item: Item, sensor_id: str, band: str) -> Mapping[str, Any]:
    """Return the asset of an item that holds a band.

    The catalog's own asset names count first, then those of the other catalogs, then assets that hold exactly one
    band of this name or common name.

    Args:
        item: STAC item.
        sensor_id: Sensor that the item fills.
        band: Band name of that sensor, or ``SCL`` for Sentinel-2's scene classification.

    Returns:
        The asset, with ``href``.

    Raises:
        EarthenwareError: ``UNKNOWN_SENSOR``, ``UNKNOWN_BAND``, or ``MISSING_ASSET`` where the item has no such asset.
    """
    wanted = sensor(sensor_id)
    common_name = "" if band == SCL_BAND and sensor_id == "sentinel-2-l2a" else wanted.band(band).common_name
    assets: Mapping[str, Any] = item.get("assets") or {}
    for name in _asset_names(item, sensor_id, band):
        asset = assets.get(name)
        if isinstance(asset, Mapping) and asset.get("href"):
            return asset
    matches = [asset for asset in assets.values() if _holds_only(asset, band)]
    matches = matches or (
        [asset for asset in assets.values() if _holds_only(asset, common_name)] if common_name else []
    )
    if matches:
        return min(matches, key=lambda asset: float(asset.get("gsd") or 0))
    raise EarthenwareError(
        "MISSING_ASSET",
        f"Item {item.get('id')!r} (collection {item.get('collection')!r}) has no asset for band {band} of {sensor_id}; "
        f"it has {', '.join(sorted(assets)) or 'no assets at all'}.",
        "Use a catalog whose items carry this band, or leave the item out.",
    )


def has_asset(item: Item, sensor_id: str, band: str) -> bool:
    """Return whether an item has an asset for a band, such as ``SCL``, which some catalogs lack."""
    try:
        asset_for(item, sensor_id, band)
    except EarthenwareError:
        return False
    return True


def _asset_names(item: Item, sensor_id: str, band: str) -> Iterator[str]:
    own = _collection_of(item)
    if own is not None and own.sensor == sensor_id:
        yield from own.assets.get(band, ())
    for profile in PROFILES.values():
        for collection in profile.collections_of(sensor_id):
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

        def sign(href: str) -> str:
            return str(planetary_computer.sign_url(href))

        return sign
    return lambda href: href
