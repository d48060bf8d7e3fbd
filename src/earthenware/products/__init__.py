"""Files that one step writes and others read, as typed documents: one writer and one reader for each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from earthenware.lazy import lazy_exports

if TYPE_CHECKING:
    from earthenware.products._embeddings import EMBEDDINGS_FILE, EmbeddingProduct, geo_metadata, product_schema
    from earthenware.products._metrics import (
        METHODS,
        METRICS_FILE,
        PROBES,
        Errors,
        Evaluation,
        Features,
        GroupErrors,
        Labelled,
        Method,
        PictureRecord,
        Probe,
        ProbeDifference,
        ProbeResult,
        ProbeScore,
        ReconstructionResult,
        read_evaluation,
    )
    from earthenware.products._model import (
        TrackedModel,
        TrainedModel,
        package_uri,
        record_step,
        require_model,
        trained_model,
    )
    from earthenware.products._verdict import (
        VERDICT_FILE,
        BandFigures,
        Breach,
        Met,
        StoreFigures,
        Verdict,
        put_verdict,
        read_verdict,
    )
else:
    __getattr__, __dir__ = lazy_exports(__name__)

__all__ = [
    "EMBEDDINGS_FILE",
    "METHODS",
    "METRICS_FILE",
    "PROBES",
    "VERDICT_FILE",
    "BandFigures",
    "Breach",
    "EmbeddingProduct",
    "Errors",
    "Evaluation",
    "Features",
    "GroupErrors",
    "Labelled",
    "Met",
    "Method",
    "PictureRecord",
    "Probe",
    "ProbeDifference",
    "ProbeResult",
    "ProbeScore",
    "ReconstructionResult",
    "StoreFigures",
    "TrackedModel",
    "TrainedModel",
    "Verdict",
    "geo_metadata",
    "package_uri",
    "product_schema",
    "put_verdict",
    "read_evaluation",
    "read_verdict",
    "record_step",
    "require_model",
    "trained_model",
]
