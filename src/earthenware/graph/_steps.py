"""Every step there is, one entry each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from earthenware.graph._declare import Artifact, Kind, Step

_SCENES: Final = Artifact("scenes", "Dataset", "Pointer to the table of scenes")
_CHIPS: Final = Artifact("chips", "Dataset", "Pointer to a chip store")
_STORES: Final = Artifact("stores", "Dataset", "Pointers to the chip stores of the shards", "chips", many=True)
_VALIDATION: Final = Artifact("validation", "Artifact", "Pointer to the verdict on a chip store")
_MODEL: Final = Artifact("model", "Model", "Pointer to the trained model")
_EVALUATION: Final = Artifact("evaluation", "Artifact", "Pointer to the evaluation of a model")
_EMBEDDINGS: Final = Artifact("embeddings", "Dataset", "Pointer to the embedding product")
_REPORT: Final = Artifact("pointer", "Artifact", "Pointer to the report", "report")
_METRICS: Final = Artifact("metrics", "Metrics", "Counts and scores of the step")
_PAGE: Final = Artifact("page", "HTML", "The step's own page")
_SUMMARY: Final = Artifact("summary", "Markdown", "A short summary")

_ALL: Final = (
    Step(
        "query",
        "earthenware.catalog:query",
        "earthenware.catalog:QuerySpec",
        "Search a STAC catalog and write the table of scenes, one row per datacube to build.",
        kind="io",
        outputs=(_SCENES, _METRICS, _SUMMARY),
        divides="scenes",
    ),
    Step(
        "build",
        "earthenware.datacube:build",
        "earthenware.datacube:BuildSpec",
        "Read the scenes' pixels onto one grid each and cut them into a chip store.",
        inputs=(_SCENES,),
        outputs=(_CHIPS, _METRICS),
        shard="shard",
    ),
    Step(
        "merge",
        "earthenware.datacube:merge",
        "",
        "Join the chip stores of all build shards, without copying a pixel.",
        inputs=(_STORES,),
        outputs=(_CHIPS, _METRICS),
    ),
    Step(
        "validate",
        "earthenware.validation:validate",
        "earthenware.validation:ValidateSpec",
        "Check a chip store with Great Expectations and publish the verdict.",
        inputs=(_CHIPS,),
        outputs=(_VALIDATION, _METRICS, _PAGE),
    ),
    Step(
        "gate",
        "earthenware.validation:gate",
        "",
        "Fail unless the data passed validation.",
        kind="gate",
        inputs=(_VALIDATION,),
    ),
    Step(
        "train",
        "earthenware.training:train",
        "earthenware.training:TrainSpec",
        "Pretrain a masked autoencoder with Ray Train and register it in MLflow as 'candidate'.",
        kind="ray",
        inputs=(_CHIPS, replace(_VALIDATION, optional=True)),
        outputs=(_MODEL, _METRICS),
    ),
    Step(
        "evaluate",
        "earthenware.evaluation:evaluate",
        "earthenware.evaluation:EvaluateSpec",
        "Measure reconstruction and land-cover probes on sites that training did not see.",
        kind="accelerator",
        inputs=(_CHIPS, _MODEL),
        outputs=(_EVALUATION, _METRICS, _PAGE),
    ),
    Step(
        "embed",
        "earthenware.embeddings:embed",
        "earthenware.embeddings:EmbedSpec",
        "Export one embedding per chip as GeoParquet with its STAC Collection and Item.",
        kind="accelerator",
        inputs=(_CHIPS, _MODEL),
        outputs=(_EMBEDDINGS, _METRICS),
        hint="earthenware search {root} --lonlat {lonlat}   # more places like this one",
    ),
    Step(
        "report",
        "earthenware.report:report",
        "earthenware.report:ReportSpec",
        "Write one self-contained page about the whole run.",
        inputs=(_CHIPS, _MODEL, _EVALUATION, _EMBEDDINGS),
        outputs=(_REPORT, _PAGE, _SUMMARY),
    ),
)

CONFIGURE: Final = "configure"
"""The first task of every pipeline, which makes the spec of a run out of its form; it is no step of its own."""
STEPS: Final[Mapping[str, Step]] = MappingProxyType({step.name: step for step in _ALL})
"""The steps by their names, in the order in which they usually run."""
KINDS: Final[Mapping[str, Kind]] = MappingProxyType({CONFIGURE: "io", **{step.name: step.kind for step in _ALL}})
"""What each task of a pipeline asks of where it runs, by its name."""
