"""Reads a class from its source without importing it: parameters, docstring, scikit-learn's parameter constraints.

Importing scikit-learn takes seconds, and `runtree describe` needs only the text of one class. If the source is not
plain enough, `NotInSource` is raised and the caller imports the class; a test compares both for every shipped option.
"""

import ast
import inspect
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

# two modules that import a name from each other would otherwise be followed for ever
MAX_REEXPORTS = 10
# constraints with names, and the text of scikit-learn's objects for them
NAMED = {
    "boolean": "an instance of 'bool' or an instance of 'numpy.bool'",
    "array-like": "an array-like",
    "sparse matrix": "a sparse array or matrix",
    "random_state": "an int in the range [0, 4294967295], an instance of 'numpy.random.mtrand.RandomState' or None",
    "verbose": "an int in the range [0, inf), an instance of 'bool' or an instance of 'numpy.bool'",
}
KINDS = {"Integral": "an int", "Real": "a float", "RealNotInt": "a float"}


class NotInSource(Exception):
    """The source is not plain enough to be read without running it."""


@dataclass(frozen=True)
class ClassSource:
    """A class statement and its module."""

    module: str
    file: Path
    node: ast.ClassDef

    @property
    def docstring(self) -> str:
        """Return the docstring, a base's if it has none."""
        for source in self.mro():
            if text := ast.get_docstring(source.node, clean=False):
                return inspect.cleandoc(text)
        return ""

    def parameters(self) -> tuple[str, ...]:
        """Return the names of the constructor's parameters."""
        for source in self.mro():
            for statement in source.node.body:
                if isinstance(statement, ast.FunctionDef) and statement.name == "__init__":
                    arguments = statement.args
                    named = [*arguments.args[1:], *arguments.kwonlyargs]
                    # type hints may be any expression: only an import can resolve them
                    if statement.decorator_list or any(argument.annotation for argument in named):
                        raise NotInSource
                    return tuple(argument.arg for argument in named)
        return ()

    def mro(self) -> Iterator["ClassSource"]:
        """Yield the class and its bases, depth first; a base that is not in plain source raises."""
        # a dataclass has a constructor that its source does not show, and a metaclass may do anything
        if self.node.decorator_list or any(ast.unparse(word.value) != "ABCMeta" for word in self.node.keywords):
            raise NotInSource
        yield self
        for base in self.node.bases:
            yield from self._named(base).mro()

    def _named(self, node: ast.expr) -> "ClassSource":
        if not isinstance(node, ast.Name):
            raise NotInSource
        return find_class(f"{self.module}.{node.id}")

    def constraints(self) -> dict[str, list[str]]:
        """Return the texts of scikit-learn's constraints by parameter; empty if the class has none."""
        for source in self.mro():
            texts = source._own_constraints()
            if texts is not None:
                return texts
        return {}

    def _own_constraints(self) -> dict[str, list[str]] | None:
        texts: dict[str, list[str]] | None = None
        for statement in self.node.body:
            # the dump finds the name in any kind of statement: an assignment, an update in a loop, a pop
            if isinstance(statement, ast.FunctionDef) or "_parameter_constraints" not in ast.dump(statement):
                continue
            target = statement.targets[0] if isinstance(statement, ast.Assign) else getattr(statement, "target", None)
            if isinstance(target, ast.Name) and target.id == "_parameter_constraints":
                texts = self._table(getattr(statement, "value", None))
            elif texts is not None:
                self._change(statement, texts)
            else:
                raise NotInSource
        return texts

    def _table(self, node: ast.expr | None) -> dict[str, list[str]]:
        # `{**Base._parameter_constraints, …}` or `Base._parameter_constraints` alone
        if isinstance(node, ast.Attribute) and node.attr == "_parameter_constraints":
            return dict(self._named(node.value).constraints())
        if not isinstance(node, ast.Dict):
            raise NotInSource
        texts: dict[str, list[str]] = {}
        for key, value in zip(node.keys, node.values, strict=True):
            if key is None:
                texts |= self._table(value)
            elif isinstance(key, ast.Constant) and isinstance(value, ast.List):
                # a constraint that is computed is left out, and the docstring's type stands
                with suppress(NotInSource):
                    texts[str(key.value)] = [text for item in value.elts if (text := _constraint(item)) is not None]
            else:
                raise NotInSource
        return texts

    def _change(self, statement: ast.stmt, texts: dict[str, list[str]]) -> None:
        """Apply ``_parameter_constraints.update({…})``, or ``.pop("a")``, alone or in a loop over names."""
        names: list[ast.expr] = []
        if isinstance(statement, ast.For) and isinstance(statement.iter, ast.List | ast.Tuple):
            names, body = statement.iter.elts, statement.body
        else:
            body = [statement]
        for inner in body:
            call: Any = inner.value if isinstance(inner, ast.Expr) else None
            method = ast.unparse(call.func) if isinstance(call, ast.Call) else ""
            if method == "_parameter_constraints.update":
                texts |= self._table(call.args[0])
            elif method == "_parameter_constraints.pop":
                for name in names or call.args[:1]:
                    texts.pop(str(ast.literal_eval(name)), None)
            else:
                raise NotInSource


