"""The mistakes that people make: five lines at most, no traceback, the right exit code, and what to do."""

import sys

import pytest

from runtree.testing.fixtures import UNEXAMINED


@pytest.fixture
def tables(folder):
    rows = [f"{n},{'abc'[n % 3]},{'pq'[n % 2]}" for n in range(60)]
    (folder / "good.csv").write_text("\n".join(["x,city,y", *rows]))
    (folder / "holes.csv").write_text("\n".join(["x,y", *(f"{n},{'' if n % 3 == 0 else n % 2}" for n in range(60))]))
    (folder / "one.csv").write_text("\n".join(["x,y", *(f"{n},p" for n in range(60))]))
    (folder / "header.csv").write_text("x,y\n")
    (folder / "empty.csv").write_text("")
    (folder / "none").mkdir()
    (folder / "ragged.csv").write_text("a,b\n1,2\n1,2,3,4\n")
    (folder / "latin.csv").write_bytes("x,y\n1,é\n".encode("latin-1"))
    (folder / "words.parquet").write_text("no parquet")
    (folder / "pq.csv").write_bytes(b"PAR1\x15\x04\x15")


CSV = ("data=csv", "algorithm=dummy")
CASES = [
    # what is typed, exit code, what must be said
    (["algoritm=ridge"], 2, ["unknown config key 'algoritm'", "did you mean: algorithm"]),
    (["extra.note=1"], 2, ["unknown config key 'extra.note'", "did you mean: extras.note?"]),
    (["algorithm=rigde"], 2, ["unknown option of algorithm 'rigde'", "did you mean: ridge", "runtree list algorithm"]),
    (
        ["algorithm=random_forest", "algorithm.n_estimator=5"],
        2,
        ["algorithm.n_estimator", "did you mean: algorithm.n_estimators", "runtree describe"],
    ),
    (
        ["n_estimators=5", "algorithm=random_forest"],
        2,
        ["it lives at algorithm.n_estimators", "algorithm.n_estimators=5"],
    ),
    (["lr=0.1", "algorithm=mlp"], 2, ["it lives at algorithm.learning_rate"]),
    (["C=0.1"], 2, ["'C' is a key of", "algorithm=logistic"]),
    (["algorithm.C=0.1"], 2, ["'C' is a key of", "algorithm=logistic"]),
    (["algorithm.n_neighbours=3"], 2, ["did you mean: algorithm.n_neighbors?", "a key of algorithm=knn"]),
    (["algorithm=mlp", "algorithm.lr=0.1"], 2, ["did you mean: algorithm.learning_rate?", "describe algorithm=mlp"]),
    (["n_estimator=5", "algorithm=random_forest"], 2, ["did you mean: algorithm.n_estimators?"]),
    (["experiment.nme=x"], 2, ["did you mean: experiment.name?"]),
    (["preprocess.zzz.y=1"], 2, ["possible: preprocess.", "runtree describe preprocess=tabular"]),
    (["algorithm.zzz=1"], 2, ["unknown config key 'algorithm.zzz'", "possible: algorithm."]),
    (["zzz=1"], 2, ["unknown config key 'zzz'", "possible: algorithm"]),
    (["algorithm=ridge,lasso"], 2, ["algorithm=ridge,lasso has several values", "train -m algorithm=ridge,lasso"]),
    (["-m", "algorithm=dummy,rigde"], 2, ["unknown option of algorithm 'rigde'"]),
    (["seed=seven"], 2, ["seed: 'seven' is not an integer"]),
    (["data.test_size=half"], 2, ["data.test_size: 'half' is not of the type"]),
    (["algorithm=logistic", "algorithm.C=abc"], 2, ["algorithm.C: ", "must be a float", "'abc'"]),
    (["algorithm=logistic", "algorithm.C=-1"], 2, ["algorithm.C: ", "Got -1"]),
    (["compute.threads=0"], 2, ["compute.threads: 0"]),
    (["compute=gpu"], 2, ["compute: device cuda is not available", "compute=cpu"]),
    (["algorithm=lasso"], 2, ["algorithm=lasso supports regression", "data.task=regression"]),
    (["experiment.name=a/b"], 2, ["experiment.name: 'a/b' is not a valid folder name"]),
    (
        ["objective.metric=roc_auc", "algorithm=ridge"],
        2,
        ["objective.metric: roc_auc needs probabilities", "balanced_accuracy"],
    ),
    (["objective.metric=acc"], 2, ["objective.metric: 'acc'", "accuracy"]),
    (["evaluator.metrics=[acuracy]"], 2, ["evaluator.metrics: 'acuracy'", "did you mean: accuracy"]),
    (["evaluator=cross_validation", "evaluator.folds=1", "algorithm=dummy"], 2, ["evaluator: 1 folds"]),
    (
        ["evaluator=cross_validation", "evaluator.kind=groups", "algorithm=dummy"],
        2,
        ["'groups'", "did you mean: group"],
    ),
    (["evaluator=nested_cross_validation", "evaluator.tuner=tp"], 2, ["evaluator.tuner: 'tp'", "did you mean: tpe"]),
    (["evaluator=nested_cross_validation", "algorithm=dummy"], 2, ["algorithm=dummy has no dimension left to search"]),
    (["data=csv"], 2, ["data.path: a value is required", "data.path="]),
    ([*CSV, "data.path=nope.csv", "data.target=y"], 2, ["data.path: no file nope.csv", "good.csv"]),
    ([*CSV, "data.path=empty.csv", "data.target=y"], 2, ["data.path: empty.csv is empty"]),
    ([*CSV, "data.path=header.csv", "data.target=y"], 2, ["data: the table has no rows"]),
    ([*CSV, "data.path=ragged.csv", "data.target=a"], 2, ["ragged.csv is not a table", "data.separator"]),
    (
        [*CSV, "data.path=latin.csv", "data.target=y", "data.encoding=utf-8"],
        2,
        ["not encoded in utf-8", "data.encoding=latin-1"],
    ),
    ([*CSV, "data.path=pq.csv", "data.target=y"], 2, ["pq.csv is a Parquet file, not a CSV file", "data=parquet"]),
    ([*CSV, "data.path=none", "data.target=y"], 2, ["none is a folder without a table", ".csv"]),
    (["data=parquet", "data.path=words.parquet", "data.target=y"], 2, ["words.parquet is not a Parquet file"]),
    ([*CSV, "data.path=good.csv", "data.target=Y"], 2, ["unknown column at data.target: 'Y'", "city, x, y"]),
    ([*CSV, "data.path=good.csv", "data.target=y", "data.drop=[citi]"], 2, ["data.drop: 'citi'", "did you mean: city"]),
    ([*CSV, "data.path=holes.csv", "data.target=y"], 2, ["column 'y' is missing in 20 of 60 rows"]),
    ([*CSV, "data.path=one.csv", "data.target=y"], 2, ["only one class: 'p'"]),
    ([*CSV, "data.path=good.csv", "data.target=city", "data.task=regression"], 2, ["needs numbers", "classification"]),
    (
        [*CSV, "data.path=good.csv", "data.target=y", "preprocess=none"],
        2,
        ["column 'city' holds text", "preprocess=tabular"],
    ),
    (["algorithm=import", "algorithm.path=nomodule:X"], 4, ["algorithm._target_: 'nomodule.X'"]),
    (["algorithm.C=[1,2"], 2, ["algorithm.C: the value '[1,2' cannot be read"]),
    (["dummy"], 2, ["'dummy' is not an override", "key=value"]),
    (["--foo"], 2, ["unknown flag --foo"]),
    (["--resolve"], 2, ["--cfg"]),
    (["-cd", "nowhere", "algorithm=dummy"], 2, ["there is no folder nowhere"]),
    (
        ["-m", "seed=1,2", "--cfg", "job"],
        2,
        ["--multirun and --cfg cannot be combined", "runtree plan"],
    ),
]


