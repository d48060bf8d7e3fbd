"""Print ``docs/errors.md``: ``python -m earthenware.errors``."""

from __future__ import annotations

from earthenware.errors._codes import document

if __name__ == "__main__":
    print(document(), end="")
