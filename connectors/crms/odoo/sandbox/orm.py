"""Odoo's models as far as a CRM needs them: fields, domains, refused values, times that are not what they seem.

A change gets its time when its transaction begins and is seen when it ends; times are kept in microseconds, shown in
whole seconds, and compared in microseconds up to version 18 and in whole seconds since.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

Row = dict[str, Any]
STAMP = "%Y-%m-%d %H:%M:%S"


class Wrong(Exception):
    """What an Odoo model raises: the name of its exception and its words."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name if "." in name else f"odoo.exceptions.{name}"


def shown_time(at: float) -> str:
    """As the API tells a time."""
    return datetime.fromtimestamp(int(at), UTC).strftime(STAMP)


def read_time(text: Any) -> float:
    """A time that was given; only the server's own format is taken."""
    try:
        return datetime.strptime(str(text), STAMP).replace(tzinfo=UTC).timestamp()
    except ValueError:
        raise Wrong("builtins.ValueError", f"time data '{text}' does not match format '{STAMP}'") from None


def spec(kind: str, *, relation: str = "", options: Sequence[str] = (), **more: Any) -> Row:
    """A field."""
    return {"type": kind, "relation": relation, "options": tuple(options), "store": True, **more}


def described(name: str, field: Row) -> Row:
    """As fields_get shows it."""
    label = field.get("string", name.replace("_", " ").capitalize())
    told: Row = {"name": name, "type": field["type"], "string": label,
                 "readonly": bool(field.get("readonly")), "required": bool(field.get("required"))}  # fmt: skip
    if field["relation"]:
        told["relation"] = field["relation"]
    if field["type"] == "selection":
        told["selection"] = [[key, key.capitalize()] for key in field["options"]]
    return told


# ── domains ──────────────────────────────────────────────────────────────────────────────────────

_TESTS: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda have, want: have == want or (not have and want is False),
    "!=": lambda have, want: have != want,
    ">": lambda have, want: have is not False and have > want,
    ">=": lambda have, want: have is not False and have >= want,
    "<": lambda have, want: have is not False and have < want,
    "<=": lambda have, want: have is not False and have <= want,
    "in": lambda have, want: bool(set(have) & set(want)) if isinstance(have, list) else have in want,
    "ilike": lambda have, want: str(want).lower() in str(have or "").lower(),
}


def matches(row: Row, domain: Sequence[Any], fields: Mapping[str, Row], *, whole_seconds: bool) -> bool:
    """Whether a row is in a domain in prefix form; terms without an operator are joined by "and"."""
    stack: list[bool] = []
    for term in reversed(domain):
        if term in ("&", "|"):
            one, two = stack.pop(), stack.pop()
            stack.append((one and two) if term == "&" else (one or two))
        else:
            stack.append(_holds(row, term, fields, whole_seconds))
    return all(stack)


def _holds(row: Row, term: Any, fields: Mapping[str, Row], whole_seconds: bool) -> bool:
    name, operator, want = term
    if name == "phone_mobile_search":
        return re.sub(r"[\s\\./()-]", "", str(want)) in re.sub(r"[\s\\./()-]", "", str(row.get("phone") or ""))
    name = name.removesuffix(".model")
    if name not in fields and name != "id":
        raise Wrong("builtins.ValueError", f"Invalid field '{name}' in condition")
    have = row.get(name, False)
    if fields.get(name, {}).get("type") == "datetime" and have is not False:
        want = read_time(want)
        have = float(int(have)) if whole_seconds else have
    return _TESTS[operator](have, want)


# ── values ───────────────────────────────────────────────────────────────────────────────────────


def checked(model: str, name: str, field: Row, value: Any, exists: Callable[[str, int], bool]) -> Any:
    """A value as it is stored. Raises what Odoo would."""
    kind = field["type"]
    if kind == "boolean":
        return bool(value)
    if kind == "many2many":
        return _many(field, value, exists)
    if value is False or value is None or value == "":
        return 0.0 if kind in {"float", "monetary"} else 0 if kind == "integer" else False
    read = _READ.get(kind)
    return read(model, name, field, value, exists) if read else str(value)


def _selected(model: str, name: str, field: Row, value: Any, _: Any) -> Any:
    if value not in field["options"]:
        raise Wrong("builtins.ValueError", f"Wrong value for {model}.{name}: {value!r}")
    return value


def _number(kind: type) -> Callable[..., Any]:
    def read(_model: str, _name: str, _field: Row, value: Any, _exists: Any) -> Any:
        try:
            return kind(value)
        except (TypeError, ValueError):
            raise Wrong("builtins.ValueError", f"could not convert string to {kind.__name__}: {value!r}") from None

    return read


def _one(model: str, name: str, field: Row, value: Any, exists: Callable[[str, int], bool]) -> Any:
    if not isinstance(value, int) or not exists(field["relation"], value):
        raise Wrong("psycopg2.errors.ForeignKeyViolation",
                    f'insert or update on table "{model}" violates foreign key constraint "{name}_fkey"')  # fmt: skip
    return value


def _many(field: Row, value: Any, exists: Callable[[str, int], bool]) -> list[int]:
    if not value:
        return []
    refs = [ref for command in value for ref in (command[2] if command[0] == 6 else [command[1]])]
    if not all(exists(field["relation"], ref) for ref in refs):
        raise Wrong("MissingError", "Record does not exist or has been deleted.")
    return list(refs)


_READ: dict[str, Callable[..., Any]] = {
    "selection": _selected,
    "float": _number(float),
    "monetary": _number(float),
    "integer": _number(int),
    "datetime": lambda _m, _n, _f, value, _e: read_time(value),
    "many2one": _one,
}