@pytest.mark.parametrize(("typed", "code", "says"), CASES, ids=[" ".join(case[0]) for case in CASES])
def test_a_mistake_is_answered_in_five_lines(runtree, tables, typed, code, says):
    said = runtree("train", *typed)
    assert said.code == code, said.err
    # what is noted of the table before the fit may precede an error in the fit
    error = "".join(line for line in said.err.splitlines(keepends=True) if not line.startswith("warning: "))
    assert error.startswith("error: ")
    assert len(error.splitlines()) <= 5
    assert "Traceback" not in said.err
    assert [words for words in says if words not in error] == [], said.err
    assert said.out == ""


IRIS = ("-m", "data=iris", "compute.engine=in_process")
SWEEPS = [
    (
        ["algorithm=logistic", "tuner=tpe"],
        ["tuner.stop: this sweep would never end", "max_runs=50", "patience.runs=20"],
    ),
    (["algorithm=logistic", "tuner=tpe", "tuner.stop.target=0.9"], ["this sweep would never end"]),
    (["algorithm=logistic", "tuner=tep"], ["unknown option of tuner 'tep'", "did you mean: tpe"]),
    (["algorithm=logistic", "tuner=tpe,random"], ["tuner: a whole sweep has one tuner"]),
    (
        ["algorithm=logistic", "tuner=random", "++algorithm.C=interval(0,1)", "tuner.stop.max_runs=3"],
        ["++algorithm.C: each value needs a config of its own", "takes a list of values", "algorithm.C=…"],
    ),
    (["algorithm=interval(0,1)", "tuner=random"], ["algorithm: each value needs a config of its own", "algorithm=A,B"]),
    (["tuner.stop.max_run=3"], ["unknown config key 'tuner.stop.max_run'", "did you mean: tuner.stop.max_runs"]),
    (["tuner.stop.max_runs=0"], ["tuner.stop.max_runs: 0 is not a whole number from 1"]),
    (["algorithm=logistic", "evaluator=holdout,cross_validation", "tuner=tpe"], ["evaluator: a tuner compares scores"]),
    (["algorithm=logistic", "seed=1,2.5"], ["seed: 1,2.5 is not a list of whole numbers"]),
    (["algorithm=logistic", "seed=1,2", "tuner.repeats=3"], ["tuner.repeats=3 takes as many seeds", "2 are named"]),
    *(
        (["algorithm=knn", swept, f"tuner.stop.{criterion}=2"], [f"tuner.stop.{criterion} needs one ranking", key])
        for swept, key in (("data=iris,wine", "data"), ("data.test_size=0.2,0.3", "data.test_size"))
        for criterion in ("patience.runs", "target", "convergence.window")
    ),
    (["algorithm=logistic", "algorithm.D=1,2"], ["unknown config key 'algorithm.D'", "possible: algorithm.C"]),
    (
        ["tuner=random", "algorithm.C=tag(log,interval(1e-4,1e2))", "tuner.stop.patience.runs=10"],
        ["unknown config key 'algorithm.C'", "'C' is a key of", "algorithm=logistic"],
    ),
    (
        ["algorithm=logistic,knn", "algorithm.max_depth=range(2,12)", "tuner=random", "tuner.stop.max_runs=3"],
        ["'max_depth' is a key of", "algorithm=random_forest"],
    ),
    (["algorithm=knn", "n_neighbors=1,2"], ["it lives at algorithm.n_neighbors: type algorithm.n_neighbors=1,2"]),
    (["algorithm=knn,logistic", "algorithm.n_neighbor=1,2"], ["did you mean: algorithm.n_neighbors?"]),
    (
        ["algorithm=logistic", "algorithm.C=range(5,1)"],
        ["algorithm.C: its search space is empty", "stops before its end"],
    ),
    (["algorithm=logistic", "algorithm.C=interval(0,1)"], ["algorithm.C: a grid needs a finite space", "tuner=tpe"]),
    (
        ["algorithm=logistic", "tuner=tpe", "algorithm.C=interval(-1,1)", "tuner.stop.max_runs=3"],
        ["algorithm.C=-1", "in the space"],
    ),
    (
        ["algorithm=random_forest", "tuner=hyperband", "tuner.stop.max_runs=3"],
        ["algorithm=random_forest reports nothing to prune by", "evaluator=cross_validation"],
    ),
    (["algorithm=dummy", "tuner=tpe", "tuner.stop.max_runs=3"], ["algorithm=dummy: there is nothing to tune"]),
    (
        ["evaluator=nested_cross_validation", "algorithm=ridge", "tuner=tpe", "tuner.stop.max_runs=3"],
        ["it searches algorithm.alpha in each run", "evaluator=cross_validation"],
    ),
    (["tuner.constraints=[x]"], ["tuner.constraints: 'x' does not bound a metric", "validation.log_loss <= 0.3"]),
    (['tuner.constraints="log_los <= 1"'], ["metric at tuner.constraints: 'log_los'", "did you mean: log_loss"]),
    (["tuner.constraints=[f1 >= 1,mcc>=0]"], ["cannot be read", """'tuner.constraints=["f1 >= 1", "mcc>=0"]'"""]),
    (["compute.slots=0"], ["compute.slots: 0 must be -1"]),
    (["algorithm=knn", "algorithm.n_neighbors=1,0"], ["algorithm.n_neighbors=0 in the space", "int in the range"]),
    (
        ["algorithm=dummy,knn", "algorithm.n_neighbors=range(1,1e2)"],
        ["=1.0 in the space", "'algorithm.n_neighbors=int(…)'"],
    ),
    (
        ["algorithm=knn", "algorithm.n_neighbors=1,2", "tuner=asha", "tuner.own_space=false"],
        ["algorithm=knn reports nothing to prune by"],
    ),
    (["compute.slots=1,2"], ["compute.slots: a whole sweep has one compute.slots"]),
    (["experiment.name=a,b"], ["experiment.name: a whole sweep has one experiment"]),
    (["outputs=a,b"], ["outputs: a whole sweep has one outputs"]),
    (
        ["objective.metric=f1,fit_seconds"],
        ["all runs of a sweep are ranked by the same objective", "'objective.metric=[f1,fit_seconds]'"],
    ),
]


