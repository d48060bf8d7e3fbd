"""Profiles: what a cluster must know to run a pipeline's steps, said in one typed place."""

from __future__ import annotations

import functools
import re
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from earthenware.compiling._steps import Frozen, RaySection, StepSettings, merge
from earthenware.graph import KINDS, Kind
from earthenware.launch import DnsName, RayJobSettings, Resources, Toleration

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


def _heading(value: Any) -> Any:
    # A heading with nothing below it is a null in YAML, and an empty section to whoever wrote it.
    return {} if value is None else value


Section = Annotated[StepSettings, BeforeValidator(_heading, json_schema_input_type=StepSettings | None)]
Sections = Annotated[
    dict[str, Section], BeforeValidator(_heading, json_schema_input_type=dict[str, StepSettings | None] | None)
]

Kinds = Annotated[
    dict[Kind, Section], BeforeValidator(_heading, json_schema_input_type=dict[Kind, StepSettings | None] | None)
]


_INHERITED: Final = RaySection.model_fields.keys() & StepSettings.model_fields.keys()
"""What a RayJob takes from its step where its own section leaves it out."""


class Profile(Frozen):
    """Where and how the steps of a pipeline run. Components hold none of it: they run the same on every profile."""

    name: str = Field("", description="Name of the profile; by default that of its file")
    base: str = Field("", description="Profile that this one starts from: a name, or a file beside this one")
    description: str = Field("", description="What the profile is for")
    image: Annotated[str, AfterValidator(_image)] = Field(
        "",
        description="Image of every step; {version} stands for the package's; empty keeps the pipeline's own",
    )
    image_pull_policy: Literal["", "Always", "IfNotPresent", "Never"] = Field(
        "", description="When a node pulls the image; empty for the cluster's default"
    )
    image_pull_secrets: tuple[DnsName, ...] = Field((), description="Existing Secrets with a registry's credentials")
    service_account: DnsName | Literal[""] = Field(
        "", description="Service account of the run's pods; empty for Kubeflow's own"
    )
    ttl_seconds: int = Field(
        0,
        ge=0,
        le=2**31 - 1,
        description="A finished run's pods are kept so long (seconds); 0 as the cluster does",
    )
    deadline_seconds: int = Field(
        0, ge=0, le=2**31 - 1, description="A whole run may take so long (seconds); 0 for no limit"
    )
    defaults: Section = Field(StepSettings(), description="What holds for every step")
    kinds: Kinds = Field({}, description="What differs for a kind of step: io, cpu, accelerator, ray or gate")
    steps: Sections = Field({}, description="What differs for a step, by its name, such as train")

    def step(self, name: str) -> StepSettings:
        """Return all that holds for a step: the defaults, overridden by what is said of its kind, and of its name."""
        kind = KINDS.get(name)
        layers = [self.defaults, *([self.kinds[kind]] if kind in self.kinds else []), self.steps.get(name)]
        given = [layer.model_dump(exclude_unset=True) for layer in layers if layer is not None]
        return StepSettings.model_validate(functools.reduce(merge, given))

    def ray_job(self, name: str, image: str) -> RayJobSettings | None:
        """Return the settings of a step's RayJob, whose pods have the image; None where the step has no RayJob."""
        step = self.step(name)
        if step.ray is None:
            return None
        inherited = step.model_dump(include=set(_INHERITED), exclude_none=True)
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
            problem = _inconsistent(step)
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


def _inconsistent(step: StepSettings) -> str:
    ray = step.ray
    containers = {"resources": step.resources}
    containers |= {"ray.head": ray.head, "ray.worker": ray.worker} if ray else {}
    problems = [f"{field}.{_bad_resources(value)}" for field, value in containers.items() if _bad_resources(value)]
    problems += [_bad_toleration(one) for one in (*step.tolerations, *(ray.tolerations if ray else ()))]
    twice = sorted({secret.variable for secret in step.secrets} & set(step.environment))
    problems += [f"{variable} is set both by environment and by secrets" for variable in twice]
    late = ray is not None and (ray.deadline_seconds or 0) > (step.timeout_seconds or 2**31)
    problems += ["ray.deadline_seconds is later than the step's timeout_seconds"] if late else []
    return next(filter(None, problems), "")


def _bad_resources(resources: Resources | None) -> str:
    if resources is None:
        return ""
    if not re.fullmatch(r"[0-9.]+m?", resources.cpu):
        return f'cpu = "{resources.cpu}": write cores, such as 4, 0.5 or 500m'
    if resources.memory.endswith("m"):
        return f'memory = "{resources.memory}": write bytes, such as 8Gi or 512Mi'
    if bool(resources.accelerator) != bool(resources.accelerators):
        given = f"accelerators = {resources.accelerators} and accelerator = '{resources.accelerator}'"
        return f"{given}: give both or neither"
    return ""


def _bad_toleration(toleration: Toleration) -> str:
    if toleration.operator == "Exists" and toleration.value:
        return f"the toleration of '{toleration.key}' has a value, which needs operator: Equal"
    if toleration.operator == "Equal" and not toleration.key:
        return "a toleration with operator Equal needs a key"
    return ""
