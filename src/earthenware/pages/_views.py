"""Views: what a person sees of a sensor, as its entry in the table of sensors says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earthenware.chips import ChipStore
from earthenware.pages._pictures import STRETCHES, Picture, Stretch, encode_jpeg, natural_colour, shade
from earthenware.sensors import SENSORS, Sensor


@dataclass(frozen=True)
class View:
    """A way to look at a sensor.

    Attributes:
        title: What it shows, in a word or two.
        sensor: The sensor.
        bands: Positions of the bands that it takes, on the band axis that it was made for.
    """

    title: str
    sensor: Sensor
    bands: tuple[int, ...]

    def stretch(self, values: NDArray[Any]) -> Stretch:
        """Return the stretch of the view's bands `[band, y, x]` in physical units, NaN where there are none."""
        return STRETCHES[self.sensor.kind](values)

    def shade(self, values: NDArray[Any], stretch: Stretch | None = None, *, gsd: float | None = None) -> Picture:
        """Picture the view's bands; see :func:`shade`."""
        return shade(self.sensor.kind, values, stretch, gsd=gsd)


def views_of(sensors: Mapping[str, Sequence[str]]) -> list[View]:
    """Return the views of what was measured, in the order of the sensors.

    Optical sensors are seen in true colour, radar by its last band (the cross-polarised one), elevation as relief;
    labels and sensors that the table does not know are not seen.

    Args:
        sensors: Sensor id -> names of the bands that are there. Positions count on over all of them, as in a cube.
    """
    found: list[View] = []
    first = 0
    for name, bands in sensors.items():
        title, wanted = _look(SENSORS[name], bands) if name in SENSORS else ("", ())
        if wanted and set(wanted) <= set(bands):
            found.append(View(title, SENSORS[name], tuple(first + bands.index(band) for band in wanted)))
        first += len(bands)
    often = Counter(view.title for view in found)
    return [
        view if often[view.title] == 1 else replace(view, title=f"{view.title} ({view.sensor.title})") for view in found
    ]


def sensor_views(sensor: str, bands: Sequence[str]) -> View | None:
    """Return the view of one sensor, its bands counted from 0; None where it cannot be seen."""
    return next(iter(views_of({sensor: bands})), None)


def _look(sensor: Sensor, bands: Sequence[str]) -> tuple[str, tuple[str, ...]]:
    if sensor.kind == "optical":
        return "true colour", sensor.true_colour or ()
    if sensor.kind == "radar" and bands:
        return f"radar {bands[-1].upper()}", (bands[-1],)
    return ("elevation", tuple(bands[:1])) if sensor.kind == "elevation" else ("", ())


def chip_thumbnails(store: ChipStore, chips: Sequence[int] | NDArray[np.int64], size: int) -> list[bytes | None]:
    """Return JPEGs of chips in true colour that compare across chips; None where one has no optical image.

    Args:
        store: The chips.
        chips: Numbers of the chips.
        size: Longest edge of a picture in pixels.
    """
    found: dict[int, bytes] = {}
    for name, layout in store.sensors.items():
        view = sensor_views(name, layout.bands) if layout.kind == "optical" else None
        rows = [row for row, chip in enumerate(chips) if row not in found and store.present(name)[chip]]
        if view is None or not rows:
            continue
        bands = {name: [layout.bands[band] for band in view.bands]}
        for row, stored in zip(
            rows, store.read_batch([name], [int(chips[row]) for row in rows], bands=bands)[name].pixels, strict=True
        ):
            found[row] = encode_jpeg(natural_colour(layout.decode(stored)), 80, size, full_colour=False)
    return [found.get(row) for row in range(len(chips))]
