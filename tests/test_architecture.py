"""The house: imports run one way, stages know nothing of each other, and importing the package is cheap."""

from __future__ import annotations

import ast
import graphlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from docs.architecture import FLOORS, PICTURE, SOURCE, draw, imports, room_of

FLOOR_OF = {room: number for number, floor in enumerate(FLOORS) for room in floor}
STAGES = next(floor for floor in FLOORS if "catalog" in floor)
# The synthetic Earth stands for the outside world: what reads it must not also have made it.
FORBIDDEN = {"sandbox": STAGES}
# Rooms that are kept free of everything but these packages and Python's own modules.
ONLY = {"models": {"torch", "earthenware.lazy", "earthenware.models"}}
OUTSIDE = {"components", "pipelines"}
# Slow to import; each is imported inside the functions that use it.
HEAVY = (
    "torch",
    "ray",
    "kfp",
    "mlflow",
    "great_expectations",
    "lightning",
    "sklearn",
    "matplotlib",
    "pandas",
    "kubernetes",
)


def violations(source: Path) -> list[str]:
    """Return one sentence per breach of the house's rules in a source tree.

    Args:
        source: The folder of the package ``earthenware``.
    """
    found = []
    for path in sorted(source.rglob("*.py")):
        room = room_of(path, source)
        if room and room not in FLOOR_OF:
            found.append(f"{room} has no floor: say in this test where it stands")
            continue
        package = ".".join(("earthenware", *path.relative_to(source).parent.parts))
        for line, name in imports(ast.parse(path.read_text(encoding="utf-8")), package):
            where = f"{path.relative_to(source.parent)}:{line}"
            found += [f"{where}: {why}" for why in _breaches(room, name)]
    return found


def _breaches(room: str, name: str) -> Iterator[str]:
    top, _, rest = name.partition(".")
    if top in OUTSIDE:
        yield f"the library imports {top}"
    if room in ONLY and top not in sys.stdlib_module_names and not _within(name, ONLY[room]):
        yield f"{room} imports {name}; it may import {', '.join(sorted(ONLY[room]))} only"
    other = rest.partition(".")[0]
    if top != "earthenware" or other not in FLOOR_OF or other == room:
        return
    if not room:
        yield f"the package itself imports {other}"
    elif other in FORBIDDEN.get(room, ()):
        yield f"{room} imports {other}, which it must not know"
    elif FLOOR_OF[other] == FLOOR_OF[room]:
        yield f"{room} imports {other} of its own floor"
    elif FLOOR_OF[other] > FLOOR_OF[room]:
        yield f"{room} imports {other} of a higher floor"
    private = [part for part in name.split(".")[2:] if part.startswith("_") and not part.startswith("__")]
    if private:
        yield f"{room} imports the private {private[0]} of {other}"


def _within(name: str, allowed: set[str]) -> bool:
    return any(name == one or name.startswith(f"{one}.") for one in allowed)


def test_imports_run_one_way():
    assert violations(SOURCE) == []


def circles(source: Path) -> list[str]:
    """Return one sentence for a circle of files that import each other, within rooms and across them."""
    files = {module_of(path, source): path for path in sorted(source.rglob("*.py"))}
    sorter: graphlib.TopologicalSorter[str] = graphlib.TopologicalSorter()
    for module, path in files.items():
        if path.name == "__init__.py":  # a package's face hands on names of its own modules
            continue
        package = ".".join(("earthenware", *path.relative_to(source).parent.parts))
        named = {name for _, name in imports(ast.parse(path.read_text(encoding="utf-8")), package)}
        named |= {name.rpartition(".")[0] for name in named}
        sorter.add(module, *(one for one in named if one in files and files[one].name != "__init__.py"))
    try:
        sorter.prepare()
    except graphlib.CycleError as error:
        return [" imports ".join(reversed(error.args[1]))]
    return []


def module_of(path: Path, source: Path) -> str:
    return ".".join(("earthenware", *path.relative_to(source).with_suffix("").parts)).removesuffix(".__init__")


def test_no_files_import_each_other_in_a_circle(tmp_path):
    assert circles(SOURCE) == []
    for name, other in (("_a", "_b"), ("_b", "_c"), ("_c", "_a")):
        path = tmp_path / "earthenware" / "chips" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"def f():\n    from earthenware.chips.{other} import x\n")
    assert "earthenware.chips._a imports earthenware.chips._b" in circles(tmp_path / "earthenware")[0]


def test_the_picture_of_the_house_is_that_of_the_source():
    assert PICTURE.read_text(encoding="utf-8") == draw(), "draw it anew: python -m docs.architecture"


