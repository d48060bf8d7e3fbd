"""Sentinel-1 acquisitions: RTC, gamma nought on a grid, and GRD, amplitudes along and across the track."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray
from pyproj import Transformer
from rasterio.crs import CRS
from rasterio.transform import Affine
from rasterio.warp import Resampling, reproject, transform_bounds

from earthenware.sandbox import _landcover as cover
from earthenware.sandbox._landcover import Ground, greenness
from earthenware.sandbox._landuse import GARDEN, ROOF_GREY, STREET
from earthenware.sandbox._noise import Field, smooth
from earthenware.sandbox._places import MARGIN, Grid, Place, Visit
from earthenware.sandbox._stac import (
    Layer,
    Product,
    band_facts,
    grid_facts,
    lon_lat_ring,
    make_product,
    time_text,
)

_LOOKS: Final = 4.4  # equivalent number of looks of an IW GRD product (its product definition); sets the speckle
_INCIDENCE: Final = float(np.radians(38.5))  # between the beam and the vertical, in the middle of the IW swath

_NODATA: Final = -32768.0  # in Planetary Computer's sentinel-1-rtc
_BORDER: Final = 8  # pixels by which the RTC scene reaches beyond the Sentinel-2 scene of the place

# Amplitude = this * sqrt(sigma nought), the same everywhere; products give it as a table over their swath.
_CALIBRATION: Final = 237.0 / float(np.sqrt(np.sin(_INCIDENCE)))
_STEP: Final = 10.0  # metres between GRD's lines and between its samples
_LEAN: Final = np.radians(12.0)  # between the track and north
_CONTROL: Final = 7  # control points per edge

# Typical gamma nought in dB (VV, VH) of each class at C band, dense or wet ground first, open or dry ground second.
_TYPICAL: Final = {
    cover.TREE: ((-6.8, -12.4), (-9.5, -15.5)),
    cover.SHRUB: ((-9.0, -15.2), (-13.0, -20.5)),
    cover.GRASS: ((-10.0, -16.5), (-13.5, -20.5)),
    cover.CROP: ((-8.5, -14.0), (-13.5, -21.5)),
    cover.BUILT: ((-2.0, -10.5), (-9.5, -16.5)),
    cover.BARE: ((-10.5, -17.5), (-16.5, -24.5)),
    cover.SNOW: ((-13.0, -19.0), (-16.0, -22.5)),
    cover.WATER: ((-17.0, -25.0), (-21.5, -28.0)),
    cover.WETLAND: ((-7.0, -14.5), (-14.0, -21.5)),
    cover.MOSS: ((-11.0, -18.0), (-14.0, -21.0)),
}


def radar_product(ground: Ground, visit: Visit, flooded: NDArray[np.bool_] | None) -> Product:
    """Return the Sentinel-1 RTC acquisition of a visit: linear gamma nought, float32.

    It covers the whole Sentinel-2 scene except where an edge of the swath crosses it. A place on the zone border is
    delivered in the neighbouring zone by the ascending orbit, as happens in archives.
    """
    place, ascending = ground.place, visit.ascending
    mean, rng = _backscatter(ground, visit, flooded)
    if place.on_border and ascending:
        mean, grid = _to_other_zone(place, mean)
    else:
        inner = MARGIN - _BORDER
        mean, grid = mean[:, inner:-inner, inner:-inner], place.grid(margin=_BORDER)
    draws = rng.standard_gamma(_LOOKS, mean.shape, dtype=np.float32)
    mean = mean * (draws / np.float32(_LOOKS))
    if rng.random() < 0.1:
        size = mean.shape[1]
        y, x = np.indices(mean.shape[1:], dtype=np.float32)
        lean = np.float32(np.tan(np.radians(-11 if ascending else 11)))
        outside = (x + (y - size / 2) * lean) < size * rng.uniform(0.04, 0.18)
        mean = np.where(outside, np.nan, mean)
    # Eight bits of mantissa keep 0.2 %, far below the speckle, and spare a quarter of the file.
    bits = np.ascontiguousarray(mean, dtype=np.float32).view(np.uint32)
    pixels = ((bits + np.uint32(1 << 14)) & np.uint32(0xFFFF8000)).view(np.float32)
    pixels = np.where(np.isfinite(mean), pixels, np.float32(_NODATA))
    layers = {}
    for channel, band in zip(("vv", "vh"), pixels, strict=True):
        facts = band_facts(f"{channel.upper()}: gamma naught, terrain corrected", 10, "float32", _NODATA)
        layers[channel] = Layer(band, facts, grid, nodata=_NODATA, overview="average")
    properties, stem = _facts(place, visit, "RTC", {"gsd": 10, **grid_facts(grid)})
    extensions = ("proj", "raster", "sar", "sat")
    return make_product("sentinel-1-rtc", f"{stem}_{place.name}_rtc", properties, layers, extensions)


def amplitude_product(ground: Ground, visit: Visit, flooded: NDArray[np.bool_] | None) -> Product:
    """Return the Sentinel-1 GRD acquisition of a visit: uncalibrated amplitudes, uint16, and control points.

    Lines follow the flight and samples the beam, to its right: an ascending orbit's image stands on its head, a
    descending one's is mirrored, and both lean by 12 degrees. It has no grid, and says none.
    """
    place = ground.place
    gamma, _ = _backscatter(ground, visit, flooded)
    rng = place.rng(14, int(visit.radar.timestamp()))
    edge = int(place.size * (np.cos(_LEAN) + np.sin(_LEAN))) + 16
    lines, samples = np.meshgrid(np.arange(edge) + 0.5, np.arange(edge) + 0.5, indexing="ij")
    east, north = _on_ground(place, visit, edge, lines, samples)
    rows = (place.north - north) / 10 + MARGIN - 0.5
    columns = (east - place.west) / 10 + MARGIN - 0.5
    points = np.linspace(0, edge, _CONTROL)
    into = Transformer.from_crs(place.epsg, 4326, always_xy=True)
    control = []
    for line, sample in itertools.product(points, points):
        lon, lat = into.transform(*_on_ground(place, visit, edge, line, sample))
        control.append((float(line), float(sample), float(lon), float(lat)))
    layers = {}
    for channel, band in zip(("vh", "vv"), gamma[::-1], strict=True):
        sigma = scipy.ndimage.map_coordinates(band * np.cos(_INCIDENCE), [rows, columns], order=1, cval=np.nan)
        speckle = rng.standard_gamma(_LOOKS, sigma.shape, dtype=np.float32) / np.float32(_LOOKS)
        amplitude = np.round(_CALIBRATION * np.sqrt(sigma * speckle))
        pixels = np.where(np.isfinite(amplitude), np.clip(amplitude, 1, 65535), 0).astype(np.uint16)
        received = "vertical" if channel == "vv" else "horizontal"
        facts = {"title": f"{channel.upper()}: vertical transmit, {received} receive"}
        layers[channel] = Layer(pixels, facts, nodata=0, overview="average", control=control)
    more = {"sar:looks_range": 5, "sar:looks_azimuth": 1, "s1:resolution": "high", "s1:shape": [edge, edge]}
    properties, stem = _facts(place, visit, "GRD", {})
    # A positive turn from the corner: down the flight first, then along the beam.
    corners = [_on_ground(place, visit, edge, *at) for at in ((0, 0), (edge, 0), (edge, edge), (0, edge))]
    if visit.ascending:
        corners.reverse()
    return make_product(
        "sentinel-1-grd", f"{stem}_{place.name}", properties | more, layers,
        ("sar", "sat"), file="{name}/iw-{asset}.tiff", footprint=lon_lat_ring(place.epsg, corners),
    )  # fmt: skip


def _backscatter(
    ground: Ground, visit: Visit, flooded: NDArray[np.bool_] | None
) -> tuple[NDArray[np.float32], np.random.Generator]:
    """Return linear gamma nought [polarisation, y, x] without speckle, order VV, VH, margins included.

    With it comes what is left of its random numbers: all products of a visit see the same ground.
    """
    place = ground.place
    rng, fixed = place.rng(8, int(visit.radar.timestamp())), place.rng(9)
    vigour = greenness(place, visit.radar)
    shape = ground.classes.shape
    density = _density(ground, fixed, rng, vigour)
    moisture = float(rng.normal(0, 0.9))
    decibels = np.zeros((2, *shape), np.float32)
    for code, (dense, open_ground) in _TYPICAL.items():
        here = ground.classes == code
        level = float(fixed.normal(0, 0.9))
        if not here.any():
            continue
        for channel in range(2):
            span = dense[channel] - open_ground[channel]
            decibels[channel][here] = open_ground[channel] + span * density[here] + level
    dry_land = ~np.isin(ground.classes, (cover.WATER, cover.BUILT))
    decibels += np.where(dry_land, moisture, 0).astype(np.float32)
    wind = float(rng.uniform(-1.0, 3.5))
    water = ground.classes == cover.WATER
    ripple = np.clip(ground.mottle, -2, 2) * 0.5
    decibels[0] += np.where(water, wind + ripple, 0)
    decibels[1] += np.where(water, 0.4 * wind + 0.4 * ripple, 0)
    decibels += (0.5 * ground.grain + 0.4 * ground.mottle) * ~water
    if flooded is not None:
        # Open flood water mirrors the beam away; flooded trunks and walls send it back twice.
        standing = ground.structure > 6
        drowned = np.array([-19.5, -26.5], np.float32)[:, None, None] + 0.3 * ground.mottle
        decibels = np.where(flooded & ~standing, drowned, decibels)
        decibels[0] += np.where(flooded & standing, 2.2, 0)
    linear = np.power(np.float32(10), decibels / np.float32(10))
    return np.stack([smooth(band, 0.6) for band in linear * _slopes(ground, visit.ascending)]), rng


def _density(ground: Ground, fixed: np.random.Generator, rng: np.random.Generator, vigour: float) -> Field:
    """Return how dense or rough each pixel's cover is for the radar, 0 to 1 [y, x]."""
    classes, parcels = ground.classes, ground.parcels
    result = 0.5 + 0.16 * ground.mottle
    tree = classes == cover.TREE
    result = np.where(tree, 0.62 + 0.17 * ground.crowns + 0.1 * vigour, result)
    result = np.where(classes == cover.SHRUB, 0.2 + 0.8 * ground.dots, result)
    result = np.where(classes == cover.GRASS, 0.25 + 0.35 * vigour + 0.12 * ground.mottle, result)
    crop = fixed.uniform(0.1, 0.9, parcels.count) + rng.normal(0, 0.14, parcels.count)
    rows = 0.12 * np.sin(parcels.rows * np.float32(1.6))
    result = np.where(classes == cover.CROP, crop[parcels.label] + rows, result)
    roofs = 0.45 + 0.5 * (ground.towns.surface >= ROOF_GREY) - 0.35 * (ground.towns.surface == STREET)
    roofs = roofs - 0.1 * (ground.towns.surface == GARDEN) + ground.towns.height * 0.035
    result = np.where(classes == cover.BUILT, np.where(ground.towns.built, roofs, 0.05), result)
    result = np.where(classes == cover.BARE, np.clip(ground.terrain.slope * 2.5, 0, 0.8) + 0.1 * ground.mottle, result)
    result = np.where(classes == cover.WETLAND, 0.75 - 0.85 * ground.braid, result)
    return np.asarray(np.clip(result, -0.1, 1.9), dtype=np.float32)


