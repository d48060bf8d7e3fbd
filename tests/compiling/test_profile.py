"""Profiles: how they are found, laid over one another, checked, and shown."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import BaseModel, ValidationError

from earthenware.compiling import (
    Profile,
    RaySection,
    Retries,
    StepSettings,
    load_profile,
    shipped_profiles,
    show_profile,
)
from earthenware.errors import EarthenwareError
from earthenware.graph import KINDS
from earthenware.launch import RayJobSettings, Resources

Written = Callable[..., str]
STEPS = tuple(KINDS)


def refusal(name_or_path: str) -> EarthenwareError:
    with pytest.raises(EarthenwareError) as caught:
        load_profile(name_or_path)
    assert len(caught.value.message.splitlines()) == 1
    return caught.value


def test_the_shipped_profiles() -> None:
    assert shipped_profiles() == ("cluster-cpu", "cluster-gpu", "laptop")
    for name in shipped_profiles():
        profile = load_profile(name)
        assert profile.name == name
        assert profile.description


def test_a_laptop_is_asked_for_nothing_that_it_lacks() -> None:
    laptop = load_profile("laptop")
    assert laptop.model_dump(exclude_unset=True).keys() == {"name", "description"}
    assert laptop.step("train") == StepSettings()


def test_a_cluster_limits_every_step_and_lets_none_run_as_root() -> None:
    for name in ("cluster-cpu", "cluster-gpu"):
        profile = load_profile(name)
        assert profile.deadline_seconds
        assert profile.ttl_seconds
        for step in map(profile.step, STEPS):
            assert step.resources is not None
            assert step.timeout_seconds
            assert step.scratch
            assert step.shared_memory
            assert step.security is not None
            assert step.security.user == 10001
            assert step.security.non_root


def test_gpus_are_where_models_run_and_nowhere_else() -> None:
    def uses_gpu(resources: Resources | None) -> bool:
        return resources is not None and resources.accelerator == "nvidia.com/gpu"

    gpu, cpu = load_profile("cluster-gpu"), load_profile("cluster-cpu")
    assert {step for step in STEPS if uses_gpu(gpu.step(step).resources)} == {
        step for step, kind in KINDS.items() if kind == "accelerator"
    }
    assert not any(uses_gpu(cpu.step(step).resources) for step in STEPS)
    on_gpu, on_cpu = gpu.ray_job("train", "x:1"), cpu.ray_job("train", "x:1")
    assert on_gpu is not None
    assert on_cpu is not None
    assert uses_gpu(on_gpu.worker)
    assert not uses_gpu(on_gpu.head)
    assert not uses_gpu(on_cpu.worker)
    assert "python-gpu:" in gpu.image


def test_defaults_and_steps_merge_field_by_field(written: Written) -> None:
    profile = load_profile(
        written("""
            defaults:
              resources: {cpu: 2, memory: 4Gi}
              node_selector: {pool: cpu}
              environment: {THREADS: 4, KEEP: here}
              tolerations: [{key: a}]
              timeout_seconds: 600
            steps:
              embed:
                resources: {memory: 16Gi}
                node_selector: {zone: b}
                environment: {THREADS: 8}
                tolerations: [{key: b}]
                timeout_seconds: null
        """)
    )
    embed, other = profile.step("embed"), profile.step("query")
    assert embed.resources == Resources(cpu="2", memory="16Gi")
    assert embed.node_selector == {"pool": "cpu", "zone": "b"}
    assert embed.environment == {"THREADS": "8", "KEEP": "here"}
    assert [one.key for one in embed.tolerations] == ["b"]
    assert embed.timeout_seconds is None
    assert other == profile.defaults


def test_a_kind_stands_between_the_defaults_and_the_step(written: Written) -> None:
    profile = load_profile(
        written("""
            defaults: {queue: a, environment: {A: 1, B: 1, C: 1}}
            kinds: {accelerator: {queue: b, environment: {B: 2, C: 2}}, gate: null}
            steps: {embed: {environment: {C: 3}}}
        """)
    )
    assert profile.step("embed").environment == {"A": "1", "B": "2", "C": "3"}
    assert profile.step("evaluate").environment == {"A": "1", "B": "2", "C": "2"}
    assert profile.step("query").environment == {"A": "1", "B": "1", "C": "1"}
    assert [profile.step(step).queue for step in ("embed", "query", "gate")] == ["b", "a", "a"]


def test_a_base_is_overridden_only_where_the_file_says_so(written: Written) -> None:
    base = load_profile("cluster-gpu")
    mine = load_profile(
        written("""
            base: cluster-gpu
            description: Ours
            image: registry.example.com/eo/earthenware-python:7
            defaults: {environment: {AWS_ENDPOINT_URL: "https://store.example.com"}}
            steps: {train: {ray: {worker: {memory: 96Gi}}}, embed: {queue: nightly}}
        """)
    )
    assert (mine.name, mine.base, mine.description) == ("mine", "cluster-gpu", "Ours")
    assert mine.deadline_seconds == base.deadline_seconds
    ray, ray_of_base = mine.ray_job("train", mine.image), base.ray_job("train", mine.image)
    assert ray is not None
    assert ray_of_base is not None
    assert ray.environment["AWS_ENDPOINT_URL"] == "https://store.example.com"
    assert ray.environment["MLFLOW_TRACKING_URI"] == ray_of_base.environment["MLFLOW_TRACKING_URI"]
    assert ray.worker == ray_of_base.worker.model_copy(update={"memory": "96Gi"})
    assert mine.step("embed").queue == "nightly"
    assert mine.step("query").queue == ""


def test_a_base_may_be_a_file_beside(written: Written) -> None:
    written("base: cluster-cpu\nttl_seconds: 60\n", "ours.yaml")
    mine = load_profile(written("base: ours.yaml\ndeadline_seconds: 7200\n"))
    assert (mine.ttl_seconds, mine.deadline_seconds) == (60, 7200)
    assert mine.step("train").ray is not None
    assert load_profile(written("base: cluster-cpu\nsteps: {train: {ray: null}}\n")).ray_job("train", "x:1") is None


def test_a_ray_job_takes_from_its_step_what_it_does_not_say_itself(written: Written) -> None:
    profile = load_profile(
        written("""
            image_pull_policy: Always
            image_pull_secrets: [registry]
            defaults:
              shared_memory: 1Gi
              scratch: 2Gi
              labels: {team: eo}
              environment: {A: a}
              secrets: [{variable: S, secret: store, key: k}]
              tolerations: [{key: spot}]
            steps:
              train: {queue: ours, timeout_seconds: 7200, ray: {scratch: 9Gi, labels: {part: ray}, head: {cpu: 3}}}
        """)
    )
    ray = profile.ray_job("train", "registry.example.com/x:1")
    assert ray == RayJobSettings(
        image="registry.example.com/x:1",
        image_pull_policy="Always",
        image_pull_secrets=("registry",),
        shared_memory="1Gi",
        scratch="9Gi",
        labels={"team": "eo", "part": "ray"},
        environment={"A": "a"},
        secrets=profile.defaults.secrets,
        tolerations=profile.defaults.tolerations,
        queue="ours",
        deadline_seconds=7200,
        head=Resources(cpu="3", memory=RayJobSettings(image="x").head.memory),
    )
    assert profile.ray_job("query", "x:1") is None


def test_a_ray_section_can_say_all_that_is_not_derived() -> None:
    derived = {"image", "image_pull_policy", "image_pull_secrets", "queue"}
    assert set(RaySection.model_fields) == set(RayJobSettings.model_fields) - derived


@pytest.mark.parametrize("model", [Profile, StepSettings, RaySection, Retries])
def test_every_field_is_described(model: type[BaseModel]) -> None:
    for name, field in model.model_fields.items():
        assert field.description, name
        if re.search(r"\b(int|float|Resources)\b", str(field.annotation)):
            units = ("seconds", "number", "numbers", "bytes", "cores", "factor")
            assert any(f"({unit}" in field.description for unit in units), name


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("imag: x:1", "imag is not a known field (known: name, base"),
        ("defaults: {gpus: 2}", "defaults.gpus is not a known field (known: resources, shared_memory"),
        ("steps: {train: {cpu: 2}}", "steps.train.cpu is not a known field (known: resources,"),
        ("steps: {train: {resources: {gpu: 2}}}", "steps.train.resources.gpu is not a known field (known: cpu, memory"),
        ("steps: {train: {ray: {workers: 2}}}", "steps.train.ray.workers is not a known field (known: head, worker"),
        ("defaults: {tolerations: [{taint: x}]}", "defaults.tolerations.0.taint is not a known field (known: key,"),
        ("defaults: {resources: {memory: lots}}", 'defaults.resources.memory = "lots": write a quantity, such as'),
        ("defaults: {resources: {cpu: 8Gi}}", 'defaults: resources.cpu = "8Gi": write cores'),
        ("defaults: {resources: {memory: 500m}}", 'defaults: resources.memory = "500m": write bytes'),
        ("defaults: {resources: {accelerators: 2}}", "give both or neither"),
        ("steps: {train: {ray: {worker: {accelerator: a/b}}}}", "steps.train: ray.worker.accelerators = 0"),
        ("defaults: {timeout_seconds: 5}", "defaults.timeout_seconds = 5: Input should be greater than or equal to 60"),
        ("defaults: {retries: {count: -1}}", "defaults.retries.count = -1"),
        ("defaults: {security: {user: 0}}", "defaults.security.user = 0"),
        ("defaults: {security: {non_root: false}}", "defaults.security.non_root = false"),
        ("defaults: {node_selector: {'a b': c}}", "defaults.node_selector.a b"),
        ("defaults: {labels: {team: 'Earth Obs.'}}", "defaults.labels.team: write at most 63 letters"),
        (
            "defaults: {queue: Our Queue}",
            'defaults.queue = "Our Queue": write the name of a Kubernetes',
        ),
        ("steps: [a]", 'steps = ["a"]: write a mapping'),
        ("image_pull_secrets: registry", 'image_pull_secrets = "registry": write a list'),
        ("defaults: {retries: 3}", "defaults.retries = 3: write a mapping of fields"),
        ("defaults: {tolerations: [{key: a, value: b}]}", "needs operator: Equal"),
        ("defaults: {tolerations: [{operator: Equal}]}", "needs a key"),
        ("defaults: {ray: {}}", "only train can run as a RayJob"),
        ("steps: {embed: {ray: {}}}", "steps.embed: only train can run as a RayJob"),
        ("kinds: {cpu: {ray: {}}}", "kinds.cpu: only train can run as a RayJob"),
        ("kinds: {gpu: {queue: a}}", "kinds.gpu"),
        ("kinds: {cpu: {memory: 2Gi}}", "kinds.cpu.memory is not a known field (known: resources,"),
        ("steps: {pretrian: {queue: a}}", "steps.pretrian: there is no such step (the steps are: configure, query,"),
        ("steps: {train: {timeout_seconds: 60, ray: {deadline_seconds: 90}}}", "later than the step's timeout_seconds"),
        ("image: Registry/No Such", "image = "),
        ("image: registry.example.com/eo", "it has no tag and no digest"),
        ("image: registry.example.com:5000/eo:latest", "the tag 'latest' moves"),
        ("image_pull_policy: Sometimes", "'Always', 'IfNotPresent' or 'Never'"),
        (
            "defaults: {environment: {A: b}, secrets: [{variable: A, secret: s, key: k}]}",
            "A is set both by environment and by secrets",
        ),
        ("- a", "must hold a mapping"),
        ("a: [", "is not a valid spec at line"),
    ],
)
def test_a_wrong_field_is_named_with_its_value_and_what_is_allowed(text: str, told: str, written: Written) -> None:
    error = refusal(written(text))
    assert error.code == "BAD_PROFILE"
    assert told in error.message
    assert error.remedy


@pytest.mark.parametrize("model", [Profile, StepSettings, RaySection, Retries])
def test_every_field_is_in_the_documentation(model: type[BaseModel]) -> None:
    page = (Path(__file__).parents[2] / "docs" / "profiles.md").read_text(encoding="utf-8")
    assert [name for name in model.model_fields if f"`{name}`" not in page and f"\n{name}:" not in page] == []


def test_the_documented_profile_is_a_good_one(written: Written) -> None:
    page = (Path(__file__).parents[2] / "docs" / "profiles.md").read_text(encoding="utf-8")
    profile = load_profile(written(page.partition("```yaml\n")[2].partition("```")[0]))
    ray = profile.ray_job("train", profile.image)
    assert ray is not None
    assert (ray.worker.accelerators, ray.workers_per_pod, ray.queue) == (4, 4, "nightly")
    assert ray.worker.accelerator == "nvidia.com/gpu"
    assert ray.environment["AWS_ENDPOINT_URL"] == "https://store.example.com"


def test_an_unknown_profile(written: Written) -> None:
    error = refusal("cluster-gpus")
    assert error.code == "UNKNOWN_PROFILE"
    assert "Did you mean 'cluster-gpu'?" in error.remedy
    assert refusal("absent/mine.yaml").code == "UNKNOWN_PROFILE"
    assert refusal(written("base: nowhere")).code == "UNKNOWN_PROFILE"
    assert "not a circle" in refusal(written("base: mine.yaml")).message


SECRET = "hunter2-Zq81xPw9"
HOLDERS = [
    f"defaults: {{environment: {{AWS_SECRET_ACCESS_KEY: {SECRET}}}}}",
    f"defaults: {{environment: {{mlflow_password: {SECRET}}}}}",
    f"steps: {{train: {{ray: {{environment: {{HF_TOKEN: {SECRET}}}}}}}}}",
    f"defaults: {{environment: {{DATABASE: 'postgresql://me:{SECRET}@db.example.com/x'}}}}",
    f"defaults: {{environment: {{CATALOG: 'https://x.example.com/a?sig={SECRET}'}}}}",
    f"defaults: {{environment: {{HEADER: 'Bearer {SECRET}'}}}}",
    f"defaults: {{secrets: [{{variable: A, secret: s, key: k, value: {SECRET}}}]}}",
    f"defaults: {{secrets: [{{variable: A, secret: '{SECRET}!', key: k}}]}}",
    f"defaults: {{annotations: {{note: 'https://me:{SECRET}@example.com'}}}}",
    f"password: {SECRET}",
    f"defaults: {{environment: {{A: [{SECRET}]}}}}",
    f"defaults: {{environment: {SECRET}}}",
]


@pytest.mark.parametrize("text", HOLDERS)
def test_a_secret_is_refused_and_never_repeated(text: str, written: Written) -> None:
    for source in (text, f"base: cluster-cpu\n{text}"):
        error = refusal(written(source))
        assert error.code == "BAD_PROFILE"
        assert SECRET not in str(error)


def test_a_secret_is_refused_from_python_too() -> None:
    with pytest.raises(ValidationError) as caught:
        StepSettings(environment={"API_KEY": SECRET})
    assert SECRET not in str(caught.value)


def test_what_only_points_at_a_secret_is_no_secret(written: Written) -> None:
    variables = {
        "AWS_WEB_IDENTITY_TOKEN_FILE": "/var/run/secrets/token",
        "AWS_ENDPOINT_URL": "https://store.example.com:9000",
        "MLFLOW_TRACKING_URI": "http://mlflow:5000",
        "TOKENIZERS_PATH": "/models",
        "KEYBOARD": "de",
        "TITLE": "Basic authentication, bearer transportation",
    }
    profile = load_profile(written(yaml.safe_dump({"defaults": {"environment": variables}})))
    assert profile.defaults.environment == variables


@given(
    name=st.sampled_from(["PASSWORD", "SECRET", "TOKEN", "API_KEY", "COOKIE", "CREDENTIALS"]),
    prefix=st.from_regex(r"([A-Z]{1,8}_)?", fullmatch=True),
    value=st.text(min_size=1, max_size=20),
)
def test_no_variable_named_as_a_secret_gets_through(name: str, prefix: str, value: str) -> None:
    with pytest.raises(ValidationError):
        StepSettings(environment={prefix + name: value})


@pytest.mark.parametrize("name", ["laptop", "cluster-cpu", "cluster-gpu"])
def test_what_is_shown_loads_to_the_same_profile(name: str, written: Written) -> None:
    profile = load_profile(name)
    shown = load_profile(written(show_profile(profile), f"{name}.yaml"))
    assert shown == profile.model_copy(update={"base": ""})
    assert shown.model_fields_set <= profile.model_fields_set | {"defaults", "kinds", "steps"}
    for field in (*StepSettings.model_fields, "image_pull_secrets", "deadline_seconds"):
        assert f"{field}:" in show_profile(profile)


quantities = st.from_regex(r"[1-9][0-9]{0,3}(Ki|Mi|Gi|M|G)", fullmatch=True)
words = st.from_regex(r"[a-z]([a-z0-9-]{0,8}[a-z0-9])?", fullmatch=True)
settings = st.fixed_dictionaries(
    {},
    optional={
        "resources": st.fixed_dictionaries({}, optional={"cpu": st.integers(1, 64), "memory": quantities}),
        "shared_memory": quantities,
        "scratch": st.none() | quantities,
        "node_selector": st.dictionaries(words, words, max_size=3),
        "labels": st.dictionaries(words, words, max_size=3),
        "annotations": st.dictionaries(words, words, max_size=2),
        "tolerations": st.lists(st.fixed_dictionaries({"key": words}), max_size=2),
        "timeout_seconds": st.none() | st.integers(60, 10**6),
        "retries": st.none() | st.fixed_dictionaries({}, optional={"count": st.integers(0, 9)}),
        "queue": words,
    },
)


@given(defaults=settings, steps=st.dictionaries(st.sampled_from(STEPS), settings, max_size=3))
def test_any_profile_survives_being_shown_and_a_step_always_wins(
    defaults: dict[str, Any], steps: dict[str, Any]
) -> None:
    profile = Profile.model_validate({"name": "any", "defaults": defaults, "steps": steps})
    again = Profile.model_validate({"name": "any", **yaml.safe_load(show_profile(profile))})
    for name in STEPS:
        step = profile.step(name)
        assert again.step(name) == step
        for field in steps.get(name, {}):
            own, below = getattr(profile.steps[name], field), getattr(profile.defaults, field)
            value = getattr(step, field)
            if isinstance(own, dict):
                assert value == {**below, **own}
            elif not isinstance(own, BaseModel):
                assert value == own
        for field in set(defaults) - set(steps.get(name, {})):
            assert getattr(step, field) == getattr(profile.defaults, field)


def test_the_schema_accepts_the_shipped_profiles_and_no_misspelt_one() -> None:
    schema = json.loads(json.dumps(Profile.model_json_schema()))
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    for name in shipped_profiles():
        shown = yaml.safe_load(show_profile(load_profile(name)))
        assert list(validator.iter_errors(shown)) == []
        assert list(validator.iter_errors({**shown, "defaults": {"gpus": 1}}))
