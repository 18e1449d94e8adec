"""Configs: where their groups are, how they are composed, frozen, checked and built into objects."""
