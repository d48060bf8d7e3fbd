"""Pipelines for Kubeflow: profiles, and the YAML that one makes of a compiled pipeline. Needs no network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from earthenware.lazy import lazy_exports

if TYPE_CHECKING:
    from earthenware.compiling._compile import CompiledPipeline, compile_pipeline, compiled_pipeline, manifests
    from earthenware.compiling._load import load_profile, shipped_profiles
    from earthenware.compiling._profile import Profile
    from earthenware.compiling._show import show_profile
    from earthenware.compiling._steps import RaySection, Retries, Security, StepSettings
else:
    __getattr__, __dir__ = lazy_exports(__name__)

__all__ = [
    "CompiledPipeline",
    "Profile",
    "RaySection",
    "Retries",
    "Security",
    "StepSettings",
    "compile_pipeline",
    "compiled_pipeline",
    "load_profile",
    "manifests",
    "shipped_profiles",
    "show_profile",
]
