"""A Sentinel-2 L2A acquisition: bands at their native resolution, the scene classification, and its item."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from earthenware.sandbox._clouds import Sky, make_sky
from earthenware.sandbox._landcover import Ground
from earthenware.sandbox._noise import Field, smooth
from earthenware.sandbox._optical import lit_cover, reflect, through
from earthenware.sandbox._places import MARGIN, Place, Visit
from earthenware.sandbox._spectra import BANDS, CLEAR, SILT, SNOW, colours
from earthenware.sandbox._stac import Layer, Product, make_asset, make_item, ring, time_text
from earthenware.sandbox._sun import Sun, sun_at

_OFFSET_FROM: Final = datetime(2022, 1, 25, tzinfo=UTC)
"""From this day on, processing baseline 04.00 adds 1000 to every digital number (Sentinel-2 products specification)."""

_GSD: Final = {band: 10 if band in ("B02", "B03", "B04", "B08") else 20 for band in BANDS}
"""Native ground sampling distance of each band, in metres."""

# Common name, centre and width in micrometres (Sentinel-2 user handbook, MSI of Sentinel-2A).
_BAND_FACTS: Final = {
    "B02": ("blue", 0.49, 0.098),
    "B03": ("green", 0.56, 0.045),
    "B04": ("red", 0.665, 0.038),
    "B05": ("rededge", 0.704, 0.019),
    "B06": ("rededge", 0.74, 0.018),
    "B07": ("rededge", 0.783, 0.028),
    "B08": ("nir", 0.842, 0.145),
    "B8A": ("rededge", 0.865, 0.033),
    "B11": ("swir16", 1.61, 0.143),
    "B12": ("swir22", 2.19, 0.242),
}
_SCL_PROPERTIES: Final = {
    1: "s2:saturated_defective_pixel_percentage",
    2: "s2:dark_features_percentage",
    3: "s2:cloud_shadow_percentage",
    4: "s2:vegetation_percentage",
    5: "s2:not_vegetated_percentage",
    6: "s2:water_percentage",
    7: "s2:unclassified_percentage",
    8: "s2:medium_proba_clouds_percentage",
    9: "s2:high_proba_clouds_percentage",
    10: "s2:thin_cirrus_percentage",
    11: "s2:snow_ice_percentage",
}
_MGRS_BANDS: Final = "CDEFGHJKLMNPQRSTUVWX"
_MGRS_COLUMNS: Final = ("ABCDEFGH", "JKLMNPQR", "STUVWXYZ")
_MGRS_ROWS: Final = "ABCDEFGHJKLMNPQRSTUV"


@dataclass(frozen=True)
class _Optical:
    """One acquisition.

    Attributes:
        bands: Digital numbers per band [y, x], uint16, at the band's native resolution; 0 is no data.
        scl: Scene classification [y, x], uint8, at 20 m.
        sun: Direction of the sun.
    """

    bands: dict[str, NDArray[np.uint16]]
    scl: NDArray[np.uint8]
    sun: Sun


def optical_product(ground: Ground, visit: Visit, flooded: NDArray[np.bool_] | None) -> Product:
    """Return the Sentinel-2 acquisition of a visit.

    Args:
        ground: The place.
        visit: When it is seen; on the day of the flood the sky is nearly free of clouds.
        flooded: Pixels under flood water [y, x], margins included, or None.

    Returns:
        The item and its pixels over the scene (without margins).
    """
    optical = _acquire(ground, visit.optical, clear=visit.flood, flooded=flooded)
    layers = {band: Layer(pixels, nodata=0, overview="average") for band, pixels in optical.bands.items()}
    return _item(ground.place, visit.optical, optical), {**layers, "SCL": Layer(optical.scl, nodata=0)}


def _acquire(ground: Ground, moment: datetime, *, clear: bool, flooded: NDArray[np.bool_] | None) -> _Optical:
    """Look at a place from above; ``clear`` leaves out all but a few clouds."""
    place = ground.place
    rng = np.random.default_rng([place.seed, place.number, 7, int(moment.timestamp())])
    sun = sun_at(place.lon, place.lat, moment)
    sky = make_sky(rng, place.size, sun, clear=clear)
    window = (slice(MARGIN, -MARGIN), slice(MARGIN, -MARGIN))
    # Cover is mixed in the light it stands in; the sensor then averages over its pixel.
    lit, light = lit_cover(ground, moment, sun, flooded)
    lit, light = lit[:, *window], light[window]
    spectra = colours(ground, moment)
    pooled = _pool(lit)
    sky20 = Sky(
        _pool(sky.cloud), _pool(sky.bright), _pool(sky.shadow), _pool(sky.cirrus), sky.seen[::2, ::2], sky.haze
    )  # fmt: skip
    offset = 1000 if moment >= _OFFSET_FROM else 0
    bands: dict[str, NDArray[np.uint16]] = {}
    surface: dict[str, Field] = {}
    for number, band in enumerate(BANDS):
        fine = _GSD[band] == 10
        source, above = (lit, sky) if fine else (pooled, sky20)
        reflectance = reflect(source, spectra[:, number])
        if fine:
            reflectance = smooth(reflectance, 0.45)
        surface[band] = reflectance
        reflectance = through(reflectance, above, number)
        noise = rng.standard_normal(reflectance.shape, dtype=np.float32)
        reflectance = reflectance + noise * (np.float32(0.0012) + np.float32(0.008) * reflectance)
        numbers = np.clip(np.round(reflectance * np.float32(10000)) + offset, 1, 65535)
        bands[band] = np.where(above.seen, numbers, 0).astype(np.uint16)
    scl = _classify(pooled, _pool(np.broadcast_to(light, lit.shape[1:])), surface, sky20)
    return _Optical(bands, scl, sun)


def _pool(field: NDArray[np.float32]) -> NDArray[np.float32]:
    """Average 2 x 2 pixels of the last two axes."""
    return np.asarray(
        (field[..., ::2, ::2] + field[..., 1::2, ::2] + field[..., ::2, 1::2] + field[..., 1::2, 1::2])
        * np.float32(0.25)
    )


def _classify(shares: NDArray[np.float32], light: Field, surface: dict[str, Field], sky: Sky) -> NDArray[np.uint8]:
    """Return the scene classification [y, x] at 20 m, codes of the Sentinel-2 products specification."""
    red, near = _pool(surface["B04"]), surface["B8A"]
    greenness = (near - red) / np.maximum(near + red, 1e-3)
    total = np.maximum(shares.sum(axis=0), 1e-3)
    result = np.where(greenness > 0.38, 4, 5).astype(np.uint8)
    result[light < 0.42] = 2
    result[(shares[CLEAR] + shares[SILT]) / total > 0.55] = 6
    result[shares[SNOW] / total > 0.4] = 11
    result[sky.shadow > 0.35] = 3
    result[sky.cirrus > 0.045] = 10
    result[(sky.cloud > 0.1) | ((sky.shadow > 0.18) & (sky.shadow <= 0.35))] = 7
    result[sky.cloud > 0.2] = 8
    result[sky.cloud > 0.55] = 9
    result[~sky.seen] = 0
    return result


def _item(place: Place, moment: datetime, optical: _Optical) -> dict[str, Any]:
    """Return the item of an acquisition; percentages come from its scene classification."""
    zone = place.epsg % 100
    half = place.size * 5.0
    square = _mgrs_square(zone, place.lat, place.west + half, place.north - half)
    platform = "A" if int(moment.timestamp()) // 86400 % 2 else "B"
    baseline = _baseline(moment)
    digits = baseline.replace(".", "")
    orbit = 7 + (place.number * 29) % 136
    stamp = f"{moment:%Y%m%dT%H%M%S}"
    # The tile's name is followed by the place's: two small places may share one 100 km square.
    name = f"S2{platform}_MSIL2A_{stamp}_R{orbit:03d}_T{square}_{place.name}"
    folder = f"sentinel-2-l2a/{name}"
    assets: dict[str, Any] = {}
    for band in BANDS:
        common, centre, width = _BAND_FACTS[band]
        gsd = _GSD[band]
        assets[band] = make_asset(
            f"{folder}/{band}.tif", place.transform(gsd), (place.size * 10 // gsd,) * 2, place.epsg
        ) | {
            "title": f"{band} - {gsd}m",
            "gsd": float(gsd),
            "eo:bands": [
                {"name": band, "common_name": common, "center_wavelength": centre, "full_width_half_max": width}
            ],
            "raster:bands": [{"data_type": "uint16", "nodata": 0, "spatial_resolution": gsd}],
        }
    assets["SCL"] = make_asset(f"{folder}/SCL.tif", place.transform(20.0), (place.size // 2,) * 2, place.epsg) | {
        "title": "Scene classification map (SCL) - 20m",
        "gsd": 20.0,
        "raster:bands": [{"data_type": "uint8", "nodata": 0, "spatial_resolution": 20}],
    }
    properties = {
        "datetime": time_text(moment),
        "platform": f"Sentinel-2{platform}",
        "constellation": "Sentinel 2",
        "instruments": ["msi"],
        "gsd": 10,
        "proj:code": f"EPSG:{place.epsg}",
        "grid:code": f"MGRS-{square}",
        "sat:orbit_state": "descending",
        "sat:relative_orbit": orbit,
        "s2:mgrs_tile": square,
        "s2:product_type": "S2MSI2A",
        "s2:product_uri": f"S2{platform}_MSIL2A_{stamp}_N{digits}_R{orbit:03d}_T{square}_{stamp}.SAFE",
        "s2:datatake_id": f"GS2{platform}_{stamp}_{100 * place.number:06d}_N{baseline}",
        "s2:datatake_type": "INS-NOBS",
        "s2:processing_baseline": baseline,
        "s2:mean_solar_zenith": round(math.degrees(optical.sun.zenith), 4),
        "s2:mean_solar_azimuth": round(math.degrees(optical.sun.azimuth), 4),
        "s2:degraded_msi_data_percentage": 0.0,
        **_percentages(optical.scl),
    }
    footprint = ring(place.epsg, place.transform(), (place.size,) * 2)
    return make_item("sentinel-2-l2a", name, footprint, properties, assets, ("eo", "grid", "proj", "raster", "sat"))


def _percentages(scl: NDArray[np.uint8]) -> dict[str, float]:
    """Return the statistics of a scene classification, in percent; classes are shares of the pixels that were seen."""
    seen = max(int((scl != 0).sum()), 1)
    shares = {name: round(100 * int((scl == code).sum()) / seen, 6) for code, name in _SCL_PROPERTIES.items()}
    cloudy = int(np.isin(scl, (8, 9, 10)).sum())
    nodata = round(100 * int((scl == 0).sum()) / scl.size, 6)
    return {"eo:cloud_cover": round(100 * cloudy / seen, 6), "s2:nodata_pixel_percentage": nodata, **shares}


def _baseline(moment: datetime) -> str:
    """Return the processing baseline of a day's products in Planetary Computer, whose oldest ones are reprocessed."""
    history = (("20221206", "05.09"), ("20220125", "04.00"), ("20210630", "03.01"), ("20210330", "03.00"))
    return next((baseline for start, baseline in history if f"{moment:%Y%m%d}" >= start), "02.12")


def _mgrs_square(zone: int, lat: float, easting: float, northing: float) -> str:
    """Return the 100 km square of the Military Grid Reference System that holds a point in metres, as ``33UXP``."""
    band = _MGRS_BANDS[min(int((lat + 80) // 8), len(_MGRS_BANDS) - 1)]
    column = _MGRS_COLUMNS[(zone - 1) % 3][int(easting // 100_000) - 1]
    row = _MGRS_ROWS[(int(northing // 100_000) + (0 if zone % 2 else 5)) % 20]
    return f"{zone:02d}{band}{column}{row}"
