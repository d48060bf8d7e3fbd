"""The sections of the report, each from what it needs and nothing else."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earthenware.chips import ChipStore, Mask
from earthenware.evaluation import _findings
from earthenware.evaluation._html import escape, figure, image, number, section, table
from earthenware.evaluation._lineage import Lineage
from earthenware.evaluation._lookalikes import lookalikes
from earthenware.evaluation._maps import cube_colours, embedding_maps, overview_map, variance_sentence
from earthenware.evaluation._mosaic import Cube
from earthenware.evaluation._panels import VIEWS
from earthenware.evaluation._product import ProductView
from earthenware.pages import CLEAR, FLAG_COLOURS, Picture, encode_jpeg, encode_png, line_chart

__all__ = [
    "datacubes", "embeddings", "head", "neighbours", "probes", "provenance", "reconstructions", "summary", "training",
]  # fmt: skip

Found = Mapping[str, Any]


def _tile(value: str, text: str) -> str:
    return f'<div class="tile"><b>{escape(value)}</b><span>{escape(text)}</span></div>'


def head(title: str, store: ChipStore, lineage: Lineage, found: Found) -> str:
    """Return the title, one sentence and the figures that matter most."""
    sites = len(np.unique(np.asarray(store.index["site"].to_numpy(zero_copy_only=False)).astype(str)))
    train = lineage.counts("train")
    parameters = train.get("parameters", 0)
    size = f" of {parameters / 1e6:.1f} million parameters" if parameters else ""
    tiles = [_tile(f"{len(store):,}", f"chips from {sites} places")]
    errors = found["reconstruction"]["overall"]
    if errors["model"] is not None and errors["mean"]:
        tiles.append(
            _tile(number(errors["model"], 2), f"reconstruction error; the mean has {number(errors['mean'], 2)}")
        )
    for row in found["probes"].get("differences", []):
        if (row["probe"], row["baseline"]) == ("linear", "untrained"):
            scores = {
                r["features"]: r["balanced_accuracy"] for r in found["probes"]["results"] if r["probe"] == "linear"
            }
            others = f"untrained {scores['untrained']:.2f}, band statistics {scores['band_statistics']:.2f}"
            text = f"balanced accuracy of a linear probe; {others}"
            tiles.append(_tile(f"{scores['trained']:.2f}", text))
    made = lineage.counts("embed")
    if made:
        tiles.append(_tile(f"{made.get('embeddings', 0):,}", f"embeddings of {made.get('dimensions', 0)} dimensions"))
    seen = [f"{layout.kind} ({name})" for name, layout in store.sensors.items() if layout.kind != "label"]
    lead = (
        f"A masked autoencoder{size}, pretrained on {escape(', '.join(seen))} chips: what it was shown, "
        "what it learned to fill in, and what its embeddings tell apart."
    )
    return (
        f'<p class="eyebrow">Earthenware</p><h1>{escape(title)}</h1><p class="lead">{lead}</p>'
        f'<div class="tiles">{"".join(tiles)}</div>'
    )


def summary(rows: Sequence[tuple[str, str]]) -> str:
    """Return the summary table."""
    return section("Summary", table(["", ""], rows))


def _when_where(moment: Any, lon: float, lat: float) -> str:
    date = f"{moment:%Y-%m-%d %H:%M} UTC" if moment else "no date"
    east, north = ("E" if lon >= 0 else "W"), ("N" if lat >= 0 else "S")
    return f"{date}, {abs(lat):.3f}\u00b0{north} {abs(lon):.3f}\u00b0{east}"


def datacubes(
    store: ChipStore,
    product: ProductView,
    cubes: Sequence[tuple[Cube, Mapping[str, Picture]]],
    longest: int,
    quality: int,
) -> str:
    """Return the panels of some datacubes."""
    ids = store.index["chip_id"]
    blocks = []
    for cube, views in cubes:
        panels = [figure(_encoded(name, picture, cube.site, longest, quality), name) for name, picture in views.items()]
        colours = cube_colours(product, ids.take(cube.chips).to_pylist(), cube.rows, cube.columns)
        if colours is not None:
            shown = image(encode_png(colours), f"Embeddings of the chips of {cube.site} as colours")
            panels.append(figure(shown, "embeddings", "px"))
        where = _when_where(cube.moment, cube.lon, cube.lat)
        blocks.append(
            f'<h3>{escape(cube.site)} <span class="note">{where}</span></h3><div class="five">{"".join(panels)}</div>'
        )
    used = [flag for flag in FLAG_COLOURS if flag != Mask.NODATA]
    keys = [
        ("clear", CLEAR),
        *((str(flag.name).lower(), FLAG_COLOURS[flag]) for flag in used),
        ("no data or not kept", (205, 205, 200)),
    ]
    legend = "".join(f'<li><i style="background:rgb{rgb}"></i>{escape(name)}</li>' for name, rgb in keys)
    note = (
        "<p>Each row is one datacube, put together again from its chips: every sensor on one grid, with the mask that "
        "keeps clouds and gaps out of training, and the embeddings of its chips as colours.</p>"
    )
    return (
        section("What the model was shown", note, "".join(blocks), f'<ul class="key">{legend}</ul>') if blocks else ""
    )


def _encoded(name: str, picture: Picture, site: str, longest: int, quality: int) -> str:
    alt = f"{name} of the datacube at {site}"
    if name.startswith("mask"):
        step = max(1, -(-max(picture.shape[:2]) // longest))
        return image(encode_png(picture[::step, ::step]), alt)
    return image(encode_jpeg(picture, quality, longest), alt)


def training(history: Sequence[Mapping[str, Any]], lineage: Lineage) -> str:
    """Return the training curve."""
    if not history:
        return ""
    epochs = [float(row["epoch"]) for row in history]
    losses = line_chart(
        epochs,
        [
            ("training", "a", [row.get("train_loss") for row in history]),
            ("validation", "b", [row.get("validation_loss") for row in history]),
        ],
        x_label="epoch",
        y_label="loss: mean squared error of hidden patches",
    )
    rates = [row.get("learning_rate") for row in history]
    rate = line_chart(
        epochs,
        [("rate", "c", [None if r is None else 1000 * r for r in rates])],
        x_label="epoch",
        y_label="learning rate at the end of the epoch (thousandths)",
    )
    spec = lineage.steps["train"].first.spec if "train" in lineage.steps else {}
    hidden = f" {100 * spec['mask_ratio']:.0f} % of each chip's patches are hidden." if "mask_ratio" in spec else ""
    note = f"<p>The loss is averaged over hidden patches.{hidden} Validation chips come from other places.</p>"
    return section("Training", note, f'<div class="two">{figure(losses, "")}{figure(rate, "") if rate else ""}</div>')


def reconstructions(found: Found, panels: Sequence[tuple[Mapping[str, Any], NDArray[np.uint8]]], quality: int) -> str:
    """Return originals beside what the model saw and what it made of it, and the errors."""
    heads = '<div class="heads"><span>original</span><span>what it saw</span><span>filled in</span></div>'
    shown = []
    for row, pixels in panels:
        alt = f"Chip {row['chip_id']}: original, what the model saw, and the reconstruction, for {', '.join(VIEWS)}"
        date = (row["datetime"] or "no date")[:10]
        shown.append(
            figure(heads + image(encode_jpeg(pixels, min(95, quality + 8)), alt), f"{row['site']}, {date}", "px")
        )
    where = "places that training never saw" if found["reconstruction"]["held_out"] else "training places"
    note = (
        f"<p>{escape(_findings.reconstruction_sentence(found))}</p>"
        f'<p class="note">Chips of {where}; rows: {", ".join(VIEWS)}. Hidden patches are hatched; each band group '
        "hides its own.</p>"
    )
    numbers = f'<div class="two">{_findings.reconstruction_chart(found)}{_findings.reconstruction_table(found)}</div>'
    return section("Filling in what is hidden", note, f'<div class="three">{"".join(shown)}</div>', numbers)


def probes(found: Found) -> str:
    """Return what the embeddings tell apart, beside the baselines."""
    note = f"<p>{escape(_findings.probe_sentence(found))}</p>"
    both = f'<div class="two">{_findings.probe_chart(found)}{_findings.probe_table(found)}</div>'
    return section("What the embeddings tell apart", note, both, _findings.collapse_text(found))


def embeddings(product: ProductView, places: int) -> str:
    """Return the maps of the embeddings."""
    if not len(product.vectors):
        return ""
    note = (
        f"<div><p>{escape(variance_sentence(product))}</p>"
        '<p class="note">Below, every square is a chip at its longitude and latitude. Of several dates the one with '
        "most chips is drawn; gaps are chips that were not kept.</p></div>"
    )
    maps = f'<div class="maps">{embedding_maps(product, places)}</div>' if places else ""
    return section("A map of the embeddings", f'<div class="two">{note}{overview_map(product)}</div>', maps)


def neighbours(store: ChipStore, product: ProductView, count: int, seed: int) -> str:
    """Return chips with their nearest neighbours."""
    found = lookalikes(store, product, count, seed) if len(product.vectors) > 1 else ""
    note = (
        "<p>The five chips whose embeddings are nearest to that of the first, by cosine distance. The second row "
        "leaves out the query's own place, whose chips look alike for a dull reason.</p>"
    )
    return section("More places like this one", note, found) if found else ""


def provenance(lineage: Lineage) -> str:
    """Return where everything comes from: steps, digests, versions and specs."""
    rows = [
        [
            f"{step} ({len(record.manifests)})" if len(record.manifests) > 1 else step,
            str(record.first.algorithm_version),
            record.first.digest[:16] if len(record.manifests) == 1 else "",
            record.first.finished,
            f"{record.seconds:.1f}",
        ]
        for step, record in lineage.steps.items()
    ]
    specs = {step: record.first.spec for step, record in lineage.steps.items()}
    packages: dict[str, str] = {}
    for record in lineage.steps.values():
        packages |= record.first.packages
    versions = ", ".join(f"{name} {version}" for name, version in sorted(packages.items()))
    return (
        "<footer><h3>Where this comes from</h3>"
        + table(["step", "algorithm", "digest", "finished (UTC)", "seconds"], rows, numbers=(4,))
        + f"<p>Versions: {escape(versions)}.</p>"
        + f"<details><summary>Specs of all steps</summary><pre>{escape(json.dumps(specs, indent=2))}</pre></details>"
        + "</footer>"
    )
