import csv
import io
import json
from pathlib import Path

import pytest

from runtree import plugins as plugins_module
from runtree.contract.types import AlgorithmOption


@pytest.fixture
def offer(monkeypatch):
    """Return a function that installs a plugin with one algorithm."""

    def install(algorithm: AlgorithmOption) -> None:
        class Plugin:
            @plugins_module.hookspecs.hookimpl
            def register_algorithms(self):
                return [algorithm]

        found = plugins_module.make_plugins(found=[], extra=[("mine", Plugin())])
        monkeypatch.setattr("runtree.app.App.__init__", lambda app: setattr(app, "plugins", found))

    return install


def own(path: str, text: str) -> None:
    """Write a config file of the user's."""
    file = Path("conf", path)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def test_groups_are_listed_with_their_defaults(runtree):
    groups = {row["group"]: row for row in json.loads(runtree("list", "--json").out)["groups"]}
    assert groups["data"]["default"] == "breast_cancer"
    assert groups["experiment"]["default"] is None
    assert groups["compute"]["count"] == len(groups["compute"]["options"]) >= 3
    table = runtree("list").out
    assert table.splitlines()[0].split() == ["group", "default", "count", "options"]
    assert "next     runtree list algorithm" in table


def test_options_are_listed_with_a_star_at_the_default(runtree):
    lines = runtree("list", "evaluator").out.splitlines()
    starred = [line for line in lines if line.startswith("*")]
    assert len(starred) == 1
    assert starred[0].split()[1] == "holdout"
    assert "Cross-validation on all rows" in "".join(lines)


def test_algorithms_are_listed_by_task(runtree):
    both = {row["name"] for row in json.loads(runtree("list", "algorithm", "--json").out)["options"]}
    classifiers = json.loads(runtree("list", "--task", "classification", "--json").out)["options"]
    names = {row["name"] for row in classifiers}
    assert {"logistic", "random_forest"} <= names
    assert "lasso" in both - names
    assert all("classification" in row["tasks"] for row in classifiers)


def test_options_are_csv_too(runtree):
    rows = list(csv.DictReader(io.StringIO(runtree("list", "algorithm", "--csv").out)))
    forest = next(row for row in rows if row["name"] == "random_forest")
    assert forest["tasks"] == "classification regression"
    assert forest["provider"] == "runtree"


def test_an_option_of_ones_own_is_listed_with_its_provider(runtree):
    own("data/mine.yaml", "# My table.\nname: mine\n")
    lines = runtree("list", "data").out.splitlines()
    assert "provider" in lines[0]
    assert next(line for line in lines if " mine " in line).split(maxsplit=2)[1:] == ["./conf", "My table."]


@pytest.mark.parametrize("width", [80, 140])
def test_a_listing_fits_the_terminal(runtree, terminal, width):
    terminal(width)
    for words in (["list"], ["list", "algorithm"], ["describe", "random_forest"], ["plugins"]):
        out = runtree(*words).out
        assert max(map(len, out.splitlines())) <= width
        assert "\nnext     runtree " in out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["list", "algoritm"], "unknown config group 'algoritm'\n  did you mean: algorithm?"),
        (["list", "data", "--task", "regression"], "options of data have no tasks"),
        (["describe", "algorithm=rigde"], "did you mean: ridge?"),
        (["describe", "random_forrest"], "did you mean: random_forest"),
        (["describe", "experiment"], "experiment has no default option"),
        (["describe", "data=algorithm"], "unknown option of data"),
    ],
)
def test_a_wrong_name_is_answered_in_a_few_lines(runtree, words, message):
    said = runtree(*words)
    assert said.code == 2
    assert message in said.err
    assert len(said.err.splitlines()) <= 5


def described(runtree, what: str) -> dict:
    """Return the description of an option, its parameters by path."""
    option = json.loads(runtree("describe", what, "--json").out)["option"]
    return {**option, "parameters": {parameter["path"]: parameter for parameter in option["parameters"]}}


