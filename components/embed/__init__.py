"""The component ``embed``."""

from components.embed.component import embed

__all__ = ["embed"]
