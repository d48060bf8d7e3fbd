"""Searching a STAC API: paging, patience with a busy server, and errors that name the URL."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final

from earthenware import storage
from earthenware.catalog._spec import Box, Interval
from earthenware.errors import EarthenwareError, first_line, reason
from earthenware.network import BUSY, Patience, forbidden, guarded_session
from earthenware.sensors import CatalogProfile, profile_for

_PAGE: Final = 200
_MOST_PAGES: Final = 10_000
_TRIPPED: Final = (NotImplementedError, ValueError, LookupError, TypeError, AttributeError)
"""What pystac raises over documents that are not STAC, besides its own errors."""


class StacApi:
    """A STAC API that is being searched.

    Attributes:
        url: Its root URL.
        profile: What is known about it.
    """

    def __init__(self, url: str, patience: Patience | None = None) -> None:
        """Open the API at a root URL by reading its landing page.

        Raises:
            EarthenwareError: ``CATALOG_UNREACHABLE``, ``CATALOG_ERROR`` or ``NOT_A_STAC_API``.
        """
        import pystac_client

        self.url = url.rstrip("/")
        self._shown = storage.redact(self.url)
        self._patience = patience = patience or Patience()
        with self._explained("open"):
            self._client = pystac_client.Client.open(
                self.url, stac_io=_guarded_io(self.url, patience), timeout=patience.timeout
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
        max_cloud: float | None = None,
        max_items: int | None = None,
        on_page: Callable[[int], None] | None = None,
    ) -> list[dict[str, Any]]:
        """Return the items of some collections in a box and an interval, in the catalog's order.

        Args:
            collections: Collection ids.
            box: Area in degrees.
            interval: First and last moment; open where None.
            max_cloud: Largest cloud cover (0 to 1), asked of the server where it can filter.
            max_items: Fail beyond this number.
            on_page: Called with the number of items so far after each page.

        Raises:
            EarthenwareError: ``CATALOG_UNREACHABLE``, ``CATALOG_ERROR``, ``NOT_A_STAC_API``, or ``TOO_MANY_ITEMS``.
        """
        query = None
        if max_cloud is not None and max_cloud < 1 and self._can_filter:
            query = {"eo:cloud_cover": {"lte": round(100 * max_cloud, 6)}}  # percent
        found: list[dict[str, Any]] = []
        seen: set[tuple[str, ...]] = set()
        with self._explained("search"):
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
                    raise too_many_items(self._shown, max_items, ", ".join(collections))
        return found

    def title_and_item(self) -> tuple[str, bool]:
        """Return what the API calls itself, and whether a search for anything finds an item.

        Raises:
            EarthenwareError: ``CATALOG_UNREACHABLE``, ``CATALOG_ERROR`` or ``NOT_A_STAC_API``.
        """
        with self._explained("search"):
            page = next(self._client.search(limit=1, max_items=1).pages_as_dicts(), {})
        return str(self._client.id), bool(page.get("features"))

    @contextmanager
    def _explained(self, action: str) -> Iterator[None]:
        from pystac import STACError
        from pystac_client.errors import ClientTypeError
        from pystac_client.exceptions import APIError

        try:
            with warnings.catch_warnings():
                # Missing conformance classes are dealt with; which HTTP methods are advertised concerns no user.
                warnings.simplefilter("ignore")
                yield
        except APIError as error:
            if isinstance(error.__context__, EarthenwareError):
                raise error.__context__ from None
            status = getattr(error, "status_code", None)
            if status is None:
                raise EarthenwareError(
                    "CATALOG_UNREACHABLE",
                    f"Could not {action} the catalog {self._shown}: {reason(error)}.",
                    "Check the URL and the network, then run the step again.",
                ) from error
            busy = f" after {self._patience.retries} retries" if status in BUSY else ""
            raise EarthenwareError(
                "CATALOG_ERROR",
                f"The catalog {self._shown} answered HTTP {status}{busy}: {first_line(error)}.",
                "Try again later." if status in BUSY else "Check the URL, the collections and the filters.",
            ) from error
        except (STACError, ClientTypeError, *_TRIPPED) as error:
            raise EarthenwareError(
                "NOT_A_STAC_API",
                f"{self._shown} does not answer as a STAC API: {first_line(error)}.",
                "Give the root URL of a STAC API, or a file that ends in .json for an ItemCollection.",
            ) from error


def too_many_items(where: str, most: int, collections: str) -> EarthenwareError:
    """Return the error of a catalog that has more items than ``max_items``."""
    message = f"{where} has more than max_items = {most} items of {collections} there."
    return EarthenwareError("TOO_MANY_ITEMS", message, "Narrow bbox, datetime or max_cloud, or raise max_items.")


def _guarded_io(catalog: str, patience: Patience) -> Any:
    """Return what pystac-client reads documents with: permitted links on the web, and no files of this machine."""
    from pystac_client.stac_api_io import StacApiIO

    class GuardedIO(StacApiIO):
        def read_text(self, source: Any, *args: Any, **options: Any) -> str:
            link = str(source.to_dict()["href"] if hasattr(source, "to_dict") else source)
            if not storage.is_web(link):  # which would be opened as a file of this machine
                raise forbidden(link, "it is no web address, and its catalog is on the web")
            return str(super().read_text(source, *args, **options))

    found = GuardedIO(timeout=patience.timeout)
    found.session = guarded_session(catalog, patience)
    return found


def _rfc3339(interval: Interval) -> str | None:
    def end(moment: datetime | None) -> str:
        return ".." if moment is None else moment.strftime("%Y-%m-%dT%H:%M:%SZ")

    return None if interval == (None, None) else f"{end(interval[0])}/{end(interval[1])}"
