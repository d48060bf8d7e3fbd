"""An effective profile as commented YAML: every field with its meaning, to start one's own from."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final

from pydantic import BaseModel

from earthenware.compiling._profile import Profile
from earthenware.compiling._steps import RaySection, StepSettings
from earthenware.graph import comment

_SECTIONS: Final = frozenset({"name", "base", "defaults", "kinds", "steps"})


def show_profile(profile: Profile) -> str:
    """Return YAML that loads to an equal profile, but for its name and its base.

    Fields that the profile leaves out stand in it as comments.
    """
    lines = [
        f"# The profile '{profile.name}', with all that it takes from its base written out.",
        "# Lines that begin with '#' and a field show what is not set. Save it as mine.yaml, change what differs, and:",
        "#   earthenware compile pretrain --profile mine.yaml",
    ]
    values = profile.model_dump(mode="json", exclude_unset=True)
    lines += ["", *_fields(Profile, {key: value for key, value in values.items() if key not in _SECTIONS}, "")]
    lines += ["", "defaults:", *_section(values.get("defaults", {}), "  ", StepSettings)]
    for heading, told in (("kinds", "a kind of step"), ("steps", "a step")):
        sections = values.get(heading, {})
        lines += ["", f"# What differs for {told}: any field of 'defaults'."]
        lines.append(f"{heading}:" if sections else f"{heading}: {{}}")
        for name, section in sections.items():
            lines += [f"  {name}:", *_section(section, "    ")]
    return "\n".join(lines) + "\n"


def _section(values: dict[str, Any], indent: str, model: type[BaseModel] | None = None) -> Iterator[str]:
    """Yield a step's settings, and with ``model`` its other fields as comments; a RayJob's are always explained."""
    plain = {key: value for key, value in values.items() if key != "ray" or not value}
    yield from _fields(model, plain, indent) if model else _given(plain, indent)
    if values.get("ray"):
        yield f"{indent}ray:"
        yield from _fields(RaySection, values["ray"], f"{indent}  ")


def _fields(model: type[BaseModel], values: dict[str, Any], indent: str) -> Iterator[str]:
    for name, field in model.model_fields.items():
        if model is Profile and name in _SECTIONS:
            continue
        yield from comment(field.description or "", indent)
        if name in values:
            yield from _given({name: values[name]}, indent)
        else:
            yield f"{indent}# {name}:"


def _given(values: dict[str, Any], indent: str) -> Iterator[str]:
    for name, value in values.items():
        if isinstance(value, list) and value:
            yield f"{indent}{name}:"
            yield from (f"{indent}  - {_flow(one)}" for one in value)
        else:
            yield f"{indent}{name}: {_flow(value)}"


def _flow(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_key(key)}: {_flow(one)}" for key, one in value.items()) + "}"
    return json.dumps(value, ensure_ascii=False)


def _key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_./-]*", key) else json.dumps(key)