def _slopes(ground: Ground, ascending: bool) -> Field:
    """Return what terrain correction leaves of the slopes: bright fore slopes with layover, dim back slopes [y, x]."""
    surface = smooth(ground.terrain.elevation + 0.35 * ground.structure, 1.0)
    gy, gx = np.gradient(surface, np.float32(10.0))
    look = np.radians(78.0 if ascending else 282.0)  # the beam's heading, right of a track that leans 12 degrees
    rise = gx * np.float32(np.sin(look)) - gy * np.float32(np.cos(look))
    facing = np.arctan(rise)
    residual = np.exp(np.clip(1.1 * facing, -1.4, 0.9))
    layover = np.clip((facing - np.float32(_INCIDENCE) * 0.7) * 4, 0, 1)
    return np.asarray(residual * (1 + 1.8 * layover), dtype=np.float32)


def _to_other_zone(place: Place, mean: NDArray[np.float32]) -> tuple[NDArray[np.float32], Grid]:
    """Warp the ground's image onto a 10 m grid of the neighbouring zone; NaN in corners without ground."""
    epsg = place.epsg + (1 if place.epsg % 100 == 33 else -1)
    source, target = CRS.from_epsg(place.epsg), CRS.from_epsg(epsg)
    west, south, east, north = transform_bounds(source, target, *place.grid().bounds)
    left, top = np.floor(west / 10) * 10 - 40, np.ceil(north / 10) * 10 + 40
    width, height = int((east - left) / 10) + 5, int((top - south) / 10) + 5
    result = np.full((2, height, width), np.nan, np.float32)
    transform = (10.0, 0.0, float(left), 0.0, -10.0, float(top))
    reproject(
        mean, result, src_crs=source, src_transform=Affine(*place.grid(margin=MARGIN).transform),
        dst_crs=target, dst_transform=Affine(*transform), dst_nodata=np.nan, resampling=Resampling.bilinear,
        num_threads=1,
    )  # fmt: skip
    return result, Grid(epsg, transform, (height, width))


