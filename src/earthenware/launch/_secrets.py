"""Recognising a secret where only names and plain values belong."""

from __future__ import annotations

import re
from typing import Any, Final

_NAME: Final = re.compile(
    r"SECRET|PASSW|TOKEN(?!IZ)|CREDENTIAL|COOKIE|PRIVATE|API_?KEY|ACCESS_?KEY|SIGNING|(^|_)(KEY|PWD|AUTH|SAS)$",
    re.IGNORECASE,
)
_HARMLESS: Final = re.compile(r"_(FILE|PATH|DIR|URL|URI|ENDPOINT|NAME|SECONDS|MODE|TYPE)$", re.IGNORECASE)
"""What such a variable holds is a place or a manner, not the secret itself: AWS_WEB_IDENTITY_TOKEN_FILE."""
_VALUE: Final = re.compile(
    r"://[^/\s?#]*@"  # user information in a URL
    r"|-----BEGIN "
    r"|\b(AKIA|ASIA)[0-9A-Z]{16}\b"
    r"|\b(gh[pousr]|glpat|hf|sk)[_-][A-Za-z0-9]{16,}"
    r"|\beyJ[\w-]{8,}\.eyJ"
    r"|\b(Bearer|Basic) (?=\S*[0-9=])[A-Za-z0-9+/=._-]{8,}"
    r"|[?&](sig|signature|token|access_token|api_key|X-Amz-Signature|X-Amz-Credential|X-Amz-Security-Token)=",
    re.IGNORECASE,
)


def looks_secret(name: str, value: Any) -> bool:
    """Tell whether a variable's name, or its value, looks as if a secret were in it."""
    named = bool(_NAME.search(name)) and not _HARMLESS.search(name)
    return named or bool(_VALUE.search(str(value)))
