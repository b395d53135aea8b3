"""Writing to Pipedrive: one record a call, one certain or honestly uncertain outcome per op.

There are no bulk writes and no idempotency keys. A conversion is a job over there: it is begun, asked after, and the
deal it made is brought up to date; whatever goes wrong once it has begun is `Lost`, because the deal may be there.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from connectors.contract import Answer, Done, Failed, Lost, Op, Outcome, Record
from connectors.crms.pipedrive.api import Api, reason, rows
from connectors.crms.pipedrive.bodies import Bodies, absent, marked
from connectors.crms.pipedrive.names import Names, Row
from connectors.crms.pipedrive.shape import LOST, WON, flat, number, path_of
from connectors.errors import ConnectorError, Missing, Pause, Refuse, Retry

WAITS = (0.3, 0.7, 1.5, 3.0, 6.0)
"""Seconds before each look at a running conversion; most are through at the second."""
_PLACE = ("pipeline_id", "stage_id")


class Writer:
    """One call of `write`. `converted(refs)` answers lead → deal for leads that are deals by now."""

    def __init__(
        self,
        api: Api,
        names: Names,
        converted: Callable[[Sequence[str]], Mapping[str, str]],
        waits: Sequence[float] = WAITS,
    ) -> None:
        self._api, self._names, self._converted, self._waits = api, names, converted, waits
        self._bodies = Bodies(api, names)
        self._shut: ConnectorError | None = None
        self._wrote = False

    def write(self, ops: Sequence[Op]) -> list[Outcome]:
        """Outcomes in order. Raises `Pause` only when nothing was written yet."""
        return [Failed(self._shut) if self._shut else self._one(op) for op in ops]

    def _one(self, op: Op) -> Outcome:
        try:
            outcome = self._convert(op) if _is_conversion(op) else self._store(op)
        except (Refuse, Missing) as error:
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

    # ── one record ───────────────────────────────────────────────────────────────────────────────

    def _store(self, op: Op) -> Outcome:
        try:
            return self._stored(op)
        except Missing:
            deal = self._made_before(op.ref) if op.kind == "leads" and op.ref else ""
            if not deal:
                raise
        # The lead lives on as its deal: there is nothing left that could take what it should have been told.
        return Done(Record("leads", op.ref or "", op.values, links={"deals": (deal,)}))

    def _stored(self, op: Op) -> Outcome:
        body = self._bodies.prepared(op, op.values)
        archive = not op.ref and body.pop("is_archived", False)  # no field of a new lead
        method = "POST" if not op.ref else "PUT" if op.kind == "notes" else "PATCH"
        row = self._accepted(op, self._api.call(method, path_of(op.kind, op.ref or ""), json=body))
        return self._then(op, str(row["id"]), {"is_archived": True}) if archive else self._done(op, row)

    def _then(self, op: Op, ref: str, body: Row) -> Outcome:
        """A second call for a record that is there already: whatever it meets, the record stays."""
        try:
            return self._done(op, self._accepted(op, self._api.call("PATCH", path_of(op.kind, ref), json=body)))
        except ConnectorError as error:
            return Lost(f"{op.kind} {ref} is there, but not all its fields are certain: {error}")

    def _accepted(self, op: Op, answer: Answer) -> Row:
        if answer.status in {200, 201}:
            told = answer.json()
            found = rows(told) if isinstance(told, dict) and told.get("success") is True else []
            if not found:
                raise Retry("Pipedrive's answer does not mention the record", effect=True)
            return found[0]
        if answer.status >= 500 or answer.status == 408:
            raise Retry(f"Pipedrive answered with status {answer.status}: it may have stored it", effect=True)
        if answer.status in {404, 410}:
            raise absent(op)
        if answer.status == 400:
            self._names.forget()  # perhaps somebody made a field anew, under another key
        raise Refuse(f"Pipedrive refuses the record: {reason(answer)}", self._named(op, answer))

    def _named(self, op: Op, answer: Answer) -> dict[str, str]:
        """Which of our fields the refusal names, by their names here or their keys over there."""
        why = reason(answer)
        keys = {name: field.key for name, field in self._fields(op.kind).items()}
        return {name: why for name in op.values if _mentions(why, name) or _mentions(why, keys.get(name, name))}

    def _fields(self, kind: str) -> Mapping[str, Any]:
        try:
            return self._names.fields(kind)
        except (Retry, Pause):
            return {}

    def _done(self, op: Op, row: Row) -> Done:
        """What the CRM holds now; a lead's answer leaves custom fields out, so what was sent counts for these."""
        sent = marked(op, op.values)
        try:
            record = flat(op.kind, row, self._names)
        except (Retry, Pause):
            return Done(Record(op.kind, str(row["id"]), sent, links=op.links))
        values = {**{name: value for name, value in sent.items() if name not in record.values}, **record.values}
        links = {**op.links, **record.links}
        return Done(Record(op.kind, record.ref, values, record.version, record.updated_at, links=links), echoed=True)

    # ── conversions ──────────────────────────────────────────────────────────────────────────────

    def _convert(self, op: Op) -> Outcome:
        [lead] = op.links["leads"]
        stage, pipeline = op.values.get("stage_id"), op.values.get("pipeline_id")
        rest = {name: value for name, value in op.values.items() if name not in _PLACE}
        if stage in (WON, LOST):
            rest["stage_id"] = stage
        body = self._bodies.prepared(Op("deals", rest, links=_other(op.links), marker=op.marker), rest)
        place = {"stage_id": number(stage)} if stage and stage not in (WON, LOST) else {"pipeline_id": number(pipeline)}
        answer = self._api.call("POST", f"{_convert_path(lead)}/deal", json=_said(place))
        if answer.status in {404, 410}:
            deal = self._made_before(lead)
            return self._then(op, deal, {**body, **_said(place)}) if deal else Failed(absent(op))
        if answer.status >= 400 and answer.status < 500:
            return Failed(Refuse(f"Pipedrive does not convert the lead: {reason(answer)}"))
        return self._settled(op, lead, answer, body)

    def _settled(self, op: Op, lead: str, answer: Answer, body: Row) -> Outcome:
        try:
            job = _job(answer)
            for wait in self._waits:
                time.sleep(wait)
                told = _job(self._api.call("GET", f"{_convert_path(lead)}/status/{quote(job, safe='')}"), "status")
                if told in {"failed", "rejected"}:
                    return Failed(Refuse(f"Pipedrive's conversion of the lead was {told}"))
                if told.startswith("completed"):
                    return self._then(op, told.partition(":")[2], body)
        except (Retry, Pause) as error:
            return Lost(f"The conversion has begun, its end was not seen: {error}")
        return Lost("The conversion has begun and is still running")

    def _made_before(self, lead: str) -> str:
        try:
            return self._converted([lead]).get(lead, "")
        except Retry as error:
            raise Retry(str(error), after=error.after, effect=False) from None


def _is_conversion(op: Op) -> bool:
    return op.kind == "deals" and not op.ref and bool(op.links.get("leads"))


def _other(links: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    return {kind: refs for kind, refs in links.items() if kind != "leads"}


def _convert_path(lead: str) -> str:
    return f"v2/leads/{quote(lead, safe='')}/convert"


def _said(body: Row) -> Row:
    return {name: value for name, value in body.items() if value is not None}


def _job(answer: Answer, what: str = "conversion_id") -> str:
    """The id of the job, or its status (with the deal's id once it is completed)."""
    told = answer.json() if answer.status in {200, 201, 202} else None
    data = told.get("data") if isinstance(told, dict) else None
    if not isinstance(data, dict) or not data.get(what):
        raise Retry(f"status {answer.status} and no {what}", effect=True)
    done = data[what] == "completed"
    if done and not data.get("deal_id"):
        raise Retry("completed without a deal", effect=True)
    return f"completed:{data['deal_id']}" if done else str(data[what])


def _mentions(why: str, name: str) -> bool:
    return bool(re.search(rf"""(?<![\w-])["'`]?{re.escape(name)}["'`]?(?=[:.\]]|["'`])""", why))
