"""Another mapping tried on real traffic: which values of which lead would have been others. Nothing is written.

For a source the stored messages of a span are read again, each by the mapping of now and by the other one. For a CRM
the records of a span are translated both ways, as a card that is written for the first time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select

from connectors.contract import Draft
from connectors.errors import ConnectorError
from hub.intake.connections import Live
from hub.intake.drafts import draft_json, raw_of, touch_json
from hub.model import deal, event, inquiry, lead
from hub.store.engine import Store
from hub.sync.records import load
from mappings import Inbound, apply_inbound
from mappings.engine import Mapping as CRMMapping

MOST = 10_000
PORTION = 400


@dataclass(frozen=True, slots=True)
class Change:
    """One field of one lead that would have been another. `lead_id` is "" for a message that belongs to none."""

    lead_id: str
    at: int
    record: str
    """inquiry | contact | lead | deal"""
    field: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Remapped:
    """Two mappings over one span."""

    seen: int
    """Inquiries or records that were looked at."""
    changes: tuple[Change, ...]
    unread: int = 0
    """Messages that can only be read with another call to their sender, or by nobody."""

    @property
    def fields(self) -> Mapping[str, int]:
        """How often each field would have been another."""
        return dict(Counter(one.field for one in self.changes).most_common())

    @property
    def changed(self) -> int:
        """How many leads (or messages without one) differ in anything."""
        return len({(one.lead_id, one.at) for one in self.changes})


# ── a source ─────────────────────────────────────────────────────────────────────────────────────


def try_inbound(store: Store, live: Live, before: Inbound, after: Inbound, since: int, until: int) -> Remapped:
    """The newest messages of a span, ten thousand at the most, read by both mappings."""
    mine = (event.c.connection_id == live.id) & (event.c.received_at >= since) & (event.c.received_at < until)
    query = select(event).where(mine, event.c.verdict == "ok").order_by(event.c.seq.desc()).limit(MOST)
    seen, unread, found = 0, 0, list[tuple[str, int, int, Draft]]()
    with store.read_inbox() as conn:
        for row in conn.execute(query.execution_options(yield_per=PORTION)):
            try:
                parsed = live.source.parse(raw_of(row))
            except ConnectorError:
                unread += 1
                continue
            seen += len(parsed)
            found += [(row.id, place, row.received_at, draft) for place, draft in enumerate(parsed)]
    changes = [(event_id, place, at, told) for event_id, place, at, draft in found
               if (told := differences(draft, before, after))]  # fmt: skip
    with store.read() as conn:
        leads = _leads_of(conn, sorted({event_id for event_id, *_rest in changes}))
    made = (Change(leads.get((event_id, place), ""), at, "inquiry", *one) for event_id, place, at, told in changes
            for one in told)  # fmt: skip
    return Remapped(seen, tuple(made), unread)


def differences(draft: Draft, before: Inbound, after: Inbound) -> list[tuple[str, str, str]]:
    """(field, before, after) of everything that two mappings read differently in one draft."""
    first, second = told(apply_inbound(before, draft)), told(apply_inbound(after, draft))
    return _unlike(first, second)


def _unlike(first: Mapping[str, str], second: Mapping[str, str]) -> list[tuple[str, str, str]]:
    names = dict.fromkeys([*first, *second])
    pairs = ((name, first.get(name, ""), second.get(name, "")) for name in names)
    return [one for one in pairs if one[1] != one[2]]


def told(draft: Draft) -> dict[str, str]:
    """Everything a draft says, by field; own fields of a form as `field.<name>`."""
    flat = draft_json(draft)
    values: dict[str, Any] = {**flat["person"], **{name: flat[name] for name in ("subject", "text", "form")}}
    for prefix, touch in (("", draft.touch), ("first_", draft.first_touch)):
        for name, value in touch_json(touch).items():
            values |= {f"{prefix}{name}.{key}": one for key, one in value.items()} if isinstance(value, dict) else {
                f"{prefix}{name}": value}  # fmt: skip
    values["consent"] = "" if draft.consent is None else str(draft.consent.given)
    values |= {f"field.{name}": value for name, value in flat["fields"].items()}
    return {name: text for name, value in values.items() if (text := plain(value))}


def plain(value: Any) -> str:
    """Any value as text, nothing as ""."""
    if isinstance(value, list | tuple):
        return ", ".join(plain(one) for one in value)
    return "" if value is None else str(value)


def _leads_of(conn: Connection, event_ids: Sequence[str]) -> dict[tuple[str, int], str]:
    found: dict[tuple[str, int], str] = {}
    columns = (inquiry.c.event_id, inquiry.c.position, inquiry.c.lead_id)
    for start in range(0, len(event_ids), PORTION):
        some = inquiry.c.event_id.in_(event_ids[start : start + PORTION])
        found |= {(row.event_id, row.position): row.lead_id or "" for row in conn.execute(select(*columns).where(some))}
    return found


# ── a CRM ────────────────────────────────────────────────────────────────────────────────────────


def try_outbound(conn: Connection, before: CRMMapping, after: CRMMapping, since: int, until: int) -> Remapped:
    """Leads, deals and their contacts of a span, ten thousand of each at the most: what would be written over there."""
    seen, changes = 0, list[Change]()
    for role, rows in _recent(conn, since, until).items():
        for start in range(0, len(rows), PORTION):
            some = rows[start : start + PORTION]
            flat = load(conn, role, [row[0] for row in some])
            seen += len(flat)
            changes += _written(role, some, flat, before, after)
    return Remapped(seen, tuple(changes))


def _recent(conn: Connection, since: int, until: int) -> dict[str, list[tuple[str, str, int]]]:
    """(record, its lead, when it was opened) by role, newest first; a contact stands with its newest lead."""
    found: dict[str, list[tuple[str, str, int]]] = {"contact": [], "lead": [], "deal": []}
    for role, table, of in (("lead", lead, lead.c.id), ("deal", deal, deal.c.lead_id)):
        mine = (table.c.opened_at >= since) & (table.c.opened_at < until)
        columns = (table.c.id, of.label("of"), table.c.opened_at, table.c.contact_id)
        rows = list(conn.execute(select(*columns).where(mine).order_by(table.c.opened_at.desc()).limit(MOST)))
        found[role] = [(row.id, row.of or "", row.opened_at) for row in rows]
        if role == "lead":
            first = {row.contact_id: (row.contact_id, row.id, row.opened_at) for row in reversed(rows)}
            found["contact"] = list(first.values())
    return found


def _written(
    role: str, rows: Iterable[tuple[str, str, int]], flat: Mapping[str, Any], before: CRMMapping, after: CRMMapping
) -> Iterator[Change]:
    for record_id, lead_id, at in rows:
        if record_id in flat:
            first, second = (
                {name: plain(value) for name, value in one.outbound(role, flat[record_id], {}).items()}
                for one in (before, after)
            )
            for field, had, gets in _unlike(first, second):
                yield Change(lead_id, at, role, field, had, gets)
