"""Two contacts become one, and two again: every row that moves is written down as it was, and an undo puts it back.

What is not lost in a merge: the loser's row stays (with `merged_into`), its leads, deals, inquiries, conversations,
ways of contact and keys go over to the winner. Where both have an open lead in one direction the loser's is closed as
a duplicate, because the desk works on one; an undo opens it again. What becomes of their records in CRMs: see `cards`.

After an undo, what came in later belongs to whom its own identifiers name: to the loser if they are the loser's
alone, else to the winner; what people entered in a CRM to whose card it stands on (see `entered`). The pair is
remembered as "not the same".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Table, and_, or_, select, update

from hub.identity import cards, entered
from hub.identity.arrival import place_name
from hub.identity.facts import Facts, dumped, loaded
from hub.identity.keys import Key
from hub.identity.later import RECENT, share_out
from hub.identity.places import number_of, places
from hub.identity.rules import VERSION
from hub.identity.shown import inherit, restore, snapshot
from hub.identity.stored import of_contact
from hub.identity.survivorship import WHOLE
from hub.model import (
    contact,
    contact_point,
    deal,
    inquiry,
    journal,
    lead,
    link,
    match_key,
    merge_log,
    not_same,
    profile,
    review,
    thread,
    trace,
)
from hub.store.engine import inserting
from hub.told import Told

Row = dict[str, Any]
DUPLICATE = "duplicate"
OWNED = (deal, inquiry, thread, match_key)
"""Tables whose rows simply change their contact."""


class CannotMerge(ValueError):
    """These two cannot be merged or taken apart; `why` says so, for pages to translate."""

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


@dataclass(frozen=True, slots=True)
class Merge:
    """An intended merge. `id` of the log row and of its journal lines come from the clock of the caller."""

    id: str
    winner: str
    loser: str
    at: int
    actor: str
    why: Sequence[Mapping[str, str]] = ()
    event_id: str = ""


def pair_of(a: str, b: str) -> tuple[str, str]:
    """Two contacts in the order in which pairs are stored."""
    return (a, b) if a < b else (b, a)


# ── merging ──────────────────────────────────────────────────────────────────────────────────────


def merge(conn: Connection, one: Merge) -> str:
    """Make two contacts one; answers the id of the log row. The register's traces are the caller's to move.

    Raises `CannotMerge` if one of them is gone already or somebody told them apart.
    """
    _check(conn, one)
    here = select(inquiry.c.id).where(inquiry.c.contact_id == one.winner, inquiry.c.received_at >= one.at - RECENT)
    moved: dict[str, list[Row]] = {"stayed": [dict(r._mapping) for r in conn.execute(here)]}
    moved |= {table.name: _take(conn, table, one) for table in OWNED}
    moved["lead"] = _move_leads(conn, one)
    moved["contact_point"] = _move_points(conn, one)
    moved["contact_edit"] = entered.edits(conn, one.winner)
    moved["link"] = cards.rest(conn, one.winner, one.loser, one.at)
    moved["profile"] = [dict(r._mapping) for r in conn.execute(_profiles(one))]
    moved["contact"] = snapshot(conn, [one.winner, one.loser])
    conn.execute(update(contact).where(contact.c.id == one.loser).values(merged_into=one.winner, updated_at=one.at))
    inherit(conn, one.winner, one.loser, one.at)
    row = {
        "id": one.id, "at": one.at, "winner_id": one.winner, "loser_id": one.loser, "event_id": one.event_id,
        "actor": one.actor, "why": list(one.why), "rules": VERSION, "moved": moved, "undone_by": "",
    }  # fmt: skip
    conn.execute(merge_log.insert().values(row))
    gone = (review.c.first_id == one.loser) | (review.c.second_id == one.loser)
    conn.execute(update(review).where(gone, review.c.state == "open").values(state="gone", answered_at=one.at))
    told = {"merge": one.id, "why": list(one.why), "values": _not_shown(conn, moved["contact"], one.winner)}
    _tell(conn, one, "merged", told)
    return one.id


def _not_shown(conn: Connection, before: Sequence[Row], winner: str) -> dict[str, str]:
    """What one of the two showed and the contact that is left does not, by field."""
    [now] = snapshot(conn, [winner])
    rest = {field: [row[field] for row in before if row[field] not in ("", None, now[field])] for field in WHOLE}
    return {field: ", ".join(values) for field, values in rest.items() if values}


def _check(conn: Connection, one: Merge) -> None:
    there = select(contact.c.id, contact.c.merged_into).where(contact.c.id.in_([one.winner, one.loser]))
    living = {row.id for row in conn.execute(there.with_for_update()) if row.merged_into is None}
    for each in (one.winner, one.loser):
        if each not in living:
            raise CannotMerge(Told("Contact %(id)s does not exist or is merged already", id=each))
    if one.winner == one.loser:
        raise CannotMerge(Told("A contact cannot be merged with itself"))
    first, second = pair_of(one.winner, one.loser)
    told = select(not_same).where(not_same.c.first_id == first, not_same.c.second_id == second)
    if conn.execute(told).first() is not None:
        raise CannotMerge(Told("Somebody said that these are two people: take that back first"))


def _take(conn: Connection, table: Table, one: Merge) -> list[Row]:
    """Rows of the loser go to the winner; answers their keys."""
    keys = [column for column in table.primary_key.columns]
    rows = [dict(r._mapping) for r in conn.execute(select(*keys).where(table.c.contact_id == one.loser))]
    conn.execute(update(table).where(table.c.contact_id == one.loser).values(contact_id=one.winner))
    return rows


def _move_leads(conn: Connection, one: Merge) -> list[Row]:
    mine = select(lead.c.direction_id, lead.c.id).where(lead.c.contact_id == one.winner, lead.c.state == "open")
    busy = {row.direction_id: row.id for row in conn.execute(mine)}
    kept = (lead.c.id, lead.c.direction_id, lead.c.state, lead.c.reason, lead.c.closed_at)
    rows = [dict(r._mapping) for r in conn.execute(select(*kept).where(lead.c.contact_id == one.loser))]
    for row in rows:
        row["into"] = busy.get(row["direction_id"], "") if row["state"] == "open" else ""
        values: Row = {"contact_id": one.winner, "version": lead.c.version + 1}
        if row["into"]:
            values |= {"state": "rejected", "reason": DUPLICATE, "closed_at": one.at}
            conn.execute(update(thread).where(thread.c.lead_id == row["id"]).values(lead_id=row["into"]))
        conn.execute(update(lead).where(lead.c.id == row["id"]).values(values))
        conn.execute(_travels(link.c.record_id == row["id"], one.at))
    return rows


def _move_points(conn: Connection, one: Merge) -> list[Row]:
    """A way of contact that both have stays where it is, so that nothing is lost in an undo."""
    theirs = {
        (row.kind, row.value)
        for row in conn.execute(select(contact_point).where(contact_point.c.contact_id == one.winner))
    }
    rows = [
        dict(row._mapping)
        for row in conn.execute(select(contact_point).where(contact_point.c.contact_id == one.loser))
        if (row.kind, row.value) not in theirs
    ]
    for row in rows:
        conn.execute(_point(one.loser, row).values(contact_id=one.winner))
    return rows


def _point(owner: str, row: Mapping[str, Any]) -> Any:
    c = contact_point.c
    return update(contact_point).where(c.contact_id == owner, c.kind == row["kind"], c.value == row["value"])


def _travels(place: Any, at: int) -> Any:
    return update(link).where(place, link.c.state != cards.RESTS).values(dirty=link.c.dirty + 1, due_at=at)


def _profiles(one: Merge) -> Any:
    mine = profile.c.number.in_([number_of(one.winner), number_of(one.loser)])
    return select(profile.c.contact_id, profile.c.facts).where(mine)


def _tell(conn: Connection, one: Merge, what: str, facts: Row) -> None:
    for number, (subject, other) in enumerate(((one.winner, one.loser), (one.loser, one.winner))):
        row = {
            "id": f"{one.id[:25]}{number}{what[0]}", "at": one.at, "subject": "contact", "subject_id": subject,
            "what": what, "actor": one.actor, "facts": {**facts, "contact": other},
        }  # fmt: skip
        conn.execute(journal.insert().values(row))


# ── taking apart again ───────────────────────────────────────────────────────────────────────────


def undo(conn: Connection, merge_id: str, actor: str, at: int) -> tuple[str, str]:
    """Take a merge back, also after more has happened; answers winner and loser. Raises `CannotMerge`.

    A contact that was merged further has to be taken out of that merge first: the newest merge is undone first.
    """
    row = conn.execute(select(merge_log).where(merge_log.c.id == merge_id).with_for_update()).one_or_none()
    if row is None or row.undone_at is not None:
        raise CannotMerge(Told("There is no merge %(id)s that could be undone", id=merge_id))
    _newest_first(conn, row)
    one = Merge(merge_id, row.winner_id, row.loser_id, at, actor)
    conn.execute(update(contact).where(contact.c.id == one.loser).values(merged_into=None, updated_at=at))
    for table in OWNED:
        _give_back(conn, table, row.moved[table.name], one)
    for point in row.moved["contact_point"]:
        conn.execute(_point(one.winner, point).values(contact_id=one.loser))
    cards.wake(conn, row.moved["link"], at)
    there = entered.give_back(conn, row)
    profiles = share_out(conn, row, there.came)
    for owner, facts in zip((one.winner, one.loser), profiles, strict=True):
        write_profile(conn, owner, facts)
    for owner in entered.put_back(conn, row, there):
        relearn(conn, owner, there.lost if owner == one.loser else ())
    _open_leads(conn, row.moved["lead"], one)
    cards.rehang(conn, one.loser)
    restore(conn, row.moved.get("contact", ()), at)
    told = {"undone_at": at, "undone_by": actor}
    conn.execute(update(merge_log).where(merge_log.c.id == merge_id).values(told))
    first, second = pair_of(one.winner, one.loser)
    apart = {"first_id": first, "second_id": second, "by": actor, "at": at}
    conn.execute(inserting(conn, not_same).values(apart).on_conflict_do_nothing())
    conn.execute(_travels((link.c.role == "contact") & (link.c.record_id == one.winner), at))
    _tell(conn, one, "unmerged", {"merge": merge_id})
    return one.winner, one.loser


def _newest_first(conn: Connection, row: Any) -> None:
    later = select(merge_log.c.id).where(
        merge_log.c.undone_at.is_(None),
        merge_log.c.id != row.id,
        or_(
            merge_log.c.loser_id == row.winner_id,
            and_(merge_log.c.winner_id == row.winner_id, or_(merge_log.c.at > row.at, merge_log.c.id > row.id)),
        ),
    )
    found = conn.execute(later.order_by(merge_log.c.id.desc())).scalar()
    if found:
        raise CannotMerge(Told("A later merge has to be undone first: %(id)s", id=found))


def _give_back(conn: Connection, table: Table, rows: Sequence[Row], one: Merge) -> None:
    for row in rows:
        mine = and_(*(table.c[name] == value for name, value in row.items()))
        conn.execute(update(table).where(mine, table.c.contact_id == one.winner).values(contact_id=one.loser))


def _open_leads(conn: Connection, rows: Sequence[Row], one: Merge) -> None:
    for row in rows:
        back: Row = {"contact_id": one.loser, "version": lead.c.version + 1}
        if row["into"]:
            back |= {name: row[name] for name in ("state", "reason", "closed_at")}
        conn.execute(update(lead).where(lead.c.id == row["id"]).values(back))
        conn.execute(_travels(link.c.record_id == row["id"], one.at))
        if row["into"]:
            own = select(inquiry.c.id).where(inquiry.c.lead_id == row["id"], inquiry.c.contact_id == one.loser)
            if conn.execute(own).first() is not None:
                mine = (thread.c.lead_id == row["into"]) & (thread.c.contact_id == one.loser)
                conn.execute(update(thread).where(mine).values(lead_id=row["id"]))


def write_profile(conn: Connection, contact_id: str, facts: Facts, living: bool = True) -> None:
    """One contact's profile and traces, made anew; of one that is not `living` they are gone."""
    number = number_of(contact_id)
    held = conn.execute(select(profile.c.facts).where(profile.c.number == number)).scalar()
    if held:
        stale = [p for p in places(loaded(held)).all()]
        conn.execute(trace.delete().where(trace.c.person == number, trace.c.place.in_(stale)))
    if not living:
        conn.execute(profile.delete().where(profile.c.number == number))
        return
    row = {"number": number, "contact_id": contact_id, "facts": dumped(facts), "seen_at": facts.at * 1000}
    fresh = inserting(conn, profile).values(**row, rules=VERSION)
    conn.execute(fresh.on_conflict_do_update(index_elements=["number"], set_={**row, "rules": VERSION}))
    rows = [{"place": place, "person": number} for place in places(facts).all()]
    if rows:
        conn.execute(inserting(conn, trace).on_conflict_do_nothing(), rows)


