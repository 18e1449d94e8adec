"""What is asked of a model once it is scored: how sure, how much better than a baseline, where weak, what next."""
