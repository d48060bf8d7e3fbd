"""What one entry of the table of sensors says; everything else in the house asks it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import IntFlag
from typing import TYPE_CHECKING, Any, Final, Literal

from earthenware.errors import EarthenwareError
from earthenware.sensors import _encoding

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

Item = Mapping[str, Any]
"""A STAC item as a plain mapping."""

Kind = Literal["optical", "radar", "elevation", "label"]
Role = Literal["base", "secondary", "label"]
Resampling = Literal["nearest", "bilinear"]
Measured = Literal["finite", "nonzero", "positive"]
OffsetRule = Literal["none", "baseline", "flag"]


class Mask(IntFlag):
    """Bit flags of a mask array; a pixel may carry several.

    In array arithmetic write ``mask & int(Mask.CLOUD)``: NumPy widens a uint8 array to int64 for the flag itself.
    """

    NODATA = 1
    """Nothing was measured here; the pixel holds the nodata value in every band."""
    CLOUD = 2
    """Cloud of medium or high probability, or cirrus."""
    SHADOW = 4
    """Cloud shadow."""
    SNOW = 8
    """Snow or ice."""
    WATER = 16
    """Open water."""
    SATURATED = 32
    """At least one band is saturated or defective."""


UNUSABLE = Mask.NODATA | Mask.CLOUD | Mask.SHADOW | Mask.SATURATED
"""The flags that keep a pixel of an optical sensor out of statistics: its value says nothing about the ground."""


@dataclass(frozen=True)
class Band:
    """One band of a sensor.

    Attributes:
        name: The name the mission gives it, such as ``B04`` or ``vv``.
        common_name: STAC's common name, such as ``red``; empty where there is none.
        wavelength_nm: Central wavelength in nm; None where the band measures no radiation.
        gsd_m: Native ground sampling distance in metres.
        plausible: Smallest and largest value that a measurement may have, in the sensor's unit; None for codes.
    """

    name: str
    common_name: str
    wavelength_nm: float | None
    gsd_m: float
    plausible: tuple[float, float] | None = None


@dataclass(frozen=True)
class Quality:
    """The band of a product that says what each pixel shows.

    Attributes:
        band: Name under which its asset is asked for, beside the measuring bands.
        fill: Its number where nothing was measured.
        codes: Number -> flags, where its numbers are classes.
        bits: Position of a bit -> flags, where its numbers are bit fields.
    """

    band: str
    fill: int
    codes: Mapping[int, Mask] = field(default_factory=dict)
    bits: Mapping[int, Mask] = field(default_factory=dict)

    def flags(self, numbers: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
        """Turn its numbers `[y, x]`, NaN where there are none, into flags uint8 `[y, x]`."""
        import numpy as np

        whole = np.where(np.isfinite(numbers), numbers, self.fill).astype(np.int64)
        result = np.zeros(whole.shape, dtype=np.uint8)
        if self.codes:
            table = np.zeros(max(256, *self.codes) + 1, dtype=np.uint8)
            table[list(self.codes)] = [int(flag) for flag in self.codes.values()]
            result |= table[np.clip(whole, 0, len(table) - 1)]
        for bit, flag in self.bits.items():
            result[(whole >> bit) & 1 == 1] |= np.uint8(flag)
        return result


@dataclass(frozen=True)
class Collection:
    """One STAC collection that holds a sensor's items.

    Attributes:
        id: STAC collection id.
        assets: Band name (the quality band included) -> asset names, the first that an item has counts.
        licence: Terms under which its data may be used.
        offset_rule: How to learn from an item whether its numbers carry an offset: ``baseline`` = processing baselines
            from a certain one on do; ``flag`` = the same, except where the catalog's flag says that it was removed.
    """

    id: str
    assets: Mapping[str, tuple[str, ...]]
    licence: str
    offset_rule: OffsetRule = "none"


_OFFSET_COLUMNS: Final = {
    "offset_declared": "int16",
    "offset_applied": "int16",
    "offset_contradicted": "bool",
    "dark_dn": "float64",
}


@dataclass(frozen=True)
class OffsetDecision:
    """The offset to subtract from raw numbers and why.

    Attributes:
        applied: Digital numbers to subtract.
        declared: What the item's metadata says must be subtracted.
        contradicted: The pixels rule out the declared offset.
        suspected: The pixels look as if they carried an offset that is not declared; it is not applied.
        reason: One sentence for people.
        dark_dn: 0.1st percentile of the raw numbers, the lowest of the visible bands; None without pixels.
    """

    applied: int
    declared: int
    contradicted: bool
    suspected: bool
    reason: str
    dark_dn: float | None = None

    def columns(self) -> dict[str, int | bool | float | None]:
        """Return what the chip index holds of it, by the sensor's own columns."""
        values = (self.declared, self.applied, self.contradicted, self.dark_dn)
        return dict(zip(_OFFSET_COLUMNS, values, strict=True))


