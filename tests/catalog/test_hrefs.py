"""Asset links are made absolute and never lead from the web into this machine."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earthenware import storage
from earthenware.catalog._item import BadItemError, absolute_href

WEB = "https://example.org/data/items.json"


@pytest.mark.parametrize(
    ("href", "base", "expected"),
    [
        ("./a/B02.tif", WEB, "https://example.org/data/a/B02.tif"),
        ("../B02.tif", WEB, "https://example.org/B02.tif"),
        ("a/B02.tif", "s3://bucket/data/items.json", "s3://bucket/data/a/B02.tif"),
        ("./a/B02.tif", "/data/x/items.json", "/data/x/a/B02.tif"),
        ("../a/B02.tif", "/data/x/items.json", "/data/a/B02.tif"),
        ("/other/B02.tif", "/data/x/items.json", "/other/B02.tif"),
        ("file:///other/B02.tif", "/data/x/items.json", "/other/B02.tif"),
        ("s3://bucket/B02.tif", WEB, "s3://bucket/B02.tif"),
        ("https://example.com/B02.tif?sig=1", "/data/items.json", "https://example.com/B02.tif?sig=1"),
    ],
)
def test_links(href, base, expected):
    assert absolute_href(href, base) == expected


@pytest.mark.parametrize("base", [WEB, "s3://bucket/items.json"])
@pytest.mark.parametrize(
    "href",
    [
        "/etc/passwd",
        "file:///etc/passwd",
        "FILE:/etc/passwd",
        "//host/share",
        "\\\\host\\share",
        "C:/a.tif",
        "~root/a",
        "",
    ],
)
def test_a_remote_document_cannot_name_local_files(href, base):
    with pytest.raises(BadItemError):
        absolute_href(href, base)


@pytest.mark.parametrize("base", [WEB, "/data/items.json"])
@pytest.mark.parametrize(
    "href", ["/vsicurl/http://x/a.tif", "/vsizip/a.zip/b.tif", "<VRTDataset/>", "HDF5:a.h5://b", "WMS:http://x", "a\0b"]
)
def test_drivers_of_gdal_are_no_files(href, base):
    with pytest.raises(BadItemError):
        absolute_href(href, base)


@given(st.text(max_size=40), st.sampled_from([WEB, "s3://bucket/data/items.json"]))
def test_whatever_a_remote_document_says_stays_remote(href, base):
    try:
        result = absolute_href(href, base)
    except (BadItemError, ValueError):
        return
    if result is None:  # a link of a service that is not read
        return
    assert "://" in result
    assert not storage.is_local(result) or result.split("://")[0].lower() not in {"", "file"}
