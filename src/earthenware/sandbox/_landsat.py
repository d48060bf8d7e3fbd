"""A Landsat-8/9 Collection 2 Level-2 acquisition: surface reflectance at 30 m, the quality band, and its item."""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from typing import Any, Final

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

from earthenware.sandbox._landcover import Ground
from earthenware.sandbox._noise import Field
from earthenware.sandbox._optical import Sky, Sun, make_sky, reflect, sun_at, sunlight, through, with_noise
from earthenware.sandbox._places import MARGIN, Grid, Place, Visit
from earthenware.sandbox._spectra import BANDS, CLEAR, SILT, SNOW, colours, compose
from earthenware.sandbox._stac import Layer, Product, grid_facts, make_product, time_text

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
_NUMBERS: Final = {"data_type": "uint16", "spatial_resolution": 30}


def landsat_product(ground: Ground, visit: Visit, flooded: NDArray[np.bool_] | None) -> Product:
    """Return the Landsat acquisition of a visit on a 30 m grid that covers the scene.

    It is a few days from Sentinel-2's, under another sky; on the day of the flood, when ``flooded`` [y, x] tells which
    pixels are under water, both see the place, and the sky is nearly clear.
    """
    place = ground.place
    rng = place.rng(13, int(visit.optical.timestamp()))
    days = 0 if visit.flood else int(rng.choice([-4, -3, -2, 2, 3, 4]))
    moment = visit.optical + timedelta(days=days, minutes=-25)
    sun = sun_at(place.lon, place.lat, moment)
    sky = make_sky(rng, place.ground_size, sun, clear=visit.flood)
    lit = compose(ground, moment, flooded) * sunlight(ground, sun)
    spectra = colours(ground, moment)
    seen = _pool(place, sky.seen) > 0.999
    grid = _grid(place)
    layers = {}
    for name, (eo_name, centre, width, alike) in _BANDS.items():
        number = BANDS.index(alike)
        colour = spectra[:, number]
        if name == "coastal":
            colour = np.maximum(1.4 * colour - 0.4 * spectra[:, number + 1], 0.3 * colour)
        reflectance = with_noise(rng, _pool(place, through(reflect(lit, colour), sky, number)), 0.0008, 0.005)
        numbers = np.clip(np.round((reflectance - _OFFSET) / _SCALE), 1, 65535)
        facts = {
            "raster:bands": [{**_NUMBERS, "scale": _SCALE, "offset": _OFFSET, "nodata": 0}],
            "title": f"{name.capitalize()} Band",
            "eo:bands": [
                {"name": eo_name, "common_name": name, "center_wavelength": centre, "full_width_half_max": width}
            ],
        }
        layers[name] = Layer(np.where(seen, numbers, 0).astype(np.uint16), facts, grid, nodata=0, overview="average")
    facts = {
        "raster:bands": [{**_NUMBERS, "unit": "bit index", "nodata": 1}],
        "title": "Pixel Quality Assessment Band",
        "classification:bitfields": [
            {"name": field, "offset": bit, "length": 1} for bit, field in enumerate(_BITFIELDS)
        ],
    }
    layers["qa_pixel"] = Layer(_quality(place, lit, sky, seen), facts, grid, nodata=1)
    return _product(place, moment, sun, layers)


def _grid(place: Place) -> Grid:
    """Return the grid that covers the scene."""
    # A place's corner is a multiple of 60 m, a Landsat pixel's an odd multiple of 15 m.
    edge = -(-(place.size * 10 + 15) // 30)
    return Grid(place.epsg, (30.0, 0.0, place.west - 15, 0.0, -30.0, place.north + 15), (edge, edge))


def _pool(place: Place, field: NDArray[Any]) -> Field:
    """Average a field of the ground [y, x] at 10 m, margins included, over the pixels of 30 m."""
    start = (MARGIN * 10 - 15) // _FINE
    edge = _grid(place).shape[0]
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


def _product(place: Place, moment: datetime, sun: Sun, layers: dict[str, Layer]) -> Product:
    """Return the item of an acquisition and its layers; the cloud cover comes from the quality band."""
    quality, grid = layers["qa_pixel"].pixels, _grid(place)
    satellite = 9 if moment.year >= 2022 and int(moment.timestamp()) // 86400 % 2 else 8
    path, row = 190 - place.number % 8, 20 + place.number
    # The scene's name is followed by the place's: two small places may share one scene.
    name = f"LC0{satellite}_L2SP_{path:03d}{row:03d}_{moment:%Y%m%d}_02_T1_{place.name}"
    cloudy = round(100 * float(((quality & _CLOUD) != 0).sum()) / max(float((quality != _FILL).sum()), 1), 2)
    properties = {
        "datetime": time_text(moment),
        "platform": f"landsat-{satellite}",
        "instruments": ["oli", "tirs"],
        "gsd": 30,
        **grid_facts(grid),
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
    extensions = ("classification", "eo", "proj", "raster", "view")
    # As in Planetary Computer, the grid stands in the item's properties alone.
    return make_product("landsat-c2-l2", name, properties, layers, extensions, assets_have_grids=False)
