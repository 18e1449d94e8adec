"""`runtree mlflow push models:/NAME@ALIAS`, read back with MLflow's client and loaded by its pyfunc."""

import os
from pathlib import Path
from typing import Any

import pytest
from mlflow.tracking import MlflowClient

from conftest import Server
from runtree import load_model
from runtree.cli.main import main
from runtree.plugins import installed_plugins
from runtree.records.layout import RunFolder
from runtree.records.model_versions import find_model
from runtree.records.record import read_record
from runtree.registry.store import Registry
from runtree.registry.verify import find_faults


@pytest.fixture
def registry(one: Path, folder: Path) -> Registry:
    registry = Registry(folder / "registry", installed_plugins(), "anna")
    registry.register("churn", read_record(RunFolder(one)), {"team": "credit"})
    registry.set_policy("churn", {"protected": []})
    registry.move_alias("churn", "1", "champion")
    return registry


def push(store: str, *words: str) -> int:
    return main(["mlflow", "push", *words, "--uri", store])


def test_a_version_is_registered_once_with_tags_card_aliases_and_a_model_that_loads(
    registry: Registry, store: str, folder: Path
) -> None:
    import mlflow
    import pandas as pd

    assert push(store) == 0  # its run alone
    assert push(store, "models:/churn@champion") == push(store, "models:/churn/1") == 0
    client = MlflowClient(tracking_uri=store)
    [found] = client.search_model_versions("name='churn'")
    assert (found.tags["runtree.version"], found.tags["runtree.tag.team"]) == ("1", "credit")
    assert found.tags["runtree.content"] == find_model(registry.root, "churn").versions[1].content
    assert found.description.startswith("# churn, version 1")
    assert found.run_id == client.search_runs(["1"])[0].info.run_id
    assert str(client.get_model_version_by_alias("churn", "champion").version) == str(found.version)
    mlflow.set_tracking_uri(store)
    predicted = mlflow.pyfunc.load_model(f"models:/churn/{found.version}").predict(rows(folder))
    assert isinstance(predicted, pd.DataFrame) and next(iter(predicted)) == "prediction"
    # the files of the version are as they were registered
    assert list(find_faults(find_model(registry.root, "churn"))) == []
    registry.remove_alias("churn", "champion")
    client.set_registered_model_alias("churn", "of-another", found.version)
    registry.decide("churn", "1", "reject", "too old")
    push(store, "models:/churn")
    [found] = client.search_model_versions("name='churn'")
    assert found.tags["runtree.state"] == "rejected"
    assert dict(client.get_registered_model("churn").aliases) == {"of-another": found.version}


def rows(folder: Path) -> Any:
    import pandas as pd

    table = next(iter(sorted(folder.glob("*.csv"))))
    return pd.read_csv(table).head(3)


def test_an_encrypted_version_is_refused(
    registry: Registry, store: str, one: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("cryptography")
    from runtree.records.sealed import parse_key

    registry.register("sealed", read_record(RunFolder(one)), {}, key=parse_key(os.urandom(32).hex(), "key"))
    assert push(store, "models:/sealed") == 2
    assert "is encrypted, and MLflow would keep it in plain" in capsys.readouterr().err


def test_a_version_is_registered_at_a_server_and_loads_from_there(
    registry: Registry, server: Server, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlflow

    assert push(server.uri, "models:/churn@champion") == push(server.uri, "models:/churn@champion") == 0
    client = MlflowClient(server.uri)
    [found] = client.search_model_versions("name='churn'")
    assert (found.status, found.tags["runtree.version"], found.tags["runtree.tag.team"]) == ("READY", "1", "credit")
    assert str(client.get_model_version_by_alias("churn", "champion").version) == str(found.version)
    mlflow.set_tracking_uri(server.uri)
    predicted = mlflow.pyfunc.load_model("models:/churn@champion").predict(rows(folder))
    own = load_model("models:/churn@champion").predict(rows(folder))
    assert predicted["prediction"].tolist() == own.tolist()
