"""A fitted pipeline as an ONNX model: preprocessing, algorithm, calibration, threshold and transformed target."""

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from functools import cache, partial
from typing import Any, Literal

import numpy as np
from onnx import ModelProto, TensorProto

from runtree.contract.errors import GateError, first_line
from runtree.contract.feature_blocks import DateBlock, FeatureBlock, LevelBlock, NumberBlock, OtherBlock
from runtree.packaging.onnx_graph import ML, ML_OPSET, OPSET, Graph, add_features, make_model
from runtree.training.decision import unwrap_layers

Array = np.ndarray[Any, Any]
Precision = Literal["double", "float"]

PRECISIONS: tuple[Precision, ...] = ("double", "float")  # of the algorithm, in the order in which they are tried
NUMBER, TEXT = TensorProto.DOUBLE, TensorProto.STRING
TYPE_NAMES = {
    TensorProto.DOUBLE: "double",
    TensorProto.STRING: "string",
    TensorProto.INT64: "int64",
    TensorProto.BOOL: "bool",
}
LABEL_TYPES = {"U": TensorProto.STRING, "i": TensorProto.INT64, "b": TensorProto.BOOL, "f": TensorProto.DOUBLE}
HISTOGRAM_BOOSTING = ("HistGradientBoostingClassifier", "HistGradientBoostingRegressor")
LOG_LINKS = ("gamma", "poisson")  # losses of a regression by histogram boosting that predict the logarithm
NO_CONVERTER = "to serve it as it is: runtree serve; to list the algorithms that convert: docs/packaging.md"


def feature_blocks(pipeline: Any) -> list[FeatureBlock]:
    """Return the blocks of a pipeline's preprocessing.

    Raises
    ------
    GateError
        It offers none.
    """
    steps: Any = getattr(pipeline, "steps", ())
    blocks = getattr(steps[0][1], "feature_blocks", None) if len(steps) == 2 else None
    if blocks is None:
        name = type(steps[0][1] if steps else pipeline).__name__
        hint = "train again with preprocess=tabular, standard or none"
        raise GateError(f"preprocess: {name} has no form in ONNX", hint)
    return list(blocks())


def input_types(blocks: Sequence[FeatureBlock]) -> dict[str, int]:
    """Return the type of the input of each column that the model reads, as `TensorProto` numbers them."""
    types: dict[str, int] = {}
    for block in blocks:
        if isinstance(block, LevelBlock):
            types[block.name] = TEXT
        else:
            types |= dict.fromkeys(block.names, TEXT if isinstance(block, OtherBlock) else NUMBER)
    return types


def date_formats(pipeline: Any) -> dict[str, str]:
    """Return how the columns of dates are written, whose inputs are seconds since 1970."""
    dates = [block.formats for block in feature_blocks(pipeline) if isinstance(block, DateBlock)]
    return {name: text for formats in dates for name, text in formats.items()}


def convert(pipeline: Any, classes: tuple[Any, ...], precision: Precision) -> ModelProto:
    """Return a fitted pipeline as a model.

    Inputs are one for each column; outputs are `label` and, if the algorithm has any, `probabilities` in the order of
    `classes`, or `prediction` of a regression. Features are computed as double in any case.

    Raises
    ------
    GateError
        A column, the algorithm, or what is around it has no form in ONNX.
    """
    blocks = feature_blocks(pipeline)
    inputs = input_types(blocks)
    graph = Graph(list(inputs))
    features = add_features(graph, blocks)
    width = sum(_width(block) for block in blocks)
    last = pipeline.steps[-1][1]
    results = _add_classifier(graph, last, features, width, classes, precision) if classes else {
        "prediction": (_add_regressor(graph, last, features, width, precision), NUMBER, ["rows"])
    }  # fmt: skip
    # a column may have the name of an output
    named = {f"{name}_of_model" if name in inputs else name: result for name, result in results.items()}
    return make_model(graph, inputs, named)


def _width(block: FeatureBlock) -> int:
    if isinstance(block, LevelBlock):
        return int(block.table.shape[1])
    if isinstance(block, DateBlock):
        return len(block.parts)
    return len(block.names) + (len(block.flagged) if isinstance(block, NumberBlock) else 0)