@pytest.mark.parametrize(("typed", "says"), SWEEPS, ids=[" ".join(case[0]) for case in SWEEPS])
def test_a_mistake_in_a_sweep_is_answered_before_its_first_run(runtree, folder, typed, says):
    said = runtree("train", *IRIS, *typed)
    assert said.code == 2, said.err
    assert said.err.startswith("error: ")
    assert len(said.err.splitlines()) <= 5
    assert [words for words in says if words not in said.err] == [], said.err
    assert said.out == ""
    assert not (folder / "outputs").exists()


def test_a_tuner_without_m_is_noted(runtree, folder):
    said = runtree("train", "algorithm=dummy", "data=iris", "tuner=tpe", "tuner.stop.max_runs=3", *UNEXAMINED)
    assert said.code == 0
    assert said.err.startswith("note: tuner=tpe tuner.stop.max_runs=3 has no effect on a single run")
    assert "tuner" not in runtree("train", "algorithm=dummy", "data=iris", *UNEXAMINED).err


def test_in_a_comparison_an_algorithm_that_cannot_work_is_told_as_it_fails(runtree, folder):
    said = runtree(
        "train", *IRIS, "algorithm=knn,lasso", "algorithm.alpha=-1,1", "tuner.keep=none", "tuner.report=false"
    )
    assert said.code == 1  # lasso is for regression: its alpha is not looked at
    assert "algorithm=lasso supports regression" in said.err
    assert "completed" in said.out


