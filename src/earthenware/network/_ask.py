"""One HTTP request that never waits long, and one sentence about what went wrong with it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from earthenware.errors import EarthenwareError, reason, redact


@dataclass(frozen=True)
class Answer:
    """What a server answered.

    Attributes:
        status: HTTP status.
        body: The body's bytes.
        is_page: Whether it is, or sends to, a page for people, such as that of a login.
    """

    status: int
    body: bytes
    is_page: bool

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode("utf-8", errors="replace")

    @property
    def json(self) -> dict[str, Any] | None:
        """The body's JSON object; None where it is none."""
        try:
            value = json.loads(self.body)
        except ValueError:
            return None
        return value if isinstance(value, dict) else None


def ask(method: str, url: str, seconds: float, remedy: str, **options: Any) -> Answer:
    """Return the answer to one request, whatever its status; redirects are not followed, as they lead to login pages.

    Args:
        method: Such as ``GET``.
        url: Where to.
        seconds: Longest silence; connecting gets half of it.
        remedy: What to do where nobody answers.
        options: Passed on to ``requests``.

    Raises:
        EarthenwareError: ``UNREACHABLE``.
    """
    import requests  # type: ignore[import-untyped]  # its stubs are a package of their own

    # An auth of its own keeps requests from taking another one out of ~/.netrc.
    options = {"allow_redirects": False, "auth": lambda request: request, **options}
    try:
        response = requests.request(method, url, timeout=(seconds / 2, seconds), **options)
    except (requests.RequestException, ValueError, OSError) as error:  # the latter two: a bad address, no CA file
        parts = urlsplit(redact(url))
        message = f"'{parts.scheme}://{parts.netloc}' cannot be reached: {reason(error)}."
        raise EarthenwareError("UNREACHABLE", message, remedy) from None
    # Both, as MLflow tells its version as text/html.
    html = "text/html" in response.headers.get("Content-Type", "") and response.content.lstrip().startswith(b"<")
    page = response.is_redirect or html
    return Answer(response.status_code, response.content, page)
