"""A whole list as one parameter: the text of a statement is the same for one value and for ten thousand.

RUNNING = select(lead).where(among(lead.c.contact_id), lead.c.state == "open")
conn.execute(RUNNING, {"wanted": contact_ids})

So a statement is a constant of its module. (An IN with a mark for each value is made anew for every list: a third of
what a lead's look-ups cost.) On PostgreSQL the list travels as an array, on SQLite as JSON; pairs as JSON on both.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson
from sqlalchemy import ARRAY, Boolean, Dialect, Text, TypeDecorator, bindparam
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeEngine

WANTED = "wanted"


class _List(TypeDecorator[Sequence[Any]]):
    """Values of one type."""

    impl = Text
    cache_ok = True

    def __init__(self, of: TypeEngine[Any]) -> None:
        super().__init__()
        self.of = of

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(ARRAY(self.of) if dialect.name == "postgresql" else Text())

    def process_bind_param(self, value: Sequence[Any] | None, dialect: Dialect) -> Any:
        return list(value or ()) if dialect.name == "postgresql" else orjson.dumps(list(value or ())).decode()


class _Pairs(TypeDecorator[Sequence[Any]]):
    """Pairs of texts, as JSON everywhere."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Sequence[Any] | None, dialect: Dialect) -> str:
        return orjson.dumps(list(value or ())).decode()


class _Membership(FunctionElement[bool]):
    """A condition as it stands: SQLite's dialect would ask whether it is equal to 1, and no index answers that."""

    inherit_cache = True
    type = Boolean()

    def self_group(self, against: Any = None) -> Any:
        return self


class among(_Membership):
    """Whether the column holds one of the values of the parameter `name`."""

    inherit_cache = True

    def __init__(self, place: ColumnElement[Any], name: str = WANTED) -> None:
        super().__init__(place, bindparam(name, type_=_List(place.type)))


class pair_among(_Membership):
    """Whether two columns of text hold one of the pairs of the parameter `name`."""

    inherit_cache = True

    def __init__(self, first: ColumnElement[Any], second: ColumnElement[Any], name: str = WANTED) -> None:
        super().__init__(first, second, bindparam(name, type_=_Pairs()))


@compiles(among, "sqlite")
def _in_json(element: among, compiler: SQLCompiler, **kw: Any) -> str:
    place, wanted = (compiler.process(one, **kw) for one in element.clauses)
    return f"{place} IN (SELECT value FROM json_each({wanted}))"  # noqa: S608 - our words


@compiles(among, "postgresql")
def _in_array(element: among, compiler: SQLCompiler, **kw: Any) -> str:
    place, wanted = (compiler.process(one, **kw) for one in element.clauses)
    return f"{place} = ANY ({wanted})"


@compiles(pair_among, "sqlite")
def _in_json_pairs(element: pair_among, compiler: SQLCompiler, **kw: Any) -> str:
    first, second, wanted = (compiler.process(one, **kw) for one in element.clauses)
    return f"({first}, {second}) IN (SELECT value ->> 0, value ->> 1 FROM json_each({wanted}))"  # noqa: S608 - our words


@compiles(pair_among, "postgresql")
def _in_jsonb_pairs(element: pair_among, compiler: SQLCompiler, **kw: Any) -> str:
    first, second, wanted = (compiler.process(one, **kw) for one in element.clauses)
    pairs = f"jsonb_array_elements(CAST({wanted} AS jsonb)) AS pair"
    return f"({first}, {second}) IN (SELECT pair ->> 0, pair ->> 1 FROM {pairs})"  # noqa: S608 - our words
