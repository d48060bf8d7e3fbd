"""Which endpoint, region and keys a bucket is asked with: decided here for every client that speaks S3."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from urllib.parse import SplitResult, urlsplit

from earthenware.storage._names import split_s3

OWN_BUCKETS: Final = "EARTHENWARE_OWN_BUCKETS"
"""Variable with further buckets, separated by commas, that are the user's own."""
_AMAZON: Final = "https://s3.amazonaws.com"


@dataclass(frozen=True)
class Access:
    """How a bucket is asked.

    Attributes:
        endpoint: Root URL of the service; empty for Amazon's own.
        region: Region that requests are signed for.
        signed: Whether requests are signed with the keys of the environment.
    """

    endpoint: str
    region: str
    signed: bool

    @property
    def parts(self) -> SplitResult:
        """The endpoint taken apart, Amazon's where there is none."""
        return urlsplit(self.endpoint or _AMAZON)

    @property
    def plain_http(self) -> bool:
        """Whether requests go without TLS."""
        return self.parts.scheme == "http"


def own_access() -> Access:
    """Return how the store of the environment is asked.

    ``AWS_ENDPOINT_URL_S3`` wins over ``AWS_ENDPOINT_URL``, as in Amazon's own clients.
    """
    named = (os.environ.get(name, "").strip() for name in ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"))
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"
    signed = os.environ.get("AWS_SKIP_SIGNATURE", "").lower() not in ("1", "true", "yes", "on")
    return Access(next(filter(None, named), "").rstrip("/"), region, signed)


def access(uri: str, own: Iterable[str] = ()) -> Access:
    """Return how the bucket of a link is asked that may have come from anywhere.

    Only the user's own buckets are asked at the user's endpoint and with the user's keys: those that the work at hand
    reads from or writes to, and those that ``EARTHENWARE_OWN_BUCKETS`` names. Any other is asked at Amazon, and
    without a signature.

    Args:
        uri: An ``s3://`` URI.
        own: URIs that the user gave; their buckets are the user's own.
    """
    bucket, _ = split_s3(uri)
    mine = {split_s3(one)[0] for one in own if one.startswith("s3://")}
    mine.update(name.strip() for name in os.environ.get(OWN_BUCKETS, "").split(","))
    return own_access() if bucket in mine else Access("", "us-east-1", signed=False)