def test_a_yaml_error_names_file_and_line(runtree, folder):
    (folder / "conf" / "algorithm").mkdir(parents=True)
    (folder / "conf" / "algorithm" / "mine.yaml").write_text("name: mine\n  alpha: [\n")
    said = runtree("train", "algorithm=mine")
    assert said.code == 2
    assert "mine.yaml, line 2: not valid YAML" in said.err
    assert len(said.err.splitlines()) <= 5


def test_code_that_a_file_names_is_refused_and_the_way_out_is_named(runtree, folder):
    (folder / "conf" / "algorithm").mkdir(parents=True)
    (folder / "conf" / "algorithm" / "mine.yaml").write_text("name: mine\n_target_: os.system\ncommand: touch pwned\n")
    said = runtree("train", "algorithm=mine")
    assert said.code == 2
    assert "'os.system' is not code that a file or a record may name" in said.err
    assert "--trust os.system" in said.err
    assert not (folder / "pwned").exists()


def test_outputs_that_cannot_be_written_are_named(runtree, folder):
    (folder / "outputs").write_text("a file")
    said = runtree("train", "algorithm=dummy")
    assert said.code == 2
    assert "outputs: cannot write to outputs" in said.err
    assert "outputs=/path/to/folder" in said.err


def test_a_missing_extra_is_named(runtree, folder, monkeypatch):
    (folder / "conf" / "algorithm").mkdir(parents=True)
    (folder / "conf" / "algorithm" / "net.yaml").write_text("name: net\n_target_: {classification: torch.nn.Linear}\n")
    for name in [name for name in sys.modules if name == "torch" or name.startswith("torch.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "torch", None)
    said = runtree("train", "algorithm=net")
    assert said.code == 4
    assert "pip install 'runtree[torch]'" in said.err


def test_a_mistyped_verb_is_answered(runtree):
    assert "did you mean: train, retrain?" in runtree("tran").err
    assert "did you mean: runtree train seed=7\n" in runtree("seed=7").err
    assert runtree("tran").code == 2


def test_traceback_shows_where(runtree):
    assert "Traceback" in runtree("--traceback", "train", "seed=x").err


def test_a_failing_fit_is_exit_code_1_and_its_traceback_is_in_the_log(runtree, folder):
    (folder / "mine.py").write_text(
        "from sklearn.base import ClassifierMixin, BaseEstimator\n"
        "class Broken(ClassifierMixin, BaseEstimator):\n"
        "    def fit(self, X, y):\n        raise RuntimeError('the disk melted')\n"
        "    def predict(self, X):\n        return X\n"
    )
    said = runtree("train", "algorithm=import", "algorithm.path=mine:Broken")
    assert said.code == 1
    assert "the disk melted" in said.err
    assert "Traceback" not in said.err
    [log] = folder.glob("outputs/default/*/log.txt")
    assert "Traceback" in log.read_text()
    assert str(log.parent.relative_to(folder)) in said.err
