"""Weights to start from: where they lie, which layers take them, which stay as they are."""