def test_a_parameter_comes_with_default_type_and_meaning(runtree):
    parameter = described(runtree, "algorithm=random_forest")["parameters"]["algorithm.max_depth"]
    assert parameter["default"] is None
    assert parameter["type"] == "int >= 1 | null"
    assert parameter["meaning"] == "The maximum depth of the tree."
    text = runtree("describe", "random_forest").out
    assert "algorithm.max_depth = null                  int >= 1 | null\n    The maximum depth of the tree.\n" in text


def test_a_value_that_differs_by_task_is_told_with_the_task(runtree):
    text = runtree("describe", "random_forest").out
    assert "algorithm.max_features = sqrt (classification), 1.0 (regression)" in text
    assert "sklearn.ensemble.RandomForestRegressor (regression)" in text
    assert "{entropy, gini, log_loss} (classification); {absolute_error, " in text


def test_space_and_further_parameters_are_told(runtree):
    option = described(runtree, "random_forest")
    assert option["space"]["algorithm.max_depth"] == "range(2, 20)"
    assert "ccp_alpha" in option["more"]
    assert "max_depth" not in option["more"]


def test_a_group_stands_for_its_default_option(runtree):
    assert runtree("describe", "evaluator").out.startswith("evaluator=holdout\n")


def test_a_dataclass_is_described_by_hints_docstring_and_comments(runtree):
    parameters = described(runtree, "csv")["parameters"]
    assert parameters["data.path"]["type"] == "str"
    assert parameters["data.path"]["default"] == "???"
    assert parameters["data.separator"]["meaning"] == "Of text files; auto: as the beginning of the file looks."
    assert parameters["data.drop"]["note"] == "columns to ignore"
    text = runtree("describe", "csv").out
    assert "data.path = (required)" in text
    assert "next     runtree train data=csv data.path=PATH data.target=TARGET" in text


def test_an_experiment_is_described_by_what_it_chooses(runtree):
    option = described(runtree, "quickstart")
    assert "data=breast_cancer" in option["chooses"]
    assert option["summary"].startswith("A three-minute start")
    assert option["parameters"]["objective.metric"]["default"] == "roc_auc"


def test_a_name_in_two_groups_must_be_told_apart(runtree):
    own("data/holdout.yaml", "name: holdout\n")
    said = runtree("describe", "holdout")
    assert said.code == 2
    assert said.err.splitlines()[1:] == ["  data=holdout", "  evaluator=holdout"]


def test_a_missing_package_is_named_and_breaks_nothing(runtree, offer):
    offer(AlgorithmOption("remote", "no_such_package.Model", defaults={"depth": 3}))
    said = runtree("describe", "remote")
    assert said.code == 0
    assert "needs the package 'no_such_package', which is not installed" in said.out
    assert "is 'no_such_package' installed, or in this folder?" in said.out
    assert "algorithm.depth = 3" in said.out
    assert "from     mine: the hook register_algorithms" in said.out
    assert "no_such_package.Model" in runtree("list", "algorithm").out


def test_code_that_nobody_vouches_for_is_not_imported(runtree, monkeypatch):
    Path("evil.py").write_text("raise SystemExit('imported')\n")
    monkeypatch.syspath_prepend(str(Path.cwd()))
    own("algorithm/evil.yaml", "name: evil\n_target_: evil.Model\n")
    said = runtree("describe", "evil")
    assert said.code == 0
    assert "'evil.Model' is not code that a file or a record may name" in said.out


def test_the_keys_of_the_fit_block_that_an_algorithm_honours_are_told(runtree):
    assert "honours fit.max_iterations (max_iter), fit.tolerance (tol)" in runtree("describe", "algorithm=lasso").out
    assert (
        "fit.max_iterations (n_estimators), fit.max_seconds," in runtree("describe", "algorithm=gradient_boosting").out
    )
    assert "honours" not in runtree("describe", "algorithm=knn").out
