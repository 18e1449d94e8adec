"""A graph of ONNX nodes, and the blocks of a fitted preprocessing as such nodes."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from onnx import ModelProto, TensorProto, compose, helper, inliner, numpy_helper

from runtree.contract.errors import GateError
from runtree.contract.feature_blocks import DateBlock, FeatureBlock, LevelBlock, NumberBlock

Array = np.ndarray[Any, Any]

# of 2022 and 2021: older runtimes read the file, too, and all that is used here is in them
OPSET, ML_OPSET, IR_VERSION = 18, 3, 10
ML = "ai.onnx.ml"
MAX_LEVEL_CHARACTERS = 64  # from which on a level is stored by a hash
NUMBERS = "train again with preprocess=tabular, which makes numbers of it"
DROP = "leave it out and train again, with: preprocess.columns.{name}=drop"


class Graph:
    """Nodes in the order in which they are computed; each result has a name that no column of the table has."""

    def __init__(self, columns: Sequence[str]) -> None:
        self.nodes: list[Any] = []
        self.weights: list[Any] = []
        self._prefix = "step"
        while any(name.startswith(self._prefix) for name in columns):
            self._prefix += "_"

    def name(self) -> str:
        """Return a name that is not taken."""
        return f"{self._prefix}{len(self.nodes) + len(self.weights)}"

    def constant(self, values: Any) -> str:
        """Add an array, texts included, and return its name."""
        values, name = np.asarray(values), self.name()
        if values.dtype.kind in "UO":
            texts: Any = [str(value).encode() for value in values.ravel()]
            tensor = helper.make_tensor(name, TensorProto.STRING, values.shape, texts)
        else:
            tensor = numpy_helper.from_array(np.ascontiguousarray(values), name)
        self.weights.append(tensor)
        return name

    def add(self, operator: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        """Add a node with one output, and return the name of that."""
        output = self.name()
        node = helper.make_node(operator, inputs, [output], name=output, domain=domain, **attributes)
        self.nodes.append(node)
        return output

    def cast(self, source: str, kind: int) -> str:
        """Add a conversion to a type of `TensorProto`."""
        return self.add("Cast", source, to=kind)

    def concat(self, parts: Sequence[str]) -> str:
        """Add a concatenation of columns."""
        return parts[0] if len(parts) == 1 else self.add("Concat", *parts, axis=1)

    def labels(self, labels: Sequence[Any], positions: str) -> str:
        """Add what takes labels by their positions."""
        return self.add("Gather", self.constant(np.asarray(labels)), positions)

    def absorb(self, part: ModelProto, source: str) -> list[str]:
        """Add the nodes of a model with one input, and return the names of its outputs."""
        foreign = [one.domain for one in part.opset_import if one.domain not in ("", "ai.onnx", ML)]
        if foreign and not part.functions:
            raise GateError(f"algorithm: it needs operators of {foreign[0]}, which not every runtime has")
        if part.functions:
            part = inliner.inline_local_functions(part)
        part = compose.add_prefix(part, f"{self.name()}/")
        weights = {one.name for one in part.graph.initializer}
        [name] = [one.name for one in part.graph.input if one.name not in weights]
        self.nodes += [helper.make_node("Identity", [source], [name]), *part.graph.node]
        self.weights += part.graph.initializer
        return [one.name for one in part.graph.output]


def add_features(graph: Graph, blocks: Sequence[FeatureBlock]) -> str:
    """Add what computes the features of rows, float64 of shape (rows, features), from an input for each column.

    Numbers are float64 of shape (rows, 1), NaN if missing, and so are dates, in seconds since 1970; levels are texts of
    that shape, empty if missing.

    Raises
    ------
    GateError
        A column has no such form.
    """
    return graph.concat([_add_block(graph, block) for block in blocks])


def _add_block(graph: Graph, block: FeatureBlock) -> str:
    if isinstance(block, NumberBlock):
        return _add_numbers(graph, block)
    if isinstance(block, LevelBlock):
        return _add_levels(graph, block)
    if isinstance(block, DateBlock):
        return _add_dates(graph, block)
    raise GateError(
        f"column '{block.names[0]}' is a {block.kind}, which has no form in ONNX",
        DROP.format(name=block.names[0]) if block.kind == "text" else NUMBERS,
    )


def _add_numbers(graph: Graph, block: NumberBlock) -> str:
    values = graph.concat(list(block.names))
    if block.fill is None or block.mean is None or block.scale is None:
        return values
    absent = graph.add("IsNaN", values)
    values = graph.add("Where", absent, graph.constant(block.fill), values)
    if len(block.flagged):
        flags = graph.add("Gather", absent, graph.constant(np.asarray(block.flagged, dtype=np.int64)), axis=1)
        values = graph.concat([values, graph.cast(flags, TensorProto.DOUBLE)])
    return graph.add("Div", graph.add("Sub", values, graph.constant(block.mean)), graph.constant(block.scale))


def _add_dates(graph: Graph, block: DateBlock) -> str:
    parts = {name: _date_parts(graph, name) for name in dict.fromkeys(name for name, _ in block.parts)}
    values = graph.concat([parts[name][part] for name, part in block.parts])
    values = graph.add("Where", graph.add("IsNaN", values), graph.constant(block.fill), values)
    return graph.add("Div", graph.add("Sub", values, graph.constant(block.mean)), graph.constant(block.scale))


def _date_parts(graph: Graph, seconds: str) -> dict[str, str]:
    """Return the parts of times in seconds since 1970, all NaN of NaN but `missing`.

    Year, month and day are those of the proleptic Gregorian calendar, by H. Hinnant's `civil_from_days`
    (https://howardhinnant.github.io/date_algorithms.html). Its years begin in March: the leap day is the last one.
    """

    def number(value: float) -> str:
        return graph.constant(np.float64(value))

    def combine(operator: str, left: str, right: float | str) -> str:
        return graph.add(operator, left, number(right) if isinstance(right, (int, float)) else right)

    def whole(value: str, divisor: float) -> str:
        return graph.add("Floor", combine("Div", value, divisor))

    def rest(value: str, divisor: float) -> str:
        return combine("Sub", value, combine("Mul", whole(value, divisor), divisor))

    day_number = whole(seconds, 86_400)
    shifted = combine("Add", day_number, 719_468)  # days since the first of March of the year 0
    era, in_era = whole(shifted, 146_097), rest(shifted, 146_097)  # of 400 years
    leap = combine("Sub", combine("Sub", whole(in_era, 36_524), whole(in_era, 1_460)), whole(in_era, 146_096))
    year_of_era = whole(combine("Add", in_era, leap), 365)
    before = combine(
        "Sub", combine("Add", combine("Mul", year_of_era, 365), whole(year_of_era, 4)), whole(year_of_era, 100)
    )
    day_of_year = combine("Sub", in_era, before)
    from_march = whole(combine("Add", combine("Mul", day_of_year, 5), 2), 153)
    days_before = whole(combine("Add", combine("Mul", from_march, 153), 2), 5)
    is_early = graph.cast(combine("GreaterOrEqual", from_march, 10), TensorProto.DOUBLE)  # January and February
    year = combine("Add", combine("Add", year_of_era, combine("Mul", era, 400)), is_early)
    return {
        "year": year,
        "month": combine("Sub", combine("Add", from_march, 3), combine("Mul", is_early, 12)),
        "day": combine("Add", combine("Sub", day_of_year, days_before), 1),
        "weekday": rest(combine("Add", day_number, 3), 7),  # 1970 began on a Thursday
        "hour": whole(rest(seconds, 86_400), 3_600),
        "days": combine("Div", seconds, 86_400),
        "missing": graph.cast(graph.add("IsNaN", seconds), TensorProto.DOUBLE),
    }


def _add_levels(graph: Graph, block: LevelBlock) -> str:
    if block.is_number:
        raise GateError(
            f"column '{block.name}' is given to the algorithm as numbers of levels, and converts to wrong predictions",
            "train again with one-hot features: algorithm.categorical_features=null",
        )
    levels = list(block.levels)
    # a longer text is kept by its beginning and a hash, which no node computes
    if long := next((level for level in levels if len(level) == MAX_LEVEL_CHARACTERS and "…" in level), None):
        raise GateError(
            f"column '{block.name}' has a category of more than {MAX_LEVEL_CHARACTERS} characters: {long[:30]}…",
            DROP.format(name=block.name),
        )
    if "" in levels:
        raise GateError(
            f"column '{block.name}' has an empty text as a category, which stands for a missing value in ONNX",
            DROP.format(name=block.name),
        )
    keys = ["", *levels]  # the code of a missing value: that of an unknown one, if training had none
    codes = graph.add(
        "LabelEncoder",
        block.name,
        domain=ML,
        keys_strings=keys,
        values_int64s=[len(levels), *range(len(levels))],
        default_int64=len(block.table) - 1,
    )
    rows = graph.add("Reshape", codes, graph.constant(np.array([-1], dtype=np.int64)))
    return graph.add("Gather", graph.constant(block.table), rows)


def make_model(
    graph: Graph, inputs: Mapping[str, int], outputs: Mapping[str, tuple[str, int, list[Any]]]
) -> ModelProto:
    """Return a checked model.

    Parameters
    ----------
    inputs
        The type of each column, as `TensorProto` numbers them.
    outputs
        For each output the name of the result, its type and its shape.
    """
    from onnx import checker

    for name, (result, _, _) in outputs.items():
        graph.nodes.append(helper.make_node("Identity", [result], [name]))
    made = helper.make_graph(
        graph.nodes,
        "model",
        [helper.make_tensor_value_info(name, kind, ["rows", 1]) for name, kind in inputs.items()],
        [helper.make_tensor_value_info(name, kind, shape) for name, (_, kind, shape) in outputs.items()],
        graph.weights,
    )
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(ML, ML_OPSET)]
    model = helper.make_model(made, opset_imports=opsets, ir_version=IR_VERSION, producer_name="runtree")
    checker.check_model(model)
    return model
