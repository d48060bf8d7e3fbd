"""All files and items of one place."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earthenware.sandbox._cog import write_cog
from earthenware.sandbox._dates import visits
from earthenware.sandbox._flood import inundate
from earthenware.sandbox._landcover import make_ground
from earthenware.sandbox._maps import elevation_tiles, land_cover_tiles
from earthenware.sandbox._optical import acquire
from earthenware.sandbox._places import MARGIN, make_place
from earthenware.sandbox._radar import NODATA, listen
from earthenware.sandbox._stac import dem_item, flood_item, land_cover_item
from earthenware.sandbox._stac_satellites import optical_item, radar_item


def place_record(scratch: Path, number: int) -> Path:
    """Return the file that says that a place is done and holds its items and digest."""
    return scratch / f"place-{number:03d}.json"


def make_place_files(folder: Path, scratch: Path, number: int, dates: int, size: int, seed: int) -> None:
    """Make one place: its COGs first, then its record.

    Args:
        folder: Folder of the sandbox.
        scratch: Folder for unfinished files and records.
        number: Number of the place.
        dates: Sentinel-2 acquisitions.
        size: Edge length of the scenes, in pixels of 10 m.
        seed: Seed of the sandbox.
    """
    place = make_place(number, size, seed)
    ground = make_ground(place)
    items: list[dict[str, Any]] = []
    digest = hashlib.sha256()

    def save(item: dict[str, Any], asset: str, pixels: NDArray[Any], **options: Any) -> None:
        facts = item["assets"][asset]
        epsg = int(facts["proj:code"].removeprefix("EPSG:"))
        write_cog(folder / facts["href"], scratch, pixels, epsg, tuple(facts["proj:transform"]), **options)
        digest.update(f"{item['id']}/{asset}/{pixels.dtype}/{pixels.shape}".encode())
        digest.update(np.ascontiguousarray(pixels).data)

    for tile in elevation_tiles(ground):
        item = dem_item(place, tile)
        save(item, "data", tile.pixels, overview="average", pixel_is_point=True)
        items.append(item)
    for tile in land_cover_tiles(ground):
        item = land_cover_item(place, tile)
        save(item, "map", tile.pixels, nodata=0)
        items.append(item)
    for visit in visits(place, dates):
        flooded = inundate(ground) if visit.flood else None
        optical = acquire(ground, visit.optical, clear=visit.flood, flooded=flooded)
        item = optical_item(place, visit, optical)
        for band, pixels in optical.bands.items():
            save(item, band, pixels, nodata=0, overview="average")
        save(item, "SCL", optical.scl, nodata=0)
        items.append(item)
        radar = listen(ground, visit.radar, ascending=visit.ascending, flooded=flooded)
        item = radar_item(place, visit, radar)
        for channel, pixels in zip(("vv", "vh"), radar.pixels, strict=True):
            save(item, channel, pixels, nodata=NODATA, overview="average")
        items.append(item)
        if flooded is not None:
            water = (flooded | ground.terrain.water)[MARGIN:-MARGIN, MARGIN:-MARGIN]
            seen = optical.bands["B02"] != 0
            item = flood_item(place, visit)
            save(item, "water", np.where(seen, water, 255).astype(np.uint8), nodata=255)
            items.append(item)
    record = place_record(scratch, number)
    unfinished = record.with_suffix(".unfinished")
    unfinished.write_text(json.dumps({"items": items, "digest": digest.hexdigest()}))
    unfinished.replace(record)
