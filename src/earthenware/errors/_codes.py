"""Every code that an error may have: whose matter it is, and what it means. The page docs/errors.md is made of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

Kind = Literal["usage", "input", "access", "failed", "validation", "occupied", "internal"]


class KindOf(NamedTuple):
    """What holds for all errors of one kind.

    Attributes:
        exit_code: What a process that ends with one returns.
        meaning: One sentence.
    """

    exit_code: int
    meaning: str


KINDS: Final[Mapping[Kind, KindOf]] = {
    "usage": KindOf(2, "What was asked for is wrong: an option, a spec's field, an address, a setting."),
    "input": KindOf(3, "What was read is missing, damaged or not what it must be."),
    "access": KindOf(3, "A catalog, store, server or cluster cannot be reached, refuses, or has no room."),
    "failed": KindOf(3, "The work itself failed."),
    "validation": KindOf(4, "The work was done, and the data is not good enough."),
    "occupied": KindOf(5, "The place is in use by a live run, or holds something else."),
    "internal": KindOf(1, "A mistake of this package: please report it."),
}

EXIT_CODES: Final = {
    0: "everything asked for is done",
    1: "an unexpected error; please report it",
    2: "a wrong option, spec or parameter",
    3: "a step failed: input, storage, catalog, training",
    4: "the data did not pass validation",
    5: "the output is in use by a live run, or holds something else",
    130: "interrupted with Ctrl-C; run again to resume",
    143: "terminated; run again to resume",
}
"""What the command's exit code says."""


@dataclass(frozen=True)
class Code:
    """An error's code.

    Attributes:
        kind: Whose matter it is; the exit code follows from it.
        meaning: One sentence.
    """

    kind: Kind
    meaning: str


