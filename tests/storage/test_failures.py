"""What goes wrong in the world below: one clear sentence, without secrets, within a bounded time."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from minio import Minio
from pytest_httpserver import HTTPServer
from werkzeug import Request, Response

from earthenware import storage
from earthenware.errors import EarthenwareError

SECRET = "hunter2secret"

_DENIED = '<?xml version="1.0"?><Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>'


@pytest.fixture
def web() -> Iterator[HTTPServer]:
    with HTTPServer(host="127.0.0.1") as server:
        yield server


@pytest.fixture
def credentials(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Point the S3 client at an endpoint, with a secret that must not be shown."""

    def point(endpoint: str) -> None:
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", f"id-{SECRET}")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
        monkeypatch.setenv("AWS_REGION", "us-east-1")

    return point


def _fails(action: Callable[[], object], code: str, contains: str = "") -> EarthenwareError:
    with pytest.raises(EarthenwareError) as caught:
        action()
    error = caught.value
    assert error.code == code
    assert contains in error.message
    assert SECRET not in "".join(_everything(error)), "a traceback would show a secret"
    assert "\n" not in str(error)
    assert len(str(error)) < 400
    assert error.message.endswith(".")
    return error


def _everything(error: BaseException) -> Iterator[str]:
    yield f"{error!s} {error!r}"
    if error.__cause__ is not None:
        yield from _everything(error.__cause__)
    elif error.__context__ is not None and not error.__suppress_context__:
        yield from _everything(error.__context__)


def _actions(prefix: str, tmp_path: Path) -> dict[str, Callable[[], object]]:
    local = tmp_path / "local"
    local.write_bytes(b"x" * 100)
    uri = storage.join(prefix, "x")
    return {
        "read": lambda: storage.read_bytes(uri),
        "list": lambda: list(storage.list_files(prefix)),
        "is_empty": lambda: storage.is_empty(prefix),
        "write": lambda: storage.write_bytes(uri, b"x"),
        "create": lambda: storage.write_bytes(uri, b"x", create_only=True),
        "replace": lambda: storage.replace(uri, b"x", '"0"'),
        "upload": lambda: storage.upload_file(local, uri),
        "delete": lambda: storage.delete_file(uri),
        "versioned": lambda: storage.read_versioned(uri),
    }


def test_a_missing_bucket_is_named_whatever_is_asked(s3: str, tmp_path: Path) -> None:
    for action in _actions("s3://no-such-bucket/a", tmp_path).values():
        _fails(action, "NO_SUCH_BUCKET", "'no-such-bucket' does not exist")


def test_denied_by_the_store(web: HTTPServer, credentials: Callable[[str], None], tmp_path: Path) -> None:
    credentials(web.url_for("").rstrip("/"))
    web.expect_request(re.compile(".*")).respond_with_data(_DENIED, status=403, content_type="application/xml")
    actions = {**_actions("s3://bucket/a", tmp_path), "size": lambda: storage.size("s3://bucket/a")}
    for action in actions.values():
        error = _fails(action, "STORAGE_DENIED", "s3://bucket/a")
        assert "AWS_ACCESS_KEY_ID" in error.remedy
    _fails(lambda: storage.ensure_bucket("s3://bucket"), "STORAGE_DENIED", "'bucket'")


@pytest.mark.parametrize(
    ("status", "code"), [(507, "XMinioStorageFull"), (403, "QuotaExceeded"), (507, "")], ids=["disk", "quota", "plain"]
)
def test_a_store_that_is_full(
    web: HTTPServer, credentials: Callable[[str], None], monkeypatch: pytest.MonkeyPatch, status: int, code: str
) -> None:
    credentials(web.url_for("").rstrip("/"))
    monkeypatch.setenv("EARTHENWARE_STORE_SECONDS", "0.1")
    said = _DENIED.replace("AccessDenied", code) if code else ""
    web.expect_request(re.compile(".*")).respond_with_data(said, status=status, content_type="application/xml")
    _fails(lambda: storage.write_bytes("s3://bucket/a", b"x"), "STORAGE_FULL", "s3://bucket/a")


