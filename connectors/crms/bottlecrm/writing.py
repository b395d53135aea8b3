"""Writing to BottleCRM: one record a call, and a conversion that is the vendor's own.

A lead carries name, e-mail, phone and company itself; what is not given is taken from its contact. The e-mail is
unique among leads, closed and converted ones included: a lead of somebody who had one before goes without it. A
conversion files the lead under the company of that name, and makes one where there is none, named after the person
where the lead has no company.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from connectors.contract import Done, Failed, Lost, Op, Outcome, Record, Value
from connectors.crms.bottlecrm import hung
from connectors.crms.bottlecrm.api import ACCOUNTS, CONTACTS, DEALS, LEADS, NOTES, TASKS, Api, now
from connectors.crms.bottlecrm.shape import MARKER, NAMELESS, SOURCE_REF, body
from connectors.crms.bottlecrm.tags import Tags
from connectors.errors import Conflict, ConnectorError, Missing, Pause, Refuse, Retry

PERSON = ("first_name", "last_name", "email", "phone", "company_name")
Deal = Callable[[dict[str, Any]], str]
Find = Callable[[str, Mapping[str, str]], Sequence[Record]]


class Writer:
    """One call of `write`: stops sending when the account is shut. `deal` answers what a lead was converted into."""

    def __init__(self, api: Api, deal: Deal, find: Find, read: Callable[[str, Sequence[str]], Sequence[Any]]) -> None:
        self._api, self._deal, self._find, self._read = api, deal, find, read
        self._tags = Tags(api)
        self._shut: ConnectorError | None = None

    def write(self, ops: Sequence[Op]) -> list[Outcome]:
        """Outcomes in order. Raises `Pause` only when nothing was written yet."""
        outcomes: list[Outcome] = []
        for op in ops:
            try:
                outcomes.append(Failed(self._shut) if self._shut else self._one(op))
            except Pause as error:
                if not any(isinstance(one, Done | Lost) for one in outcomes):
                    raise
                self._shut = error
                outcomes.append(Failed(error))
            except Retry as error:
                self._shut = None if error.effect else error
                outcomes.append(Lost(str(error)) if error.effect else Failed(error))
            except (Refuse, Missing, Conflict) as error:
                outcomes.append(Failed(error))
        return outcomes

    def _one(self, op: Op) -> Outcome:
        if op.kind in (NOTES, TASKS):
            return hung.hang(self._api, op)
        if op.kind not in (LEADS, DEALS, CONTACTS, ACCOUNTS):
            raise Refuse(f"BottleCRM has no {op.kind} here")
        if op.ref is not None:
            return self._change(op)
        if op.kind == DEALS and op.links.get(LEADS):
            return self._convert(op, op.links[LEADS][0])
        return self._create(op)

    def _body(self, op: Op) -> dict[str, Value]:
        sent = body(op.kind, op.values, op.marker if op.ref is None else "", op.links)
        return sent if "tags" not in sent else {**sent, "tags": self._tags.ids(sent["tags"])}

    # ── one record ───────────────────────────────────────────────────────────────────────────────

    def _create(self, op: Op) -> Outcome:
        sent = self._body(op)
        filled = self._person(op, sent) if op.kind == LEADS else {}
        try:
            ref = self._post(op.kind, {**filled, **sent})
        except Conflict as error:
            raise self._who(op, error) from None
        except Refuse as error:
            if not error.fields or not error.fields.keys() <= filled.keys():
                raise
            filled = {name: value for name, value in filled.items() if name not in error.fields}
            ref = self._post(op.kind, {**filled, **sent})
        values = {**op.values, MARKER.get(op.kind, SOURCE_REF): op.marker} if op.marker else op.values
        return Done(Record(op.kind, ref, values, links=op.links))

    def _post(self, kind: str, sent: Mapping[str, Value]) -> str:
        told, _ = self._api.send("POST", f"{kind}/", sent)
        if not told.get("id"):
            raise Retry("BottleCRM's answer does not name the record it made", effect=True)
        return str(told["id"])

    def _person(self, op: Op, sent: Mapping[str, Value]) -> dict[str, Value]:
        """Name, e-mail, phone and company of the lead's contact."""
        refs = op.links.get(CONTACTS)
        held = (self._api.object(CONTACTS, refs[0]) if refs else None) or {}
        held["company_name"] = (held.get("account_detail") or {}).get("name") or held.get("organization")
        return {
            name: told for name in PERSON if (told := held.get(name)) not in (None, "", NAMELESS) and name not in sent
        }

    def _who(self, op: Op, error: Conflict) -> Conflict:
        """One contact has this e-mail already, or one company this name: which one?"""
        if op.kind == ACCOUNTS:
            found = self._find(ACCOUNTS, {"name": str(op.values.get("name") or "")})
        else:
            emails = op.values.get("hub_emails") or [{}]
            found = self._find(CONTACTS, {"email": str(emails[0].get("value") or "")})
        return Conflict(str(error), found[0].ref if found else None)

    def _change(self, op: Op) -> Outcome:
        path, sent = f"{op.kind}/{op.ref}/", self._body(op)
        try:
            self._api.send("PATCH", path, sent)
        except Refuse as error:
            if op.kind != DEALS or "closed_on" not in error.fields or "closed_on" in sent:
                raise
            self._api.send("PATCH", path, {**sent, "closed_on": self._today()})
        return Done(Record(op.kind, str(op.ref), op.values, links=op.links))

    def _today(self) -> str:
        """A closed deal has a day it closed on; the day it is over there."""
        return now(self._api.read("profile/")[1]).date().isoformat()

    # ── conversion ───────────────────────────────────────────────────────────────────────────────

    def _convert(self, op: Op, lead: str) -> Outcome:
        held = self._api.object(LEADS, lead)
        if held is None:
            raise Missing("The lead is gone in BottleCRM")
        ref = self._deal(held) if held.get("status") == "converted" else self._converted(held, self._firm(op))
        if not ref:
            firm = {kind: refs for kind, refs in op.links.items() if kind == ACCOUNTS}
            return self._create(Op(DEALS, op.values, marker=op.marker, links=firm | _contacts(held)))
        return self._furnish(op, ref)

    def _firm(self, op: Op) -> dict[str, Value]:
        """The company the deal is for, as it is called now: by its name the vendor finds it."""
        refs = op.links.get(ACCOUNTS)
        firm = self._api.object(ACCOUNTS, refs[0]) if refs else None
        return {"company_name": firm["name"]} if firm else {}

    def _converted(self, held: dict[str, Any], firm: Mapping[str, Value]) -> str:
        """The vendor's own conversion. PATCH wants an e-mail; PUT takes an empty one, and clears what is not sent."""
        path = f"{LEADS}/{held['id']}/"
        links = _contacts(held)
        mine = self._person(Op(LEADS, {}, links=links), {name: held[name] for name in PERSON if held.get(name)})
        news = {**{name: value for name, value in mine.items() if not held.get(name)}, **firm}
        try:
            told, _ = self._api.send("PATCH", path, {**news, "status": "converted"})
        except Refuse as error:
            if "email" not in error.fields:
                raise
            sent: dict[str, Value] = {"status": "converted", "email": "", "contacts": list(links.get(CONTACTS, ()))}
            sent |= {name: [one["id"] for one in held.get(name) or []] for name in ("assigned_to", "teams", "tags")}
            sent |= {name: news[name] for name in ("first_name", "last_name", "company_name") if name in news}
            told, _ = self._api.send("PUT", path, sent)
        return str(told.get("opportunity_id") or "")

    def _furnish(self, op: Op, ref: str) -> Outcome:
        """What the new deal shall hold. The lead is converted already: what is refused now is left as it is there."""
        links = {kind: refs for kind, refs in op.links.items() if kind != LEADS}
        sent = self._body(Op(DEALS, op.values, marker=op.marker, links=links))
        for _ in range(2):
            try:
                self._api.send("PATCH", f"{DEALS}/{ref}/", sent)
                return Done(Record(DEALS, ref, {**op.values, "source_ref": op.marker}, links=op.links))
            except Refuse as error:
                sent = {name: value for name, value in sent.items() if name not in error.fields}
        [record] = self._read(DEALS, [ref])
        return Done(record, echoed=True) if record else Lost("The lead was converted, its deal cannot be read")


def _contacts(held: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    refs = tuple(str(one["id"]) for one in held.get("contacts") or [])
    return {CONTACTS: refs} if refs else {}
