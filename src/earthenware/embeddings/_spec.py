"""What an embedding export is asked to do."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from earthenware.inference import require_device
from earthenware.steps import CommaList, Foreseen, Spec


class EmbedSpec(Spec):
    """How to turn the chips of a store into an embedding product."""

    splits: CommaList = Field(
        default=(), description="Splits to embed (train, validation, test), separated by commas; empty means all."
    )
    batch_size: int = Field(default=64, ge=1, le=4096, description="Chips per forward pass.")
    part_chips: int = Field(
        default=1024, ge=1, le=1_000_000, description="Chips per part: what a killed run loses at most."
    )
    thumbnails: bool = Field(default=True, description="Keep a small true-colour JPEG of every chip in the product.")
    thumbnail_size: int = Field(default=64, ge=16, le=256, description="Longest edge of a thumbnail (pixels).")
    row_group_megabytes: int = Field(
        default=128, ge=1, le=1024, description="Uncompressed size of a Parquet row group (MB)."
    )
    reject_limit: float = Field(
        default=0.2, ge=0.0, le=1.0, description="Fraction of the chips (0 to 1) that may be left out before it fails."
    )
    license: str = Field(
        default="various", pattern=r"^[\w.+-]+$", description="Licence of the product: an SPDX identifier or 'various'."
    )
    product_id: str = Field(
        default="earthenware-embeddings",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$",
        description="Id of the product's STAC collection (letters, digits, '.', '_' and '-').",
    )
    device: Literal["auto", "cpu", "cuda", "mps"] = Field(
        default="auto",
        description="Where to run the model; auto takes an accelerator if there is one.",
        json_schema_extra={"runtime": True},
    )

    def foresee(self, inputs: Foreseen) -> Foreseen:
        """Refuse splits that no chip can be in."""
        if inputs.splits is not None:
            for name in self.splits:
                if name not in inputs.splits:
                    known = ", ".join(inputs.splits)
                    raise ValueError(f"splits: no chip will be in the split {name!r}; there will be {known}")
        return inputs

    def require_machine(self) -> None:
        """Raise what this machine lacks: the device that is asked for."""
        require_device(self.device)
