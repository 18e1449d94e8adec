"""A network starts from weights that were trained before, and frozen layers stay as they are."""

# ruff: noqa: E402

import hashlib
import json
import pickle
from functools import partial

import numpy as np
import pytest
import yaml

torch = pytest.importorskip("torch")

from safetensors.torch import load_file, save_file

from runtree.algorithms.torch.module import TorchModuleRegressor
from runtree.algorithms.torch.tabular import TorchMLPClassifier, TorchResNetClassifier
from runtree.contract.errors import ConfigError, DataError, MissingError, UntrustedError

RNG = np.random.default_rng(0)
X = RNG.normal(size=(120, 5))
Y = np.where(X[:, 0] + X[:, 1] ** 2 > 0.5, "yes", "no")
THREE = np.digitize(X[:, 0], [-0.5, 0.5])
QUICK = {"units": 16, "batch_size": 16, "random_state": 3, "device": "cpu", "learning_rate": 0.01}
MANIFEST = "manifest.json"


class Watch:
    """Notes the losses; stops at an epoch and keeps a checkpoint of it."""

    best = None

    def __init__(self, stop=None, folder=None, start=None):
        self.stop, self.folder, self.start, self.losses = stop, folder, start, []

    def due(self, step):
        return True

    def __call__(self, step, *, save=None, train_loss=None, **_):
        self.losses.append(train_loss)
        if step == self.stop:
            self.folder.mkdir()
            save(self.folder)
        return step == self.stop


def mlp(**changes):
    return TorchMLPClassifier(**{"max_epochs": 2, **QUICK, **changes})


def weights(model):
    return {name: tensor.numpy().tobytes() for name, tensor in model.module_.state_dict().items()}


def card(content, **changes):
    files = {"weights.safetensors": hashlib.sha256(content).hexdigest()}
    known = {"name": "flowers", "architecture": "runtree.TorchMLPClassifier", "task": "classification", "files": files}
    rest = dict.fromkeys(("classes", "inputs", "source", "licence", "description"))
    return yaml.safe_dump(known | rest | changes)


@pytest.fixture(scope="module")
def teacher():
    return mlp(max_epochs=25, random_state=0).fit(X, Y)


@pytest.fixture
def zoo(tmp_path, teacher):
    """Return a zoo that holds the teacher's weights as `flowers`."""
    entry = tmp_path / "zoo" / "flowers"
    entry.mkdir(parents=True)
    teacher.save_weights(entry)
    (entry / "card.yaml").write_text(card((entry / "weights.safetensors").read_bytes()))
    return entry.parent


@pytest.fixture
def run(tmp_path, teacher):
    """Return the folder of a run that trained the teacher."""
    folder = tmp_path / "outputs" / "default" / "r1"
    (folder / "model").mkdir(parents=True)
    teacher.save_weights(folder / "model")
    content = (folder / "model" / "weights.safetensors").read_bytes()
    (folder / MANIFEST).write_text(json.dumps({"model/weights.safetensors": hashlib.sha256(content).hexdigest()}))
    return folder


def flip_a_byte(file):
    content = bytearray(file.read_bytes())
    content[-5] ^= 1
    file.write_bytes(content)


def test_the_first_epoch_is_better_from_the_weights_of_another_run(run):
    scratch, warm = Watch(), Watch()
    mlp().fit(X, Y, report=scratch)
    mlp(pretrained=str(run)).fit(X, Y, report=warm)
    assert warm.losses[0] < 0.7 * scratch.losses[0]


def test_an_entry_of_the_zoo_is_found_by_its_name_and_told_of(zoo):
    model = mlp(pretrained="flowers", zoo=str(zoo)).fit(X, Y)
    assert model.pretrained_name_ == "flowers"
    found = (zoo / "flowers" / "weights.safetensors").read_bytes()
    assert model.pretrained_sha256_ == hashlib.sha256(found).hexdigest()
    assert model.set_params(pretrained=None).fit(X, Y).pretrained_sha256_ is None


