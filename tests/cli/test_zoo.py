import json
import shutil
import sys
from contextlib import chdir, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path

import pytest

from runtree.cli.main import main
from runtree.testing.fixtures import UNEXAMINED

MLP = ["algorithm=torch_mlp", "data=iris", "algorithm.units=16", "algorithm.learning_rate=0.01", "compute=cpu"]


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """Return the folder in which a small network was trained."""
    pytest.importorskip("torch")
    tree = tmp_path_factory.mktemp("trained")
    with chdir(tree), redirect_stdout(StringIO()), redirect_stderr(StringIO()):
        assert main(["train", *MLP, "fit.max_iterations=30"]) == 0
    return tree


@pytest.fixture
def run(folder, trained):
    """Put a copy of that run into the empty folder; return its name."""
    shutil.copytree(trained / "outputs", folder / "outputs")
    [path] = Path("outputs/default").glob("2*")
    return path.name


def test_an_empty_zoo_says_how_it_is_filled(runtree):
    said = runtree("zoo")
    assert (said.code, said.out.splitlines()[0]) == (0, "no entries in zoo")
    assert "runtree zoo add NAME latest" in said.out
    assert json.loads(runtree("zoo", "--json").out)["entries"] == []


def test_a_run_becomes_an_entry_that_another_run_starts_from(runtree, run):
    said = runtree("zoo", "add", "flowers", "latest", "--licence", "CC0-1.0", "--description", "Irises.")
    assert said.code == 0, said.err
    [entry] = json.loads(runtree("zoo", "--json").out)["entries"]
    assert (entry["name"], entry["state"], entry["card"]["licence"]) == ("flowers", "ok", "CC0-1.0")
    assert entry["card"]["classes"] == ["setosa", "versicolor", "virginica"]
    assert entry["card"]["source"] == f"run {run}"
    assert entry["card"]["architecture"].endswith("TorchMLPClassifier")
    first = json.loads(Path("outputs/default", run, "history.jsonl").read_text().splitlines()[0])
    said = runtree("train", *MLP, "fit.max_iterations=1", "algorithm.pretrained=flowers", "algorithm.frozen=[hidden]")
    assert said.code == 0, said.err
    again = json.loads(runtree("show", "latest", "--json").out)["run"]["history"][0]
    assert again["train_loss"] < 0.7 * first["train_loss"]
    rows = Path("rows.csv")
    rows.write_text("sepal length (cm),sepal width (cm),petal length (cm),petal width (cm)\n5.1,3.5,1.4,0.2\n")
    shutil.rmtree("zoo")  # a model needs it no more
    assert runtree("predict", "latest", str(rows), "-o", "said.csv").code == 0
    assert "setosa" in Path("said.csv").read_text()


def test_the_table_and_the_page(runtree, run):
    assert runtree("zoo", "add", "flowers", run, "--description", "Irises.").code == 0
    Path("zoo/broken").mkdir()
    Path("zoo/broken/card.yaml").write_text("name: broken")
    said = runtree("zoo")
    assert said.code == 0
    _, broken, why, flowers, *_ = said.out.splitlines()
    assert broken.split()[0] == "broken"
    assert "damaged" in broken
    assert "card.yaml: the card has no 'architecture'" in why
    assert flowers.split()[:3] == ["flowers", "TorchMLPClassifier", "classification"]
    assert flowers.split()[-2:] == ["ok", "Irises."]
    page = runtree("zoo", "show", "flowers")
    assert "output.weight    3 x 16" in page.out
    assert "setosa, versicolor, virginica" in page.out
    assert json.loads(runtree("zoo", "show", "flowers", "--json").out)["entry"]["layers"]["output.bias"] == [3]
    assert "damaged" in runtree("zoo", "show", "broken").out


