"""A Landsat-8/9 Collection 2 Level-2 acquisition: surface reflectance at 30 m, the quality band, and its item."""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from typing import Any, Final

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

from earthenware.sandbox._clouds import Sky, make_sky
from earthenware.sandbox._landcover import Ground
from earthenware.sandbox._noise import Field
from earthenware.sandbox._optical import lit_cover, reflect, through
from earthenware.sandbox._places import MARGIN, Place, Visit
from earthenware.sandbox._spectra import BANDS, CLEAR, SILT, SNOW, colours
from earthenware.sandbox._stac import COG, Layer, Product, Transform, make_item, ring, time_text
from earthenware.sandbox._sun import Sun, sun_at

_SCALE: Final = 0.0000275
_OFFSET: Final = -0.2  # reflectance = number * scale + offset (Landsat Collection 2 surface reflectance)
_FINE: Final = 5  # metres: pixel edges lie on odd multiples of 15 m, the ground's on multiples of 10 m
_POOL: Final = 30 // _FINE

# Name, number, centre and width in micrometres (Landsat 8 data users handbook), and the band of Sentinel-2 that sees
# the same colours; "coastal" is extrapolated from blue and green.
_BANDS: Final = {
    "coastal": ("OLI_B1", 0.44, 0.02, "B02"),
    "blue": ("OLI_B2", 0.48, 0.06, "B02"),
    "green": ("OLI_B3", 0.56, 0.06, "B03"),
    "red": ("OLI_B4", 0.65, 0.04, "B04"),
    "nir08": ("OLI_B5", 0.87, 0.03, "B8A"),
    "swir16": ("OLI_B6", 1.61, 0.09, "B11"),
    "swir22": ("OLI_B7", 2.2, 0.19, "B12"),
}

# Bits of QA_PIXEL (Landsat 8-9 Collection 2 Level-2 science product guide, LSDS-1619).
_FILL, _DILATED, _CIRRUS, _CLOUD, _SHADOW, _SNOW, _CLEAR, _WATER = (1 << bit for bit in range(8))
_CONFIDENCES: Final = {_CLOUD: 8, _SHADOW: 10, _SNOW: 12, _CIRRUS: 14}  # two bits each: 1 low, 3 high
_BITFIELDS: Final = ("fill", "dilated_cloud", "cirrus", "cloud", "cloud_shadow", "snow", "clear", "water")


def landsat_product(ground: Ground, visit: Visit, flooded: NDArray[np.bool_] | None) -> Product:
    """Return the Landsat acquisition of a visit: a few days from Sentinel-2's, under another sky.

    Args:
        ground: The place.
        visit: When Sentinel-2 sees it; on the day of the flood both do, and the sky is nearly free of clouds.
        flooded: Pixels under flood water [y, x], margins included, or None.

    Returns:
        The item and its pixels, on a 30 m grid that covers the scene; 0 (1 in the quality band) is no data.
    """
    place = ground.place
    rng = np.random.default_rng([place.seed, place.number, 13, int(visit.optical.timestamp())])
    days = 0 if visit.flood else int(rng.choice([-4, -3, -2, 2, 3, 4]))
    moment = visit.optical + timedelta(days=days, minutes=-25)
    sun = sun_at(place.lon, place.lat, moment)
    sky = make_sky(rng, place.ground_size, sun, clear=visit.flood)
    lit, _ = lit_cover(ground, moment, sun, flooded)
    spectra = colours(ground, moment)
    seen = _pool(place, sky.seen) > 0.999
    layers = {}
    for name, (_, _, _, alike) in _BANDS.items():
        number = BANDS.index(alike)
        colour = spectra[:, number]
        if name == "coastal":
            colour = np.maximum(1.4 * colour - 0.4 * spectra[:, number + 1], 0.3 * colour)
        reflectance = _pool(place, through(reflect(lit, colour), sky, number))
        noise = rng.standard_normal(reflectance.shape, dtype=np.float32)
        reflectance = reflectance + noise * (np.float32(0.0008) + np.float32(0.005) * reflectance)
        numbers = np.clip(np.round((reflectance - _OFFSET) / _SCALE), 1, 65535)
        layers[name] = Layer(np.where(seen, numbers, 0).astype(np.uint16), nodata=0, overview="average")
    quality = _quality(place, lit, sky, seen)
    return _item(place, moment, sun, quality), {**layers, "qa_pixel": Layer(quality, nodata=1)}


