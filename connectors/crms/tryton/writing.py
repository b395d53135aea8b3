"""Writing to Tryton: many records in one call, one transaction, so one bad record refuses all; then the call is halved.

A state is no value over there but the end of a way: buttons lead to it, each with its own conditions. They are pressed
for many records at once, before the values where a closed record has to be opened for them, else after.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from connectors.contract import Done, Failed, Lost, Op, Outcome, Record
from connectors.crms.tryton.rpc import Refused, Rpc
from connectors.crms.tryton.shape import FAMILIES, HUB, LEAD, NOTE, PARTY, READ, party_body, typed
from connectors.errors import Conflict, ConnectorError, Missing, Pause, Refuse, Retry

Numbered = tuple[int, Op]
Read = Callable[[str, Sequence[str]], Sequence[Record | None]]

CLOSED = frozenset({"converted", "won", "lost", "cancelled"})
_FORWARD = {"lead": (), "opportunity": ("opportunity",), "converted": ("opportunity", "convert"),
            "lost": ("lost",), "cancelled": ("cancel",)}  # fmt: skip
WAYS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "lead": _FORWARD,
    "opportunity": {"lead": ("lead",), "converted": ("convert",), "lost": ("lost",), "cancelled": ("cancel",)},
    "lost": {target: ("lead", *buttons) for target, buttons in _FORWARD.items()},
    "cancelled": {target: ("lead", *buttons) for target, buttons in _FORWARD.items()},
}
"""Buttons from one state to another (sale_opportunity/opportunity.py, `_transitions` and `_buttons`)."""


class Writer:
    """One call of `write`: collects outcomes by position, stops sending when the account is shut."""

    def __init__(self, rpc: Rpc, read: Read, batch: int) -> None:
        self._rpc, self._read, self._batch = rpc, read, batch
        self._outcomes: dict[int, Outcome] = {}
        self._shut: ConnectorError | None = None

    def write(self, ops: Sequence[Op]) -> list[Outcome]:
        """Outcomes in order. Raises `Pause` only when nothing was written yet."""
        groups: dict[tuple[str, bool], list[Numbered]] = {}
        for n, op in enumerate(ops):
            groups.setdefault((op.kind, op.ref is None), []).append((n, op))
        for (kind, new), group in groups.items():
            for start in range(0, len(group), self._batch):
                self._chunk(group[start : start + self._batch], kind, self._create if new else self._update)
        return [self._outcomes[n] for n in range(len(ops))]

    def _chunk(self, chunk: Sequence[Numbered], kind: str, send: Callable[[str, Sequence[Numbered]], None]) -> None:
        if self._shut:
            return self._settle(chunk, Failed(self._shut))
        try:
            send(kind, chunk)
        except Pause as error:
            if not any(isinstance(one, Done | Lost) for one in self._outcomes.values()):
                raise
            self._shut = error
            self._settle(chunk, Failed(error))
        except Retry as error:
            self._shut = None if error.effect else error
            self._settle(chunk, Lost(str(error)) if error.effect else Failed(error))
        except (Refuse, Conflict, Missing) as error:
            if len(chunk) == 1:
                return self._settle(chunk, Failed(self._named(kind, chunk[0][1], error)))
            self._chunk(chunk[: len(chunk) // 2], kind, send)
            self._chunk(chunk[len(chunk) // 2 :], kind, send)
        return None

    def _settle(self, chunk: Sequence[Numbered], outcome: Outcome) -> None:
        self._outcomes.update(dict.fromkeys((n for n, _ in chunk), outcome))

    # ── creating ─────────────────────────────────────────────────────────────────────────────────

    def _create(self, kind: str, chunk: Sequence[Numbered]) -> None:
        refs = self._rpc.call(f"model.{kind}.create", [_new(op) for _, op in chunk])
        if not isinstance(refs, list) or len(refs) != len(chunk):
            raise Retry("Tryton's answer does not name the records it made", effect=True)
        made = [(n, op, str(ref)) for (n, op), ref in zip(chunk, refs, strict=True)]
        self._outcomes.update({n: _done(op, ref) for n, op, ref in made})
        for n, op, ref in made:
            self._place_new(n, op, ref)

    def _place_new(self, n: int, op: Op, ref: str) -> None:
        """A new opportunity is a lead; one that cannot be taken further is told as it is."""
        target = op.values.get("state", "lead")
        if op.kind != LEAD or target == "lead":
            return
        try:
            for button in _way("lead", target):
                self._rpc.call(f"model.{LEAD}.{button}", [int(ref)])
        except ConnectorError as error:
            try:
                [held] = self._read(LEAD, [ref])
            except ConnectorError:
                held = None
            self._outcomes[n] = Done(held, echoed=True) if held else Lost(f"Made, its state is not certain: {error}")

    # ── changing ─────────────────────────────────────────────────────────────────────────────────

    def _update(self, kind: str, chunk: Sequence[Numbered]) -> None:
        held = self._held(kind, chunk)
        ways = {n: self._split(op, held.get(str(op.ref), {})) for n, op in chunk}
        self._press([(op, ways[n][0]) for n, op in chunk])
        pairs: list[Any] = []
        for _, op in chunk:
            body = _body(op, held.get(str(op.ref), {}))
            pairs += [[_number(op)], body] if body else []
        if pairs:
            fresh = {f"{kind},{op.ref}": op.version for n, op in chunk if op.version and not ways[n][0]}
            self._rpc.call(f"model.{kind}.write", *pairs, more={"_timestamp": fresh} if fresh else None)
        self._press([(op, ways[n][1]) for n, op in chunk])
        self._outcomes.update({n: _done(op, str(op.ref)) for n, op in chunk})

    def _held(self, kind: str, chunk: Sequence[Numbered]) -> dict[str, Mapping[str, Any]]:
        """What must be known before: the state of opportunities that shall move, the rows of parties' lists."""
        asked = {LEAD: {"state"}, PARTY: {*FAMILIES, "hub_id"}}.get(kind, set())
        refs = [_number(op) for _, op in chunk if asked & op.values.keys()]
        if not refs:
            return {}
        names = ["state"] if kind == LEAD else list(READ[PARTY])
        rows = self._rpc.call(f"model.{kind}.search_read", [["id", "in", refs]], 0, None, None, names)
        return {str(row["id"]): row for row in rows}

    @staticmethod
    def _split(op: Op, held: Mapping[str, Any]) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Buttons to press before the values are written, and after it."""
        if op.kind != LEAD or "state" not in op.values:
            return (), ()
        if not held:
            raise Missing("The record is gone in Tryton")
        now = str(held.get("state"))
        way = _way(now, str(op.values["state"]))
        return (way[:1], way[1:]) if now in CLOSED else ((), way)

    def _press(self, ways: Sequence[tuple[Op, tuple[str, ...]]]) -> None:
        for depth in range(max((len(way) for _, way in ways), default=0)):
            pressed: dict[str, list[int]] = {}
            for op, way in ways:
                if depth < len(way):
                    pressed.setdefault(way[depth], []).append(_number(op))
            for button, refs in pressed.items():
                self._rpc.call(f"model.{LEAD}.{button}", refs)

    # ── refusals ─────────────────────────────────────────────────────────────────────────────────

    def _named(self, kind: str, op: Op, error: ConnectorError) -> ConnectorError:
        """Tryton names a field by its label: look up which one that is."""
        if not isinstance(error, Refused):
            return error
        if "that don't exist" in error.said:
            return Missing("The record is gone in Tryton")
        if error.said.startswith("You can not call"):
            return Refuse(str(error), {"state": "this step is not possible from where the record stands"})
        fields = dict.fromkeys(self._blamed(kind, op, error.quoted), str(error))
        return Refuse(str(error), fields)

    def _blamed(self, kind: str, op: Op, quoted: Sequence[str]) -> Iterator[str]:
        try:
            told = self._rpc.call(f"model.{kind}.fields_get", [])
        except ConnectorError:
            told = {}
        for name, value in op.values.items():
            label = (told.get(name) or {}).get("string") if isinstance(told, dict) else None
            lists = [str(one.get("value")) for one in value if isinstance(one, dict)] if isinstance(value, list) else []
            if {label, name, *lists} & set(quoted):
                yield name


def _way(now: str, target: str) -> tuple[str, ...]:
    if now == target:
        return ()
    way = WAYS.get(now, {}).get(target)
    if way is not None:
        return way
    won = "won when its sale is confirmed" if target == "won" else f"not {target} any more once it is {now}"
    raise Refuse(f"In Tryton an opportunity is {won}: that is done there", {"state": "is decided in Tryton"})


def _number(op: Op) -> int:
    if not str(op.ref).isdecimal():
        raise Missing("Tryton's ids are numbers: there is no such record")
    return int(str(op.ref))


def _new(op: Op) -> dict[str, Any]:
    body = _body(op, {})
    if op.marker and op.kind == LEAD:
        body["reference"] = op.marker
    if op.marker and op.kind == PARTY:
        body["identifiers"] = [["create", [{"code": HUB + op.marker}]]]
    return body


def _body(op: Op, held: Mapping[str, Any]) -> dict[str, Any]:
    if op.kind == PARTY:
        return party_body(op.values, held)
    body = typed({name: value for name, value in op.values.items() if name != "state"})
    if op.kind == LEAD and op.links.get(PARTY):
        body["party"] = int(op.links[PARTY][0])
    if op.kind == NOTE and op.links:
        owner, refs = next(iter(op.links.items()))
        body["resource"] = f"{owner},{refs[0]}"
    return body


def _done(op: Op, ref: str) -> Done:
    marker = {LEAD: "reference", PARTY: "hub_id"}.get(op.kind)
    values = {**op.values, marker: op.marker} if marker and op.marker and not op.ref else dict(op.values)
    return Done(Record(op.kind, ref, values, links=op.links))
