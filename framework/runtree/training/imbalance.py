"""The block `imbalance`: rare classes count more in a fit, by weights of rows or by train rows that are sampled again.

Both concern train rows alone, in every fit: of the run, of its folds, of a refit. Rows that are monitored, scored or
predicted stay as they are, and a saved model needs nothing of it.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from runtree.config.config_blocks import read_block
from runtree.contract.errors import ConfigError, DataError, MissingError, first_line, unknown
from runtree.training.active_run import ActiveRun
from runtree.training.fit_plan import fit_parameters

log = logging.getLogger(__name__)

BALANCED = "balanced"
IMBALANCE_KEY = "imbalance"  # in `run.metadata`
Rows = tuple[Any, Any]

# of imbalanced-learn
RESAMPLERS = {
    "over": ("imblearn.over_sampling", "RandomOverSampler"),
    "under": ("imblearn.under_sampling", "RandomUnderSampler"),
    "smote": ("imblearn.over_sampling", "SMOTE"),
    "borderline_smote": ("imblearn.over_sampling", "BorderlineSMOTE"),
    "adasyn": ("imblearn.over_sampling", "ADASYN"),
    "tomek": ("imblearn.under_sampling", "TomekLinks"),
    "smote_tomek": ("imblearn.combine", "SMOTETomek"),
    "smote_enn": ("imblearn.combine", "SMOTEENN"),
}
COPIES = ("over", "under")  # they repeat and leave out rows, of any type; the others compute with numbers
NEIGHBOURS = ("smote", "borderline_smote")
# The shipped classifiers that take weights of rows; a test compares the list with what they do.
WEIGHTED = (
    *("logistic", "sgd", "linear_svm", "svm", "decision_tree", "random_forest", "extra_trees", "bagging", "adaboost"),
    *("ridge", "gradient_boosting", "hist_gradient_boosting", "mlp", "naive_bayes", "bernoulli_naive_bayes", "dummy"),
    *("torch_mlp", "torch_resnet", "torch_cnn", "torch_sequence", "torch_module"),
)


@dataclass(frozen=True)
class ImbalanceOptions:
    """All of the block; see docs/training.md."""

    class_weight: str | dict[str, float | int] | None = None
    resample: str | None = None
    ratio: float | int | None = None


def imbalance_options(run: ActiveRun) -> ImbalanceOptions:
    """Read the run's `imbalance` block.

    Raises
    ------
    ConfigError
        An unknown key, or a value of the wrong type or range.
    """
    node = run.config.to_dict().get("imbalance") or {}
    weights = node.get("class_weight")
    # labels such as 0 and 1 are numbers in YAML, and texts in a dataclass
    named = {str(label): weight for label, weight in weights.items()} if isinstance(weights, Mapping) else weights
    return read_block(ImbalanceOptions, {**node, "class_weight": named}, "imbalance", {}, _check)


def _check(options: ImbalanceOptions) -> None:
    weight = options.class_weight
    if isinstance(weight, str) and weight != BALANCED:
        raise ConfigError(
            f"imbalance.class_weight: {weight!r} is neither {BALANCED} nor a weight for each class",
            "such as 'imbalance.class_weight={no: 1, yes: 5}'",
        )
    if isinstance(weight, Mapping) and (not weight or min(weight.values()) < 0 or not max(weight.values())):
        raise ConfigError("imbalance.class_weight: weights are 0 or more, and one of them is more")
    if options.resample is not None and options.resample not in RESAMPLERS:
        raise unknown("method at imbalance.resample:", options.resample, RESAMPLERS, error=ConfigError)
    if weight is not None and options.resample is not None:
        raise ConfigError(
            "imbalance: class_weight and resample both make rare classes count more", "leave one of them out"
        )
    if options.ratio is not None and (options.resample in (None, "tomek") or not 0 < options.ratio <= 1):
        raise ConfigError(
            f"imbalance.ratio: {options.ratio} is no size of the rarer class as a share of the other after resampling",
            "it is more than 0 and at most 1, and needs imbalance.resample=over, under, smote …",
        )


def check_imbalance(run: ActiveRun) -> None:
    """Refuse a block that the task or the algorithm does not allow, and a package that is missing.

    Raises
    ------
    ConfigError, MissingError
    """
    options, name = imbalance_options(run), str(run.config.algorithm.get("name"))
    key = "class_weight" if options.class_weight is not None else "resample"
    if getattr(options, key) is None:
        return
    if not run.data.classes:
        raise ConfigError(f"imbalance.{key}: a regression has no classes", f"type: imbalance.{key}=null")
    if options.ratio is not None and len(run.data.classes) != 2:
        raise ConfigError(f"imbalance.ratio: it is one of two classes, and there are {len(run.data.classes)}")
    if options.resample is not None:
        _import_resampler(options.resample)
    elif "sample_weight" not in fit_parameters(run.estimator):
        classes = len(run.data.classes)
        priors = f"[{','.join([f'{1 / classes:.4g}'] * classes)}]"
        has_priors = "priors" in run.estimator.get_params(deep=False)
        raise ConfigError(
            f"imbalance.class_weight: algorithm={name} takes no weights",
            f"its own way: 'algorithm.priors={priors}'" if has_priors else "type: imbalance.resample=over",
            f"those that take weights: {', '.join(WEIGHTED)}",
        )
    elif run.plan.stepper is not None and "sample_weight" not in fit_parameters(run.plan.stepper):
        raise ConfigError(f"imbalance.class_weight: the steps of algorithm={name} take no weights", "fit.history=false")
    class_weights(run, run.data.target.to_numpy())  # labels that are no class


def class_weights(run: ActiveRun, target: Any) -> "dict[Any, float] | None":
    """Return the weight of each class in these train rows; None: all rows count alike.

    "balanced" is scikit-learn's: rows / (classes * rows of the class).
    """
    given = imbalance_options(run).class_weight
    if given is None:
        return None
    import numpy as np

    labels, counts = np.unique(target, return_counts=True)
    if isinstance(given, str):
        return dict(zip(labels.tolist(), (len(target) / (len(labels) * counts)).tolist(), strict=True))
    by_text = {str(label): label for label in run.data.classes}
    for text in given:
        if text not in by_text:
            raise unknown("class at imbalance.class_weight:", text, by_text, error=ConfigError)
    return {label: float(given.get(text, 1.0)) for text, label in by_text.items()}


def row_weights(run: ActiveRun, target: Any) -> Any:
    """Return the weight of each train row, of shape (rows,); None: all count alike."""
    return weigh_batch(class_weights(run, target), target)


def weigh_batch(weights: "dict[Any, float] | None", target: Any) -> Any:
    """Return the weight of each row by its class, of shape (rows,); None: all count alike."""
    if weights is None:
        return None
    import numpy as np

    return np.asarray([weights[label] for label in target.tolist()], dtype=np.float64)


def resample_rows(run: ActiveRun, train: Rows, positions: Any = None) -> tuple[Rows, Any]:
    """Return preprocessed train rows in which classes are sampled again, and the positions of these rows.

    Without `imbalance.resample` they are as they were. A row that was made of others has no position: then it is None.
    """
    options = imbalance_options(run)
    if options.resample is None:
        return train, positions
    import numpy as np

    rows, target = train
    smallest = int(np.unique(target, return_counts=True)[1].min())
    arguments: dict[str, Any] = {} if options.resample == "tomek" else {"random_state": run.seed}
    if options.ratio is not None:
        arguments["sampling_strategy"] = float(options.ratio)
    if options.resample in NEIGHBOURS:
        # the usual five, unless the smallest class has fewer
        arguments["k_neighbors"] = min(5, max(smallest - 1, 1))
    sampler = _import_resampler(options.resample)(**arguments)
    _check_ratio(options, target)
    try:
        resampled, labels_of_rows = sampler.fit_resample(rows, target)
    except (ValueError, TypeError) as error:
        numbers = "" if options.resample in COPIES else "rows of any type are copied by: imbalance.resample=over"
        raise DataError(f"imbalance.resample={options.resample}: {first_line(error)}", numbers) from error
    after = dict(zip(*(part.tolist() for part in np.unique(labels_of_rows, return_counts=True)), strict=True))
    facts = {"method": options.resample, "rows": len(target), "resampled": len(labels_of_rows), "classes": after}
    if not run.is_set("model"):  # of the run itself, and not of its folds
        run.metadata[IMBALANCE_KEY] = facts
        log.info("resampled: %s", facts)
    known = positions is not None and options.resample in COPIES
    return (resampled, labels_of_rows), positions[sampler.sample_indices_] if known else None


def _check_ratio(options: ImbalanceOptions, target: Any) -> None:
    """Refuse a share of the rarer class that it already exceeds; imbalanced-learn's words name no share."""
    import numpy as np

    counts = np.unique(target, return_counts=True)[1]
    now = counts.min() / counts.max()
    if options.ratio is not None and options.ratio < now:
        raise DataError(
            f"imbalance.ratio: the rarer class is already {now:.4g} of the other in the train rows, more than "
            f"{options.ratio}",
            f"type a larger one, up to 1, or imbalance.resample={options.resample} imbalance.ratio=null",
        )


def _import_resampler(name: str) -> Any:
    module, kind = RESAMPLERS[name]
    try:
        return getattr(import_module(module), kind)
    except ImportError:
        raise MissingError(
            f"imbalance.resample={name} needs the package imbalanced-learn",
            "install it: pip install 'runtree[imbalance]'",
        ) from None
