"""Damage to every kind of file of a finished run: it is noticed where the file is read, or named by ``verify``.

What kinds there are is seen by looking: at the names of files, and in folders at those of the folder and the type.
"""

from __future__ import annotations

import contextlib
import io
import json
import random
import subprocess
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from earthenware.cli._main import _call
from earthenware.errors import EarthenwareError
from earthenware.products import package_uri, read_evaluation, read_verdict
from earthenware.steps import read_artifact, read_manifest
from tests.small_run import Run
from tests.soak.trials import MADE, trials


def chips(output: str) -> Any:
    from earthenware.chips import ChipStore

    store = ChipStore.open(output)
    batch = store.read_batch(list(store.sensors), range(len(store)))
    pixels = {name: (pair.pixels.tobytes(), pair.mask.tobytes()) for name, pair in batch.items()}
    return store.document.model_dump(), store.index.to_pylist(), pixels


def model(output: str) -> Any:
    from earthenware.inference import load_package
    from earthenware.training._checkpoint import SafetensorsCheckpoints, latest_checkpoint

    package = load_package(package_uri(output))
    weights = {name: tensor.numpy().tobytes() for name, tensor in package.model.state_dict().items()}
    latest = latest_checkpoint(f"{output}/checkpoints")
    assert latest
    return repr(package.info), weights, repr(SafetensorsCheckpoints().load_checkpoint(latest[1]))


def scenes(output: str) -> Any:
    from earthenware.scenes import open_scenes

    return open_scenes(output).table.to_pylist()


def embeddings(output: str) -> Any:
    from earthenware.products import EmbeddingProduct

    return EmbeddingProduct.open(output).table.to_pylist()


READERS: dict[str, Callable[[str], Any]] = {
    "query": scenes,
    "build": chips,
    "merge": chips,
    "validate": read_verdict,
    "train": model,
    "evaluate": read_evaluation,
    "embed": embeddings,
}
"""How later steps read what a step made."""


def read(step: str, output: str) -> Any:
    """Read what a step left as all its readers do."""
    manifest = read_manifest(output)
    values = manifest.model_dump(exclude={"checksum"})
    files = {name: read_artifact(output, name, manifest) for name in manifest.artifacts}
    return values, files, repr(READERS.get(step, str)(output))


@dataclass(frozen=True)
class Root:
    """A copy of a finished run, with what its readers say while it is whole."""

    outputs: dict[str, Path]
    whole: dict[str, Any]

    def kinds(self) -> dict[str, list[Path]]:
        """Return the files of each kind."""
        found = defaultdict(list)
        for step, output in self.outputs.items():
            for path in sorted(output.rglob("*")):
                if path.is_file() and path.stat().st_size:
                    found[f"{step}/{kind(path.relative_to(output))}"].append(path)
        return found


def kind(path: Path) -> str:
    """Return what is told of a file's path, which is relative to the output: arrays, folders, and single files."""
    parts = path.parts[2:] if path.parts[0] == "results" else path.parts
    if "pixels.zarr" in parts and path.name != "zarr.json":
        return f"parts/{'mask' if 'mask' in parts else 'pixels'}"
    return parts[0] if len(parts) == 1 else f"{parts[0]}/*{'/zarr' * ('pixels.zarr' in parts)}{path.suffix}"


@pytest.fixture(scope="module")
def root(finished: Run, tmp_path_factory: pytest.TempPathFactory) -> Root:
    copy = tmp_path_factory.mktemp("damaged") / "root"
    subprocess.run(["cp", "-a", str(finished.root), str(copy)], check=True)  # with the second names of its files
    outputs = {step: copy / finished.output(step).relative_to(finished.root) for step in MADE}
    return Root(outputs, {step: read(step, str(output)) for step, output in outputs.items()})


def damage(whole: bytes, rng: random.Random) -> tuple[str, bytes]:
    """Return how a file was damaged, and what it holds then."""
    while True:
        changed, place = bytearray(whole), rng.randrange(len(whole))
        how = rng.choice(("bit", "bit", "bit", "cut", "zeros", "burst"))
        if how == "bit":
            changed[place] ^= 1 << rng.randrange(8)
        elif how == "cut":
            del changed[place:]
        else:
            length = min(rng.choice((16, 512)), len(whole) - place)
            changed[place : place + length] = rng.randbytes(length) if how == "burst" else bytes(length)
        if changed != whole:
            return f"{how} at {place} of {len(whole)}", bytes(changed)


def verified(output: Path) -> tuple[int, str]:
    """Return the exit code of ``verify`` and the sentences that it prints."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
        return _call(["verify", str(output)]), out.getvalue()


def meaning(name: str, content: bytes) -> Any:
    """Return what a document says to its readers, whatever its spaces; None of a file that is no document."""
    try:
        values = json.loads(content)
    except ValueError:
        return None
    if name == "step.json":
        values.pop("package_version", None)  # a note for people
    return values


def noticed(root: Root, step: str, path: Path, whole: bytes, changed: bytes) -> str:
    """Return what is wrong with how a damaged file is taken; nothing where it is refused or named."""
    output = root.outputs[step]
    parts = path.relative_to(output).parts
    path.write_bytes(changed)
    try:
        code, said = verified(output)
        # What lies in a part is told by the name of the part.
        named = code == 3 and (path.name in said or "/".join(parts[:2]) in said)
        if code not in (0, 3):
            return f"verify ended with {code}"
        try:
            if read(step, str(output)) != root.whole[step]:
                return "read as something else"
        except EarthenwareError as error:
            return "" if "\n" not in error.message else "more than a sentence"
        except Exception as error:  # what a user would be asked to report
            return f"{type(error).__name__}: {error}"
        same = meaning(path.name, changed)
        return "" if named or (same is not None and same == meaning(path.name, whole)) else "not noticed"
    finally:
        path.write_bytes(whole)


@trials("damaged files")
@pytest.mark.timeout(1800)
def test_damage_is_noticed(root: Root, record_property: Callable[[str, object], None], seed: int) -> None:
    """One damage to a file of each kind."""
    rng, missed = random.Random(seed), []
    kinds = root.kinds()
    for name, files in kinds.items():
        path = rng.choice(files)
        whole = path.read_bytes()
        how, changed = damage(whole, rng)
        problem = noticed(root, name.partition("/")[0], path, whole, changed)
        if problem:
            missed.append(f"{name}: {how}: {problem}")
        record_property("kind", name)
    record_property("trials", len(kinds))
    record_property("failed", len(missed))
    assert missed == []
