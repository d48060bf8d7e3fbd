"""Step specs: frozen pydantic models of scalars, their fingerprints, and errors a person can read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError, ValidationInfo, field_validator
from pydantic.fields import FieldInfo

from earthenware import storage
from earthenware.errors import EarthenwareError, invalid_fields


def _split_commas(value: Any) -> Any:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


CommaList = Annotated[tuple[str, ...], BeforeValidator(_split_commas, json_schema_input_type=str | list[str])]
"""A list of names that may also be written as one string with commas, as a Kubeflow parameter is."""


Meaning = Literal["", "catalog", "area", "time", "tracking", "root"]
"""What a field is to its readers: a STAC catalog, a box in degrees, an interval in UTC, an MLflow tracking URI, the
root that the steps write below."""


def marks(*, runtime: bool = False, form: bool = False, means: Meaning = "") -> dict[str, Any]:
    """Return the marks of a spec's field, to be given as its ``json_schema_extra``.

    Args:
        runtime: It says how, not what (a number of processes): it stays out of the fingerprint.
        form: People change it from run to run: it is an entry of its own in a run form.
        means: What it is to others, who look for the meaning and not for the name.
    """
    given = {"runtime": runtime, "form": form, "means": means}
    return {name: value for name, value in given.items() if value}


def mark_of(field: FieldInfo, name: str) -> Any:
    """Return a mark of a field, as :func:`marks` takes it; None where it is not marked so."""
    extra = field.json_schema_extra
    return extra.get(name) if isinstance(extra, dict) else None


LARGEST_SEED = 2**63 - 1
"""Seeds go up to here: every generator of random numbers takes them."""


def checked_address(uri: str) -> str:
    """Return a path or URI without the spaces around it.

    Raises:
        ValueError: It is empty or malformed, or of a scheme that the storage does not know.
    """
    try:
        storage.normalise(uri)
    except EarthenwareError as error:
        raise ValueError(str(error)) from None
    return uri.strip()


@dataclass(frozen=True)
class Foreseen:
    """What is known of a step's output before anything is made; None where nothing is.

    Attributes:
        sensors: Ids of the sensors that it has at most.
        splits: Names of the splits that it has at most.
        chip_size: Edge of its chips (pixels).
        gsd: Ground sampling distance of its chips (m).
    """

    sensors: tuple[str, ...] | None = None
    splits: tuple[str, ...] | None = None
    chip_size: int | None = None
    gsd: float | None = None


class Written(BaseModel):
    """A model whose values people write."""

    # A year alone is a number to YAML and a text to a field such as datetime.
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, coerce_numbers_to_str=True)

    @field_validator("*", mode="before")
    @classmethod
    def _truth_is_no_number(cls, value: Any, info: ValidationInfo) -> Any:
        if isinstance(value, bool) and cls.model_fields[str(info.field_name)].annotation in (int, float):
            raise ValueError("must be a number, neither true nor false")
        return value


class Spec(Written):
    """What one step is asked to do: scalars only, so that each field can be given as text.

    A field marked ``runtime`` (see :func:`marks`) stays out of :meth:`fingerprint`, so that changing it invalidates
    nothing. What the step would refuse is refused by the fields themselves, by :meth:`foresee` where it depends on
    the steps before, and by :meth:`require` or :meth:`require_machine` where it depends on where the step runs.
    """

    def foresee(self, inputs: Foreseen) -> Foreseen:
        """Return what is known of the step's output, where this is known of its inputs.

        Raises:
            ValueError: The step would refuse such inputs; begins with the name of the field.
        """
        return inputs

    def require(self, output: str, environment: Mapping[str, str]) -> None:
        """Raise what is missing for a run of the step into ``output`` with these environment variables."""

    def require_machine(self) -> None:
        """Raise what this machine lacks to run the step."""

    def results(self) -> dict[str, Any]:
        """Return the fields that results depend on, as JSON values."""
        values = self.model_dump(mode="json")
        for key, field in type(self).model_fields.items():
            if mark_of(field, "runtime"):
                del values[key]
        return values

    def fingerprint(self) -> str:
        """Return the SHA-256 of :meth:`results` in canonical JSON."""
        return sha256_json(self.results())


SpecT = TypeVar("SpecT", bound=BaseModel)


def canonical_json(value: Any) -> str:
    """Return JSON with sorted keys and no spaces: equal values give equal text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def sha256_json(value: Any) -> str:
    """Return the hexadecimal SHA-256 of :func:`canonical_json`."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def checksum(document: Mapping[str, Any]) -> str:
    """Return what a document carries as its ``checksum``: the digest of all else that it says."""
    return sha256_json({key: value for key, value in document.items() if key != "checksum"})


def is_unchanged(document: Mapping[str, Any]) -> bool:
    """Return whether a document that was read fits its checksum."""
    try:
        return document.get("checksum") == checksum(document)
    except (ValueError, RecursionError):  # a number that JSON does not have, or no document of ours
        return False


def parse_spec(model: type[SpecT], values: Mapping[str, Any], source: str = "spec") -> SpecT:
    """Validate ``values``.

    Raises:
        EarthenwareError: ``BAD_SPEC``, one line that names each wrong field, its value and what is allowed.
    """
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        raise EarthenwareError("BAD_SPEC", invalid_fields(error, source, model), "Correct the spec.") from None
