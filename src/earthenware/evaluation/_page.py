"""The small page of an evaluation, which a Kubeflow UI shows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from earthenware.evaluation import _findings
from earthenware.evaluation._html import document, escape, figure, image, section

SHOWN = 3


def evaluation_page(found: Mapping[str, Any], files: Mapping[str, bytes]) -> str:
    """Return the page.

    Args:
        found: What ``metrics.json`` holds.
        files: The pictures by path.
    """
    panels = [
        figure(
            image(files[row["path"]], f"{row['site']}: original, what the model saw, and the reconstruction"),
            f"{row['site']}, {(row['datetime'] or 'no date')[:10]}. Original, visible, filled in; "
            "true colour, radar VH, elevation.",
            "px",
        )
        for row in found["pictures"][:SHOWN]
    ]
    body = [
        '<p class="eyebrow">Earthenware</p><h1>Evaluation</h1>',
        f'<p class="lead">{escape(_findings.reconstruction_sentence(found))}</p>',
        _findings.collapse_text(found),
        section("Reconstruction", _findings.reconstruction_chart(found), _findings.reconstruction_table(found)),
        section(
            "Land-cover probes",
            f"<p>{escape(_findings.probe_sentence(found))}</p>",
            _findings.probe_chart(found),
            _findings.probe_table(found),
        ),
        section("Pictures", f'<div class="three">{"".join(panels)}</div>' if panels else ""),
    ]
    return document("Evaluation", "\n".join(body))
