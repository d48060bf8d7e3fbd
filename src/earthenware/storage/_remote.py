"""Remote stores: the endpoint and keys that every client asks with, who serves a URI, and for how long it is tried."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

from earthenware.errors import EarthenwareError, reason, redact
from earthenware.storage._explain import explained
from earthenware.storage._names import is_local, is_web, local_path, split_s3

GIVE_UP_VARIABLE: Final = "EARTHENWARE_STORE_SECONDS"
OWN_BUCKETS: Final = "EARTHENWARE_OWN_BUCKETS"
"""Variable with further buckets, separated by commas, that are the user's own."""
_AMAZON: Final = "https://s3.amazonaws.com"
_GIVE_UP: Final = 40.0
"""Seconds after which a request that fails is not tried again: a restart of a small store fits in."""
_PATIENCE: Final = 2.0
"""Seconds that any server has to answer, however soon failures are given up: one on a busy machine is not silent."""


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
    """Return how the bucket of an ``s3://`` link is asked that may have come from anywhere.

    Only the user's own buckets are asked at the user's endpoint and with the user's keys: those that the work at hand
    reads from or writes to, and those that ``EARTHENWARE_OWN_BUCKETS`` names. Any other is asked at Amazon, and
    without a signature.

    Args:
        uri: The link.
        own: URIs that the user gave; their buckets are the user's own.
    """
    bucket, _ = split_s3(uri)
    mine = {split_s3(one)[0] for one in own if one.startswith("s3://")}
    mine.update(name.strip() for name in os.environ.get(OWN_BUCKETS, "").split(","))
    return own_access() if bucket in mine else Access("", "us-east-1", signed=False)


def _give_up_seconds() -> float:
    """Return for how long a request is retried."""
    text = os.environ.get(GIVE_UP_VARIABLE, "")
    try:
        seconds = float(text) if text else _GIVE_UP
    except ValueError:
        seconds = -1.0
    if not 0 < seconds < 86400:
        message = f"{GIVE_UP_VARIABLE} = '{text}' is not a number of seconds above 0."
        raise EarthenwareError("BAD_ENVIRONMENT", message, "Correct or unset it.")
    return seconds


def locate(uri: str) -> tuple[Any, str]:
    """Return the store and the key in it of a remote URI; call it inside ``explained``."""
    if is_web(uri):
        # The whole address is the store and the key is empty: so the query, where signatures are, stays as it is.
        return _web(uri, _give_up_seconds()), ""
    bucket, key = split_s3(uri)
    # Keys first: os.environ decodes what it is asked for, and this is asked for with every request.
    environment = tuple(sorted((key, os.environ[key]) for key in os.environ if key.startswith("AWS_")))
    return _s3(bucket, environment, _give_up_seconds()), key


@lru_cache(maxsize=256)
def _s3(bucket: str, environment: tuple[tuple[str, str], ...], give_up: float) -> Any:
    """Return the store of a bucket; the environment is in the key of the cache, as credentials may change."""
    import obstore  # as everywhere in this room: threads that begin with different parts of it would meet half of it

    access = own_access()
    options: Any = {"endpoint": access.endpoint} if access.endpoint else {}
    return obstore.store.S3Store(bucket, region=access.region, **_client(access.plain_http, give_up), **options)


@lru_cache(maxsize=64)
def _web(url: str, give_up: float) -> Any:
    import obstore

    return obstore.store.HTTPStore.from_url(url, **_client(url.startswith("http://"), give_up))


def _client(plain_http: bool, give_up: float) -> dict[str, Any]:
    return {
        # The overall time is for bodies of gigabytes; the read time notices a server that went silent.
        "client_options": {
            "allow_http": plain_http,
            "connect_timeout": timedelta(seconds=min(5.0, max(_PATIENCE, give_up))),
            "read_timeout": timedelta(seconds=max(_PATIENCE, 1.5 * give_up)),
            "timeout": timedelta(hours=1),
        },
        # The time is the bound, not the count: the random waits between attempts may all be short.
        "retry_config": {
            "max_retries": 1000,
            "backoff": {"init_backoff": timedelta(seconds=0.2), "max_backoff": timedelta(seconds=5), "base": 2},
            "retry_timeout": timedelta(seconds=give_up),
        },
    }


def refuse_web(uri: str) -> None:
    """Raise ``READ_ONLY`` for http(s)."""
    if is_web(uri):
        raise EarthenwareError("READ_ONLY", f"'{redact(uri)}' can only be read.", "Write to a path or to s3://.")


def ensure_bucket(uri: str) -> bool:
    """Make the bucket of an ``s3://`` URI unless it exists, or a local folder unless it exists.

    Returns:
        True when it was made by this call.

    Raises:
        EarthenwareError: ``STORAGE_DENIED`` or ``STORAGE_FAILED`` when the service refuses or cannot be reached,
            ``BAD_BUCKET_NAME``, or ``READ_ONLY`` for http(s).
    """
    refuse_web(uri)
    if is_local(uri):
        path = local_path(uri)
        made = not path.is_dir()
        with explained("write", uri):
            path.mkdir(parents=True, exist_ok=True)
        return made
    import urllib3
    from minio import Minio
    from minio.credentials.providers import ChainedProvider, EnvAWSProvider, EnvMinioProvider
    from minio.error import MinioException, S3Error

    bucket, access, seconds = split_s3(uri)[0], own_access(), _give_up_seconds()
    failed = f"Could not make the bucket '{bucket}' at {redact(access.parts.geturl())}"
    pool = urllib3.PoolManager(
        timeout=urllib3.Timeout(connect=min(5.0, seconds), read=seconds),
        retries=urllib3.Retry(total=3, backoff_factor=0.2, status_forcelist=[500, 502, 503, 504]),
    )
    try:
        client = Minio(  # obstore makes no buckets
            access.parts.netloc,
            secure=not access.plain_http,
            region=access.region,
            credentials=ChainedProvider([EnvAWSProvider(), EnvMinioProvider()]),
            http_client=pool,
        )
        if client.bucket_exists(bucket):
            return False
        client.make_bucket(bucket)
    except S3Error as error:
        if error.code in ("BucketAlreadyOwnedByYou", "BucketAlreadyExists") and client.bucket_exists(bucket):
            return False  # somebody made it between the two calls
        code = "STORAGE_DENIED" if error.response.status in (401, 403) else "STORAGE_FAILED"
        remedy = "Check the credentials and their rights, or choose another name."
        raise EarthenwareError(code, f"{failed}: {error.message or error.code}.", remedy) from None
    except (MinioException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
        missing = "credential" in str(error).lower()  # with an empty AWS_ACCESS_KEY_ID it is a plain ValueError
        if isinstance(error, ValueError) and not missing:
            raise EarthenwareError("BAD_BUCKET_NAME", f"{failed}: {error}.") from None
        why = "there are no credentials" if missing else reason(error)
        remedy = "Check AWS_ENDPOINT_URL and AWS_ACCESS_KEY_ID."
        raise EarthenwareError("STORAGE_FAILED", f"{failed}: {why}.", remedy) from None
    return True
