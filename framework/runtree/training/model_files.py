"""Models on disk: skops for scikit-learn pipelines, with an explicit list of the types that may be loaded.

Loading never unpickles. A file with a type that is neither in the shipped list, nor trusted by an installed plugin,
nor trusted by the user is refused; the message says how to trust it.
"""

import json
import os
import warnings
from collections.abc import Collection, Iterable, Mapping
from copy import copy
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any
from zipfile import ZIP_DEFLATED, BadZipFile, ZipFile

from runtree.config.allowlist import EXTRAS, AllowList
from runtree.contract.errors import MissingError, RequestError, RuntreeError, UntrustedError, first_line
from runtree.contract.files import open_regular
from runtree.training.decision import rewrap, unwrap
from runtree.training.masking import without_secrets

FORMAT = "skops"
FILE = "model.skops"
SCHEMA = "schema.json"  # in the archive: the tree of types
MAX_SCHEMA_BYTES = 200_000_000  # a forest of 1,000 trees has some 15,000,000
MAX_UNPACKED_BYTES = 1_000_000_000
DISTRIBUTIONS = {"sklearn": "scikit-learn"}  # of modules whose distribution has another name
MAX_COMPRESSION = 200  # deflate reaches 1,000 on zeros, and 10 on the arrays of models


@dataclass(frozen=True)
class SkopsStore:
    """Writes and reads scikit-learn objects with skops; see `contract.iteration.Store`.

    `own` is the class of the algorithm itself: a class that may be fitted may also be read.
    """

    own: str

    def dump(self, content: Any, file: Path) -> None:
        """Write an object."""
        with without_secrets(content):  # the fit that goes on has its parameters from the config
            write_archive(content, file)

    def load(self, file: Path) -> Any:
        """Read an object that consists of types that the shipped algorithms save."""
        # checkpoints are read back by the fit itself, from a folder that may have been copied from elsewhere: so no
        # type beyond the list is trusted here either
        check_archive(file)
        return _skops().load(file, trusted=sorted(TRUSTED | {self.own}))


def save_skops(model: Any, folder: Path) -> str | None:
    """Write a scikit-learn model and return the format; None for any other model, which a plugin may save.

    Weights with their own file format are written next to it; see `contract.iteration.HoldsWeights`.
    """
    from sklearn.base import BaseEstimator

    if not isinstance(model, BaseEstimator):
        return None
    last = last_step(model)
    # weights have a format of their own (safetensors), which other tools read, too; what is left of the algorithm are
    # plain values, which skops saves without a type to trust
    if hasattr(last, "save_weights"):
        last.save_weights(folder)
        model = with_last_step(model, last.bare())
    write_archive(model, folder / FILE)
    return FORMAT


class _Archive(ZipFile):
    """A zip file whose members are looked up in a dict: skops asks for their list before it writes each array."""

    def namelist(self) -> Any:
        return self.NameToInfo.keys()


def write_archive(content: Any, file: Path) -> None:
    """Write what `skops.io.dump` writes, in a third of the time or less where there are thousands of trees.

    skops lays its schema out for people, which the encoder in C cannot do, and searches a list of all members for each
    array. Neither is part of its format: `skops.io.load` reads the file.
    """
    io = _skops()
    try:
        from skops import __version__
        from skops.io._utils import SaveContext, get_state
    except ImportError:  # a version that is built in another way
        io.dump(content, file, compression=ZIP_DEFLATED, compresslevel=1)
        return
    # compressed: a seventh of the size
    with _Archive(file, "w", ZIP_DEFLATED, compresslevel=1) as archive:
        context = SaveContext(zip_file=archive)
        state = {**get_state(content, context), "protocol": context.protocol, "_skops_version": __version__}
        archive.writestr(SCHEMA, json.dumps(state, separators=(",", ":")))


