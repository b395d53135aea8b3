"""The records that two merged contacts have in CRMs: one leads, the other is read and never written; and back again.

Where only one of the two has a record there, it is the contact's. Where both have one, the winner's stays the one that
is kept in step, and the loser's becomes a second card: what people add to it reaches the contact, nothing of ours is
written to it, and it is listed until somebody merges the two over there or leaves them. A record that is on its way
over there this moment is looked for first.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, literal_column, or_, select, update

from hub.model import deal, lead, link

Row = dict[str, Any]
RESTS = "tombstoned"
SECOND, KEPT, DUE, BY_HAND = "second_card", "second_card_left", "merge_due", "merge_by_hand"
"""Codes of a second card: to be asked about, left as it is, to be merged over there, refused by the CRM."""
SECONDS = (SECOND, KEPT, DUE, BY_HAND)
CODED = link.c.code != literal_column("''")
"""In the words of `ix_link_cause`: a code that is a parameter alone has SQLite read all links of the connection."""
HERE, THERE, AGAIN, REHANG = "merged_here", "merged_there", "make_again", "rehang"
GONE = ("merged_in_crm", THERE)
"""Codes of a card that the CRM has no more, because it was merged into another."""
WHY = "One person with two cards: merge them in the CRM, or leave the second one as it is"
WHY_AGAIN = "The two were merged in the CRM too, and are two people again: try again makes this one's card anew"


def rest(conn: Connection, winner: str, loser: str, at: int) -> list[Row]:
    """What a merge does to the links of both; answers every row it changed as it was, with what it was left as."""
    ours, theirs = _of(conn, winner), _of(conn, loser)
    kept: list[Row] = []
    for connection_id, row in theirs.items():
        mine = ours.get(connection_id)
        if row.state == RESTS or (row.state == "history" and row.code not in SECONDS):
            continue
        if not row.remote_id:
            kept.append(_withdraw(conn, row, at))
        elif mine is None:
            kept.append(_change(conn, row, record_id=winner))
        elif mine.state == RESTS or (mine.state == "new" and not mine.remote_id and not _leased(mine, at)):
            kept += _swap(conn, row, mine)
        else:
            kept.append(_change(conn, row, state="history", code=SECOND, why=WHY, since=at, **_FREE))
    conn.execute(_marked((link.c.role == "contact") & (link.c.record_id == winner), at))
    return kept


_FREE: Mapping[str, Any] = {"lease": "", "lease_until": None}


def _of(conn: Connection, contact_id: str) -> dict[str, Any]:
    mine = (link.c.role == "contact") & (link.c.record_id == contact_id)
    return {row.connection_id: row for row in conn.execute(select(link).where(mine).with_for_update())}


def _leased(row: Any, at: int) -> bool:
    return bool(row.lease and row.lease_until and row.lease_until > at)


def _marked(place: Any, at: int) -> Any:
    return update(link).where(place, link.c.state != RESTS).values(dirty=link.c.dirty + 1, due_at=at)


def _change(conn: Connection, row: Any, **values: Any) -> Row:
    """New values; answers what the row was and what it is left as."""
    conn.execute(update(link).where(link.c.id == row.id).values(values))
    left = {name: values.get(name, getattr(row, name)) for name in ("state", "code", "record_id")}
    return {
        "id": row.id, "state": row.state, "code": row.code, "why": row.why, "record_id": row.record_id, "left": left,
    }  # fmt: skip


def _withdraw(conn: Connection, row: Any, at: int) -> Row:
    """A card that was not made yet is not made; one that may be there by now is looked for."""
    if row.state in ("sending", "uncertain"):
        due = max(at, row.lease_until or 0, (row.due_at or 0) if row.state == "uncertain" else 0)
        values = {"state": "uncertain", "lookups": 0, "due_at": due, "dirty": row.dirty + 1}
        return _change(conn, row, **values, **_FREE)
    why = "Merged into another contact here before it had a card of its own"
    return _change(conn, row, state=RESTS, code=HERE, why=why, since=at, **_FREE)


def _swap(conn: Connection, row: Any, mine: Any) -> list[Row]:
    """The only card there is becomes the winner's; the winner's own link, which has none, goes to the loser."""
    conn.execute(update(link).where(link.c.id == mine.id).values(record_id=mine.id))
    moved = _change(conn, row, record_id=mine.record_id)
    values: Row = {"record_id": row.record_id}
    if mine.state == "new":
        values |= {"state": RESTS, "code": HERE, "why": "The other contact's card is this one's now"}
    return [moved, _change(conn, mine, **values)]


# ── and back again ───────────────────────────────────────────────────────────────────────────────


def wake(conn: Connection, rows: Sequence[Mapping[str, Any]], at: int) -> None:
    """Every link as it was before the merge, but for what has happened to its record over there since."""
    ids = [kept["id"] for kept in rows]
    now = {row.id: row for row in conn.execute(select(link).where(link.c.id.in_(ids)).with_for_update())}
    there = [kept for kept in rows if kept["id"] in now]
    moved = [kept for kept in there if kept.get("record_id", "") not in ("", now[kept["id"]].record_id)]
    for kept in moved:  # by way of a name that nobody has: two may change places
        conn.execute(update(link).where(link.c.id == kept["id"]).values(record_id=kept["id"]))
    for kept in there:
        values = _as_before(kept, now[kept["id"]])
        record = {"record_id": kept["record_id"]} if kept in moved else {}
        again = {"dirty": link.c.dirty + 1, "due_at": at, "since": at}
        conn.execute(update(link).where(link.c.id == kept["id"]).values({**values, **record, **again, **_FREE}))


def _as_before(kept: Mapping[str, Any], row: Any) -> Row:
    before = {name: kept[name] for name in ("state", "code", "why")}
    left = kept.get("left", {"state": RESTS, "code": HERE})
    withdrawn = row.state == RESTS and row.code == HERE
    if row.code in GONE:
        return {"state": "held", "code": AGAIN, "why": WHY_AGAIN, "remote_id": None, "base": {}, "raw": {}, "sent": {}}
    if kept["state"] in ("sending", "uncertain"):  # it was on its way, and by now it is known what came of it
        known = "new" if withdrawn else "linked" if row.code in SECONDS else ""
        return {"state": known, "code": "", "why": "", "lookups": 0} if known else {}
    if row.code in SECONDS or (row.state, row.code) == (left["state"], left["code"]):
        return before
    return {}


def rehang(conn: Connection, contact_id: str) -> None:
    """Where a card has to be made anew: leads and deals of the contact that stand there shall hang on it."""
    asked = (link.c.role == "contact") & (link.c.record_id == contact_id) & (link.c.code == AGAIN)
    for row in conn.execute(select(link).where(asked)).all():
        own = [select(table.c.id).where(table.c.contact_id == contact_id) for table in (lead, deal)]
        mine = (link.c.connection_id == row.connection_id) & or_(*(link.c.record_id.in_(some) for some in own))
        there = mine & (link.c.state == "linked") & (link.c.code == "")
        count = conn.execute(update(link).where(there).values(code=REHANG, why=WHY_AGAIN)).rowcount
        conn.execute(update(link).where(link.c.id == row.id).values(why=f"{WHY_AGAIN}, with {count} leads and deals"))


def seconds(
    conn: Connection, connection_id: str, codes: Iterable[str] = (SECOND, BY_HAND), limit: int = 50
) -> list[Any]:
    """Second cards of one connection ("" = of all) with these codes, the oldest first."""
    mine = CODED & link.c.code.in_(list(codes)) & (link.c.state == "history") & (link.c.role == "contact")
    if connection_id:
        mine &= link.c.connection_id == connection_id
    return list(conn.execute(select(link).where(mine).order_by(link.c.since, link.c.id).limit(limit)))
