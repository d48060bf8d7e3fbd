"""The radiometric contract: where a sensor's products carry an offset, is it gone, and gone once?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from earthenware.chips import Mask, column
from earthenware.errors import EarthenwareError
from earthenware.scenes import open_scenes
from earthenware.sensors import SENSORS

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

    from earthenware.sensors import OffsetCheck, OffsetDecision
    from earthenware.validation._spec import ValidateSpec

# The build judges whole scenes; here a sample of chips is seen, so that twice its evidence is asked for.
_DOUBT: Final = 2.0
_STRIDE: Final = 2  # a sample of the pixels is enough: every second row and column
_LIMIT: Final = 2**22  # pixels per scene and band, 8 MB


@dataclass(frozen=True)
class Evidence:
    """What the stored pixels of a scene say about an offset, with the one that was removed put back.

    Attributes:
        plain: The decision if none were declared.
        removed: The decision if the one that was removed were declared, on twice the usual evidence.
    """

    plain: OffsetDecision
    removed: OffsetDecision


class EvidenceGatherer:
    """Collects pixels of one scene of a sensor after the other; the chips of a scene must come together.

    Attributes:
        evidence: Scene -> evidence, of the scenes that have ended.
    """

    def __init__(self, rule: OffsetCheck, bands: Sequence[str]) -> None:
        self.evidence: dict[str, Evidence] = {}
        self._rule = rule
        self._bands = np.array([bands.index(band) for band in rule.bands], dtype=np.int64)
        self._scene, self._applied = "", 0
        self._numbers: list[NDArray[np.int32]] = []  # [band, pixel]

    def add(
        self, scenes: NDArray[Any], applied: NDArray[np.int32], pixels: NDArray[np.int16], mask: NDArray[np.uint8]
    ) -> None:
        """Take the clear pixels of some chips, with the offset (DN) put back that was removed from each.

        Scenes and offsets are `[chip]`, the stored pixels `[chip, band, y, x]`, the mask `[chip, y, x]`.
        """
        clear = (mask[:, ::_STRIDE, ::_STRIDE] & (Mask.NODATA | Mask.CLOUD | Mask.SATURATED)) == 0
        for scene in dict.fromkeys(scenes.tolist()):
            own = np.flatnonzero(scenes == scene)
            if scene != self._scene:
                self.finish()
                self._scene, self._applied = scene, int(applied[own].max())
            if sum(block.shape[1] for block in self._numbers) >= _LIMIT:
                continue
            thinned = pixels[np.ix_(own, self._bands)][:, :, ::_STRIDE, ::_STRIDE].astype(np.int32)
            thinned += applied[own][:, None, None, None]
            self._numbers.append(thinned.transpose(1, 0, 2, 3)[:, clear[own]])

    def finish(self) -> None:
        """End the present scene."""
        if not self._numbers:
            return
        numbers = dict(zip(self._rule.bands, np.concatenate(self._numbers, axis=1), strict=True))
        self._numbers = []
        plain = removed = self._rule.decide(0, numbers, None)
        if self._applied:
            removed = self._rule.decide(self._applied, numbers, None, doubt=_DOUBT)
        self.evidence[self._scene] = Evidence(plain, removed)


def offset_rule(sensor: str) -> OffsetCheck | None:
    """Return how a sensor's radiometric offset is found out; None where its products carry none."""
    return SENSORS[sensor].offsets if sensor in SENSORS else None


def offset_table(
    evidence: Mapping[str, Mapping[str, Evidence]], chips: pd.DataFrame, sensors: Sequence[str], spec: ValidateSpec
) -> pd.DataFrame:
    """Return one row per scene of a sensor with offsets: what was declared, what was done, and what its pixels say.

    A column per expectation is True where a scene keeps to it. A scene whose pixels were not read has no evidence
    (sensor -> scene -> evidence); without a sensor that has offsets the table is empty.
    """
    import pandas as pd

    tables = []
    for sensor in sensors:
        rule = offset_rule(sensor)
        if rule is None:
            continue
        scenes = _scenes(sensor, chips)
        if len(scenes):
            found = [evidence.get(sensor, {}).get(scene) for scene in scenes["scene_id"]]
            scenes["seen_dark"] = [np.nan if one is None else one.plain.dark_dn for one in found]
            scenes["suspected"] = [one is not None and one.plain.suspected for one in found]
            scenes["denied"] = [one is not None and one.removed.contradicted for one in found]
            scenes["why"] = ["" if one is None else one.removed.reason for one in found]
            _judge(scenes, spec, rule.size)
            tables.append(scenes)
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


