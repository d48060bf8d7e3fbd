"""What the launcher's service account must be allowed to do: these calls and no others."""

from __future__ import annotations

from typing import Final

PERMISSIONS: Final[tuple[tuple[str, str, tuple[str, ...]], ...]] = (
    ("ray.io", "rayjobs", ("create", "delete", "get")),
    ("", "pods", ("get", "list")),
    ("", "pods/log", ("get",)),
)
"""API group, resource and verbs, all in one namespace; a test compares them with the requests that a launch makes."""
