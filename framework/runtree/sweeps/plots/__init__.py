"""Plots of a sweep, drawn by Optuna on matplotlib."""