def test_a_file_and_the_folder_of_an_entry_are_the_same_start(zoo):
    paths = ["flowers", str(zoo / "flowers"), str(zoo / "flowers" / "weights.safetensors")]
    fits = [weights(mlp(pretrained=path, zoo=str(zoo)).fit(X, Y)) for path in paths]
    assert fits[0] == fits[1] == fits[2]


def test_a_url_of_fsspec_is_a_zoo(zoo):
    import fsspec

    memory = fsspec.filesystem("memory")
    memory.put(str(zoo / "flowers"), "/far/flowers", recursive=True)
    try:
        far = mlp(pretrained="flowers", zoo="memory://far").fit(X, Y)
        assert weights(far) == weights(mlp(pretrained="flowers", zoo=str(zoo)).fit(X, Y))
        assert weights(mlp(pretrained="memory://far/flowers").fit(X, Y)) == weights(far)
        with pytest.raises(ConfigError, match="did you mean: flowers"):
            mlp(pretrained="flower", zoo="memory://far").fit(X, Y)
    finally:
        memory.rm("/far", recursive=True)


@pytest.mark.parametrize(
    "url", ["ftp://h", "ssh://h", "sftp://h", "smb://h", "github://a:b@", "zip::ftp://h", "reference://h"]
)
def test_no_protocol_reaches_into_other_systems(url, monkeypatch):
    import fsspec.core

    monkeypatch.setattr(fsspec.core, "url_to_fs", lambda name: pytest.fail("it was opened"))
    with pytest.raises(DataError, match="nothing is read by the protocol"):
        mlp(pretrained="flowers", zoo=f"{url}/zoo").fit(X, Y)


def test_a_protocol_that_nobody_knows_is_told():
    with pytest.raises((DataError, MissingError), match="nowhere"):
        mlp(pretrained="flowers", zoo="nowhere://far").fit(X, Y)


def test_frozen_layers_are_byte_equal_after_training(zoo, teacher):
    model = mlp(pretrained="flowers", zoo=str(zoo), frozen=["hidden.0"], weight_decay=0.1).fit(X, Y)
    before, after = weights(teacher), weights(model)
    same = {name for name in before if before[name] == after[name]}
    assert same == {"hidden.0.weight", "hidden.0.bias"}


def test_all_that_was_taken_can_be_frozen(zoo, teacher):
    asked = {"pretrained_layers": ["hidden"], "frozen": "all"}
    model = mlp(pretrained="flowers", zoo=str(zoo), **asked).fit(X, THREE)
    before, after = weights(teacher), weights(model)
    assert all(before[name] == after[name] for name in before if name.startswith("hidden"))
    assert before["output.bias"] != after["output.bias"]
    assert model.predict_proba(X).shape == (120, 3)


def test_statistics_of_frozen_layers_stay_and_those_of_others_do_not(tmp_path):
    made = {"units": 8, "blocks": 2, "device": "cpu", "random_state": 0, "max_epochs": 2}
    first = TorchResNetClassifier(**made).fit(X, Y)
    first.save_weights(tmp_path)
    path = str(tmp_path / "weights.safetensors")
    model = TorchResNetClassifier(**made, pretrained=path, frozen=["first", "blocks.0"]).fit(X + 3, Y)
    before, after = weights(first), weights(model)
    changed = {name for name in before if before[name] != after[name]}
    assert not any(name.startswith(("first", "blocks.0")) for name in changed)
    assert {"blocks.1.inner.0.running_mean", "blocks.1.inner.0.weight"} <= changed
    assert np.array_equal(pickle.loads(pickle.dumps(model)).predict_proba(X), model.predict_proba(X))


