"""Reads the floor for a batch of decisions in a dozen queries, however many people, pools and leads there are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, func, select, true

from hub.model import (
    absence,
    assignment,
    calendar,
    contact,
    deal,
    lead,
    member,
    pool,
    presence,
    rotation,
    seat,
    setting,
)
from hub.routing.floor import Absence, Floor, Limits, Load, Person, Pool
from hub.routing.hours import Shared
from hub.routing.rotation import Turn

LAST_RESORT = "last_resort"
"""Setting: the member who gets what nobody else can take, {"member": id}."""
PORTION = 400


def read_floor(conn: Connection, at: int, lock: bool = True) -> Floor:
    """Everybody and every pool as of `at` (ms). With `lock` the turns are ours until the end of the transaction."""
    pools = {str(row.name): row for row in conn.execute(select(pool))}
    return build_floor(conn, at, pools, _turns(conn, lock))


def build_floor(conn: Connection, at: int, pools: Mapping[str, Any], turns: Mapping[str, list[Turn]]) -> Floor:
    """The same with other pools (rows, or what looks like them) and turns than those that are stored."""
    plans = Shared({str(row.id): dict(row._mapping) for row in conn.execute(select(calendar))})
    members = list(conn.execute(select(member.c.id, member.c.active, member.c.role, member.c.created_at)))
    people = _people(conn, members, pools, turns, plans, at)
    _count(conn, people, at)
    given = {name: _last_turn(conn, name) for name in turns}
    made = {name: _pool(name, pools.get(name), turns.get(name, [])) for name in {*pools, *turns}}
    return Floor(people, made, _last_resort(conn, members), given)


def _turns(conn: Connection, lock: bool) -> dict[str, list[Turn]]:
    rows = select(rotation).order_by(rotation.c.pool, rotation.c.member_id)
    found: dict[str, list[Turn]] = defaultdict(list)
    for row in conn.execute(rows.with_for_update() if lock else rows):
        found[row.pool].append(Turn(row.member_id, row.weight, row.credit, row.given))
    return found


def _last_turn(conn: Connection, name: str) -> int:
    """How many turns a pool has given; the end of an index, however many there were."""
    return int(conn.execute(select(func.max(assignment.c.turn)).where(assignment.c.pool == name)).scalar() or 0)


def _people(
    conn: Connection, members: Sequence[Any], pools: Mapping[str, Any], turns: Mapping[str, Sequence[Turn]],
    plans: Shared, at: int,
) -> dict[str, Person]:  # fmt: skip
    seats = {row.member_id: row for row in conn.execute(select(seat))}
    seen = {row.member_id: row.seen_at for row in conn.execute(select(presence))}
    away = _absences(conn, at)
    home = {turn.member_id: pools[name] for name, some in turns.items() if name in pools for turn in some}
    people = {}
    for row in members:
        own, team = seats.get(row.id), home.get(row.id)
        work = plans.of(own.calendar_id if own else None, team.calendar_id if team else None)
        skills = frozenset(str(one).casefold() for one in (own.skills if own else ()))
        people[row.id] = Person(
            row.id, work, skills, _limits(own, team), Load(), away.get(row.id, ()), seen.get(row.id), bool(row.active)
        )
    return people


def _limits(own: Any, team: Any) -> Limits:
    """A member's own limits; where there is none, that of the team."""
    names = ("open_limit", "day_limit", "month_limit")
    return Limits(*(int((own and getattr(own, one)) or (team and getattr(team, one)) or 0) for one in names))


def _absences(conn: Connection, at: int) -> dict[str, list[Absence]]:
    found: dict[str, list[Absence]] = defaultdict(list)
    for row in conn.execute(select(absence).where(absence.c.end > at).order_by(absence.c.begin, absence.c.id)):
        found[row.member_id].append(Absence(row.begin, row.end, row.stand_in_id or "", row.why or "away"))
    return found


def _pool(name: str, row: Any, turns: Sequence[Turn]) -> Pool:
    if row is None:
        return Pool(name, turns)
    return Pool(
        name, turns, bool(row.offer), row.off_hours, row.duty_id or "", row.overflow, bool(row.own_first),
        tuple(row.skills), row.seen_within_ms,
    )  # fmt: skip


def _last_resort(conn: Connection, members: Sequence[Any]) -> str:
    """The member an admin named, else the first active admin, else anybody who is active."""
    active = {row.id: row for row in members if row.active}
    named = conn.execute(select(setting.c.value).where(setting.c.name == LAST_RESORT)).scalar() or {}
    if named.get("member") in active:
        return str(named["member"])
    return min(active, key=lambda one: (active[one].role, active[one].created_at), default="")


# ── how loaded everybody is ──────────────────────────────────────────────────────────────────────


