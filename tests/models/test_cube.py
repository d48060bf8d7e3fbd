from __future__ import annotations

import pytest

from earthenware.models import BandGroup, ModelInput, SensorInput

from ._inputs import CUBE, cube, grouped


def test_groups_follow_from_names() -> None:
    reads = cube()
    assert [one.sensor for one in reads.sensors] == list(CUBE)
    assert [(group.name, tuple(reads.bands[i] for i in group.bands)) for group in reads.groups] == [
        ("rgb", ("B04", "B03", "B02")),
        ("rededge", ("B05", "B06", "B07", "B8A")),
        ("nir", ("B08",)),
        ("swir", ("B11", "B12")),
        ("sar", ("vv", "vh")),
        ("dem", ("dem",)),
    ]
    assert reads.groups[0] == BandGroup("rgb", (2, 1, 0), (664.8, 559.4, 492.3))
    assert reads.groups[4].wavelengths_nm == (55_465_764.7, 55_465_764.7)
    assert reads.groups[5] == BandGroup("dem", (12,), ())


def test_two_sensors_may_name_their_bands_and_groups_alike() -> None:
    one, other = (SensorInput(name, "dB", ("vv", "vh"), (None, None), {"sar": ("vh", "vv")}) for name in ("rtc", "grd"))
    plain = SensorInput("dem", "m", ("dem",), (None,))
    reads = ModelInput((one, plain, other), 16, 10.0)
    assert [(group.name, group.bands) for group in reads.groups] == [
        ("rtc sar", (1, 0)), ("dem", (2,)), ("grd sar", (4, 3))
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("groups", "word"),
    [
        ({"a": ("1", "2"), "b": ("2",)}, "exactly once"),
        ({"a": ("1",)}, "exactly once"),
        ({"a": ("1", "2"), "b": ()}, "exactly once"),
    ],
)
def test_groups_hold_every_band_once(groups: dict[str, tuple[str, ...]], word: str) -> None:
    with pytest.raises(ValueError, match=word):
        grouped(groups, bands=("1", "2"))


def test_what_cannot_be_read_is_one_clear_sentence() -> None:
    with pytest.raises(ValueError, match="positive wavelengths"):
        SensorInput("s", "1", ("a",), (0.0,))
    with pytest.raises(ValueError, match="a wavelength or None for each"):
        SensorInput("s", "1", ("a", "b"), (None,))
    with pytest.raises(ValueError, match="each once"):
        ModelInput((), 16, 10.0)
    with pytest.raises(ValueError, match="a size and a GSD"):
        ModelInput(cube().sensors, 16, 0.0)
