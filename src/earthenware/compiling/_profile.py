"""Profiles: what a cluster must know to run a pipeline's steps, said in one typed place."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from earthenware.compiling._steps import Frozen, RaySection, StepSettings, merge
from earthenware.graph import KINDS, Kind
from earthenware.launch import DnsName, RayJobSettings

_IMAGE: Final = re.compile(
    r"([A-Za-z0-9.-]+(:[0-9]+)?/)?[a-z0-9]+([._/-]+[a-z0-9]+)*"
    r"(?P<tag>:[A-Za-z0-9_][A-Za-z0-9._-]{0,127})?(?P<digest>@sha256:[0-9a-f]{64})?"
)


def wrong_image(image: str) -> str:
    """Return why an image's reference is no good; empty when it is good."""
    match = _IMAGE.fullmatch(image)
    if match is None:
        return "it is not the reference of an image, such as registry.example.com/team/earthenware-python:1.2.3"
    if match["digest"]:
        return ""
    if match["tag"] is None:
        return "it has no tag and no digest, so that two pods of one run could run different code"
    return "the tag 'latest' moves: name a version or a digest" if match["tag"] == ":latest" else ""


def _image(image: str) -> str:
    reason = wrong_image(image.replace("{version}", "0")) if image else ""
    if reason:
        raise ValueError(reason)
    return image


def _or_nothing(kind: Any) -> BeforeValidator:
    # A heading with nothing below it is a null in YAML, and an empty section to whoever wrote it.
    return BeforeValidator(lambda value: {} if value is None else value, json_schema_input_type=kind | None)


Section = Annotated[StepSettings, _or_nothing(StepSettings)]
Sections = Annotated[dict[str, Section], _or_nothing(dict[str, StepSettings | None])]
Kinds = Annotated[dict[Kind, Section], _or_nothing(dict[Kind, StepSettings | None])]
Image = Annotated[str, AfterValidator(_image)]
Seconds = Annotated[int, Field(ge=0, le=2**31 - 1)]

_INHERITED: Final = set(RaySection.model_fields) & set(StepSettings.model_fields)
"""What a RayJob takes from its step where its own section leaves it out."""


class Profile(Frozen):
    """Where and how the steps of a pipeline run. Components hold none of it: they run the same on every profile."""

    name: str = Field("", description="Name of the profile; by default that of its file")
    base: str = Field("", description="Profile that this one starts from: a name, or a file beside this one")
    description: str = Field("", description="What the profile is for")
    image: Image = Field(
        "", description="Image of every step; {version} stands for the package's; empty keeps the pipeline's own"
    )
    image_pull_policy: Literal["", "Always", "IfNotPresent", "Never"] = Field(
        "", description="When a node pulls the image; empty for the cluster's default"
    )
    image_pull_secrets: tuple[DnsName, ...] = Field((), description="Existing Secrets with a registry's credentials")
    service_account: DnsName | Literal[""] = Field(
        "", description="Service account of the run's pods; empty for Kubeflow's own"
    )
    ttl_seconds: Seconds = Field(
        0, description="A finished run's pods are kept so long (seconds); 0 as the cluster does"
    )
    deadline_seconds: Seconds = Field(0, description="A whole run may take so long (seconds); 0 for no limit")
    defaults: Section = Field(StepSettings(), description="What holds for every step")
    kinds: Kinds = Field({}, description="What differs for a kind of step: io, cpu, accelerator, ray or gate")
    steps: Sections = Field({}, description="What differs for a step, by its name, such as train")

    def step(self, name: str) -> StepSettings:
        """Return all that holds for a step: the defaults, overridden by what is said of its kind, and of its name."""
        kind = self.kinds.get(KINDS[name]) if name in KINDS else None
        layers = [layer for layer in (self.defaults, kind, self.steps.get(name)) if layer is not None]
        return StepSettings.model_validate(
            functools.reduce(merge, (one.model_dump(exclude_unset=True) for one in layers))
        )

    def ray_job(self, name: str, image: str) -> RayJobSettings | None:
        """Return the settings of a step's RayJob, whose pods have the image; None where the step has no RayJob."""
        step = self.step(name)
        if step.ray is None:
            return None
        inherited = step.model_dump(include=_INHERITED, exclude_none=True)
        inherited |= {"image": image, "image_pull_policy": self.image_pull_policy, "queue": step.queue}
        inherited |= {"image_pull_secrets": self.image_pull_secrets}
        if step.timeout_seconds is not None:
            inherited["deadline_seconds"] = step.timeout_seconds
        defaults = RayJobSettings(image=image).model_dump()
        own = step.ray.model_dump(exclude_unset=True)
        return RayJobSettings.model_validate(merge(merge(defaults, inherited), own))

    @model_validator(mode="after")
    def _consistent(self) -> Profile:
        unknown = sorted(set(self.steps) - set(KINDS))
        if unknown:
            raise ValueError(f"steps.{unknown[0]}: there is no such step (the steps are: {', '.join(KINDS)})")
        able = [name for name, kind in KINDS.items() if kind == "ray"]
        for name in ["", *KINDS]:
            step = self.step(name)
            problem = next(_problems(step), "")
            if step.ray is not None and name not in able:
                problem = f"only {', '.join(able)} can run as a RayJob: move 'ray' there, or to kinds.ray"
            if problem:
                raise ValueError(f"{self._heading_of(name)}: {problem}")
        return self

    def _heading_of(self, name: str) -> str:
        """Return where in the profile the last word about a step stands."""
        if name in self.steps:
            return f"steps.{name}"
        return f"kinds.{KINDS[name]}" if KINDS.get(name) in self.kinds else "defaults"


def _problems(step: StepSettings) -> Iterator[str]:
    """Yield what is wrong with a step's settings that no field shows by itself."""
    ray = step.ray
    containers = {"resources": step.resources}
    containers |= {"ray.head": ray.head, "ray.worker": ray.worker} if ray else {}
    for field, asked in containers.items():
        if asked is None:
            continue
        if not re.fullmatch(r"[0-9.]+m?", asked.cpu):
            yield f'{field}.cpu = "{asked.cpu}": write cores, such as 4, 0.5 or 500m'
        if asked.memory.endswith("m"):
            yield f'{field}.memory = "{asked.memory}": write bytes, such as 8Gi or 512Mi'
        if bool(asked.accelerator) != bool(asked.accelerators):
            given = f"accelerators = {asked.accelerators} and accelerator = '{asked.accelerator}'"
            yield f"{field}.{given}: give both or neither"
    for one in (*step.tolerations, *(ray.tolerations if ray else ())):
        if one.operator == "Exists" and one.value:
            yield f"the toleration of '{one.key}' has a value, which needs operator: Equal"
        if one.operator == "Equal" and not one.key:
            yield "a toleration with operator Equal needs a key"
    for variable in sorted({secret.variable for secret in step.secrets} & set(step.environment)):
        yield f"{variable} is set both by environment and by secrets"
    if ray is not None and (ray.deadline_seconds or 0) > (step.timeout_seconds or 2**31):
        yield "ray.deadline_seconds is later than the step's timeout_seconds"
