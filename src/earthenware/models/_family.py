"""Model families: what one must say of itself, and where they are found by name."""

from __future__ import annotations

import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import fields
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Generic, TypeVar

from earthenware.models._cube import ModelInput

if TYPE_CHECKING:
    from earthenware.models._encoder import Encoder

_GROUP: Final = "earthenware.models"
"""The entry points by which an installed package brings a family of its own."""

ConfigT = TypeVar("ConfigT")


class ModelFamily(ABC, Generic[ConfigT]):
    """A kind of model. It costs no torch until a model is built.

    Attributes:
        name: Name in specs and packages.
        version: Version of its code, raised when the same configuration and weights mean something else.
        presets: Size by name -> values of the configuration that make it.
        config: Frozen dataclass of numbers, texts and booleans: with the input, everything that decides a model.
    """

    name: ClassVar[str]
    version: ClassVar[int]
    presets: ClassVar[Mapping[str, Mapping[str, Any]]]
    config: type[ConfigT]

    @property
    def values(self) -> frozenset[str]:
        """Names of the configuration's values."""
        return frozenset(field.name for field in fields(self.config))  # type: ignore[arg-type]

    def configure(self, preset: str, reads: ModelInput, values: Mapping[str, Any]) -> ConfigT:
        """Return the configuration of a preset with some values changed, for a model that reads ``reads``.

        Raises:
            ValueError: If the preset or a value does not exist, is out of range or does not fit the input.
        """
        if preset not in self.presets:
            raise ValueError(f"There is no preset {preset!r} of {self.name}; choose one of {', '.join(self.presets)}.")
        unknown = sorted(set(values) - self.values)
        if unknown:
            raise ValueError(f"The family {self.name} has no configuration value {', '.join(map(repr, unknown))}.")
        return self.config(**{**self.presets[preset], **values})

    @abstractmethod
    def build(self, config: ConfigT, reads: ModelInput) -> Encoder:
        """Return a fresh model; its weights follow from torch's global seed.

        Raises:
            ValueError: If the configuration does not fit the input.
        """


_REGISTERED: dict[str, ModelFamily[Any]] = {}


def register(one: ModelFamily[Any]) -> None:
    """Make a family known to this process; packages bring theirs as an entry point ``earthenware.models`` instead.

    Raises:
        ValueError: If its name belongs to another family.
    """
    if one.name in families() and type(family(one.name)) is not type(one):
        raise ValueError(f"There is a model family {one.name!r} already.")
    _REGISTERED[one.name] = one


def families() -> tuple[str, ...]:
    """Return the names of all families: those in folders here, of installed packages, and registered ones."""
    brought = {point.name for point in entry_points(group=_GROUP)}
    return tuple(sorted({*_built_in(), *brought, *_REGISTERED}))


def family(name: str) -> ModelFamily[Any]:
    """Return the family of this name.

    Raises:
        LookupError: If there is none.
    """
    found: ModelFamily[Any]
    if name in _built_in():
        found = import_module(f"{_GROUP}.{name}").FAMILY
    elif name in _REGISTERED:
        found = _REGISTERED[name]
    elif brought := entry_points(group=_GROUP, name=name):
        found = brought[name].load()
    else:
        raise LookupError(f"There is no model family {name!r}; there is {', '.join(families())}.")
    return found


def _built_in() -> frozenset[str]:
    return frozenset(module.name for module in pkgutil.iter_modules([str(Path(__file__).parent)]) if module.ispkg)
