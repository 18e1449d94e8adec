from broken_algorithms import Fails

from runtree.checks.context import failed, format_list, passed, quote_names
from runtree.checks.registry import CHECKS, Check, run_check, run_checks


def test_every_check_has_a_result_and_is_announced(make_context):
    started = []
    found = list(run_checks(make_context("iris"), on_start=started.append))
    assert started == [check.name for check in CHECKS] == [one.check.name for one in found]
    # the pair of equal rows of iris is on one side, so nothing is warned of
    assert {one.result.state for one in found} == {"passed", "skipped", "warned"}  # iris has two rows that are the same
    assert all(one.result.advice for one in found if one.result.state == "warned")


def test_a_pipeline_that_cannot_be_fitted_fails_once(make_context, tables):
    found = {one.check.name: one.result.state for one in run_checks(make_context(tables(), estimator=Fails()))}
    assert [name for name, state in found.items() if state == "failed"] == ["shapes"]
    assert found["learns"] == found["shuffled"] == found["repeats"] == "skipped"


def test_other_checks_can_be_run(make_context):
    def broken(context):
        raise KeyError("oh")

    mine = (Check("mine", "Is it?", lambda context: passed(context.run.data.name)), Check("bad", "Is it?", broken))
    said = [one.result for one in run_checks(make_context("iris"), mine)]
    assert said == [passed("iris"), failed("KeyError: 'oh'", "see the traceback: runtree --traceback train …")]


def test_an_error_of_runtree_brings_its_advice(make_context, tables):
    text = tables().assign(a=["x", "y"] * 100)
    found = run_check(next(check for check in CHECKS if check.name == "shapes"), make_context(text, "preprocess=none"))
    assert found.state == "failed"
    assert "preprocess" in found.advice


def test_names_are_shortened_in_messages_and_listed_in_overrides():
    assert quote_names(["a", "b", "c", "d", "e"]) == "'a', 'b', 'c' and 2 more"
    assert format_list(["a", "b c", "it's"]) == "[a,'b c','it\\'s']"
