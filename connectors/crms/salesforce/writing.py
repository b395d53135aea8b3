"""Writing to Salesforce: records in collections of 200, five collections a call, an outcome for each record.

A create with a marker is an upsert by it, so it may be sent again. Leads have no reference to a contact: the person who
comes with a lead is stored beside it and its name, phones and e-mail are copied into the lead. A conversion is the
vendor's own; then the deal it made gets our values. When these are refused the lead is converted all the same, and the
op failed: sent again it finds the conversion and goes on.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from connectors.contract import Answer, Done, Failed, Lost, Op, Outcome, Record, Value
from connectors.crms.salesforce import shape, soap
from connectors.crms.salesforce.api import VERSION, problems, refusal
from connectors.crms.salesforce.shape import DEALS, FIRMS, KINDS, LEADS, MARKER, NOTES, PEOPLE, TASKS, Columns
from connectors.errors import Conflict, ConnectorError, Missing, Pause, Refuse, Retry

COLLECTION, COLLECTIONS = 200, 5
PROBES = 60
"""Refusals of whole collections in which the bad records are looked for; the rest comes again in smaller ones."""
_OUTCOME_ERRORS = (Refuse, Missing, Conflict)


class Base(Protocol):
    """What is needed of the connector."""

    def post(self, path: str, json: Value) -> Answer: ...

    def convert(self, leads: Sequence[Mapping[str, str]]) -> list[dict[str, str]]: ...

    def columns(self, kind: str) -> Columns: ...

    def get(self, kind: str, refs: Sequence[str]) -> Sequence[Record | None]: ...

    def converted_status(self) -> str: ...

    def today(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Wish:
    """One record on its way: its op's place, its own among the op's parts (0 for the record itself), what is sent."""

    n: int
    part: int
    op: Op
    body: dict[str, Value]

    @property
    def way(self) -> tuple[str, str]:
        """Method and path of the collection it can travel in."""
        if self.op.marker and not self.op.ref:
            return "PATCH", f"composite/sobjects/{self.op.kind}/{MARKER}"
        return ("PATCH" if self.op.ref else "POST"), "composite/sobjects"


Way = tuple[str, str]
HANGS = {PEOPLE: (FIRMS,), DEALS: (FIRMS, PEOPLE)}
"""What hangs on what; a reference by external id is called like the kind it leads to."""


class Writer:
    """One call of `write`: collects outcomes by place, stops sending when the organisation is shut."""

    def __init__(self, base: Base) -> None:
        self._base = base
        self._outcomes: dict[tuple[int, int], Outcome] = {}
        self._shut: ConnectorError | None = None
        self._probes = PROBES

    def write(self, ops: Sequence[Op]) -> list[Outcome]:
        """Outcomes in order. Raises `Pause` only when nothing was written yet."""
        try:
            people = self._people(ops)
            wishes = [wish for n, op in enumerate(ops) for wish in self._wishes(n, op, people)]
        except Retry as error:  # nothing of the batch has been sent yet
            return [Failed(Retry(str(error), after=error.after))] * len(ops)
        self._send([wish for wish in wishes if not _converts(wish.op)])
        self._convert([wish for wish in wishes if _converts(wish.op)], people)
        return [self._told(n, op) for n, op in enumerate(ops)]

    # ── what to send ─────────────────────────────────────────────────────────────────────────────

    def _people(self, ops: Sequence[Op]) -> dict[str, Record]:
        """The contacts whose names the leads need."""
        refs = [ref for op in ops if op.kind in (LEADS, DEALS) and not op.ref for ref in op.links.get(PEOPLE, ())[:1]]
        wanted = list(dict.fromkeys(refs)) if any(op.kind == LEADS or _converts(op) for op in ops) else []
        return {one.ref: one for one in self._base.get(PEOPLE, wanted) if one} if wanted else {}

    def _wishes(self, n: int, op: Op, people: Mapping[str, Record]) -> list[Wish]:
        try:
            if op.kind not in (*KINDS, NOTES, TASKS) or (op.ref and not op.ref.isalnum()):
                raise Refuse(f"Salesforce has no {op.kind} like this: a kind or an id is wrong")
            lead = replace(op, values=_with_person(op, people)) if op.kind == LEADS and not op.ref else op
            made = {part.kind: part.marker for part in op.includes if part.marker}
            parts = [self._wish(n, k, part, made) for k, part in enumerate(op.includes, 1)]
            return [*parts, self._wish(n, 0, lead, made)]
        except Refuse as error:
            self._outcomes[n, 0] = Failed(error)
            return []

    def _wish(self, n: int, part: int, op: Op, made: Mapping[str, str]) -> Wish:
        body = shape.body(op, self._base.columns(op.kind), self._base.today())
        if _converts(op):
            body.pop("AccountId", None)
        if not op.ref and not _converts(op):  # people and companies are made in the same call, just before
            others = {kind: made[kind] for kind in HANGS.get(op.kind, ()) if kind in made}
            body |= {kind: {MARKER: marker} for kind, marker in others.items()}
        if op.marker and not op.ref:
            body[MARKER] = op.marker
        return Wish(n, part, op, {**body, **({"Id": op.ref} if op.ref else {})})

    # ── sending ──────────────────────────────────────────────────────────────────────────────────

    def _send(self, wishes: Sequence[Wish]) -> None:
        """Companies before people before the rest, five collections at a time; halves of refused ones again."""
        groups: dict[tuple[str, Way], list[Wish]] = {}
        for wish in sorted(wishes, key=lambda one: {FIRMS: 0, PEOPLE: 1}.get(one.op.kind, 2)):
            groups.setdefault((wish.op.kind, wish.way), []).append(wish)
        waiting = deque(
            group[start : start + COLLECTION] for group in groups.values() for start in range(0, len(group), COLLECTION)
        )
        while waiting:
            pack = [waiting.popleft() for _ in range(min(COLLECTIONS, len(waiting)))]
            waiting.extendleft(reversed(self._pack(pack)))

    def _pack(self, pack: Sequence[list[Wish]]) -> list[list[Wish]]:
        """One call; answers what has to go again."""
        flat = [wish for group in pack for wish in group]
        if self._shut:
            self._settle(flat, Failed(self._shut))
            return []
        try:
            answers = self._composite(pack)
        except (Retry, Pause) as error:
            self._broken(flat, error)
            return []
        return [half for group, told in zip(pack, answers, strict=True) for half in self._judge(group, told)]

    def _composite(self, pack: Sequence[list[Wish]]) -> list[Any]:
        wanted = [
            {
                "method": group[0].way[0], "url": f"/services/data/v{VERSION}/{group[0].way[1]}",
                "referenceId": f"part{number}",
                "body": {"allOrNone": False, "records": [_record(wish) for wish in group]},
            }
            for number, group in enumerate(pack)
        ]  # fmt: skip
        answer = self._base.post("composite", {"allOrNone": False, "compositeRequest": wanted})
        if answer.status >= 400:
            raise Retry(f"Salesforce answered with status {answer.status}")
        told = answer.json()
        rows = told.get("compositeResponse") if isinstance(told, dict) else None
        if not isinstance(rows, list) or len(rows) != len(pack) or not all(isinstance(one, dict) for one in rows):
            raise Retry("Salesforce's answer does not say what became of the records", effect=True)
        return rows

    def _judge(self, group: list[Wish], told: Mapping[str, Any]) -> list[list[Wish]]:
        """Outcomes of one collection; its halves when it was refused as a whole."""
        status, body = told.get("httpStatusCode"), told.get("body")
        if status in (200, 201) and isinstance(body, list) and len(body) == len(group):
            for wish, result in zip(group, body, strict=True):
                self._outcomes[wish.n, wish.part] = _outcome(wish, result)
            return []
        error = refusal(problems(body))
        if not isinstance(status, int) or status >= 500 or status < 400:
            self._settle(group, Lost(f"Salesforce answered with status {status}: it may have stored them"))
        elif isinstance(error, Retry | Pause):
            self._broken(group, error)
        elif len(group) == 1:
            self._settle(group, Failed(error))
        elif self._probes <= 0:
            self._settle(group, Failed(Retry("Too many bad records in one batch: the rest comes in smaller ones")))
        else:
            self._probes -= 1
            return [group[: len(group) // 2], group[len(group) // 2 :]]
        return []

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
            return bad or Lost("Salesforce's answer does not mention this record")
        return Done(made[0].record, tuple(one.record for one in made[1:]))

    # ── conversions ──────────────────────────────────────────────────────────────────────────────

    def _convert(self, wishes: Sequence[Wish], people: Mapping[str, Record]) -> None:
        for start in range(0, len(wishes), soap.MOST):
            chunk = wishes[start : start + soap.MOST]
            deals = self._guarded(chunk, lambda chunk=chunk: self._converted(chunk, people))  # type: ignore[misc]
            self._send([_into(wish, deals[wish.n]) for wish in chunk if wish.n in deals])

    def _guarded(self, chunk: Sequence[Wish], act: Callable[[], dict[int, str]]) -> dict[int, str]:
        if self._shut:
            self._settle(chunk, Failed(self._shut))
            return {}
        try:
            return act()
        except (Retry, Pause) as error:
            self._broken(chunk, error)
        except _OUTCOME_ERRORS as error:
            self._settle(chunk, Failed(error))
        return {}

    def _converted(self, chunk: Sequence[Wish], people: Mapping[str, Record]) -> dict[int, str]:
        """The deal of each lead, also of one that was converted before."""
        status, homes = self._base.converted_status(), self._homes(chunk, people)
        told = self._base.convert([_lead_convert(wish, status, homes) for wish in chunk])
        found: dict[int, str] = {}
        again: dict[str, Wish] = {}
        for wish, result in zip(chunk, told, strict=True):
            if result.get("success") == "true" and result.get("opportunityId"):
                found[wish.n] = result["opportunityId"]
            elif result.get("statusCode") == "CANNOT_UPDATE_CONVERTED_LEAD":
                again[wish.op.links[LEADS][0]] = wish
            else:
                self._settle([wish], Failed(refusal([{"errorCode": result.get("statusCode", "")}])))
        for record in self._base.get(LEADS, list(again)) if again else ():
            deal = record.links.get(DEALS, ()) if record else ()
            if record and deal:
                found[again.pop(record.ref).n] = deal[0]
        self._settle(list(again.values()), Failed(Refuse("Salesforce converted this lead without a deal")))
        return found

    def _homes(self, chunk: Sequence[Wish], people: Mapping[str, Record]) -> dict[str, str]:
        """The account of each contact: without one, a conversion would make a second contact."""
        known = {ref: one.links[FIRMS][0] for ref, one in people.items() if one.links.get(FIRMS)}
        lacking = [ref for wish in chunk for ref in wish.op.links.get(PEOPLE, ())[:1] if ref in people]
        lacking = [ref for ref in dict.fromkeys(lacking) if ref not in known and not _firm(chunk, ref)]
        if not lacking:
            return known
        names = [str(people[ref].values.get("Name") or shape.UNKNOWN) for ref in lacking]
        ops = [Op(FIRMS, {"Name": name}, marker=f"of-{ref}") for name, ref in zip(names, lacking, strict=True)]
        made = Writer(self._base).write(ops)
        pairs = [(ref, one.record.ref) for ref, one in zip(lacking, made, strict=True) if isinstance(one, Done)]
        Writer(self._base).write([Op(PEOPLE, {}, ref=ref, links={FIRMS: (firm,)}) for ref, firm in pairs])
        return {**known, **dict(pairs)}


def _converts(op: Op) -> bool:
    return op.kind == DEALS and not op.ref and bool(op.links.get(LEADS))


def _firm(chunk: Sequence[Wish], ref: str) -> bool:
    return any(ref in wish.op.links.get(PEOPLE, ()) and wish.op.links.get(FIRMS) for wish in chunk)


def _lead_convert(wish: Wish, status: str, homes: Mapping[str, str]) -> dict[str, str]:
    person = next(iter(wish.op.links.get(PEOPLE, ())), "")
    firm = next(iter(wish.op.links.get(FIRMS, ())), "") or homes.get(person, "")
    return {
        "leadId": wish.op.links[LEADS][0], "convertedStatus": status, "accountId": firm,
        "contactId": person if firm else "", "doNotCreateOpportunity": "false", "overwriteLeadSource": "false",
        "opportunityName": str(wish.body.get("Name") or ""), "sendNotificationEmail": "false",
    }  # fmt: skip


def _into(wish: Wish, deal: str) -> Wish:
    """The rest of a conversion: our values into the deal that Salesforce made. Its closing day is Salesforce's too."""
    kept = {name: value for name, value in wish.body.items() if name in wish.op.values or name == MARKER}
    return Wish(wish.n, wish.part, replace(wish.op, ref=deal), {**kept, "Id": deal})


def _with_person(op: Op, people: Mapping[str, Record]) -> dict[str, Value]:
    linked = [people[ref].values for ref in op.links.get(PEOPLE, ()) if ref in people]
    told = [part.values for part in op.includes if part.kind == PEOPLE] + linked
    firm = next((part.values.get("Name") for part in op.includes if part.kind == FIRMS), None)
    return {**(shape.person(told[0]) if told else {}), **({"Company": firm} if firm else {}), **op.values}


def _record(wish: Wish) -> dict[str, Value]:
    return {"attributes": {"type": wish.op.kind}, **wish.body}


def _outcome(wish: Wish, result: Any) -> Outcome:
    told = result if isinstance(result, dict) else {}
    if told.get("success") is True and told.get("id"):
        values = {**wish.op.values, MARKER: wish.op.marker} if wish.op.marker else dict(wish.op.values)
        return Done(Record(wish.op.kind, str(told["id"]), values, links=wish.op.links))
    if told.get("success") is False:
        return Failed(refusal(problems(told.get("errors"))))
    return Lost("Salesforce's answer does not say what became of this record")
