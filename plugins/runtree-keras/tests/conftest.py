"""What the tests' own folder knows: it is also run by itself, away from the package."""

import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Make the mark known."""
    config.addinivalue_line("markers", "slow: fits many networks")
