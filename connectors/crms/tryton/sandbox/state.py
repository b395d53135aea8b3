"""The records of the stand-in, Tryton's search language over them, and what it refuses."""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from connectors.testing.sandbox import Faults

Row = dict[str, Any]
LEAD, PARTY = "sale.opportunity", "party.party"
STATES = ("lead", "opportunity", "converted", "won", "cancelled", "lost")
CLOSED = {"converted", "won", "lost", "cancelled"}
FROZEN = {"description", "comment", "amount", "employee", "end_date", "conversion_probability"}
BUTTONS = {
    "lead": ("lead", {"opportunity", "lost", "cancelled"}),
    "opportunity": ("opportunity", {"lead"}),
    "convert": ("converted", {"opportunity"}),
    "lost": ("lost", {"lead", "opportunity"}),
    "cancel": ("cancelled", {"lead", "opportunity"}),
}
"""Button → the state it leads to, and those it may be pressed in."""
FIELDS: Mapping[str, Mapping[str, tuple[str, str]]] = {
    LEAD: {
        "number": ("char", "Number"), "reference": ("char", "Reference"), "description": ("char", "Description"),
        "comment": ("text", "Comment"), "state": ("selection", "State"), "party": ("many2one", "Party"),
        "employee": ("many2one", "Employee"), "amount": ("numeric", "Amount"), "currency": ("many2one", "Currency"),
        "conversion_probability": ("float", "Conversion Probability"), "start_date": ("date", "Start Date"),
        "end_date": ("date", "End Date"), "lost_reason": ("text", "Reason for loss"),
    },
    PARTY: {
        "name": ("char", "Name"), "code": ("char", "Code"), "active": ("boolean", "Active"),
        "replaced_by": ("many2one", "Replaced By"), "contact_mechanisms": ("one2many", "Contact Mechanisms"),
        "identifiers": ("one2many", "Identifiers"),
    },
    "ir.note": {"message": ("text", "Message"), "resource": ("reference", "Resource")},
}  # fmt: skip
INNER: Mapping[str, Row] = {"contact_mechanisms": {"active": True}, "identifiers": {"type": None}}
LINKS = {"party": PARTY, "currency": "currency.currency"}


class Said(Exception):
    """A UserError with its sentence."""


class Broken(Exception):
    """An error of Python that nobody expected."""