def test_the_folder_may_be_named_before_and_after_the_verb(runtree, run):
    assert runtree("zoo", "add", "one", run, "--zoo", "far").code == 0
    assert runtree("zoo", "--zoo", "far", "add", "two", run).code == 0
    names = [entry["name"] for entry in json.loads(runtree("zoo", "--zoo", "far", "--json").out)["entries"]]
    assert names == ["one", "two"]
    assert runtree("zoo", "show", "one", "--zoo", "far").code == 0


def test_a_file_is_added_and_what_it_does_not_say_is_stated(runtree, run):
    shutil.copy(Path("outputs/default", run, "model", "weights.safetensors"), "own.safetensors")
    said = runtree("zoo", "add", "own", "own.safetensors", "--architecture", "my.Net", "--task", "regression")
    assert said.code == 0, said.err
    card = json.loads(runtree("zoo", "show", "own", "--json").out)["entry"]["card"]
    assert (card["architecture"], card["task"], card["source"]) == ("my.Net", "regression", "own.safetensors")


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["add", "flowers", "latest"], 2, "an entry of this name exists already"),
        (["add", "a/b", "latest"], 2, "'a/b' is not a valid name"),
        (["add", "other", "nobody"], 5, "no run 'nobody'"),
        (["add", "other", "model.pt"], 2, "can run code"),
        (["add", "other", "gone.safetensors"], 2, "gone.safetensors: cannot be read"),
        (["add", "other", "latest", "--zoo", "zoo/flowers/card.yaml"], 2, "zoo: cannot write to zoo/flowers/card.yaml"),
        (["show", "flower"], 5, "did you mean: flowers"),
        (["--zoo", "s3://far"], 2, "is not a folder of this machine"),
    ],
)
def test_a_mistake_is_told(runtree, run, words, code, told):
    assert runtree("zoo", "add", "flowers", run).code == 0
    said = runtree("zoo", *words)
    assert (said.code, told in said.err) == (code, True), said.err


def test_weights_that_were_changed_are_not_added(runtree, run):
    file = Path("outputs/default", run, "model", "weights.safetensors")
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    said = runtree("zoo", "add", "flowers", run)
    assert (said.code, "not the file that the run wrote" in said.err) == (2, True)
    assert runtree("zoo").out.startswith("no entries")


def test_a_run_without_weights_is_refused(runtree):
    assert runtree("train", "algorithm=dummy", "data=iris", *UNEXAMINED).code == 0
    said = runtree("zoo", "add", "dull", "latest")
    assert (said.code, "has no weights.safetensors" in said.err) == (2, True)


HUB = """
import torch
class Net(torch.nn.Module):
    def __init__(self, num_classes=1000, width=8):
        super().__init__()
        self.body, self.fc = torch.nn.Linear(4, width), torch.nn.Linear(width, num_classes)
    def forward(self, x):
        return self.fc(torch.relu(self.body(x)))
def resnet18(*, weights=None, **kwargs):
    return Net(**kwargs)
"""


def test_a_network_of_a_hub_is_typed_by_its_name_and_started_from_weights(runtree, folder, monkeypatch):
    pytest.importorskip("torch")
    from safetensors.torch import save_file

    Path("timm").mkdir()
    Path("timm/__init__.py").write_text(HUB)
    monkeypatch.syspath_prepend(str(folder))
    try:
        from timm import resnet18

        save_file(resnet18(num_classes=10, width=6).state_dict(), "hub.safetensors")
        assert runtree("zoo", "add", "tiny", "hub.safetensors").code == 0
        typed = ["algorithm=torch_module", "algorithm.module._target_=timm.resnet18", "+algorithm.module.width=6"]
        asked = ["data=iris", "compute=cpu", "fit.max_iterations=1", "algorithm.pretrained=tiny"]
        said = runtree("train", *typed, *asked)
        assert said.code == 2
        assert "type: 'algorithm.pretrained_layers=[body]'" in said.err
        said = runtree("train", *typed, *asked, "algorithm.pretrained_layers=[body]", "algorithm.frozen=all")
        assert said.code == 0, said.err
    finally:
        sys.modules.pop("timm", None)
