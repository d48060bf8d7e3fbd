"""What a report is asked to show."""

from __future__ import annotations

from pydantic import Field

from earthenware.steps import LARGEST_SEED, Spec


class ReportSpec(Spec):
    """What the report shows."""

    title: str = Field(default="Pretraining report", min_length=1, description="Title of the page.")
    sites: int = Field(default=4, ge=0, le=12, description="Datacubes to show.")
    map_sites: int = Field(default=24, ge=0, le=60, description="Sites whose embeddings are mapped, at most.")
    queries: int = Field(default=2, ge=0, le=6, description="Chips whose nearest neighbours are shown.")
    seed: int = Field(default=0, ge=0, le=LARGEST_SEED, description="Seed of the choice of sites and chips.")
