"""What a step and a pipeline are said to be: plain data, which imports no step until one is called."""

from __future__ import annotations

import pkgutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from earthenware.steps import Spec

Kind = Literal["io", "cpu", "accelerator", "ray", "gate"]
"""What a step asks of where it runs: it waits for others, computes, computes better with an accelerator, hands its work
to a Ray job where the profile gives it one, or only passes or fails."""
Type = Literal["Dataset", "Model", "Artifact", "Metrics", "HTML", "Markdown"]
"""Kubeflow's type of an artifact."""


@dataclass(frozen=True)
class Artifact:
    """Something that goes into a step or comes out of it; between Kubeflow's components goes a pointer to it.

    Attributes:
        content: What it holds, the same for an output and for the inputs that take it; the name where it is left out.
        many: An input that takes any number of them.
        optional: An input that a step can do without.
    """

    name: str
    type: Type
    description: str
    content: str = ""
    many: bool = False
    optional: bool = False

    @property
    def holds(self) -> str:
        """What passes: an output fits an input that holds the same."""
        return self.content or self.name


@dataclass(frozen=True)
class Step:
    """One step: a library function with a typed spec, and what it reads and writes.

    Attributes:
        name: Its name: of its command, its component, its section in a spec and its folder below the root.
        function: ``module:function``, which takes the spec (where there is one), each input by name, and the output.
        spec: ``module:class`` of the spec; empty where there is nothing to choose.
        summary: What it does, in one line.
        outputs: What it writes; the first is the product itself. A step without any, such as a gate, has no output.
        shard: Field of the spec that says which share of the input to work on, where a pipeline may divide it.
        divides: Count of the step's manifest that limits into how many shares its output can be divided.
        hint: A command to try when a run has ended; ``{root}`` and ``{lonlat}`` stand for the root and a place in it.
    """

    name: str
    function: str
    spec: str
    summary: str
    kind: Kind = "cpu"
    inputs: tuple[Artifact, ...] = ()
    outputs: tuple[Artifact, ...] = ()
    shard: str = ""
    divides: str = ""
    hint: str = ""

    def load(self) -> Any:
        """Return the library function; its packages are imported now."""
        return pkgutil.resolve_name(self.function)

    def spec_type(self) -> type[Spec] | None:
        """Return the class of the spec, or None where there is nothing to choose."""
        found: type[Spec] | None = pkgutil.resolve_name(self.spec) if self.spec else None
        return found

    def run(self, spec: Spec | None, inputs: dict[str, str | list[str]], output: str) -> Any:
        """Call the library function and return its report; a step without an output returns None."""
        first = () if spec is None else (spec,)
        return self.load()(*first, **inputs, **({"output": output} if self.outputs else {}))


@dataclass(frozen=True)
class Task:
    """A step's place in a pipeline.

    Attributes:
        inputs: The task that each input comes from, by the name of the input.
        after: Tasks that must have ended well although nothing is read from them.
        fan_out: One run of the step per shard of what it reads.
    """

    step: Step
    inputs: dict[str, str] = field(default_factory=dict, hash=False)
    after: tuple[str, ...] = ()
    fan_out: bool = False


@dataclass(frozen=True)
class Pipeline:
    """Steps and their wiring, each after what it needs."""

    name: str
    summary: str
    tasks: tuple[Task, ...]

    def __post_init__(self) -> None:
        done: dict[str, Step] = {}
        for task in self.tasks:
            problem = self._problem(task, done)
            if problem:
                raise ValueError(f"{self.name}: {problem}")
            done[task.step.name] = task.step

    def _problem(self, task: Task, done: dict[str, Step]) -> str:
        step, known = task.step, {artifact.name: artifact for artifact in task.step.inputs}
        required = {name for name, artifact in known.items() if not artifact.optional}
        if not required <= task.inputs.keys() <= known.keys():
            return f"{step.name} reads {', '.join(known)}, not {', '.join(task.inputs)}"
        if step.name in done or (task.fan_out and not step.shard):
            return f"{step.name} stands twice, or cannot be divided"
        for source in (*task.inputs.values(), *task.after):
            if source not in done:
                return f"{step.name} needs {source}, which does not stand before it"
        for name, source in task.inputs.items():
            if known[name].holds not in {artifact.holds for artifact in done[source].outputs}:
                return f"{source} makes no {known[name].holds} for {step.name}"
        return ""

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps in the order in which they run."""
        return tuple(task.step for task in self.tasks)

    @property
    def fans_out(self) -> bool:
        """Whether some step runs once per shard."""
        return any(task.fan_out for task in self.tasks)

    def source(self, task: Task, name: str) -> tuple[Task, Artifact]:
        """Return the task that an input of ``task`` comes from, and that task's output."""
        holds = next(artifact.holds for artifact in task.step.inputs if artifact.name == name)
        source = next(other for other in self.tasks if other.step.name == task.inputs[name])
        return source, next(artifact for artifact in source.step.outputs if artifact.holds == holds)

    def shares(self, task: Task) -> Task:
        """Return the task whose output a fan-out divides."""
        return next(other for other in self.tasks if other.step.name in task.inputs.values() and other.step.divides)
