"""The chip index as tables to expect things of: chips, places, splits, sensors, observations, columns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from earthenware.chips import column

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd
    import pyarrow as pa
    from numpy.typing import NDArray

    from earthenware.chips import SensorLayout

SPLITS: Final = ("train", "validation", "test")


def required_columns(sensors: Sequence[str]) -> dict[str, str]:
    """Return the columns that an index must have and the kind of value each holds."""
    columns = {
        "chip_id": "text",
        "scene_id": "text",
        "site": "text",
        "split": "text",
        "datetime": "time",
        "lon": "number",
        "lat": "number",
        "geometry": "bytes",
        "crs": "text",
        "transform": "list",
        "row": "integer",
        "col": "integer",
        "gsd": "number",
        "digest": "text",
    }
    for sensor in sensors:
        columns[column(sensor, "present")] = "boolean"
        columns[column(sensor, "datetime")] = "time"
        columns[column(sensor, "items")] = "list"
        columns[column(sensor, "nodata_fraction")] = "number"
    return columns


def index_tables(index: pa.Table, sensors: Mapping[str, SensorLayout], chip_size: int) -> dict[str, pd.DataFrame]:
    """Turn a chip index into the tables that the index's expectations look at.

    Args:
        index: The index of a chip store; columns may be missing or of a wrong type.
        sensors: The store's sensors.
        chip_size: Side of a chip in pixels.

    Returns:
        Tables by name. ``columns`` and ``chips`` are always there; a table whose source columns are missing is not, and
        neither are its expectations (``index_schema`` reports the missing columns).
    """
    columns = _columns(index, sensors)
    tables: dict[str, pd.DataFrame] = {"columns": columns}
    usable = [name for name, found, expected in columns.itertuples(index=False) if found == expected]
    chips = index.drop_columns([name for name in index.column_names if name.endswith("_hrefs")]).to_pandas()
    tables["chips"] = chips
    tables["gaps"] = _gaps(chips)
    for name in usable:
        if columns.set_index("column").loc[name, "expected"] == "time":
            chips[name] = _naive_utc(chips[name])
    if {"crs", "transform", "lon", "lat"} <= set(usable):
        chips["off_grid_m"] = _distance_from_grid(chips, chip_size)
    if "geometry" in usable:
        _add_geometry(chips, {"lon", "lat"} <= set(usable), "split" in usable)
    if {"site", "split"} <= set(usable):
        grouped = chips.groupby("site")["split"]
        tables["places"] = grouped.agg(
            splits="nunique", names=lambda values: ", ".join(sorted(set(values.dropna())))
        ).reset_index()
    if "split" in usable:
        tables["splits"] = _splits(chips)
    present = [sensor for sensor in sensors if column(sensor, "present") in usable]
    if present:
        tables["sensors"] = _sensors(chips, present)
    observed = [sensor for sensor in present if column(sensor, "datetime") in usable]
    if observed and {"chip_id", "datetime"} <= set(usable):
        tables["observations"] = _observations(chips, observed, sensors)
    fractions = [name for name in chips.columns if name.endswith("_fraction") and chips[name].dtype.kind == "f"]
    if fractions and "chip_id" in usable:
        tables["fractions"] = chips.melt("chip_id", fractions, "column", "fraction").dropna(subset="fraction")
    return tables


def _kind(kind: pa.DataType) -> str:
    import pyarrow.types as is_

    if is_.is_dictionary(kind):
        return _kind(kind.value_type)
    checks = {
        "text": is_.is_string(kind) or is_.is_large_string(kind),
        "integer": is_.is_integer(kind),
        "number": is_.is_floating(kind) or is_.is_decimal(kind),
        "time": is_.is_timestamp(kind),
        "boolean": is_.is_boolean(kind),
        "bytes": is_.is_binary(kind) or is_.is_large_binary(kind),
        "list": is_.is_list(kind) or is_.is_large_list(kind) or is_.is_fixed_size_list(kind),
    }
    return next((name for name, holds in checks.items() if holds), str(kind))


def _columns(index: pa.Table, sensors: Mapping[str, SensorLayout]) -> pd.DataFrame:
    import pandas as pd

    rows = []
    for name, expected in required_columns(list(sensors)).items():
        found = _kind(index.schema.field(name).type) if name in index.column_names else "missing"
        if expected == "number" and found == "integer":
            found = "number"  # a whole number is a number
        rows.append((name, found, expected))
    return pd.DataFrame(rows, columns=["column", "found", "expected"])


def _gaps(chips: pd.DataFrame) -> pd.DataFrame:
    import pandas as pd

    required = [name for name in required_columns(()) if name in chips.columns]
    return pd.DataFrame({"column": required, "missing": [int(chips[name].isna().sum()) for name in required]})


def _naive_utc(times: pd.Series[Any]) -> pd.Series[Any]:
    """Drop the time zone after converting to UTC: Great Expectations compares naive times."""
    if times.dt.tz is not None:
        times = times.dt.tz_convert("UTC").dt.tz_localize(None)
    return times.astype("datetime64[us]")


def _distance_from_grid(chips: pd.DataFrame, chip_size: int) -> NDArray[np.float64]:
    """Return the distance (m) between each chip's stated centre and the centre that its grid position gives.

    A position that cannot be computed (an unknown CRS, infinite coordinates) counts as infinitely far.
    """
    import pyproj

    distance = np.full(len(chips), np.inf)
    sphere = pyproj.Geod(ellps="WGS84")
    for crs, group in chips.groupby("crs"):
        try:
            to_degrees = pyproj.Transformer.from_crs(crs, "OGC:CRS84", always_xy=True)
        except pyproj.exceptions.CRSError:
            continue
        rows = chips.index.get_indexer(group.index)
        lon, lat = to_degrees.transform(*_centre(group["transform"], chip_size))
        stated_lon, stated_lat = group["lon"].to_numpy(np.float64), group["lat"].to_numpy(np.float64)
        sane = np.isfinite(lon) & np.isfinite(lat) & (np.abs(stated_lat) <= 90) & np.isfinite(stated_lon)
        _, _, metres = sphere.inv(lon[sane], lat[sane], stated_lon[sane], stated_lat[sane])
        distance[rows[sane]] = metres
    return distance


def _centre(transforms: pd.Series[Any], chip_size: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the projected centres of chips; a chip's transform maps its pixels' corners (column, row) to x and y."""
    unknown = np.full(6, np.nan)
    affine = np.stack([unknown if values is None or len(values) != 6 else values for values in transforms])
    a, b, c, d, e, f = affine.astype(np.float64).T
    half = chip_size / 2
    return c + (a + b) * half, f + (d + e) * half


