"""What starts at once: packages import what they export when it is first used."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SLOW = frozenset(
    [
        "numpy",
        "rasterio",
        "pyarrow",
        "shapely",
        "pyproj",
        "odc",
        "obstore",
        "requests",
        "urllib3",
        "kubernetes",
        "torch",
        "pandas",
        "zarr",
    ]
)
"""What takes a part of a second to import, and no spec and no help needs."""
SPECS = (
    "catalog.QuerySpec",
    "datacube.BuildSpec",
    "datacube.MergeSpec",
    "validation.ValidateSpec",
    "training.TrainSpec",
    "evaluation.EvaluateSpec",
    "embeddings.EmbedSpec",
)


def loaded(program: str) -> set[str]:
    """Return the packages that a fresh interpreter has loaded after a program."""
    program += "\nimport sys; print('\\n' + ' '.join({name.partition('.')[0] for name in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize("spec", SPECS)
def test_a_spec_loads_nothing_slow(spec: str) -> None:
    package, _, name = spec.partition(".")
    modules = loaded(f"from earthenware.{package} import {name}; {name}")
    assert "pydantic" in modules
    assert modules & SLOW == set()


@pytest.mark.parametrize(
    ("arguments", "exit_code"),
    [
        (("--help",), 0),
        (("--version",), 0),
        (("query", "--help"), 0),
        (("query", "--output", "{folder}/out", "--set", "quary=1"), 2),
        (("run", "pretrain", "--spec", "{folder}/spec.yaml"), 2),
    ],
)
def test_help_and_a_wrong_spec_load_nothing_slow(arguments: tuple[str, ...], exit_code: int, tmp_path: Path) -> None:
    """What is loaded says more than seconds do: it is the same on every machine."""
    (tmp_path / "spec.yaml").write_text("train: {epoch: 3}\n")
    words = [argument.format(folder=tmp_path) for argument in arguments]
    program = f"from earthenware.cli._main import _call; assert _call({words!r}) == {exit_code}"
    assert loaded(program) & SLOW == set()


def test_a_lazy_package_shows_and_gives_what_it_exports() -> None:
    import earthenware.catalog as catalog

    assert set(catalog.__all__) <= set(dir(catalog))
    for name in catalog.__all__:
        assert getattr(catalog, name) is not None
    with pytest.raises(AttributeError, match=r"earthenware\.catalog.*no attribute 'quary'"):
        _ = catalog.quary  # type: ignore[attr-defined]
