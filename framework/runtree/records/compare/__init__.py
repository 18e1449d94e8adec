"""Comparison of runs: which are one configuration, which may be compared, by which test, and what came of it."""