@dataclass
class Account:
    """One database. Thread-safe by its lock."""

    clock: Callable[[], float]
    lag: float = 0.0
    latency: float = 0.0
    password: str = "sandbox-token"
    faults: Faults = field(default_factory=Faults)
    calls: Counter[str] = field(default_factory=Counter)
    sessions: set[str] = field(default_factory=set)
    lock: threading.RLock = field(default_factory=threading.RLock)
    rows: dict[str, dict[int, Row]] = field(default_factory=dict)
    _last: int = 0

    def __post_init__(self) -> None:
        self.rows = {model: {} for model in FIELDS}
        self.rows["company.company"] = {1: {"id": 1, "party": 1, "create_date": self.now(), "write_date": None}}
        self.rows["currency.currency"] = {1: {"id": 1, "code": "EUR"}}
        names = {1: "Hub", 2: "Vera", 3: "Oleg"}
        self.rows["company.employee"] = {n: {"id": n, "name": name, "end_date": None} for n, name in names.items()}
        self.rows["res.user"] = {
            n: {"id": n, "email": f"{name.lower()}@northwind.test", "employees": [n]} for n, name in names.items()
        }

    def close(self) -> None:
        """Nothing runs here."""

    def now(self) -> Row:
        """This moment in Tryton's words."""
        at = datetime.fromtimestamp(self.clock(), UTC)
        names = ("year", "month", "day", "hour", "minute", "second", "microsecond")
        return {"__class__": "datetime", **{name: getattr(at, name) for name in names}}

    def number(self) -> int:
        self._last += 1
        return self._last

    # ── writing: one bad record refuses the call ─────────────────────────────────────────────────

    def create(self, model: str, many: Sequence[Row]) -> list[int]:
        """Ids of new records."""
        for values in many:
            self._check(model, values, None)
        return [self._make(model, values) for values in many]

    def _make(self, model: str, values: Row) -> int:
        ref = self.number()
        row: Row = {name: None for name in FIELDS[model]}
        row |= {"id": ref, "create_date": self.now(), "write_date": None, "at": self.clock()}
        if model == LEAD:
            row |= {"number": str(ref), "state": "lead", "employee": 1, "currency": 1, "conversion_probability": 0.5}
        if model == PARTY:
            row |= {"active": True, "code": str(ref), "contact_mechanisms": [], "identifiers": []}
        self.rows[model][ref] = row
        self._store(row, values)
        return ref

    def write(self, model: str, pairs: Sequence[Any], stamps: Mapping[str, str]) -> None:
        """Records and values in turn."""
        work = [
            (self.row(model, ref), values) for refs, values in zip(pairs[::2], pairs[1::2], strict=True) for ref in refs
        ]
        for row, values in work:
            known = stamps.get(f"{model},{row['id']}")
            if known and known != stamp(row):
                raise Broken("ConcurrencyException")
            self._check(model, values, row)
        for row, values in work:
            self._store(row, values)
            self.touch(row)

    def touch(self, row: Row) -> None:
        """Changed now."""
        row |= {"write_date": self.now(), "at": self.clock()}

    def row(self, model: str, ref: int) -> Row:
        if ref not in self.rows[model]:
            raise Said(f'You are trying to write to records "{ref}" of "{model}" that don\'t exist.')
        return self.rows[model][ref]

    def _store(self, row: Row, values: Row) -> None:
        for name, value in values.items():
            if name in INNER:
                self._inner(row[name], name, value)
            else:
                row[name] = value

    def _inner(self, held: list[Row], name: str, acts: Sequence[Any]) -> None:
        for act, *rest in acts:
            if act == "create":
                held += [{**INNER[name], **one, "id": self.number()} for one in rest[0]]
            elif act == "write":
                for one in held:
                    one |= rest[1] if one["id"] in rest[0] else {}
            elif act == "delete":
                held[:] = [one for one in held if one["id"] not in rest[0]]

    def _check(self, model: str, values: Row, row: Row | None) -> None:
        for name, value in values.items():
            if name not in FIELDS[model]:
                raise Broken(f"'{name}'")
            kind, label = FIELDS[model][name]
            if name in {"state", "number"}:
                raise Said(f'You are not allowed to modify the field "{label}" of "Sale Opportunity".')
            if row and row.get("state") in CLOSED and name in FROZEN:
                raise Said(
                    f'You are not allowed to modify the field "{label}" in record "{row["id"]}" of "Sale Opportunity".'
                )
            if kind == "numeric" and value is not None:
                _decimal(value)
            if name == "conversion_probability" and not 0 <= (value or 0) <= 1:
                raise Said(
                    f'The value "{value}" for field "{label}" in record "1" is not valid according to its domain.'
                )

    def press(self, button: str, refs: Sequence[int]) -> None:
        """A button, for all of them or for none."""
        target, allowed = BUTTONS[button]
        rows = [self.row(LEAD, ref) for ref in refs]
        for row in rows:
            if row["state"] not in allowed:
                raise Said(f'You can not call "{button}" on "{row["id"]}" of "Sale Opportunity".')
            if target == "opportunity" and not row["party"]:
                raise Said(f'A value is required for field "Party" in record "{row["id"]}" of "Sale Opportunity".')
        for row in rows:
            row["state"] = target
            self.touch(row)

    def delete(self, model: str, refs: Sequence[int]) -> None:
        """Only what is cancelled."""
        for ref in refs:
            if model == LEAD and self.row(model, ref)["state"] != "cancelled":
                raise Said(f'To delete opportunity "{ref}", you must cancel it.')
        for ref in refs:
            del self.rows[model][ref]

    # ── people ───────────────────────────────────────────────────────────────────────────────────

    def edit(self, model: str, ref: int, **values: Any) -> None:
        """A person saves a form."""
        with self.lock:
            self.write(model, [[ref], values], {})

    def drag_card(self, ref: int, state: str) -> None:
        """A person presses whatever leads to this state."""
        with self.lock:
            ways = [name for name, (target, _) in BUTTONS.items() if target == state]
            if not ways:
                raise ValueError(state)
            try:
                self.press(ways[0], [ref])
            except Said as said:
                raise ValueError(state) from said

    # ── reading ──────────────────────────────────────────────────────────────────────────────────

    def search(self, model: str, domain: Any) -> list[Row]:
        """Rows a domain finds; what is younger than the lag is in no search by time."""
        rows = list(self.rows[model].values())
        if self.lag and "write_date" in str(domain):
            rows = [row for row in rows if self.clock() - row["at"] >= self.lag]
        return [row for row in rows if matches(row, domain)]

    def show(self, row: Row, names: Sequence[str]) -> Row:
        """A row with the fields asked for; `a.b` gives the record behind a."""
        told: Row = {"id": row["id"]}
        for name in names:
            head, _, tail = name.partition(".")
            if head == "_timestamp":
                told[head] = stamp(row)
            elif tail and isinstance(row.get(head), list):
                inside = told.setdefault(f"{head}.", [{"id": one["id"]} for one in row[head]])
                for one, inner in zip(row[head], inside, strict=True):
                    inner[tail] = one.get(tail)
            elif tail:
                told[f"{head}."] = self._behind(row, head, tail)
            elif head not in row:
                raise Broken(f"'{head}'")
            else:
                told[head] = [one["id"] for one in row[head]] if head in INNER else row[head]
        return told

    def _behind(self, row: Row, head: str, tail: str) -> Row | None:
        if "end_date" in row and "name" in row:  # an employee is a party
            return {"id": row["id"], "name": row["name"], "email": ""}
        if row.get("party") == 1 and "state" not in row:
            return {"id": 1, "name": "Northwind Windows"}
        other = self.rows.get(LINKS.get(head, ""), {}).get(row.get(head) or 0)
        return {"id": other["id"], tail: other.get(tail)} if other else None


