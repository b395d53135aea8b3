"""What came while two contacts were one, when they are two again: each inquiry goes to whom its identifiers name.

With it go its lead or, where the other contact has its own open lead again, its place in that lead, its lines in the
timeline, and the numbers, addresses and keys that nobody else's inquiry has named.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from typing import Any

from sqlalchemy import Connection, func, select, update

from hub.clock import DAY
from hub.identity.arrival import Setting, facts_of
from hub.identity.facts import Facts, loaded
from hub.identity.normalize import Known, normalise
from hub.identity.stored import person_of
from hub.model import contact_point, inquiry, journal, lead, match_key

RECENT = DAY
"""Messages are not always worked on in the order in which they came."""
Point = tuple[str, str]


def share_out(conn: Connection, row: Any, theirs_there: Set[Point] = frozenset()) -> tuple[Facts, Facts]:
    """Give the loser of a merge (a row of merge_log) what came for them; answers the facts of winner and loser.

    `theirs_there` are numbers, addresses and keys that people entered on the loser's card in a CRM.
    """
    known = {kept["contact_id"]: loaded(kept["facts"]) for kept in row.moved["profile"]}
    ours, theirs = known.get(row.winner_id, Facts()), known.get(row.loser_id, Facts())
    own = {each["into"]: each["id"] for each in row.moved["lead"] if each["into"]}
    named: dict[str, set[Point]] = {row.winner_id: set(), row.loser_id: set(theirs_there)}
    for later in _came(conn, row):
        facts = facts_of(normalise(person_of(later.person)), Setting(later.received_at // 1000, text=later.text))
        mine = bool(facts.ids.keys() & theirs.ids.keys()) and not facts.ids.keys() & ours.ids.keys()
        if mine:
            _give(conn, later, row.winner_id, row.loser_id, own.get(later.lead_id, ""))
        (theirs if mine else ours).absorb(facts)
        named[row.loser_id if mine else row.winner_id] |= _points(later.person)
    _identifiers(conn, row, named[row.loser_id] - named[row.winner_id])
    return ours, theirs


def _came(conn: Connection, row: Any) -> Sequence[Any]:
    """Inquiries since the merge, in their order; the one that was the bridge is the winner's."""
    recent = select(inquiry).where(inquiry.c.contact_id == row.winner_id, inquiry.c.received_at >= row.at - RECENT)
    before = {each["id"] for each in (*row.moved["inquiry"], *row.moved["stayed"])}
    found = conn.execute(recent.order_by(inquiry.c.received_at, inquiry.c.id)).all()
    return [one for one in found if one.id not in before and (not row.event_id or one.event_id != row.event_id)]


def _give(conn: Connection, later: Any, winner: str, loser: str, own: str) -> None:
    """One inquiry. `own` is the loser's lead that was closed as a duplicate of the one it joined, "" for none."""
    conn.execute(update(inquiry).where(inquiry.c.id == later.id).values(contact_id=loser, lead_id=own or later.lead_id))
    if own:
        lines = select(journal).where(journal.c.subject == "lead", journal.c.subject_id == later.lead_id)
        mine = [line.id for line in conn.execute(lines) if line.facts.get("event") == later.event_id]
        conn.execute(update(journal).where(journal.c.id.in_(mine)).values(subject_id=own))
        for lead_id, more in ((later.lead_id, -1), (own, 1)):
            _recount(conn, lead_id, more)
        return
    others = select(inquiry.c.id).where(inquiry.c.lead_id == later.lead_id, inquiry.c.contact_id == winner)
    if later.lead_id and conn.execute(others).first() is None:
        conn.execute(update(lead).where(lead.c.id == later.lead_id).values(contact_id=loser))


def _recount(conn: Connection, lead_id: str, more: int) -> None:
    last = select(func.max(inquiry.c.received_at)).where(inquiry.c.lead_id == lead_id).scalar_subquery()
    counted = {"inquiries": lead.c.inquiries + more, "active_at": func.coalesce(last, lead.c.active_at)}
    conn.execute(update(lead).where(lead.c.id == lead_id).values(counted))


# ── numbers, addresses, keys ─────────────────────────────────────────────────────────────────────


def _points(stored: Mapping[str, Any]) -> set[Point]:
    """What an inquiry named, as its contact points and keys are written."""
    known: Known = normalise(person_of(stored))
    named = {("phone", one.e164 or one.raw) for one in known.phones}
    named |= {("email", one.address or one.raw) for one in known.emails}
    return named | {(key.kind, key.value) for key in known.keys}


def _identifiers(conn: Connection, row: Any, named: set[Point]) -> None:
    """Those that came after the merge and that the loser's inquiries alone named are the loser's."""
    since = {contact_point: contact_point.c.first_seen_at, match_key: match_key.c.seen_at}
    for table, seen in since.items():
        for kind, value in sorted(named):
            place = (table.c.contact_id == row.winner_id) & (table.c.kind == kind) & (table.c.value == value)
            held = (table.c.contact_id == row.loser_id) & (table.c.kind == kind) & (table.c.value == value)
            if conn.execute(select(table.c.kind).where(held)).first() is None:
                conn.execute(update(table).where(place, seen >= row.at).values(contact_id=row.loser_id))
