"""Writing to EspoCRM: one record a call, one certain or honestly uncertain outcome per op.

A lead takes over the person of its contact. They go one after the other, so a lead that is refused after its contact
was made is `Lost`: looked up by their markers, the contact is found and the lead goes again alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from urllib.parse import quote

from connectors.contract import Answer, Done, Failed, Lost, Op, Outcome, Record, Value
from connectors.crms.espocrm.api import Api, now, reason
from connectors.crms.espocrm.scan import text
from connectors.crms.espocrm.shape import (
    DEALS,
    KINDS,
    LEADS,
    MARKER,
    NOTES,
    PEOPLE,
    PERSON,
    TASKS,
    Row,
    body,
    flat,
    ours,
    parted,
)
from connectors.crms.espocrm.shape import surname as called
from connectors.errors import Conflict, ConnectorError, Missing, Pause, Refuse, Retry

_SKIP = {"X-Skip-Duplicate-Check": "true"}


class Writer:
    """One call of `write`. `check` leaves EspoCRM's own check for duplicates on: then a create may be a `Conflict`."""

    def __init__(self, api: Api, prefix: str, *, check: bool) -> None:
        self._api, self._prefix, self._headers = api, prefix, {} if check else _SKIP
        self._shut: ConnectorError | None = None
        self._wrote = False

    def write(self, ops: Sequence[Op]) -> list[Outcome]:
        """Outcomes in order. Raises `Pause` only when nothing was written yet."""
        return [Failed(self._shut) if self._shut else self._one(op) for op in ops]

    def _one(self, op: Op) -> Outcome:
        try:
            outcome = self._route(op)
        except (Refuse, Missing, Conflict) as error:
            return Failed(error)
        except Retry as error:
            if error.effect:
                self._wrote = True
                return Lost(str(error))
            self._shut = error
            return Failed(error)
        except Pause as error:
            if not self._wrote:
                raise
            self._shut = error
            return Failed(error)
        self._wrote = self._wrote or not isinstance(outcome, Failed)
        return outcome

    def _route(self, op: Op) -> Outcome:
        parts = [part.kind for part in op.includes]
        if op.kind not in KINDS or (parts and (parts != [PEOPLE] or op.kind != LEADS or op.ref)):
            raise Refuse(f"EspoCRM takes a lead with one contact, or one record of a known kind, not {op.kind}")
        if op.kind == DEALS and not op.ref and op.links.get(LEADS):
            return self._convert(op)
        if not op.includes:
            return Done(self._store(op), echoed=True)
        person = self._store(op.includes[0])
        try:
            return Done(self._store(op, person.values, person.ref), (person,), echoed=True)
        except ConnectorError as error:
            return Lost(f"Its contact is there, the lead is not certain: {error}")

    def _store(self, op: Op, person: Mapping[str, Value] | None = None, ref: str = "") -> Record:
        links = {**op.links, **({PEOPLE: (ref,)} if ref else {})}
        values = self._values(op, person, links)
        try:
            told = body(op.kind, values, links, self._prefix)
        except (TypeError, AttributeError):
            raise Refuse(f"EspoCRM has no {op.kind} like this: a value has the wrong shape") from None
        method, path = ("PUT", f"{op.kind}/{quote(op.ref, safe='')}") if op.ref else ("POST", op.kind)
        return self._seen(op, self._api.call(method, path, json=told, headers=self._headers), links)

    def _values(
        self, op: Op, person: Mapping[str, Value] | None, links: Mapping[str, Sequence[str]]
    ) -> dict[str, Value]:
        values = parted(op.values, new=not op.ref) if op.kind in (LEADS, PEOPLE) else dict(op.values)
        if op.ref:
            return values
        if op.kind == LEADS:
            told = person if person is not None else self._person(links)
            values = {**{name: told[name] for name in PERSON if told.get(name)}, **values}
        if op.kind in (LEADS, PEOPLE) and not values.get("lastName"):
            values["lastName"] = called(values, op.marker)
        if op.kind == NOTES:
            values.setdefault("type", "Post")
        if op.kind == DEALS:
            values = {**self._required(values, None), **values}
        return {**values, MARKER: op.marker} if op.marker and op.kind not in (NOTES, TASKS) else values

    def _required(self, values: Mapping[str, Value], answer: Answer | None) -> dict[str, Value]:
        """What an opportunity must have: an amount, and a closing date, which is a month from now."""
        needed: dict[str, Value] = {} if values.get("amount") is not None else {"amount": 0}
        if not values.get("closeDate"):
            seen = answer or self._before("App/user")[1]
            needed["closeDate"] = text(now(seen) + 30 * 86_400)[:10]
        return needed

    def _before(self, path: str) -> tuple[Row, Answer]:
        """A look before the write, which changes nothing whatever becomes of it."""
        try:
            return self._api.read(path)
        except Retry as error:
            raise Retry(str(error), after=error.after, effect=False) from None

    def _person(self, links: Mapping[str, Sequence[str]]) -> Mapping[str, Value]:
        """Who the lead is about, read before anything is sent."""
        ref = next(iter(links.get(PEOPLE, ())), "")
        row = self._before(f"{PEOPLE}/{quote(ref, safe='')}")[0] if ref else {}
        return flat(PEOPLE, row, self._prefix).values if row.get("id") else {}

    def _seen(self, op: Op, answer: Answer, links: Mapping[str, tuple[str, ...]]) -> Record:
        if answer.status in {200, 201}:
            told = answer.json()
            if not isinstance(told, dict) or not told.get("id"):
                raise Retry("EspoCRM's answer does not mention the record", effect=True)
            record = flat(op.kind, told, self._prefix)
            return replace(record, links={**links, **record.links})
        raise self._refusal(op, answer)

    def _refusal(self, op: Op, answer: Answer) -> ConnectorError:
        if answer.status >= 500 or answer.status == 408:
            return Retry(f"EspoCRM answered with status {answer.status}: it may have stored it", effect=True)
        if answer.status == 404:
            return Missing(f"EspoCRM has no such {op.kind} any more")
        if answer.status == 409:
            return _conflict(answer)
        if answer.status == 403:
            return Refuse(f"The API user's role does not allow this for {op.kind}: {reason(answer)}")
        name = _field(answer)
        mine = {"phoneNumber": "phones", "emailAddress": "emails"}.get(name, ours(name, self._prefix))
        why = reason(answer) or "validation failed"
        return Refuse(
            f"EspoCRM refuses the {op.kind} (status {answer.status}): {why} {mine}", {mine: why} if mine else {}
        )

    # ── conversions ──────────────────────────────────────────────────────────────────────────────

    def _convert(self, op: Op) -> Outcome:
        """EspoCRM's own action. The lead's contact is there already, so only the opportunity is made."""
        lead = op.links[LEADS][0]
        row, seen = self._before(f"{LEADS}/{quote(lead, safe='')}")
        if not row:
            raise Missing("EspoCRM has no such Lead any more")
        if row.get("id") != lead:
            raise Retry("EspoCRM answered with something else than the lead")
        if row.get("createdOpportunityId"):
            return Done(self._store(replace(op, ref=str(row["createdOpportunityId"]))), echoed=True)
        person = row.get("createdContactId") or next(iter(op.links.get(PEOPLE, ())), "")
        links = {kind: refs for kind, refs in op.links.items() if kind != LEADS}
        links |= {PEOPLE: (str(person),)} if person else {}
        values = {**self._required(op.values, seen), **op.values, **({MARKER: op.marker} if op.marker else {})}
        wish = body(DEALS, values, links, self._prefix)
        wish.setdefault("name", str(row.get("name") or op.marker or "-"))
        json = {"id": lead, "records": {DEALS: wish}, "skipDuplicateCheck": True}
        answer = self._api.call("POST", f"{LEADS}/action/convert", json=json)
        if answer.status not in {200, 201}:
            raise self._refusal(op, answer)
        told = answer.json()
        ref = told.get("createdOpportunityId") if isinstance(told, dict) else None
        if not ref:
            raise Retry("EspoCRM's answer does not say which opportunity it made", effect=True)
        return Done(Record(DEALS, str(ref), values, links={**op.links, **links}))


def _conflict(answer: Answer) -> Conflict:
    """The duplicates EspoCRM sees, or (without a list) a change in between."""
    try:
        told = answer.json()
    except Retry:
        told = None
    first = told[0] if isinstance(told, list) and told and isinstance(told[0], dict) else {}
    return Conflict("EspoCRM takes this for a duplicate of what it has", str(first["id"]) if first.get("id") else None)


def _field(answer: Answer) -> str:
    """{"messageTranslation": {"label": "validationFailure", "data": {"field": "phoneNumber", "type": "valid"}}}"""
    try:
        return str(answer.json()["messageTranslation"]["data"]["field"])
    except (Retry, KeyError, TypeError):
        return ""
