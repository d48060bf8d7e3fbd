"""From a catalog to a table of scenes: STAC search, sampling, matching in time and space, splits by place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from earthenware.lazy import lazy_exports

if TYPE_CHECKING:
    from earthenware.catalog._api import StacApi
    from earthenware.catalog._file import is_file, read_items
    from earthenware.catalog._query import QUERY_VERSION, query
    from earthenware.catalog._spec import QuerySpec, parse_bbox, parse_interval
    from earthenware.catalog._splits import Splits, block_of, split_sites
else:
    __getattr__, __dir__ = lazy_exports(__name__)

__all__ = [
    "QUERY_VERSION",
    "QuerySpec",
    "Splits",
    "StacApi",
    "block_of",
    "is_file",
    "parse_bbox",
    "parse_interval",
    "query",
    "read_items",
    "split_sites",
]
