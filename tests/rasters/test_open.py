"""Rasters of strangers: nothing but the file itself is read, as what it is called, and within limits."""

from __future__ import annotations

import os
import socket
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pytest
import rasterio
from affine import Affine
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from earthenware import network, storage
from earthenware.errors import EarthenwareError
from earthenware.rasters import Reading, open_raster, read_pixels

QUICK = Reading(retries=0, timeout=5)
VALUES = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64)


def write_raster(path: Path, values: np.ndarray = VALUES, driver: str = "GTiff", **options: Any) -> Path:
    options = {"crs": "EPSG:32631", "transform": Affine(10, 0, 500000, 0, -10, 5000000), **options}
    height, width = values.shape
    with rasterio.open(
        path, "w", driver=driver, height=height, width=width, count=1, dtype=values.dtype, **options
    ) as file:
        file.write(values, 1)
    return path


def read(href: str, reading: Reading = QUICK) -> np.ndarray:
    with open_raster(href, reading) as file:
        return read_pixels(file, ((0, file.height), (0, file.width)))


def refusal(href: str, reading: Reading = QUICK) -> EarthenwareError:
    with pytest.raises(EarthenwareError) as raised:
        read(href, reading)
    return raised.value


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A raster that nobody outside of this machine should see."""
    return write_raster(tmp_path / "secret.tif", np.full((64, 64), 4711, np.uint16))


def vrt(source: str) -> str:
    return f"""<VRTDataset rasterXSize="64" rasterYSize="64"><SRS>EPSG:32631</SRS>
<GeoTransform>500000, 10, 0, 5000000, 0, -10</GeoTransform><VRTRasterBand dataType="UInt16" band="1">
<SimpleSource><SourceFilename relativeToVRT="0">{source}</SourceFilename><SourceBand>1</SourceBand></SimpleSource>
</VRTRasterBand></VRTDataset>"""


@pytest.fixture
def asked(httpserver: HTTPServer) -> list[Request]:
    """What the server was asked; it answers with 404."""
    seen: list[Request] = []

    def note(request: Request) -> Response:
        seen.append(request)
        return Response(status=404)

    httpserver.expect_request("/seen.tif").respond_with_handler(note)
    return seen


@pytest.mark.parametrize("name", ["B04", "B04.tif", "B04.vrt", "B04.jp2"])
def test_a_vrt_is_no_raster_whatever_it_is_called(tmp_path: Path, secret: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text(vrt(str(secret)))
    with rasterio.open(path) as file:
        assert (file.read(1) == 4711).all(), "GDAL by itself must fall for it, or this shows nothing"
    assert refusal(str(path)).code == "UNREADABLE_ASSET"


def test_a_vrt_sends_no_request(tmp_path: Path, httpserver: HTTPServer, asked: list[Request]) -> None:
    text = vrt("/vsicurl/" + httpserver.url_for("/seen.tif"))
    path = tmp_path / "B04.tif"
    path.write_text(text)
    httpserver.expect_request("/B04.tif").respond_with_data(text, content_type="image/tiff")
    assert refusal(str(path)).code == "UNREADABLE_ASSET"
    assert refusal(httpserver.url_for("/B04.tif")).code == "UNREADABLE_ASSET"
    assert not asked
    with pytest.raises(rasterio.errors.RasterioError), rasterio.open(path) as file:
        file.read(1)
    assert asked, "GDAL by itself must ask, or this shows nothing"


@pytest.mark.parametrize(
    "href",
    [
        "/vsicurl/{url}",
        "/vsimem/x.tif",
        "//vsicurl/{url}",
        "/VSICURL/{url}",
        "vrt://{url}",
        "GTIFF_DIR:1:{url}",
        "GTIFF_RAW:{url}",
        "WMS:{url}",
        'NETCDF:"{url}":x',
        "zip+{url}!a.tif",
        "ftp://127.0.0.1/a.tif",
        "<VRTDataset/>",
    ],
)
def test_only_addresses_of_files_are_opened(httpserver: HTTPServer, asked: list[Request], href: str) -> None:
    href = href.format(url=httpserver.url_for("/seen.tif"))
    assert refusal(href).code in {"FORBIDDEN_LINK", "MISSING_ASSET"}
    assert not asked


NAMES = {"tiles.example.org": "127.0.0.1", "metadata.example.org": "169.254.169.254"}


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make some names known, as a server of names does."""
    original = socket.getaddrinfo

    def look_up(host: str, *rest: Any, **options: Any) -> Any:
        return original(NAMES.get(host, host), *rest, **options)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)


