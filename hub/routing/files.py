"""Rules from a file, CSV or TOML, however long: read whole or not at all, with every complaint naming its line.

CSV has one rule a line: `name,direction,pool,conditions`, conditions as `field op value; field op value`. TOML has
`[[rule]]` tables with `name`, `direction`, `pool` and `conditions = ["field op value", ...]`. A rule without conditions
takes everything. An empty direction is the main one, an empty pool the desk's.
"""

from __future__ import annotations

import csv
import io
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hub.routing.rules import OPERATIONS, OWN, UnusableRule, read_rule

COLUMNS = ("name", "direction", "pool", "conditions")
RULE = re.compile(r"^\s*\[\[\s*rule\s*\]\]", re.MULTILINE)
MOST_TOLD = 50
CONDITION = re.compile(
    rf"(?P<field>{re.escape(OWN)}.+?|\S+)\s+(?P<op>{'|'.join(sorted(OPERATIONS, key=len, reverse=True))})"
    r"(?:\s+(?P<value>.*))?",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Line:
    """One rule as written, and the line on which it stands."""

    number: int
    name: str
    direction: str
    pool: str
    conditions: Sequence[str]


class UnusableFile(ValueError):
    """A file that nobody could use; `complaints` name the line, the rule, and what is known instead."""

    def __init__(self, complaints: Sequence[str]) -> None:
        more = [f"… and {len(complaints) - MOST_TOLD} more"] if len(complaints) > MOST_TOLD else []
        super().__init__("\n".join([*complaints[:MOST_TOLD], *more]))
        self.complaints = tuple(complaints)


def read_file(text: str, toml: bool, directions: Mapping[str, str], main: str, pool: str) -> list[dict[str, Any]]:
    """Rules as rows without id, in order. `directions` is name -> id; `main` and `pool` are what empty places mean.
    Raises `UnusableFile` with everything that is wrong."""
    rows, complaints = [], []
    known = {name.casefold(): one for name, one in directions.items()}
    for line in _toml(text) if toml else _csv(text):
        try:
            rows.append(_row(line, known, main, pool))
        except UnusableRule as error:
            complaints.append(f"line {line.number}: {error}")
    if not rows and not complaints:
        complaints = ["line 1: there is no rule in this file"]
    if complaints:
        raise UnusableFile(complaints)
    return rows


def _row(line: Line, directions: Mapping[str, str], main: str, pool: str) -> dict[str, Any]:
    direction = directions.get(line.direction.casefold()) if line.direction else main
    if not line.name:
        raise UnusableRule("This rule has no name: nobody could tell which one decided")
    if not direction:
        known = ", ".join(sorted(directions))
        raise UnusableRule(f"Rule “{line.name}”: there is no direction “{line.direction}”; known: {known}")
    conditions = [_condition(told, line.name) for told in line.conditions]
    row = {"name": line.name, "conditions": conditions, "direction_id": direction, "pool": line.pool or pool}
    read_rule({**row, "id": ""})
    return row


def _condition(told: str, name: str) -> dict[str, str]:
    match = CONDITION.fullmatch(told.strip())
    if match is None:
        known = ", ".join(OPERATIONS)
        raise UnusableRule(f"Rule “{name}”: “{told.strip()}” is no condition; write field, one of {known}, and a value")
    return {"field": match["field"], "op": match["op"], "value": (match["value"] or "").strip()}


def _csv(text: str) -> Iterator[Line]:
    reader = csv.reader(io.StringIO(text.removeprefix("\ufeff")))
    try:
        heads = [one.strip().casefold() for one in next(reader, [])]
        if missing := [one for one in ("name", "conditions") if one not in heads]:
            raise UnusableFile([f"line 1: no column {' and '.join(missing)}; the first line is {','.join(COLUMNS)}"])
        for cells in reader:
            told = dict(zip(heads, cells, strict=False))
            if any(cells):
                yield _line(
                    reader.line_num, told, [one for one in told.get("conditions", "").split(";") if one.strip()]
                )
    except csv.Error as error:
        raise UnusableFile([f"line {reader.line_num}: {error}"]) from None


def _toml(text: str) -> Iterator[Line]:
    try:
        tables = tomllib.loads(text).get("rule", [])
    except tomllib.TOMLDecodeError as error:
        raise UnusableFile([f"This is no TOML: {error}"]) from None
    if not isinstance(tables, list) or not all(isinstance(one, dict) for one in tables):
        raise UnusableFile(["line 1: write each rule as a table [[rule]]"])
    starts = [text.count("\n", 0, match.end()) + 1 for match in RULE.finditer(text)]
    for number, told in zip([*starts, *([1] * len(tables))], tables, strict=False):
        conditions = told.get("conditions", [])
        yield _line(number, told, list(map(str, conditions)) if isinstance(conditions, list) else [str(conditions)])


def _line(number: int, told: Mapping[str, Any], conditions: Iterable[str]) -> Line:
    name, direction, pool = (str(told.get(one) or "").strip() for one in COLUMNS[:3])
    return Line(number, name, direction, pool, tuple(conditions))
