"""Buckets: made and checked through the MinIO client, which speaks to every S3 service."""

from __future__ import annotations

from earthenware.errors import EarthenwareError
from earthenware.storage._access import own_access
from earthenware.storage._explain import explained
from earthenware.storage._names import is_local, local_path, redact, split_s3
from earthenware.storage._remote import give_up_seconds, refuse_web


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
        return _ensure_folder(uri)
    import urllib3
    from minio import Minio
    from minio.credentials.providers import ChainedProvider, EnvAWSProvider, EnvMinioProvider
    from minio.error import MinioException, S3Error

    bucket, _ = split_s3(uri)
    access = own_access()
    endpoint = access.parts.geturl()
    seconds = give_up_seconds()
    pool = urllib3.PoolManager(
        timeout=urllib3.Timeout(connect=min(5.0, seconds), read=seconds),
        retries=urllib3.Retry(total=3, backoff_factor=0.2, status_forcelist=[500, 502, 503, 504]),
    )
    try:
        credentials = ChainedProvider([EnvAWSProvider(), EnvMinioProvider()])
        client = Minio(
            access.parts.netloc,
            secure=not access.plain_http,
            region=access.region,
            credentials=credentials,
            http_client=pool,
        )
        if client.bucket_exists(bucket):
            return False
        client.make_bucket(bucket)
    except S3Error as error:
        if error.code in ("BucketAlreadyOwnedByYou", "BucketAlreadyExists") and _visible(client, bucket):
            return False  # somebody made it between the two calls
        code = "STORAGE_DENIED" if error.response.status in (401, 403) else "STORAGE_FAILED"
        message = f"Could not make the bucket '{bucket}' at {redact(endpoint)}: {error.message or error.code}."
        raise EarthenwareError(
            code, message, "Check the credentials and their rights, or choose another name."
        ) from None
    except (MinioException, urllib3.exceptions.HTTPError, OSError, ValueError) as error:
        missing = "credential" in str(error).lower()  # with an empty AWS_ACCESS_KEY_ID it is a plain ValueError
        if isinstance(error, ValueError) and not missing:
            raise EarthenwareError("BAD_BUCKET_NAME", f"'{bucket}' at {redact(endpoint)}: {error}.") from None
        reason = "there are no credentials" if missing else "it cannot be reached"
        message = f"Could not make the bucket '{bucket}' at {redact(endpoint)}: {reason}."
        raise EarthenwareError("STORAGE_FAILED", message, "Check AWS_ENDPOINT_URL and AWS_ACCESS_KEY_ID.") from None
    return True


def _visible(client: object, bucket: str) -> bool:
    from minio import Minio

    return isinstance(client, Minio) and bool(client.bucket_exists(bucket))


def _ensure_folder(uri: str) -> bool:
    path = local_path(uri)
    if path.is_dir():
        return False
    with explained("write", uri):
        path.mkdir(parents=True)
    return True
