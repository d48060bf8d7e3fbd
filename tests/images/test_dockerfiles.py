"""What the Dockerfiles promise without being built."""

from __future__ import annotations

import fnmatch
import json
import re

import pytest

from tests.images.dockerfile import ROOT, Instruction, read_dockerfile

IMAGES = sorted(path.parent.name for path in (ROOT / "images").glob("*/Dockerfile"))
pytestmark = pytest.mark.parametrize("image", IMAGES)


def all_of(instructions: list[Instruction], name: str, stage: int | None = None) -> list[str]:
    return [one.arguments for one in instructions if one.name == name and stage in (None, one.stage)]


def test_both_stages_start_from_one_base_that_can_be_named(image: str) -> None:
    instructions = read_dockerfile(image)
    assert all_of(instructions, "FROM") == ["${BASE_IMAGE} AS builder", "${BASE_IMAGE}"]
    (base,) = [argument for argument in all_of(instructions, "ARG", 0) if argument.startswith("BASE_IMAGE=")]
    tag = base.partition(":")[2]
    assert tag.startswith("3.11-")
    assert "latest" not in tag


def test_it_runs_as_a_user_without_rights_under_tini_and_prints_help(image: str) -> None:
    instructions = read_dockerfile(image)
    assert all_of(instructions, "USER") == ["10001:10001"]
    last = max(number for number, one in enumerate(instructions) if one.name in ("RUN", "COPY"))
    assert [one.name for one in instructions].index("USER") > last, "what was built is root's"
    assert json.loads(all_of(instructions, "ENTRYPOINT")[0]) == ["/usr/bin/tini", "--"]
    assert json.loads(all_of(instructions, "CMD")[0]) == ["earthenware", "--help"]
    assert all_of(instructions, "WORKDIR", 2) == ["/scratch"]
    environment = " ".join(all_of(instructions, "ENV", 2)).split()
    assert {"HOME=/scratch", "TMPDIR=/scratch", "PYTHONUNBUFFERED=1"} <= set(environment)


def test_nothing_comes_from_elsewhere_than_package_registries(image: str) -> None:
    instructions = read_dockerfile(image)
    assert all_of(instructions, "ADD") == []
    text = "\n".join(one.arguments for one in instructions if one.name != "LABEL")
    assert set(re.findall(r"https?://[^/\s]+", text)) <= {"https://download.pytorch.org"}
    assert not re.search(r"\b(curl|git clone|wget -|wget http)", text)


def test_nothing_secret_and_nothing_of_one_machine_is_in_it(image: str) -> None:
    text = (ROOT / "images" / image / "Dockerfile").read_text(encoding="utf-8")
    assert not re.search(r"secret|token|password|credential|api_?key", text, re.IGNORECASE)
    assert not re.search(r"/home/|/root\b|/work\b|/opt/(?!earthenware|build)", text)


def test_what_is_installed_is_pinned(image: str) -> None:
    instructions = read_dockerfile(image)
    assert "PIP_CONSTRAINT=/src/constraints.txt" in all_of(instructions, "ENV", 1)[0]
    pinned = {line.partition("==")[0].lower() for line in (ROOT / "constraints.txt").read_text().splitlines()}
    commands = " && ".join(all_of(instructions, "RUN", 1))
    installed = re.findall(r"bin/pip install ([^&]+)", commands)
    assert len(installed) == 4
    for arguments in installed:
        words = re.sub(r"\$\{.*?\}\"?\}?", "", arguments).split()
        for word in words:
            known = word.startswith("-") or word in ("requirements.txt", "dist/*.whl") or "==" in word
            assert known or word.lower() in pinned, word


def test_dependencies_are_a_layer_of_their_own_before_the_source(image: str) -> None:
    order = [one for one in read_dockerfile(image) if one.stage == 1 and one.name in ("COPY", "RUN")]
    assert order[0].arguments == "pyproject.toml constraints.txt ./"
    assert "install -r requirements.txt" in order[1].arguments
    assert [one.arguments.split()[0] for one in order[3:6]] == ["README.md", "src", "pipelines/compiled"]


def test_the_context_holds_what_is_copied_and_little_else(image: str) -> None:
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and line[0] != "#"]
    assert lines[0] == "*"
    let_in = {line[1:] for line in lines if line.startswith("!")}
    copied = {
        source
        for arguments in all_of(read_dockerfile(image), "COPY")
        if not arguments.startswith("--from=")
        for source in arguments.split()[:-1]
    }
    assert copied == let_in
    for path in copied:
        assert (ROOT / path).exists()
    assert any(fnmatch.fnmatch("src/earthenware/__pycache__", line) for line in lines)


def test_labels_say_what_it_is(image: str) -> None:
    (labels,) = all_of(read_dockerfile(image), "LABEL")
    found = dict(re.findall(r'org\.opencontainers\.image\.(\w+)="([^"]*)"', labels))
    assert set(found) == {"title", "description", "version", "revision", "created", "source", "licenses"}
    assert found["licenses"] == "Apache-2.0"
    assert found["version"] == "${VERSION}"
    assert found["revision"] == "${REVISION}"
    assert found["title"] == image.replace("earthenware", "earthenware-python", 1)


def test_it_differs_from_the_cpu_image_only_in_torch_and_its_name(image: str) -> None:
    cpu, other = read_dockerfile("earthenware"), read_dockerfile(image)
    assert len(cpu) == len(other)
    pairs = zip(cpu, other, strict=True)
    names = [one.arguments.partition("=")[0] for one, its in pairs if one != its]
    expected = ["TORCH_INDEX_URL", "PATH", "org.opencontainers.image.title"]
    assert names == ([] if image == "earthenware" else expected)
    (cpu_env,) = all_of(cpu, "ENV", 2)
    (its_env,) = all_of(other, "ENV", 2)
    added = set(its_env.split()) - set(cpu_env.split())
    assert added == (
        set()
        if image == "earthenware"
        else {"NVIDIA_VISIBLE_DEVICES=all", "NVIDIA_DRIVER_CAPABILITIES=compute,utility"}
    )
    assert set(cpu_env.split()) <= set(its_env.split())


def test_torch_comes_from_the_index_of_its_kind(image: str) -> None:
    (index,) = [argument for argument in all_of(read_dockerfile(image), "ARG", 1) if "TORCH" in argument]
    assert index == ("TORCH_INDEX_URL=" + ("https://download.pytorch.org/whl/cpu" if image == "earthenware" else ""))
