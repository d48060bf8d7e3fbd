"""The wheel: it carries the compiled pipelines and the profiles, and finds them without the checkout."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.system
def test_the_wheel_ships_the_compiled_pipeline_profiles_and_pins(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(tmp_path), str(ROOT)],
        check=True,
    )
    (wheel,) = tmp_path.glob("earthenware-*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    shipped = tmp_path / "site" / "earthenware" / "pipelines" / "pretrain.yaml"
    assert shipped.read_bytes() == (ROOT / "pipelines" / "compiled" / "pretrain.yaml").read_bytes()
    assert (tmp_path / "site" / "earthenware" / "py.typed").exists()
    assert (tmp_path / "site" / "earthenware" / "constraints.txt").read_bytes() == (
        ROOT / "constraints.txt"
    ).read_bytes()
    templates = [path.relative_to(ROOT / "src") for path in (ROOT / "src").rglob("templates/*.*")]
    assert len(templates) >= 3
    assert all((tmp_path / "site" / template).is_file() for template in templates)
    code = (
        "from earthenware.compiling import compiled_pipeline, load_profile, shipped_profiles;"
        "print(compiled_pipeline('pretrain'), *(load_profile(name).name for name in shipped_profiles()), sep='\\n')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(tmp_path / "site"), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
    )
    path, *profiles = done.stdout.split()
    assert Path(path) == shipped
    assert profiles == ["cluster-cpu", "cluster-gpu", "laptop"]
