"""Catalogs that mean harm: what they say leads to no file of this machine, to no inner host, and takes no key along."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pyarrow.parquet as pq
import pytest
import rasterio
from affine import Affine
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from earthenware.catalog import QuerySpec, query
from earthenware.errors import EarthenwareError
from tests.catalog.items import optical
from tests.catalog.stand_in import StandIn
from tests.catalog.test_query_api import LANDING

INNER = [
    "http://169.254.169.254/latest/meta-data/iam",
    "http://metadata.example.org/computeMetadata/v1",
    "http://10.255.255.1/",
    "http://[fe80::1]/",
    "http://[::ffff:169.254.169.254]/",
    "http://2852039166/",
]
"""Addresses that are neither public nor of this machine, where the catalog of these tests lives."""


@pytest.fixture(autouse=True)
def names(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a name known that means the metadata service of a cloud."""
    original = socket.getaddrinfo

    def look_up(host: str, *rest: Any, **options: Any) -> Any:
        return original({"metadata.example.org": "169.254.169.254"}.get(host, host), *rest, **options)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)


def spec(url: str, **fields: Any) -> QuerySpec:
    return QuerySpec(catalog=url, bbox="-180,-90,180,90", datetime="2018/2025", **fields)


def refusal(url: str, folder: Path, **fields: Any) -> EarthenwareError:
    with pytest.raises(EarthenwareError) as raised:
        query(spec(url, **fields), str(folder / "out"))
    return raised.value


