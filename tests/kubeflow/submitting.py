"""``earthenware submit`` called in this process against the stand-in: what its tests share."""

from __future__ import annotations

from earthenware.cli._main import _call

TOKEN = "tok-5f2e8a91c04d"
COOKIE = "authservice_session=MTc2-c00k1e-value"
GOOD = [
    {"state": "PENDING"},
    {"state": "RUNNING", "steps": {"query": "RUNNING"}},
    {"state": "RUNNING", "steps": {"query": "SUCCEEDED", "build": ["SUCCEEDED", "RUNNING"]}},
    {"state": "SUCCEEDED", "steps": {"query": "SUCCEEDED", "build": ["SUCCEEDED", "SUCCEEDED"], "train": "SUCCEEDED"}},
]
BAD = [
    {"state": "RUNNING", "steps": {"query": "SUCCEEDED"}},
    {"state": "FAILED", "error": "child 'train' failed", "steps": {"query": "SUCCEEDED", "train": ("FAILED", 3)}},
]
# The second retry's pod: Argo's hash of ...root.train.executor(2), in a template for one label and retries.
TRAIN_POD = "earthenware-pretrain-x7k2p-metadata-0-1-retry-system-container-impl-3201490414"
_VARIABLES = ("KFP_HOST", "KFP_TOKEN", "KFP_COOKIE", "KF_PIPELINES_UI_ENDPOINT", "HTTP_PROXY", "http_proxy")


class Command:
    """Runs the command against a server with a small spec; gives its exit code, its output and its errors."""

    def __init__(self, server, folder, capsys, monkeypatch):
        for name in _VARIABLES:
            monkeypatch.delenv(name, raising=False)
        self.server = server
        self.capsys = capsys
        self.spec = str(folder / "pretrain.yaml")
        query = "query:\n  bbox: 5,49,6,50\n  datetime: '2021'\n"
        (folder / "pretrain.yaml").write_text(f"root: s3://bucket/prefix\n{query}train:\n  epochs: 7\n")

    def __call__(self, *arguments, host=None, start=True):
        begin = ["submit", "pretrain", *(["--spec", self.spec] if start else []), "--host", host or self.server.url]
        code = _call([*begin, "--poll", "0.05", *arguments])
        said = self.capsys.readouterr()
        return code, said.out, said.err


def only(mapping):
    (value,) = mapping.values()
    return value
