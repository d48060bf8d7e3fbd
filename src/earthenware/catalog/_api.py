"""Searching a STAC API: paging, patience with a busy server, and errors that name the URL."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final

from earthenware import storage
from earthenware.catalog._spec import Box, Interval
from earthenware.errors import EarthenwareError, first_line
from earthenware.network import BUSY, forbidden, guarded_session
from earthenware.sensors import CatalogProfile, profile_for

_PAGE: Final = 200
_MOST_PAGES: Final = 10_000
_RETRIES: Final = 4
_TIMEOUT_S: Final = (10.0, 60.0)  # to connect; between two bytes
_CAUSE: Final = re.compile(
    r"connection refused|failed to resolve '[^']+'|timed out|connection reset|certificate verify failed[^)\\]*"
    r"|network is unreachable",
    re.IGNORECASE,
)


class StacApi:
    """A STAC API that is being searched.

    Attributes:
        url: Its root URL.
        profile: What is known about it.
    """

    def __init__(self, url: str, backoff_s: float = 1.0) -> None:
        """Open the API by reading its landing page.

        Args:
            url: Root URL.
            backoff_s: Pause before the second retry in seconds; it doubles with each further one.

        Raises:
            EarthenwareError: ``CATALOG_UNREACHABLE``, ``CATALOG_ERROR`` or ``NOT_A_STAC_API``.
        """
        import pystac_client

        self.url = url.rstrip("/")
        self._shown = storage.redact(self.url)
        with self._explained("open"), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a landing page without conformance classes is dealt with below
            self._client = pystac_client.Client.open(
                self.url, stac_io=_guarded_io(guarded_session(self.url, _RETRIES, backoff_s)), timeout=_TIMEOUT_S
            )
        if self._client.get_search_link() is None:
            raise EarthenwareError(
                "NOT_A_STAC_API",
                f"{self._shown} is a STAC catalog without item search.",
                "Give the root URL of a STAC API, or an ItemCollection file.",
            )
        if not self._client.conforms_to("ITEM_SEARCH"):
            # Old APIs do not say what they conform to; the search link says it for them.
            self._client.add_conforms_to("ITEM_SEARCH")
        self.profile: CatalogProfile = profile_for(self.url, str(self._client.id))
        self._can_filter = self.profile.query_extension and bool(self._client.conforms_to("QUERY"))

    def search(
        self,
        collections: Sequence[str],
        box: Box,
        interval: Interval,
        max_cloud_cover: float | None = None,
        max_items: int | None = None,
        on_page: Callable[[int], None] | None = None,
    ) -> list[dict[str, Any]]:
        """Return the items of some collections in a box and an interval, in the catalog's order.

        Args:
            collections: Collection ids.
            box: Area in degrees.
            interval: First and last moment; open where None.
            max_cloud_cover: Largest ``eo:cloud_cover`` in percent, asked of the server where it can filter.
            max_items: Fail beyond this number.
            on_page: Called with the number of items so far after each page.

        Raises:
            EarthenwareError: ``CATALOG_UNREACHABLE``, ``CATALOG_ERROR``, ``NOT_A_STAC_API``, or ``TOO_MANY_ITEMS``.
        """
        query = None
        if max_cloud_cover is not None and max_cloud_cover < 100 and self._can_filter:
            query = {"eo:cloud_cover": {"lte": max_cloud_cover}}
        found: list[dict[str, Any]] = []
        seen: set[tuple[str, ...]] = set()
        with self._explained("search"), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # which HTTP methods are advertised does not concern a user
            search = self._client.search(
                collections=list(collections), bbox=box, datetime=_rfc3339(interval), query=query, limit=_PAGE
            )
            for page in search.pages_as_dicts():
                features = [feature for feature in page.get("features") or () if isinstance(feature, dict)]
                ids = tuple(str(feature.get("id")) for feature in features)
                if ids in seen or len(seen) >= _MOST_PAGES:
                    raise EarthenwareError(
                        "CATALOG_ERROR",
                        f"{self._shown} answers the same page of items again and again.",
                        "Try again later.",
                    )
                seen.add(ids)
                found.extend(features)
                if on_page is not None:
                    on_page(len(found))
                if max_items is not None and len(found) > max_items:
                    raise EarthenwareError(
                        "TOO_MANY_ITEMS",
                        f"{self._shown} has more than max_items = {max_items} items of {', '.join(collections)} there.",
                        "Narrow bbox, datetime or max_cloud_cover, or raise max_items.",
                    )
        return found

    @contextmanager
    def _explained(self, action: str) -> Iterator[None]:
        from pystac_client.exceptions import APIError

        try:
            yield
        except APIError as error:
            if isinstance(error.__context__, EarthenwareError):
                raise error.__context__ from None
            status = getattr(error, "status_code", None)
            if status is None:
                raise EarthenwareError(
                    "CATALOG_UNREACHABLE",
                    f"Could not {action} the catalog {self._shown}: {_cause(str(error))}",
                    "Check the URL and the network, then run the step again.",
                ) from error
            busy = f" after {_RETRIES} retries" if status in BUSY else ""
            raise EarthenwareError(
                "CATALOG_ERROR",
                f"The catalog {self._shown} answered HTTP {status}{busy}: {first_line(error)}.",
                "Try again later." if status in BUSY else "Check the URL, the collections and the filters.",
            ) from error
        except EarthenwareError:
            raise
        except _malformed() as error:
            raise EarthenwareError(
                "NOT_A_STAC_API",
                f"{self._shown} does not answer as a STAC API: {first_line(error)}.",
                "Give the root URL of a STAC API, or a file that ends in .json for an ItemCollection.",
            ) from error


def _guarded_io(session: Any) -> Any:
    """Return what pystac-client reads documents with: through a session, and no files of this machine."""
    from pystac_client.stac_api_io import StacApiIO

    class GuardedIO(StacApiIO):
        def read_text(self, source: Any, *args: Any, **options: Any) -> str:
            link = str(source.to_dict()["href"] if hasattr(source, "to_dict") else source)
            if not storage.is_web(link):  # which would be opened as a file of this machine
                raise forbidden(link, "it is no web address, and its catalog is on the web")
            return str(super().read_text(source, *args, **options))

    found = GuardedIO(timeout=_TIMEOUT_S)
    found.session = session
    return found


def _malformed() -> tuple[type[Exception], ...]:
    """Return what pystac raises over documents that are not STAC, which is whatever they happen to trip."""
    from pystac import STACError
    from pystac_client.errors import ClientTypeError

    return STACError, ClientTypeError, NotImplementedError, ValueError, LookupError, TypeError, AttributeError


def _rfc3339(interval: Interval) -> str | None:
    def end(moment: datetime | None) -> str:
        return ".." if moment is None else moment.strftime("%Y-%m-%dT%H:%M:%SZ")

    return None if interval == (None, None) else f"{end(interval[0])}/{end(interval[1])}"


def _cause(text: str) -> str:
    """Return the reason inside the nested text of a failed connection."""
    match = _CAUSE.search(text)
    return f"{match[0][0].upper()}{match[0][1:]}." if match else f"{first_line(text)}."
