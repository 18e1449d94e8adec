"""Files of a config folder that cannot be used: the path and what to do, and no listing that they break."""

import os
from pathlib import Path

import pytest

from runtree.config.allowlist import AllowList
from runtree.config.catalogue import Catalogue
from runtree.config.config_files import find_cycle, read_yaml
from runtree.config.freeze import check_root
from runtree.config.hydra_engine import HydraEngine
from runtree.config.search_path import SHIPPED, USER, ConfigFolder, shipped_conf
from runtree.contract.errors import ConfigError

GOOD = "name: fz\n_target_: sklearn.dummy.DummyClassifier\n"
UNUSABLE = {
    "latin-1": (b"name: \xf6\n", "not UTF-8 (byte 7)", "iconv -f latin1"),
    "utf-16": (GOOD.encode("utf-16"), "not UTF-8 (byte 1)", "iconv -f utf-16"),
    "a list": (b"- 1\n", "must hold a mapping, got a list", "key: value"),
    "a number": (b"5", "must hold a mapping, got a number", "key: value"),
    "a text": (b"text", "must hold a mapping, got a text", "key: value"),
    "a date": (b"2024-01-01", "must hold a mapping, got a date", "key: value"),
    "a key that is a number": (b"1: 2\n", "the key 1 is a number", '"1": …'),
    "a key that is true": (b"on: 2\n", "the key true is true or false", '"true": …'),
    "a key that is a list": (b"? [1]\n: 2\n", "unhashable", "compare its indentation"),
    "defaults are a number": (b"defaults: 5\n", "defaults must be a list, got a number", "as in: defaults: ["),
    "defaults are nothing": (b"defaults:\n", "defaults must be a list, got nothing", "as in: defaults: ["),
    "two groups in one": (
        b"defaults: [{a: b, c: d}]\n",
        "neither a name nor one 'group: option'",
        "as in: defaults: [",
    ),
    "a number among defaults": (b"defaults: [5]\n", "defaults: 5 is neither", "as in: defaults: ["),
    "an option that is a number": (b"defaults: [{data: 5}]\n", "neither a name nor one 'group: option'", "as in"),
    "a tab": (b"\tname: x\n", "line 1: not valid YAML", "compare its indentation"),
    "a NUL": (b"name: \x00\n", "not valid YAML", "compare its indentation"),
    "two documents": (b"a: 1\n---\nb: 1\n", "not valid YAML", "compare its indentation"),
    "brackets": (b"[" * 300, "nested more than 100 levels", "correct the file"),
    "dashes": (b"- " * 9000, "nest", ""),
    "digits": (b"a: 1" + b"0" * 5000, "digits", "correct the file"),
    "a folder": (Path.mkdir, "is not a regular file", "correct the file"),
    "a FIFO": (os.mkfifo, "is not a regular file", "correct the file"),
    "a link to itself": (lambda file: file.symlink_to(file.name), "Too many levels", "correct the file"),
    "a link to nothing": (lambda file: file.symlink_to("nothing"), "No such file", "correct the file"),
}
# what only Hydra refuses: it reads a file more strictly than a listing has to
STRICT = {
    "a name twice": (b"name: a\nname: b\n", "line 2: not valid YAML: found duplicate key name", "compare"),
    "half a package": (b"# @package\n" + GOOD.encode(), "Expected header format: KEY VALUE", "correct the file"),
    "a set": (b"x: !!set {a}\n" + GOOD.encode(), "cannot be read", "correct the file"),
}


@pytest.fixture
def conf(folder):
    (folder / "conf" / "algorithm").mkdir(parents=True)
    return folder / "conf"


def put(file, content):
    content(file) if callable(content) else file.write_bytes(content)


def engine():
    return HydraEngine([ConfigFolder(Path("conf"), USER)], (), AllowList())


