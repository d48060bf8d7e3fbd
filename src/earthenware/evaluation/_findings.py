"""What was measured, as charts and tables that the evaluation page and the report share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from earthenware.evaluation._html import escape, figure, number, table
from earthenware.evaluation._probe import FEATURES, PROBES
from earthenware.evaluation._reconstruct import METHODS
from earthenware.pages import Dot, DotRow, dot_chart
from earthenware.sensors import BAND_GROUPS, WORLD_COVER_CLASSES

__all__ = [
    "collapse_text", "probe_chart", "probe_sentence", "probe_table", "reconstruction_chart", "reconstruction_sentence",
    "reconstruction_table",
]  # fmt: skip

Found = Mapping[str, Any]

NAMES = {
    "trained": "pretrained",
    "untrained": "untrained",
    "band_statistics": "band statistics",
    "knn": "Nearest neighbours",
    "linear": "Linear probe",
    "model": "model",
    "bilinear": "bilinear inpainting",
    "mean": "mean",
}
ARTICLES = {"mean": "the mean", "bilinear": "bilinear inpainting"}
KINDS = {"trained": "a", "untrained": "c", "band_statistics": "b", "model": "a", "bilinear": "b", "mean": "c"}


GROUPS = {
    "rgb": "visible",
    "rededge": "red edge",
    "nir": "near infrared",
    "swir": "short-wave infrared",
    "sar": "radar",
    "dem": "elevation",
}


def _errors(found: Found) -> list[tuple[str, Mapping[str, float | None]]]:
    """Return the errors over all bands, then by band group in the order of the cube."""
    groups = found["reconstruction"]["groups"]
    order = [*(name for name in BAND_GROUPS if name in groups), *sorted(set(groups) - set(BAND_GROUPS))]
    return [("all bands", found["reconstruction"]["overall"]), *((GROUPS.get(n, n), groups[n]) for n in order)]


def reconstruction_sentence(found: Found) -> str:
    """Return the result of the reconstruction in words."""
    result = found["reconstruction"]
    errors = result["overall"]
    if errors["model"] is None:
        return "No pixel could be hidden, so nothing was reconstructed."
    where = "places that training did not see" if result["held_out"] else "training places, as none was held out"
    parts = []
    for name in ("mean", "bilinear"):
        ratio = errors["model"] / errors[name] if errors[name] else 1.0
        side = f"{number(ratio, 2)} times" if ratio >= 2 else f"{abs(100 * (1 - ratio)):.0f} % {_side(ratio)}"
        parts.append(f"{side} that of {ARTICLES[name]} ({number(errors[name])})")
    known = (
        " The model is told each hidden patch's level and contrast, the baselines are not."
        if result["levels_known"]
        else ""
    )
    return (
        f"On {result['chips']} chips of {where}, the model's error over hidden pixels is {number(errors['model'])}: "
        f"{' and '.join(parts)}.{known}"
    )


def _side(ratio: float) -> str:
    return "below" if ratio <= 1 else "above"


def reconstruction_chart(found: Found) -> str:
    """Return the chart of errors by band group."""
    rows = _errors(found)
    chart = dot_chart(
        [
            DotRow(
                name,
                tuple(Dot(value, KINDS[m]) for m in METHODS if (value := e[m]) is not None),
                strong=name == "all bands",
            )
            for name, e in rows
        ],
        label="mean squared error of hidden pixels, normalised",
    )
    return figure(
        f"{_key(METHODS)}{chart}", "Lower is better. Every method is judged on the same hidden, valid pixels."
    )


def reconstruction_table(found: Found) -> str:
    """Return the table of errors by band group."""
    rows = _errors(found)
    body = [[name, *(number(errors[method]) for method in METHODS)] for name, errors in rows]
    return table(["hidden pixels", *(NAMES[m] for m in METHODS)], body, numbers=(1, 2, 3))


def _key(names: tuple[str, ...]) -> str:
    shapes = {"a": "&#9679;", "b": "&#9670;", "c": "&#10074;"}
    items = [
        f'<li><span style="color:var(--{KINDS[n]})">{shapes[KINDS[n]]}</span> {escape(NAMES[n])}</li>' for n in names
    ]
    return f'<ul class="key">{"".join(items)}</ul>'


def probe_sentence(found: Found) -> str:
    """Return the result of the probes in words."""
    probes = found["probes"]
    if not probes["available"]:
        return f"There are no land-cover probes: {probes['reason']}."
    held_out = probes["held_out"]
    names = [WORLD_COVER_CLASSES.get(int(code), code) for code in held_out["classes"]]
    text = (
        f"Can a simple classifier read land cover ({', '.join(names)}) out of a chip's frozen embedding? Fitted on "
        f"{probes['train']['chips']} chips of {probes['train']['places']} places, scored on {held_out['chips']} chips "
        f"of {held_out['places']} other places."
    )
    for row in probes["differences"]:
        if row["probe"] == "linear":
            text += (
                f" Linear probe, pretrained minus {NAMES[row['baseline']]}: {_interval(row['interval'], signed=True)}."
            )
    return text


def _interval(values: Found, *, signed: bool = False) -> str:
    form = "+.2f" if signed else ".2f"
    text = f"{values['value']:{form}}"
    if values["low"] is None:
        return text
    return f"{text} ({values['low']:{form}} to {values['high']:{form}})"


def probe_chart(found: Found) -> str:
    """Return the chart of balanced accuracies with their intervals."""
    probes = found["probes"]
    if not probes["available"]:
        return ""
    rows = []
    for probe in PROBES:
        rows.append(DotRow(NAMES[probe], (), heading=True))
        for name in FEATURES:
            for row in probes["results"]:
                if (row["probe"], row["features"]) == (probe, name):
                    interval = row["interval"]
                    dot = Dot(row["balanced_accuracy"], KINDS[name], interval["low"], interval["high"])
                    rows.append(DotRow(NAMES[name], (dot,), strong=name == "trained"))
    chart = dot_chart(rows, label="balanced accuracy", reference=(probes["chance"], "chance"))
    if probes["held_out"]["places"] < 2:
        return figure(chart, "Higher is better. With one held-out place there is no telling how far this generalises.")
    few = ", of which there are few: read them as lower bounds of the uncertainty" if probes["few_places"] else ""
    return figure(chart, f"Higher is better. Lines: 95 % intervals from resampled places{few}.")


def probe_table(found: Found) -> str:
    """Return the table of all scores."""
    probes = found["probes"]
    if not probes["available"]:
        return ""
    body = [
        [
            f"{row['probe']}, {NAMES[row['features']]}",
            _interval(row["interval"]),
            f"{row['accuracy']:.2f}",
            f"{row['macro_f1']:.2f}",
        ]
        for row in probes["results"]
    ]
    return table(["probe, features", "balanced accuracy", "accuracy", "F1"], body, numbers=(1, 2, 3))


def collapse_text(found: Found) -> str:
    """Return the collapse diagnostics in words, as HTML."""
    collapse = found["collapse"]
    if collapse is None:
        return ""
    text = (
        f"Embeddings of {collapse['records']} chips use {collapse['effective_rank']:.1f} of {collapse['dimensions']} "
        f"directions (effective rank); the mean cosine between chips is {collapse['mean_cosine']:.3f}; "
        f"{collapse['duplicate_share']:.1%} share their vector with another chip."
    )
    if collapse["alarm"]:
        return f'<p class="warn">Collapse: {escape("; ".join(collapse["reasons"]))}. {escape(text)}</p>'
    return f'<p class="note">No collapse. {escape(text)}</p>'
