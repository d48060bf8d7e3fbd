"""What kfp-server-api says about Kubeflow's API: its routes, its query parameters, and its models, taken strictly."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass
from datetime import datetime

import kfp_server_api
from kfp_server_api import models

SERVICES = ("Experiment", "Healthz", "Pipeline", "PipelineUpload", "RecurringRun", "Run")
_PLAIN = {"str": str, "bool": bool, "float": (int, float), "int": int}
# int64 is text in an answer; a request may also write it as a number (the rule of protobuf's JSON).
_INT64 = {
    "execution_id",
    "interval_second",
    "max_concurrency",
    "pipeline_context_id",
    "pipeline_run_context_id",
}


class InvalidError(Exception):
    """A body or an answer that is not what the API's description allows."""


@dataclass(frozen=True)
class Route:
    name: str
    method: str
    pattern: re.Pattern[str]
    query: frozenset[str]
    body: str
    answer: str


def routes() -> list[Route]:
    """Every request that kfp-server-api can make, read from its source."""
    found = []
    for service in SERVICES:
        api = getattr(kfp_server_api, f"{service}ServiceApi")
        for name, function in inspect.getmembers(api, inspect.isfunction):
            if not name.endswith("_with_http_info"):
                continue
            source = inspect.getsource(function)
            path, method = re.search(r"'(/apis/[^']+)', '([A-Z]+)'", source).groups()
            parts = re.split(r"\{([^}]+)\}", path)
            pattern = "".join(
                f"(?P<{part.replace('.', '_')}>[^/:]+)" if place % 2 else re.escape(part)
                for place, part in enumerate(parts)
            )
            query = frozenset(re.findall(r"query_params\.append\(\('(\w+)'", source))
            body = re.search(r"body_params = local_var_params\['(\w+)'\]", source)
            kind = re.search(rf":type {body[1]}: (\w+)", source)[1] if body else ""
            answer = re.search(r"response_type='(\w+)'", source)[1]
            short = name.removesuffix("_with_http_info")
            found.append(Route(short, method, re.compile(pattern), query, kind, answer))
    # The more literal path first: /pipelines/upload before /pipelines/{pipeline_id}.
    return sorted(found, key=lambda route: route.pattern.pattern.count("(?P"))


def check(value, kind: str, *, answer: bool, path: str = "") -> None:
    """Raise InvalidError unless a JSON value is exactly what a type of kfp-server-api describes."""
    where = path or kind
    if match := re.fullmatch(r"list\[(.+)\]", kind):
        _want(isinstance(value, list), where, "a list", value)
        for place, item in enumerate(value):
            check(item, match[1], answer=answer, path=f"{where}[{place}]")
    elif match := re.fullmatch(r"dict\(str, (.+)\)", kind):
        _want(isinstance(value, dict), where, "an object", value)
        for key, item in value.items():
            check(item, match[1], answer=answer, path=f"{where}.{key}")
    elif kind == "object":
        return
    elif kind == "datetime":
        _want(isinstance(value, str) and value.endswith("Z"), where, "an RFC 3339 time in UTC", value)
        datetime.fromisoformat(value)
    elif kind == "str" and path.rpartition(".")[2] in _INT64:
        fits = isinstance(value, str) and re.fullmatch(r"-?\d+", value)
        _want(fits or (not answer and type(value) is int), where, "an int64", value)
    elif kind in _PLAIN:
        fits = isinstance(value, _PLAIN[kind]) and (kind == "bool" or not isinstance(value, bool))
        _want(fits, where, kind, value)
    else:
        _check_model(value, getattr(models, kind), answer, where)


def _check_model(value, model, answer: bool, where: str) -> None:
    if not model.openapi_types:  # an enumeration
        allowed = {text for name, text in vars(model).items() if name.isupper() and isinstance(text, str)}
        _want(value in allowed, where, f"one of {sorted(allowed)}", value)
        return
    _want(isinstance(value, dict), where, "an object", value)
    attributes = {key: name for name, key in model.attribute_map.items()}
    unknown = set(value) - set(attributes)
    _want(not unknown, where, f"without the unknown {sorted(unknown)}", value)
    for key, item in value.items():
        check(item, model.openapi_types[attributes[key]], answer=answer, path=f"{where}.{key}")


def _want(fits, where: str, what: str, value) -> None:
    if not fits:
        raise InvalidError(f"{where} must be {what}, not {str(value)[:80]}")