def _add_geometry(chips: pd.DataFrame, with_position: bool, with_split: bool) -> None:
    import shapely

    shapes = shapely.from_wkb(chips["geometry"].to_numpy(dtype=object), on_invalid="ignore")
    polygons = shapely.is_valid(shapes) & (shapely.get_type_id(shapes) == 3) & (shapely.area(shapes) > 0)
    west, south, east, north = shapely.bounds(shapes).T
    # An outline across the antimeridian goes on beyond 180 degrees; one that jumped would span the globe.
    polygons &= east - west < 180
    on_globe = (np.abs(west + east) <= 360) & (south >= -90) & (north <= 90)
    chips["geometry_valid"] = polygons & on_globe
    del chips["geometry"]
    if with_position:
        points = shapely.points(chips["lon"].to_numpy(np.float64), chips["lat"].to_numpy(np.float64))
        chips["position_in_geometry"] = shapely.intersects(shapes, points)
    if with_split:
        chips["other_split_overlap"], chips["other_split_chip"] = _overlap(shapes, polygons, chips)


def _overlap(shapes: Any, polygons: NDArray[np.bool_], chips: pd.DataFrame) -> tuple[NDArray[np.float64], Any]:
    """Return the largest share of each chip's area that a chip of another split covers, and that chip's id.

    Chips of one place and many dates have the same outline, so outlines are compared once per split.
    """
    import shapely

    share, other = np.zeros(len(shapes)), np.full(len(shapes), "", dtype=object)
    splits = chips["split"].fillna("").to_numpy(dtype=object)
    identifiers = chips.get("chip_id", chips["split"]).to_numpy(dtype=object)
    for split in sorted(set(splits[polygons])):
        mine = np.flatnonzero(polygons & (splits == split))
        theirs = np.flatnonzero(polygons & (splits != split))
        if not len(theirs):
            continue
        outlines, first, inverse = np.unique(shapely.to_wkb(shapes[mine]), return_index=True, return_inverse=True)
        tree = shapely.STRtree(shapes[theirs])
        a, b = tree.query(shapes[mine[first]], predicate="intersects")
        covered = shapely.area(shapely.intersection(shapes[mine[first]][a], shapes[theirs][b]))
        covered /= shapely.area(shapes[mine[first]][a])
        largest, partner = np.zeros(len(outlines)), np.zeros(len(outlines), dtype=int)
        for outline, candidate, fraction in zip(a, b, covered, strict=True):
            if fraction > largest[outline]:
                largest[outline], partner[outline] = fraction, theirs[candidate]
        share[mine] = largest[inverse]
        other[mine] = np.where(largest[inverse] > 0, identifiers[partner[inverse]], "")
    return share, other


def _splits(chips: pd.DataFrame) -> pd.DataFrame:
    import pandas as pd

    counts = chips["split"].value_counts()
    return pd.DataFrame({split: [int(counts.get(split, 0))] for split in SPLITS})


def _sensors(chips: pd.DataFrame, sensors: Sequence[str]) -> pd.DataFrame:
    import pandas as pd

    found = [int(chips[column(sensor, "present")].fillna(False).sum()) for sensor in sensors]
    share = [count / max(1, len(chips)) for count in found]
    return pd.DataFrame({"sensor": list(sensors), "chips": found, "share": share})


def _observations(chips: pd.DataFrame, sensors: Sequence[str], layouts: Mapping[str, SensorLayout]) -> pd.DataFrame:
    """Return one row per chip and sensor that it has: when the sensor looked, and how far from the chip's own time."""
    import pandas as pd

    frames = []
    for sensor in sensors:
        has = chips[column(sensor, "present")].fillna(False).astype(bool)
        times = chips.loc[has, column(sensor, "datetime")]
        gap = (times - chips.loc[has, "datetime"]).abs().dt.total_seconds() / 86400
        frames.append(
            pd.DataFrame(
                {
                    "chip_id": chips.loc[has, "chip_id"],
                    "sensor": sensor,
                    "datetime": times,
                    # Terrain and maps have no date of their own that should be near.
                    "gap_days": gap if layouts[sensor].kind == "radar" else np.nan,
                }
            )
        )
    return pd.concat(frames, ignore_index=True)
