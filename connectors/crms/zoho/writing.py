"""Writing to Zoho: a hundred records a call, an outcome for each.

A create with a marker is an upsert by it, so it may be sent again. Leads have no reference to a contact: the person who
comes with a lead is stored beside it and its name, phones and e-mails are copied into the lead. A conversion is Zoho's
own and takes the deal's values along; one that was done before is found and gets them now.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from connectors.contract import Answer, Done, Failed, Lost, Op, Outcome, Record, Value
from connectors.crms.zoho import shape
from connectors.crms.zoho.api import code_of, refusal
from connectors.crms.zoho.shape import DEALS, FIRMS, KINDS, LEADS, MARKER, NOTES, PEOPLE, TASKS, Columns
from connectors.errors import Conflict, ConnectorError, Missing, Pause, Refuse, Retry

BATCH = 100


class Base(Protocol):
    """What is needed of the connector."""

    def send(self, method: str, path: str, json: Value) -> Answer: ...

    def columns(self, kind: str) -> Columns: ...

    def get(self, kind: str, refs: Sequence[str]) -> Sequence[Record | None]: ...

    def day(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Wish:
    """One record on its way: its op's place, its own among the op's parts (0 for the record itself), what is sent."""

    n: int
    part: int
    op: Op
    body: dict[str, Value]

    @property
    def way(self) -> tuple[str, str]:
        """Method and path of the call it can travel in."""
        if self.op.ref:
            return "PUT", self.op.kind
        return "POST", f"{self.op.kind}/upsert" if self.op.marker else self.op.kind


class Writer:
    """One call of `write`: collects outcomes by place, stops sending when the organisation is shut."""

    def __init__(self, base: Base) -> None:
        self._base = base
        self._outcomes: dict[tuple[int, int], Outcome] = {}
        self._shut: ConnectorError | None = None

    def write(self, ops: Sequence[Op]) -> list[Outcome]:
        """Outcomes in order. Raises `Pause` only when nothing was written yet."""
        try:
            people = self._people(ops)
            wishes = [wish for n, op in enumerate(ops) for wish in self._wishes(n, op, people)]
        except Retry as error:  # nothing of the batch has been sent yet
            return [Failed(Retry(str(error), after=error.after))] * len(ops)
        for kinds in ((FIRMS,), (PEOPLE,), (LEADS, DEALS, NOTES, TASKS)):
            self._send([self._at_home(wish) for wish in wishes if wish.op.kind in kinds and not _converts(wish.op)])
        for wish in wishes:
            if _converts(wish.op):
                self._guarded([wish], lambda wish=wish: self._convert(wish))  # type: ignore[misc]
        return [self._told(n, op) for n, op in enumerate(ops)]

    # ── what to send ─────────────────────────────────────────────────────────────────────────────

    def _people(self, ops: Sequence[Op]) -> dict[str, Record]:
        """The contacts whose names the new leads need."""
        refs = [ref for op in ops if op.kind == LEADS and not op.ref for ref in op.links.get(PEOPLE, ())[:1]]
        return {one.ref: one for one in self._base.get(PEOPLE, list(dict.fromkeys(refs))) if one} if refs else {}

    def _wishes(self, n: int, op: Op, people: Mapping[str, Record]) -> list[Wish]:
        try:
            if op.kind not in (*KINDS, NOTES, TASKS) or (op.ref and not op.ref.isdecimal()):
                raise Refuse(f"Zoho has no {op.kind} like this: a kind or an id is wrong")
            lead = replace(op, values=_with_person(op, people)) if op.kind == LEADS and not op.ref else op
            return [*(self._wish(n, k, part) for k, part in enumerate(op.includes, 1)), self._wish(n, 0, lead)]
        except Refuse as error:
            self._outcomes[n, 0] = Failed(error)
            return []

    def _wish(self, n: int, part: int, op: Op) -> Wish:
        body = shape.body(op, self._base.columns(op.kind), self._base.day())
        if op.marker and not op.ref:
            body[MARKER] = op.marker
        return Wish(n, part, op, {**body, **({"id": op.ref} if op.ref else {})})

    def _at_home(self, wish: Wish) -> Wish:
        """With the person and the company that were made for it just before, now that they have ids."""
        made = [self._outcomes.get((wish.n, part)) for part in range(1, 3) if part != wish.part]
        refs = {one.record.kind: one.record.ref for one in made if isinstance(one, Done)}
        fields = shape.REFERENCES.get(wish.op.kind, {})
        told: dict[str, Value] = {name: {"id": refs[kind]} for kind, name in fields.items() if kind in refs}
        return replace(wish, body={**wish.body, **told}) if told else wish

    # ── sending ──────────────────────────────────────────────────────────────────────────────────

    def _send(self, wishes: Sequence[Wish]) -> None:
        groups: dict[tuple[str, str], list[Wish]] = {}
        for wish in wishes:
            groups.setdefault(wish.way, []).append(wish)
        for way, group in groups.items():
            for start in range(0, len(group), BATCH):
                chunk = group[start : start + BATCH]
                self._guarded(chunk, lambda way=way, chunk=chunk: self._chunk(way, chunk))  # type: ignore[misc]

    def _guarded(self, chunk: Sequence[Wish], act: Callable[[], None]) -> None:
        if self._shut:
            return self._settle(chunk, Failed(self._shut))
        try:
            act()
        except (Retry, Pause) as error:
            self._broken(chunk, error)
        except (Refuse, Missing, Conflict) as error:
            self._settle(chunk, Failed(error))
        return None

    def _chunk(self, way: tuple[str, str], chunk: Sequence[Wish]) -> None:
        json: dict[str, Value] = {"data": [wish.body for wish in chunk]}
        if way[1].endswith("/upsert"):
            json["duplicate_check_fields"] = [MARKER]
        rows = self._rows(*way, json, len(chunk))
        for wish, row in zip(chunk, rows, strict=True):
            self._outcomes[wish.n, wish.part] = _outcome(wish, row)

    def _rows(self, method: str, path: str, json: Value, count: int) -> list[Any]:
        """Results by record; their list comes with 200, 201, 202, 207 and 400 alike."""
        answer = self._base.send(method, path, json)
        told = answer.json()
        rows = told.get("data") if isinstance(told, dict) else None
        if isinstance(rows, list) and len(rows) == count:
            return rows
        if answer.status >= 400:
            raise Refuse(f"Zoho refuses the call ({code_of(told) or answer.status})")
        raise Retry("Zoho's answer does not say what became of the records", effect=True)

    def _settle(self, wishes: Sequence[Wish], outcome: Outcome) -> None:
        self._outcomes.update(dict.fromkeys(((wish.n, wish.part) for wish in wishes), outcome))

    def _broken(self, wishes: Sequence[Wish], error: Retry | Pause) -> None:
        if isinstance(error, Retry) and error.effect:
            return self._settle(wishes, Lost(str(error)))
        if isinstance(error, Pause) and not any(isinstance(one, Done | Lost) for one in self._outcomes.values()):
            raise error
        self._shut = error
        return self._settle(wishes, Failed(error))

    def _told(self, n: int, op: Op) -> Outcome:
        """A record and its parts are one to the hub: whichever did not arrive speaks for all, and all may go again."""
        parts = [self._outcomes.get((n, k)) for k in range(len(op.includes) + 1)]
        bad = next((one for one in parts if one is not None and not isinstance(one, Done)), None)
        made = [one for one in parts if isinstance(one, Done)]
        if bad is not None or len(made) != len(parts):
            return bad or Lost("Zoho's answer does not mention this record")
        return Done(made[0].record, tuple(one.record for one in made[1:]))

    # ── conversions ──────────────────────────────────────────────────────────────────────────────

    def _convert(self, wish: Wish) -> None:
        lead = wish.op.links[LEADS][0]
        deal = {name: value for name, value in wish.body.items() if name not in ("Contact_Name", "Account_Name")}
        known = {kind: {"id": refs[0]} for kind, refs in wish.op.links.items() if kind in (PEOPLE, FIRMS) and refs}
        quiet = {"overwrite": False, "notify_lead_owner": False, "notify_new_entity_owner": False}
        answer = self._base.send("POST", f"Leads/{lead}/actions/convert", {"data": [{**quiet, **known, "Deals": deal}]})
        told = answer.json()
        rows = told.get("data") if isinstance(told, dict) else None
        row = rows[0] if isinstance(rows, list) and rows and isinstance(rows[0], dict) else told
        if code_of(row) == "ID_ALREADY_CONVERTED":
            return self._again(wish, lead, deal)
        ref = _deal_of(row)
        if not ref and answer.status < 400 and code_of(row) in {"", "SUCCESS"}:
            raise Retry("Zoho's answer does not name the deal", effect=True)
        self._outcomes[wish.n, 0] = _done(wish, ref) if ref else Failed(refusal(row))
        return None

    def _again(self, wish: Wish, lead: str, deal: dict[str, Value]) -> None:
        """It was converted before, by us or by people: the deal that came of it gets our values."""
        [record] = self._base.get(LEADS, [lead])
        refs = record.links.get(DEALS, ()) if record else ()
        if not refs:
            raise Refuse("Zoho converted this lead without a deal")
        self._chunk(("PUT", DEALS), [replace(wish, op=replace(wish.op, ref=refs[0]), body={**deal, "id": refs[0]})])


def _deal_of(row: Any) -> str:
    """Newer versions say {"details": {"Deals": {"id"}}}, older ones {"Deals": "id"}."""
    details = row.get("details") if isinstance(row, dict) else None
    told = (details if isinstance(details, dict) else row if isinstance(row, dict) else {}).get("Deals")
    told = told.get("id") if isinstance(told, dict) else told
    return str(told) if told else ""


def _converts(op: Op) -> bool:
    return op.kind == DEALS and not op.ref and bool(op.links.get(LEADS))


def _with_person(op: Op, people: Mapping[str, Record]) -> dict[str, Value]:
    linked = [people[ref].values for ref in op.links.get(PEOPLE, ()) if ref in people]
    told = [part.values for part in op.includes if part.kind == PEOPLE] + linked
    firm = next((part.values.get("Account_Name") for part in op.includes if part.kind == FIRMS), None)
    return {**(shape.person(told[0]) if told else {}), **({"Company": firm} if firm else {}), **op.values}


def _done(wish: Wish, ref: str) -> Done:
    values = {**wish.op.values, MARKER: wish.op.marker} if wish.op.marker else dict(wish.op.values)
    return Done(Record(wish.op.kind, ref, values, links=wish.op.links))


def _outcome(wish: Wish, row: Any) -> Outcome:
    told = row if isinstance(row, dict) else {}
    details = told.get("details")
    if told.get("status") == "success" and isinstance(details, dict) and details.get("id"):
        return _done(wish, str(details["id"]))
    if told.get("status") == "error":
        return Failed(refusal(told))
    return Lost("Zoho's answer does not say what became of this record")
