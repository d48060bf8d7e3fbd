"""What a spec of training is refused for, before anything is read."""

from __future__ import annotations

import subprocess
import sys

import pytest

from earthenware.errors import EarthenwareError
from earthenware.steps import mark_of, parse_spec
from earthenware.training import TrainSpec


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"preset": "huge"}, "the family mae has nano, tiny, small, medium, large, not 'huge'"),
        ({"family": "forest"}, "no model family 'forest'; there is mae"),
        ({"sensors": "sentinel-9"}, "no sensor 'sentinel-9'"),
        ({"sensors": "sentinel-2-l2a, land-cover"}, "no labels, got 'land-cover'"),
        ({"sensors": "cop-dem-glo-30, cop-dem-glo-30"}, "each sensor once"),
        ({"device": "gpu"}, "device"),
        ({"mask_ratio": 1}, "mask_ratio"),
        ({"schedule": "linear"}, "schedule"),
    ],
)
def test_what_does_not_exist_is_found_at_once(fields, words):
    with pytest.raises(EarthenwareError) as caught:
        parse_spec(TrainSpec, fields)
    assert caught.value.code == "BAD_SPEC"
    assert words in caught.value.message


def test_sensors_may_be_written_with_commas():
    assert parse_spec(TrainSpec, {"sensors": "sentinel-2-l2a, cop-dem-glo-30"}).sensors == (
        "sentinel-2-l2a", "cop-dem-glo-30"
    )  # fmt: skip


def test_what_says_how_and_not_what_changes_no_result():
    spec = TrainSpec()
    assert TrainSpec(workers=7, device="cpu", tracking_uri="off", model_name="x").fingerprint() == spec.fingerprint()
    assert TrainSpec(sensors=("sentinel-2-l2a",)).fingerprint() != spec.fingerprint()
    assert mark_of(TrainSpec.model_fields["tracking_uri"], "means") == "tracking"


def test_reading_a_spec_loads_nothing_large():
    code = (
        "import sys; from earthenware.training import TrainSpec; TrainSpec(preset='tiny')\n"
        "print(*({'torch', 'numpy', 'pyarrow', 'rasterio', 'lightning'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
