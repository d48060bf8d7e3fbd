"""The one environment that GDAL reads in: over the web, from S3, with bounded memory, and never beside the file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from earthenware import network, storage


@dataclass(frozen=True)
class Reading:
    """How rasters are read.

    Attributes:
        retries: Times a request that failed with 429, 5xx or a broken connection is repeated; the delay doubles.
        timeout: Seconds that a request may take.
        delay: Seconds before the first repetition.
        own: URIs that the user gave: their buckets are asked with the user's endpoint and keys, see
            :func:`earthenware.storage.access`.
        catalog: Address of the catalog that the links come from; they are followed to public hosts, and to hosts of
            the kind that the catalog's own is of.
    """

    retries: int = 3
    timeout: float = 60
    delay: float = 0.5
    own: tuple[str, ...] = ()
    catalog: str = ""


def gdal_options(href: str, reading: Reading) -> dict[str, Any]:
    """Return GDAL's configuration for reading one Cloud-Optimized GeoTIFF.

    Args:
        href: Its link.
        reading: How to read.
    """
    options: dict[str, Any] = {
        # No listing and no file beside the file: one request opens a COG, and no overview, mask or world file of
        # somebody's choice has a say.
        "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
        "GDAL_PAM_ENABLED": "NO",
        "GDAL_GEOREF_SOURCES": "INTERNAL",
        "GDAL_INGESTED_BYTES_AT_OPEN": 32768,  # the header of a COG in that one request
        "GDAL_HTTP_MERGE_CONSECUTIVE_RANGES": "YES",
        "GDAL_HTTP_MULTIPLEX": "YES",
        "GDAL_HTTP_MAX_RETRY": reading.retries,
        "GDAL_HTTP_RETRY_DELAY": reading.delay,
        "GDAL_HTTP_CONNECTTIMEOUT": min(20, reading.timeout),
        "GDAL_HTTP_TIMEOUT": reading.timeout,
        "VSI_CACHE": True,
        "VSI_CACHE_SIZE": 4 * 2**20,
        "CPL_VSIL_CURL_CACHE_SIZE": 64 * 2**20,
        "GDAL_CACHEMAX": 64,  # MB
        "GDAL_NUM_THREADS": 1,  # files are read in parallel, and processes run side by side
        "PROJ_NETWORK": "OFF",
    }
    if href.startswith("s3://"):
        return options | _s3_options(href, reading)
    if storage.is_web(href) and (relay := network.relay(network.neighbourhood(href, reading.catalog))):
        options["GDAL_HTTP_PROXY"] = relay  # of https, too
    return options


def _s3_options(href: str, reading: Reading) -> dict[str, Any]:
    """Return what GDAL has other names for than every other client; the keys it finds in the environment itself."""
    access = storage.access(href, reading.own)
    options: dict[str, Any] = {
        "AWS_S3_ENDPOINT": access.parts.netloc,
        "AWS_HTTPS": "NO" if access.plain_http else "YES",
        "AWS_VIRTUAL_HOSTING": "TRUE" if _virtual_hosting(access) else "FALSE",
        "AWS_REGION": access.region,
    }
    if not access.signed:
        options |= {"AWS_NO_SIGN_REQUEST": "YES", "AWS_REQUEST_PAYER": ""}
    return options


def _virtual_hosting(access: storage.Access) -> bool:
    """Return whether a bucket is a part of the host's name: at Amazon; other stores seldom have such names."""
    return not access.endpoint
