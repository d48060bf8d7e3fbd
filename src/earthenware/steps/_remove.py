"""Taking an output away: never under an attempt, and so that a removal that was killed can be begun again."""

from __future__ import annotations

import contextlib

from earthenware import storage
from earthenware.errors import EarthenwareError
from earthenware.steps._attempt import part_records
from earthenware.steps._documents import CLAIM, ERROR, LEASE, MANIFEST, read_claim, read_holder
from earthenware.steps._lease import Lease


def remove_output(output: str, *, finished: bool) -> None:
    """Remove what a step claimed, under its lease.

    What says that something counts goes before what it names, and the claim last: at each moment the output can be
    resumed and removed. Then only the lease is left, and a prefix with nothing but a lease is free.

    Args:
        output: The step's output.
        finished: Whether it held a finished step when it was looked at.

    Raises:
        EarthenwareError: ``LEASED`` or ``LEASE_LOST`` when an attempt works there, ``OUTPUT_OCCUPIED`` when the output
            is not claimed or not what it was, or what the storage says.
    """
    _look(output, finished)  # a lease on what is not ours would be a file in somebody's folder
    try:
        _remove(output, finished)
    except EarthenwareError as error:
        if error.code != "STORAGE_FULL" or ((holder := read_holder(output)) and holder.alive is not False):
            raise
        _disown(output)  # nothing works on a full disk, not even a lease: this makes room for one
        _remove(output, finished=False)
    if storage.is_local(output):
        with contextlib.suppress(OSError):  # somebody is there already
            storage.local_path(output).rmdir()


def _remove(output: str, finished: bool) -> None:
    with Lease(output) as lease:
        _look(output, finished)
        _disown(output)
        lease.check()
        storage.delete_prefix(output, keep=(CLAIM, LEASE))
        lease.confirm()
        storage.delete_file(storage.join(output, CLAIM))


def _look(output: str, finished: bool) -> None:
    if read_claim(output) is None or storage.exists(storage.join(output, MANIFEST)) != finished:
        message = f"'{storage.redact(output)}' is not what it was a moment ago."
        raise EarthenwareError("OUTPUT_OCCUPIED", message, "Look at it again with 'earthenware status'.")


def _disown(output: str) -> None:
    for uri in (storage.join(output, MANIFEST), storage.join(output, ERROR), *part_records(output)):
        storage.delete_file(uri)
