"""The radiometric contract: is Sentinel-2's offset of processing baseline 04.00 gone, and gone once?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from earthenware.validation._check import Check, Finding, count_of

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    from earthenware.validation._spec import ValidateSpec

_IN_SET: Final = "ExpectColumnValuesToBeInSet"

# The build judges whole scenes; here a sample of chips is seen, so that twice its evidence is asked for.
_DARK_SHARE: Final = 0.10
_DRY_SHARE: Final = 0.20
_HALF: Final = 500  # half the offset: nearer to "gone" or to "still there"?
_QUARTER: Final = 250


def add_offset_verdicts(offsets: pd.DataFrame, spec: ValidateSpec) -> None:
    """Add one column per expectation: True where a scene keeps to it.

    Args:
        offsets: The table ``offsets``: per scene ``declared``, ``applied`` and ``dark_dn`` (DN), ``contradicted``, and
            from its pixels ``seen_dark`` (DN with the removed offset put back), ``dark_share``, ``dry_share``,
            ``starts_shifted``.
        spec: The limits.
    """
    declared, applied, dark, seen = (
        offsets[name].astype(float) for name in ("declared", "applied", "dark_dn", "seen_dark")
    )
    bright = dark >= spec.offset_dark_dn
    contradicted = offsets["contradicted"].astype(bool)
    offsets["one_offset"] = offsets["offsets"] <= 1
    offsets["agrees"] = ~contradicted
    offsets["removed"] = (declared <= 0) | (applied > 0) | (contradicted & ~bright)
    denied = (offsets["dark_share"] >= _DARK_SHARE) | (offsets["dry_share"] >= _DRY_SHARE)
    offsets["removed_once"] = ~((applied > 0) & (contradicted | denied | (declared <= 0)))
    offsets["gone"] = ~((applied > 0) & (seen - dark > _HALF) & (seen - applied >= spec.offset_dark_dn - _QUARTER))
    # Against the darkest scene of the same place: an offset of 1000 lifts everything by just that.
    lowest = (dark - applied).groupby(offsets["site"]).transform("min")
    lifted = bright & ((dark - lowest - 1000).abs() <= _QUARTER)
    undeclared = (declared <= 0) & (applied <= 0)
    offsets["declared_if_there"] = ~(undeclared & bright & (lifted | offsets["starts_shifted"].astype(bool)))


def offset_checks(spec: ValidateSpec) -> list[Check]:
    """Return the expectations about the offset, each over one row per Sentinel-2 scene."""

    def check(name: str, column: str, title: str, explain: Callable[[Finding], str], mostly: float = 1.0) -> Check:
        arguments = {"column": column, "value_set": [True], **({"mostly": mostly} if mostly < 1 else {})}
        return Check(name, "offsets", _IN_SET, arguments, title, explain)

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
                    "offset of 1000 would leave them."
                ),
            ),
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
        why = "although its item declares none"
    elif row.contradicted:
        why = "although the index says that its pixels contradict it"
    else:
        share = max(row.dark_share, row.dry_share)
        why = f"which leaves {share:.0%} of its red or dry-land pixels with negative reflectance"
    return f"{_named(row)} had {row.applied:.0f} subtracted, {why}."
