"""How GDAL shall read: over the web, from S3, and with bounded memory."""

from __future__ import annotations

import os
from typing import Any
from urllib.parse import urlsplit


def gdal_options(*, retries: int, timeout: int) -> dict[str, Any]:
    """Return GDAL's configuration for reading Cloud-Optimized GeoTIFFs.

    Args:
        retries: Times a request that failed with 429, 5xx or a broken connection is repeated; the delay doubles.
        timeout: Seconds that a request may take.
    """
    options: dict[str, Any] = {
        "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",  # no listing and no side files: one request opens a COG
        "GDAL_INGESTED_BYTES_AT_OPEN": 32768,  # the header of a COG in that one request
        "GDAL_HTTP_MERGE_CONSECUTIVE_RANGES": "YES",
        "GDAL_HTTP_MULTIPLEX": "YES",
        "GDAL_HTTP_MAX_RETRY": retries,
        "GDAL_HTTP_RETRY_DELAY": 0.5,
        "GDAL_HTTP_CONNECTTIMEOUT": min(20, timeout),
        "GDAL_HTTP_TIMEOUT": timeout,
        "VSI_CACHE": True,
        "VSI_CACHE_SIZE": 4 * 2**20,
        "CPL_VSIL_CURL_CACHE_SIZE": 64 * 2**20,
        "GDAL_CACHEMAX": 64,  # MB
        "GDAL_NUM_THREADS": 1,  # files are read in parallel, and processes run side by side
        "PROJ_NETWORK": "OFF",
    }
    return options | _s3_options()


def _s3_options() -> dict[str, Any]:
    """Return the options for s3:// links: GDAL does not read AWS_ENDPOINT_URL as every other client does."""
    options: dict[str, Any] = {}
    endpoint = os.environ.get("AWS_ENDPOINT_URL", "")
    if endpoint:
        parts = urlsplit(endpoint)
        options["AWS_S3_ENDPOINT"] = parts.netloc
        options["AWS_HTTPS"] = "NO" if parts.scheme == "http" else "YES"
        options["AWS_VIRTUAL_HOSTING"] = "FALSE"
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    if region:
        options["AWS_REGION"] = region
    return options
