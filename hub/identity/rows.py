"""Many rows with one statement, the same for one key and for a thousand: what the register asks and writes.

A list travels as one parameter (an array on PostgreSQL, JSON on SQLite), so that the text of a statement never
changes and no database takes it for a new one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import orjson
from sqlalchemy import ARRAY, Column, Connection, Select, Text, any_, bindparam, func, select, text

LOCK = "SELECT pg_advisory_xact_lock(place) FROM (SELECT unnest(:places ::bigint[]) AS place ORDER BY 1) AS wanted"


@dataclass(frozen=True, slots=True)
class Writing:
    """What is written: a table, its columns with their types on PostgreSQL, and what becomes of a row already there."""

    table: str
    columns: tuple[tuple[str, str], ...]
    there: str


TRACES = Writing("trace", (("place", "bigint"), ("person", "bigint")), "DO NOTHING")
PROFILES = Writing(
    "profile",
    (("number", "bigint"), ("contact_id", "text"), ("facts", "text"), ("seen_at", "bigint"), ("rules", "integer")),
    "(number) DO UPDATE SET facts = excluded.facts, seen_at = excluded.seen_at, rules = excluded.rules",
)
TERMS = Writing("term", (("token", "text"), ("n", "integer")), "(token) DO UPDATE SET n = term.n + excluded.n")


def rows_of(conn: Connection, place: Column[Any], wanted: Sequence[Any], *columns: Column[Any]) -> Sequence[Any]:
    """The columns of every row whose `place` is one of the values."""
    if not wanted:
        return ()
    dialect = conn.dialect.name
    values = list(wanted) if dialect == "postgresql" else orjson.dumps(wanted).decode()
    return conn.execute(_among(dialect, place, *columns), {"wanted": values}).all()


@cache
def _among(dialect: str, place: Column[Any], *columns: Column[Any]) -> Select[Any]:
    asked = select(*columns)
    if dialect == "postgresql":
        return asked.where(place == any_(bindparam("wanted", type_=ARRAY(place.type))))
    listed = func.json_each(bindparam("wanted", type_=Text())).table_valued("value")
    return asked.where(place.in_(select(listed.c.value)))


def put(conn: Connection, what: Writing, rows: Sequence[tuple[Any, ...]]) -> None:
    """All these rows, each with a value for every column."""
    if not rows:
        return
    statement = _putting(conn.dialect.name, what)
    if conn.dialect.name == "postgresql":
        columns = (list(values) for values in zip(*rows, strict=True))
        conn.execute(text(statement), dict(zip((name for name, _ in what.columns), columns, strict=True)))
    else:
        conn.exec_driver_sql(statement, list(rows))


@cache
def _putting(dialect: str, what: Writing) -> str:
    names = ", ".join(name for name, _ in what.columns)
    arrays = ", ".join(f":{name} ::{kind}[]" for name, kind in what.columns)
    marks = ", ".join("?" for _ in what.columns)
    source = f"SELECT * FROM unnest({arrays})" if dialect == "postgresql" else f"VALUES ({marks})"  # noqa: S608 - our words
    return f"INSERT INTO {what.table} ({names}) {source} ON CONFLICT {what.there}"


def lock(conn: Connection, wanted: Sequence[int]) -> None:
    """Nobody else decides about these places until the end of the transaction; SQLite has one writer anyway."""
    if wanted and conn.dialect.name == "postgresql":
        conn.execute(text(LOCK), {"places": list(wanted)})
