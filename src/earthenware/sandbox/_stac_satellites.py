"""STAC items of satellite acquisitions in the shape of Planetary Computer's."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from earthenware.sandbox._dates import Visit
from earthenware.sandbox._mgrs import mgrs_square
from earthenware.sandbox._optical import GSD, Optical
from earthenware.sandbox._places import Place
from earthenware.sandbox._radar import LOOKS, NODATA, Radar
from earthenware.sandbox._spectra import BANDS
from earthenware.sandbox._stac import make_asset, make_item, ring, time_text

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


def optical_item(place: Place, visit: Visit, optical: Optical) -> dict[str, Any]:
    """Return the item of a Sentinel-2 L2A acquisition; percentages come from its scene classification."""
    moment = visit.optical
    zone = place.epsg % 100
    half = place.size * 5.0
    square = mgrs_square(zone, place.lat, place.west + half, place.north - half)
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
        gsd = GSD[band]
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


def radar_item(place: Place, visit: Visit, radar: Radar) -> dict[str, Any]:
    """Return the item of a Sentinel-1 RTC acquisition."""
    moment = visit.radar
    state = "ascending" if visit.ascending else "descending"
    orbit = 1 + (place.number * 37 + (0 if visit.ascending else 88)) % 175
    absolute = 20000 + int(moment.timestamp()) // 86400 % 30000
    stamp = f"{moment:%Y%m%dT%H%M%S}"
    name = f"S1A_IW_GRDH_1SDV_{stamp}_{stamp}_{absolute:06d}_{place.name}_rtc"
    shape = radar.pixels.shape[1:]
    assets = {}
    for channel in ("vv", "vh"):
        path = f"sentinel-1-rtc/{name}/{channel}.tif"
        assets[channel] = make_asset(path, radar.transform, shape, radar.epsg) | {
            "title": f"{channel.upper()}: gamma naught, terrain corrected",
            "gsd": 10.0,
            "raster:bands": [{"data_type": "float32", "nodata": NODATA, "spatial_resolution": 10}],
        }
    properties = {
        "datetime": time_text(moment),
        "start_datetime": time_text(moment),
        "end_datetime": time_text(moment),
        "platform": "SENTINEL-1A",
        "constellation": "Sentinel-1",
        "instruments": ["c-sar"],
        "gsd": 10,
        "proj:code": f"EPSG:{radar.epsg}",
        "proj:shape": list(shape),
        "proj:transform": list(radar.transform),
        "sat:orbit_state": state,
        "sat:relative_orbit": orbit,
        "sat:absolute_orbit": absolute,
        "sar:frequency_band": "C",
        "sar:center_frequency": 5.405,
        "sar:instrument_mode": "IW",
        "sar:product_type": "RTC",
        "sar:polarizations": ["VV", "VH"],
        "sar:observation_direction": "right",
        "sar:looks_equivalent_number": LOOKS,
        "sar:pixel_spacing_range": 10,
        "sar:pixel_spacing_azimuth": 10,
    }
    footprint = ring(radar.epsg, radar.transform, shape)
    return make_item("sentinel-1-rtc", name, footprint, properties, assets, ("proj", "raster", "sar", "sat"))


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
