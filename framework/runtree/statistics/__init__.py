"""Uncertainty: intervals, tests of a difference, corrections. Numbers in, numbers out; each function cites its source.

`comparison` is light; the other modules import NumPy, and SciPy inside functions: `scipy.stats` takes 0.5 to 4 seconds.
"""
