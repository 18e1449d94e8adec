"""A prediction log in a database, by SQLAlchemy: segments are moved into it, each exactly once."""

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

from runtree.contract.errors import MissingError, RequestError, RunFailedError, first_line
from runtree.contract.redaction import remember_secret
from runtree.records.prediction_segments import LABELS, LeftSegment, LogCounts
from runtree.records.sealed import Seal, SealHeader, SealKey

DRIVERS = {"postgres": "postgresql+psycopg", "postgresql": "postgresql+psycopg"}
INSERTED_ROWS = 5000  # at a time
FETCHED_ROWS = 10_000
COLUMNS = ("request_id", "row", "time", "model", "version", "route", "seconds")
LABEL_COLUMNS = ("request_id", "row", "time", "kind", "label", "reason", "by")
PARTS = ("inputs", "outputs")  # JSON in one column each, sealed where the log is


class PredictionDatabase:
    """The tables ``runtree_predictions``, ``runtree_labels`` and ``runtree_segments`` of a database."""

    def __init__(self, url: str) -> None:
        try:
            import sqlalchemy
        except ImportError:
            raise MissingError(
                "serve.log.to: a database needs SQLAlchemy", "install it: pip install 'runtree[sql]'"
            ) from None
        self._sql = sqlalchemy
        try:
            made = sqlalchemy.engine.make_url(url)
            if made.password:
                remember_secret(str(made.password))
            made = made.set(drivername=DRIVERS.get(made.drivername, made.drivername))
            self.name = made.render_as_string(hide_password=True)
            self._engine = sqlalchemy.create_engine(made, pool_pre_ping=True, pool_size=1)
        except (sqlalchemy.exc.ArgumentError, sqlalchemy.exc.NoSuchModuleError, ValueError) as error:
            raise RequestError(
                f"serve.log.to: is not the URL of a database ({first_line(error)})",
                "such as sqlite:///log.db, postgresql+psycopg://user:${secret:PASSWORD}@host/log",
            ) from None
        except ModuleNotFoundError as error:
            raise MissingError(
                f"serve.log.to: needs the package '{error.name}'", f"install it: pip install {error.name}"
            ) from None

    @cached_property
    def _tables(self) -> dict[str, Any]:
        sql = self._sql
        meta, text, column = sql.MetaData(), sql.Text, sql.Column

        def place() -> tuple[Any, ...]:  # a column belongs to one table
            return (
                column("segment", sql.String(80), primary_key=True),
                column("line", sql.Integer, primary_key=True),
                column("request_id", sql.String(200), index=True),
                column("row", sql.Integer),
                column("time", sql.String(40), index=True),
            )

        tables = (
            sql.Table(
                "runtree_predictions",
                meta,
                *place(),
                *(column(name, sql.String(200)) for name in ("model", "version", "route")),
                column("seconds", sql.Float),
                *(column(name, text) for name in PARTS),
            ),
            sql.Table(
                "runtree_labels",
                meta,
                *place(),
                column("kind", sql.String(20)),
                *(column(name, text) for name in ("label", "reason")),
                column("by", sql.String(200)),
            ),
            sql.Table(
                "runtree_segments",
                meta,
                column("name", sql.String(80), primary_key=True),
                column("kind", sql.String(20)),
                *(column(name, sql.Integer) for name in ("received", "written", "dropped", "lost")),
                column("seal", text),
            ),
        )
        for _ in range(2):
            try:
                meta.create_all(self._engine)
                break
            except self._sql.exc.DBAPIError:  # another worker made them at the same time
                continue
        return {table.name.removeprefix("runtree_"): table for table in tables}

    def store(self, left: LeftSegment) -> None:
        """Insert a segment, if the database does not have it.

        Raises
        ------
        RunFailedError
            The database cannot be reached, or refuses it; nothing of the segment is then in it.
        """
        is_labels = left.file.parent.name == LABELS
        counts = left.counts
        try:
            tables = self._tables
            with self._engine.begin() as connection:
                known = self._sql.select(tables["segments"].c.name).where(tables["segments"].c.name == left.name)
                if connection.execute(known).first():
                    return
                connection.execute(
                    tables["segments"].insert(),
                    {
                        "name": left.name,
                        "kind": LABELS if is_labels else "predictions",
                        **{name: getattr(counts, name) for name in ("received", "written", "dropped", "lost")},
                        "seal": left.seal.header.line.decode() if left.seal else None,
                    },
                )
                table = tables[LABELS if is_labels else "predictions"]
                rows = [
                    {**{name: entry.get(name) for name in LABEL_COLUMNS}, "segment": left.name, "line": number}
                    if is_labels
                    else _row(entry, left.name, number, left.seal)
                    for number, entry in enumerate(left.entries())
                ]
                for begin in range(0, len(rows), INSERTED_ROWS):
                    connection.execute(table.insert(), rows[begin : begin + INSERTED_ROWS])
        except self._sql.exc.SQLAlchemyError as error:
            raise RunFailedError(f"{self.name}: {first_line(getattr(error, 'orig', None) or error)}") from None

    def counts(self) -> LogCounts:
        """Return the counts of all predictions."""
        table = self._tables["segments"]
        sums = [self._sql.func.coalesce(self._sql.func.sum(table.c[name]), 0) for name in LogCounts.__annotations__]
        with self._engine.connect() as connection:
            row = connection.execute(self._sql.select(*sums).where(table.c.kind == "predictions")).one()
        return LogCounts(*map(int, row))

    def entries(
        self, since: str = "", key: SealKey | None = None, request_ids: Sequence[str] | None = None
    ) -> Iterator[dict[str, Any]]:
        """Yield the predictions in the order of their time, each with its last label and override, or None.

        Parameters
        ----------
        since
            ISO 8601, UTC.
        request_ids
            Those of the requests to find; None for all.
        """
        sql, predictions, labels = self._sql, self._tables["predictions"], self._tables["labels"]

        def last(name: str, condition: Any) -> Any:
            return (
                sql.select(labels.c.label)
                .where(labels.c.request_id == predictions.c.request_id, labels.c.row == predictions.c.row, condition)
                .order_by(labels.c.time.desc(), labels.c.line.desc())
                .limit(1)
                .scalar_subquery()
                .label(name)
            )

        found = [last("label", labels.c.kind.is_(None)), last("override", labels.c.kind.is_not(None))]
        seals: dict[str, Seal | None] = {}
        query = sql.select(predictions, *found).where(predictions.c.time >= since).order_by(predictions.c.time)
        query = query if request_ids is None else query.where(predictions.c.request_id.in_(request_ids))
        with self._engine.connect() as connection:
            rows = connection.execution_options(yield_per=FETCHED_ROWS).execute(query)
            for row in rows.mappings():
                name = row["segment"]
                if name not in seals:
                    seals[name] = self._seal(name, key)
                yield _entry(dict(row), seals[name], self.name)

    def _seal(self, segment: str, key: SealKey | None) -> Seal | None:
        table = self._tables["segments"]
        with self._engine.connect() as connection:
            line = connection.execute(self._sql.select(table.c.seal).where(table.c.name == segment)).scalar()
        return Seal.of(SealHeader.read(line.encode(), self.name), self.name, segment, key) if line else None

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()


