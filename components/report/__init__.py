"""The component ``report``."""

from components.report.component import report

__all__ = ["report"]
