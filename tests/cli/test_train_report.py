import json
import re
from statistics import stdev

from runtree.testing.fixtures import UNEXAMINED


def test_the_spread_over_folds_stands_beside_the_mean(runtree, folder):
    said = runtree(
        "train", "data=iris", "algorithm=naive_bayes", "evaluator=cross_validation", "evaluator.folds=4", *UNEXAMINED
    )
    assert said.code == 0, said.err
    [file] = folder.glob("outputs/default/*/metrics.json")
    found = json.loads(file.read_text())
    assert re.search(r"metric +train +validation +± sd +test", said.out)
    [line] = re.findall(r"^accuracy .*$", said.out, re.MULTILINE)
    values = [fold["accuracy"] for fold in found["folds"]]
    assert float(line.split()[3]) == round(stdev(values), 4)
    assert "folds    4;" in said.out


def test_there_is_no_spread_without_folds(runtree, folder):
    assert "±" not in runtree("train", "data=iris", "algorithm=naive_bayes", *UNEXAMINED).out


def test_what_a_search_chose_is_said(runtree, folder):
    small = ["evaluator.folds=2", "evaluator.inner_folds=2", "evaluator.candidates=2"]
    said = runtree(
        "train", "data=iris", "algorithm=naive_bayes", "evaluator=nested_cross_validation", *small, *UNEXAMINED
    )
    assert re.search(
        r"^selected var_smoothing=\S+ of 2 candidates; over the folds its selection score was .*istic by",
        said.out,
        re.MULTILINE,
    )
