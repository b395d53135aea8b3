"""What people entered on cards in CRMs while two contacts were one, when they are two again: whose card, whose values.

The card that was kept in step is the winner's, and so is what was entered there, unless it had been the loser's only
card: then it goes back with the card. What stands on a second card is the loser's from the beginning. A number of the
loser's that somebody took off the winner's card is the loser's again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, select, update

from connectors.contract import Person
from hub.identity.cards import SECOND
from hub.identity.keys import Key
from hub.identity.later import Point
from hub.identity.normalize import normalise
from hub.model import contact_edit, contact_point, journal, link, match_key
from hub.store.engine import inserting

Row = dict[str, Any]
LISTS = {"phones": "phone", "emails": "email"}


@dataclass(frozen=True, slots=True)
class There:
    """Numbers and addresses that came on the loser's cards (`came` with their keys), and those that went from them."""

    points: set[Point] = field(default_factory=set)
    came: set[Point] = field(default_factory=set)
    gone: set[Point] = field(default_factory=set)
    lost: tuple[Key, ...] = ()


def edits(conn: Connection, contact_id: str) -> list[Row]:
    """What was entered for a contact before it takes another's card over."""
    mine = select(contact_edit).where(contact_edit.c.contact_id == contact_id)
    return [dict(row._mapping) for row in conn.execute(mine)]


def give_back(conn: Connection, row: Any) -> There:
    """Values and lines of the timeline that belong to cards which are the loser's again (`row` is one of merge_log);
    answers what came on them, and on the loser's second cards."""
    lines: list[Any] = list(conn.execute(_lines(row, row.loser_id, SECOND)))
    for by in _returned(conn, row):
        _edits_back(conn, row, by)
        told = list(conn.execute(_lines(row, row.winner_id, "field").where(journal.c.actor == by)))
        conn.execute(update(journal).where(journal.c.id.in_([one.id for one in told])).values(subject_id=row.loser_id))
        lines += told
    came: set[Point] = set()
    gone: set[Point] = set()
    for one in sorted(lines, key=lambda line: str(line.id)):
        added, dropped = _changed(one)
        came, gone = (came - dropped) | added, (gone - added) | dropped
    lost = _keys(gone)
    return There(
        came, came | {(one.kind, one.value) for one in _keys(came)}, gone | {(k.kind, k.value) for k in lost}, lost
    )


def _lines(row: Any, contact_id: str, what: str) -> Any:
    mine = (journal.c.subject == "contact") & (journal.c.subject_id == contact_id) & (journal.c.what == what)
    return select(journal).where(mine, journal.c.at >= row.at)


def _returned(conn: Connection, row: Any) -> list[str]:
    """The CRMs where the winner was given the loser's only card."""
    moved = [
        kept["id"] for kept in row.moved["link"]
        if kept.get("record_id") == row.loser_id and kept.get("left", {}).get("record_id") == row.winner_id
    ]  # fmt: skip
    return [f"crm:{one}" for one in conn.execute(select(link.c.connection_id).where(link.c.id.in_(moved))).scalars()]


def _edits_back(conn: Connection, row: Any, by: str) -> None:
    mine = (contact_edit.c.contact_id == row.winner_id) & (contact_edit.c.by == by) & (contact_edit.c.at >= row.at)
    theirs = [{**one._mapping, "contact_id": row.loser_id} for one in conn.execute(select(contact_edit).where(mine))]
    conn.execute(contact_edit.delete().where(mine))
    if theirs:
        fresh = inserting(conn, contact_edit)
        latest = {"value": fresh.excluded.value, "at": fresh.excluded.at}
        conn.execute(fresh.on_conflict_do_update(index_elements=["contact_id", "field", "by"], set_=latest), theirs)
    before = [one for one in row.moved.get("contact_edit", ()) if one["by"] == by]
    if before:
        conn.execute(inserting(conn, contact_edit).on_conflict_do_nothing(), before)


def _changed(line: Any) -> tuple[set[Point], set[Point]]:
    """What a line says of numbers and addresses: those that came, and those that went."""
    if line.what == SECOND:
        return _named(line.facts["values"]), _named(line.facts.get("gone", {}))
    name = line.facts.get("field", "")
    before, after = (_named({name: line.facts.get(side) or ()}) for side in ("from", "to"))
    return after - before, before - after


def _named(values: Mapping[str, Iterable[Any]]) -> set[Point]:
    return {(LISTS[name], str(value)) for name, some in values.items() if name in LISTS for value in some}


def _keys(points: Iterable[Point]) -> tuple[Key, ...]:
    phones = tuple(value for kind, value in points if kind == "phone")
    return normalise(Person(phones=phones, emails=tuple(value for kind, value in points if kind == "email"))).keys


def put_back(conn: Connection, row: Any, there: There) -> list[str]:
    """The loser's numbers and keys that were taken off the winner meanwhile, and those on the loser's cards that the
    winner's own inquiries named, too; without those that went from there. Answers the contacts whose numbers are not
    those of their inquiries alone."""
    kept = [one for one in row.moved["contact_point"] if "raw" in one and (one["kind"], one["value"]) not in there.gone]
    came = [
        {"contact_id": row.loser_id, "kind": kind, "value": value, "raw": value, "ext": "", "flags": [],
         "attested": False, "first_seen_at": row.at}
        for kind, value in sorted(there.points)
    ]  # fmt: skip
    keys = [
        {**one, "contact_id": row.loser_id, "seen_at": row.at}
        for one in row.moved["match_key"] if (one["kind"], one["value"]) not in there.gone
    ]  # fmt: skip
    for table, rows in ((contact_point, [*kept, *came]), (match_key, keys)):
        for one in rows:
            conn.execute(inserting(conn, table).values(one).on_conflict_do_nothing())
    for table in (contact_point, match_key) if there.gone else ():
        for kind, value in there.gone:
            conn.execute(
                table.delete().where(table.c.contact_id == row.loser_id, table.c.kind == kind, table.c.value == value)
            )
    since = contact_point.c.contact_id.in_([row.winner_id, row.loser_id]) & (contact_point.c.first_seen_at >= row.at)
    found = set(conn.execute(select(contact_point.c.contact_id).where(since)).scalars())
    return sorted(found | ({row.loser_id} if there.gone else set()))