def served(server: HTTPServer, path: str, data: bytes) -> list[Request]:
    """Serve a file in ranges, and return the list of what is asked for."""
    seen: list[Request] = []

    def answer(request: Request) -> Response:
        seen.append(request)
        if not request.range:
            return Response(data, headers={"Accept-Ranges": "bytes"})
        start, stop = request.range.ranges[0]
        stop = min(stop or len(data), len(data))
        headers = {"Content-Range": f"bytes {start}-{stop - 1}/{len(data)}"}
        return Response(data[start:stop], status=206, headers=headers)

    server.expect_request(path).respond_with_handler(answer)
    return seen


@pytest.mark.parametrize(
    "target",
    [
        "http://169.254.169.254/latest/meta-data/a.tif",
        "http://metadata.example.org/a.tif",
        "http://10.255.255.1/a.tif",
        "http://[fe80::1]/a.tif",
        "http://[::ffff:169.254.169.254]/a.tif",
    ],
)
@pytest.mark.parametrize("no_proxy", ["", "*"])
def test_redirects_lead_to_no_other_kind_of_host(
    httpserver: HTTPServer, names: None, monkeypatch: pytest.MonkeyPatch, target: str, no_proxy: str
) -> None:
    monkeypatch.setenv("NO_PROXY", no_proxy)
    path = f"/{uuid4()}.tif"  # GDAL remembers links
    network._relay._start.cache_clear()  # type: ignore[attr-defined]  # a new process finds the variable set
    httpserver.expect_request(path).respond_with_data("", status=302, headers={"Location": target})
    error = refusal(httpserver.url_for(path), replace(QUICK, catalog=httpserver.url_for("/stac")))
    assert error.code == "FORBIDDEN_LINK", error.message


def test_redirects_within_the_neighbourhood_are_followed(httpserver: HTTPServer, names: None, tmp_path: Path) -> None:
    path = f"/{uuid4()}.tif"
    served(httpserver, "/b.tif", write_raster(tmp_path / "b.tif").read_bytes())
    target = f"http://tiles.example.org:{httpserver.port}/b.tif"
    httpserver.expect_request(path).respond_with_data("", status=302, headers={"Location": target})
    reading = replace(QUICK, catalog=httpserver.url_for("/stac"))
    np.testing.assert_array_equal(read(httpserver.url_for(path), reading), VALUES)


def test_a_name_is_no_disguise(httpserver: HTTPServer, names: None, tmp_path: Path) -> None:
    """A public catalog's link by a name that means this machine."""
    paths = [f"/{uuid4()}.tif" for _ in range(2)]  # GDAL remembers links, and that they failed
    data = write_raster(tmp_path / "a.tif").read_bytes()
    asked = [served(httpserver, path, data) for path in paths]
    hrefs = [f"http://tiles.example.org:{httpserver.port}{path}" for path in paths]
    np.testing.assert_array_equal(read(hrefs[0], replace(QUICK, catalog="/data/items.json")), VALUES)
    # 93.184.216.34 is a public address: nothing is asked of it here.
    error = refusal(hrefs[1], replace(QUICK, catalog="http://93.184.216.34/stac"))
    assert error.code == "FORBIDDEN_LINK"
    assert asked[0]
    assert not asked[1]


def test_what_lies_beside_a_file_has_no_say(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "a.tif")
    (tmp_path / "a.tif.aux.xml").write_text(
        "<PAMDataset><SRS>EPSG:4326</SRS><GeoTransform>1, 2, 0, 3, 0, -2</GeoTransform><PAMRasterBand band='1'>"
        "<NoDataValue>7</NoDataValue></PAMRasterBand></PAMDataset>"
    )
    (tmp_path / "a.tfw").write_text("1\n0\n0\n-1\n77\n88\n")
    write_raster(tmp_path / "a.tif.ovr", np.full((32, 32), 9, np.uint16), crs=None)
    write_raster(tmp_path / "a.tif.msk", np.zeros((64, 64), np.uint8), crs=None)
    with rasterio.open(path) as file:
        assert file.nodata == 7, "GDAL by itself must take it, or this shows nothing"
        assert file.overviews(1) == [2]
    with open_raster(str(path)) as file:
        assert file.crs.to_epsg() == 32631
        assert file.transform.c == 500000
        assert file.nodata is None
        assert file.overviews(1) == []
        assert (file.read_masks(1) == 255).all()
        assert (read_pixels(file, ((0, 64), (0, 64)), (32, 32)) != 9).any()


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.tif")
    error = refusal(str(tmp_path / "a.tif"))
    assert error.code == "UNREADABLE_ASSET"
    assert "regular" in error.message


