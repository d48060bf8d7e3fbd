"""Attacks on whole steps and runs, each drawn by a seed: a few with every change, many by ``make soak``."""
