import pytest
import yaml

QUICK, TPE, BOUND = "experiment=quickstart", "tuner=tpe", "tuner.stop.max_runs=50"


@pytest.fixture
def asked_for(monkeypatch):
    """Catch what would be carried out."""
    caught = []
    monkeypatch.setattr("runtree.cli.train.run_training", lambda app, flags: caught.append(flags) or 0)
    return caught


@pytest.mark.parametrize(
    ("typed", "added"),
    [
        ([], [QUICK]),
        (["algorithm.max_depth=3", "seed=1"], [QUICK]),
        (["algorithm=ridge"], [TPE, BOUND]),
        (["data=iris", "tuner.stop.patience.runs=3"], [TPE, BOUND]),
        (["algorithm=ridge", "tuner.stop.max_runs=9"], [TPE]),
        (["algorithm=ridge", "tuner.stop.max_seconds=9"], [TPE]),
        (["algorithm=ridge", "tuner=random"], [BOUND]),
        (["algorithm=ridge", "tuner=grid"], []),
        (["experiment=quickstart"], []),
        (["algorithm=nope"], []),
        (["-cn", "mine"], []),
    ],
)
def test_a_tuner_and_a_bound_are_added_where_nothing_says_so(runtree, folder, asked_for, typed, added):
    (folder / "conf").mkdir()
    (folder / "conf" / "mine.yaml").write_text(
        "defaults: [config, override /tuner: random, _self_]\ntuner: {stop: {max_seconds: 5}}\n"
    )
    said = runtree("tune", *typed)
    assert said.code == 0, said.err
    [flags] = asked_for
    assert flags.multirun
    assert flags.overrides == [*added, *(text for text in typed if "=" in text)]
    assert said.err == (f"adding {' '.join(added)}\n" if added else "")


def test_hydras_flags_show_what_would_be_tuned(runtree):
    said = runtree("tune", "algorithm=ridge", "--cfg", "job")
    assert said.code == 0, said.err
    tuner = yaml.safe_load(said.out)["tuner"]
    assert (tuner["name"], tuner["stop"]["max_runs"]) == ("tpe", 50)


def test_a_tuned_sweep_is_the_same_as_train_m(runtree, real_sweep):
    said = runtree("tune", *real_sweep_words())
    assert said.code == 0, said.err
    assert table(said.out) == table(real_sweep.out)


def real_sweep_words():
    return ["algorithm=knn", "data=iris", "tuner.stop.max_runs=4", "compute.engine=in_process"]


def table(out: str) -> list[str]:
    """Return the rows of the ranking, less how long they took."""
    return [line.rpartition("  ")[0] for line in out.splitlines() if line.strip()[:1].isdigit()]
