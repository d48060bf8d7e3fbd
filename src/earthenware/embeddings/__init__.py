"""Embedding products: export and search.

A product is one GeoParquet file, ``embeddings.parquet``, with one row per chip in Hilbert order, and the STAC documents
that describe it: ``collection.json``, ``item.json`` (both with the ``emb`` extension) and ``model.json`` (MLM).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from earthenware.lazy import lazy_exports

if TYPE_CHECKING:
    from earthenware.embeddings._embed import embed
    from earthenware.embeddings._hilbert import hilbert_index, hilbert_order
    from earthenware.embeddings._search import Match, SearchResult, search
    from earthenware.embeddings._spec import EmbedSpec
else:
    __getattr__, __dir__ = lazy_exports(__name__)

__all__ = ["EmbedSpec", "Match", "SearchResult", "embed", "hilbert_index", "hilbert_order", "search"]
