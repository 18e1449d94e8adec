"""Comparison of runs: grouping into configurations, comparability, statistical tests, and the resulting table."""
