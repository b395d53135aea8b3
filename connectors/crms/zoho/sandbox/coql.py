"""As much of COQL as a connector asks for. Terms stand in brackets, two in each, as Zoho wants them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

Row = Mapping[str, Any]
Test = Callable[[Row], bool]
_QUERY = re.compile(r"select (.+) from (\w+) where (\(.+\)) order by Modified_Time, id limit 0, (\d+)\Z")
_TERM = re.compile(r"(\w+) (=|>=|>) '((?:[^'\\]|\\.)*)'\Z")


class Malformed(Exception):
    """No query."""


class Query:
    """A parsed query: `fields`, `kind`, `test`, `limit`."""

    def __init__(self, text: str) -> None:
        found = _QUERY.fullmatch(text)
        if found is None:
            raise Malformed(text[:40])
        self.fields, self.kind, self.limit = found[1].split(", "), found[2], int(found[4])
        if len(self.fields) > 50 or self.limit > 2000:
            raise Malformed("more than 50 fields or 2000 rows")
        self.asked: set[str] = set(self.fields)
        self.test = self._test(found[3])

    def _test(self, text: str) -> Test:
        inner = text[1:-1]
        if inner == "id is not null":
            return lambda _: True
        if not inner.startswith("("):
            return self._term(inner)
        end = _closing(inner)
        one, rest = self._test(inner[: end + 1]), inner[end + 1 :].strip()
        word, _, other = rest.partition(" ")
        two = self._test(other)
        if word == "or":
            return lambda row: one(row) or two(row)
        return lambda row: one(row) and two(row)

    def _term(self, text: str) -> Test:
        found = _TERM.fullmatch(text)
        if found is None:
            raise Malformed(text)
        name, operator, want = found[1], found[2], re.sub(r"\\(.)", r"\1", found[3])
        self.asked.add(name)
        return lambda row: _holds(operator, _comparable(name, row.get(name)), _comparable(name, want))


def _closing(text: str) -> int:
    depth, quoted = 0, False
    for n, sign in enumerate(text):
        quoted ^= sign == "'" and text[n - 1] != "\\"
        depth += 0 if quoted else {"(": 1, ")": -1}.get(sign, 0)
        if depth == 0:
            return n
    raise Malformed(text)


def _comparable(name: str, value: Any) -> Any:
    return datetime.fromisoformat(value) if name == "Modified_Time" else value


def _holds(operator: str, have: Any, want: Any) -> bool:
    if have is None:
        return False
    return bool({"=": have == want, ">": have > want, ">=": have >= want}[operator])
