"""The embed step: every chip of a store through a model, into one product."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from earthenware import storage
from earthenware.chips import ChipStore
from earthenware.embeddings import _stac
from earthenware.embeddings._hilbert import hilbert_order
from earthenware.embeddings._spec import EmbedSpec
from earthenware.embeddings._write import product_rows, write_product
from earthenware.errors import EarthenwareError
from earthenware.products import EMBEDDINGS_FILE, product_schema, record_step, require_model
from earthenware.steps import Attempt, Reject, Result, StepReport, artifact, damaged, run_step

if TYPE_CHECKING:
    import pyarrow as pa

ALGORITHM_VERSION = 2
ROWS_FILE = "rows.parquet"


def embed(spec: EmbedSpec, chips: str, model: str, output: str) -> StepReport:
    """Write the embedding product of a chip store.

    Chips are taken in blocks along the Hilbert curve; each finished block is committed, so that a killed run resumes
    after the last one, and what comes out is the same bit by bit.

    Args:
        spec: How.
        chips: URI of the chip store.
        model: URI of the train step's output.
        output: Prefix that gets ``embeddings.parquet`` and the STAC documents.

    Returns:
        The report; its counts are ``embeddings`` and ``dimensions``.

    Raises:
        EarthenwareError: ``NO_CHIPS`` when nothing is to be embedded, ``TOO_MANY_REJECTS``, or what the store, the
            model or the output raises.
    """
    report = run_step(
        "embed",
        ALGORITHM_VERSION,
        spec=spec,
        inputs={"chips": chips, "model": model},
        output=output,
        body=lambda attempt: _Export(spec, chips, model, attempt).run(),
    )
    record_step(report.inputs["model"][0], report.output, report.manifest)
    return report


class _Export:
    """One attempt at a product."""

    def __init__(self, spec: EmbedSpec, chips: str, model: str, attempt: Attempt) -> None:
        from earthenware.inference import load_package

        self.spec = spec
        self.attempt = attempt
        self.store = ChipStore.open(chips)
        trained = require_model(attempt.input("model"), model)
        self.package_uri = artifact(model, trained.package, attempt.input("model"))
        self.package = load_package(self.package_uri, trained.package_digest)

    def run(self) -> Result:
        order = self._order()
        step = self.spec.part_chips
        blocks = {f"{start:012d}": order[start : start + step] for start in range(0, len(order), step)}
        done = 0
        for key, indices in blocks.items():
            if key not in self.attempt.committed():
                self._part(key, indices, done, len(order))
            else:
                self.attempt.progress(done + len(indices), len(order), "chips")
            done += len(indices)
        self.attempt.check_rejects(len(order), self.spec.reject_limit)
        return self._publish(list(blocks))

    def _order(self) -> NDArray[np.int64]:
        """Return the numbers of the chips to embed, along the Hilbert curve."""
        splits = self.store.column("split")
        chosen = np.flatnonzero(np.isin(splits, self.spec.splits)) if self.spec.splits else np.arange(len(splits))
        if not len(chosen):
            what = f"of the splits {', '.join(self.spec.splits)} " if self.spec.splits else ""
            message = f"The chip store '{storage.redact(self.store.uri)}' has no chips {what}to embed."
            raise EarthenwareError("NO_CHIPS", message, "Check 'splits', or build more chips.")
        lon, lat, ids = (self.store.column(name)[chosen] for name in ("lon", "lat", "chip_id"))
        return np.asarray(chosen[hilbert_order(lon, lat, ids.astype(str))])

    def _part(self, key: str, indices: NDArray[np.int64], done: int, total: int) -> None:
        """Embed one block and commit it."""
        from earthenware.inference import embed_chips

        found = embed_chips(
            self.store,
            self.package,
            indices,
            batch_size=self.spec.batch_size,
            device=self.spec.device,
            progress=lambda count, _: self.attempt.progress(done + count, total, "chips"),
        )
        seen, finite = found.valid_fraction > 0, np.isfinite(found.embeddings).all(1)
        good = seen & finite
        ids = self.store.column("chip_id")[indices]
        rejects = [
            *(Reject(name, "NO_VALID_PIXELS", "none of its pixels is valid") for name in ids[~seen]),
            *(Reject(name, "NOT_FINITE", "the model gave a vector that is not finite") for name in ids[seen & ~finite]),
        ]
        size = self.spec.thumbnail_size if self.spec.thumbnails else None
        rows = product_rows(self.store, indices[good], found.select(good), self.package, size)
        path = f"{self.attempt.part_path(key)}/{ROWS_FILE}"
        data = storage.table_bytes(rows)
        storage.write_bytes(self.attempt.uri(path), data)
        self.attempt.commit(key, {"path": path, "rows": len(rows), "sha256": sha256(data).hexdigest()}, rejects)

    def _parts(self, keys: list[str], columns: list[str] | None = None) -> Iterator[pa.Table]:
        records = self.attempt.committed()
        for key in keys:
            uri = self.attempt.uri(records[key]["path"])
            data = storage.read_bytes(uri)
            if sha256(data).hexdigest() != records[key]["sha256"]:
                raise damaged(f"'{storage.redact(uri)}' is not what this step wrote.")
            yield storage.parse_table(data, uri, columns)

    def _publish(self, keys: list[str]) -> Result:
        import pyarrow as pa

        table = pa.concat_tables(self._parts(keys, ["geometry", "datetime", "site", "reconstruction_loss"]))
        facts = self._facts(table)
        local = self.attempt.scratch / EMBEDDINGS_FILE
        write_product(
            local,
            self._parts(keys),
            product_schema(self.package.width, thumbnails=self.spec.thumbnails),
            bounds=facts.bounds,
            emb=_stac.footer(facts),
            row_group_bytes=self.spec.row_group_megabytes * 2**20,
        )
        self.attempt.put_file(EMBEDDINGS_FILE, local)
        self.attempt.put_json(_stac.COLLECTION_FILE, _stac.collection(facts))
        self.attempt.put_json(_stac.ITEM_FILE, _stac.item(facts))
        self.attempt.put_json(_stac.MODEL_FILE, _stac.model_item(facts))
        losses = np.asarray(table["reconstruction_loss"].to_numpy(), np.float64)
        return Result(
            counts={"embeddings": len(table), "dimensions": self.package.width},
            metrics={"reconstruction_loss": float(np.nanmean(losses))} if np.isfinite(losses).any() else {},
            details={"model_digest": self.package.digest, "bounds": list(facts.bounds)},
            # Links in the STAC documents depend on where the product lies; its rows do not.
            content=self.attempt.artifacts[EMBEDDINGS_FILE].sha256,
        )

    def _facts(self, table: pa.Table) -> _stac.ProductFacts:
        import shapely

        if not len(table):
            raise EarthenwareError("NO_CHIPS", "No chip of the store could be embedded.", "See rejects.parquet.")
        shapes = shapely.from_wkb(table["geometry"].to_numpy())
        sites = table["site"].to_numpy().astype(str)
        footprint = shapely.union_all(
            [shapely.convex_hull(shapely.union_all(shapes[sites == site])) for site in np.unique(sites)]
        )
        west, south, east, north = (float(value) for value in shapely.total_bounds(shapes))
        times = [moment for moment in table["datetime"].to_pylist() if moment is not None]
        epoch = datetime(1970, 1, 1, tzinfo=UTC)
        return _stac.ProductFacts(
            spec=self.spec,
            output=self.attempt.output,
            store=self.store,
            package=self.package,
            package_uri=self.package_uri,
            rows=len(table),
            bounds=(west, south, east, north),
            footprint=shapely.geometry.mapping(footprint),
            period=(min(times, default=epoch), max(times, default=epoch)),
        )
