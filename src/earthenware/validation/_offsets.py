"""The radiometric contract: where a sensor's products carry an offset, is it gone, and gone once?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from earthenware.chips import Mask, column
from earthenware.errors import EarthenwareError
from earthenware.scenes import read_scenes
from earthenware.sensors import SENSORS
from earthenware.validation._check import IN_SET, Check, Finding, count_of

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd
    from numpy.typing import NDArray

    from earthenware.sensors import OffsetDecision
    from earthenware.validation._check import Severity
    from earthenware.validation._limits import Limits

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
    """Collects pixels of one scene after the other; the chips of a scene must come together.

    Attributes:
        evidence: (sensor, scene) -> evidence, of the scenes that have ended.
    """

    def __init__(self) -> None:
        self.evidence: dict[tuple[str, str], Evidence] = {}
        self._scene: dict[str, str] = {}  # by sensor
        self._applied: dict[str, int] = {}
        self._numbers: dict[str, list[NDArray[np.int32]]] = {}  # [band, pixel]

    def add(
        self,
        sensor: str,
        scenes: NDArray[Any],
        applied: NDArray[np.int32],
        pixels: NDArray[np.int16],
        mask: NDArray[np.uint8],
        bands: Sequence[str],
    ) -> None:
        """Take the clear pixels of some chips, with the removed offset put back.

        Args:
            sensor: Whose pixels they are.
            scenes: Scene of each chip, `[chip]`.
            applied: Offset that was removed from each chip (DN), `[chip]`.
            pixels: Stored values, `[chip, band, y, x]`.
            mask: Flags, `[chip, y, x]`.
            bands: Names of the bands.
        """
        chosen = np.array([list(bands).index(band) for band in _bands(sensor)], dtype=np.int64)
        clear = (mask[:, ::_STRIDE, ::_STRIDE] & (Mask.NODATA | Mask.CLOUD | Mask.SATURATED)) == 0
        for scene in dict.fromkeys(scenes.tolist()):
            own = np.flatnonzero(scenes == scene)
            if scene != self._scene.get(sensor):
                self._end(sensor)
                self._scene[sensor], self._applied[sensor], self._numbers[sensor] = scene, int(applied[own].max()), []
            if sum(block.shape[1] for block in self._numbers[sensor]) >= _LIMIT:
                continue
            thinned = pixels[np.ix_(own, chosen)][:, :, ::_STRIDE, ::_STRIDE].astype(np.int32)
            thinned += applied[own][:, None, None, None]
            self._numbers[sensor].append(thinned.transpose(1, 0, 2, 3)[:, clear[own]])

    def finish(self) -> None:
        """End the present scenes."""
        for sensor in list(self._scene):
            self._end(sensor)

    def _end(self, sensor: str) -> None:
        blocks, rule = self._numbers.pop(sensor, []), SENSORS[sensor].offsets
        if not blocks or rule is None:
            return
        numbers = dict(zip(_bands(sensor), np.concatenate(blocks, axis=1), strict=True))
        plain = rule.decide(0, numbers, None)
        applied = self._applied[sensor]
        removed = rule.decide(applied, numbers, None, doubt=_DOUBT) if applied else plain
        self.evidence[sensor, self._scene[sensor]] = Evidence(plain, removed)


def _bands(sensor: str) -> tuple[str, ...]:
    rule = SENSORS[sensor].offsets
    return rule.bands if rule else ()


def has_offsets(sensor: str) -> bool:
    """Return whether a sensor's products may carry a radiometric offset."""
    return sensor in SENSORS and SENSORS[sensor].offsets is not None