@dataclass(frozen=True)
class OffsetCheck:
    """How a sensor's offset is found out: from its items and, because catalogs are wrong about it, from its pixels.

    Attributes:
        bands: The bands whose pixels tell.
        size: The offset that products may carry, in digital numbers.
        declared: Returns the digital numbers that an item says must be subtracted, by the rule of its collection.
        decide: Decides from what is declared, from raw numbers `[..., y, x]` per band, 0 meaning no data, and from
            which of them are valid (None: all). ``doubt``, if given, says how many times the usual evidence it takes
            to contradict what is declared.
    """

    bands: tuple[str, ...]
    size: int
    declared: Callable[[Item, OffsetRule], int]
    decide: Callable[..., OffsetDecision]


def _as_they_are(numbers: npt.NDArray[Any], item: Item) -> npt.NDArray[np.float32]:
    import numpy as np

    return np.asarray(numbers, dtype=np.float32)


@dataclass(frozen=True, eq=False)
class Sensor:
    """What a sensor measures, its role in a datacube, and how chips store it: value = stored * scale + offset.

    Attributes:
        id: The STAC collection id that the project uses for it everywhere.
        title: Name for people.
        kind: What it measures.
        role: ``base``: its scenes give a datacube its grid, time and clouds. ``secondary``: it is brought onto that
            grid. ``label``: the same, and no model reads it.
        bands: Its bands, in the order of the band axis of every array.
        gsd_m: Ground sampling distance of its finest band in metres; that of the grid where it is the base.
        scale: Physical units per stored int16 step.
        offset: Physical value of the stored 0.
        unit: Physical unit of a decoded value.
        resampling: How its pixels are brought onto the grid of a datacube.
        measured: Which raw numbers are measurements, besides that a file's own nodata is none.
        physical: Turns raw numbers float32 `[y, x]` of an item, NaN where there are none and an offset already
            removed, into physical values.
        saturated: Raw number of a saturated pixel; None where there is none.
        window_days: Largest distance in time to the base scene in days, either side; None where the nearest item
            counts, however far (a static product, an annual map).
        ignore: Flags that make a pixel invalid for models, statistics and metrics.
        quality: The band that carries flags; None where only nodata is known.
        offsets: How a radiometric offset is found out; None where there is none.
        true_colour: Its bands for red, green and blue; None where it has none.
        groups: Group name -> bands that a model embeds together.
        legend: Code -> class, of a label.
        collections: Name of a catalog -> its collections of this sensor, the preferred one first.
        only: Item property -> the values that an item may have; one that has others is of another instrument or mode.
        site_of: Names the tile that an item images; empty where the item does not say.
        nodata_of: Share (0..1) of an item's pixels without data; NaN where the item does not say.
        revision_of: Version of an item's processing: the largest of one acquisition is taken; NaN where unknown.
    """

    id: str
    title: str
    kind: Kind
    role: Role
    bands: tuple[Band, ...]
    gsd_m: float
    scale: float
    unit: str
    resampling: Resampling
    collections: Mapping[str, tuple[Collection, ...]]
    offset: float = 0.0
    measured: Measured = "finite"
    physical: Callable[[npt.NDArray[Any], Item], npt.NDArray[np.float32]] = _as_they_are
    saturated: float | None = None
    window_days: float | None = None
    ignore: Mask = Mask.NODATA
    quality: Quality | None = None
    offsets: OffsetCheck | None = None
    true_colour: tuple[str, str, str] | None = None
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    legend: Mapping[int, str] = field(default_factory=dict)
    only: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    site_of: Callable[[Item], str] = lambda item: ""
    nodata_of: Callable[[Item], float] = lambda item: math.nan
    revision_of: Callable[[Item], float] = lambda item: math.nan

    @property
    def band_names(self) -> tuple[str, ...]:
        """Names of the bands, in order."""
        return tuple(band.name for band in self.bands)

    @property
    def finest(self) -> Band:
        """The first band of the sensor's own ground sampling distance, whose pixels are the grid's."""
        return next(band for band in self.bands if band.gsd_m == self.gsd_m)

    @property
    def index_columns(self) -> Mapping[str, str]:
        """Its own columns of the chip index -> their Arrow type."""
        return _OFFSET_COLUMNS if self.offsets else {}

    def band(self, name: str) -> Band:
        """Return the band of this name.

        Raises:
            EarthenwareError: ``UNKNOWN_BAND``; this sensor has no such band.
        """
        for band in self.bands:
            if band.name == name:
                return band
        raise EarthenwareError(
            "UNKNOWN_BAND", f"Sensor {self.id} has no band {name!r}.", f"Its bands are {', '.join(self.band_names)}."
        )

    def encode(self, values: npt.ArrayLike) -> npt.NDArray[np.int16]:
        """Turn physical values `[..., y, x]` (NaN where there are none) into stored int16."""
        return _encoding.encode(values, self.scale, self.offset)

    def decode(self, stored: npt.ArrayLike) -> npt.NDArray[np.float32]:
        """Turn stored int16 `[..., y, x]` into physical float32 with NaN for nodata."""
        return _encoding.decode(stored, self.scale, self.offset)