# --- Classes


def _add_classifier(
    graph: Graph, last: Any, features: str, width: int, classes: tuple[Any, ...], precision: Precision
) -> dict[str, tuple[str, int, list[Any]]]:
    threshold = positive = None
    if type(last).__name__ == "FixedThresholdClassifier":
        threshold, positive, last = last.threshold, last.pos_label, last.estimator
    inner = _thaw(last)
    with_proba = hasattr(inner, "predict_proba")
    label, *scores = graph.absorb(_convert_algorithm(inner, width, precision, True), _typed(graph, features, precision))
    labels = inner.classes_.tolist()
    kind = LABEL_TYPES[np.asarray(labels).dtype.kind]
    results: dict[str, tuple[str, int, list[Any]]] = {}
    if with_proba:
        proba = graph.cast(scores[0], NUMBER)
        order = [labels.index(name) for name in classes]
        if order != sorted(order):
            proba = graph.add("Gather", proba, graph.constant(np.array(order, dtype=np.int64)), axis=1)
        results["probabilities"] = (proba, NUMBER, ["rows", len(classes)])
        if threshold is not None:
            label = _add_threshold(graph, proba, float(threshold), classes, positive)
        elif kind not in (TensorProto.STRING, TensorProto.INT64) or hasattr(inner, "module_"):  # labels are positions
            label = graph.labels(classes, graph.add("ArgMax", proba, axis=1, keepdims=0))
    elif kind == TensorProto.BOOL:
        label = graph.cast(label, kind)
    return {"label": (graph.add("Reshape", label, graph.constant([-1])), kind, ["rows"]), **results}


def _add_threshold(graph: Graph, proba: str, threshold: float, classes: tuple[Any, ...], positive: Any) -> str:
    place = classes.index(positive)
    column = graph.add("Gather", proba, graph.constant(np.int64(place)), axis=1)
    reached = graph.cast(graph.add("GreaterOrEqual", column, graph.constant(np.float64(threshold))), TensorProto.INT64)
    return graph.labels([classes[1 - place], classes[place]], reached)


def _thaw(last: Any) -> Any:
    """Return a classifier without `FrozenEstimator`, which the converter does not know; the fit is not touched."""
    if type(last).__name__ == "FrozenEstimator":
        return _thaw(last.estimator)
    if type(last).__name__ != "CalibratedClassifierCV":
        return last
    last = copy(last)
    last.calibrated_classifiers_ = [copy(one) for one in last.calibrated_classifiers_]
    for one in last.calibrated_classifiers_:
        one.estimator = _thaw(one.estimator)
    last.estimator = _thaw(last.estimator)
    return last


# --- Numbers


def _add_regressor(graph: Graph, last: Any, features: str, width: int, precision: Precision) -> str:
    transformer = getattr(last, "transformer_", None)
    inner = list(unwrap_layers(last))[-1]
    if transformer is not None and inner is last:  # of the user's own, around an algorithm that is not frozen
        raise GateError(f"algorithm: {type(last).__name__} has no form in ONNX", NO_CONVERTER)
    part = _convert_algorithm(inner, width, precision, False)
    offset = _centre_trees(part)
    [value] = graph.absorb(part, _typed(graph, features, precision))
    value = graph.add("Reshape", graph.cast(value, NUMBER), graph.constant([-1]))
    if offset:
        value = graph.add("Add", value, graph.constant(np.float64(offset)))
    if type(inner).__name__ in HISTOGRAM_BOOSTING and inner.loss in LOG_LINKS:
        value = graph.add("Exp", value)  # which the converter leaves out
    return value if transformer is None else _add_original_units(graph, transformer, value)