def _scenes(sensor: str, chips: pd.DataFrame) -> pd.DataFrame:
    """Return what the index says of a sensor's scenes."""
    names = ("offset_declared", "offset_applied", "offset_contradicted", "dark_dn", "items")
    seen = chips[chips[column(sensor, "present")].fillna(False).astype(bool)]
    seen = seen.rename(columns={column(sensor, name): name for name in names})
    scenes = (
        seen.groupby("scene_id", sort=True)
        .agg(
            site=("site", "first"),
            declared=("offset_declared", "first"),
            applied=("offset_applied", "first"),
            offsets=("offset_applied", "nunique"),
            contradicted=("offset_contradicted", "max"),
            dark_dn=("dark_dn", "min"),
            items=("items", "first"),
        )
        .reset_index()
    )
    scenes = scenes.dropna(subset=["declared", "applied"]).reset_index(drop=True)
    scenes.insert(0, "sensor", sensor)
    scenes["contradicted"] = scenes["contradicted"].fillna(False).astype(bool)
    scenes["item"] = [
        scene if items is None else ", ".join(map(str, items)) or scene
        for scene, items in zip(scenes["scene_id"], scenes.pop("items"), strict=True)
    ]
    return scenes


def _judge(offsets: pd.DataFrame, spec: ValidateSpec, size: int) -> None:
    """Add one column per expectation, True where a scene keeps to it, and what their sentences say of a scene.

    The scenes are of one sensor, whose products may carry an offset of ``size`` (DN). ``declared``, ``applied``,
    ``dark_dn`` and ``seen_dark`` are DN too, the last one with the removed offset put back.
    """
    declared, applied, dark, seen = (
        offsets[name].astype(float) for name in ("declared", "applied", "dark_dn", "seen_dark")
    )
    bright = dark >= spec.offset_dark_dn
    contradicted = offsets["contradicted"]
    offsets["one_offset"] = offsets["offsets"] <= 1
    offsets["agrees"] = ~contradicted
    offsets["removed"] = (declared <= 0) | (applied > 0) | (contradicted & ~bright)
    offsets["removed_once"] = ~((applied > 0) & (contradicted | offsets["denied"] | (declared <= 0)))
    # Nearer to "gone" or to "still there"? Half of the offset lies between.
    offsets["gone"] = ~((applied > 0) & (seen - dark > size / 2) & (seen - applied >= spec.offset_dark_dn - size / 4))
    # Against the darkest scene of the same site: an offset lifts everything by just its size.
    lowest = (dark - applied).groupby(offsets["site"]).transform("min")
    lifted = bright & ((dark - lowest - size).abs() <= size / 4)
    undeclared = (declared <= 0) & (applied <= 0)
    offsets["declared_if_there"] = ~(undeclared & bright & (lifted | offsets["suspected"]))

    offsets["left_dn"] = seen - applied
    offsets["where"] = np.where(dark < declared, "below", "near")
    offsets["subtracted"] = [f"an offset of {one:.0f}" if one else "no offset" for one in applied]
    known = offsets["why"].mask(contradicted, "the index says that its pixels contradict it")
    offsets["objection"] = known.mask(declared <= 0, "its item declares none")


def add_claims(offsets: pd.DataFrame, scenes: Sequence[str]) -> None:
    """Say what the items claim: their processing baseline where a scene breaks the contract and it can be known.

    It stands in the tables of scenes behind the store; one that is out of reach is done without.
    """
    told = offsets[~(offsets["agrees"] & offsets["removed"])]
    found: dict[tuple[str, str], float] = {}
    for uri in scenes if len(told) else ():
        try:
            behind = open_scenes(uri).scenes(set(told["scene_id"]))
        except EarthenwareError:
            continue
        for scene in behind:
            for sensor in set(told["sensor"]) & {name for name, items in scene.items.items() if items}:
                found[sensor, scene.id] = SENSORS[sensor].revision_of(scene.items[sensor][0].item)
    claims = []
    for row in offsets.itertuples():
        baseline = found.get((row.sensor, row.scene_id), np.nan)
        claims.append(
            f"claims processing baseline {baseline:05.2f} (+{row.declared:.0f})"
            if np.isfinite(baseline)
            else f"declares an offset of +{row.declared:.0f}"
        )
    offsets["claim"] = claims
