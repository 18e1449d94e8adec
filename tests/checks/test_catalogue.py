from broken_algorithms import Fails

from runtree.checks.context import failed, format_list, passed, quote_names
from runtree.checks.registry import CHECKS, Check, run_check, run_checks


def test_every_check_answers_and_is_announced(looked_at):
    heard = []
    found = list(run_checks(looked_at("iris"), watch=heard.append))
    assert heard == [check.name for check in CHECKS] == [one.check.name for one in found]
    assert {one.finding.state for one in found} == {"passed", "skipped", "warned"}
    assert all(one.finding.advice for one in found if one.finding.state == "warned")


def test_a_pipeline_that_cannot_be_fitted_fails_once(looked_at, tables):
    found = {one.check.name: one.finding.state for one in run_checks(looked_at(tables(), estimator=Fails()))}
    assert [name for name, state in found.items() if state == "failed"] == ["shapes"]
    assert found["learns"] == found["shuffled"] == found["repeats"] == "skipped"


def test_a_list_of_ones_own_can_be_asked(looked_at):
    def broken(context):
        raise KeyError("oh")

    mine = (Check("mine", "Is it?", lambda context: passed(context.run.data.name)), Check("bad", "Is it?", broken))
    said = [one.finding for one in run_checks(looked_at("iris"), mine)]
    assert said == [passed("iris"), failed("KeyError: 'oh'", "see where: runtree --traceback train …")]


def test_an_error_of_runtrees_says_what_to_do(looked_at, tables):
    text = tables().assign(a=["x", "y"] * 100)
    found = run_check(CHECKS[0], looked_at(text, "preprocess=none"))
    assert found.state == "failed"
    assert "preprocess" in found.advice


def test_names_are_told_shortly_and_typed_as_a_list():
    assert quote_names(["a", "b", "c", "d", "e"]) == "'a', 'b', 'c' and 2 more"
    assert format_list(["a", "b c", "it's"]) == "[a,'b c','it\\'s']"
