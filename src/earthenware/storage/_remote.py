"""Remote stores: which client serves a URI, how long it tries, and the keys it is asked for."""

from __future__ import annotations

import os
from datetime import timedelta
from functools import lru_cache
from typing import Any

from earthenware.errors import EarthenwareError
from earthenware.storage._access import own_access
from earthenware.storage._explain import explained
from earthenware.storage._names import is_local, is_web, local_path, redact, split_s3

GIVE_UP_VARIABLE = "EARTHENWARE_STORE_SECONDS"
_GIVE_UP = 40.0
"""Seconds after which a request that fails is not tried again: a restart of a small store fits in."""
_PATIENCE = 2.0
"""Seconds that any server has to answer, however soon failures are given up: one on a busy machine is not silent."""


def give_up_seconds() -> float:
    """Return for how long a request is retried.

    Raises:
        EarthenwareError: ``BAD_ENVIRONMENT``.
    """
    text = os.environ.get(GIVE_UP_VARIABLE, "")
    try:
        seconds = float(text) if text else _GIVE_UP
    except ValueError:
        seconds = -1.0
    if not 0 < seconds < 86400:
        message = f"{GIVE_UP_VARIABLE} = '{text}' is not a number of seconds above 0."
        raise EarthenwareError("BAD_ENVIRONMENT", message, "Correct or unset it.")
    return seconds


@lru_cache(maxsize=256)
def _s3(bucket: str, prefix: str | None, environment: tuple[tuple[str, str], ...], give_up: float) -> Any:
    """Return the store of a bucket; the environment is in the key of the cache, as credentials may change."""
    import obstore.store

    access = own_access()
    options: Any = {"endpoint": access.endpoint} if access.endpoint else {}
    return obstore.store.S3Store(
        bucket,
        prefix=prefix,
        region=access.region,
        client_options=_client(access.plain_http, give_up),
        retry_config=_retry(give_up),
        **options,
    )


@lru_cache(maxsize=64)
def _web(url: str, give_up: float) -> Any:
    import obstore.store

    plain = url.startswith("http://")
    return obstore.store.HTTPStore.from_url(url, client_options=_client(plain, give_up), retry_config=_retry(give_up))


def _client(plain_http: bool, give_up: float) -> Any:
    # The overall time is for bodies of gigabytes; the read time notices a server that went silent.
    return {
        "allow_http": plain_http,
        "connect_timeout": timedelta(seconds=min(5.0, max(_PATIENCE, give_up))),
        "read_timeout": timedelta(seconds=max(_PATIENCE, 1.5 * give_up)),
        "timeout": timedelta(hours=1),
    }


def _retry(give_up: float) -> Any:
    backoff = {"init_backoff": timedelta(seconds=0.2), "max_backoff": timedelta(seconds=5), "base": 2}
    # The time is the bound, not the count: the random waits between attempts may all be short.
    return {"max_retries": 1000, "backoff": backoff, "retry_timeout": timedelta(seconds=give_up)}


def _environment() -> tuple[tuple[str, str], ...]:
    # Keys first: os.environ decodes what it is asked for, and this is asked for with every request.
    return tuple(sorted((key, os.environ[key]) for key in os.environ if key.startswith("AWS_")))


def locate(uri: str) -> tuple[Any, str]:
    """Return the store and the key in it of a remote URI; call it inside ``explained``."""
    if is_web(uri):
        # The whole address is the store and the key is empty: so the query, where signatures are, stays as it is.
        return _web(uri, give_up_seconds()), ""
    bucket, key = split_s3(uri)
    return _s3(bucket, None, _environment(), give_up_seconds()), key


def object_store(prefix: str) -> Any:
    """Return an obstore ``ObjectStore`` rooted at ``prefix``, for libraries that take one.

    Raises:
        FileNotFoundError: ``prefix`` is a local folder that does not exist.
    """
    import obstore.store

    with explained("open", prefix):
        if is_local(prefix):
            folder = local_path(prefix)
            if not folder.is_dir():
                raise FileNotFoundError(2, "There is no such folder", str(folder))
            return obstore.store.LocalStore(folder)
        if is_web(prefix):
            return _web(prefix, give_up_seconds())
        bucket, key = split_s3(prefix)
        return _s3(bucket, key or None, _environment(), give_up_seconds())


def refuse_web(uri: str) -> None:
    """Raise ``READ_ONLY`` for http(s)."""
    if is_web(uri):
        raise EarthenwareError("READ_ONLY", f"'{redact(uri)}' can only be read.", "Write to a path or to s3://.")
