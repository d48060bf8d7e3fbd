"""The component ``query``."""

from components.query.component import query

__all__ = ["query"]
