"""Sweeps: the loop, its state, the tuners' proposals, the stop criteria and the results."""
