"""One event understood: drafts with their people normalised and their unknown fields mapped. Pure.

Everything slow or fallible that needs no database happens here, before the transaction.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from connectors.contract import Draft, DraftKind, Person, Raw, Touch, digest
from hub.clock import DAY, MINUTE, instant, millis
from hub.identity.arrival import Setting, facts_of
from hub.identity.facts import Facts
from hub.identity.firms import NONE, Firm, firm_of
from hub.identity.junk import Signs, signs
from hub.identity.normalize import Known, dig, normalise
from hub.intake import asked
from hub.intake.connections import Live
from mappings import Inbound, apply_inbound

WINDOW = 10 * MINUTE
FUTURE = DAY


@dataclass(frozen=True, slots=True)
class Understood:
    """A draft ready to be decided on. `key` is never empty; `keyed` says that the sender gave it."""

    event_id: str
    position: int
    draft: Draft
    known: Known
    key: str
    keyed: bool
    previous_key: str
    received_at: int
    live: Live
    facts: Facts
    junk: Signs
    firm: Firm = NONE

    @property
    def threads(self) -> tuple[str, ...]:
        return self.draft.thread


def raw_of(row: Any) -> Raw:
    """The message as it came, from its event row."""
    return Raw(
        body=bytes(row.body),
        received_at=instant(row.received_at),
        headers=row.headers,
        method=row.method,
        path=row.path,
        query=row.query,
    )


def understand(row: Any, raw: Raw, live: Live, mapping: Inbound) -> Sequence[Understood]:
    """Parse, map and normalise one event. Raises ConnectorError of the source."""
    found = []
    for position, parsed in enumerate(live.source.parse(raw)):
        draft = apply_inbound(mapping, parsed)
        known = known_of(draft, live.row.region)
        key, previous = _keys(draft, row.received_at, live)
        facts = _facts(draft, known, row.received_at, live.row.region)
        keyed, junk = draft.key is not None, _junk(draft, known)
        firm = firm_of(known, draft.fields, draft.text)
        found.append(
            Understood(row.id, position, draft, known, key, keyed, previous, row.received_at, live, facts, junk, firm)
        )
    return found


def _facts(draft: Draft, known: Known, received_at: int, region: str) -> Facts:
    said = "\n".join(part for part in (draft.subject, draft.text) if part)
    town = draft.fields.get("city", "")
    around = Setting(received_at // 1000, region, said, town if isinstance(town, str) else "")
    return facts_of(known, around)


def _junk(draft: Draft, known: Known) -> Signs:
    """Only what came in as an inquiry is asked; a person with an account or files is never empty."""
    if draft.kind is not DraftKind.INQUIRY or draft.files:
        return {}
    return signs(known, draft.text, draft.subject, draft.person.phones, draft.person.emails)


def known_of(draft: Draft, region: str) -> Known:
    """People leave their number in the message when the form has no field for it."""
    known = normalise(draft.person, region)
    if known.phones or known.emails or not draft.text or draft.kind is not DraftKind.INQUIRY:
        return known
    phones, emails = dig(draft.text, region)
    if not phones and not emails:
        return known
    person = replace(
        draft.person,
        phones=draft.person.phones + tuple(p.raw for p in phones),
        emails=draft.person.emails + tuple(e.raw for e in emails),
    )
    return normalise(person, region)


def _keys(draft: Draft, received_at: int, live: Live) -> tuple[str, str]:
    """The inquiry's key and, for senders without ids, the key it would have had in the window before."""
    if draft.key is not None:
        return draft.key, ""
    window = int(live.row.config.get("window_ms", WINDOW))
    own = digest(json.dumps(draft_json(draft), sort_keys=True, ensure_ascii=False))
    slot = received_at // window
    return f"digest:{own}:{slot}", f"digest:{own}:{slot - 1}"


def person_json(person: Person) -> dict[str, Any]:
    """A person as stored: what was typed, tuples as lists. (`dataclasses.asdict` costs a lead ten times as much.)"""
    return {
        "name": person.name,
        "first_name": person.first_name,
        "last_name": person.last_name,
        "middle_name": person.middle_name,
        "phones": list(person.phones),
        "emails": list(person.emails),
        "handles": [
            {"kind": one.kind, "id": one.id, "username": one.username, "attested": one.attested}
            for one in person.handles
        ],
        "company": person.company,
        "position": person.position,
        "language": person.language,
        "attested_phones": list(person.attested_phones),
    }


def draft_json(draft: Draft) -> dict[str, Any]:
    """What was said, without times: the same words give the same value."""
    return {
        "person": person_json(draft.person),
        "subject": draft.subject,
        "text": draft.text,
        "form": draft.form,
        "fields": dict(draft.fields),
        "thread": draft.thread,
    }


def touch_json(touch: Touch | None) -> dict[str, Any]:
    """A touch as stored; {} when nothing is known."""
    if touch is None:
        return {}
    flat: dict[str, Any] = {"page": touch.page, "referrer": touch.referrer, "at": touch.at and millis(touch.at)}
    for group, values in (("utm", touch.utm), ("click_ids", touch.click_ids)):
        flat[group] = dict(values)
    return {name: value for name, value in flat.items() if value}


def occurred(draft: Draft, received_at: int) -> int:
    """When it happened at the sender, in milliseconds; a date far in the future is a wrong clock."""
    if draft.occurred_at is None:
        return received_at
    at = millis(draft.occurred_at)
    return at if at <= received_at + FUTURE else received_at


def routing_facts(one: Understood, why: Sequence[Any]) -> Mapping[str, str]:
    """What routing rules may look at. `why` are the facts of who was recognised."""
    draft, row = one.draft, one.live.row
    return asked.facts_of(
        asked.Asked(
            row.connector, row.name, one.known, draft.person, draft.form, draft.subject, draft.text,
            touch_json(draft.touch), draft.fields, why,
        )
    )  # fmt: skip
