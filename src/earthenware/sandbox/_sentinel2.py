"""A Sentinel-2 L2A acquisition: bands at their native resolution, the scene classification, and its item."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Final

import numpy as np
from numpy.typing import NDArray

from earthenware.sandbox._landcover import Ground
from earthenware.sandbox._noise import Field, smooth
from earthenware.sandbox._optical import Sky, Sun, make_sky, reflect, sun_at, sunlight, through, with_noise
from earthenware.sandbox._places import MARGIN, Place, Visit
from earthenware.sandbox._spectra import CLEAR, SILT, SNOW, colours, compose
from earthenware.sandbox._stac import Layer, Product, band_facts, make_product, time_text

# In the order of ``BANDS``: native GSD in metres, common name, centre and width in micrometres (Sentinel-2 user
# handbook, MSI of Sentinel-2A).
_BAND_FACTS: Final = {
    "B02": (10, "blue", 0.49, 0.098),
    "B03": (10, "green", 0.56, 0.045),
    "B04": (10, "red", 0.665, 0.038),
    "B05": (20, "rededge", 0.704, 0.019),
    "B06": (20, "rededge", 0.74, 0.018),
    "B07": (20, "rededge", 0.783, 0.028),
    "B08": (10, "nir", 0.842, 0.145),
    "B8A": (20, "rededge", 0.865, 0.033),
    "B11": (20, "swir16", 1.61, 0.143),
    "B12": (20, "swir22", 2.19, 0.242),
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


def optical_product(ground: Ground, visit: Visit, flooded: NDArray[np.bool_] | None) -> Product:
    """Return the Sentinel-2 acquisition of a visit over the scene, without margins.

    On the day of the flood, when ``flooded`` [y, x] tells which pixels are under water, the sky is nearly clear.
    """
    place, moment = ground.place, visit.optical
    rng = place.rng(7, int(moment.timestamp()))
    sun = sun_at(place.lon, place.lat, moment)
    sky = make_sky(rng, place.size, sun, clear=visit.flood)
    window = (slice(MARGIN, -MARGIN), slice(MARGIN, -MARGIN))
    # Cover is mixed in the light it stands in; the sensor then averages over its pixel.
    light = sunlight(ground, sun)
    lit, light = (compose(ground, moment, flooded) * light)[:, *window], light[window]
    spectra = colours(ground, moment)
    pooled = _pool(lit)
    sky20 = Sky(
        _pool(sky.cloud), _pool(sky.bright), _pool(sky.shadow), _pool(sky.cirrus), sky.seen[::2, ::2], sky.haze
    )  # fmt: skip
    # Processing baseline 04.00 began to add 1000 to every digital number (Sentinel-2 products specification).
    offset = 1000 if _baseline(moment) >= "04.00" else 0
    surface: dict[str, Field] = {}
    layers: dict[str, Layer] = {}
    for number, (band, (gsd, common, centre, width)) in enumerate(_BAND_FACTS.items()):
        fine = gsd == 10
        source, above = (lit, sky) if fine else (pooled, sky20)
        reflectance = reflect(source, spectra[:, number])
        if fine:
            reflectance = smooth(reflectance, 0.45)
        surface[band] = reflectance
        reflectance = with_noise(rng, through(reflectance, above, number), 0.0012, 0.008)
        numbers = np.clip(np.round(reflectance * np.float32(10000)) + offset, 1, 65535)
        pixels = np.where(above.seen, numbers, 0).astype(np.uint16)
        eo = [{"name": band, "common_name": common, "center_wavelength": centre, "full_width_half_max": width}]
        facts = band_facts(f"{band} - {gsd}m", gsd, "uint16", 0, **{"eo:bands": eo})
        layers[band] = Layer(pixels, facts, place.grid(gsd), nodata=0, overview="average")
    scl = _classify(pooled, _pool(np.broadcast_to(light, lit.shape[1:])), surface, sky20)
    facts = band_facts("Scene classification map (SCL) - 20m", 20, "uint8", 0)
    layers["SCL"] = Layer(scl, facts, place.grid(20.0), nodata=0)
    return _product(place, moment, sun, layers)


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


def _product(place: Place, moment: datetime, sun: Sun, layers: dict[str, Layer]) -> Product:
    """Return the item of an acquisition and its layers; percentages come from the scene classification."""
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
        "s2:mean_solar_zenith": round(math.degrees(sun.zenith), 4),
        "s2:mean_solar_azimuth": round(math.degrees(sun.azimuth), 4),
        "s2:degraded_msi_data_percentage": 0.0,
        **_percentages(layers["SCL"].pixels),
    }
    return make_product("sentinel-2-l2a", name, properties, layers, ("eo", "grid", "proj", "raster", "sat"))


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