def test_an_endpoint_that_nobody_listens_at(
    credentials: Callable[[str], None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    credentials(f"http://127.0.0.1:{port}")
    monkeypatch.setenv("EARTHENWARE_STORE_SECONDS", "0.1")
    began = time.monotonic()
    for action in _actions("s3://bucket/a", tmp_path).values():
        error = _fails(action, "STORAGE_FAILED", "connection refused")
        assert "AWS_ENDPOINT_URL" in error.remedy
    _fails(lambda: storage.ensure_bucket("s3://bucket"), "STORAGE_FAILED", "connection refused")
    assert time.monotonic() - began < 12


@pytest.mark.system
def test_an_unreachable_endpoint_is_given_up_within_a_minute_by_default(credentials: Callable[[str], None]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    credentials(f"http://127.0.0.1:{port}")
    began = time.monotonic()
    _fails(lambda: storage.write_bytes("s3://bucket/a", b"x"), "STORAGE_FAILED", "connection refused")
    assert 20 < time.monotonic() - began < 60


def test_a_server_that_never_answers(credentials: Callable[[str], None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARTHENWARE_STORE_SECONDS", "0.6")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        credentials(f"http://127.0.0.1:{silent.getsockname()[1]}")
        began = time.monotonic()
        _fails(lambda: storage.read_bytes("s3://bucket/a"), "STORAGE_FAILED", "did not answer in time")
        _fails(lambda: storage.write_bytes("s3://bucket/a", b"x"), "STORAGE_FAILED", "did not answer in time")
        assert time.monotonic() - began < 10


def test_a_host_that_does_not_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARTHENWARE_STORE_SECONDS", "0.1")
    _fails(
        lambda: storage.read_bytes(f"https://nobody.invalid/x.json?sig={SECRET}"), "STORAGE_FAILED", "nobody.invalid"
    )


def test_no_credentials(web: HTTPServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("AWS_", "MINIO_"))]:
        monkeypatch.delenv(name)
    # Without credentials the client asks the cloud's metadata service: a stand-in that has none.
    web.expect_request(re.compile("/latest/.*")).respond_with_data(b"", status=404)
    monkeypatch.setenv("AWS_METADATA_ENDPOINT", web.url_for("").rstrip("/"))
    monkeypatch.setenv("AWS_ENDPOINT_URL", web.url_for("").rstrip("/"))
    monkeypatch.setenv("EARTHENWARE_STORE_SECONDS", "0.1")
    error = _fails(lambda: storage.read_bytes("s3://bucket/a"), "STORAGE_DENIED", "no credentials")
    assert "AWS_ACCESS_KEY_ID" in error.remedy


def test_hiccups_of_a_store_are_sat_out(web: HTTPServer, credentials: Callable[[str], None]) -> None:
    credentials(web.url_for("").rstrip("/"))
    answers = iter([503, 500, 429, 200])

    def answer(_: Request) -> Response:
        status = next(answers)
        return Response(b"data" if status == 200 else b"", status=status, headers={"ETag": '"1"'})

    web.expect_request("/bucket/a").respond_with_handler(answer)
    assert storage.read_bytes("s3://bucket/a") == b"data"


def test_web_objects_are_read_with_their_query(web: HTTPServer) -> None:
    def answer(request: Request) -> Response:
        return Response(f"{request.path}|{request.query_string.decode()}")

    web.expect_request(re.compile(".*")).respond_with_handler(answer)
    uri = web.url_for("/a%20b/items.json?token=x%2By%3D&z=1")
    assert storage.read_bytes(uri) == b"/a b/items.json|token=x%2By%3D&z=1"
    assert storage.size(uri) == len(storage.read_bytes(uri))
    assert storage.exists(uri)
    joined = storage.join(web.url_for("/prefix/?sig=1"), "odd #name.json")
    assert storage.read_bytes(joined) == b"/prefix/odd #name.json|sig=1"


def test_redirects_are_followed(web: HTTPServer) -> None:
    web.expect_request("/old").respond_with_response(Response(status=302, headers={"Location": "/new?q=1"}))
    web.expect_request("/new").respond_with_data(b"moved")
    assert storage.read_bytes(web.url_for("/old")) == b"moved"


def test_a_missing_web_object(web: HTTPServer) -> None:
    web.expect_request("/absent").respond_with_data(b"", status=404)
    with pytest.raises(FileNotFoundError) as caught:
        storage.read_bytes(web.url_for(f"/absent?sig={SECRET}"))
    assert SECRET not in "".join(_everything(caught.value))
    assert not storage.exists(web.url_for("/absent"))


@pytest.mark.parametrize("status", [401, 403])
def test_a_web_object_behind_a_login(web: HTTPServer, status: int) -> None:
    web.expect_request("/x").respond_with_data(b"", status=status)
    error = _fails(lambda: storage.read_bytes(web.url_for(f"/x?sig={SECRET}")), "STORAGE_DENIED", "/x'")
    assert "AWS" not in error.remedy


@pytest.mark.parametrize("status", [400, 418, 429, 500, 503])
def test_a_web_server_that_keeps_failing(web: HTTPServer, monkeypatch: pytest.MonkeyPatch, status: int) -> None:
    monkeypatch.setenv("EARTHENWARE_STORE_SECONDS", "0.1")
    web.expect_request("/x").respond_with_data(b"<html>sorry</html>", status=status)
    uri = web.url_for(f"/x?sig={SECRET}").replace("http://", f"http://user:{SECRET}@")
    _fails(lambda: storage.read_bytes(uri), "STORAGE_FAILED", f"the server answered {status}")


def test_a_web_server_that_recovers(web: HTTPServer) -> None:
    answers = iter([429, 503, 200])
    web.expect_request("/x").respond_with_handler(lambda _: Response(b"late", status=next(answers)))
    assert storage.read_bytes(web.url_for("/x")) == b"late"


def test_a_body_that_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection ends in the middle of the body: no part of it is taken for the whole."""
    monkeypatch.setenv("EARTHENWARE_STORE_SECONDS", "0.5")
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(65536)
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + b"x" * 500)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        uri = f"http://127.0.0.1:{server.getsockname()[1]}/x?sig={SECRET}"
        _fails(lambda: storage.read_bytes(uri), "STORAGE_FAILED")
        server.shutdown(socket.SHUT_RDWR)


def test_the_web_is_read_only(web: HTTPServer, tmp_path: Path) -> None:
    uri = web.url_for(f"/x?sig={SECRET}")
    (tmp_path / "x").touch()
    for action in (
        lambda: storage.write_bytes(uri, b""),
        lambda: storage.write_bytes(uri, b"", create_only=True),
        lambda: storage.replace(uri, b"", "1"),
        lambda: storage.upload_file(tmp_path / "x", uri),
        lambda: storage.delete_file(uri),
        lambda: storage.delete_prefix(uri),
        lambda: storage.ensure_bucket(uri),
    ):
        _fails(action, "READ_ONLY", "can only be read")
    _fails(lambda: list(storage.list_files(uri)), "NOT_LISTABLE")
    _fails(lambda: storage.is_empty(uri), "NOT_LISTABLE")
    assert not web.log


def test_buckets_are_made_once(s3: str) -> None:
    uri = f"s3://made-{os.getpid()}-{time.monotonic_ns()}/some/prefix"
    client = Minio(urlsplit(s3).netloc, "earthenware", "not-a-secret", secure=False, region="us-east-1")
    bucket = urlsplit(uri).netloc
    assert not client.bucket_exists(bucket)
    assert storage.ensure_bucket(uri)
    assert client.bucket_exists(bucket)
    storage.write_bytes(storage.join(uri, "x"), b"kept")
    assert not storage.ensure_bucket(uri)
    assert storage.read_bytes(storage.join(uri, "x")) == b"kept"


def test_a_bucket_of_an_impossible_name(s3: str) -> None:
    _fails(lambda: storage.ensure_bucket("s3://No_Bucket!/x"), "BAD_BUCKET_NAME", "No_Bucket!")


@pytest.mark.parametrize("key", ["", None])
def test_a_bucket_without_credentials(s3: str, monkeypatch: pytest.MonkeyPatch, key: str | None) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_ACCESS_KEY", "AWS_SECRET_ACCESS_KEY", "AWS_SECRET_KEY", "MINIO_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    if key is not None:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", key)
    _fails(lambda: storage.ensure_bucket("s3://bucket/x"), "STORAGE_FAILED", "there are no credentials")


def test_a_local_bucket_is_a_folder(tmp_path: Path) -> None:
    assert storage.ensure_bucket(str(tmp_path / "a" / "b"))
    assert (tmp_path / "a" / "b").is_dir()
    assert not storage.ensure_bucket(str(tmp_path / "a" / "b"))


def test_a_file_where_a_folder_is_needed(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"kept")
    uri = str(tmp_path / "file" / "x")
    with pytest.raises(FileNotFoundError):
        storage.read_bytes(uri)
    assert not storage.exists(uri)
    assert storage.is_empty(str(tmp_path / "file"))
    for create_only in (False, True):
        # Not FileExistsError, which would mean that the object is there.
        _fails(lambda only=create_only: storage.write_bytes(uri, b"", create_only=only), "STORAGE_FAILED", uri)  # type: ignore[misc]
    _fails(lambda: storage.write_bytes(f"{uri}/deeper", b""), "STORAGE_FAILED", uri)
    _fails(lambda: storage.read_bytes(str(tmp_path)), "STORAGE_FAILED", str(tmp_path))
    _fails(lambda: storage.write_bytes(str(tmp_path), b""), "STORAGE_FAILED", str(tmp_path))
    assert (tmp_path / "file").read_bytes() == b"kept"


def test_what_may_not_be_read_or_written() -> None:
    folder = Path(tempfile.mkdtemp())  # not below pytest's folder, which other users may not enter
    (folder / "secret").write_bytes(b"x")
    (folder / "secret").chmod(0o000)
    folder.chmod(0o555)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)  # root may do everything
    try:
        _fails(lambda: storage.write_bytes(str(folder / "x"), b""), "STORAGE_DENIED", str(folder))
        _fails(lambda: storage.read_bytes(str(folder / "secret")), "STORAGE_DENIED", "secret")
        _fails(lambda: storage.delete_file(str(folder / "secret")), "STORAGE_DENIED", "secret")
    finally:
        os.seteuid(user)
        folder.chmod(0o700)
        storage.delete_prefix(str(folder))


_FULL_DISK = """
import resource, signal, sys
from earthenware import storage
from earthenware.errors import EarthenwareError
folder = sys.argv[1]
storage.write_bytes(folder + "/x", b"old")
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
from pathlib import Path
for action in (
    lambda: storage.write_bytes(folder + "/x", b"n" * 1_000_000),
    lambda: storage.write_bytes(folder + "/new", b"n" * 1_000_000, create_only=True),
    lambda: storage.upload_file(Path(sys.argv[2]), folder + "/x"),
):
    try:
        action()
    except EarthenwareError as error:
        print(error.code, error.message)
"""


def test_a_full_disk_loses_nothing(tmp_path: Path) -> None:
    """A limit on the length of files stands for the end of the disk: both fail in the middle of a write."""
    folder, large = tmp_path / "out", tmp_path / "large"
    large.write_bytes(b"n" * 1_000_000)
    command = [sys.executable, "-c", _FULL_DISK, str(folder), str(large)]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    lines = ended.stdout.splitlines()
    assert len(lines) == 3, ended.stderr
    assert all(line.startswith("STORAGE_FULL No space left") for line in lines)
    assert (folder / "x").read_bytes() == b"old"
    assert [path.name for path in folder.iterdir()] == ["x"]


def test_a_wrong_setting_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EARTHENWARE_STORE_SECONDS", "soon")
    _fails(lambda: storage.read_bytes("s3://bucket/x"), "BAD_ENVIRONMENT", "EARTHENWARE_STORE_SECONDS = 'soon'")
