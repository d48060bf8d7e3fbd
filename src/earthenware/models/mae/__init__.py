"""Masked autoencoders over band groups, after Clay v0."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from earthenware.lazy import lazy_exports
from earthenware.models._cube import ModelInput
from earthenware.models._family import ModelFamily
from earthenware.models.mae._config import PRESETS, MAEConfig

if TYPE_CHECKING:
    from earthenware.models.mae._mae import MAEOutput, MaskedAutoencoder
else:
    __getattr__, __dir__ = lazy_exports(__name__)

__all__ = ["FAMILY", "PRESETS", "MAEConfig", "MAEOutput", "MaskedAutoencoder"]


class MAEFamily(ModelFamily[MAEConfig]):
    """Masked autoencoders."""

    name = "mae"
    version = 1
    presets = PRESETS
    config = MAEConfig

    def configure(self, preset: str, reads: ModelInput, values: Mapping[str, Any]) -> MAEConfig:
        """Return the configuration of a preset with some values changed; its patches must fill the chips, too."""
        config = super().configure(preset, reads, values)
        config.require_fit(reads)
        return config

    def build(self, config: MAEConfig, reads: ModelInput) -> MaskedAutoencoder:
        """Return a fresh model; its weights follow from torch's global seed."""
        from earthenware.models.mae._mae import MaskedAutoencoder

        return MaskedAutoencoder(config, reads)


FAMILY = MAEFamily()
