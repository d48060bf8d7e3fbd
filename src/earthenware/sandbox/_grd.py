"""A Sentinel-1 GRD acquisition: amplitudes along and across the track, with control points for a grid, and its item."""

from __future__ import annotations

import itertools
from typing import Any, Final

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray
from pyproj import Transformer

from earthenware.sandbox._landcover import Ground
from earthenware.sandbox._places import MARGIN, Place, Visit
from earthenware.sandbox._sentinel1 import INCIDENCE, LOOKS, backscatter, radar_facts
from earthenware.sandbox._stac import COG, Layer, Product, lon_lat_ring, make_item

CALIBRATION: Final = 237.0 / float(np.sqrt(np.sin(INCIDENCE)))
"""Amplitude = this * sqrt(sigma nought), the same everywhere; products give it as a table over their swath."""

_STEP: Final = 10.0  # metres between lines and between samples
_LEAN: Final = np.radians(12.0)  # between the track and north
_CONTROL: Final = 7  # control points per edge


def amplitude_product(ground: Ground, visit: Visit, flooded: NDArray[np.bool_] | None) -> Product:
    """Return the Sentinel-1 GRD acquisition of a visit, seen at the same moment as the RTC product.

    Lines follow the flight and samples the beam, to its right: an ascending orbit's image stands on its head, a
    descending one's is mirrored, and both lean by 12 degrees.

    Args:
        ground: The place.
        visit: When it is seen, and from which side.
        flooded: Pixels under flood water [y, x], margins included, or None.

    Returns:
        The item and its amplitudes, uint16, uncalibrated; 0 outside of what was made.
    """
    place = ground.place
    moment = int(visit.radar.timestamp())
    # The same draw as that of the RTC product: both see one ground.
    gamma = backscatter(ground, np.random.default_rng([place.seed, place.number, 8, moment]), visit, flooded)
    rng = np.random.default_rng([place.seed, place.number, 14, moment])
    edge = int(place.size * (np.cos(_LEAN) + np.sin(_LEAN))) + 16
    lines, samples = np.meshgrid(np.arange(edge) + 0.5, np.arange(edge) + 0.5, indexing="ij")
    east, north = _on_ground(place, visit, edge, lines, samples)
    rows = (place.north - north) / 10 + MARGIN - 0.5
    columns = (east - place.west) / 10 + MARGIN - 0.5
    layers = {}
    points = np.linspace(0, edge, _CONTROL)
    into = Transformer.from_crs(place.epsg, 4326, always_xy=True)
    control = []
    for line, sample in itertools.product(points, points):
        lon, lat = into.transform(*_on_ground(place, visit, edge, line, sample))
        control.append((float(line), float(sample), float(lon), float(lat)))
    for channel, band in zip(("vh", "vv"), gamma[::-1], strict=True):
        sigma = scipy.ndimage.map_coordinates(band * np.cos(INCIDENCE), [rows, columns], order=1, cval=np.nan)
        speckle = rng.standard_gamma(LOOKS, sigma.shape, dtype=np.float32) / np.float32(LOOKS)
        amplitude = np.round(CALIBRATION * np.sqrt(sigma * speckle))
        pixels = np.where(np.isfinite(amplitude), np.clip(amplitude, 1, 65535), 0).astype(np.uint16)
        layers[channel] = Layer(pixels, nodata=0, overview="average", control=control)
    return _item(place, visit, edge), layers


def _on_ground(place: Place, visit: Visit, edge: int, line: Any, sample: Any) -> tuple[Any, Any]:
    """Return easting and northing, in metres, of positions in the image, in lines and samples from its corner."""
    heading = -_LEAN if visit.ascending else np.pi + _LEAN
    along, across = (line - edge / 2) * _STEP, (sample - edge / 2) * _STEP
    half = place.size * 5.0
    east = place.west + half + along * np.sin(heading) + across * np.cos(heading)
    north = place.north - half + along * np.cos(heading) - across * np.sin(heading)
    return east, north


def _item(place: Place, visit: Visit, edge: int) -> dict[str, Any]:
    """Return the item of an acquisition: it has no grid, and says none."""
    properties, stem = radar_facts(place, visit, "GRD", {})
    name = f"{stem}_{place.name}"
    assets = {
        channel: {
            "href": f"./sentinel-1-grd/{name}/iw-{channel}.tiff",
            "type": COG,
            "roles": ["data"],
            "title": f"{channel.upper()}: vertical transmit, {'vertical' if channel == 'vv' else 'horizontal'} receive",
        }
        for channel in ("vh", "vv")
    }
    properties = properties | {
        "sar:looks_range": 5,
        "sar:looks_azimuth": 1,
        "s1:resolution": "high",
        "s1:shape": [edge, edge],
    }
    # A positive turn from the corner: down the flight first, then along the beam.
    corners = [_on_ground(place, visit, edge, *at) for at in ((0, 0), (edge, 0), (edge, edge), (0, edge))]
    if visit.ascending:
        corners.reverse()
    return make_item("sentinel-1-grd", name, lon_lat_ring(place.epsg, corners), properties, assets, ("sar", "sat"))
