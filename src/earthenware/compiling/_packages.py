"""Where the compiled pipelines that this package ships lie."""

from __future__ import annotations

from pathlib import Path

from earthenware.errors import EarthenwareError


def compiled_pipeline(name: str) -> Path:
    """Return the path of a pipeline's compiled YAML: inside the installed package, or in the checkout.

    Raises:
        EarthenwareError: ``UNKNOWN_PIPELINE`` when there is none of that name.
    """
    package = Path(__file__).resolve().parent.parent
    folders = (package / "pipelines", package.parent.parent / "pipelines" / "compiled")
    known = {path.stem: path for folder in reversed(folders) for path in sorted(folder.glob("*.yaml"))}
    if name in known:
        return known[name]
    message = f"The compiled pipeline '{name}' is not in this installation (there are: {', '.join(known) or 'none'})."
    raise EarthenwareError("UNKNOWN_PIPELINE", message, "Install earthenware anew; in a checkout run 'make pipelines'.")
