"""Small STAC items made by hand, in the Planetary Computer's shape."""

from __future__ import annotations

import json

import pyproj
from shapely.geometry import box, mapping
from shapely.ops import transform

BANDS = ("B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12", "SCL")


def footprint(epsg, bounds):
    to_degrees = pyproj.Transformer.from_crs(epsg, "OGC:CRS84", always_xy=True).transform
    return mapping(transform(to_degrees, box(*bounds)))


def optical(name, when, *, tile="33UVR", origin=(500_003.0, 5_500_007.0), size=512, epsg=32633, **properties):
    left, top = origin
    grid = {
        "proj:code": f"EPSG:{epsg}",
        "proj:shape": [size, size],
        "proj:transform": [10.0, 0.0, left, 0.0, -10.0, top],
    }
    geometry = footprint(epsg, (left, top - 10 * size, left + 10 * size, top))
    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "id": name,
        "collection": "sentinel-2-l2a",
        "geometry": geometry,
        "properties": {
            "datetime": when,
            "eo:cloud_cover": 5.0,
            "s2:mgrs_tile": tile,
            "s2:processing_baseline": "05.09",
            **properties,
        },
        "links": [],
        "assets": {band: {"href": f"./{name}/{band}.tif", **(grid if band == "B02" else {})} for band in BANDS},
    }


def radar(name, when, bounds, *, epsg=32633, orbit=22, state="descending"):
    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "id": name,
        "collection": "sentinel-1-rtc",
        "geometry": footprint(epsg, bounds),
        "properties": {
            "datetime": when,
            "platform": "SENTINEL-1A",
            "sat:orbit_state": state,
            "sat:relative_orbit": orbit,
        },
        "links": [],
        "assets": {band: {"href": f"./{name}/{band}.tif"} for band in ("vv", "vh")},
    }


def static(name, collection, bounds, asset, *, epsg=32633, year=2021):
    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "id": name,
        "collection": collection,
        "geometry": footprint(epsg, bounds),
        "properties": {
            "datetime": None,
            "start_datetime": f"{year}-01-01T00:00:00Z",
            "end_datetime": f"{year}-12-31T23:59:59Z",
        },
        "links": [],
        "assets": {asset: {"href": f"./{name}.tif"}},
    }


def write(folder, items, name="items.json"):
    path = folder / name
    path.write_text(json.dumps({"type": "FeatureCollection", "features": items}))
    return str(path)


def landsat(name, when, *, path=198, row=26, origin=(500_015.0, 5_500_025.0), size=256, epsg=32633, **properties):
    """An item as the Planetary Computer has it: the grid stands among its properties."""
    left, top = origin
    bands = ("coastal", "blue", "green", "red", "nir08", "swir16", "swir22", "qa_pixel")
    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "id": name,
        "collection": "landsat-c2-l2",
        "geometry": footprint(epsg, (left, top - 30 * size, left + 30 * size, top)),
        "properties": {
            "datetime": when,
            "platform": "landsat-9",
            "eo:cloud_cover": 5.0,
            "landsat:wrs_type": "2",
            "landsat:wrs_path": f"{path:03d}",
            "landsat:wrs_row": f"{row:03d}",
            "landsat:collection_category": "T1",
            "proj:code": f"EPSG:{epsg}",
            "proj:shape": [size, size],
            "proj:transform": [30.0, 0.0, left, 0.0, -30.0, top],
            **properties,
        },
        "links": [],
        "assets": {band: {"href": f"./{name}/{band}.tif"} for band in bands},
    }


def grd(name, when, bounds, *, mode="IW", **options):
    item = radar(name, when, bounds, **options)
    item["collection"] = "sentinel-1-grd"
    item["properties"]["sar:instrument_mode"] = mode
    return item
