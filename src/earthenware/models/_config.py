"""The shape of a masked autoencoder: band groups, sizes and named presets."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Final


@dataclass(frozen=True)
class BandGroup:
    """Bands that share one token per patch.

    Attributes:
        name: Name of the group, unique in a configuration.
        bands: Positions of its bands in the cube, in the order in which its patch embedding sees them.
        wavelengths_nm: Centre wavelength of each band in nanometres; empty for what is no radiation (elevation).
    """

    name: str
    bands: tuple[int, ...]
    wavelengths_nm: tuple[float, ...] = ()


CUBE_GROUPS: Final = (
    BandGroup("rgb", (2, 1, 0), (664.8, 559.4, 492.3)),
    BandGroup("rededge", (3, 4, 5, 7), (704.0, 739.8, 781.3, 864.4)),
    BandGroup("nir", (6,), (832.9,)),
    BandGroup("swir", (8, 9), (1612.1, 2194.1)),
    BandGroup("sar", (10, 11), (55_465_764.7, 55_465_764.7)),
    BandGroup("dem", (12,)),
)
"""Groups of the 13-band cube: Sentinel-2 B02 B03 B04 B05 B06 B07 B08 B8A B11 B12, Sentinel-1 VV VH, elevation.

The grouping is that of Clay v0. The wavelengths are those of the table of sensors: means of Sentinel-2A and 2B, and the
speed of light over Sentinel-1's 5.405 GHz.
"""

PRESETS: Final[Mapping[str, Mapping[str, int]]] = {
    "nano": {
        "dim": 128, "depth": 4, "heads": 4, "dim_head": 32, "mlp_ratio": 2,
        "decoder_dim": 64, "decoder_depth": 1, "decoder_heads": 2, "decoder_dim_head": 32, "decoder_mlp_ratio": 2,
    },
    "tiny": {
        "dim": 256, "depth": 4, "heads": 4, "dim_head": 64, "mlp_ratio": 2,
        "decoder_dim": 128, "decoder_depth": 2, "decoder_heads": 2, "decoder_dim_head": 64, "decoder_mlp_ratio": 2,
    },
    "small": {
        "dim": 768, "depth": 12, "heads": 12, "dim_head": 64, "mlp_ratio": 4,
        "decoder_dim": 512, "decoder_depth": 8, "decoder_heads": 8, "decoder_dim_head": 64, "decoder_mlp_ratio": 4,
    },
    "medium": {
        "dim": 1024, "depth": 24, "heads": 16, "dim_head": 64, "mlp_ratio": 4,
        "decoder_dim": 512, "decoder_depth": 8, "decoder_heads": 16, "decoder_dim_head": 64, "decoder_mlp_ratio": 4,
    },
    "large": {
        "dim": 1280, "depth": 32, "heads": 16, "dim_head": 64, "mlp_ratio": 4,
        "decoder_dim": 512, "decoder_depth": 8, "decoder_heads": 16, "decoder_dim_head": 64, "decoder_mlp_ratio": 4,
    },
}  # fmt: skip
"""Sizes by name. tiny to large are those of Clay v0; nano is for a processor without an accelerator."""


@dataclass(frozen=True)
class MAEConfig:
    """Everything that decides the parameters and the loss of a :class:`MaskedAutoencoder`.

    Attributes:
        groups: Band groups; together they hold every band of the cube exactly once.
        chip_size: Side of a chip in pixels that the model is made for.
        patch_size: Side of a patch in pixels; divides ``chip_size``.
        dim: Width of the encoder's tokens; a multiple of 8.
        depth: Number of encoder blocks.
        heads: Attention heads of a block.
        dim_head: Width of one attention head.
        mlp_ratio: Hidden width of a block's feed-forward layer over ``dim``.
        decoder_dim: Width of the decoder's tokens; a multiple of 8.
        decoder_depth: Number of decoder blocks.
        decoder_heads: Attention heads of a decoder block.
        decoder_dim_head: Width of one attention head of the decoder.
        decoder_mlp_ratio: Hidden width of a decoder block's feed-forward layer over ``decoder_dim``.
        mask_ratio: Share of a sample's valid patch tokens that are hidden from the encoder, 0 to below 1.
        min_valid: Least share of valid pixels (0 to 1) that makes a group's patch a token; a patch without any valid
            pixel never is one.
        reference_gsd: Ground sampling distance in metres at which neighbouring patches lie one position apart.
        normalize_targets: Whether the loss compares patches brought to zero mean and unit deviation per band, as in
            "Masked Autoencoders Are Scalable Vision Learners" (He et al., 2021).

    Raises:
        ValueError: If a value is out of its range or the groups do not hold every band exactly once.
    """

    groups: tuple[BandGroup, ...] = CUBE_GROUPS
    chip_size: int = 64
    patch_size: int = 8
    dim: int = 128
    depth: int = 4
    heads: int = 4
    dim_head: int = 32
    mlp_ratio: int = 2
    decoder_dim: int = 64
    decoder_depth: int = 1
    decoder_heads: int = 2
    decoder_dim_head: int = 32
    decoder_mlp_ratio: int = 2
    mask_ratio: float = 0.75
    min_valid: float = 0.5
    reference_gsd: float = 10.0
    normalize_targets: bool = False

    def __post_init__(self) -> None:
        self._check_types()
        if self.chip_size % self.patch_size:
            raise ValueError(f"patch_size must divide chip_size, got {self.patch_size} and {self.chip_size}.")
        for name in ("dim", "decoder_dim"):
            if getattr(self, name) % 8:
                raise ValueError(f"{name} must be a multiple of 8, got {getattr(self, name)}.")
        if not 0.0 <= self.mask_ratio < 1.0:
            raise ValueError(f"mask_ratio must be at least 0 and below 1, got {self.mask_ratio}.")
        if not 0.0 <= self.min_valid <= 1.0:
            raise ValueError(f"min_valid must lie between 0 and 1, got {self.min_valid}.")
        if not (math.isfinite(self.reference_gsd) and self.reference_gsd > 0.0):
            raise ValueError(f"reference_gsd must be a positive number of metres, got {self.reference_gsd}.")
        self._check_groups()

    @property
    def bands(self) -> int:
        """Number of bands of the cube."""
        return sum(len(group.bands) for group in self.groups)

    @property
    def patches(self) -> int:
        """Number of patches of a chip of ``chip_size``, per group."""
        return (self.chip_size // self.patch_size) ** 2

    @classmethod
    def from_preset(cls, name: str, **changes: Any) -> MAEConfig:
        """Return the configuration of a preset with some values changed.

        Args:
            name: One of ``PRESETS``: nano, tiny, small, medium, large.
            **changes: Attributes that differ from the preset, such as ``chip_size=128``.

        Raises:
            ValueError: If the preset or an attribute does not exist or a value is out of range.
        """
        if name not in PRESETS:
            raise ValueError(f"There is no preset {name!r}; choose one of {', '.join(PRESETS)}.")
        unknown = set(changes) - {field.name for field in fields(cls)}
        if unknown:
            raise ValueError(f"There is no configuration value {', '.join(map(repr, sorted(unknown)))}.")
        return cls(**{**PRESETS[name], **changes})

    def to_dict(self) -> dict[str, Any]:
        """Return a mapping of plain JSON values."""
        values = asdict(self)
        values["groups"] = [
            {"name": group.name, "bands": list(group.bands), "wavelengths_nm": list(group.wavelengths_nm)}
            for group in self.groups
        ]
        return values

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> MAEConfig:
        """Return the configuration that :meth:`to_dict` wrote.

        Raises:
            ValueError: If a value is missing, unknown, of the wrong type or out of range.
        """
        names = {field.name for field in fields(cls)}
        for what, difference in (("is unknown", set(values) - names), ("is missing", names - set(values))):
            if difference:
                raise ValueError(f"The configuration value {', '.join(map(repr, sorted(difference)))} {what}.")
        try:
            groups = tuple(
                BandGroup(str(g["name"]), tuple(map(int, g["bands"])), tuple(map(float, g["wavelengths_nm"])))
                for g in values["groups"]
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(
                "The configuration value 'groups' must list objects with name, bands and wavelengths_nm."
            ) from error
        return cls(**{**values, "groups": groups})

    def _check_types(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.type == "int" and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
                raise ValueError(f"{field.name} must be a whole number of at least 1, got {value!r}.")
            if field.type == "float" and (isinstance(value, bool) or not isinstance(value, int | float)):
                raise ValueError(f"{field.name} must be a number, got {value!r}.")
            if field.type == "bool" and not isinstance(value, bool):
                raise ValueError(f"{field.name} must be true or false, got {value!r}.")

    def _check_groups(self) -> None:
        names = [group.name for group in self.groups]
        if not names or len(set(names)) != len(names):
            raise ValueError(f"groups must have unique names and there must be at least one, got {names}.")
        bands = sorted(band for group in self.groups for band in group.bands)
        if bands != list(range(len(bands))) or not all(group.bands for group in self.groups):
            raise ValueError(f"groups must hold every band of the cube exactly once, got the bands {bands}.")
        for group in self.groups:
            if group.wavelengths_nm and len(group.wavelengths_nm) != len(group.bands):
                raise ValueError(f"The group {group.name!r} must give one wavelength per band or none.")
            if not all(math.isfinite(nm) and nm > 0.0 for nm in group.wavelengths_nm):
                raise ValueError(f"The group {group.name!r} must give positive wavelengths in nanometres.")
