from pathlib import Path

import pytest

from runtree.config.config_files import read_yaml
from runtree.config.search_path import shipped_conf

TABLE = "age;spend;left us\n" + "".join(
    f"{20 + row};{row * 7 % 13};{'yes' if row % 3 else 'no'}\n" for row in range(60)
)


def everything() -> dict[str, bytes]:
    """Return the content of every file here."""
    return {str(path): path.read_bytes() for path in sorted(Path().rglob("*")) if path.is_file()}


def test_an_empty_folder_gets_an_experiment_a_gitignore_and_a_readme(runtree):
    said = runtree("init")
    assert said.code == 0
    assert set(everything()) == {"conf/experiment/baseline.yaml", ".gitignore", "README.md"}
    assert Path("conf/experiment/baseline.yaml").read_text().startswith("# @package _global_\n")
    assert "outputs/" in Path(".gitignore").read_text()
    assert said.out.count("created") == 3
    assert "\nnext     runtree train experiment=baseline\n" in said.out


def test_the_example_composes(runtree):
    runtree("init")
    said = runtree("train", "experiment=baseline", "--cfg", "job", "--resolve")
    assert said.code == 0
    assert "name: breast_cancer" in said.out
    assert "name: baseline" in said.out


def test_nothing_that_exists_is_overwritten(runtree):
    Path("README.md").write_text("mine")
    Path("conf/experiment").mkdir(parents=True)
    Path("conf/experiment/baseline.yaml").write_text("seed: 1\n")
    said = runtree("init")
    assert Path("README.md").read_text() == "mine"
    assert Path("conf/experiment/baseline.yaml").read_text() == "seed: 1\n"
    assert "kept     README.md, which exists already" in said.out
    before = everything()
    assert runtree("init").code == 0
    assert everything() == before


def test_what_is_printed_works_when_it_is_typed(runtree, monkeypatch):
    Path("my customers.csv").write_text(TABLE)
    said = runtree("init", "new folder", "--data", "my customers.csv", "--target", "left us")
    assert "next     cd 'new folder' && runtree train experiment=baseline\n" in said.out
    option = read_yaml(Path("new folder/conf/data/my_customers.yaml"))
    assert (option["separator"], option["target"]) == (";", "left us")
    monkeypatch.chdir("new folder")
    done = runtree("train", "experiment=baseline", "algorithm.n_estimators=5")
    assert done.code == 0, done.err
    assert "my_customers: 60 rows, 2 columns" in done.out
    assert "1 run" in runtree("runs").out


def test_a_table_inside_the_folder_is_named_relative_to_it(runtree):
    Path("customers.csv").write_text(TABLE)
    runtree("init", "--data", "customers.csv", "--target", "age")
    assert read_yaml(Path("conf/data/customers.yaml"))["path"] == "customers.csv"


def test_a_second_table_is_chosen_on_the_command_line(runtree):
    runtree("init")
    Path("customers.csv").write_text(TABLE)
    said = runtree("init", "--data", "customers.csv", "--target", "age")
    assert "next     runtree train experiment=baseline data=customers" in said.out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--target", "age"], "name the file: --data"),
        (["--data", "customers.csv"], "one of age, spend, left us"),
        (["--data", "customers.csv", "--target", "agee"], "did you mean: age?"),
        (["--data", "nix.csv", "--target", "age"], "no file nix.csv"),
        (["--data", "empty.csv", "--target", "age"], "no header line"),
        (["customers.csv"], "customers.csv"),
    ],
)
def test_a_wrong_wish_writes_nothing(runtree, words, message):
    Path("customers.csv").write_text(TABLE)
    Path("empty.csv").write_text("")
    before = everything()
    said = runtree("init", *words)
    assert said.code == 2
    assert message in said.err
    assert everything() == before


def test_the_source_of_runtree_itself_is_left_alone(runtree, monkeypatch):
    before = sorted(shipped_conf().rglob("*"))
    monkeypatch.chdir(shipped_conf().parent)
    assert runtree("init").code == 2
    assert sorted(shipped_conf().rglob("*")) == before
