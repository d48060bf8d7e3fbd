"""Python, the packages this release asks for, and PyTorch's build; nothing heavy is imported to find out."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import platform
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from earthenware import __version__
from earthenware.doctor._finding import Verdict, failed, ok, skipped, warning

_IMPORTABLE: Final = (
    "great_expectations",
    "kfp",
    "kubernetes",
    "lightning",
    "mlflow",
    "obstore",
    "odc.geo",
    "pyarrow",
    "pystac_client",
    "rasterio",
    "ray",
    "torch",
    "zarr",
    "zarrs",
)
_SHOWN: Final = 6
_REMEDY: Final = "Install it anew: pip install -c constraints.txt earthenware, with the file of this release."


def check_python() -> Verdict:
    """Compare this Python with the versions that the package was made for."""
    from packaging.specifiers import SpecifierSet

    version = platform.python_version()
    wanted = importlib.metadata.metadata("earthenware")["Requires-Python"] or ""
    if wanted and not SpecifierSet(wanted).contains(version, prereleases=True):
        return failed(f"This is Python {version}; Earthenware {__version__} wants {wanted}.", "Use Python 3.11.")
    return ok(f"Python {version}, Earthenware {__version__} ({sys.prefix}).")


def check_packages(
    requirements: Iterable[str] | None = None, version_of: Callable[[str], str] = importlib.metadata.version
) -> Verdict:
    """Compare what is installed with what the installed distribution itself asks for, and look for each big package.

    Args:
        requirements: Lines such as ``kfp==2.17.0``; those of the installed distribution where None.
        version_of: Returns a distribution's installed version, or raises ``PackageNotFoundError``.
    """
    from packaging.requirements import Requirement

    wrong, count = [], 0
    lines = importlib.metadata.requires("earthenware") if requirements is None else requirements
    for line in lines or ():
        wanted = Requirement(line)
        if wanted.marker is not None and not wanted.marker.evaluate({"extra": ""}):
            continue
        count += 1
        try:
            found = version_of(wanted.name)
        except importlib.metadata.PackageNotFoundError:
            wrong.append(f"{wanted.name} is missing ({wanted.specifier})")
            continue
        if not wanted.specifier.contains(found, prereleases=True):
            wrong.append(f"{wanted.name} is {found}, not {wanted.specifier}")
    absent = [name for name in _IMPORTABLE if not _is_there(name)]
    if absent:
        wrong.append(f"{', '.join(absent)} cannot be imported")
    if wrong:
        return failed(f"{'; '.join(wrong)}.", _REMEDY)
    return ok(f"All {count} packages that Earthenware asks for are there, in versions it accepts.")


def check_tested(
    pins: Mapping[str, str] | None = None, version_of: Callable[[str], str] = importlib.metadata.version
) -> Verdict:
    """Compare what is installed with the one environment that this release was tested in.

    Args:
        pins: Version by distribution; those of ``constraints.txt`` where None.
        version_of: Returns a distribution's installed version, or raises ``PackageNotFoundError``.
    """
    from packaging.version import Version

    pins = pinned_versions() if pins is None else pins
    if not pins:
        return skipped("The list of tested versions does not come with this installation.")
    other, same = [], 0
    for name, pin in pins.items():
        try:
            found = version_of(name)
        except importlib.metadata.PackageNotFoundError:
            continue  # a tool of the developers, or a part of an extra
        if Version(found).public == Version(pin).public:  # the local part tells the build: +cpu, +cu130
            same += 1
        else:
            other.append(f"{name} {found} (tested {pin})")
    if other:
        more = f" and {len(other) - _SHOWN} more" if len(other) > _SHOWN else ""
        return warning(f"Other versions than the tested ones: {', '.join(other[:_SHOWN])}{more}.", _REMEDY)
    return ok(f"{same} packages are there in the very versions that were tested.")


def pinned_versions() -> dict[str, str]:
    """Return the pins of ``constraints.txt`` in the installed package or the checkout; empty where it is in neither."""
    package = Path(__file__).resolve().parent.parent
    for path in (package / "constraints.txt", package.parent.parent / "constraints.txt"):
        if path.is_file():
            lines = (line.partition("#")[0].strip() for line in path.read_text(encoding="utf-8").splitlines())
            return {name.strip(): pin.strip() for name, mark, pin in (line.partition("==") for line in lines) if mark}
    return {}


def _is_there(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:  # a parent is not there
        return False


def torch_build() -> dict[str, Any]:
    """Return what PyTorch's ``version.py`` says of its build, without importing PyTorch; empty where it is absent."""
    spec = importlib.util.find_spec("torch")
    folders = list(spec.submodule_search_locations or ()) if spec is not None else []
    path = next((file for folder in folders if (file := Path(folder) / "version.py").is_file()), None)
    if path is None:
        return {}
    found = importlib.util.spec_from_file_location("_torch_version", path)
    if found is None or found.loader is None:
        return {}
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return {name: getattr(module, name, None) for name in ("__version__", "cuda", "hip")}


def check_torch(wants_gpu: bool, build: dict[str, Any] | None = None) -> Verdict:
    """Tell PyTorch's build; one without CUDA is a warning where the profile wants a GPU on this very machine.

    Args:
        wants_gpu: Whether the work runs here and wants a GPU.
        build: As :func:`torch_build` returns it, which is asked where None.
    """
    build = torch_build() if build is None else build
    if not build:
        return failed("PyTorch is not installed.", _REMEDY)
    kind = f"CUDA {build['cuda']}" if build.get("cuda") else f"ROCm {build['hip']}" if build.get("hip") else "CPU only"
    sentence = f"PyTorch {build['__version__']}, {kind}."
    if wants_gpu and kind == "CPU only":
        return warning(sentence, "Install the CUDA build of the same version: docs/install.md says how.")
    return ok(sentence)