def test_going_on_with_frozen_layers_is_bit_exact(tmp_path):
    asked = {"units": 8, "device": "cpu", "random_state": 0, "max_epochs": 6, "batch_size": 16, "optimizer": "adamw"}
    TorchResNetClassifier(**asked).fit(X, Y).save_weights(tmp_path)
    path = str(tmp_path / "weights.safetensors")
    asked |= {"pretrained": path, "pretrained_layers": ["first", "blocks"], "frozen": ["first", "blocks.0"]}
    whole = TorchResNetClassifier(**asked).fit(X, THREE)
    TorchResNetClassifier(**asked).fit(X, THREE, report=Watch(3, tmp_path / "c"))
    ended = TorchResNetClassifier(**asked).fit(X, THREE, report=Watch(start=tmp_path / "c"))
    taken = load_file(tmp_path / "weights.safetensors")
    assert weights(whole)["blocks.0.inner.0.running_var"] == taken["blocks.0.inner.0.running_var"].numpy().tobytes()
    assert weights(ended) == weights(whole)


@pytest.mark.slow
def test_frozen_layers_stay_on_several_devices_too(tmp_path):
    asked = {"units": 8, "device": "cpu", "random_state": 0, "max_epochs": 2, "batch_size": 16}
    first = TorchResNetClassifier(**asked).fit(X, Y)
    first.save_weights(tmp_path)
    asked |= {"pretrained": str(tmp_path / "weights.safetensors"), "frozen": ["first", "blocks.0"], "devices": 2}
    before, after = weights(first), weights(TorchResNetClassifier(**asked).fit(X + 3, Y))
    changed = {name for name in before if before[name] != after[name]}
    assert not any(name.startswith(("first", "blocks.0")) for name in changed)
    assert {"blocks.1.inner.0.running_mean", "blocks.1.inner.0.weight"} <= changed


def test_layers_are_taken_by_how_their_names_begin(zoo, teacher):
    still = {"learning_rate": 1e-30, "weight_decay": 0.0, "max_epochs": 1}
    taken = weights(mlp(pretrained="flowers", zoo=str(zoo), pretrained_layers=["hidden.3"], **still).fit(X, Y))
    scratch, before = weights(mlp(**still).fit(X, Y)), weights(teacher)
    assert {name for name in before if taken[name] == before[name]} == {"hidden.3.weight", "hidden.3.bias"}
    assert {name for name in before if taken[name] == scratch[name]} == set(before) - {
        "hidden.3.weight",
        "hidden.3.bias",
    }


def test_a_head_of_another_size_proposes_the_layers_without_it(zoo):
    with pytest.raises(ConfigError) as refused:
        mlp(pretrained="flowers", zoo=str(zoo)).fit(X, THREE)
    said = str(refused.value)
    assert "algorithm.pretrained_layers: layer 'output.weight' has shape (3, 16), but (2, 16) in" in said
    assert "'flowers' (TorchMLPClassifier)" in said
    assert "type: 'algorithm.pretrained_layers=[hidden]'" in said
    assert mlp(pretrained="flowers", zoo=str(zoo), pretrained_layers=["hidden"]).fit(X, THREE)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"units": 8}, r"layer 'hidden\.0\.weight' has shape \(8, 5\), but \(16, 5\) in"),
        ({"layers": 1}, r"layer 'hidden\.3\.\w+' of the weights 'flowers'.* is not in this network"),
        ({"layers": 3}, r"layer 'hidden\.6\.\w+' of this network is not in the weights"),
        (
            {"pretrained_layers": ["hiden"]},
            r"there is no layer 'hiden' in the weights 'flowers' .*\n  did you mean: hidden",
        ),
        ({"pretrained_layers": ["hidden.1"]}, r"there is no layer 'hidden\.1' in"),
        ({"pretrained_layers": {"a": 1}}, r"algorithm\.pretrained_layers: .* is not a list of layers"),
        (
            {"frozen": ["outptu"]},
            r"algorithm\.frozen: there is no layer 'outptu' in the network\n  did you mean: output",
        ),
        ({"frozen": "all"}, r"algorithm\.frozen: no layer is left to train"),
        ({"pretrained": None, "frozen": "all"}, r"algorithm\.frozen: 'all' means all loaded layers, but none are"),
        ({"pretrained": "flower"}, r"unknown zoo entry 'flower'\n  did you mean: flowers"),
        (
            {"pretrained": "flowers", "zoo": None},
            r"algorithm\.pretrained: 'flowers' is the name of a zoo entry, but no zoo is set",
        ),
        ({"pretrained": "./nowhere"}, r"algorithm\.pretrained: './nowhere' contains no weights"),
    ],
)
def test_what_does_not_fit_is_refused(zoo, changes, said):
    asked = {"pretrained": "flowers", "zoo": str(zoo), **changes}
    with pytest.raises(ConfigError, match=said) as refused:
        mlp(**asked).fit(X, Y)
    assert len(str(refused.value).splitlines()) <= 5


