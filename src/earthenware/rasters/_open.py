"""Opening a raster and reading its pixels; what goes wrong names the file."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import Any, Final
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from earthenware import network, storage
from earthenware.errors import EarthenwareError, reason
from earthenware.rasters._gdal import Reading, gdal_options

_LONGEST_SIDE: Final = 2**20
"""Pixels of a file's longer side; WorldCover's largest files have 36,000."""
_LARGEST_BLOCK: Final = 2**29
"""Bytes of one block (a tile or strip), which GDAL decodes as a whole; an untiled Sentinel-2 band has 241 MB."""
_LARGEST_READ: Final = 2**30
"""Bytes read at once; a whole Sentinel-2 band has 241 MB."""


@contextmanager
def open_raster(href: str, reading: Reading | None = None, *, media_type: str = "") -> Iterator[Any]:
    """Open a raster as a GeoTIFF or, where its media type or its name says so, as JPEG 2000; as nothing else.

    Args:
        href: A local path, or a ``file``, ``s3``, ``https`` or ``http`` link.
        reading: How to read.
        media_type: What the catalog says that the file is.

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
            rasterio.Env(session=DummySession(), **gdal_options(href, reading)),
            rasterio.open(path, driver=_driver(href, media_type)) as file,
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


def _driver(href: str, media_type: str) -> str:
    kind = media_type.partition(";")[0].strip().lower()
    suffix = PurePosixPath(urlsplit(href).path if "://" in href else href).suffix.lower()
    jpeg2000 = kind in ("image/jp2", "image/jpx", "image/j2k") or suffix in (".jp2", ".j2k", ".jpx")
    return "JP2OpenJPEG" if jpeg2000 else "GTiff"


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
