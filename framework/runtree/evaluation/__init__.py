"""Evaluation of a scored run: intervals, baselines, quality gate, fairness, explanation and diagnosis."""
