"""Texts and series: tokens and steps as tensors, and networks that read them in order."""
