"""What an owner answers to a lead, from wherever: accept, decline, later, qualify, note.

Each is one transaction of the caller and done once however often it is pressed. None is evidence of work.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, select, update

from hub.clock import HOUR, MINUTE, Clock
from hub.funnel.border import NotQualified, cross
from hub.funnel.hands import Change, change_hands, pools_of
from hub.funnel.moves import NotPossible, open_lead, take_lead
from hub.funnel.remarks import remark
from hub.model import lead, member
from hub.notices.offered import offered_to
from hub.notices.seals import Asked
from hub.notices.words import knows, say
from hub.routing.hours import Plan, WorkTime
from hub.routing.reading import read_floor
from hub.store.notes import PERSON, mark_dirty, note

FIRST = "accept"
"""What everybody may do to whom a lead is offered."""
ACTS = (FIRST, "decline", "later", "qualify", "note")
LATER: Mapping[str, int] = {"1h": 0, "1d": 1, "3d": 3}
"""Choices of "later" and how many days they are ahead; the first is an hour."""
MORNING = 9 * HOUR


def answer(conn: Connection, clock: Clock, asked: Asked, told: str = "") -> None:
    """Do it. `told` is the text of a note or a choice of `LATER`. Raises `NotPossible`; take it all back then."""
    who = conn.execute(select(member).where(member.c.id == asked.member_id)).one_or_none()
    if who is None or not who.active:
        raise NotPossible("gone", "This member is not here any more")
    row = open_lead(conn, asked.subject)
    if row.owner_id != who.id and not (asked.act == FIRST and who.id in offered_to(conn, [row]).get(row.id, ())):
        raise NotPossible("not_yours", "This lead is with somebody else now")
    _ACTS[asked.act](conn, clock, row, who, told)


def why_not(conn: Connection, error: NotPossible, lead_id: str, locale: str) -> str:
    """Why an answer was not followed, as a sentence for whoever gave it."""
    if isinstance(error, NotQualified):
        return say(locale, "not_qualified", missing=", ".join(error.missing))
    if error.code == "taken":
        taker = select(member.c.name).select_from(lead.join(member, member.c.id == lead.c.taken_by))
        name = conn.execute(taker.where(lead.c.id == lead_id)).scalar()
        return say(locale, "taken_by", name=str(name)) if name else say(locale, "taken")
    return say(locale, error.code) if knows(error.code) else say(locale, "not_now", why=str(error))


def _accept(conn: Connection, clock: Clock, row: Any, who: Any, _told: str) -> None:
    take_lead(conn, clock, row.id, who.id)


def _decline(conn: Connection, clock: Clock, row: Any, who: Any, _told: str) -> None:
    """The next of its pool has it; nobody gets it back from themselves."""
    floor = read_floor(conn, clock.now())
    after = floor.assign(pools_of(conn, [row.id])[row.id], {"source": row.source}, "", clock.now(), without=who.id)
    if after.owner == who.id:
        raise NotPossible("nobody_else", "Nobody else can take it now")
    note(conn, clock, "lead", row.id, "declined", f"member:{who.id}", {})
    change_hands(conn, clock, floor, [Change(row.id, who.id, after, "declined")])


def _later(conn: Connection, clock: Clock, row: Any, who: Any, told: str) -> None:
    if told not in LATER:
        raise NotPossible("not_now", "Say when")
    at = later_at(_hours(conn, clock, who.id), clock.now(), told)
    if row.next_step == "call_back" and abs(row.next_step_at - at) < MINUTE:
        return
    values = {"next_step": "call_back", "next_step_at": at, "version": lead.c.version + 1}
    conn.execute(update(lead).where(lead.c.id == row.id).values(values))
    mark_dirty(conn, clock, [row.id], PERSON)
    note(conn, clock, "lead", row.id, "postponed", f"member:{who.id}", {"at": at})


def later_at(work: WorkTime, now: int, choice: str) -> int:
    """When a choice of `LATER` is, within the hours of whoever chose it."""
    days = LATER[choice]
    if not days:
        return work.opening(now + HOUR)
    return work.opening(work.midnight(work.day(now) + timedelta(days)) + MORNING)


def _hours(conn: Connection, clock: Clock, member_id: str) -> WorkTime:
    person = read_floor(conn, clock.now(), lock=False).people.get(member_id)
    return person.work if person else WorkTime(Plan())


def _qualify(conn: Connection, clock: Clock, row: Any, who: Any, _told: str) -> None:
    """Only who may own deals carries a lead over the border in one press; others choose an heir on the card."""
    if who.role not in ("sales", "admin"):
        raise NotPossible("no_heir", "Choose on the card who gets the deal")
    cross(conn, clock, row.id, f"member:{who.id}")


def _note(conn: Connection, clock: Clock, row: Any, who: Any, told: str) -> None:
    remark(conn, clock, "lead", row.id, told, who.id)


_ACTS: Mapping[str, Callable[[Connection, Clock, Any, Any, str], None]] = {
    "accept": _accept, "decline": _decline, "later": _later, "qualify": _qualify, "note": _note,
}  # fmt: skip
