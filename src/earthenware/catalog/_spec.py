"""What a query is asked for, and how its texts are read: boxes in degrees, intervals in time."""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final, Literal

from pydantic import Field, field_validator

from earthenware.errors import EarthenwareError, redact
from earthenware.sensors import SENSORS, Sensor
from earthenware.steps import LARGEST_SEED, CommaList, Foreseen, Spec, checked_address, marks

Box = tuple[float, float, float, float]
"""West, south, east, north in degrees; west <= east."""

Interval = tuple[datetime | None, datetime | None]
"""First and last moment, UTC; None where it is open."""

_LONGEST_WINDOW: Final = 60
_DATE: Final = re.compile(r"(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?")


class QuerySpec(Spec):
    """Which scenes to take from a catalog, and how to match and divide them."""

    catalog: str = Field(
        "https://planetarycomputer.microsoft.com/api/stac/v1",
        description="Root URL of a STAC API, or path or URI of an ItemCollection JSON file (local, s3://, https://)",
        json_schema_extra=marks(form=True, means="catalog"),
    )
    bbox: str = Field(
        "",
        description="Area as west,south,east,north in degrees; west > east crosses the antimeridian; "
        "empty takes a file's every item (an API needs one)",
        json_schema_extra=marks(form=True, means="area"),
    )
    datetime: str = Field(
        "",
        description="Date or interval in UTC, such as 2021-06 or 2021-01-01/2021-12-31, '..' for an open end; "
        "empty takes a file's every item (an API needs one)",
        json_schema_extra=marks(form=True, means="time"),
    )
    sites: CommaList = Field((), description="Sites to keep, such as 13TDE,31UFS; empty keeps all")
    sensors: CommaList = Field(
        ("sentinel-2-l2a", "sentinel-1-rtc", "cop-dem-glo-30", "land-cover"),
        description="Sensors to look for (ids): exactly one base sensor, whose scenes give grid, time and clouds, and "
        "those to match to it",
        json_schema_extra=marks(form=True),
    )
    max_cloud: float = Field(
        0.5, ge=0, le=1, description="Largest cloud cover of a base scene (0 to 1)", json_schema_extra=marks(form=True)
    )
    max_nodata: float = Field(0.6, ge=0, le=1, description="Largest share of a base scene without data (0 to 1)")
    max_days: CommaList = Field(
        (),
        description="Largest distances in time to the base scene (days), such as sentinel-1-rtc=6; empty takes each "
        "sensor's own window",
    )
    collections: CommaList = Field(
        (),
        description="Collections to take instead of those that the catalog is known for, such as "
        "sentinel-2-l2a=sentinel-2-c1-l2a,land-cover=esa-worldcover",
    )
    scenes_per_site: int = Field(
        4,
        ge=0,
        le=1_000_000,
        description="Scenes per site, spread over the seasons, clear ones first; 0 takes all (scenes)",
    )
    max_scenes: int = Field(
        0, ge=0, le=1_000_000_000, description="Scenes to keep in all, evenly over the sites; 0 keeps all (scenes)"
    )
    max_items: int = Field(
        20_000,
        ge=1,
        le=1_000_000_000,
        description="Most items of the base sensor that an API may answer with, and of any one that a file may (items)",
    )
    on_missing_sensor: Literal["keep", "drop"] = Field(
        "keep", description="Scenes that lack a match of a sensor other than labels: keep or drop them"
    )
    validation_percent: float = Field(20.0, ge=0, le=90, description="Sites that become validation data (%)")
    test_percent: float = Field(0.0, ge=0, le=90, description="Sites that become test data (%)")
    split_block_km: float = Field(
        50.0, ge=1, le=2000, description="Side of the blocks of ground that are divided among the splits (km)"
    )
    seed: int = Field(0, ge=0, le=LARGEST_SEED, description="Seed of the sampling and of the splits")
    reject_limit: float = Field(0.2, ge=0, le=1, description="Largest share of unusable items (fraction, 0 to 1)")
    requests: int = Field(
        4, ge=1, le=32, description="Searches under way at a time (requests)", json_schema_extra=marks(runtime=True)
    )

    @field_validator("catalog")
    @classmethod
    def _catalog(cls, value: str) -> str:
        if not value.strip():
            raise ValueError("give the root URL of a STAC API or an ItemCollection file")
        return checked_address(value)

    @field_validator("bbox")
    @classmethod
    def _bbox(cls, value: str) -> str:
        parse_bbox(value)
        return value.strip()

    @field_validator("datetime")
    @classmethod
    def _datetime(cls, value: str) -> str:
        parse_interval(value)
        return value.strip()

    @field_validator("sensors")
    @classmethod
    def _sensors(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        unknown = [name for name in value if name not in SENSORS]
        if unknown:
            raise ValueError(f"there is no sensor {unknown[0]!r}; sensors are {', '.join(SENSORS)}")
        bases = [name for name in value if SENSORS[name].role == "base"]
        if len(bases) != 1 or len(set(value)) != len(value):
            known = ", ".join(name for name, one in SENSORS.items() if one.role == "base")
            raise ValueError(f"must name each sensor once, and exactly one of the base sensors {known}")
        return value

    @field_validator("max_days")
    @classmethod
    def _max_days(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name, text in _pairs(value, "sentinel-1-rtc=6").items():
            if SENSORS[name].window_days is None:
                raise ValueError(f"time does not matter for {name}")
            try:
                fits = 0 <= float(text) <= _LONGEST_WINDOW
            except ValueError:
                fits = False
            if not fits:
                raise ValueError(f"{text!r} is not a number of days from 0 to {_LONGEST_WINDOW}")
        return value

    @field_validator("collections")
    @classmethod
    def _collections(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        _pairs(value, "land-cover=esa-worldcover")
        return value

    @property
    def base(self) -> Sensor:
        """The sensor whose scenes give grid, time and clouds."""
        return next(SENSORS[name] for name in self.sensors if SENSORS[name].role == "base")

    @property
    def matched(self) -> tuple[Sensor, ...]:
        """The sensors that are matched to the base, labels included."""
        return tuple(SENSORS[name] for name in self.sensors if SENSORS[name].role != "base")

    def window_of(self, sensor: Sensor) -> float | None:
        """Return the largest distance in time of a sensor to the base scene (days); None where it does not matter."""
        asked = _pairs(self.max_days, "").get(sensor.id)
        return sensor.window_days if asked is None else float(asked)

    @property
    def chosen_collections(self) -> dict[str, str]:
        """Sensor id -> the collection to take instead of those that the catalog is known for."""
        return _pairs(self.collections, "")

    @field_validator("test_percent")
    @classmethod
    def _percentages(cls, value: float, info: object) -> float:
        validation = getattr(info, "data", {}).get("validation_percent", 0.0)
        if value + validation > 95:
            raise ValueError(f"validation_percent and test_percent are {value + validation:g} together; 95 at most")
        return value

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits that sites may fall into."""
        others = {"validation": self.validation_percent, "test": self.test_percent}
        return ("train", *(name for name, percent in others.items() if percent > 0))

    def foresee(self, inputs: Foreseen) -> Foreseen:
        """Return what scenes there can be."""
        return Foreseen(sensors=self.sensors, splits=self.splits)

    def require(self, output: str, environment: Mapping[str, str]) -> None:
        """Refuse to search an API for everything that it has."""
        from earthenware.catalog._file import is_file

        missing = [name for name in ("bbox", "datetime") if not getattr(self, name)]
        if missing and not is_file(self.catalog):
            message = f"{' and '.join(missing)} must be given to search the API {redact(self.catalog)}."
            remedy = "Give an area and an interval, such as bbox=5.9,49.4,6.6,50.2 and datetime=2021-06/2021-08."
            raise EarthenwareError("BAD_SPEC", message, remedy)


def _pairs(texts: tuple[str, ...], example: str) -> dict[str, str]:
    """Read ``sensor=value`` pairs."""
    found: dict[str, str] = {}
    for text in texts:
        name, equals, value = (part.strip() for part in text.partition("="))
        if not (equals and value):
            raise ValueError(f"{text!r} is not a pair such as {example}")
        if name not in SENSORS:
            raise ValueError(f"there is no sensor {name!r}; sensors are {', '.join(SENSORS)}")
        found[name] = value
    return found


def parse_bbox(text: str) -> tuple[Box, ...]:
    """Read ``west,south,east,north``; a box across the antimeridian becomes two.

    Returns:
        One box or two; none for an empty text.

    Raises:
        ValueError: The text is not four numbers that describe an area on Earth.
    """
    if not text.strip():
        return ()
    try:
        west, south, east, north = (float(part) for part in text.split(","))
    except ValueError:
        raise ValueError("must be four numbers west,south,east,north in degrees, such as 5.9,49.4,6.6,50.2") from None
    if not (-180 <= west <= 180 and -180 <= east <= 180):
        raise ValueError(f"longitudes must lie in -180..180, not {west:g} and {east:g}")
    if not (-90 <= south < north <= 90):
        raise ValueError(f"latitudes must lie in -90..90 with south < north, not {south:g} and {north:g}")
    if west == east:
        raise ValueError(f"west and east are both {west:g}: the area is empty")
    if west > east:
        # RFC 7946: the box crosses the antimeridian. Catalogs differ in how they read that, so two boxes are asked for.
        halves = ((west, south, 180.0, north), (-180.0, south, east, north))
        return tuple(half for half in halves if half[0] < half[2])
    return ((west, south, east, north),)


def parse_interval(text: str) -> Interval:
    """Read a date (a year, month or day), a moment, or an interval of two with ``/``; ``..`` leaves an end open.

    Dates include their whole period: 2021/2022 ends with the last second of 2022.

    Raises:
        ValueError: It is no such text, or it ends before it begins.
    """
    if not text.strip():
        return None, None
    ends = text.strip().split("/")
    if len(ends) > 2:
        raise ValueError("must be one date, or two with a slash between them")
    first = _moment(ends[0], last=False)
    last = _moment(ends[-1], last=True)
    if first is None and last is None:
        raise ValueError("must have at least one end")
    if first is not None and last is not None and last < first:
        raise ValueError(f"ends ({ends[-1]}) before it begins ({ends[0]})")
    return first, last


def _moment(text: str, *, last: bool) -> datetime | None:
    text = text.strip()
    if text in {"", ".."}:
        return None
    match = _DATE.fullmatch(text)
    try:
        if match:
            year, month, day = (int(part) if part else None for part in match.groups())
            assert year is not None
            if not last:
                return datetime(year, month or 1, day or 1, tzinfo=UTC)
            final = datetime(year, month or 12, day or monthrange(year, month or 12)[1], tzinfo=UTC)
            return final + timedelta(days=1, seconds=-1)
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValueError(f"{text!r} is not a date such as 2021, 2021-06, 2021-06-30 or 2021-06-30T10:00:00Z") from None
