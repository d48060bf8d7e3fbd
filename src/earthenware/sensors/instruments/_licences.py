"""Terms of use that several collections share."""

from __future__ import annotations

from typing import Final

SENTINEL: Final = "Copernicus Sentinel data terms (free, full and open; attribution)"
CC_BY: Final = "CC-BY-4.0"
