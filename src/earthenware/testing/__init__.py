"""Kits for tests, ours and those of users: chips and models in seconds, a small step, an S3 service, Kubernetes.

A test of code that reads a chip store needs one with known chips; a test of a step, one that earlier steps made. These
are made through the same public interfaces as the real ones, manifests and all::

    chips = make_chips(sites=6).build(f"{folder}/chips")
    model = make_model(chips.output, f"{folder}/train")
    embed(EmbedSpec(), chips.output, model.output, f"{folder}/embed")

    with s3_service() as service:
        make_chips().write(f"{service.bucket()}/chips")

:func:`s3_service` needs ``moto[server]``, which is not installed with this package.
"""

from __future__ import annotations

from earthenware.testing._chips import Chips, chip_row, make_chips
from earthenware.testing._kubernetes import KubernetesRequest, KubernetesServer
from earthenware.testing._s3 import S3Service, s3_service
from earthenware.testing._steps import make_model, run_small_step

__all__ = [
    "Chips",
    "KubernetesRequest",
    "KubernetesServer",
    "S3Service",
    "chip_row",
    "make_chips",
    "make_model",
    "run_small_step",
    "s3_service",
]
