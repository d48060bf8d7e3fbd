"""Where Ray Train keeps its own bookkeeping: a local folder, or the object store where there are several machines."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from earthenware import storage
from earthenware.errors import EarthenwareError
from earthenware.launch._local import existing_ray


@contextlib.contextmanager
def ray_storage(output: str, attempt: str, scratch: Path) -> Iterator[dict[str, Any]]:
    """Yield the arguments of Ray Train's ``RunConfig`` that say where its bookkeeping lies; it is removed at the end.

    Call it while the output's lease is held. What a killed attempt left is removed first.

    Args:
        output: URI of the output that the step owns.
        attempt: Name of the attempt.
        scratch: A local folder of the attempt.
    """
    if not existing_ray() or not output.startswith("s3://"):
        yield {"storage_path": str(scratch / "ray")}
        return
    prefix = storage.join(output, "ray")
    storage.delete_prefix(prefix)
    from earthenware.launch._files import shared_files

    path = storage.join(prefix, attempt).removeprefix("s3://")
    try:
        yield {"storage_path": path, "storage_filesystem": shared_files()}
    finally:
        with contextlib.suppress(EarthenwareError):  # the first error is the one to show
            storage.delete_prefix(prefix)
