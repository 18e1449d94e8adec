"""A champion that does not exist is refused with its config path."""

from types import SimpleNamespace

import pytest

from runtree.contract.errors import ConfigError, NotFoundError
from runtree.evaluation.gate import find_champion
from runtree.training.active_run import call_uncached


def run_in(folder):
    return SimpleNamespace(config={"outputs": str(folder)}, cached=call_uncached, folder=folder / "default" / "me")


@pytest.mark.parametrize(("name", "error"), [("nosuch", NotFoundError), ("latest", ConfigError)])
def test_a_missing_champion_is_refused_with_its_path(tmp_path, name, error):
    with pytest.raises(error, match=r"^evaluator\.benchmark\.run: "):
        find_champion(run_in(tmp_path), name)
