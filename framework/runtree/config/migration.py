"""Keys of other programs, and what to type here: those of the lightning-hydra-template and hydra-optuna-sweeper.

Asked where a key or an option is unknown. Each answer is a command that composes, which a test checks for every row.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from runtree.contract.commands import command, override_key, typed
from runtree.contract.errors import ConfigError, MissingError

VALUE = "{}"  # in an override: the value that was typed


@dataclass(frozen=True)
class Answer:
    """What a key of another program is called here.

    Attributes
    ----------
    says
        The keys here, in a few words.
    words
        What to type after ``runtree``; `VALUE` in an override is replaced.
    example
        The value where that which was typed cannot be used.
    values
        Values typed → values here, if only some are possible.
    """

    says: str
    words: tuple[str, ...]
    example: str = ""
    values: Mapping[str, str] | None = None

    @property
    def keys(self) -> list[str]:
        """Return the config paths that are set, without the options that are chosen for them."""
        return [key for word in self.words[1:] if "." in (key := word.partition("=")[0]) and "=" in word]

    def to_type(self, value: str, known: Collection[str] = ()) -> str:
        """Return the command, with the value that was typed if it is possible here.

        Where the config has the keys already, they alone: the algorithm is chosen.
        """
        if self.values is not None:
            value = self.values.get(value.lower(), self.example)
        usable = _is_number(value) if _is_number(self.example) else value and not set(value) & set("{[$'\" /")
        words = [word.replace(VALUE, value if usable else self.example) for word in self.words]
        if self.words[0] == "train" and self.keys and {*known} >= {*self.keys}:
            return typed(*(word for word in words if word.partition("=")[0] in self.keys))
        return command(*words)


def _is_number(text: str) -> bool:
    return re.fullmatch(r"-?\d+(\.\d*)?(e-?\d+)?", text) is not None


def _train(says: str, *overrides: str, example: str = "", values: Mapping[str, str] | None = None) -> Answer:
    return Answer(says, ("train", *overrides), example, values)


def _tune(says: str, *overrides: str, example: str = "", values: Mapping[str, str] | None = None) -> Answer:
    return Answer(says, ("tune", *overrides), example, values)


MACHINES = {"cpu": "cpu", "gpu": "gpu", "cuda": "gpu", "mps": "mps", "auto": "auto", "default": "auto"}
SAMPLERS = {
    **dict.fromkeys(("tpe", "motpe"), "tpe"), "random": "random", "cmaes": "cmaes", "gp": "gp", "grid": "grid",
    "qmc": "qmc", **dict.fromkeys(("nsga", "nsgaii", "nsgaiii"), "nsga"),
}  # fmt: skip
NETWORKS = dict.fromkeys(("mnist", "cnn", "simple_cnn", "resnet18"), "torch_cnn") | {"mlp": "torch_mlp"}

ITERATIONS = _train("fit.max_iterations limits every algorithm that iterates", "algorithm=torch_mlp",
                    "fit.max_iterations={}", example="10")  # fmt: skip
BATCH_SIZE = _train("the batch size belongs to the network", "algorithm=torch_mlp", "algorithm.batch_size={}",
                    example="64")  # fmt: skip
LEARNING_RATE = _train("the learning rate belongs to the algorithm", "algorithm=torch_mlp",
                       "algorithm.learning_rate={}", example="0.001")  # fmt: skip
TRIALS = _tune("tuner.stop holds the bounds of a search", "tuner=tpe", "tuner.stop.max_runs={}", example="20")
PATIENCE = _train("fit.patience stops early and keeps the best state", "algorithm=torch_mlp", "fit.patience.checks={}",
                  example="5")  # fmt: skip
CHECKPOINT = _train("fit.checkpoint writes states to continue from", "algorithm=torch_mlp", "fit.checkpoint.every={}",
                    example="1")  # fmt: skip
MACHINE = _train("compute holds the machine, fit the loop", "compute={}", example="auto", values=MACHINES)
DEVICES = _train("several devices train a network in parallel", "algorithm=torch_mlp", "compute.devices={}",
                 example="2")  # fmt: skip
DATA = _train("data chooses the table", "data=csv", "data.path={}", "data.target=COLUMN", example="FILE.csv")
OUTPUTS = _train("all runs are below the output folder", "outputs={}", example="logs")
SAMPLE = _train("a share of the rows, or their number", "data.sample={}", example="0.1")
OPTIMIZER = _train("a network is algorithm=torch_module, its optimizer a key of it", "algorithm=torch_module",
                   "algorithm.module._target_=net.MyNet", "algorithm.optimizer=adam")  # fmt: skip
SEED = _train("one seed for split, preprocessing and algorithm", "seed={}", example="1")
LOADED = _train("the rows are in memory; compute.threads limits the threads", "compute.threads={}", example="4")
METRIC = _train("objective.metric ranks runs, on the validation split", "objective.metric={}", example="accuracy",
                values={name: name for name in ("accuracy", "roc_auc", "f1", "log_loss", "rmse", "mae", "r2")}
                | {"val/acc": "accuracy", "val/acc_best": "accuracy", "val/loss": "log_loss"})  # fmt: skip
DIRECTION = _tune("objective.direction; auto takes that of the metric", "objective.metric=accuracy",
                  "objective.direction={}", example="maximize")  # fmt: skip

# key `a.b`, or key and value → answer. `a.*` answers for any key below `a` that has no answer of its own.
ANSWERS: Mapping[str, Answer] = {
    # hydra-optuna-sweeper, and other sweepers of Hydra
    "hydra.sweeper": _tune("every search runs in runtree's sweeper, with Optuna's samplers: tuner=", "tuner=tpe",
                           "tuner.stop.max_runs=20"),
    "hydra.sweeper.n_trials": TRIALS,
    "hydra.sweeper.n_jobs": _tune("compute.slots runs so many at once", "compute.slots={}", example="2"),
    "hydra.sweeper.direction": DIRECTION,
    "hydra.sweeper.study_name": _tune("a sweep is a folder, resumed by runtree resume", "experiment.name={}",
                                      example="my_study"),
    "hydra.sweeper.storage": _tune("a sweep is a folder, resumed by runtree resume", "outputs={}", example="outputs"),
    "hydra.sweeper.sampler": _tune("tuner chooses the sampler", "tuner={}", example="tpe", values=SAMPLERS),
    "hydra.sweeper.sampler.*": _tune("tuner chooses the sampler, its keys set it", "tuner=tpe"),
    "hydra.sweeper.search_space": _tune("ranges are typed, or stand in hydra.sweeper.params", "algorithm=ridge",
                                        "data=diabetes", "algorithm.alpha=tag(log, interval(0.01, 10))"),
    "hydra.sweeper.timeout": _tune("tuner.stop holds the bounds of a search", "tuner.stop.max_seconds={}",
                                   example="600"),
    "hydra.sweeper.max_failure_rate": _tune("tuner.stop holds the bounds of a search",
                                            "tuner.stop.failures.rate={}", example="0.5"),
    "n_trials": TRIALS,
    "optimized_metric": METRIC,
    "hparams_search": _tune("a search is an experiment with its tuner and ranges", "experiment={}",
                            example="quickstart", values={}),
    # lightning-hydra-template: trainer, callbacks, logger, model, datamodule
    "trainer": _train("compute holds the machine, fit the loop", "compute={}", example="auto", values=MACHINES),
    **dict.fromkeys(("trainer=ddp", "trainer=ddp_sim", "trainer=ddp_spawn"), DEVICES),
    "trainer.*": MACHINE,
    "trainer.accelerator": MACHINE,
    "trainer.devices": DEVICES,
    "trainer.strategy": DEVICES,
    "trainer.max_epochs": ITERATIONS,
    "trainer.max_steps": ITERATIONS,
    "trainer.max_time": _train("fit.max_seconds limits the fit", "fit.max_seconds={}", example="600"),
    "trainer.precision": _train("the precision belongs to the network", "algorithm=torch_mlp",
                                "algorithm.precision={}", example="bf16",
                                values={"16": "fp16", "bf16": "bf16", "32": "float32"}),
    "trainer.gradient_clip_val": _train("the clipping belongs to the network", "algorithm=torch_mlp",
                                        "algorithm.gradient_clip={}", example="1.0"),
    "trainer.limit_train_batches": SAMPLE,
    "trainer.limit_val_batches": SAMPLE,
    "trainer.limit_test_batches": SAMPLE,
    "trainer.fast_dev_run": _train("a preset for debugging, beside your experiment", "debug=fdr"),
    "trainer.overfit_batches": Answer("check tells whether the model can learn a few rows by heart", ("check",)),
    "trainer.profiler": _train("compute.profile writes profile.txt", "compute.profile=true"),
    "trainer.check_val_every_n_epoch": _train("fit.every: iterations between two checks", "algorithm=torch_mlp",
                                              "fit.every={}", example="2"),
    "trainer.deterministic": _train("torch's deterministic algorithms", "compute.deterministic=true"),
    "trainer.default_root_dir": OUTPUTS,
    "callbacks": PATIENCE,
    "callbacks.*": PATIENCE,
    "callbacks.early_stopping.*": PATIENCE,
    "callbacks.model_checkpoint": CHECKPOINT,
    "callbacks.model_checkpoint.*": CHECKPOINT,
    "logger": _train("trackers send runs elsewhere; each run has its history.jsonl", "trackers=[{}]",
                     example="tensorboard", values={"mlflow": "mlflow"}),
    "logger.*": _train("tracking holds the settings of trackers, docs/trackers.md", "trackers=[tensorboard]"),
    "ckpt_path": Answer("a run is continued by train --continue, scored by runtree evaluate, used by runtree predict",
                        ("train", "--continue", "latest")),
    "model": _train("the model is the option of algorithm", "algorithm={}", example="torch_mlp", values=NETWORKS),
    "model.*": OPTIMIZER,
    "model.lr": LEARNING_RATE,
    "model.optimizer.lr": LEARNING_RATE,
    "datamodule": DATA,
    "datamodule.*": DATA,
    "datamodule.batch_size": BATCH_SIZE,
    "dataset": DATA,
    "data.data_dir": DATA,
    "data.batch_size": BATCH_SIZE,
    "data.num_workers": LOADED,
    "data.pin_memory": LOADED,
    "data.train_val_test_split": _train("shares of the rows, or their numbers", "data.test_size=0.2",
                                        "data.validation_size=0.2"),
    "task_name": _train("experiment.name names the folder of runs", "experiment.name={}", example="mine"),
    "paths.data_dir": DATA,
    "paths.*": OUTPUTS,
    "train": Answer("train and evaluate are two verbs", ("evaluate", "latest", "FILE.csv")),
    "test": Answer("every run scores its test split; other rows by evaluate", ("evaluate", "latest", "FILE.csv")),
    "print_config": _train("--cfg prints the config", "--cfg", "job", "--resolve"),
    # what is typed everywhere
    "epochs": ITERATIONS,
    "max_epochs": ITERATIONS,
    "n_epochs": ITERATIONS,
    "num_epochs": ITERATIONS,
    "max_steps": ITERATIONS,
    "lr": LEARNING_RATE,
    "learning_rate": LEARNING_RATE,
    "batch_size": BATCH_SIZE,
    "n_jobs": _train("threads of one run; compute.slots: runs of a sweep at once", "compute.threads={}", example="4"),
    "num_workers": LOADED,
    "patience": PATIENCE,
    "random_state": SEED,
    "random_seed": SEED,
    "metric": METRIC,
    "device": MACHINE,
    "gpus": DEVICES,
    "devices": DEVICES,
    "cv": _train("the evaluator divides the rows into folds", "evaluator=cross_validation", "evaluator.folds={}",
                 example="5"),
    "n_splits": _train("the evaluator divides the rows into folds", "evaluator=cross_validation",
                       "evaluator.folds={}", example="5"),
    "profiler": _train("compute.profile writes profile.txt", "compute.profile=true"),
}  # fmt: skip

# group or key, and value → the package of the plugin that has it
PLUGIN_PACKAGES: Mapping[tuple[str, str], str] = {
    ("trackers", "mlflow"): "runtree-mlflow",
    ("algorithm", "lightgbm"): "runtree-lightgbm",
    **dict.fromkeys([("algorithm", name) for name in ("keras", "keras_mlp", "keras_model")], "runtree-keras"),
}


def migration_error(
    key: str, value: str = "", groups: Collection[str] = (), known: Collection[str] = ()
) -> ConfigError | None:
    """Return the error for a key of another program; None if it is no such key.

    Parameters
    ----------
    key
        As typed: ``hydra/sweeper``, ``+trainer.max_epochs``.
    groups, known
        The groups that can be chosen, as a user may have a group `model` of his own, and the keys that can be set.
    """
    path = override_key(key)
    answer = ANSWERS.get(f"{path}={value}") or find_answer(path)
    if answer is None or path in known or path.partition(".")[0] in {*groups} - {"data"}:
        return None
    is_option = path == "hydra.sweeper"
    message = f"unknown option of hydra/sweeper '{value}'" if is_option else f"unknown config key '{key.lstrip('+~')}'"
    return ConfigError(message, answer.says, f"type: {answer.to_type(value, known)}")


def find_answer(path: str) -> Answer | None:
    """Return the answer for a config path, or for the keys below one of its parents."""
    if path in ANSWERS:
        return ANSWERS[path]
    parts = path.split(".")
    parents = (".".join([*parts[:length], "*"]) for length in range(len(parts) - 1, 0, -1))
    return next((ANSWERS[parent] for parent in parents if parent in ANSWERS), None)


def missing_plugin(key: str, value: str) -> MissingError | None:
    """Return the error for an option or a tracker of a plugin that is not installed; None if none is known."""
    package = PLUGIN_PACKAGES.get((key, value))
    if package is None:
        return None
    return MissingError(f"{key}: '{value}' needs a plugin that is not installed", f"install it: pip install {package}")
