"""Taking URIs apart and putting them together."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from earthenware import storage
from earthenware.errors import EarthenwareError

_SEGMENT = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=12).filter(
    lambda text: text not in (".", "..")
)
_PATH = st.lists(_SEGMENT, min_size=1, max_size=4)
_BASE = st.sampled_from(["/data", "/data/", "relative", "s3://bucket", "s3://bucket/a b/", "file:///data"])


@given(_BASE, _PATH)
def test_name_and_parent_undo_join(base: str, path: list[str]) -> None:
    uri = storage.join(base, *path)
    assert storage.name(uri) == path[-1]
    assert storage.normalise(storage.parent(uri)) == storage.normalise(storage.join(base, *path[:-1]))
    assert storage.join(base, "/".join(path)) == uri


@given(_PATH)
def test_web_addresses_keep_their_query_and_encode_names(path: list[str]) -> None:
    uri = storage.join("https://host/a/?sig=x%2By", *path)
    assert uri == "https://host/a/" + "/".join(quote(part) for part in path) + "?sig=x%2By"
    assert storage.name(uri) == path[-1]


@given(
    st.one_of(_BASE, st.sampled_from(["https://host/x/?q=1", "s3://b//x//", "/", "//a", "~", "~nobody-of-this-name"])),
    _PATH,
)
def test_normalise_is_absolute_and_idempotent(base: str, path: list[str]) -> None:
    for uri in (base, storage.join(base, *path)):
        once = storage.normalise(uri)
        assert storage.normalise(once) == once
        assert Path(once).is_absolute() or not storage.is_local(once)
        assert not once.endswith("/") or once == "/" or once.startswith("https")


@given(_SEGMENT)
def test_a_file_uri_and_a_path_of_an_odd_name_are_the_same_file(segment: str) -> None:
    assert storage.local_path(storage.join("file:///data", segment)) == storage.local_path(f"/data/{segment}")
    assert storage.local_path(storage.join("file://localhost/data", segment)).name == segment


@pytest.mark.parametrize("part", ["../x", "a/../../x", "/etc/passwd", "..", "s3://other/x", "a\0b"])
@pytest.mark.parametrize("base", ["/data", "s3://bucket/a", "file:///data", "https://host/a"])
def test_join_refuses_to_leave_the_base(base: str, part: str) -> None:
    with pytest.raises(EarthenwareError) as caught:
        storage.join(base, part)
    assert caught.value.code == "UNSAFE_PATH"
    assert "\0" not in str(caught.value)


@pytest.mark.parametrize("part", ["a..b", "..a", "a..", "..."])
def test_join_allows_dots_in_names(part: str) -> None:
    assert storage.join("/data", part) == f"/data/{part}"


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("s3://bucket/a/b", "s3://bucket/a"),
        ("s3://bucket/a/", "s3://bucket"),
        ("s3://bucket", "s3://bucket"),
        ("https://host/a/b.json?sig=1/2", "https://host/a"),
        ("https://host", "https://host"),
        ("/a", "/"),
        ("/", "/"),
        ("a", "."),
    ],
)
def test_parent(uri: str, expected: str) -> None:
    assert storage.parent(uri) == expected


@pytest.mark.parametrize(
    ("uri", "code"),
    [
        ("", "EMPTY_URI"),
        ("  ", "EMPTY_URI"),
        ("gs://bucket/x", "UNKNOWN_SCHEME"),
        ("S3://bucket/x", "UNKNOWN_SCHEME"),
        ("s3:///x", "BAD_URI"),
        ("s3://", "BAD_URI"),
        ("s3://bucket/a/../b", "BAD_URI"),
        ("s3://key:hunter2@bucket/x", "BAD_URI"),
        ("file://server/share", "BAD_URI"),
        ("file:relative", "BAD_URI"),
        ("a\0b", "BAD_URI"),
    ],
)
def test_normalise_refuses(uri: str, code: str) -> None:
    with pytest.raises(EarthenwareError) as caught:
        storage.normalise(uri)
    assert caught.value.code == code
    assert "hunter2" not in str(caught.value)
    assert "\n" not in str(caught.value)


@given(
    st.sampled_from(["http", "https", "s3"]),
    st.text("abcXYZ019-_.~%", min_size=3, max_size=10),
    st.text("abcXYZ019-_.~%+/", min_size=3, max_size=10),
)
def test_redact_leaves_no_secret(scheme: str, password: str, signature: str) -> None:
    password, signature = f"pass{password}", f"sig{signature}"
    uri = f"{scheme}://user:{password}@host/path/x.json"
    if scheme != "s3":
        uri += f"?token={signature}#{signature}"
    shown = storage.redact(uri)
    assert shown == f"{scheme}://host/path/x.json"
    text = storage.redact_text(f"error sending request for url ({uri}), tried '{uri}'")
    assert password not in text
    assert signature not in text


@given(st.text(max_size=40))
def test_redact_never_fails(text: str) -> None:
    storage.redact(text)
    storage.redact(f"https://{text}")
    storage.redact_text(text)


def test_only_local_uris_are_paths() -> None:
    assert storage.is_local("/x")
    assert storage.is_local("file:///x")
    assert not storage.is_local("s3://b/x")
    with pytest.raises(EarthenwareError, match="not a local path"):
        storage.local_path("s3://b/x")


def test_redact_leaves_a_path_without_a_host_as_it_is() -> None:
    assert storage.redact("sqlite:////data/mlflow.db") == "sqlite:////data/mlflow.db"
    assert storage.redact("sqlite:///relative.db") == "sqlite:///relative.db"