def last_step(model: Any) -> Any:
    """Return the algorithm of a pipeline, or the model itself, without calibration, threshold and target transform."""
    return unwrap(model[-1] if hasattr(model, "steps") else model)


def with_last_step(model: Any, algorithm: Any) -> Any:
    """Return a copy of a pipeline with another algorithm."""
    if not hasattr(model, "steps"):
        return rewrap(model, algorithm)
    # a shallow copy: the fitted preprocessing is shared, only the list of steps is another
    pipeline, (name, last) = copy(model), model.steps[-1]
    pipeline.steps = [*model.steps[:-1], (name, rewrap(last, algorithm))]
    return pipeline


def load_skops(folder: Path, trust: Iterable[str]) -> Any:
    """Read a model; refuse one with types that are not trusted."""
    io = _skops()
    file = folder / FILE
    if not file.is_file():
        raise RequestError(f"{file}: no such model file", "the run saved no model, or it was removed")
    check_archive(file)
    # skops reads only the schema of the file for this, and creates no object
    needed = set(io.get_untrusted_types(file=file))
    untrusted = needed - set(trust)
    refused = sorted(name for name in untrusted if not is_torch_type(name))
    if refused:
        raise UntrustedError(
            f"{file}: the model holds untrusted types: {', '.join(refused[:5])}",
            "loading them could run code; if you trust the source of the file, add:",
            "  " + " ".join(f"--trust {name}" for name in refused),
        )
    from sklearn.exceptions import InconsistentVersionWarning

    try:
        with warnings.catch_warnings():
            # one for each step and tree; `compare_libraries` says it once
            warnings.simplefilter("ignore", InconsistentVersionWarning)
            # only now, when every type is trusted, objects are created. No type is trusted that the file does not need:
            # skops copies the list for each object
            model = io.load(file, trusted=sorted(needed))
    except ModuleNotFoundError as error:
        raise MissingError(
            f"{file}: the model needs the package '{error.name}', which is not installed", install_hint(str(error.name))
        ) from None
    last = last_step(model)
    if hasattr(last, "load_weights"):
        last.load_weights(folder)
    return model


def written_types(folder: Path) -> tuple[str, ...]:
    """Return the types in the model file of a folder; none if its format is another.

    To be trusted only by the process that wrote the file: it holds the objects themselves.
    """
    file = folder / FILE
    return tuple(_skops().get_untrusted_types(file=file)) if file.is_file() else ()


def check_archive(file: Path) -> None:
    """Refuse a model file that is no archive, or that would become too large when it is unpacked.

    skops reads the whole schema, of whatever size, before anything can be refused.
    """
    try:
        with os.fdopen(open_regular(file), "rb") as content, ZipFile(content) as archive:
            sizes = {member.filename: member.file_size for member in archive.infolist()}
    except (OSError, BadZipFile) as error:
        raise RequestError(f"{file}: is not a model file of skops ({first_line(error)})") from None
    unpacked, packed = sum(sizes.values()), file.stat().st_size
    if sizes.get(SCHEMA, 0) > MAX_SCHEMA_BYTES:
        raise UntrustedError(f"{file}: its {SCHEMA} would take {sizes[SCHEMA]:,} bytes, more than {MAX_SCHEMA_BYTES:,}")
    if unpacked > max(MAX_UNPACKED_BYTES, MAX_COMPRESSION * packed):
        raise UntrustedError(f"{file}: {packed:,} bytes that would become {unpacked:,} when they are unpacked")


def is_torch_type(name: str) -> bool:
    """Return whether a type is a layer, an optimizer or a schedule of torch."""
    try:
        # the allow-list admits subclasses of Module, Optimizer and LRScheduler only: torch has functions that load
        # files and code, too
        return name.startswith("torch.") and AllowList().resolve(name, "") is not None
    except RuntreeError:
        return False


def install_hint(package: str) -> str:
    """Return the command that installs a missing package."""
    extra = EXTRAS.get(package.split(".")[0])
    return f"install it: pip install 'runtree[{extra}]'" if extra else f"install it: pip install {package}"