def _header(width: int, height: int, tile: tuple[int, int] | None = None) -> bytes:
    """Return a TIFF whose header claims a size, and that holds one tile or strip of no bytes."""
    tags = [(256, 4, width), (257, 4, height), (258, 3, 16), (259, 3, 1), (262, 3, 1), (277, 3, 1)]
    where = [(322, 4, tile[0]), (323, 4, tile[1]), (324, 4, 8), (325, 4, 0)] if tile else []
    tags += where or [(273, 4, 8), (278, 4, height), (279, 4, 0)]
    entries = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in sorted(tags))
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + struct.pack("<I", 0)


@pytest.mark.parametrize(
    ("size", "tile"),
    [
        ((2**31 - 1, 2**31 - 1), None),
        ((2**31 - 1, 2**31 - 1), (2**15, 2**15)),
        ((2**21, 1), None),
        ((60_000, 60_000), None),
        ((60_000, 60_000), (2**15, 2**15)),
    ],
)
def test_claims_of_a_header_are_checked(tmp_path: Path, size: tuple[int, int], tile: tuple[int, int] | None) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(_header(*size, tile))
    # What even GDAL finds absurd is not readable; what GDAL would allocate for is too large.
    assert refusal(str(path)).code in {"ASSET_TOO_LARGE", "UNREADABLE_ASSET"}
    if size == (60_000, 60_000):
        assert refusal(str(path)).code == "ASSET_TOO_LARGE"


def test_what_would_be_read_is_checked(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    options = {"crs": "EPSG:32631", "tiled": True, "blockxsize": 512, "blockysize": 512, "sparse_ok": True}
    with rasterio.open(path, "w", "GTiff", 60_000, 60_000, 1, dtype="uint16", compress="deflate", **options):
        pass
    error = refusal(str(path))
    assert error.code == "ASSET_TOO_LARGE"
    assert str(path) in error.message
    with open_raster(str(path)) as file:
        assert read_pixels(file, ((0, 500), (0, 500))).shape == (500, 500)


def test_jpeg_2000_is_read_by_name(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "a.jp2", driver="JP2OpenJPEG", QUALITY=100, REVERSIBLE="YES")
    np.testing.assert_array_equal(read(str(path)), VALUES)
    path = path.rename(tmp_path / "a.bin")
    assert refusal(str(path)).code == "UNREADABLE_ASSET"


@pytest.fixture
def store(httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> list[Request]:
    """The user's own store, with keys; whatever it is asked is noted."""
    seen: list[Request] = []

    def note(request: Request) -> Response:
        seen.append(request)
        return Response(status=404)

    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", httpserver.url_for("").rstrip("/"))
    for name, value in {"ACCESS_KEY_ID": "mine", "SECRET_ACCESS_KEY": "hush", "SESSION_TOKEN": "token"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.setenv("AWS_REQUEST_PAYER", "requester")
    httpserver.expect_request("/mine/a.tif").respond_with_handler(note)
    httpserver.expect_request("/theirs/a.tif").respond_with_handler(note)
    return seen


def test_our_own_bucket_is_asked_with_our_keys(store: list[Request], monkeypatch: pytest.MonkeyPatch) -> None:
    refusal("s3://mine/a.tif", Reading(retries=0, timeout=5, own=("s3://mine/runs/1", "/folder")))
    assert "mine/" in store[0].headers["Authorization"]
    del store[:]
    monkeypatch.setenv("EARTHENWARE_OWN_BUCKETS", "other, theirs")
    refusal("s3://theirs/a.tif", QUICK)
    assert "mine/" in store[0].headers["Authorization"]


def test_the_bucket_of_a_stranger_gets_neither_our_keys_nor_our_endpoint(
    store: list[Request], httpserver: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert storage.access("s3://theirs/a.tif", ["s3://mine/runs"]).parts.geturl() == "https://s3.amazonaws.com"
    # Amazon's own service, if it were here:
    monkeypatch.setattr("earthenware.storage._remote._AMAZON", httpserver.url_for("").rstrip("/"))
    monkeypatch.setattr("earthenware.rasters._open._virtual_hosting", lambda access: False)
    assert refusal("s3://theirs/a.tif", Reading(retries=0, timeout=5, own=("s3://mine/runs",))).code == "MISSING_ASSET"
    assert store, "it was asked"
    for request in store:
        sent = " ".join(f"{name}: {value}" for name, value in request.headers.items()).lower()
        assert not any(word in sent for word in ("authorization", "token", "mine", "hush", "payer")), sent
