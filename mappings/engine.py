"""Compiled mappings: a record of the CRM becomes hub values and back, one line at a time.

Pure and quick: lines are checked and compiled once. Guarantees: a value the hub did not change is not sent,
however the CRM writes it; a value that cannot be read stays as it is over there and is reported; a key that
is missing says nothing, None says "blank".
"""

from __future__ import annotations

from collections import abc
from collections.abc import Iterable
from dataclasses import dataclass, field

from connectors.contract import Value
from mappings.codecs import Codec, Kept, blank

Values = abc.Mapping[str, Value]

POLICIES = ("hub", "crm", "latest", "union", "max", "min", "ask")
DIRECTIONS = ("both", "out", "in")

HUB_FIELDS: dict[str, dict[str, str]] = {
    "contact": dict.fromkeys(("name", "first_name", "last_name", "middle_name", "company", "position"), "text")
    | {"phones": "list", "emails": "list", "language": "text", "hub_id": "text"},
    "company": dict.fromkeys(("name", "website", "domain", "tax_id", "address", "hub_id"), "text")
    | {"phones": "list", "emails": "list"},
    "lead": dict.fromkeys(("title", "text", "source", "form", "page", "referrer"), "text")
    | {f"utm_{part}": "text" for part in ("source", "medium", "campaign", "term", "content")}
    | {f"first_utm_{part}": "text" for part in ("source", "medium", "campaign")}
    | {"temperature": "text", "amount": "decimal", "currency": "text", "owner": "text", "tags": "list"}
    | {"reject_reason": "text", "qualified_at": "instant", "created_at": "instant", "block": "text", "hub_id": "text"},
}
HUB_FIELDS["deal"] = HUB_FIELDS["lead"]


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a mapping: hub field ⇄ CRM field. `lossy`: what the hub sends does not always read the same."""

    kind: str
    hub: str
    crm: str
    codec: Codec
    direction: str = "both"
    policy: str = "crm"
    once: bool = False
    lossy: bool = False


@dataclass(frozen=True, slots=True)
class Translated:
    """Values in the names of the other side. `kept` is keyed by hub field: what could not be translated, and why."""

    values: dict[str, Value]
    kept: dict[str, Kept]


_In = tuple[str, str, abc.Callable[[Value], Value]]


@dataclass(frozen=True, slots=True)
class Mapping:
    """All lines of one CRM. `version` changes with the meaning of the file, not with its comments or spacing."""

    crm: str
    version: str
    lines: tuple[Line, ...]
    _by_field: dict[tuple[str, str], Line] = field(init=False, repr=False, compare=False)
    _in: dict[str, tuple[_In, ...]] = field(init=False, repr=False, compare=False)
    _out: dict[str, tuple[Line, ...]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        kinds = dict.fromkeys(line.kind for line in self.lines)
        put = object.__setattr__
        put(self, "_by_field", {(line.kind, line.hub): line for line in self.lines})
        put(self, "_in", {kind: tuple(_readers(self.lines, kind)) for kind in kinds})
        put(self, "_out", {kind: tuple(_writers(self.lines, kind)) for kind in kinds})

    def line(self, kind: str, hub: str) -> Line | None:
        """The line of a hub field, None when it is not mapped."""
        return self._by_field.get((kind, hub))

    def read(self, kind: str, raw: Values) -> Translated:
        """Hub values of a CRM record. A field that is missing there, or kept as unreadable, is missing here."""
        values: dict[str, Value] = {}
        kept: dict[str, Kept] = {}
        for hub, crm, into in self._in.get(kind, ()):
            if crm in raw:
                value = into(raw[crm])
                if type(value) is Kept:
                    kept[hub] = value
                    value = value.value
                    if value is None:
                        continue
                values[hub] = value
        return Translated(values, kept)

    def inbound(self, kind: str, raw: Values) -> dict[str, Value]:
        """Hub values of a CRM record; `read` tells also what could not be read."""
        return self.read(kind, raw).values

    def write(self, kind: str, hub: Values, before: Values) -> Translated:
        """What to send so that the CRM, which holds `before`, shows the hub's values: differing fields only."""
        values: dict[str, Value] = {}
        kept: dict[str, Kept] = {}
        for line in self._out.get(kind, ()):
            if line.hub in hub:
                held = before.get(line.crm)
                sent = _sent(line, hub[line.hub], held)
                if type(sent) is Kept:
                    kept[line.hub] = sent
                elif sent != held and not (blank(sent) and blank(held)):
                    values[line.crm] = sent
        return Translated(values, kept)

    def outbound(self, kind: str, hub: Values, raw_before: Values) -> dict[str, Value]:
        """Exactly the differing fields in the CRM's names; `write` tells also what could not be sent."""
        return self.write(kind, hub, raw_before).values

    def same(self, kind: str, hub: str, a: Value, b: Value) -> bool:
        """Whether two hub values of a field mean the same, as exactly as the CRM can tell."""
        line = self._by_field.get((kind, hub))
        return a == b if line is None else line.codec.same(a, b)


def _readers(lines: Iterable[Line], kind: str) -> Iterable[_In]:
    return ((line.hub, line.crm, line.codec.into) for line in lines if line.kind == kind and line.direction != "out")


def _writers(lines: Iterable[Line], kind: str) -> Iterable[Line]:
    return (line for line in lines if line.kind == kind and line.direction != "in")


def _sent(line: Line, wish: Value, held: Value) -> Value:
    """The new CRM value; `held` itself when nothing is to change."""
    if line.once and not blank(held):
        return held
    seen = line.codec.into(held)
    if type(seen) is Kept:
        if seen.value is None and line.direction == "both":
            return seen  # an option or text of theirs that we do not understand is not overwritten
        seen = seen.value
    return held if line.codec.same(seen, wish) else line.codec.put(wish, held)
