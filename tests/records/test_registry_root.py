"""Where registered models are: the key `registry` of the user's config, the variable, from the shell and from Python."""

import pytest

import runtree as rt
from registered_runs import write_run
from runtree.contract.errors import ConfigError
from runtree.records.model_versions import registry_root


def configure(folder, text):
    (folder / "conf").mkdir(exist_ok=True)
    (folder / "conf" / "config.yaml").write_text(text)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("seed: 1\n", "registry"),
        ("registry: null\n", "registry"),
        ("registry: ../models\n", "../models"),
        ("registry: /srv/models\n", "/srv/models"),
        ("registry: ~/models\n", "/home/anna/models"),
        ("registry: ${oc.env:TEAM}/models\n", "/teams/a/models"),
        ("registry: ${oc.env:NOBODY,/srv}/models\n", "/srv/models"),
    ],
)
def test_the_key_of_the_config_names_the_folder(folder, monkeypatch, text, place):
    monkeypatch.setenv("HOME", "/home/anna")
    monkeypatch.setenv("TEAM", "/teams/a")
    configure(folder, text)
    assert str(registry_root()) == place
    monkeypatch.setenv("RUNTREE_REGISTRY", "/from/the/variable")
    assert str(registry_root()) == "/from/the/variable"


@pytest.mark.parametrize("text", ["5", "[a]", "''", "${outputs}/registry", "${oc.env:NOBODY}"])
def test_what_names_no_folder_is_refused_and_not_passed_over(folder, text):
    configure(folder, f"registry: {text}\n")
    with pytest.raises(ConfigError, match=r"registry: '.*' names no folder"):
        registry_root()


@pytest.mark.parametrize("kind", ["relative", "absolute"])
def test_a_registry_elsewhere_is_that_of_every_command_and_of_python(folder, runtree, kind):
    place = folder.parent / f"{folder.name}-{kind}" / "models"
    configure(folder, f"registry: {place if kind == 'absolute' else f'../{place.parent.name}/models'}\n")
    record = write_run(folder / "r1")
    assert runtree("models", "register", str(record.folder), "churn").code == 0
    assert runtree("models", "promote", "churn/1", "live").code == 0
    assert (place / "churn" / "versions" / "1").is_dir() and not (folder / "registry").exists()
    assert runtree("models", "verify").code == 0
    assert runtree("show", "models:/churn@live").code == 0
    assert rt.load_run("models:/churn@live").folder.resolve() == (place / "churn" / "versions" / "1").resolve()
    place.rename(place.with_name("moved"))
    assert runtree("show", "models:/churn@live").code == 5
    configure(folder, f"registry: {place.with_name('moved')}\n")
    assert runtree("models", "verify").code == 0
    assert rt.load_run("models:/churn/1").id == record.id