def test_the_list_that_is_proposed_can_be_typed(zoo):
    from hydra.core.override_parser.overrides_parser import OverridesParser

    made = torch.nn.Sequential(torch.nn.Linear(5, 4), torch.nn.ReLU(), torch.nn.Linear(4, 2))
    save_file(made.state_dict(), zoo / "own.safetensors")

    def other(out_features):
        return torch.nn.Sequential(torch.nn.Linear(5, 4), torch.nn.ReLU(), torch.nn.Linear(4, out_features))

    asked = {"module": other, "pretrained": str(zoo / "own.safetensors"), "device": "cpu", "max_epochs": 1}
    with pytest.raises(ConfigError) as refused:
        TorchModuleRegressor(**asked).fit(X, X[:, 0])
    typed = str(refused.value).split("type: ")[1].strip("'")
    layers = OverridesParser.create().parse_override(typed).value()
    assert list(map(str, layers)) == ["0"]
    assert TorchModuleRegressor(**asked, pretrained_layers=list(map(str, layers))).fit(X, X[:, 0])


def test_a_flipped_byte_is_refused(zoo, run):
    flip_a_byte(zoo / "flowers" / "weights.safetensors")
    flip_a_byte(run / "model" / "weights.safetensors")
    load_file(zoo / "flowers" / "weights.safetensors")  # the format itself does not notice
    with pytest.raises(DataError, match=r"weights\.safetensors: sha256 differs from card\.yaml"):
        mlp(pretrained="flowers", zoo=str(zoo)).fit(X, Y)
    with pytest.raises(DataError, match=r"weights\.safetensors: sha256 differs from manifest\.json"):
        mlp(pretrained=str(run)).fit(X, Y)


def test_a_torn_file_is_refused(tmp_path):
    (tmp_path / "w.safetensors").write_bytes(b"12")
    with pytest.raises(DataError, match="not a safetensors file"):
        mlp(pretrained=str(tmp_path / "w.safetensors")).fit(X, Y)


def test_a_card_without_a_key_is_refused(zoo):
    file = zoo / "flowers" / "card.yaml"
    told = yaml.safe_load(file.read_text())
    del told["licence"]
    file.write_text(yaml.safe_dump(told))
    with pytest.raises(DataError, match=r"card\.yaml: the card has no 'licence'"):
        mlp(pretrained="flowers", zoo=str(zoo)).fit(X, Y)


@pytest.mark.parametrize("name", ["model.pt", "a/b/model.bin", "s3://far/model.ckpt"])
def test_a_pickle_is_never_read(name):
    with pytest.raises(UntrustedError, match="can run code") as refused:
        mlp(pretrained=name).fit(X, Y)
    assert "save_file" in str(refused.value)


@pytest.mark.parametrize("name", ["..", "flowers\n", "a b"])
def test_a_name_leads_nowhere_else(zoo, name):
    with pytest.raises(ConfigError, match="unknown zoo entry"):
        mlp(pretrained=name, zoo=str(zoo / "flowers")).fit(X, Y)


def test_a_module_of_ones_own_starts_from_weights_of_a_file(tmp_path):
    save_file({"weight": torch.full((1, 5), 2.0), "bias": torch.ones(1)}, tmp_path / "w.safetensors")
    asked = {"pretrained": str(tmp_path / "w.safetensors"), "frozen": ["weight"], "max_epochs": 3, "device": "cpu"}
    model = TorchModuleRegressor(module=partial(torch.nn.Linear, bias=True), **asked).fit(X, X[:, 0])
    assert model.module_.weight.tolist() == [[2.0] * 5]
    assert model.module_.bias.item() != 1.0
