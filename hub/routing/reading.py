"""Reads who gets leads, in a dozen queries, however many people, pools and leads there are.

`Staff` is what admins decide: people, hours and limits, pools. `Gathering` adds what every lead changes: turns, and
how loaded people are, pool by pool as they are asked for.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from sqlalchemy import BigInteger, BindParameter, Connection, bindparam, func, select

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
from hub.routing.hours import Shared, WorkTime
from hub.routing.rotation import Turn
from hub.store.lists import among

LAST_RESORT = "last_resort"
"""Setting: the member who gets what nobody else can take, {"member": id}."""
PORTION = 400


LOCK = 0x70A1
TURNS = select(rotation).where(among(rotation.c.pool)).order_by(rotation.c.pool, rotation.c.member_id)
LAST_TURN = select(func.max(assignment.c.turn)).where(assignment.c.pool == bindparam("b_pool"))


@dataclass(frozen=True, slots=True)
class Staff:
    """Everybody and every pool, nobody loaded and no turn read. Never changed: batches may share it."""

    people: Mapping[str, Person]
    pools: Mapping[str, Pool]
    last_resort: str


def read_staff(conn: Connection, at: int) -> Staff:
    """The staff as it is now, with absences that are not over at `at` (ms)."""
    rows = {str(row.name): row for row in conn.execute(select(pool))}
    return _staff(conn, at, rows, list(conn.execute(select(rotation.c.pool, rotation.c.member_id))))


def read_floor(conn: Connection, at: int, lock: bool = True) -> Floor:
    """Everybody and every pool as of `at` (ms). With `lock` the turns are ours until the end of the transaction."""
    if lock:
        lock_turns(conn)
    return Gathering(conn, read_staff(conn, at), at).all()


def build_floor(conn: Connection, at: int, pools: Mapping[str, Any], turns: Mapping[str, list[Turn]]) -> Floor:
    """Other pools (rows, or what looks like them) and turns than those that are stored; nobody is loaded."""
    staff = _staff(conn, at, pools, [(name, turn.member_id) for name, some in turns.items() for turn in some])
    made = {name: replace(one, turns=turns.get(name, [])) for name, one in staff.pools.items()}
    return Floor(_fresh(staff, {}), made, staff.last_resort)


def lock_turns(conn: Connection) -> None:
    """Whoever gives leads out does so alone until the end of the transaction; a writer on SQLite is alone anyway. One
    lock for all pools, because a lead may overflow from any of them into any other."""
    if conn.dialect.name == "postgresql":
        conn.execute(select(func.pg_advisory_xact_lock(LOCK)))


class Gathering:
    """The floor of one batch. `pool` reads what a lead of that pool may need; what was read is not read again."""

    def __init__(self, conn: Connection, staff: Staff, at: int) -> None:
        self._conn, self._staff, self._at = conn, staff, at
        asked = any(one.seen_within for one in staff.pools.values())
        seen = {row.member_id: row.seen_at for row in conn.execute(select(presence))} if asked else {}
        self.floor = Floor(_fresh(staff, seen), staff.pools, staff.last_resort)
        self._there: set[str] = set()
        self._counted: set[str] = set()

    def pool(self, name: str) -> Floor:
        """The floor with the turns of this pool and of those it overflows into."""
        wanted, pools = [], self._staff.pools
        while name in pools and name not in wanted:
            wanted.append(name)
            name = pools[name].overflow
        return self._with([one for one in wanted if one not in self._there])

    def all(self) -> Floor:
        """The floor with every pool."""
        return self._with(list(self._staff.pools))

    def _with(self, names: Sequence[str]) -> Floor:
        if names:
            turns = _turns(self._conn, names)
            made = {one: replace(self._staff.pools[one], turns=turns.get(one, ())) for one in names}
            self.floor.pools = {**self.floor.pools, **made}
            self.floor.turns |= {one: _last_turn(self._conn, one) for one in names}
            self._there.update(names)
            self._load({turn.member_id for some in turns.values() for turn in some} - self._counted)
        return self.floor

    def _load(self, ids: set[str]) -> None:
        """How loaded these people are, besides what this batch gave them."""
        self._counted |= ids
        _count(self._conn, {one: self.floor.people[one] for one in sorted(ids) if one in self.floor.people}, self._at)


def _turns(conn: Connection, names: Sequence[str]) -> dict[str, list[Turn]]:
    found: dict[str, list[Turn]] = defaultdict(list)
    for row in conn.execute(TURNS, {"wanted": names}):
        found[row.pool].append(Turn(row.member_id, row.weight, row.credit, row.given))
    return found


def _last_turn(conn: Connection, name: str) -> int:
    """How many turns a pool has given; the end of an index, however many there were."""
    return int(conn.execute(LAST_TURN, {"b_pool": name}).scalar() or 0)


def _fresh(staff: Staff, seen: Mapping[str, int]) -> dict[str, Person]:
    return {
        one.id: Person(one.id, one.work, one.skills, one.limits, Load(), one.absences, seen.get(one.id), one.active)
        for one in staff.people.values()
    }


def _staff(conn: Connection, at: int, pools: Mapping[str, Any], homes: Sequence[Any]) -> Staff:
    plans = Shared({str(row.id): dict(row._mapping) for row in conn.execute(select(calendar))})
    members = list(conn.execute(select(member.c.id, member.c.active, member.c.role, member.c.created_at)))
    home = {member_id: pools[name] for name, member_id in homes if name in pools}
    names = sorted({*pools, *(name for name, _member_id in homes)})
    made = {name: _pool(name, pools.get(name)) for name in names}
    return Staff(_people(conn, members, home, plans, at), made, _last_resort(conn, members))


def _people(
    conn: Connection, members: Sequence[Any], home: Mapping[str, Any], plans: Shared, at: int
) -> dict[str, Person]:
    seats = {row.member_id: row for row in conn.execute(select(seat))}
    away = _absences(conn, at)
    people = {}
    for row in members:
        own, team = seats.get(row.id), home.get(row.id)
        work = plans.of(own.calendar_id if own else None, team.calendar_id if team else None)
        skills = frozenset(str(one).casefold() for one in (own.skills if own else ()))
        people[row.id] = Person(
            row.id, work, skills, _limits(own, team), Load(), away.get(row.id, ()), None, bool(row.active)
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


def _pool(name: str, row: Any) -> Pool:
    if row is None:
        return Pool(name)
    return Pool(
        name, (), bool(row.offer), row.off_hours, row.duty_id or "", row.overflow, bool(row.own_first),
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
    """Adds what stands in the database, for those who have a limit; nobody else is asked."""
    with_open = sorted(one.id for one in people.values() if one.limits.open)
    for start in range(0, len(with_open), PORTION):
        some = (lead.c.state == "open") & lead.c.owner_id.in_(with_open[start : start + PORTION])
        for row in conn.execute(select(lead.c.owner_id, func.count()).where(some).group_by(lead.c.owner_id)):
            people[row[0]].load.open += row[1]
    limited = [one for one in people.values() if one.limits.day or one.limits.month]
    for one in limited:
        one.load.roll(one.work.day(at))
    _count_since(conn, [one for one in limited if one.limits.day], at, "day", lambda day: day)
    _count_since(conn, [one for one in limited if one.limits.month], at, "month", lambda day: day.replace(day=1))


def _count_since(
    conn: Connection, limited: Sequence[Person], at: int, name: str, begin: Callable[[date], date]
) -> None:
    """Leads given since the day or month began where each person is."""
    starts: dict[WorkTime, int] = {}
    by_start: dict[int, dict[str, Person]] = defaultdict(dict)
    for one in limited:
        if one.work not in starts:
            starts[one.work] = one.work.midnight(begin(one.work.day(at)))
        by_start[starts[one.work]][one.id] = one
    for start, people in by_start.items():
        ids = sorted(people)
        for first in range(0, len(ids), PORTION):
            mine = (assignment.c.at >= start) & assignment.c.member_id.in_(ids[first : first + PORTION])
            counted = select(assignment.c.member_id, func.count()).where(mine).group_by(assignment.c.member_id)
            for member_id, count in conn.execute(counted):
                load = people[member_id].load
                setattr(load, name, getattr(load, name) + count)


# ── own owners ───────────────────────────────────────────────────────────────────────────────────

EVER = (1 << 63) - 1
_BEFORE: BindParameter[int] = bindparam("b_before", type_=BigInteger())
_WORTH = deal.c.state.in_(("open", "won")) & (deal.c.opened_at < _BEFORE)
OF_DEALS = (
    select(deal.c.contact_id, deal.c.owner_id)
    .where(among(deal.c.contact_id), _WORTH)
    .order_by(deal.c.active_at, deal.c.id)
)
COMPANIES = select(contact.c.id, contact.c.company_id).where(among(contact.c.id), contact.c.company_id.is_not(None))
OF_LEADS = (
    select(lead.c.id, lead.c.contact_id, lead.c.owner_id)
    .where(among(lead.c.contact_id), lead.c.opened_at < _BEFORE, lead.c.owner_id.is_not(None))
    .order_by(lead.c.active_at, lead.c.id)
)
LENT = select(assignment.c.lead_id, assignment.c.member_id, assignment.c.instead_of_id).where(
    among(assignment.c.lead_id), assignment.c.instead_of_id.is_not(None)
)
_NEWEST = func.row_number().over(
    partition_by=contact.c.company_id, order_by=(deal.c.active_at.desc(), deal.c.id.desc())
)
_RANKED = (
    select(contact.c.company_id, deal.c.owner_id, _NEWEST.label("n"))
    .join(deal, deal.c.contact_id == contact.c.id)
    .where(among(contact.c.company_id), _WORTH)
    .subquery()
)
OF_COMPANIES = select(_RANKED.c.company_id, _RANKED.c.owner_id).where(_RANKED.c.n == 1)


def own_owners(conn: Connection, contact_ids: Sequence[str], before: int | None = None) -> dict[str, str]:
    """Whose client each of these contacts is: by the newest running or won deal, else one of their company, else the
    newest lead. A stand-in never becomes the owner of a client by standing in. `before` leaves out what is newer."""
    if not contact_ids:
        return {}
    asked = {"wanted": contact_ids, "b_before": EVER if before is None else before}
    return _by_lead(conn, asked) | _by_company(conn, asked) | _by_deal(conn, asked)


def owners_of_companies(conn: Connection, company_ids: Sequence[str], before: int | None = None) -> dict[str, str]:
    """Whose clients these companies are by their newest running or won deals; those without one are left out."""
    asked = {"wanted": company_ids, "b_before": EVER if before is None else before}
    rows = conn.execute(OF_COMPANIES, asked) if company_ids else ()
    return {str(firm): str(owner) for firm, owner in rows}


def _by_deal(conn: Connection, asked: Mapping[str, Any]) -> dict[str, str]:
    return {str(who): str(owner) for who, owner in conn.execute(OF_DEALS, asked)}


def _by_company(conn: Connection, asked: Mapping[str, Any]) -> dict[str, str]:
    firms = {row.id: row.company_id for row in conn.execute(COMPANIES, asked)}
    owners = owners_of_companies(conn, sorted(set(firms.values())), asked["b_before"])
    return {who: owners[firm] for who, firm in firms.items() if firm in owners}


def _by_lead(conn: Connection, asked: Mapping[str, Any]) -> dict[str, str]:
    rows = list(conn.execute(OF_LEADS, asked))
    lent = conn.execute(LENT, {"wanted": [row.id for row in rows]}) if rows else ()
    stood_in = {(row.lead_id, row.member_id): row.instead_of_id for row in lent}
    return {row.contact_id: stood_in.get((row.id, row.owner_id), row.owner_id) for row in rows}
