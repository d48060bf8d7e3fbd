"""Python, this package with its pipelines, and the packages that it asks for, which are not imported to find out."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import platform
import sys
from pathlib import Path
from typing import Final

from earthenware import __version__
from earthenware.compiling import Profile, compile_pipeline
from earthenware.doctor._examine import Verdict, failed, ok, skipped, warning
from earthenware.errors import EarthenwareError

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
INSTALL: Final = "Install it anew: pip install -c constraints.txt earthenware, with the file of this release."


def check_python() -> Verdict:
    """Compare this Python with the versions that the package was made for."""
    from packaging.specifiers import SpecifierSet

    version = platform.python_version()
    wanted = importlib.metadata.metadata("earthenware")["Requires-Python"] or ""
    if wanted and not SpecifierSet(wanted).contains(version, prereleases=True):
        return failed(f"This is Python {version}; Earthenware {__version__} wants {wanted}.", "Use Python 3.11.")
    return ok(f"Python {version}, Earthenware {__version__} ({sys.prefix}).")


def check_packages() -> Verdict:
    """Compare what is installed with what the installed distribution itself asks for, and look for each big package."""
    from packaging.requirements import Requirement

    wrong, count = [], 0
    for line in importlib.metadata.requires("earthenware") or ():
        wanted = Requirement(line)
        if wanted.marker is not None and not wanted.marker.evaluate({"extra": ""}):
            continue
        count += 1
        try:
            found = importlib.metadata.version(wanted.name)
        except importlib.metadata.PackageNotFoundError:
            wrong.append(f"{wanted.name} is missing ({wanted.specifier})")
            continue
        if not wanted.specifier.contains(found, prereleases=True):
            wrong.append(f"{wanted.name} is {found}, not {wanted.specifier}")
    absent = [name for name in _IMPORTABLE if not _is_there(name)]
    if absent:
        wrong.append(f"{', '.join(absent)} cannot be imported")
    if wrong:
        return failed(f"{'; '.join(wrong)}.", INSTALL)
    return ok(f"All {count} packages that Earthenware asks for are there, in versions it accepts.")


def check_tested() -> Verdict:
    """Compare what is installed with the one environment that this release was tested in."""
    from packaging.version import Version

    pins = pinned_versions()
    if not pins:
        return skipped("The list of tested versions does not come with this installation.")
    other, same = [], 0
    for name, pin in pins.items():
        try:
            found = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue  # a tool of the developers, or a part of an extra
        if Version(found).public == Version(pin).public:  # the local part tells the build: +cpu, +cu130
            same += 1
        else:
            other.append(f"{name} {found} (tested {pin})")
    if other:
        more = f" and {len(other) - _SHOWN} more" if len(other) > _SHOWN else ""
        return warning(f"Other versions than the tested ones: {', '.join(other[:_SHOWN])}{more}.", INSTALL)
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


def check_compiled(pipeline: str, profile: Profile) -> Verdict:
    """Compile a shipped pipeline by a profile, and compare its version with this package's."""
    remedy = "Install earthenware anew; in a checkout run 'make pipelines'."
    try:
        compiled = compile_pipeline(pipeline, profile)
    except EarthenwareError as error:
        return failed(error.message, error.remedy or remedy)
    if compiled.package_version != __version__:
        sentence = f"The pipeline '{pipeline}' is of Earthenware {compiled.package_version}, this is {__version__}."
        return failed(sentence, remedy)
    return ok(f"The pipeline '{pipeline}' compiles, version {compiled.version_name}.")