def offset_table(
    evidence: dict[tuple[str, str], Evidence], chips: pd.DataFrame, sensors: Sequence[str], spec: Limits
) -> pd.DataFrame:
    """Return one row per scene of a sensor with offsets: what was declared, what was done, and what its pixels say.

    Args:
        evidence: As :class:`EvidenceGatherer` finds it; a scene whose pixels were not read has none.
        chips: The table of chips, for what the index says about each scene.
        sensors: The store's sensors.
        spec: The limits.

    Returns:
        The table, with a column per expectation that is True where a scene keeps to it; empty without such a sensor.
    """
    import pandas as pd

    tables = []
    for sensor in filter(has_offsets, sensors):
        scenes = _scenes(sensor, chips)
        if len(scenes):
            found = [evidence.get((sensor, scene)) for scene in scenes["scene_id"]]
            scenes["seen_dark"] = [np.nan if one is None else one.plain.dark_dn for one in found]
            scenes["suspected"] = [one is not None and one.plain.suspected for one in found]
            scenes["denied"] = [one is not None and one.removed.contradicted for one in found]
            scenes["why"] = ["" if one is None else one.removed.reason for one in found]
            _judge(scenes, spec, SENSORS[sensor].offsets.size)  # type: ignore[union-attr]
            tables.append(scenes)
    return pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()


def _scenes(sensor: str, chips: pd.DataFrame) -> pd.DataFrame:
    """Return what the index says of a sensor's scenes."""
    names = ("offset_declared", "offset_applied", "offset_contradicted", "dark_dn", "items", "datetime")
    seen = chips[chips[column(sensor, "present")].fillna(False).astype(bool)]
    # The chip's own time goes: the sensor's takes its name.
    seen = seen.drop(columns="datetime").rename(columns={column(sensor, name): name for name in names})
    grouped = seen.groupby("scene_id", sort=True)
    scenes = grouped.agg(
        site=("site", "first"),
        declared=("offset_declared", "first"),
        applied=("offset_applied", "first"),
        offsets=("offset_applied", "nunique"),
        contradicted=("offset_contradicted", "max"),
        dark_dn=("dark_dn", "min"),
        items=("items", "first"),
        date=("datetime", "min"),
    ).reset_index()
    scenes = scenes.dropna(subset=["declared", "applied"]).reset_index(drop=True)
    scenes.insert(0, "sensor", sensor)
    scenes["contradicted"] = scenes["contradicted"].fillna(False).astype(bool)
    scenes["item"] = [", ".join(map(str, items)) if items is not None else "" for items in scenes.pop("items")]
    return scenes


def _judge(offsets: pd.DataFrame, spec: Limits, size: int) -> None:
    """Add one column per expectation: True where a scene keeps to it.

    Args:
        offsets: Scenes of one sensor: ``declared``, ``applied`` and ``dark_dn`` (DN), ``contradicted``, and from its
            pixels ``seen_dark`` (DN with the removed offset put back), ``suspected``, ``denied``.
        spec: The limits.
        size: The offset that the sensor's products may carry (DN).
    """
    declared, applied, dark, seen = (
        offsets[name].astype(float) for name in ("declared", "applied", "dark_dn", "seen_dark")
    )
    bright = dark >= spec.offset_dark_dn
    contradicted = offsets["contradicted"].astype(bool)
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


def add_revisions(offsets: pd.DataFrame, scenes: Sequence[str]) -> None:
    """Add the processing baselines of the scenes that break the contract, which make a sentence fuller.

    Args:
        offsets: The table of :func:`offset_table`; gets a column ``baseline``, such as "05.09", "" where unknown.
        scenes: URIs of the tables of scenes behind the store; one that is out of reach is done without.
    """
    told = offsets[~(offsets["agrees"] & offsets["removed"])]
    found: dict[tuple[str, str], str] = {}
    for uri in scenes if len(told) else ():
        try:
            behind = read_scenes(uri, set(told["scene_id"]))
        except EarthenwareError:
            continue
        for scene in behind:
            for sensor in set(told["sensor"]) & {name for name, items in scene.items.items() if items}:
                revision = SENSORS[sensor].revision_of(scene.items[sensor][0].item)
                found[sensor, scene.id] = f"{revision:05.2f}" if np.isfinite(revision) else ""
    offsets["baseline"] = [found.get(key, "") for key in zip(offsets["sensor"], offsets["scene_id"], strict=True)]


