"""What must hold for every pod of a release; each policy returns one line per violation."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from tests.charts.release import Document, pods

_VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}
_URI_WITH_PASSWORD = re.compile(r"[a-z][a-z0-9+.-]*://[^/\s?#@]*:[^/\s?#@]+@", re.IGNORECASE)
_SECRET_WORD = r"(passw(or)?d|passwd|pwd|secret|token|credential|access_?key|api_?key|private_?key)"
_ASSIGNED = re.compile(rf"[\w.-]*{_SECRET_WORD}[\w-]*\s*[=:]\s*\S", re.IGNORECASE)
_SECRET_NAME = re.compile(_SECRET_WORD, re.IGNORECASE)


def restricted(documents: list[Document]) -> list[str]:
    """The restricted pod security standard, and a read-only root filesystem on top of it."""
    wrong: list[str] = []
    for pod in pods(documents):
        security = pod.spec.get("securityContext", {})
        wrong += [f"{pod.where}: {key}" for key in ("hostNetwork", "hostPID", "hostIPC") if pod.spec.get(key)]
        for volume in pod.spec.get("volumes", []):
            wrong += [f"{pod.where}: volume {kind}" for kind in set(volume) - {"name"} - _VOLUMES]
        if security.get("sysctls"):
            wrong.append(f"{pod.where}: sysctls")
        for where, container in pod.containers():
            wrong += [f"{where}: {problem}" for problem in _insecure(security, container)]
    return wrong


def _insecure(pod: Document, container: Document) -> Iterator[str]:
    own = container.get("securityContext", {})
    both = {**pod, **own}
    if both.get("runAsNonRoot") is not True:
        yield "runAsNonRoot"
    if not both.get("runAsUser"):
        yield "runAsUser is root or unknown"
    if both.get("seccompProfile", {}).get("type") not in ("RuntimeDefault", "Localhost"):
        yield "seccompProfile"
    if own.get("allowPrivilegeEscalation") is not False:
        yield "allowPrivilegeEscalation"
    if own.get("privileged"):
        yield "privileged"
    if own.get("readOnlyRootFilesystem") is not True:
        yield "readOnlyRootFilesystem"
    if "ALL" not in own.get("capabilities", {}).get("drop", []) or own["capabilities"].get("add"):
        yield "capabilities"
    if own.get("procMount", "Default") != "Default":
        yield "procMount"
    if any("hostPort" in port for port in container.get("ports", [])):
        yield "hostPort"


def resources(documents: list[Document]) -> list[str]:
    """Requests and limits of CPU and memory on every container."""
    return [
        f"{where}: {kind}.{what}"
        for pod in pods(documents)
        for where, container in pod.containers()
        for kind in ("requests", "limits")
        for what in ("cpu", "memory")
        if what not in container.get("resources", {}).get(kind, {})
    ]


def probes(documents: list[Document]) -> list[str]:
    """Readiness and liveness of every container that shall live on, at a port that it has."""
    wrong: list[str] = []
    for pod in pods(documents):
        if pod.owner["kind"] not in ("Deployment", "StatefulSet", "DaemonSet"):
            continue
        for container in pod.spec["containers"]:
            where = f"{pod.where}/{container['name']}"
            wrong += [f"{where}: {kind}" for kind in ("readinessProbe", "livenessProbe") if not container.get(kind)]
            for kind in ("startupProbe", "readinessProbe", "livenessProbe"):
                probe = container.get(kind, {})
                port = (probe.get("httpGet") or probe.get("tcpSocket") or {}).get("port")
                if port is not None and port not in pod.ports():
                    wrong.append(f"{where}: {kind} asks the unknown port {port}")
    return wrong


def images(documents: list[Document]) -> list[str]:
    """A digest, or a tag that is not ``latest``."""
    wrong = []
    for pod in pods(documents):
        for where, container in pod.containers():
            image = container["image"]
            tag = image.rpartition("/")[2].partition(":")[2]
            if "@sha256:" not in image and (not tag or tag == "latest"):
                wrong.append(f"{where}: {image}")
    return wrong


def plaintext_secrets(documents: list[Document]) -> list[str]:
    """No Secret object, no password in a value, an argument, a URI or a configuration file."""
    wrong = [f"{one['kind']}/{one['metadata']['name']}: a Secret" for one in documents if one["kind"] == "Secret"]
    for one in documents:
        where = f"{one['kind']}/{one['metadata']['name']}"
        wrong += [f"{where}: URI with a password" for text in _strings(one) if _URI_WITH_PASSWORD.search(text)]
        if one["kind"] == "ConfigMap":
            data = (line for text in one.get("data", {}).values() for line in text.splitlines())
            wrong += [f"{where}: {line.strip()}" for line in data if _ASSIGNED.search(line) and not _reference(line)]
    for pod in pods(documents):
        for where, container in pod.containers():
            for variable in container.get("env", []):
                if "value" in variable and _SECRET_NAME.search(variable["name"]):
                    wrong.append(f"{where}: {variable['name']} is given in the open")
            words = [*container.get("command", []), *container.get("args", [])]
            options = [word for word in words if word.startswith("-") and _ASSIGNED.search(word)]
            wrong += [f"{where}: {word}" for word in options]
    return wrong


def _reference(line: str) -> bool:
    """Whether a line of kfp-launcher's configuration names a Secret or one of its keys."""
    return bool(re.match(r"\s*(secretRef:|secretName:|accessKeyKey:|secretKeyKey:|credentials:)", line))


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for one in value.values():
            yield from _strings(one)
    elif isinstance(value, list):
        for one in value:
            yield from _strings(one)
    elif isinstance(value, str):
        yield value


def tokens(documents: list[Document], steps: str = "earthenware-steps") -> list[str]:
    """No pod mounts a service account's token; only the steps' own account offers one."""
    wrong = [
        f"{pod.where}: mounts a token"
        for pod in pods(documents)
        if pod.spec.get("automountServiceAccountToken") is not False
    ]
    for one in documents:
        quiet = one["metadata"]["name"] == steps or one.get("automountServiceAccountToken") is False
        if one["kind"] == "ServiceAccount" and not quiet:
            wrong.append(f"ServiceAccount/{one['metadata']['name']}: offers a token")
    return wrong