_MEANINGS: Final[Mapping[Kind, Mapping[str, str]]] = {
    "usage": {
        "BAD_BUCKET_NAME": "No store allows a bucket of this name.",
        "BAD_ENVIRONMENT": "An environment variable has a value that cannot be used.",
        "BAD_MODEL": "No model family can make the model that is asked for on the chips of the store.",
        "BAD_MODEL_NAME": "MLflow cannot register a model of this name.",
        "BAD_OPTION": "An option of a command is missing, wrong, or contradicts another.",
        "BAD_PROFILE": "A cluster profile has a field or value that cannot be used.",
        "BAD_QUERY": "A similarity search starts from no position, or asks for no results.",
        "BAD_RAY_SETTINGS": "The settings of a Ray job in the environment do not parse.",
        "BAD_SET": "A --set is not of the form section.field=value.",
        "BAD_SPEC": "A spec has an unknown field, lacks one, or a value is out of its range.",
        "BAD_URI": "A path or URI is malformed.",
        "BAD_YAML": "A spec or profile is not plain YAML.",
        "CANNOT_RECONSTRUCT": "The model's family does not fill in what is hidden of a chip.",
        "CHECKPOINT_MISMATCH": "A checkpoint was made with other batches or another number of chips.",
        "DEVICE_UNAVAILABLE": "The device that is asked for is not there or computes nothing.",
        "EMPTY_URI": "A path or URI is empty.",
        "NOT_LISTABLE": "A web address was given where a folder or prefix must be listed.",
        "NOT_LOCAL": "An address was given where only a folder of this machine can be used.",
        "NOT_SHARED": "A path of this machine was given to pods that cannot reach it.",
        "NO_GPU": "Training is asked for on GPUs that Ray does not have.",
        "NO_NAMESPACE": "The cluster has several users, and no namespace is given.",
        "NO_SPEC": "There is no spec file at this address.",
        "NO_TRACKING_URI": "No tracking store is named, and the root cannot hold one.",
        "READ_ONLY": "A web address was given as the place to write to.",
        "ROOT_NOT_WRITABLE": "The user under whom containers run may not write to the root.",
        "SECRET_IN_URL": "A URL holds a password that a Ray job would show to others.",
        "UNKNOWN_BAND": "A sensor has no band of this name.",
        "UNKNOWN_CHIP": "A store or product has no chip of this id.",
        "UNKNOWN_PIPELINE": "This installation has no pipeline of this name.",
        "UNKNOWN_PROFILE": "There is no profile of this name, and no such file.",
        "UNKNOWN_SCHEDULE": "There is no learning-rate schedule of this name.",
        "UNKNOWN_SCHEME": "A URI is neither file, s3, https nor http.",
        "UNKNOWN_SENSOR": "There is no sensor of this name, or the store has none of it.",
        "UNSAFE_PATH": "A path leads out of the folder that it must stay below.",
        "VERSION_MISMATCH": "A pipeline was compiled by another version of this package than is installed.",
    },
    "input": {
        "ASSET_TOO_LARGE": "An image claims a size or blocks for which no memory is taken.",
        "BAD_MANIFEST": "A step's manifest is damaged or of a newer version.",
        "BAD_PIPELINE": "A compiled pipeline holds something that Kubeflow does not know.",
        "BAD_POINTER": "An artifact of a component is not a pointer to a step's output.",
        "BAD_SCENE": "A row of the table of scenes cannot be used.",
        "BAD_SCENES": "The table of scenes lacks a column, or names a scene twice.",
        "BAD_VERDICT": "A validation's verdict is damaged or of another version.",
        "BANDS_DIFFER": "The chip store lacks a band that the model reads.",
        "CATALOG_ERROR": "The catalog answered with an error or with nonsense.",
        "CHECKPOINT_UNREADABLE": "A training checkpoint is damaged.",
        "CHIPS_CORRUPT": "A part of a chip store is damaged.",
        "CHIP_ROW": "A row for the index of chips is wrong.",
        "CHIP_SIZE": "The chips are of a size that the model does not take.",
        "EMPTY_PRODUCT": "The embedding product has no rows.",
        "EMPTY_SEARCH": "The search found no scene that can be used.",
        "FORBIDDEN_LINK": "A catalog's link is not the address of a file, or leads to a place that it may not.",
        "MISSING_ASSET": "An item of the catalog lacks a band, or its file is not there.",
        "MIXED_OFFSETS": "Items of one scene declare different radiometric offsets.",
        "MODEL_CORRUPT": "A model package is damaged.",
        "MODEL_FORMAT": "This is no model package, or one of another version or model family.",
        "MODEL_MISSING": "A file of the model package is missing.",
        "NOT_AN_ITEM_COLLECTION": "The catalog file is no STAC ItemCollection.",
        "NOT_A_CHIP_STORE": "There is no chip store at this address, or its document is incomplete.",
        "NOT_A_STAC_API": "The catalog's address does not answer as a STAC API with item search.",
        "NOT_A_VALIDATION": "This is the output of another step than a validation.",
        "NOT_EVALUATED": "The output holds no evaluation.",
        "NOT_FINISHED": "The output holds no finished step.",
        "NOT_JSON": "A file is not a complete JSON document.",
        "NOT_PARQUET": "A file is not a whole Parquet file.",
        "NO_CHIPS": "There is not one chip to work on, or none is left.",
        "NO_CRS": "An image has no coordinate reference system.",
        "NO_INPUT": "There is nothing at the address of an input.",
        "NO_MODEL": "The output of a step holds no trained model.",
        "NO_MODEL_VERSION": "MLflow has no such version of the model.",
        "NO_OVERLAP": "An image does not cover the grid of its scene.",
        "NO_PRODUCT": "There is no embedding product at this address.",
        "NO_ROOT": "There is no folder or prefix to look at.",
        "NO_SCENES": "There is no table of scenes, or it is empty.",
        "NO_STORES": "No chip store was given to merge.",
        "NO_SUCH_COLUMN": "A table lacks a column.",
        "NO_TRAINING_CHIPS": "The chip store has no chip in the train split.",
        "OUTPUT_DAMAGED": "A finished output lacks a file that its manifest names, or has another in its place.",
        "OUTSIDE_PRODUCT": "No chip of the product lies at the given position.",
        "PRODUCT_CORRUPT": "An embedding product is damaged.",
        "STORES_DIFFER": "Chip stores that are to be merged differ in sensors, sizes or format.",
        "STORE_TOO_NEW": "The chip store was written by a newer version.",
        "TOO_FEW_CHIPS": "There are fewer training chips than the workers need at each step.",
        "TOO_MANY_ITEMS": "The search finds more items than max_items.",
        "TOO_MANY_REJECTS": "More records were rejected than reject_limit allows.",
        "TOO_SMALL": "A scene is smaller than one chip.",
        "UNREADABLE_ASSET": "An image cannot be read.",
    },
    "access": {
        "CATALOG_UNREACHABLE": "The catalog does not answer, or its file is not there.",
        "CLUSTER_FAILED": "Kubernetes answered a request with an error.",
        "CLUSTER_FORBIDDEN": "Kubernetes forbids a request of this account.",
        "CLUSTER_TOKEN": "Kubernetes does not accept this process's token.",
        "CLUSTER_UNREACHABLE": "The Kubernetes API does not answer.",
        "HTTP_ERROR": "An image could not be fetched.",
        "KFP_CONFLICT": "Kubeflow has something of this name already.",
        "KFP_FORBIDDEN": "Kubeflow does not allow this user to do it.",
        "KFP_NOT_FOUND": "Kubeflow does not know what is asked for.",
        "KFP_REFUSED": "Kubeflow refuses the request.",
        "KFP_TLS": "The connection to Kubeflow is not one that can be trusted.",
        "KFP_UNAUTHENTICATED": "Kubeflow asks for a log-in.",
        "KFP_UNAVAILABLE": "Kubeflow answers that it cannot work now.",
        "KFP_UNREACHABLE": "The host of Kubeflow does not answer.",
        "NOT_KUBEFLOW": "What answers at the host is not Kubeflow Pipelines.",
        "NO_CLUSTER": "There is no way into a Kubernetes cluster from here.",
        "NO_DOCKER": "The Docker daemon does not answer.",
        "NO_IMAGE": "A container image is not here and cannot be pulled.",
        "NO_KUBERAY": "The cluster knows no Ray jobs, or lacks the namespace.",
        "NO_SUCH_BUCKET": "The store has no such bucket.",
        "NO_TRACKING_EXPERIMENT": "The MLflow experiment was deleted.",
        "NO_TRACKING_RUN": "MLflow has no run of this id.",
        "RAY_JOB_REFUSED": "KubeRay refuses a Ray job.",
        "STORAGE_DENIED": "The store refuses: the credentials are missing or lack a right.",
        "STORAGE_FAILED": "The store failed, or went on failing through all retries.",
        "STORAGE_FULL": "There is no space left to write.",
        "TRACKING_DENIED": "The MLflow store refuses access.",
        "TRACKING_REFUSED": "The MLflow store refuses a request.",
        "TRACKING_UNREACHABLE": "The MLflow store does not answer.",
        "UNANSWERED": "The cluster did not answer a question of the doctor.",
        "UNREACHABLE": "A host does not answer.",
    },
    "failed": {
        "INTERRUPTED": "The step was interrupted; run again, it resumes.",
        "LOSS_NOT_FINITE": "The loss of the training became infinite or no number.",
        "RAY_HEAD_LOST": "The head of a Ray job died.",
        "RAY_JOB_DEADLINE": "A Ray job did not end within its deadline.",
        "RAY_JOB_FAILED": "A Ray job ended without a result.",
        "RAY_JOB_GONE": "A Ray job was deleted while it was waited for.",
        "RAY_JOB_PENDING": "A Ray job did not get its pods in time.",
        "RAY_JOB_STOPPED": "A Ray job was stopped by somebody.",
        "RUN_FAILED": "A run on the cluster ended without success.",
        "STEP_FAILED": "A step ended without saying why.",
        "TRAINING_FAILED": "The training's workers failed or stopped early.",
        "WORKER_DIED": "Worker processes were killed again and again, as when memory runs out.",
    },
    "validation": {
        "VALIDATION_FAILED": "The chips failed an expectation that matters.",
    },
    "occupied": {
        "LEASED": "A live run holds the output.",
        "LEASE_LOST": "Another attempt took the output over while this one was out of touch.",
        "NAME_TAKEN": "A Ray job of this name is somebody else's, or all that were tried failed.",
        "OUTPUT_HOLDS_OTHER": "The output holds a step of another spec or other inputs.",
        "OUTPUT_OCCUPIED": "The output holds files that are no step's.",
    },
    "internal": {
        "INTERNAL": "A step failed in a way that nobody foresaw; please report it.",
    },
}

CODES: Final[Mapping[str, Code]] = {
    code: Code(kind, meaning) for kind, codes in _MEANINGS.items() for code, meaning in codes.items()
}


def document() -> str:
    """Return the page of all codes in Markdown."""
    lines = [
        "# Error codes",
        "",
        "Every error has a code, one sentence and a remedy. Commands show all three and end with the exit code of the",
        "error's kind; a failed step also leaves them in `error.json`. `EARTHENWARE_ERRORS=json` makes a command print",
        "them as JSON. This page is made by `python -m earthenware.errors`.",
        "",
    ]
    for kind, (exit_code, meaning) in KINDS.items():
        lines += [f"## {kind}: exit code {exit_code}", "", meaning, "", "| code | meaning |", "|---|---|"]
        lines += [f"| `{code}` | {text} |" for code, text in sorted(_MEANINGS[kind].items())]
        lines.append("")
    return "\n".join(lines[:-1]) + "\n"
