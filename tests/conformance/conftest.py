"""What is left to the exhaustive run: a seed is used in the same way whatever the number of classes."""

import pytest

KINDS = ("TestLogistic", "TestRandomForest", "TestMlp")  # a closed form, trees, steps


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Train a shipped algorithm twice with the same seed for two classes and for numbers, some for three classes, too."""
    for item in items:
        is_second = item.name == "test_same_seed_same_bytes[multiclass]"
        if is_second and item.path.name == "test_builtin_algorithms.py" and item.parent.name not in KINDS:
            item.add_marker(pytest.mark.exhaustive)
