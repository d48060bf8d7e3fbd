"""Runnable speed measurements; each writes its claims to ``benchmarks/results``."""
