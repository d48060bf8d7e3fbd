from __future__ import annotations

import base64
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from markupsafe import escape
from PIL import Image

from earthenware.chips import ChipStore, Mask
from earthenware.errors import EarthenwareError
from earthenware.products import EmbeddingProduct
from earthenware.report import ReportSpec, report
from tests.tiny_chain import run_chain


class Page(HTMLParser):
    """Collects tags, checks that they are balanced."""

    VOID = frozenset({"meta", "img", "br", "path", "circle", "rect"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


@pytest.fixture(scope="module")
def html(chain) -> str:
    return (Path(chain.report.output) / "report.html").read_text(encoding="utf-8")


def test_page_is_whole_small_and_asks_the_net_for_nothing(html):
    page = Page(html)
    assert page.open == []
    assert len(html.encode()) < 1_000_000
    for tag, attributes in page.tags:
        assert tag not in {"script", "link", "iframe", "object", "base"}
        for name in ("src", "href", "data", "srcset", "action"):
            assert (attributes.get(name) or "data:").startswith("data:"), (tag, attributes)
    assert not re.search(r"url\(|@import|https?://", html)


def test_every_picture_says_what_it_shows(html):
    page = Page(html)
    images = [attributes for tag, attributes in page.tags if tag == "img"]
    assert len(images) > 20
    for attributes in images:
        assert len(attributes["alt"] or "") > 10
        data = base64.b64decode((attributes["src"] or "").split(",", 1)[1])
        Image.open(io.BytesIO(data)).load()
    for tag, attributes in page.tags:
        if tag == "svg":
            assert attributes["role"] == "img"
            assert attributes["aria-label"]


def test_page_shows_what_a_reader_looks_for(html, chain):
    text = " ".join(Page(html).text)
    for words in ("Summary", "true colour", "radar VH", "elevation", "mask", "Training", "original", "filled in",
                  "Linear probe", "band statistics", "principal components", "Nearest at other sites", "distance",
                  chain.embeddings.manifest.digest[:16]):  # fmt: skip
        assert words in text
    assert text.count("distance 0.") + text.count("distance 1.") == 2 * 2 * 5


def test_summary_is_one_table_for_page_terminal_and_markdown(html, chain):
    summary = json.loads((Path(chain.report.output) / "summary.json").read_text())
    lines = (Path(chain.report.output) / "summary.md").read_text()
    names = [row["name"] for row in summary["rows"]]
    assert names[:4] == ["scenes", "chips", "left out", "loss"]
    assert {"embeddings", "collapse", "linear probe, balanced accuracy"} <= set(names)
    values = {row["name"]: row["value"] for row in summary["rows"]}
    assert values["embeddings"] == "72 of 32 dimensions"
    assert values["chips"].startswith("72 of 32 x 32 pixels of 10 m")
    for row in summary["rows"]:
        assert f"| {row['name']} | {row['value']} |" in lines
        assert str(escape(row["value"])) in html
    assert set(summary["seconds"]) == {"build", "train", "evaluate", "embed"}


def test_titles_and_names_are_escaped(chain, tmp_path):
    spec = ReportSpec(title='<script>"&', sites=0, map_sites=0, queries=0)
    made = report(spec, chain.chips, chain.model, chain.evaluation.output, chain.embeddings.output, str(tmp_path / "r"))
    text = (Path(made.output) / "report.html").read_text()
    assert "<script>" not in text
    assert "&lt;script&gt;&#34;&amp;" in text
    Page(text)


HOSTILE = """<script>alert(1)</script>"'>{{}}&"""


def test_names_from_a_catalog_stay_text(tmp_path):
    made = run_chain(tmp_path, sites=4, site=HOSTILE.replace("{{}}", "{{{{}}}}") + "{}", pictures=2)
    for path in (f"{made.report.output}/report.html", f"{made.evaluation.output}/page.html"):
        text = Path(path).read_text(encoding="utf-8")
        page = Page(text)
        assert {tag for tag, _ in page.tags}.isdisjoint({"script", "iframe", "object", "link"})
        assert HOSTILE in "".join(page.text)
        assert "<script" not in text
        assert "default-src 'none'" in text
    assert HOSTILE in " ".join(a["alt"] or "" for tag, a in page.tags if tag == "img")


@pytest.mark.parametrize(
    ("optical", "shown", "missing"),
    [("landsat-c2-l2", {"true colour", "radar VH", "mask"}, set()), ("", {"radar VH"}, {"true colour", "mask"})],
)
def test_a_store_of_another_base_gets_a_page(tmp_path, optical, shown, missing):
    sensors = [one for one in (optical, "sentinel-1-rtc", "cop-dem-glo-30", "land-cover") if one]
    made = run_chain(tmp_path, sites=4, sensors=sensors, pictures=2)
    page = Page((Path(made.report.output) / "report.html").read_text(encoding="utf-8"))
    names = {alt.partition(" of the datacube")[0] for tag, a in page.tags if tag == "img" and (alt := a["alt"] or "")}
    assert shown <= names
    assert not missing & names
    text = " ".join(page.text)
    assert ("no optical image" in text) == (not optical)
    assert f"optical ({optical})" in text or not optical
    thumbnails = EmbeddingProduct.open(made.embeddings.output).table["thumbnail"].to_pylist()
    assert all(thumbnails) if optical else not any(thumbnails)
    clouds = EmbeddingProduct.open(made.embeddings.output).table["cloud_fraction"].to_pylist()
    assert set(clouds) == ({0.0, 0.5} if optical else {None})


def test_report_is_the_same_every_time(chain, tmp_path):
    spec = ReportSpec(sites=3)
    made = report(spec, chain.chips, chain.model, chain.evaluation.output, chain.embeddings.output, str(tmp_path / "r"))
    assert (Path(made.output) / "report.html").read_text() == (Path(chain.report.output) / "report.html").read_text()


def test_a_large_page_shrinks(chain, tmp_path, monkeypatch):
    from earthenware.report import _report

    monkeypatch.setattr(_report, "LARGEST", 20_000)
    made = report(
        ReportSpec(sites=3),
        chain.chips,
        chain.model,
        chain.evaluation.output,
        chain.embeddings.output,
        str(tmp_path / "r"),
    )
    # Pictures of 96 pixels cannot be made smaller than they are at 112, but their quality can.
    assert made.manifest.counts["bytes"] < chain.report.manifest.counts["bytes"]


@pytest.mark.parametrize(("place", "code"), [("evaluation", "NOT_EVALUATED"), ("embeddings", "NO_PRODUCT")])
def test_inputs_of_another_kind_are_named(chain, tmp_path, place, code):
    inputs = {"evaluation": chain.evaluation.output, "embeddings": chain.embeddings.output, place: chain.model}
    with pytest.raises(EarthenwareError) as caught:
        report(ReportSpec(), chain.chips, chain.model, output=str(tmp_path / "r"), **inputs)
    assert caught.value.code == code


def test_cubes_are_put_together_as_they_were_cut(chain):
    from earthenware.report._cubes import choose_cubes, cube_views

    store = ChipStore.open(chain.chips)
    cubes = choose_cubes(store, 4, seed=0)
    assert len({cube.site for cube in cubes}) == 4
    for cube in cubes:
        views = cube_views(store, cube)
        assert {picture.shape for picture in views.values()} == {(6 * 32, 32, 3)}
        flags = views["mask"].reshape(6, 32, 32, 3)
        for chip, row in zip(cube.chips, cube.rows, strict=True):
            cloudy = store.read("sentinel-2-l2a", int(chip))[1] == Mask.CLOUD
            assert ((flags[row] == (230, 159, 0)).all(-1) == cloudy).all()
