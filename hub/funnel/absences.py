"""People who left, are away, or came back: their open leads follow.

Whoever was switched off keeps no open lead. Whoever goes away gives theirs to the stand-in or, without one, to the
turn; what is still there when they return comes back. A person is ill with one call of `is_away`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from sqlalchemy import Connection, delete, select, update

from hub.clock import Clock
from hub.funnel.hands import Change, change_hands, lock_leads, pools_of
from hub.model import absence, assignment, lead, member
from hub.routing.floor import Assignment, Floor
from hub.routing.reading import read_floor
from hub.store.notes import note
from hub.told import Unusable

BATCH = 500
LONGEST_WHY = 200


def is_away(
    conn: Connection, clock: Clock, member_id: str, begin: int, end: int, actor: str, stand_in: str = "", why: str = ""
) -> str:
    """An absence from `begin` to `end` (ms); answers its id. Leads follow at the next step of the timers."""
    absence_id = clock.new_id()
    row = {"id": absence_id, "member_id": member_id, "begin": begin, "end": end, "stand_in_id": stand_in or None}
    conn.execute(absence.insert().values(**row, why=why or "away"))
    note(conn, clock, "member", member_id, "away", actor, {"begin": begin, "end": end, "stand_in": stand_in})
    return absence_id


def anything_due(conn: Connection, at: int) -> bool:
    """Whether `spread` would do something; a look that writes nothing."""
    return bool(_orphans(conn, 1)) or any(_absences(conn, at))


def spread(conn: Connection, clock: Clock) -> int:
    """Leads of people who left, went or came back, up to a batch; answers how many moved."""
    now = clock.now()
    gone, (leaving, back) = _orphans(conn, BATCH), _absences(conn, now)
    floor = read_floor(conn, now)
    if not any(person.active for person in floor.people.values()):
        return 0
    moved = _give(conn, clock, floor, gone, "gone", {})
    for row in leaving:
        moved += _leave(conn, clock, floor, row)
    for row in back:
        moved += _return(conn, clock, floor, row)
    return moved + len(leaving) + len(back)


def _orphans(conn: Connection, most: int) -> list[str]:
    """Open leads of people who are switched off."""
    off = select(member.c.id).where(member.c.active.is_(False))
    mine = (lead.c.state == "open") & lead.c.owner_id.in_(off)
    return [row.id for row in conn.execute(select(lead.c.id).where(mine).order_by(lead.c.id).limit(most))]


def _absences(conn: Connection, at: int) -> tuple[Sequence[Any], Sequence[Any]]:
    """Absences that began and absences that ended, as far as leads have not followed yet."""
    begun = (absence.c.spread_at.is_(None)) & (absence.c.begin <= at) & (absence.c.end > at)
    ended = absence.c.spread_at.is_not(None) & absence.c.back_at.is_(None) & (absence.c.end <= at)
    return tuple(list(conn.execute(select(absence).where(one).order_by(absence.c.id))) for one in (begun, ended))  # type: ignore[return-value]


def _leave(conn: Connection, clock: Clock, floor: Floor, row: Any) -> int:
    """All open leads of somebody who goes away; the absence is done with once none is left."""
    mine = (lead.c.state == "open") & (lead.c.owner_id == row.member_id)
    ids = [one.id for one in conn.execute(select(lead.c.id).where(mine).order_by(lead.c.id).limit(BATCH))]
    moved = _give(conn, clock, floor, ids, "away", {row.member_id: row.stand_in_id or ""})
    if len(ids) < BATCH or not moved:
        conn.execute(update(absence).where(absence.c.id == row.id).values(spread_at=clock.now()))
    return moved


def _return(conn: Connection, clock: Clock, floor: Floor, row: Any) -> int:
    """What was lent and is still open where it went."""
    lent = (assignment.c.instead_of_id == row.member_id) & (assignment.c.at >= row.begin)
    rows = conn.execute(select(assignment.c.lead_id, assignment.c.member_id).where(lent).order_by(assignment.c.id))
    went = {one.lead_id: one.member_id for one in rows}
    conn.execute(update(absence).where(absence.c.id == row.id).values(back_at=clock.now()))
    person = floor.people.get(row.member_id)
    if person is None or not person.active or person.absence(clock.now()):
        return 0
    after = Assignment(row.member_id, "back", "", {"by": "back"})
    changes = [
        Change(one.id, one.owner_id, after, "back")
        for one in lock_leads(conn, went).values()
        if one.state == "open" and one.owner_id == went[one.id]
    ]
    change_hands(conn, clock, floor, changes)
    return len(changes)


def _give(
    conn: Connection, clock: Clock, floor: Floor, ids: Sequence[str], cause: str, stand_ins: Mapping[str, str]
) -> int:
    """These leads go to a stand-in who is there, else by turns."""
    pools, changes = pools_of(conn, ids), []
    for row in lock_leads(conn, ids).values():
        if row.state == "open":
            after = _after(floor, row, pools[row.id], stand_ins.get(row.owner_id, ""), clock.now(), cause)
            if after.owner != row.owner_id:
                changes.append(Change(row.id, row.owner_id, after, cause))
    change_hands(conn, clock, floor, changes)
    return len(changes)


def _after(floor: Floor, row: Any, pool: str, stand_in: str, now: int, cause: str) -> Assignment:
    person = floor.people.get(stand_in)
    if person is not None and person.active and not person.absence(now):
        facts = {"by": "stand_in", "own": row.owner_id}
        return Assignment(stand_in, "stand_in", pool, facts, instead_of=row.owner_id)
    found = floor.assign(pool, {"source": row.source}, "", now, without=row.owner_id)
    if cause != "away":
        return found
    return Assignment(found.owner, found.by, found.pool, found.why, found.lineup, found.turn, row.owner_id)


# ── as admins write them ────────────────────────────────────────────────────────────────────────


def absences_of(conn: Connection, member_id: str, since: int) -> Sequence[Any]:
    """Absences of a member that end after `since`, in order."""
    mine = (absence.c.member_id == member_id) & (absence.c.end > since)
    return list(conn.execute(select(absence).where(mine).order_by(absence.c.begin, absence.c.id)))


def go_away(conn: Connection, clock: Clock, actor: str, member_id: str, typed: Mapping[str, str]) -> str:
    """An absence from the morning of the day `begin` to the end of the day `until`, where the member works; `stand_in`
    is who has their leads meanwhile ("" for whose turn it is). Answers its id; raises `Unusable`."""
    floor = read_floor(conn, clock.now(), lock=False)
    person = floor.people.get(member_id)
    if person is None:
        raise Unusable({"member": "is not here any more"})
    wrong: dict[str, str] = {}
    begin, until = _day(typed, "begin", wrong), _day(typed, "until", wrong)
    stand_in = typed.get("stand_in", "")
    if begin and until and until < begin:
        wrong["until"] = "is before the first day: choose the last day away"
    elif until and until < person.work.day(clock.now()):
        wrong["until"] = "is over already: choose today or later"
    if stand_in == member_id or (stand_in and not (stand_in in floor.people and floor.people[stand_in].active)):
        wrong["stand_in"] = "must be somebody else who is here"
    if wrong or begin is None or until is None:
        raise Unusable(wrong)
    span = person.work.midnight(begin), person.work.midnight(until + timedelta(1))
    return is_away(conn, clock, member_id, *span, actor, stand_in, typed.get("why", "").strip()[:LONGEST_WHY])


def _day(typed: Mapping[str, str], name: str, wrong: dict[str, str]) -> date | None:
    try:
        found = date.fromisoformat(typed.get(name, "").strip())
    except ValueError:
        found = None
    if found is None or not 2000 <= found.year < 2200:
        wrong[name] = "is no date: write 2026-12-31"
        return None
    return found


def come_back(conn: Connection, clock: Clock, actor: str, absence_id: str) -> None:
    """End an absence now; one that has not begun is taken away. Leads that were lent follow by themselves."""
    row = conn.execute(select(absence).where(absence.c.id == absence_id).with_for_update()).one_or_none()
    if row is None or row.end <= clock.now():
        return
    if row.begin > clock.now():
        conn.execute(delete(absence).where(absence.c.id == absence_id))
    else:
        conn.execute(update(absence).where(absence.c.id == absence_id).values(end=clock.now()))
    facts = {"begin": row.begin, "end": row.end}
    note(conn, clock, "member", row.member_id, "back", actor, facts)
