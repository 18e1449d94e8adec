"""Versions whose files are sealed: verified without the key, opened with it alone, exchanged by nobody."""

import shutil

import pandas as pd
import pytest

from registered_runs import QuietHooks, write_run
from runtree.contract.errors import ConfigError, RequestError
from runtree.lifecycle.predict import load_predictor
from runtree.records.layout import RunFolder
from runtree.records.model_versions import find_model
from runtree.records.sealed import is_sealed, parse_key, plain_source
from runtree.registry.figures import _test_predictions, _test_rows
from runtree.registry.store import Registry
from runtree.registry.verify import find_faults

pytest.importorskip("cryptography")
TEXT = "ab" * 32


@pytest.fixture
def registry(tmp_path, monkeypatch):
    monkeypatch.setenv("CHURN_KEY", TEXT)
    return Registry(tmp_path / "registry", QuietHooks(), "anna")


def write_sealed(folder, **facts):
    return write_run(folder, config={"encrypt.key": "${secret:CHURN_KEY}", "encrypt.file": None}, **facts)


def test_model_and_predictions_are_sealed_and_verified_without_the_key(registry, tmp_path, monkeypatch):
    record = write_sealed(tmp_path / "r1", content=b"weights of the model")
    version = registry.register("churn", record, {})
    sealed = {str(f.relative_to(version.folder)) for f in version.folder.rglob("*") if f.is_file() and is_sealed(f)}
    assert sealed == {"model/model.json", "model/weights.bin", "predictions.parquet"}
    assert not any(b"weights of" in file.read_bytes() for file in registry.root.rglob("*") if file.is_file())
    predictions = RunFolder(version.folder).predictions
    assert pd.read_parquet(plain_source(predictions)).equals(pd.read_parquet(record.folder / "predictions.parquet"))
    assert len(_test_predictions(version, _test_rows(version)).y_true) == 50
    with pytest.raises(RequestError, match="is the model of run r1 already"):
        registry.register("churn", record, {})
    monkeypatch.delenv("CHURN_KEY")
    assert list(find_faults(find_model(registry.root, "churn"))) == []
    with pytest.raises(RequestError, match="export CHURN_KEY="):
        plain_source(predictions)
    with pytest.raises(ConfigError, match="the secret CHURN_KEY is not set"):
        registry.register("churn", write_sealed(tmp_path / "r2"), {})


def test_a_key_that_is_named_seals_a_run_whose_config_names_none(registry, tmp_path):
    version = registry.register("churn", write_run(tmp_path / "r1"), {}, key=parse_key(TEXT, "--encrypt"))
    assert is_sealed(version.folder / "model/model.json")
    assert not is_sealed(registry.register("churn", write_run(tmp_path / "r2"), {}).folder / "model/model.json")


def test_a_file_of_another_version_is_refused_by_name_though_a_manifest_was_made_for_it(registry, tmp_path):
    first, second = (registry.register("churn", write_sealed(tmp_path / name), {}) for name in ("r1", "r2"))
    shutil.copytree(first.folder, second.folder, dirs_exist_ok=True)
    with pytest.raises(RequestError, match=r"is not models:/churn/2/model/model.json, but the sealed models:/churn/1/"):
        load_predictor(RunFolder(second.folder), QuietHooks())
    (second.folder / "model/model.json").write_bytes(b"")
    with pytest.raises(RequestError, match="not the file that the run wrote"):
        load_predictor(RunFolder(second.folder), QuietHooks())
