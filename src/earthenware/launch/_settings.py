"""What a KubeRay RayJob is told of the cluster: typed, without a secret, handed to a step by its environment."""

from __future__ import annotations

import os
import re
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, field_validator

from earthenware.errors import EarthenwareError, invalid_fields

SETTINGS_VARIABLE: Final = "EARTHENWARE_RAY_JOB"
"""Holds :class:`RayJobSettings` as JSON; ``earthenware compile`` sets it on the steps that a profile gives a RayJob."""

Quantity = Annotated[str, StringConstraints(pattern=r"^([0-9]+(\.[0-9]+)?)(m|Ki|Mi|Gi|Ti|k|M|G|T)?$")]
"""A Kubernetes quantity, such as ``500m`` or ``16Gi``."""

DnsName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$")]
"""Name of a Kubernetes object."""


_SECRET_NAME: Final = re.compile(
    r"SECRET|PASSW|TOKEN(?!IZ)|CREDENTIAL|COOKIE|PRIVATE|API_?KEY|ACCESS_?KEY|SIGNING|(^|_)(KEY|PWD|AUTH|SAS)$",
    re.IGNORECASE,
)
_HARMLESS_NAME: Final = re.compile(r"_(FILE|PATH|DIR|URL|URI|ENDPOINT|NAME|SECONDS|MODE|TYPE)$", re.IGNORECASE)
"""What such a variable holds is a place or a manner, not the secret itself: AWS_WEB_IDENTITY_TOKEN_FILE."""
_SECRET_VALUE: Final = re.compile(
    r"://[^/\s?#]*@"  # user information in a URL
    r"|-----BEGIN "
    r"|\b(AKIA|ASIA)[0-9A-Z]{16}\b"
    r"|\b(gh[pousr]|glpat|hf|sk)[_-][A-Za-z0-9]{16,}"
    r"|\beyJ[\w-]{8,}\.eyJ"
    r"|\b(Bearer|Basic) (?=\S*[0-9=])[A-Za-z0-9+/=._-]{8,}"
    r"|[?&](sig|signature|token|access_token|api_key|X-Amz-Signature|X-Amz-Credential|X-Amz-Security-Token)=",
    re.IGNORECASE,
)


def looks_secret(name: str, value: Any) -> bool:
    """Tell whether a variable's name, or its value, looks as if a secret were in it."""
    named = bool(_SECRET_NAME.search(name)) and not _HARMLESS_NAME.search(name)
    return named or bool(_SECRET_VALUE.search(str(value)))


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Toleration(_Frozen):
    """A toleration of a pod, as Kubernetes writes it."""

    key: str = ""
    operator: Literal["Exists", "Equal"] = "Exists"
    value: str = ""
    effect: Literal["", "NoSchedule", "PreferNoSchedule", "NoExecute"] = ""


class SecretEnv(_Frozen):
    """One environment variable that comes out of an existing Secret."""

    variable: Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
    secret: DnsName
    key: str = Field(min_length=1)
    optional: bool = False


class Resources(_Frozen):
    """What a container asks for; requests and limits are the same, so that nobody's pod starves another's."""

    model_config = ConfigDict(coerce_numbers_to_str=True)  # YAML reads 4 as a number

    cpu: Quantity = "1"
    memory: Quantity = "2Gi"
    accelerator: str = Field("", description="Resource name of an accelerator, such as nvidia.com/gpu; empty for none")
    accelerators: int = Field(0, ge=0, description="Accelerators per container (number)")


class RayJobSettings(_Frozen):
    """Everything about a RayJob that is not the work itself."""

    image: str = Field(min_length=1, description="Image of every pod of the job")
    image_pull_policy: Literal["", "Always", "IfNotPresent", "Never"] = ""
    image_pull_secrets: tuple[DnsName, ...] = ()
    namespace: str = Field("", description="Empty: the namespace of the pod that creates the job")
    service_account: str = Field("", description="Service account of the Ray pods; empty: the namespace's default")
    head: Resources = Resources(cpu="1", memory="4Gi")
    worker: Resources = Resources(cpu="2", memory="8Gi")
    workers_per_pod: int = Field(1, ge=1, description="Ray workers that share one worker pod (number)")
    shared_memory: Quantity = "2Gi"
    scratch: Quantity = "20Gi"
    node_selector: dict[str, str] = {}
    tolerations: tuple[Toleration, ...] = ()
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    queue: str = Field("", description="Kueue local queue; empty for none")
    priority_class: str = ""
    environment: dict[str, str] = Field({}, description="Plain variables of every pod; never a secret")
    secrets: tuple[SecretEnv, ...] = ()
    deadline_seconds: int = Field(7 * 86400, ge=60, description="The job may live so long (seconds)")
    pending_seconds: int = Field(3600, ge=60, description="It may wait so long for its pods (seconds)")
    ttl_seconds: int = Field(600, ge=0, description="The cluster is kept so long after the end (seconds)")
    auth_mode: Literal["token", "disabled"] = "token"

    @field_validator("environment")
    @classmethod
    def _no_secret(cls, value: dict[str, str]) -> dict[str, str]:
        for name in value:
            if looks_secret(name, value[name]):
                raise ValueError(f"{name} looks like a secret: name a Secret's key for it below 'secrets' instead")
        return value


def ray_job_settings() -> RayJobSettings | None:
    """Return the settings in this process's environment, or None where Ray shall run here.

    Raises:
        EarthenwareError: ``BAD_RAY_SETTINGS`` when they do not parse.
    """
    text = os.environ.get(SETTINGS_VARIABLE, "")
    if not text:
        return None
    try:
        return RayJobSettings.model_validate_json(text)
    except ValidationError as error:
        message = invalid_fields(error, SETTINGS_VARIABLE, RayJobSettings, hidden=frozenset({"environment"}))
        raise EarthenwareError("BAD_RAY_SETTINGS", message, "Compile the pipeline anew with a valid profile.") from None