def describe_libraries(model: Any, without: Collection[str] = ()) -> dict[str, str]:
    """Return the versions of the libraries whose classes the model and its algorithm are, or derive from.

    `without` are modules that are no library here: those of plugins.
    """
    last = last_step(model)
    modules = {base.__module__.partition(".")[0] for part in (model, last) for base in type(part).__mro__}
    # runtree's own networks derive from no class of torch, but hold its modules
    modules |= {"torch"} if type(last).__module__.startswith("runtree.algorithms.torch") else set()
    names = sorted(DISTRIBUTIONS.get(name, name) for name in modules - {"runtree", *without})
    return {name: found for name in names if (found := _installed_version(name))}


def compare_libraries(recorded: Any) -> list[str]:
    """Return a sentence for each library that is installed in another version than the model was trained with."""
    versions = recorded.items() if isinstance(recorded, Mapping) else ()
    installed = [(name, before, _installed_version(str(name))) for name, before in versions]
    return [
        f"the model was trained with {name} {before}, and {now} is installed"
        for name, before, now in installed
        if now and now != before
    ]


def _installed_version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except (PackageNotFoundError, ValueError):  # of the standard library, for example; or no name at all
        return None


def _skops() -> Any:
    """Import skops without its own list of trusted classes.

    At import skops walks every module of scikit-learn to trust each of its classes by default: 2.7 s, and it imports
    torch where torch is installed. The list that counts here is our own, so it is given an empty one to walk.
    """
    import sys
    from unittest.mock import patch

    if "skops.io" not in sys.modules:
        with patch("sklearn.utils.all_estimators", list):
            import skops.io
    import skops.io

    return skops.io