def _count(conn: Connection, people: Mapping[str, Person], at: int) -> None:
    """Counts for those who have a limit; nobody else is asked."""
    with_open = sorted(one.id for one in people.values() if one.limits.open)
    for start in range(0, len(with_open), PORTION):
        some = (lead.c.state == "open") & lead.c.owner_id.in_(with_open[start : start + PORTION])
        for row in conn.execute(select(lead.c.owner_id, func.count()).where(some).group_by(lead.c.owner_id)):
            people[row[0]].load.open = row[1]
    for one in people.values():
        one.load.on = one.work.day(at)
    _count_since(conn, [one for one in people.values() if one.limits.day], at, "day", lambda day: day)
    _count_since(
        conn, [one for one in people.values() if one.limits.month], at, "month", lambda day: day.replace(day=1)
    )


def _count_since(
    conn: Connection, limited: Sequence[Person], at: int, name: str, begin: Callable[[date], date]
) -> None:
    """Leads given since the day or month began where each person is."""
    by_start: dict[int, dict[str, Person]] = defaultdict(dict)
    for one in limited:
        by_start[one.work.midnight(begin(one.work.day(at)))][one.id] = one
    for start, people in by_start.items():
        ids = sorted(people)
        for first in range(0, len(ids), PORTION):
            mine = (assignment.c.at >= start) & assignment.c.member_id.in_(ids[first : first + PORTION])
            counted = select(assignment.c.member_id, func.count()).where(mine).group_by(assignment.c.member_id)
            for member_id, count in conn.execute(counted):
                setattr(people[member_id].load, name, count)


# ── own owners ───────────────────────────────────────────────────────────────────────────────────


def own_owners(conn: Connection, contact_ids: Sequence[str], before: int | None = None) -> dict[str, str]:
    """Whose client each of these contacts is: by the newest running or won deal, else one of their company, else the
    newest lead. A stand-in never becomes the owner of a client by standing in. `before` leaves out what is newer."""
    found: dict[str, str] = {}
    for start in range(0, len(contact_ids), PORTION):
        some = contact_ids[start : start + PORTION]
        found |= _by_lead(conn, some, before) | _by_company(conn, some, before) | _by_deal(conn, some, before)
    return found


def _older(table: Table, before: int | None) -> ColumnElement[bool]:
    return true() if before is None else table.c.opened_at < before


WORTH = deal.c.state.in_(("open", "won"))


def _by_deal(conn: Connection, ids: Sequence[str], before: int | None) -> dict[str, str]:
    mine = select(deal.c.contact_id, deal.c.owner_id).where(deal.c.contact_id.in_(ids), WORTH, _older(deal, before))
    return {str(who): str(owner) for who, owner in conn.execute(mine.order_by(deal.c.active_at, deal.c.id))}


def _by_company(conn: Connection, ids: Sequence[str], before: int | None) -> dict[str, str]:
    known = select(contact.c.id, contact.c.company_id).where(contact.c.id.in_(ids), contact.c.company_id.is_not(None))
    firms = {row.id: row.company_id for row in conn.execute(known)}
    owners = owners_of_companies(conn, sorted(set(firms.values())), before)
    return {who: owners[firm] for who, firm in firms.items() if firm in owners}


def owners_of_companies(conn: Connection, company_ids: Sequence[str], before: int | None = None) -> dict[str, str]:
    """Whose clients these companies are by their newest running or won deals; those without one are left out."""
    found: dict[str, str] = {}
    newest = func.row_number().over(
        partition_by=contact.c.company_id, order_by=(deal.c.active_at.desc(), deal.c.id.desc())
    )
    for start in range(0, len(company_ids), PORTION):
        mine = contact.c.company_id.in_(company_ids[start : start + PORTION]) & WORTH & _older(deal, before)
        columns = (contact.c.company_id, deal.c.owner_id, newest.label("n"))
        ranked = select(*columns).join(deal, deal.c.contact_id == contact.c.id).where(mine).subquery()
        rows = conn.execute(select(ranked.c.company_id, ranked.c.owner_id).where(ranked.c.n == 1))
        found |= {str(firm): str(owner) for firm, owner in rows}
    return found


def _by_lead(conn: Connection, ids: Sequence[str], before: int | None) -> dict[str, str]:
    mine = select(lead.c.id, lead.c.contact_id, lead.c.owner_id).where(lead.c.contact_id.in_(ids), _older(lead, before))
    rows = list(conn.execute(mine.where(lead.c.owner_id.is_not(None)).order_by(lead.c.active_at, lead.c.id)))
    lent = select(assignment.c.lead_id, assignment.c.member_id, assignment.c.instead_of_id).where(
        assignment.c.lead_id.in_([row.id for row in rows]), assignment.c.instead_of_id.is_not(None)
    )
    stood_in = {(row.lead_id, row.member_id): row.instead_of_id for row in conn.execute(lent)}
    return {row.contact_id: stood_in.get((row.id, row.owner_id), row.owner_id) for row in rows}