def stamp(row: Row) -> str:
    """The version of a record."""
    return str(row["at"])


def _decimal(value: Any) -> None:
    try:
        Decimal(value["decimal"])
    except (TypeError, KeyError, InvalidOperation):
        raise Broken("[<class 'decimal.ConversionSyntax'>]") from None


def matches(row: Row, domain: Any) -> bool:
    """Whether a row is in a domain: clauses in a list are all meant, after "OR" any."""
    if not domain:
        return True
    if domain[0] in ("OR", "AND"):
        found = (matches(row, one) for one in domain[1:])
        return any(found) if domain[0] == "OR" else all(found)
    if isinstance(domain[0], str):
        return _clause(row, *domain)
    return all(matches(row, one) for one in domain)


def _clause(row: Row, name: str, operator: str, wanted: Any) -> bool:
    head, _, tail = name.partition(".")
    if tail:
        return any(_clause(one, tail, operator, wanted) for one in row.get(head) or ())
    value = row.get(head)
    if operator in ("=", "!="):
        return bool(_plain(value) == _plain(wanted)) == (operator == "=")
    if operator == "in":
        return value in wanted
    if operator == "ilike":
        parts = re.split(r"((?<!\\)[%_])", wanted)
        pattern = "".join({"%": ".*", "_": "."}.get(part) or re.escape(re.sub(r"\\(.)", r"\1", part)) for part in parts)
        return bool(re.fullmatch(pattern, str(value or ""), re.IGNORECASE | re.DOTALL))
    if operator not in (">", ">="):
        raise Broken(f"unknown operator {operator}")
    if value is None:
        return False
    return bool(_plain(value) >= _plain(wanted)) if operator == ">=" else bool(_plain(value) > _plain(wanted))


def _plain(value: Any) -> Any:
    """Times as what can be compared."""
    return tuple(list(value.values())[1:]) if isinstance(value, dict) else value
