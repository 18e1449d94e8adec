import os
import warnings
import zipfile

import numpy as np
import pandas as pd
import pytest

from conformance.shipped import RUN_CODE
from runtree.app import App
from runtree.config.build import build, build_algorithm
from runtree.contract.errors import RequestError, UntrustedError
from runtree.contract.types import TASKS
from runtree.training import model_files
from runtree.training.model_files import TRUSTED, load_skops, save_skops

APP = App()
GROUPS = APP.catalogue.groups
FITS = [
    (name, task)
    for name in GROUPS["algorithm"]
    for task in TASKS
    if GROUPS["algorithm"][name].provider == "runtree"
    and name not in RUN_CODE
    and not name.startswith("torch_")  # tests/algorithms
    and task in APP.catalogue.node("algorithm", name)["_target_"]
]
QUICK = {"n_estimators": 5, "max_iter": 5}


def node(group, name):
    def settle(value):
        known = {"${seed}": 0, "${compute.threads}": 1}
        return (
            {key: settle(item) for key, item in value.items()}
            if isinstance(value, dict)
            else known.get(str(value), value)
        )

    found = settle(APP.catalogue.node(group, name))
    small = ("n_estimators",) if name not in ("hist_gradient_boosting",) else ("max_iter",)
    return found | {key: QUICK[key] for key in small if key in found}


def a_model(algorithm, task, preprocess="standard", columns=3):
    from sklearn.pipeline import Pipeline

    rng = np.random.default_rng(0)
    features = pd.DataFrame(rng.normal(size=(60, columns)), columns=[f"x{n}" for n in range(columns)])
    target = (
        np.where(features["x0"] > 0, "yes", "no") if task == "classification" else features["x0"].abs().to_numpy() + 1
    )
    first = build(node("preprocess", preprocess), "preprocess", APP.allow_list())
    last = build_algorithm(node("algorithm", algorithm), task, APP.allow_list())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a handful of iterations does not converge
        last.fit(first.fit_transform(features, target), target)
    return Pipeline([("preprocess", first), ("algorithm", last)]), features


@pytest.mark.parametrize(("algorithm", "task"), FITS)
def test_every_shipped_algorithm_comes_back_the_same_with_trusted_types_alone(tmp_path, algorithm, task):
    model, features = a_model(algorithm, task)
    assert save_skops(model, tmp_path) == "skops"
    loaded = load_skops(tmp_path, TRUSTED)
    assert np.array_equal(loaded.predict(features), model.predict(features))


@pytest.mark.parametrize("preprocess", list(GROUPS["preprocess"]))
def test_every_shipped_preprocessing_comes_back(tmp_path, preprocess):
    model, features = a_model("logistic", "classification", preprocess)
    save_skops(model, tmp_path)
    assert np.array_equal(load_skops(tmp_path, TRUSTED).predict_proba(features), model.predict_proba(features))


def test_a_strange_type_is_refused_and_the_way_out_is_named(tmp_path):
    model, _ = a_model("ridge", "regression")
    save_skops(model, tmp_path)
    some = TRUSTED - {"runtree.preprocess.numeric.ImputeScale"}
    with pytest.raises(UntrustedError) as caught:
        load_skops(tmp_path, some)
    assert "--trust runtree.preprocess.numeric.ImputeScale" in str(caught.value)
    assert load_skops(tmp_path, [*some, "runtree.preprocess.numeric.ImputeScale"]) is not None


def test_a_file_that_would_run_code_is_refused(tmp_path):
    from functools import partial
    from os import system

    import skops.io
    from sklearn.preprocessing import FunctionTransformer

    skops.io.dump(FunctionTransformer(partial(system, "touch pwned")), tmp_path / "model.skops")
    with pytest.raises(UntrustedError, match="system"):
        load_skops(tmp_path, TRUSTED)


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(RequestError, match="no such model file"):
        load_skops(tmp_path, TRUSTED)


def test_what_is_no_scikit_learn_model_is_left_to_others(tmp_path):
    assert save_skops(object(), tmp_path) is None
    assert list(tmp_path.iterdir()) == []


def test_nothing_dangerous_is_in_the_list():
    # FunctionTransformer calls a function, which has to be in the list itself: `system` above is not
    assert not [
        name
        for name in TRUSTED - {"sklearn.preprocessing._function_transformer.FunctionTransformer"}
        if "Function" in name or "Unpickl" in name or name.startswith(("builtins", "os."))
    ]
    functions = {name for name in TRUSTED if name.rpartition(".")[2][0].islower()}
    assert functions == {"functools.partial", "numpy.dtype", "sklearn.utils.validation.check_array"}


@pytest.mark.parametrize("limit", ["MAX_SCHEMA_BYTES", "MAX_UNPACKED_BYTES"])
def test_an_archive_that_would_become_too_large_is_refused_before_it_is_unpacked(tmp_path, monkeypatch, limit):
    with zipfile.ZipFile(tmp_path / "model.skops", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("schema.json", b"[" * 2_000_000)
    monkeypatch.setattr(model_files, limit, 1_000_000)
    monkeypatch.setattr(zipfile.ZipFile, "open", lambda *arguments: pytest.fail("it was read"))
    with pytest.raises(UntrustedError, match="2,000,000"):
        load_skops(tmp_path, ())


@pytest.mark.parametrize("kind", ["fifo", "link", "no archive"])
def test_what_is_no_archive_is_not_read(tmp_path, kind):
    file = tmp_path / "model.skops"
    if kind == "fifo":
        os.mkfifo(file)
    elif kind == "link":
        file.symlink_to("/etc/hostname")
    else:
        file.write_text("text")
    with pytest.raises(RequestError, match=r"model\.skops"):
        load_skops(tmp_path, ())


def test_the_archive_is_what_skops_itself_writes_but_for_its_layout(tmp_path):
    """Ids of objects name the members, so two archives of one model differ in these alone."""
    import json

    import skops.io

    model, features = a_model("random_forest", "classification")
    save_skops(model, tmp_path)
    skops.io.dump(model, tmp_path / "theirs.skops")
    schemas = []
    for file in (tmp_path / "model.skops", tmp_path / "theirs.skops"):
        with zipfile.ZipFile(file) as archive:
            assert archive.testzip() is None
            schemas.append((len(archive.namelist()), json.loads(archive.read("schema.json"))))
    (ours, schema), (theirs, their_schema) = schemas
    assert ours == theirs
    assert schema.keys() == their_schema.keys()
    loaded = skops.io.load(tmp_path / "model.skops", trusted=sorted(TRUSTED))
    np.testing.assert_array_equal(loaded.predict_proba(features), model.predict_proba(features))
