"""A share of the seeded hostile inputs of `fuzzing`: no internal error, no traceback, no hang. RUNTREE_TESTS=all: all.

A case that fails is repeated, with tracebacks, by: python tests/end_to_end/fuzzing.py KIND NUMBER
"""

import pytest
from fuzzing import COUNTS, make_tree, run_case

SHARE = {"commands": 8, "yaml": 7, "tables": 7, "trees": 5}
SIZE = 50  # cases of an exhaustive test
# what hangs or raises within a case is an answer; a warning of a library is none
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tree")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NO_COLOR", "1")
        make_tree(folder)
    return folder


def parts():
    for kind, count in COUNTS.items():
        yield pytest.param(kind, range(SHARE[kind]), id=f"{kind} {SHARE[kind]}")
        for start in range(SHARE[kind], count, SIZE):
            numbers = range(start, min(start + SIZE, count))
            yield pytest.param(kind, numbers, id=f"{kind} from {start}", marks=pytest.mark.exhaustive)


@pytest.mark.parametrize(("kind", "numbers"), list(parts()))
def test_every_answer_is_one_for_a_person(tree, kind, numbers):
    wrong = [
        f"{kind} {number}: {text}: {answer.words}"
        for number in numbers
        for answer, text in run_case(kind, number, tree)
    ]
    assert wrong == []