def test_the_tree_that_was_checked_is_there():
    rooms = {room_of(path, SOURCE) for path in SOURCE.rglob("*.py")}
    assert {"errors", "storage", "steps", "chips", "models", *STAGES, "cli"} <= rooms


@pytest.mark.parametrize(
    ("file", "text", "told"),
    [
        ("chips/_reader.py", "from earthenware.training import train", "chips imports training of a higher floor"),
        ("chips/_reader.py", "import earthenware.cli.stages", "chips imports cli of a higher floor"),
        ("errors.py", "from earthenware import storage", "errors imports storage of a higher floor"),
        ("datacube/_build.py", "def f():\n    from earthenware.catalog import query", "catalog of its own floor"),
        ("datacube/_build.py", "from ..validation import gate", "datacube imports validation of its own floor"),
        ("datacube/deep/_cut.py", "from ...training import train", "datacube imports training of its own floor"),
        ("training/__init__.py", "from .. import evaluation", "training imports evaluation of its own floor"),
        ("embeddings/_x.py", "import importlib\nimportlib.import_module('earthenware.cli')", "cli of a higher floor"),
        (
            "embeddings/_x.py",
            "import typing\nif typing.TYPE_CHECKING:\n    import earthenware.training",
            "training of its",
        ),
        (
            "models/_mae.py",
            "import numpy as np",
            "models imports numpy; it may import earthenware.lazy, earthenware.models, torch only",
        ),
        ("models/_mae.py", "from earthenware.errors import EarthenwareError", "models imports earthenware.errors"),
        ("sandbox/_world.py", "from earthenware.datacube import build", "sandbox imports datacube, which it must not"),
        ("cli/run.py", "from pipelines.pretrain import pretrain", "the library imports pipelines"),
        ("steps/_component.py", "import components.base", "the library imports components"),
        ("inference/_embed.py", "from earthenware.chips._reader import ChipStore", "the private _reader of chips"),
        ("inference/_embed.py", "from earthenware.chips import _reader", "the private _reader of chips"),
        ("__init__.py", "from earthenware.steps import Spec", "the package itself imports steps"),
        ("gadgets/__init__.py", "", "gadgets has no floor"),
    ],
)
def test_a_breach_is_told(tmp_path, file, text, told):
    path = tmp_path / "earthenware" / file
    path.parent.mkdir(parents=True)
    path.write_text(text)
    found = violations(tmp_path / "earthenware")
    assert len(found) == 1, found
    assert told in found[0]


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("cli/run.py", "from earthenware.training import train\nimport earthenware.sandbox"),
        ("chips/_reader.py", "from earthenware.chips._mask import Mask\nfrom . import _mask\nimport numpy"),
        (
            "models/_mae.py",
            "import torch\nimport torch.nn.functional as F\nfrom earthenware.models._config import X\nimport math",
        ),
        ("sandbox/_world.py", "from earthenware.sensors import SENSORS"),
        (
            "datacube/_build.py",
            "from earthenware import __version__, storage\nfrom earthenware.errors import EarthenwareError",
        ),
    ],
)
def test_what_is_allowed_is_not_told(tmp_path, file, text):
    path = tmp_path / "earthenware" / file
    path.parent.mkdir(parents=True)
    path.write_text(text)
    assert violations(tmp_path / "earthenware") == []


def _python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def loaded_heavy(statement: str) -> list[str]:
    """Run a statement in a fresh interpreter and return the heavy packages that it pulled in."""
    return _python(f"import sys\n{statement}\nprint(*sorted(set(sys.modules) & set({HEAVY!r})))").split()


@pytest.mark.parametrize(
    "statement",
    [
        "import earthenware",
        "import earthenware.cli",
        # The packages of the stages give their names without what their steps need.
        "; ".join(f"from earthenware.{stage} import *" for stage in sorted(STAGES)),
        "import earthenware.tracking, earthenware.steps, earthenware.chips, earthenware.sensors, earthenware.metrics",
    ],
)
def test_importing_pulls_in_nothing_heavy(statement):
    assert loaded_heavy(statement) == []


def test_a_heavy_import_would_be_seen():
    assert loaded_heavy("import earthenware, pandas") == ["pandas"]


def test_importing_the_package_takes_under_a_third_of_a_second():
    code = "import time; began = time.perf_counter(); import earthenware; print(time.perf_counter() - began)"
    # The fastest of several: what is slower than that is the machine's other work.
    assert min(float(_python(code)) for _ in range(5)) < 0.3
