"""Bands onto a grid: copied where grids coincide, warped elsewhere, and never a value from nodata."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from affine import Affine
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox
from pyproj import Transformer
from pytest_httpserver import HTTPServer
from scipy.ndimage import map_coordinates
from werkzeug import Request, Response

from earthenware import storage
from earthenware.datacube._read import read_band
from earthenware.errors import EarthenwareError
from earthenware.rasters import Reading
from earthenware.testing import s3_service
from tests.datacube._earth import CRS, ORIGIN, grid_transform, write_tiff

READING = Reading(retries=3, timeout=20)


def _grid(height: int, width: int, transform: Affine | None = None, crs: str = CRS) -> GeoBox:
    return GeoBox((height, width), transform or grid_transform(), crs)


def _finite(raw: np.ndarray) -> np.ndarray:
    return np.isfinite(raw)


def _nonzero(raw: np.ndarray) -> np.ndarray:
    return raw != 0


def _read(
    links: list[Path | str], grid: GeoBox, resampling: Any = "bilinear", accept: Any = _finite, **changes: Any
) -> Any:
    links = [str(link) for link in links]
    return read_band(links, grid, resampling=resampling, accept=accept, reading=replace(READING, **changes))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(row=st.integers(-60, 140), column=st.integers(-60, 140), height=st.integers(1, 90), width=st.integers(1, 90))
def test_pixels_of_a_grid_that_coincides_are_copied(
    tmp_path: Path, row: int, column: int, height: int, width: int
) -> None:
    values = np.random.default_rng(1).integers(1, 60000, (100, 120)).astype(np.uint16)
    path = write_tiff(tmp_path / "a.tif", values, grid_transform())
    found, covered = _read([path], _grid(height, width, grid_transform() * Affine.translation(column, row)))
    padded = np.full((400, 400), np.nan, dtype=np.float32)
    padded[100:200, 100:220] = values
    expected = padded[100 + row : 100 + row + height, 100 + column : 100 + column + width]
    np.testing.assert_array_equal(found, expected)
    assert covered == bool(np.isfinite(expected).any())


@pytest.mark.parametrize("resampling", ["nearest", "bilinear"])
@pytest.mark.parametrize("shift", [0.0, 3.7])
def test_coarser_pixels_are_interpolated_between_their_centres(tmp_path: Path, resampling: str, shift: float) -> None:
    values = np.random.default_rng(2).random((60, 70)).astype(np.float32) * 1000
    origin = (ORIGIN[0] + shift, ORIGIN[1] - shift)
    path = write_tiff(tmp_path / "a.tif", values, grid_transform(20, origin))
    found, _ = _read([path], _grid(120, 140), resampling)
    y = (np.arange(120) + 0.5 - shift / 10) / 2 - 0.5
    x = (np.arange(140) + 0.5 - shift / 10) / 2 - 0.5
    order = 1 if resampling == "bilinear" else 0
    expected = map_coordinates(values.astype(float), np.meshgrid(y, x, indexing="ij"), order=order, mode="nearest")
    inside = np.s_[2:-2, 2:-2]
    np.testing.assert_allclose(found[inside], expected[inside], rtol=1e-5)
    assert np.isfinite(found[2:, 2:]).all(), "a pixel inside the file's area has a value"


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 9999), share=st.floats(0.01, 0.6))
def test_nodata_neither_bleeds_nor_is_filled(tmp_path: Path, seed: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    values = rng.integers(1000, 1100, (40, 40)).astype(np.uint16)
    missing = rng.random((40, 40)) < share
    values[missing] = 0
    path = write_tiff(tmp_path / "a.tif", values, grid_transform(20))
    found, _ = _read([path], _grid(80, 80), accept=_nonzero)
    np.testing.assert_array_equal(np.isnan(found), np.kron(missing, np.ones((2, 2))).astype(bool))
    seen = found[np.isfinite(found)]
    assert seen.min() >= 1000
    assert seen.max() < 1100


def test_the_tagged_nodata_counts_too(tmp_path: Path) -> None:
    values = np.ones((20, 20), dtype=np.float32)
    values[3, 4], values[5, 6] = -9999, np.nan
    path = write_tiff(tmp_path / "a.tif", values, grid_transform(), nodata=-9999)
    found, _ = _read([path], _grid(20, 20))
    assert np.argwhere(np.isnan(found)).tolist() == [[3, 4], [5, 6]]


@pytest.mark.parametrize("crs", [CRS, "EPSG:4326"])
def test_what_is_read_does_not_depend_on_the_window(tmp_path: Path, crs: str) -> None:
    """A scene is read in strips: no seam may show."""
    rng = np.random.default_rng(4)
    if crs == CRS:
        transform = grid_transform(20)
    else:
        lon, lat = Transformer.from_crs(CRS, crs, always_xy=True).transform(ORIGIN[0] - 200, ORIGIN[1] + 200)
        transform = Affine(1 / 3600, 0, lon, 0, -1 / 3600, lat)
    values = rng.random((150, 150)).astype(np.float32)
    values[rng.random(values.shape) < 0.1] = np.nan
    path = write_tiff(tmp_path / "a.tif", values, transform, crs=crs)
    grid = _grid(200, 180)
    whole, _ = _read([path], grid)
    parts = [_read([path], grid[top : top + 50, :180])[0] for top in range(0, 200, 50)]
    together = np.concatenate(parts)
    # GDAL approximates a change of CRS per window: to hundredths of a pixel.
    np.testing.assert_allclose(together, whole, atol=0 if crs == CRS else 0.05)


def test_the_first_file_with_a_value_counts(tmp_path: Path) -> None:
    first, second = np.full((20, 20), 1, np.float32), np.full((20, 20), 2, np.float32)
    first[:10] = np.nan
    paths = [write_tiff(tmp_path / f"{i}.tif", one, grid_transform()) for i, one in enumerate((first, second))]
    found, _ = _read([paths[0], paths[1]], _grid(20, 20))
    assert (found[:10] == 2).all()
    assert (found[10:] == 1).all()
    beside = write_tiff(tmp_path / "b.tif", second, grid_transform(10, (ORIGIN[0] + 200, ORIGIN[1])))
    found, _ = _read([paths[0], beside], _grid(20, 40))
    assert (found[10:, :20] == 1).all()
    assert (found[:, 20:] == 2).all()


def test_radar_is_averaged_in_power(tmp_path: Path) -> None:
    """Two pixels of 0 and -20 dB make -3 dB between them, not -10."""
    values = np.array([[1.0, 0.01]] * 2, dtype=np.float32)
    path = write_tiff(tmp_path / "a.tif", values, grid_transform(10, (ORIGIN[0] - 5, ORIGIN[1])))
    found, _ = _read([path], _grid(2, 1))
    assert 10 * np.log10(found[0, 0]) == pytest.approx(10 * np.log10(0.505), abs=1e-4)


@pytest.mark.parametrize(
    ("damage", "code"), [("gone", "MISSING_ASSET"), ("half", "UNREADABLE_ASSET"), ("text", "UNREADABLE_ASSET"),
                         ("empty", "UNREADABLE_ASSET"), ("crs", "NO_CRS")],
)  # fmt: skip
def test_a_bad_file_is_named(tmp_path: Path, damage: str, code: str) -> None:
    values = np.random.default_rng(1).integers(1, 60000, (256, 256)).astype(np.uint16)
    path = write_tiff(tmp_path / "a.tif", values, grid_transform(), crs=None if damage == "crs" else CRS)
    if damage == "gone":
        path.unlink()
    elif damage == "half":
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    elif damage == "text":
        path.write_text("<html>not a picture</html>")
    elif damage == "empty":
        path.write_bytes(b"")
    with pytest.raises(EarthenwareError, match=r"a\.tif") as raised:
        _read([path], _grid(256, 256))
    assert raised.value.code == code


@pytest.fixture
def tiff(tmp_path: Path) -> bytes:
    values = np.random.default_rng(1).integers(1, 60000, (100, 100)).astype(np.uint16)
    return write_tiff(tmp_path / "a.tif", values, grid_transform()).read_bytes()


def _serve(server: HTTPServer, path: str, data: bytes, failures: list[int]) -> None:
    """Serve a file with ranges, after answering with the given codes first."""

    def answer(request: Request) -> Response:
        if failures:
            return Response(status=failures.pop(0))
        ranges = request.range
        if ranges and request.method == "GET":
            start, stop = ranges.ranges[0]
            stop = min(stop or len(data), len(data))
            headers = {"Content-Range": f"bytes {start}-{stop - 1}/{len(data)}", "Accept-Ranges": "bytes"}
            return Response(data[start:stop], status=206, headers=headers)
        return Response(data, headers={"Accept-Ranges": "bytes"})

    server.expect_request(path).respond_with_handler(answer)


@pytest.mark.parametrize("failures", [[], [503], [429, 500, 502]])
def test_failed_requests_are_tried_again(httpserver: HTTPServer, tiff: bytes, failures: list[int]) -> None:
    path = f"/ok{len(failures)}.tif"
    _serve(httpserver, path, tiff, list(failures))
    found, _ = _read([httpserver.url_for(path)], _grid(100, 100), delay=0.02)
    with rasterio.MemoryFile(tiff) as memory, memory.open() as file:
        np.testing.assert_array_equal(found, file.read(1))


@pytest.mark.parametrize(("status", "code"), [(404, "MISSING_ASSET"), (503, "HTTP_ERROR"), (403, "HTTP_ERROR")])
def test_a_web_server_that_keeps_refusing(httpserver: HTTPServer, tiff: bytes, status: int, code: str) -> None:
    path = f"/bad{status}.tif"
    _serve(httpserver, path, tiff, [status] * 100)
    with pytest.raises(EarthenwareError, match=path) as raised:
        _read([httpserver.url_for(path) + "?sig=SECRET"], _grid(100, 100), delay=0.02)
    assert raised.value.code == code
    assert "SECRET" not in raised.value.message


def test_nobody_listens(tmp_path: Path) -> None:
    with pytest.raises(EarthenwareError, match=r"127\.0\.0\.1:9/x\.tif") as raised:
        _read(["http://127.0.0.1:9/x.tif"], _grid(10, 10), retries=1, delay=0.02)
    assert raised.value.code == "HTTP_ERROR"


@pytest.fixture(params=["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"])
def pixels(request: pytest.FixtureRequest) -> Iterator[str]:
    """A bucket of a service that only one of the two variables names."""
    with s3_service() as service, pytest.MonkeyPatch.context() as patch:
        bucket = service.bucket()
        patch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")  # where nobody listens
        patch.setenv(request.param, service.endpoint)
        yield bucket


def test_links_into_an_s3_store_are_read(pixels: str, tiff: bytes) -> None:
    storage.write_bytes(f"{pixels}/a.tif", tiff)
    reading = Reading(retries=1, timeout=10, own=(f"{pixels}/run",))
    found, covered = read_band(
        [f"{pixels}/a.tif"], _grid(100, 100), resampling="bilinear", accept=_finite, reading=reading
    )
    assert covered
    with rasterio.MemoryFile(tiff) as memory, memory.open() as file:
        np.testing.assert_array_equal(found, file.read(1))
    with pytest.raises(EarthenwareError) as raised:
        read_band([f"{pixels}/b.tif"], _grid(9, 9), resampling="bilinear", accept=_finite, reading=reading)
    assert raised.value.code == "MISSING_ASSET", raised.value.message


def test_a_real_elevation_model_lands_where_it_belongs(realdata: Path) -> None:
    """Copernicus DEM (degrees, pixel is point, no nodata tag) on UTM, against an interpolation made without GDAL."""
    path = realdata / "rio_tiler_pds/copernicus-dem/Copernicus_DSM_COG_10_N00_00_E006_00_DEM.tif"
    crs = "EPSG:32632"
    x0, y0 = Transformer.from_crs("OGC:CRS84", crs, always_xy=True).transform(6.5, 0.25)
    grid = _grid(300, 400, Affine(10.0, 0, x0 + 1.234, 0, -10.0, y0 + 5.678), crs)
    found, covered = _read([path], grid)
    assert covered
    with rasterio.open(path) as file:
        heights = file.read(1).astype(float)
    rows, columns = np.mgrid[0:300, 0:400]
    xs, ys = x0 + 1.234 + 10 * (columns + 0.5), y0 + 5.678 - 10 * (rows + 0.5)
    lon, lat = Transformer.from_crs(crs, "OGC:CRS84", always_xy=True).transform(xs, ys)
    # The file's posts lie on whole arc seconds from 6 E and 1 N: pixel is point.
    expected = map_coordinates(heights, [(1.0 - lat) * 3600, (lon - 6.0) * 3600], order=1)
    assert expected.std() > 20, "the window must hold some terrain, or the test could not fail"
    difference = np.abs(found - expected)
    assert difference.max() < 0.6, "a post off by half a pixel would differ by tens of metres"
    assert difference.mean() < 0.05
    shifted = map_coordinates(heights, [(1.0 - lat) * 3600 + 0.5, (lon - 6.0) * 3600 + 0.5], order=1)
    assert np.abs(found - shifted).mean() > 10 * difference.mean()