def _centre_trees(part: ModelProto) -> float:
    """Centre the leaves of each tree of an ensemble around zero; return what that takes from the sum of the trees.

    The runtime adds up the trees in single precision. Sums near zero keep digits that those of a forest whose target is
    far from zero lose: with 200 trees differences of 1e-5 standard deviations become 1e-7.
    """
    trees = [node for node in part.graph.node if node.op_type == "TreeEnsembleRegressor"]
    others = {node.op_type for node in part.graph.node} - {"TreeEnsembleRegressor", "Cast", "Identity", "Reshape"}
    if len(trees) != 1 or others:
        return 0.0
    attributes = {one.name: one for one in trees[0].attribute}
    weights, ids = np.array(attributes["target_weights"].floats), np.array(attributes["target_treeids"].ints)
    means = np.bincount(ids, weights) / np.maximum(np.bincount(ids), 1)
    del attributes["target_weights"].floats[:]
    attributes["target_weights"].floats.extend((weights - means[ids]).tolist())
    return float(means.sum())


def _add_original_units(graph: Graph, transformer: Any, value: str) -> str:
    """Add the inverse of what the target was transformed by."""
    name = type(transformer).__name__
    if name == "FunctionTransformer":
        value = graph.add("Exp", value)
        return value if transformer.inverse_func is np.exp else graph.add("Sub", value, graph.constant(np.float64(1)))
    scaler = transformer if name == "StandardScaler" else transformer._scaler
    value = graph.add("Mul", value, graph.constant(scaler.scale_))
    value = graph.add("Add", value, graph.constant(scaler.mean_))
    return value if name == "StandardScaler" else _add_yeo_johnson(graph, float(transformer.lambdas_[0]), value)


def _add_yeo_johnson(graph: Graph, power: float, value: str) -> str:
    """Add the inverse of Yeo and Johnson's transformation (2000, Biometrika 87)."""
    one = graph.constant(np.float64(1))

    def half(size: str, exponent: float) -> str:
        """Return the inverse for a size that is not negative; of the other sign it is not used."""
        if abs(exponent) < np.finfo(np.float64).eps:
            return graph.add("Sub", graph.add("Exp", size), one)
        base = graph.add("Add", graph.add("Mul", size, graph.constant(np.float64(exponent))), one)
        return graph.add("Sub", graph.add("Pow", base, graph.constant(np.float64(1 / exponent))), one)

    size, zero = graph.add("Abs", value), graph.constant(np.float64(0))
    above, below = half(size, power), graph.add("Neg", half(size, 2 - power))
    return graph.add("Where", graph.add("GreaterOrEqual", value, zero), above, below)


# --- The algorithm


def _typed(graph: Graph, features: str, precision: Precision) -> str:
    return features if precision == "double" else graph.cast(features, TensorProto.FLOAT)


def _convert_algorithm(algorithm: Any, width: int, precision: Precision, classifies: bool) -> ModelProto:
    """Return the model of an algorithm alone; of a classifier with a label and scores for each class."""
    name = type(algorithm).__name__
    _refuse_native_categories(algorithm)
    try:
        with _quiet():
            if hasattr(algorithm, "module_"):
                return _convert_network(algorithm, width, precision, classifies)
            return _convert_estimator(algorithm, width, precision, classifies)
    except GateError:
        raise
    except Exception as error:  # converters raise what they like, assertions and name errors too
        # of a missing converter the whole text is a lesson on how to write one
        missing = type(error).__name__ in ("MissingShapeCalculator", "MissingConverter")
        reason = "no converter is known" if missing else f"{type(error).__name__}: {first_line(error)[:160]}"
        raise GateError(f"algorithm: {name} does not convert to ONNX: {reason}", NO_CONVERTER) from error


def _convert_estimator(algorithm: Any, width: int, precision: Precision, classifies: bool) -> ModelProto:
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType

    _mend_histogram_boosting()
    kind = DoubleTensorType if precision == "double" else FloatTensorType
    whole = partial(
        convert_sklearn,
        algorithm,
        initial_types=[("features", kind([None, width]))],
        target_opset={"": OPSET, ML: ML_OPSET},
    )
    try:
        model: ModelProto = whole(options={id(algorithm): {"zipmap": False}} if classifies else None)
    except NameError:  # some classifiers do not know the option, and make an array without it
        model = whole()
    if precision == "double" and any(node.op_type.startswith("TreeEnsemble") for node in model.graph.node):
        # trees of scikit-learn read single precision: in double they may predict otherwise between the rows compared
        raise GateError(f"algorithm: {type(algorithm).__name__} compares in single precision")
    return model