def _constraint(node: ast.expr) -> str | None:
    """Return scikit-learn's text of one constraint, None if it is hidden."""
    if isinstance(node, ast.Constant):
        if node.value is None:
            return "None"
        if node.value in NAMED:
            return NAMED[node.value]
    if isinstance(node, ast.Name):
        name = {"Integral": "int", "Real": "float"}.get(node.id, node.id)
        return "a callable" if name == "callable" else f"an instance of '{name}'"
    if isinstance(node, ast.Attribute) and ast.unparse(node).startswith("np."):
        return f"an instance of 'numpy.{node.attr}'"
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        if node.func.id == "Hidden":
            return None
        if node.func.id == "StrOptions":
            return f"a str among {_literal(node.args[0])}"
        if node.func.id == "HasMethods":
            methods = _literal(node.args[0])
            names = [methods] if isinstance(methods, str) else sorted(methods)
            return f"an object implementing {' and '.join(map(repr, names))}"
        if node.func.id == "Interval":
            return _interval(node)
    raise NotInSource(ast.unparse(node))


def _interval(node: ast.Call) -> str:
    kind, low, high = ast.unparse(node.args[0]), *(_literal(argument) for argument in node.args[1:])
    closed = {word.arg: _literal(word.value) for word in node.keywords}.get("closed")
    if kind not in KINDS or closed is None:
        raise NotInSource
    number = int if kind == "Integral" else float
    bounds = [text if bound is None else number(bound) for bound, text in ((low, "-inf"), (high, "inf"))]
    brackets = "[" if closed in ("left", "both") else "(", "]" if closed in ("right", "both") else ")"
    return f"{KINDS[kind]} in the range {brackets[0]}{bounds[0]}, {bounds[1]}{brackets[1]}"


def _literal(node: ast.expr) -> Any:
    try:
        return ast.literal_eval(node)
    except ValueError:
        raise NotInSource(ast.unparse(node)) from None


def find_class(target: str, reexports: int = 0) -> ClassSource:
    """Find the class with a dotted name, through the modules that re-export it."""
    module, file, names = _locate(target.split("."))
    if len(names) != 1 or reexports > MAX_REEXPORTS:
        raise NotInSource
    for statement in _parse(file).body:
        if isinstance(statement, ast.ClassDef) and statement.name == names[0]:
            return ClassSource(module, file, statement)
        if isinstance(statement, ast.ImportFrom):
            for alias in statement.names:
                if (alias.asname or alias.name) == names[0]:
                    package = module if file.name == "__init__.py" else module.rpartition(".")[0]
                    # each further dot of a relative import is one package up
                    for _ in range(statement.level - 1):
                        package = package.rpartition(".")[0]
                    source = ".".join(filter(None, [package if statement.level else "", statement.module]))
                    return find_class(f"{source}.{alias.name}", reexports + 1)
    raise NotInSource(target)


def _locate(parts: list[str]) -> tuple[str, Path, list[str]]:
    """Return the longest module at the start of a dotted name, its file, and the remaining names."""
    # finding the spec of a top-level package imports nothing; that of a submodule would import its parents
    spec = find_spec(parts[0])
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        raise NotInSource
    file = Path(spec.origin)
    for position, name in enumerate(parts[1:], 1):
        if file.name != "__init__.py":
            return ".".join(parts[:position]), file, parts[position:]
        package, module = file.parent / name / "__init__.py", file.parent / f"{name}.py"
        if not package.is_file() and not module.is_file():
            return ".".join(parts[:position]), file, parts[position:]
        file = package if package.is_file() else module
    raise NotInSource(".".join(parts))


# a class and its bases are often in one module of some thousand lines
@lru_cache(maxsize=32)
def _parse(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))
