"""A step as a command line: what a Ray job runs is what a person would type."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping, Sequence

from earthenware import storage
from earthenware.errors import EarthenwareError
from earthenware.steps import Spec

_SURROGATES = re.compile(r"\\u(d[89ab][0-9a-f]{2})\\u(d[c-f][0-9a-f]{2})")


def step_command(step: str, spec: Spec, inputs: Mapping[str, str], output: str) -> tuple[str, ...]:
    """Return the ``earthenware`` command that runs a step.

    Args:
        step: Name of the step, which is the name of its command.
        spec: What to do; only fields that differ from their defaults are written out.
        inputs: URIs by the name of their option.
        output: The prefix that the step shall own.

    Raises:
        EarthenwareError: ``NOT_SHARED`` when a URI is a path of this machine, which another pod cannot reach.
    """
    command = ["earthenware", step]
    for name, uri in {**inputs, "output": output}.items():
        command += [f"--{name.replace('_', '-')}", _shared(step, name, uri)]
    for field, value in spec.model_dump(mode="json", exclude_defaults=True).items():
        command += ["--set", f"{field}={_flow(value)}"]
    return tuple(command)


def as_entrypoint(command: Sequence[str]) -> str:
    """Return a command as KubeRay wants it.

    It goes through the arguments of the submitter's container, in which Kubernetes takes ``$(NAME)`` for a variable and
    ``$$`` for a dollar sign, then through a shell there; Ray quotes it anew for the shell on the head.
    """
    return shlex.join(command).replace("$", "$$")


def _flow(value: object) -> str:
    """Return a value as JSON that is also YAML, where a character beyond 16 bits is one escape and not two."""

    def join(pair: re.Match[str]) -> str:
        high, low = int(pair[1], 16), int(pair[2], 16)
        return f"\\U{0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00):08x}"

    return _SURROGATES.sub(join, json.dumps(value, allow_nan=False))


def _shared(step: str, name: str, uri: str) -> str:
    if storage.is_local(uri):
        message = f"The {name} of {step}, '{storage.redact(uri)}', is a path that the pods of a Ray job cannot reach."
        raise EarthenwareError("NOT_SHARED", message, "Give an s3:// URI.")
    return uri