def _row(entry: Mapping[str, Any], segment: str, line: int, seal: Seal | None) -> dict[str, Any]:
    row = {"segment": segment, "line": line, **{name: entry.get(name) for name in COLUMNS}}
    for number, part in enumerate(PARTS):
        values = {name.partition(".")[2]: value for name, value in entry.items() if name.startswith(f"{part}.")}
        if part == "inputs" and "inputs_hash" in entry:
            values["_hash"] = entry["inputs_hash"]
        text = json.dumps(values, ensure_ascii=False)
        if seal:
            # numbers of their own: those of the lines are used in the file that was sealed
            text = base64.b64encode(seal.close((1 << 64) + 2 * line + number, text.encode())).decode()
        row[part] = text
    return row


def _entry(row: Mapping[str, Any], seal: Seal | None, place: str) -> dict[str, Any]:
    entry = {name: row[name] for name in COLUMNS}
    for number, part in enumerate(PARTS):
        text = row[part]
        if seal:
            text = seal.open((1 << 64) + 2 * row["line"] + number, base64.b64decode(text), place).decode()
        values = json.loads(text)
        if part == "inputs" and "_hash" in values:
            entry["inputs_hash"] = values.pop("_hash")
        entry |= {f"{part}.{name}": value for name, value in values.items()}
    return entry | {"label": row["label"], "override": row["override"]}
