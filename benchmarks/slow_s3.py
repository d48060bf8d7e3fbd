"""An object store with latency: S3's GET of objects and ranges from a folder, each answer some milliseconds late.

Run as a process of its own (``python -m benchmarks.slow_s3 FOLDER MILLISECONDS``), so that it takes no time from the
reader that is measured; it prints its port. One thread answers any number of connections. Keys are paths in the folder,
without the bucket; signatures are not looked at.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

_RANGE = re.compile(r"^range: bytes=(\d*)-(\d*)", re.IGNORECASE | re.MULTILINE)


class _Objects(asyncio.Protocol):
    """Answers one connection, request by request."""

    def __init__(self, folder: Path, late: float) -> None:
        self._folder, self._late, self._unread = folder, late, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        head, complete, self._unread = (self._unread + data).partition(b"\r\n\r\n")
        if complete:
            asyncio.get_running_loop().call_later(self._late, self._answer, head.decode("ascii"))
        else:
            self._unread = head

    def _answer(self, head: str) -> None:
        key = unquote(head.split(" ", 2)[1].partition("?")[0]).lstrip("/").partition("/")[2]
        try:
            with (self._folder / key).open("rb") as file:
                size = file.seek(0, 2)
                asked = _RANGE.search(head)
                first, last = asked.groups() if asked else ("0", "")
                start = int(first) if first else max(0, size - int(last))
                stop = min(size, int(last) + 1) if first and last else size
                file.seek(start)
                body = file.read(stop - start)
        except (FileNotFoundError, IsADirectoryError):
            self._transport.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
            return
        status = f"206 Partial Content\r\nContent-Range: bytes {start}-{stop - 1}/{size}" if asked else "200 OK"
        dates = f'Last-Modified: Wed, 01 Jan 2025 00:00:00 GMT\r\nETag: "{size:x}"'
        self._transport.write(f"HTTP/1.1 {status}\r\n{dates}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)


@contextlib.contextmanager
def slow_s3(folder: Path, milliseconds: float) -> Iterator[str]:
    """Serve a folder in another process; yield the endpoint."""
    command = [sys.executable, "-m", "benchmarks.slow_s3", str(folder), str(milliseconds)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(server.stdout.readline())}"
        finally:
            server.terminate()


async def _serve(folder: Path, late: float) -> None:
    server = await asyncio.get_running_loop().create_server(
        lambda: _Objects(folder, late), "127.0.0.1", 0, backlog=1024
    )
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1]), float(sys.argv[2]) / 1000))