@pytest.mark.parametrize("case", UNUSABLE)
def test_a_file_that_cannot_be_used_is_named_with_a_remedy_and_listed_around(conf, case, caplog):
    content, says, remedy = UNUSABLE[case]
    put(conf / "algorithm" / "fz.yaml", content)
    with pytest.raises(ConfigError) as refused:
        read_yaml(conf / "algorithm" / "fz.yaml")
    text = str(refused.value)
    assert text.startswith("conf/algorithm/fz.yaml")
    assert says in text
    assert remedy in "".join(refused.value.hints)
    (conf / "algorithm" / "good.yaml").write_text(GOOD)
    catalogue = Catalogue([ConfigFolder(conf, USER), ConfigFolder(shipped_conf(), SHIPPED)])
    for _ in range(2):
        names = [option.name for option, _ in catalogue.readable("algorithm")]
        assert "good" in names and "ridge" in names and "fz" not in names
    assert [record.getMessage() for record in caplog.records] == [f"{refused.value.message}; left out"]


@pytest.mark.parametrize("case", ["latin-1", "a number", "an option that is a number", "a FIFO", "dashes", *STRICT])
def test_hydra_meets_the_same_error_if_the_file_is_chosen_and_no_other(conf, case):
    content, says, remedy = (UNUSABLE | STRICT)[case]
    put(conf / "algorithm" / "fz.yaml", content)
    with pytest.raises(ConfigError) as refused:
        engine().compose(["algorithm=fz"])
    assert str(refused.value).startswith("conf/algorithm/fz.yaml")
    assert says in str(refused.value)
    assert remedy in "".join(refused.value.hints)
    assert engine().compose(["algorithm=ridge"]).algorithm.name == "ridge"


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_what_editors_on_windows_write_is_read(conf, ends):
    (conf / "experiment").mkdir()
    text = "# @package _global_\ndefaults:\n  - override /algorithm: ridge\nseed: 7\n".replace("\n", ends)
    (conf / "experiment" / "fz.yaml").write_bytes(b"\xef\xbb\xbf" + text.encode())
    composed = engine().compose(["experiment=fz"])
    assert (composed.seed, composed.algorithm.name) == (7, "ridge")


@pytest.mark.parametrize(
    "files",
    [
        {"fz": "[fz]"},
        {"fz": "[fz.yaml]"},
        {"fz": "[gz]", "gz": "[/algorithm/fz]"},
        {"fz": "[{/algorithm@x: gz}]", "gz": "[_self_, {/algorithm@y: [fz]}]"},
    ],
)
def test_defaults_that_lead_back_to_themselves_are_named(conf, files):
    for name, defaults in files.items():
        (conf / "algorithm" / f"{name}.yaml").write_text(f"defaults: {defaults}\n{GOOD}")
    assert {file.stem for file in find_cycle([conf])} == {*files}
    with pytest.raises(ConfigError, match=r"its defaults lead back to itself: conf/algorithm/.z.yaml → "):
        engine().compose(["algorithm=fz"])


def test_a_primary_config_that_cannot_be_read_breaks_no_listing(runtree, conf):
    (conf / "config.yaml").write_bytes(b"\xf6")
    for verb in (("list",), ("list", "algorithm"), ("runs",), ("describe", "algorithm=ridge")):
        said = runtree(*verb)
        assert (said.code, "Traceback" in said.err) == (0, False)
        assert said.err.count("conf/config.yaml: cannot be read") == said.err.count("\n")
    said = runtree("plan", "algorithm=ridge", "seed=1,2")
    assert (said.code, said.err.partition("\n")[0][:40]) == (2, "error: conf/config.yaml: cannot be read:")


@pytest.mark.parametrize("name", ["data", "preprocess", "algorithm", "evaluator", "objective", "experiment", "fit"])
@pytest.mark.parametrize("value", [None, 5, [1], "x"])
def test_a_group_or_block_that_is_no_mapping_is_told(name, value):
    with pytest.raises(ConfigError, match=rf"^{name}: .* is no mapping"):
        check_root({"seed": 0, "outputs": "o", "experiment": {"name": "x"}, name: value})


def test_a_sweep_refuses_it_too(runtree, folder):
    said = runtree("train", "-m", "data=iris", "algorithm=dummy", "++fit=1.0", "seed=1,2", "compute.engine=in_process")
    assert (said.code, said.err.partition("\n")[0]) == (2, "error: fit: 1.0 is not possible here")
    assert not (folder / "outputs").exists()
