"""What the validation is asked to do."""

from __future__ import annotations

from typing import Self

from pydantic import field_validator, model_validator

from earthenware.validation._limits import Limits


class ValidateSpec(Limits):
    """Limits of the expectations over a chip store, and which of them close the gate; their names are checked."""

    @field_validator("fail", "warn")
    @classmethod
    def _are_known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if names:
            from earthenware.validation._checks import EXPECTATIONS

            unknown = sorted(set(names) - set(EXPECTATIONS))
            if unknown:
                raise ValueError(f"no expectation is called {', '.join(unknown)}; known: {', '.join(EXPECTATIONS)}")
        return names

    @model_validator(mode="after")
    def _are_disjoint(self) -> Self:
        both = sorted(set(self.fail) & set(self.warn))
        if both:
            raise ValueError(f"{', '.join(both)} cannot be in both fail and warn")
        return self