def _refuse_native_categories(algorithm: Any) -> None:
    for one in (algorithm, *(each.estimator for each in getattr(algorithm, "calibrated_classifiers_", ()))):
        if type(one).__name__ in HISTOGRAM_BOOSTING and getattr(one, "is_categorical_", None) is not None:
            raise GateError(
                f"algorithm: {type(one).__name__} with categories of its own converts to wrong predictions",
                "train again with one-hot features: algorithm.categorical_features=null",
            )


@cache
def _mend_histogram_boosting() -> None:
    """Let skl2onnx convert histogram boosting: its attributes hold truth values, which protobuf 7 refuses."""
    from skl2onnx import update_registered_converter
    from skl2onnx.common._registration import get_converter, get_shape_calculator
    from sklearn import ensemble

    class PlainNumbers:
        """A container of nodes whose attributes are numbers of Python."""

        def __init__(self, container: Any) -> None:
            self._container = container

        def __getattr__(self, name: str) -> Any:
            return getattr(self._container, name)

        def add_node(self, *words: Any, **attributes: Any) -> Any:
            numbers = {
                name: [int(one) if isinstance(one, (bool, np.bool_, np.integer)) else one for one in value]
                if isinstance(value, list)
                else value
                for name, value in attributes.items()
            }
            return self._container.add_node(*words, **numbers)

    def plain(convert: Any) -> Any:
        return lambda scope, operator, container: convert(scope, operator, PlainNumbers(container))

    for name in HISTOGRAM_BOOSTING:
        alias = f"Sklearn{name}"
        options = {"zipmap": [True, False, "columns"], "raw_scores": [True, False], "nocl": [True, False]}
        update_registered_converter(
            getattr(ensemble, name),
            alias,
            get_shape_calculator(alias),
            plain(get_converter(alias)),
            overwrite=True,
            options=options if name.endswith("Classifier") else None,
        )


def _convert_network(network: Any, width: int, precision: Precision, classifies: bool) -> ModelProto:
    """Return the model of a network of torch whose inputs are numbers: standardised, passed on, put into units."""
    import torch

    encoder = network.encoder_
    kind = type(encoder).__name__
    # rows that are unchanged, of one axis, or a table of numbers alone
    as_they_are = kind == "IdentityEncoder" and len(encoder.shape) == 1
    if not as_they_are and (kind != "TableEncoder" or encoder.categories):
        raise GateError(
            f"algorithm: the rows of {type(network).__name__} are read by {kind}, which has no form in ONNX",
            NO_CONVERTER,
        )
    double = torch.float64

    class Whole(torch.nn.Module):
        """The network with what its estimator does before and after."""

        def __init__(self) -> None:
            super().__init__()
            self.inner = network.module_.to("cpu").eval()
            arrays = (np.nan, 0.0, 1.0) if as_they_are else (encoder.median, encoder.mean, encoder.scale)
            self.median, self.mean, self.scale = (torch.from_numpy(np.asarray(one)).to(double) for one in arrays)

        def forward(self, features: torch.Tensor) -> Any:
            """Return labels as positions and probabilities, or values."""
            features = features.to(double)
            filled = torch.where(torch.isnan(features), self.median, features)
            outputs = self.inner(((filled - self.mean) / self.scale).to(torch.float32)).to(double)
            if classifies:
                return torch.argmax(outputs, dim=1), torch.softmax(outputs, dim=1)
            return outputs * network.target_scale_ + network.target_mean_

    program = torch.onnx.export(
        Whole(),
        (torch.zeros(3, width, dtype=double if precision == "double" else torch.float32),),
        dynamo=True,
        dynamic_shapes=({0: torch.export.Dim("rows")},),
        input_names=["features"],
        output_names=["label", "probabilities"] if classifies else ["value"],
        opset_version=OPSET,
        verbose=False,
    )
    model: ModelProto = program.model_proto  # type: ignore[union-attr]  # None is of the older exporter
    return model


@contextmanager
def _quiet() -> Iterator[None]:
    """Suppress what converters say of their own future."""
    named = logging.getLogger("torch.onnx")
    level = named.level
    named.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        named.setLevel(level)
