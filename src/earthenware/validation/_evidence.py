"""What the stored optical pixels of a scene say about an offset, gathered while its chips pass by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from earthenware.chips import Mask
from earthenware.sensors import EVIDENCE_BANDS, OffsetEvidence, offset_evidence

if TYPE_CHECKING:
    from numpy.typing import NDArray

_STRIDE: Final = 2  # a sample of the pixels is enough: every second row and column
_LIMIT: Final = 2**22  # pixels per scene and band, 8 MB


class EvidenceGatherer:
    """Collects pixels of one scene after the other; the chips of a scene must come together.

    Attributes:
        evidence: Scene -> evidence, of the scenes that have ended.
    """

    def __init__(self) -> None:
        self.evidence: dict[str, OffsetEvidence] = {}
        self._scene = ""
        self._numbers: list[NDArray[np.int32]] = []  # [band, pixel]
        self._bands: list[str] = []

    def add(
        self,
        scenes: NDArray[Any],
        applied: NDArray[np.int32],
        pixels: NDArray[np.int16],
        mask: NDArray[np.uint8],
        bands: Sequence[str],
    ) -> None:
        """Take the clear pixels of some chips, with the removed offset put back.

        Args:
            scenes: Scene of each chip, `[chip]`.
            applied: Offset that was removed from each chip (DN), `[chip]`.
            pixels: Stored values, `[chip, band, y, x]`.
            mask: Flags, `[chip, y, x]`.
            bands: Names of the bands.
        """
        self._bands = [band for band in EVIDENCE_BANDS if band in bands]
        chosen = np.array([list(bands).index(band) for band in self._bands], dtype=np.int64)
        clear = (mask[:, ::_STRIDE, ::_STRIDE] & (Mask.NODATA | Mask.CLOUD | Mask.SATURATED)) == 0
        for scene in dict.fromkeys(scenes.tolist()):
            if scene != self._scene:
                self.finish()
                self._scene = scene
            if sum(block.shape[1] for block in self._numbers) >= _LIMIT:
                continue
            own = np.flatnonzero(scenes == scene)
            thinned = pixels[np.ix_(own, chosen)][:, :, ::_STRIDE, ::_STRIDE].astype(np.int32)
            thinned += applied[own][:, None, None, None]
            self._numbers.append(thinned.transpose(1, 0, 2, 3)[:, clear[own]])

    def finish(self) -> None:
        """End the present scene."""
        if self._scene and self._numbers:
            joined = np.concatenate(self._numbers, axis=1)
            self.evidence[self._scene] = offset_evidence(dict(zip(self._bands, joined, strict=True)))
        self._scene, self._numbers = "", []