def _on_ground(place: Place, visit: Visit, edge: int, line: Any, sample: Any) -> tuple[Any, Any]:
    """Return easting and northing, in metres, of positions in the image, in lines and samples from its corner."""
    heading = -_LEAN if visit.ascending else np.pi + _LEAN
    along, across = (line - edge / 2) * _STEP, (sample - edge / 2) * _STEP
    half = place.size * 5.0
    east = place.west + half + along * np.sin(heading) + across * np.cos(heading)
    north = place.north - half + along * np.cos(heading) - across * np.sin(heading)
    return east, north


def _facts(place: Place, visit: Visit, kind: str, grid: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    """Return the properties of an acquisition's product of a kind on a grid, and the stem of its name."""
    moment = visit.radar
    state = "ascending" if visit.ascending else "descending"
    orbit = 1 + (place.number * 37 + (0 if visit.ascending else 88)) % 175
    absolute = 20000 + int(moment.timestamp()) // 86400 % 30000
    stamp = f"{moment:%Y%m%dT%H%M%S}"
    properties = {
        "datetime": time_text(moment),
        "start_datetime": time_text(moment),
        "end_datetime": time_text(moment),
        "platform": "SENTINEL-1A",
        "constellation": "Sentinel-1",
        "instruments": ["c-sar"],
        **grid,
        "sat:orbit_state": state,
        "sat:relative_orbit": orbit,
        "sat:absolute_orbit": absolute,
        "sar:frequency_band": "C",
        "sar:center_frequency": 5.405,
        "sar:instrument_mode": "IW",
        "sar:product_type": kind,
        "sar:polarizations": ["VV", "VH"],
        "sar:observation_direction": "right",
        "sar:looks_equivalent_number": _LOOKS,
        "sar:pixel_spacing_range": 10,
        "sar:pixel_spacing_azimuth": 10,
    }
    return properties, f"S1A_IW_GRDH_1SDV_{stamp}_{stamp}_{absolute:06d}"
