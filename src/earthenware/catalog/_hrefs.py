"""Asset links: made absolute, and refused where they point from the web into this machine."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping
from pathlib import PureWindowsPath
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

from earthenware import storage
from earthenware.errors import EarthenwareError
from earthenware.network import permitted_link

_READ: Final = {"http", "https", "s3"}
_OTHERS: Final = {"gs", "az", "abfs", "abfss", "oss", "swift", "ftp"}
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")


class HostileLinkError(ValueError):
    """A link that must not be followed."""


class ForeignLinkError(ValueError):
    """A link that means no harm, and is of a kind that is not read."""


def absolute_href(href: str, base: str) -> str:
    """Resolve a link against the document that it stands in.

    Args:
        href: The link.
        base: URI of the item or of the ItemCollection file.

    Returns:
        An http(s) or s3 URI, or an absolute local path.

    Raises:
        HostileLinkError: A document from elsewhere points to a local file or to a host that only this machine or its
            network can reach, or any points into GDAL's own file systems.
        ForeignLinkError: The link is of a service that is not read, or unencrypted where the document was not.
    """
    remote = not storage.is_local(base)
    text = href.strip()
    if not text or "\0" in text or text.startswith("<") or _is_vsi(text):
        raise HostileLinkError(f"link {href[:120]!r} is not the address of a file")
    scheme = urlsplit(text).scheme.lower() if _SCHEME.match(text) and not PureWindowsPath(text).drive else ""
    if scheme in _READ | _OTHERS and text[len(scheme) :].startswith("://"):
        return _permitted(scheme + text[len(scheme) :], base)
    if scheme not in {"", "file"}:  # a GDAL driver's connection string, such as WMS:... or HDF5:...
        raise HostileLinkError(f"link {href[:120]!r} is not the address of a file")
    if remote and (scheme == "file" or text.startswith(("/", "\\", "~")) or PureWindowsPath(text).drive):
        raise HostileLinkError(f"link {href[:120]!r} of an item from {storage.redact(base)} points to a local file")
    if remote:
        return _permitted(_join_remote(base, text), base)
    if scheme == "file" or text.startswith("/"):
        return storage.normalise(text)
    return storage.normalise(f"{storage.parent(storage.normalise(base))}/{text}")


def _permitted(link: str, base: str) -> str:
    scheme = link.partition("://")[0]
    if scheme in _OTHERS or (scheme == "http" and base.startswith(("https://", "s3://"))):
        raise ForeignLinkError(f"links of the kind {scheme}:// are not read")
    try:
        permitted_link(link, base)
    except EarthenwareError as error:
        raise HostileLinkError(error.message.rstrip(".")) from None
    return link


def _is_vsi(text: str) -> bool:
    return text.startswith("/") and text.lstrip("/").lower().startswith("vsi")


def _join_remote(base: str, href: str) -> str:
    if not base.startswith("s3://"):
        return urljoin(base, href)
    # urljoin knows web schemes only.
    return "s3://" + urljoin("http://" + base.removeprefix("s3://"), href).removeprefix("http://")


def with_absolute_hrefs(item: Mapping[str, Any], base: str) -> dict[str, Any]:
    """Return a copy of an item whose asset links are absolute, without the assets that cannot be read from here.

    Raises:
        HostileLinkError: See :func:`absolute_href`; one such link spoils the item.
        ValueError: An asset is not an object with a link.
    """
    assets: dict[str, Any] = {}
    for name, asset in (item.get("assets") or {}).items():
        if not isinstance(asset, Mapping) or not isinstance(asset.get("href"), str):
            raise ValueError(f"asset {name!r} has no href")
        with contextlib.suppress(ForeignLinkError):
            assets[name] = {**asset, "href": absolute_href(asset["href"], base)}
    return {**item, "assets": assets}
