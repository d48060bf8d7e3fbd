"""A step as a command line survives every shell between the launcher and the head."""

from __future__ import annotations

import itertools
import re
import shlex
import subprocess
from typing import Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from earthenware.errors import EarthenwareError
from earthenware.launch import step_command
from earthenware.launch._step import as_entrypoint
from earthenware.steps import Spec, override, parse_spec

IN, OUT = {"chips": "s3://b/chips"}, "s3://b/train/1"


class AnySpec(Spec):
    text: str = ""
    size: Literal["nano", "1e3", "true"] = "nano"
    count: int = 0
    rate: float = 0.5
    flag: bool = False


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
SPECS = st.builds(
    AnySpec,
    text=TEXT,
    size=st.sampled_from(["nano", "1e3", "true"]),
    count=st.integers(-(10**18), 10**18),
    rate=st.floats(allow_nan=False, allow_infinity=False),
    flag=st.booleans(),
)


def assignments(command: tuple[str, ...]) -> list[str]:
    return [value for option, value in itertools.pairwise(command) if option == "--set"]


@settings(max_examples=300)
@given(SPECS)
def test_a_spec_comes_back_out_of_its_command_line(spec: AnySpec):
    command = step_command("train", spec, IN, OUT)
    assert parse_spec(AnySpec, override({}, assignments(command))) == spec


def kubelet(text: str) -> str:
    """Expand an argument as Kubernetes does: ``$$`` is a dollar sign, ``$(NAME)`` a variable."""
    return re.sub(r"\$\$|\$\((\w+)\)", lambda match: "$" if match[0] == "$$" else f"<{match[1]}>", text)


@settings(max_examples=25)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20), min_size=1))
def test_a_command_comes_through_kubernetes_and_both_shells(words: list[str]):
    submitter = words_of(["bash", "-c", kubelet(f"printf '%s\\0' {as_entrypoint(words)}")])
    entrypoint = shlex.join(submitter)  # as `ray job submit` makes it
    assert words_of(["sh", "-c", f"printf '%s\\0' {entrypoint}"]) == words


def words_of(command: list[str]) -> list[str]:
    return subprocess.run(command, capture_output=True, check=True).stdout.decode().split("\0")[:-1]


def test_variables_of_the_submitter_are_not_filled_in():
    assert kubelet(as_entrypoint(["a", "$(RAY_AUTH_TOKEN)"])) == "a '$(RAY_AUTH_TOKEN)'"


def test_only_what_differs_from_the_defaults_is_written_out():
    command = step_command("train", AnySpec(count=3), IN, OUT)
    assert command == ("earthenware", "train", "--chips", IN["chips"], "--output", OUT, "--set", "count=3")


@pytest.mark.parametrize("inputs", [{"chips": "/data/chips"}, {"chips": "chips"}])
def test_paths_of_this_machine_are_refused(inputs: dict[str, str]):
    with pytest.raises(EarthenwareError, match="a path that the pods of a Ray job cannot reach") as caught:
        step_command("train", AnySpec(), inputs, OUT)
    assert caught.value.code == "NOT_SHARED"


def test_paths_as_output_are_refused():
    with pytest.raises(EarthenwareError, match="The output of train"):
        step_command("train", AnySpec(), IN, "/data/out")
