import pytest

from runtree.config.allowlist import ALLOWED_PREFIXES, AllowList
from runtree.config.calls import find_targets
from runtree.config.provenance import command_line_targets
from runtree.contract.errors import MissingError, UntrustedError

HOSTILE = [
    "os.system",
    "os.popen",
    "os.remove",
    "subprocess.run",
    "subprocess.Popen",
    "builtins.eval",
    "builtins.exec",
    "builtins.open",
    "builtins.__import__",
    "importlib.import_module",
    "runpy.run_path",
    "shutil.rmtree",
    "pickle.loads",
    "pickle.load",
    "joblib.load",
    "torch.load",
    "torch.hub.load",
    "pandas.read_pickle",
    "numpy.load",
    "sympy.sympify",
    "yaml.load",
    "socket.socket",
    "urllib.request.urlopen",
    "ctypes.CDLL",
    "pty.spawn",
    "code.interact",
    "webbrowser.open",
    "tempfile.mktemp",
    "operator.attrgetter",
    "functools.partial",
    "types.FunctionType",
    "hydra.utils.get_method",
    "hydra.utils.instantiate",
    "omegaconf.OmegaConf.load",
    "sklearn.datasets.fetch_openml",
    "sklearn.datasets.load_files",
    "sklearn.utils.os",
    "sklearn.base.clone",
    "sklearn.externals.array_api_compat",
    "sklearn.utils.Bunch",
    "sklearn.pipeline.make_pipeline",
    "sklearn.preprocessing.FunctionTransformer.fit",
    "sklearn.model_selection.cross_val_score",
    "sklearn.base.os.system",
    "torch.nn.functional.relu",
    "torch.nn.init.normal_",
    "torch.nn.modules.module.torch.load",
    "torch.optim.lr_scheduler.warnings.warn",
    "optuna.samplers.logging",
    "runtree.cli.main.main",
    "runtree.app.train",
    "runtree.config.build.build",
    "runtree.training.model_files.load_skops",
    "runtree.data.files.local_files",
    "runtree.data.files.ConfigError",
    "runtree.compute.device.sys",
    "runtree.evaluators.holdout.answer",
    "sklearn",
    "sklearn.linear_model",
    ".",
    "..",
    "os",
    "sklearn..os",
]


@pytest.mark.parametrize("target", HOSTILE)
def test_hostile_targets_are_refused(target):
    with pytest.raises((UntrustedError, MissingError)):
        AllowList().resolve(target, "algorithm._target_")


@pytest.mark.parametrize(
    "target", ["sklearn.linear_model.Ridge", "runtree.data.files.TableFile", "runtree.compute.device.Cpu"]
)
def test_families_are_resolved(target):
    assert AllowList().resolve(target, "x").__name__ == target.rpartition(".")[2]


def test_a_name_that_somebody_vouches_for_is_resolved():
    allow_list = AllowList(lambda: [{"_target_": "collections.OrderedDict"}])
    assert allow_list.resolve("collections.OrderedDict", "x").__name__ == "OrderedDict"


def test_a_missing_package_names_the_extra(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, "torch.nn", raising=False)
    with pytest.raises(MissingError, match=r"pip install 'runtree\[torch\]'") as caught:
        AllowList().resolve("torch.nn.Linear", "algorithm._target_")
    assert caught.value.exit_code == 4


def test_the_command_line_vouches_for_what_is_typed_on_it():
    typed = [
        "algorithm=import",
        "algorithm.path=my.mod:Cls",
        "algorithm._target_=a.B",
        "+data.extra._target_='c.D'",
        "seed=1",
        "algorithm._target_.classification=e.F,g.H",
        "+hydra.callbacks={x: {_target_: i.J}}",
        "algorithm={path: 'k:L'}",
        "broken=[_target_",
    ]
    assert list(command_line_targets(typed)) == ["my.mod.Cls", "a.B", "c.D", "e.F", "g.H", "i.J", "k.L"]


def test_targets_are_found_at_any_depth():
    node = {"_target_": {"classification": "a", "regression": "b"}, "x": [{"_target_": "c", "y": {"_target_": "d"}}]}
    assert list(find_targets(node)) == ["a", "b", "c", "d"]


def test_families_end_with_a_dot_so_that_no_package_can_pose_as_one():
    assert all(prefix.endswith(".") for prefix in ALLOWED_PREFIXES)
