"""Opening a raster and reading its pixels, over the web, from S3 or from here; what goes wrong names the file."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Final
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from earthenware import network, storage
from earthenware.errors import EarthenwareError, reason

_LONGEST_SIDE: Final = 2**20
"""Pixels of a file's longer side; WorldCover's largest files have 36,000."""
_LARGEST_BLOCK: Final = 2**29
"""Bytes of one block (a tile or strip), which GDAL decodes as a whole; an untiled Sentinel-2 band has 241 MB."""
_LARGEST_READ: Final = 2**30
"""Bytes read at once; a whole Sentinel-2 band has 241 MB."""


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


@contextmanager
def open_raster(href: str, reading: Reading | None = None) -> Iterator[Any]:
    """Open a raster as a GeoTIFF or, where its name says so, as JPEG 2000; as nothing else.

    Args:
        href: A local path, or a ``file``, ``s3``, ``https`` or ``http`` link.
        reading: How to read.

    Yields:
        rasterio's dataset. GDAL's errors within the block are raised as below, too.

    Raises:
        EarthenwareError: ``MISSING_ASSET``, ``HTTP_ERROR``, ``UNREADABLE_ASSET``, ``ASSET_TOO_LARGE`` or
            ``FORBIDDEN_LINK``, naming the file.
    """
    import rasterio
    from rasterio.errors import RasterioError
    from rasterio.session import DummySession

    reading = reading or Reading()
    path = _gdal_path(href)
    network.permitted_link(href, reading.catalog)
    try:
        # The session of no cloud: rasterio's own would look for keys, and set them for any link.
        with (
            rasterio.Env(session=DummySession(), **_gdal_options(href, reading)),
            rasterio.open(path, driver=_driver(href)) as file,
        ):
            _check_size(file, href)
            yield file
    except (RasterioError, OSError) as error:
        raise _explain(href, error) from error


def read_pixels(
    file: Any, window: tuple[tuple[int, int], tuple[int, int]], shape: tuple[int, int] | None = None
) -> NDArray[Any]:
    """Read a window of a file's first band.

    Args:
        file: What :func:`open_raster` gave.
        window: First and one past the last row, and of columns.
        shape: Rows and columns to read instead of all, from overviews where there are some.

    Returns:
        Numbers as they are in the file [y, x].

    Raises:
        EarthenwareError: ``ASSET_TOO_LARGE`` when they would not fit into memory.
    """
    (top, bottom), (left, right) = window
    rows, columns = shape or (bottom - top, right - left)
    wanted = rows * columns * np.dtype(file.dtypes[0]).itemsize
    if wanted > _LARGEST_READ:
        link = str(file.name).removeprefix("/vsicurl/").replace("/vsis3/", "s3://", 1)
        raise _too_large(link, f"{rows:,} x {columns:,} pixels of it would have to be read at once")
    values: NDArray[Any] = file.read(1, window=window, out_shape=(rows, columns))
    return values


def _gdal_path(href: str) -> str:
    """Return a link in GDAL's way of writing, which it cannot take for anything else."""
    if storage.is_web(href):
        return f"/vsicurl/{href}"
    try:
        if href.startswith("s3://"):
            return f"/vsis3/{storage.normalise(href).removeprefix('s3://')}"
        path = storage.local_path(href)
    except EarthenwareError as error:
        raise EarthenwareError("FORBIDDEN_LINK", error.message, error.remedy) from None
    if str(path).lstrip("/").lower().startswith("vsi"):
        raise EarthenwareError("FORBIDDEN_LINK", f"'{href[:200]}' is not the address of a file.")
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise _explain(href, error) from error
    if not stat.S_ISREG(mode):  # to open a pipe is to wait for whoever writes into it
        raise EarthenwareError("UNREADABLE_ASSET", f"'{path}' cannot be read: it is not a regular file.")
    return str(path)


def _driver(href: str) -> str:
    suffix = PurePosixPath(urlsplit(href).path if "://" in href else href).suffix.lower()
    return "JP2OpenJPEG" if suffix in (".jp2", ".j2k", ".jpx") else "GTiff"


def _gdal_options(href: str, reading: Reading) -> dict[str, Any]:
    """Return GDAL's configuration for reading one Cloud-Optimized GeoTIFF."""
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


def _check_size(file: Any, href: str) -> None:
    """Refuse what a header claims before any memory is taken for it."""
    if max(file.height, file.width) > _LONGEST_SIDE:
        raise _too_large(href, f"its header claims {file.height:,} x {file.width:,} pixels")
    rows, columns = file.block_shapes[0]
    together = file.count if str(file.interleaving or "").lower().endswith("pixel") else 1
    if rows * columns * np.dtype(file.dtypes[0]).itemsize * together > _LARGEST_BLOCK:
        raise _too_large(href, f"its header claims blocks of {rows:,} x {columns:,} pixels")


def _too_large(href: str, why: str) -> EarthenwareError:
    message = f"'{storage.redact(href)}' is not read: {why}."
    return EarthenwareError("ASSET_TOO_LARGE", message, "Is the file damaged? A tiled copy of it can be read.")


def _explain(href: str, error: Exception) -> EarthenwareError:
    """Turn what GDAL says into one sentence and a reason."""
    chain: list[str] = []
    cause: BaseException | None = error
    while cause is not None:
        chain.append(str(cause) or type(cause).__name__)
        cause = cause.__cause__ or cause.__context__
    text = " ".join(chain)
    where, last = storage.redact(href), reason(chain[-1])
    if network.refused(text):
        return network.forbidden(href, "it, or what it redirects to, is a host that is not public")
    gone = ("HTTP response code: 404", "NoSuchKey", "No such file or directory", "does not exist")
    if any(sign in text for sign in gone):
        return EarthenwareError("MISSING_ASSET", f"There is no file '{where}'.")
    signs = (
        "HTTP response code",
        "HTTP error code",
        "CURL error",
        "timed out",
        "Could not resolve",
        "Failed to connect",
    )
    if not storage.is_local(href) and any(sign in text for sign in signs):
        return EarthenwareError("HTTP_ERROR", f"'{where}' could not be fetched: {last}.")
    return EarthenwareError("UNREADABLE_ASSET", f"'{where}' cannot be read: {last}.")