def _grid(place: Place) -> tuple[Transform, int]:
    """Return the affine coefficients of the grid that covers the scene, and its edge length in pixels."""
    # A place's corner is a multiple of 60 m, a Landsat pixel's an odd multiple of 15 m.
    return (30.0, 0.0, place.west - 15, 0.0, -30.0, place.north + 15), -(-(place.size * 10 + 15) // 30)


def _pool(place: Place, field: NDArray[Any]) -> Field:
    """Average a field of the ground [y, x] at 10 m, margins included, over the pixels of 30 m."""
    start = (MARGIN * 10 - 15) // _FINE
    edge = _grid(place)[1]
    fine = field.astype(np.float32).repeat(2, axis=0).repeat(2, axis=1)
    part = fine[start : start + edge * _POOL, start : start + edge * _POOL]
    return np.asarray(part.reshape(edge, _POOL, edge, _POOL).mean(axis=(1, 3)), dtype=np.float32)


def _quality(place: Place, lit: NDArray[np.float32], sky: Sky, seen: NDArray[np.bool_]) -> NDArray[np.uint16]:
    """Return the quality band [y, x]."""
    total = np.maximum(lit.sum(axis=0), 1e-3)
    cloud = _pool(place, sky.cloud) > 0.2
    dilated = scipy.ndimage.binary_dilation(cloud, iterations=2) & ~cloud
    flags = {
        _DILATED: dilated,
        _CIRRUS: _pool(place, sky.cirrus) > 0.045,
        _CLOUD: cloud,
        _SHADOW: (_pool(place, sky.shadow) > 0.35) & ~cloud,
        _SNOW: (_pool(place, lit[SNOW] / total) > 0.4) & ~cloud,
        _CLEAR: ~(cloud | dilated),
        _WATER: (_pool(place, (lit[CLEAR] + lit[SILT]) / total) > 0.55) & ~cloud,
    }
    result = np.zeros(cloud.shape, np.uint16)
    for bit, where in flags.items():
        result |= np.where(where, bit, 0).astype(np.uint16)
    for bit, shift in _CONFIDENCES.items():
        result |= (np.where(flags[bit], 3, 1) << shift).astype(np.uint16)
    return np.where(seen, result, _FILL).astype(np.uint16)


def _item(place: Place, moment: datetime, sun: Sun, quality: NDArray[np.uint16]) -> dict[str, Any]:
    """Return the item of an acquisition; the cloud cover comes from its quality band."""
    satellite = 9 if moment.year >= 2022 and int(moment.timestamp()) // 86400 % 2 else 8
    path, row = 190 - place.number % 8, 20 + place.number
    # The scene's name is followed by the place's: two small places may share one scene.
    name = f"LC0{satellite}_L2SP_{path:03d}{row:03d}_{moment:%Y%m%d}_02_T1_{place.name}"
    transform, edge = _grid(place)
    assets: dict[str, Any] = {}
    for band, (number, centre, width, _) in _BANDS.items():
        assets[band] = _asset(name, band, {"scale": _SCALE, "offset": _OFFSET, "nodata": 0}) | {
            "title": f"{band.capitalize()} Band",
            "eo:bands": [
                {"name": number, "common_name": band, "center_wavelength": centre, "full_width_half_max": width}
            ],
        }
    assets["qa_pixel"] = _asset(name, "qa_pixel", {"unit": "bit index", "nodata": 1}) | {
        "title": "Pixel Quality Assessment Band",
        "classification:bitfields": [
            {"name": field, "offset": bit, "length": 1} for bit, field in enumerate(_BITFIELDS)
        ],
    }
    cloudy = round(100 * float(((quality & _CLOUD) != 0).sum()) / max(float((quality != _FILL).sum()), 1), 2)
    properties = {
        "datetime": time_text(moment),
        "platform": f"landsat-{satellite}",
        "instruments": ["oli", "tirs"],
        "gsd": 30,
        "proj:code": f"EPSG:{place.epsg}",
        "proj:shape": [edge, edge],
        "proj:transform": list(transform),
        "eo:cloud_cover": cloudy,
        "view:off_nadir": 0,
        "view:sun_azimuth": round(math.degrees(sun.azimuth), 6),
        "view:sun_elevation": round(90 - math.degrees(sun.zenith), 6),
        "landsat:correction": "L2SP",
        "landsat:scene_id": f"LC{satellite}{path:03d}{row:03d}{moment:%Y%j}LGN00",
        "landsat:wrs_type": "2",
        "landsat:wrs_path": f"{path:03d}",
        "landsat:wrs_row": f"{row:03d}",
        "landsat:cloud_cover_land": cloudy,
        "landsat:collection_category": "T1",
        "landsat:collection_number": "02",
    }
    footprint = ring(place.epsg, transform, (edge, edge))
    extensions = ("classification", "eo", "proj", "raster", "view")
    return make_item("landsat-c2-l2", name, footprint, properties, assets, extensions)


def _asset(name: str, band: str, facts: dict[str, Any]) -> dict[str, Any]:
    """Return an asset; its grid stands in the item's properties, as in Planetary Computer."""
    return {
        "href": f"./landsat-c2-l2/{name}/{band}.tif",
        "type": COG,
        "roles": ["data"],
        "raster:bands": [{"data_type": "uint16", "spatial_resolution": 30, **facts}],
    }