# The types that the shipped algorithms save. The list is closed: a test saves and loads every shipped option with every
# preprocessing and finds nothing missing. skops itself trusts the losses, links and binning of the boosted trees.
FAMILIES: dict[str, str] = {
    "functools": "partial",
    "numpy": "dtype",
    "runtree.algorithms.torch.cnn": "TorchCNNClassifier TorchCNNRegressor",
    "runtree.algorithms.torch.image_encoders": "FileEncoder PixelEncoder",
    "runtree.algorithms.torch.module": "IdentityEncoder TorchModuleClassifier TorchModuleRegressor",
    "runtree.algorithms.torch.sequence": "TorchSequenceClassifier TorchSequenceRegressor",
    "runtree.algorithms.torch.sequence_encoders": "SeriesEncoder Tokenizer",
    "runtree.algorithms.torch.table_encoder": "TableEncoder",
    "runtree.algorithms.torch.tabular": (
        "TorchMLPClassifier TorchMLPRegressor TorchResNetClassifier TorchResNetRegressor"
    ),
    "runtree.preprocess.categories": "LevelCodes NativeCodes OneHot TargetEncoding",
    "runtree.preprocess.dates": "DateParts",
    "runtree.preprocess.numeric": "ImputeScale Passthrough Raw",
    "runtree.preprocess.tabular": "Tabular",
    "runtree.preprocess.text": "TextEncoding",
    "sklearn._loss.loss": "HalfTweedieLoss HalfTweedieLossIdentity",
    "sklearn.calibration": "CalibratedClassifierCV _CalibratedClassifier _SigmoidCalibration _TemperatureScaling",
    "sklearn.compose._column_transformer": "ColumnTransformer",
    "sklearn.compose._target": "TransformedTargetRegressor",
    "sklearn.decomposition._truncated_svd": "TruncatedSVD",
    "sklearn.discriminant_analysis": "LinearDiscriminantAnalysis QuadraticDiscriminantAnalysis",
    "sklearn.dummy": "DummyClassifier DummyRegressor",
    "sklearn.ensemble._bagging": "BaggingClassifier BaggingRegressor",
    "sklearn.ensemble._forest": (
        "ExtraTreesClassifier ExtraTreesRegressor RandomForestClassifier RandomForestRegressor"
    ),
    "sklearn.ensemble._gb": "GradientBoostingClassifier GradientBoostingRegressor",
    "sklearn.ensemble._hist_gradient_boosting.gradient_boosting": (
        "HistGradientBoostingClassifier HistGradientBoostingRegressor"
    ),
    "sklearn.ensemble._hist_gradient_boosting.predictor": "TreePredictor",
    "sklearn.ensemble._weight_boosting": "AdaBoostClassifier AdaBoostRegressor",
    "sklearn.feature_extraction.text": "TfidfTransformer TfidfVectorizer",
    "sklearn.frozen._frozen": "FrozenEstimator",
    "sklearn.gaussian_process._gpc": "GaussianProcessClassifier _BinaryGaussianProcessClassifierLaplace",
    "sklearn.gaussian_process._gpr": "GaussianProcessRegressor",
    "sklearn.gaussian_process.kernels": "ConstantKernel Product RBF Sum WhiteKernel",
    "sklearn.impute._base": "MissingIndicator SimpleImputer",
    "sklearn.isotonic": "IsotonicRegression",
    "sklearn.kernel_ridge": "KernelRidge",
    "sklearn.linear_model._base": "LinearRegression",
    "sklearn.linear_model._bayes": "ARDRegression BayesianRidge",
    "sklearn.linear_model._coordinate_descent": "ElasticNet Lasso",
    "sklearn.linear_model._glm.glm": "GammaRegressor PoissonRegressor TweedieRegressor",
    "sklearn.linear_model._huber": "HuberRegressor",
    "sklearn.linear_model._logistic": "LogisticRegression",
    "sklearn.linear_model._quantile": "QuantileRegressor",
    "sklearn.linear_model._ridge": "Ridge RidgeClassifier",
    "sklearn.linear_model._stochastic_gradient": "SGDClassifier SGDRegressor",
    "sklearn.metrics._dist_metrics": "ChebyshevDistance64 EuclideanDistance64 ManhattanDistance64 MinkowskiDistance64",
    "sklearn.model_selection._classification_threshold": "FixedThresholdClassifier",
    "sklearn.multiclass": "OneVsRestClassifier",
    "sklearn.naive_bayes": "BernoulliNB GaussianNB",
    "sklearn.neighbors._ball_tree": "BallTree",
    "sklearn.neighbors._classification": "KNeighborsClassifier",
    "sklearn.neighbors._kd_tree": "KDTree",
    "sklearn.neighbors._nearest_centroid": "NearestCentroid",
    "sklearn.neighbors._regression": "KNeighborsRegressor",
    "sklearn.neural_network._multilayer_perceptron": "MLPClassifier MLPRegressor",
    "sklearn.neural_network._stochastic_optimizers": "AdamOptimizer SGDOptimizer",
    "sklearn.pipeline": "Pipeline",
    "sklearn.preprocessing._data": "PowerTransformer StandardScaler",
    "sklearn.preprocessing._encoders": "OneHotEncoder OrdinalEncoder",
    # with `check_array` below: histogram boosting holds both where it has categories; a function must be trusted itself
    "sklearn.preprocessing._function_transformer": "FunctionTransformer",
    "sklearn.preprocessing._label": "LabelBinarizer LabelEncoder",
    "sklearn.preprocessing._target_encoder": "TargetEncoder",
    "sklearn.svm._classes": "LinearSVC LinearSVR SVC SVR",
    "sklearn.tree._classes": "DecisionTreeClassifier DecisionTreeRegressor ExtraTreeClassifier ExtraTreeRegressor",
    "sklearn.tree._tree": "Tree",
    "sklearn.utils.validation": "check_array",
}
TRUSTED = frozenset(f"{module}.{name}" for module, names in FAMILIES.items() for name in names.split())
