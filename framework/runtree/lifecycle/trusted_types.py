"""The types that models of the shipped algorithms hold, and that may be loaded from a model file.

The list is closed: a test saves and loads every shipped option with every shipped preprocessing and finds nothing
missing from it.
"""

TRUSTED: frozenset[str] = frozenset()
