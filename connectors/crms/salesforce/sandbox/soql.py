"""As much of SOQL as a connector asks for: SELECT, FROM, WHERE with AND, OR, IN and brackets, ORDER BY, LIMIT."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

Row = Mapping[str, Any]
Test = Callable[[Row], bool]
_TOKEN = re.compile(r"'(?:[^'\\]|\\.)*'|>=|<=|!=|[(),=<>]|[^\s(),=<>!]+")


class Malformed(Exception):
    """No query."""


class Query:
    """A parsed query. `fields`, `kind`, `test`, `order`, `limit`."""

    def __init__(self, text: str) -> None:
        self._tokens = _TOKEN.findall(text)
        self._place = 0
        self._expect("SELECT")
        self.fields = list(self._names())
        self._expect("FROM")
        self.kind = self._next()
        self.asked: set[str] = set(self.fields)
        self.test: Test = self._any() if self._taken("WHERE") else lambda _: True
        self.order = self._order() if self._taken("ORDER") else []
        self.limit = int(self._next()) if self._taken("LIMIT") else 2000
        if self._place != len(self._tokens):
            raise Malformed(self._tokens[self._place])

    def _next(self) -> str:
        if self._place >= len(self._tokens):
            raise Malformed("end")
        self._place += 1
        return str(self._tokens[self._place - 1])

    def _taken(self, word: str) -> bool:
        if self._place < len(self._tokens) and self._tokens[self._place].upper() == word:
            self._place += 1
            return True
        return False

    def _expect(self, word: str) -> None:
        if not self._taken(word):
            raise Malformed(word)

    def _names(self) -> Iterator[str]:
        yield self._next()
        while self._taken(","):
            yield self._next()

    def _order(self) -> list[str]:
        self._expect("BY")
        names = [self._next()]
        while self._taken("ASC") or self._taken(","):
            if self._tokens[self._place - 1] == ",":
                names.append(self._next())
        self.asked |= set(names)
        return names

    def _any(self) -> Test:
        test = self._all()
        while self._taken("OR"):
            one, two = test, self._all()
            test = lambda row, one=one, two=two: one(row) or two(row)  # type: ignore[misc]  # noqa: E731
        return test

    def _all(self) -> Test:
        test = self._one()
        while self._taken("AND"):
            one, two = test, self._one()
            test = lambda row, one=one, two=two: one(row) and two(row)  # type: ignore[misc]  # noqa: E731
        return test

    def _one(self) -> Test:
        if self._taken("("):
            test = self._any()
            self._expect(")")
            return test
        name, operator = self._next(), self._next()
        self.asked.add(name)
        if operator.upper() == "IN":
            self._expect("(")
            wanted = {_value(token) for token in self._names()}
            self._expect(")")
            return lambda row: row.get(name) in wanted
        return _compared(name, operator, _value(self._next()))


def _compared(name: str, operator: str, want: Any) -> Test:
    """Times are compared by the whole second, which is what both sides are written in."""

    def same(row: Row) -> tuple[Any, Any]:
        have = row.get(name)
        return (have[:19], want[:19]) if name == "SystemModstamp" and isinstance(have, str) else (have, want)

    tests: dict[str, Callable[[Any, Any], bool]] = {
        "=": lambda have, want: bool(have == want), ">": lambda have, want: bool(have > want),
        ">=": lambda have, want: bool(have >= want),
    }  # fmt: skip
    if operator not in tests:
        raise Malformed(operator)
    return lambda row: tests[operator](*same(row))


def _value(token: str) -> Any:
    if token.startswith("'"):
        return re.sub(r"\\(.)", r"\1", token[1:-1])
    return {"true": True, "false": False, "null": None}.get(token, token)
