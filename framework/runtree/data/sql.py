"""Rows of a database: a table, or what a query returns, by SQLAlchemy. The database is only read."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from runtree.contract.errors import ConfigError, DataError, MissingError, first_line, unknown
from runtree.contract.redaction import redact_text, remember_secret
from runtree.tables.csv_files import check_header
from runtree.tables.file_formats import Origin
from runtree.tables.typed_files import plain_types

if TYPE_CHECKING:
    import pandas as pd

CHUNK_ROWS = 50_000  # fetched at a time
# what hides words and marks from a reader: comments, and texts in quotes
QUOTED = re.compile(r"--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|`[^`]*`|(\$\w*\$).*?\1", re.DOTALL)
READS = ("select", "with", "values", "table")
DRIVERS = {"postgres": "postgresql+psycopg", "postgresql": "postgresql+psycopg"}
PACKAGES = {"MySQLdb": "mysqlclient"}  # by what is imported
INSTALL = "install it: pip install 'runtree[sql]'"


@dataclass
class Database:
    """Rows of a database.

    Parameters
    ----------
    url
        SQLAlchemy's URL: `sqlite:///shop.db`, `postgresql+psycopg://user:${secret:PASSWORD}@host/shop`.
    query
        A SELECT; it should say `order by`, as a split depends on the order of the rows.
    table
        The name of a table, instead of a query; its rows are ordered by the primary key.
    """

    url: str
    query: str | None = None
    table: str | None = None
    origin: Origin | None = field(default=None, init=False, repr=False, compare=False)

    def load(self) -> "pd.DataFrame":
        """Return all rows, in the types of the database."""
        if (self.query is None) == (self.table is None):
            raise ConfigError(
                "data.query: name a query or a table, one of them",
                "type: data.table=NAME, or 'data.query=\"select …\"'",
            )
        if self.query is not None:
            refuse_writes(self.query)
        name = redact_text(_read_url(self.url).render_as_string(hide_password=True))
        with _connection(self.url, name) as connection:
            try:
                frame = _fetch(connection, self.query or _select(connection, self.table or ""))
            except _sqlalchemy().exc.SQLAlchemyError as error:
                where = "data.query" if self.query is not None else "data.table"
                raise DataError(f"{where}: {_words_of(error)}", f"the database: {name}") from None
        self.origin = Origin("sql", f"{name} {self.table or ''}".strip(), len(frame))
        return frame

    def notes(self, frame: "pd.DataFrame", reading: Any) -> list[str]:
        """Return a note if the order of the rows is left to the database."""
        if self.query is None or re.search(r"\border\s+by\b", QUOTED.sub(" ", self.query), re.IGNORECASE):
            return []
        return ["data.query has no 'order by': rows in another order give another split and another fingerprint"]


def refuse_writes(query: str) -> None:
    """Refuse what is not a single statement that reads.

    Raises
    ------
    ConfigError
        It begins with another word than SELECT, WITH, VALUES or TABLE, or is followed by another statement.
    """
    bare = QUOTED.sub(" ", query).strip().rstrip("; \n\t")
    word = re.match(r"[\s(]*(\w*)", bare)
    if word is None or word[1].lower() not in READS:
        raise ConfigError(
            f"data.query: begins with '{(word[1] if word else '')[:20]}'; only what reads is run",
            "possible: select …, with … select …",
        )
    if ";" in bare:
        raise ConfigError("data.query: holds more than one statement", "only one select is run")


def _sqlalchemy() -> Any:
    import sqlalchemy

    return sqlalchemy


def _read_url(url: str) -> Any:
    sqlalchemy = _sqlalchemy()
    try:
        made = sqlalchemy.engine.make_url(url)
    except (sqlalchemy.exc.ArgumentError, ValueError):
        raise DataError(
            "data.url: is not the URL of a database", "such as sqlite:///shop.db, postgresql+psycopg://user@host/shop"
        ) from None
    if made.password:
        # drivers quote it in some of their errors; typed or from the environment, it is hidden from now on
        remember_secret(str(made.password))
    return made.set(drivername=DRIVERS.get(made.drivername, made.drivername))


@contextmanager
def _connection(url: str, name: str) -> Iterator[Any]:
    """Yield a connection on which nothing can be written, as far as the database supports it."""
    sqlalchemy = _sqlalchemy()
    made = _read_url(url)
    if made.get_backend_name() == "sqlite":
        made = _read_only_file(made)
    try:
        engine = sqlalchemy.create_engine(made, poolclass=sqlalchemy.pool.NullPool)
    except sqlalchemy.exc.NoSuchModuleError:
        raise MissingError(
            f"data.url: no installed package speaks '{made.drivername}'",
            "possible without more: sqlite; with runtree[sql]: postgresql",
        ) from None
    except ModuleNotFoundError as error:
        hint = (
            INSTALL
            if str(error.name).startswith("psycopg")
            else f"install it: pip install {PACKAGES.get(str(error.name), error.name)}"
        )
        raise MissingError(f"data.url: '{made.drivername}' needs the package '{error.name}'", hint) from None
    try:
        connection = engine.connect()
    except sqlalchemy.exc.SQLAlchemyError as error:
        raise DataError(f"data.url: cannot connect to {name}: {_words_of(error)}") from None
    with connection:
        # rows travel in parts, and a % in the query is no placeholder
        options: dict[str, Any] = {"stream_results": True, "no_parameters": True}
        if made.get_backend_name() == "postgresql":
            options["postgresql_readonly"] = True
        elif made.get_backend_name() in ("mysql", "mariadb"):
            connection.exec_driver_sql("set session transaction read only")
            connection.rollback()
        # never committed: what another database may write after all is rolled back
        yield connection.execution_options(**options)
    engine.dispose()


def _read_only_file(url: Any) -> Any:
    """Return the URL that opens a file of SQLite for reading; SQLite would make an empty one."""
    path = url.database or ""
    if not path or path == ":memory:" or path.startswith("file:"):
        raise DataError("data.url: names no file", "such as sqlite:///shop.db, or sqlite:////absolute/shop.db")
    file = Path(path).expanduser()
    if not file.is_file():
        raise DataError(f"data.url: no file {path}", f"current folder: {Path.cwd()}")
    return url.set(database=f"file:{quote(str(file))}", query={"mode": "ro", "uri": "true"})


def _select(connection: Any, table: str) -> str:
    """Return the query for all rows of a table, in the order of its primary key."""
    inspector = _sqlalchemy().inspect(connection)
    schema, _, name = table.rpartition(".")
    known = [*inspector.get_table_names(schema or None), *inspector.get_view_names(schema or None)]
    if name not in known:
        raise unknown("table at data.table:", name, known, error=DataError)
    quoted = connection.dialect.identifier_preparer.quote
    place = ".".join(quoted(part) for part in (schema, name) if part)
    keys = inspector.get_pk_constraint(name, schema or None).get("constrained_columns") or []
    order = f" order by {', '.join(map(quoted, keys))}" if keys else ""
    return f"select * from {place}{order}"


def _fetch(connection: Any, query: str) -> "pd.DataFrame":
    import pandas as pd

    from runtree.tables.stacking import concatenate

    result = connection.exec_driver_sql(query)
    names = [str(name) for name in result.keys()]  # noqa: SIM118  not a mapping
    check_header(names, "data.query: the result")
    parts = [
        plain_types(pd.DataFrame.from_records([tuple(row) for row in rows], columns=names))
        for rows in result.partitions(CHUNK_ROWS)
    ]
    # SQLite may store a text in a column of numbers, and another part then has another type
    return plain_types(concatenate(parts)) if parts else pd.DataFrame(columns=names)


def _words_of(error: Exception) -> str:
    """Return what the database says, without SQLAlchemy's words about it."""
    return first_line(getattr(error, "orig", None) or error)