def rows(report: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = pq.read_table(f"{report.output}/scenes.parquet").to_pylist()
    return found


def redirect(server: HTTPServer, path: str, target: str, status: int = 307) -> None:
    server.expect_request(path).respond_with_data("", status=status, headers={"Location": target})


@pytest.mark.parametrize("target", INNER)
@pytest.mark.parametrize("status", [302, 307])
def test_a_catalog_that_redirects_to_an_inner_host(
    httpserver: HTTPServer, tmp_path: Path, target: str, status: int
) -> None:
    redirect(httpserver, "/stac", target, status)
    redirect(httpserver, "/items.json", target, status)
    assert refusal(httpserver.url_for("/stac"), tmp_path).code == "FORBIDDEN_LINK"
    assert refusal(httpserver.url_for("/items.json"), tmp_path).code == "FORBIDDEN_LINK"


@pytest.mark.parametrize("target", [*INNER, "/etc/hostname", "file:///etc/hostname"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_next_link_to_an_inner_host(httpserver: HTTPServer, tmp_path: Path, target: str, method: str) -> None:
    class Hostile(StandIn):
        def _search(self, request: Request) -> Response:
            answer = super()._search(request).get_json()
            answer["links"] = [{"rel": "next", "href": target, "method": method, "body": {}}]
            return self._json(answer)

    api = Hostile(httpserver, LANDING, [optical("a", "2021-06-01T10:00:00Z")])
    error = refusal(api.url, tmp_path)
    assert error.code == "FORBIDDEN_LINK"
    assert len(api.searches) == 1


@pytest.mark.parametrize("target", [*INNER, "file:///etc/hostname"])
def test_a_search_link_to_an_inner_host(httpserver: HTTPServer, tmp_path: Path, target: str) -> None:
    landing = json.loads(json.dumps(LANDING))
    landing["links"][1]["href"] = target
    api = StandIn(httpserver, landing, [])
    assert refusal(api.url, tmp_path).code == "FORBIDDEN_LINK"
    assert api.searches == []


@pytest.mark.parametrize("inner", [*INNER[:1], *INNER[2:], "file:///etc/hostname", "/vsicurl/http://x/a.tif"])
def test_an_asset_on_an_inner_host_spoils_its_item(httpserver: HTTPServer, tmp_path: Path, inner: str) -> None:
    good, bad = optical("good", "2021-06-01T10:00:00Z"), optical("bad", "2021-06-11T10:00:00Z")
    bad["assets"]["B04"]["href"] = inner
    httpserver.expect_request("/items.json").respond_with_json({"type": "FeatureCollection", "features": [good, bad]})
    report = query(spec(httpserver.url_for("/items.json"), reject_limit=0.5), str(tmp_path / "out"))
    assert report.manifest.rejects == {"HOSTILE_LINK": 1}
    assert [row["sentinel-2-l2a"][0]["id"] for row in rows(report)] == ["good"]


@pytest.mark.parametrize("link", ["gs://bucket/x.zarr", "abfs://items/x.parquet", "ftp://example.org/x.xml"])
def test_an_asset_that_nobody_reads_spoils_nothing(httpserver: HTTPServer, tmp_path: Path, link: str) -> None:
    item = optical("a", "2021-06-01T10:00:00Z")
    item["assets"]["metadata"] = {"href": link}
    httpserver.expect_request("/items.json").respond_with_json({"type": "FeatureCollection", "features": [item]})
    report = query(spec(httpserver.url_for("/items.json")), str(tmp_path / "out"))
    (kept,) = rows(report)[0]["sentinel-2-l2a"]
    assert link not in str(kept)


@pytest.fixture
def gridless(httpserver: HTTPServer) -> Any:
    """Make an item whose grid has to be read from its B02, and search it."""

    def run(href: str, folder: Path) -> tuple[dict[str, int], str]:
        item = optical("a", "2021-06-01T10:00:00Z")
        item["assets"]["B02"] = {"href": href, "type": "image/tiff"}
        other = optical("b", "2021-06-11T10:00:00Z")
        httpserver.expect_request("/items.json").respond_with_json(
            {"type": "FeatureCollection", "features": [item, other]}
        )
        report = query(spec(httpserver.url_for("/items.json"), reject_limit=0.5), str(folder / "out"))
        rejects = pq.read_table(f"{report.output}/rejects.parquet").to_pylist()
        return report.manifest.rejects, " ".join(str(reject) for reject in rejects)

    return run


def test_a_header_is_not_read_from_a_vrt(httpserver: HTTPServer, tmp_path: Path, gridless: Any) -> None:
    path = tmp_path / "secret.tif"
    with rasterio.open(
        path, "w", "GTiff", 64, 64, 1, "EPSG:32631", Affine(10, 0, 5e5, 0, -10, 5e6), dtype="uint16"
    ) as file:
        file.write(np.full((64, 64), 4711, np.uint16), 1)
    text = f"""<VRTDataset rasterXSize="64" rasterYSize="64"><SRS>EPSG:32631</SRS>
<GeoTransform>500000, 10, 0, 5000000, 0, -10</GeoTransform><VRTRasterBand dataType="UInt16" band="1">
<SimpleSource><SourceFilename>{path}</SourceFilename><SourceBand>1</SourceBand></SimpleSource>
</VRTRasterBand></VRTDataset>"""
    httpserver.expect_request("/B02.tif").respond_with_data(text, content_type="image/tiff")
    rejects, why = gridless("./B02.tif", tmp_path)
    assert rejects == {"NO_GRID": 1}
    assert "not recognized" in why


@pytest.mark.parametrize("target", INNER)
def test_a_header_is_not_fetched_from_an_inner_host(
    httpserver: HTTPServer, tmp_path: Path, gridless: Any, target: str
) -> None:
    name = f"{uuid4()}.tif"  # GDAL remembers links
    redirect(httpserver, f"/{name}", f"{target}B02.tif", 302)
    rejects, why = gridless(f"./{name}", tmp_path)
    assert rejects == {"NO_GRID": 1}
    assert "is not followed" in why


def test_a_bucket_of_a_stranger_is_asked_without_our_keys(
    httpserver: HTTPServer, tmp_path: Path, gridless: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Request] = []

    def note(request: Request) -> Response:
        seen.append(request)
        return Response(status=404)

    httpserver.expect_request("/theirs/B02.tif").respond_with_handler(note)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN"):
        monkeypatch.setenv(f"AWS_{name}", "hush")
    # Amazon's own service, if it were here:
    monkeypatch.setattr("earthenware.storage._remote._AMAZON", httpserver.url_for("").rstrip("/"))
    monkeypatch.setattr("earthenware.rasters._open._virtual_hosting", lambda access: False)
    rejects, _ = gridless("s3://theirs/B02.tif", tmp_path)
    assert rejects == {"NO_GRID": 1}
    assert seen, "it was asked"
    assert not any("hush" in str(request.headers) or "Authorization" in request.headers for request in seen)