def offset_checks(spec: Limits) -> list[Check]:
    """Return the expectations about the offset, each over one row per scene of a sensor that has one."""

    def check(
        name: str,
        column: str,
        title: str,
        explain: Callable[[Finding], str],
        mostly: float = 1.0,
        severity: Severity = "fail",
    ) -> Check:
        arguments = {"column": column, "value_set": [True], **({"mostly": mostly} if mostly < 1 else {})}
        return Check(name, "offsets", IN_SET, arguments, title, explain, severity)

    return [
        check(
            "offset_one_per_scene",
            "one_offset",
            "All chips of a scene had the same offset removed",
            _each("scenes had different offsets removed from their chips", lambda row: f"{_named(row)}."),
        ),
        check(
            "offset_agrees_with_pixels",
            "agrees",
            "The offset that an item declares agrees with its pixels",
            _each("scenes contradict the offset that their item declares", _contradiction),
            severity="warn",
        ),
        check(
            "offset_removed",
            "removed",
            "A declared offset was removed unless the pixels contradict it",
            _each(
                "scenes still carry the offset that their item declares",
                lambda row: (
                    f"{_named(row)} {_claims(row)} and its darkest visible pixels, at DN {row.dark_dn:.0f}, agree, yet "
                    "nothing was subtracted."
                ),
            ),
        ),
        check(
            "offset_not_removed_twice",
            "removed_once",
            "No offset was removed from pixels that carry none",
            _each("scenes had an offset removed that their pixels do not carry", _twice),
        ),
        check(
            "offset_gone_from_pixels",
            "gone",
            "Where the index says that an offset was removed, the pixels begin near zero",
            _each(
                "scenes still carry an offset that the index says was removed",
                lambda row: (
                    f"{_named(row)} had its darkest visible pixels at DN {row.dark_dn:.0f} before {row.applied:.0f} "
                    f"was subtracted, yet the chips begin at {row.seen_dark - row.applied:.0f}."
                ),
            ),
            mostly=1 - spec.max_offset_scenes,
        ),
        check(
            "offset_not_undeclared",
            "declared_if_there",
            "Pixels of scenes without a declared offset do not look as if they carried one",
            _each(
                "scenes may carry an offset that no item declares",
                lambda row: (
                    f"{_named(row)} declares none, but its darkest visible pixels are at DN {row.dark_dn:.0f}, as an "
                    "offset would leave them."
                ),
            ),
            severity="warn",
        ),
    ]


def _each(breach: str, describe: Callable[[Any], str]) -> Callable[[Finding], str]:
    """Return an explanation that counts the scenes and then gives each of the first three its own sentence."""

    def explain(finding: Finding) -> str:
        told = " ".join(describe(row) for row in finding.rows.head(3).itertuples(index=False))
        rest = len(finding.rows) - 3
        noun, predicate = breach.split(" ", 1)
        more = f" And {rest:,} more." if rest > 0 else ""
        return f"{count_of(len(finding.rows), finding.total, noun)} {predicate}: {told}{more}"

    return explain


def _named(row: Any) -> str:
    return str(row.item or row.scene_id)


def _claims(row: Any) -> str:
    baseline = getattr(row, "baseline", "")
    return (
        f"claims processing baseline {baseline} (+{row.declared:.0f})"
        if baseline
        else f"declares an offset of +{row.declared:.0f}"
    )


def _contradiction(row: Any) -> str:
    return (
        f"{_named(row)} {_claims(row)} but 0.1 % of its visible pixels are at DN {row.dark_dn:.0f} or less, "
        f"{'below' if row.dark_dn < row.declared else 'near'} the {row.declared:.0f} that an offset would leave: "
        f"{'no offset' if row.applied == 0 else f'an offset of {row.applied:.0f}'} was removed."
    )


def _twice(row: Any) -> str:
    if row.declared <= 0:
        why = "its item declares none"
    elif row.contradicted:
        why = "the index says that its pixels contradict it"
    else:
        why = row.why
    return f"{_named(row)} had {row.applied:.0f} subtracted, although {why}."
