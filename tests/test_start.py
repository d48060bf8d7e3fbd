"""What starts at once: packages import what they export when it is first used."""

from __future__ import annotations

import subprocess
import sys

import pytest

RASTERS_AND_STORES = ("rasterio", "pyarrow", "shapely", "pyproj", "obstore", "requests", "torch", "pandas")
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
def test_a_spec_loads_no_raster_library_and_no_store(spec: str) -> None:
    package, _, name = spec.partition(".")
    modules = loaded(f"from earthenware.{package} import {name}; {name}")
    assert "pydantic" in modules
    assert modules.isdisjoint(RASTERS_AND_STORES)


def test_a_lazy_package_shows_and_gives_what_it_exports() -> None:
    import earthenware.catalog as catalog

    assert set(catalog.__all__) <= set(dir(catalog))
    for name in catalog.__all__:
        assert getattr(catalog, name) is not None
    with pytest.raises(AttributeError, match=r"earthenware\.catalog.*no attribute 'quary'"):
        _ = catalog.quary  # type: ignore[attr-defined]