def relearn(conn: Connection, contact_id: str, gone: Sequence[Key] = ()) -> None:
    """Numbers and addresses changed by other means than an inquiry: the profile knows them, and not those that went."""
    facts = profile_of(conn, contact_id)
    row = conn.execute(select(contact).where(contact.c.id == contact_id)).one()
    points = conn.execute(select(contact_point).where(contact_point.c.contact_id == contact_id)).all()
    now = of_contact(dict(row._mapping), [dict(point._mapping) for point in points])
    for key in gone:
        facts.ids.pop(place_name(key), None)
    for place, tie in now.ids.items():
        facts.ids.setdefault(place, tie)
    write_profile(conn, contact_id, facts)


def profile_of(conn: Connection, contact_id: str) -> Facts:
    """What is known of a contact for comparing: its profile, or what its rows say."""
    held = conn.execute(select(profile.c.facts).where(profile.c.number == number_of(contact_id))).scalar()
    if held:
        return loaded(held)
    row = conn.execute(select(contact).where(contact.c.id == contact_id)).one_or_none()
    if row is None:
        raise CannotMerge(Told("There is no contact %(id)s", id=contact_id))
    points = conn.execute(select(contact_point).where(contact_point.c.contact_id == contact_id)).all()
    return of_contact(dict(row._mapping), [dict(point._mapping) for point in points])


# ── questions ────────────────────────────────────────────────────────────────────────────────────


def ask(conn: Connection, rows: Sequence[Row]) -> None:
    """Questions for the review queue; one that was asked before stays as it is."""
    if rows:
        conn.execute(inserting(conn, review).on_conflict_do_nothing(), list(rows))
