"""Where a Kubeflow Pipelines API is and what opens it: checked before the first request, secrets never shown."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit, urlunsplit

from earthenware.errors import EarthenwareError

MOUNTED_TOKEN: Final = Path("/var/run/secrets/kubeflow/pipelines/token")
"""Where Kubeflow projects a service account's token for its pipelines into a pod."""

_MASK: Final = "***"


@dataclass(frozen=True)
class Connection:
    """A Kubeflow Pipelines API.

    Attributes:
        host: URL below which ``/apis/v2beta1`` lies, with http:// or https://.
        namespace: The user's namespace on a multi-user Kubeflow; empty elsewhere.
        token: Bearer token.
        token_file: File that holds a bearer token; it is read for every request, so that a rotated token is used.
        cookie: ``NAME=VALUE`` of a session cookie, such as a log-in through Dex leaves.
        ca_cert: PEM file with the authority that signed the host's certificate.
    """

    host: str
    namespace: str = ""
    token: str = field(default="", repr=False)
    token_file: Path | None = None
    cookie: str = field(default="", repr=False)
    ca_cert: Path | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "host", _clean_host(self.host))
        object.__setattr__(self, "token", _clean_token(self.token, "the token"))
        if self.cookie and not re.fullmatch(r"[!-~]+=[ -~]+", self.cookie.strip()):
            message = "The session cookie is not NAME=VALUE in one line."
            raise EarthenwareError("BAD_OPTION", message, "Copy it as a browser shows it: authservice_session=....")
        object.__setattr__(self, "cookie", self.cookie.strip())
        if self.ca_cert is not None and not self.ca_cert.is_file():
            message = f"There is no certificate file {self.ca_cert}."
            raise EarthenwareError("BAD_OPTION", message, "Give the PEM file of the authority that signed the host's.")
        self.current_token()

    def current_token(self) -> str:
        """Return the bearer token as it is now; empty when there is none.

        Raises:
            EarthenwareError: ``BAD_OPTION`` when the token's file cannot be read or holds no token.
        """
        if self.token_file is None:
            return self.token
        remedy = "Give a file that holds the token and nothing else."
        try:
            text = self.token_file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not text"
            message = f"The token file {self.token_file} cannot be read: {reason}."
            raise EarthenwareError("BAD_OPTION", message, remedy) from None
        if not text:
            raise EarthenwareError("BAD_OPTION", f"The token file {self.token_file} is empty.", remedy)
        return _clean_token(text, f"the token in {self.token_file}")

    def mask(self, text: str) -> str:
        """Return ``text`` without the token and the cookie, should a server repeat them."""
        try:
            token = self.current_token()
        except EarthenwareError:
            token = self.token
        for secret in (token, self.cookie, self.cookie.partition("=")[2]):
            if len(secret) >= 4:
                text = text.replace(secret, _MASK)
        return re.sub(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{8,}", rf"\1 {_MASK}", text)


def mounted_token() -> Path | None:
    """Return the file of the token that Kubeflow mounted into this pod, or None outside of one."""
    path = Path(os.environ.get("KF_PIPELINES_SA_TOKEN_PATH", "") or MOUNTED_TOKEN)
    return path if path.is_file() else None


def _clean_host(host: str) -> str:
    """Return the base URL of the API: without a trailing slash, and without the fragment of a page of the UI."""
    host = host.strip()
    remedy = "Give the URL below which /apis lies, such as http://localhost:8080 or https://kf.example.com/pipeline."
    if not host:
        message = "No Kubeflow Pipelines host is given."
        raise EarthenwareError("BAD_OPTION", message, f"Use --host or KFP_HOST. {remedy}")
    try:
        parts = urlsplit(host)
        port = parts.port
    except ValueError:
        raise EarthenwareError("BAD_OPTION", "The host is not a URL.", remedy) from None
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0:
        shown = host.rpartition("@")[2][:100]
        raise EarthenwareError("BAD_OPTION", f"The host '{shown}' is not an http:// or https:// URL.", remedy)
    if "@" in parts.netloc:
        message = f"The host {parts.hostname} is given with a user name or password in its URL."
        raise EarthenwareError("BAD_OPTION", message, "Use --token-file or --cookie-file instead.")
    path = parts.path.rstrip("/").removesuffix("/apis/v2beta1").removesuffix("/apis")
    return urlunsplit((parts.scheme, parts.netloc, path.rstrip("/"), "", ""))


def _clean_token(token: str, what: str) -> str:
    token = re.sub(r"(?i)^bearer\s+", "", token.strip())
    if token and not re.fullmatch(r"[!-~]+", token):
        message = f"{what[0].upper()}{what[1:]} is not one word of plain characters."
        raise EarthenwareError("BAD_OPTION", message, "It must hold the token and nothing else.")
    return token
