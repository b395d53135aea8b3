"""Pools: who shares leads and by which weights, what happens off hours, where leads go when nobody has room.

What is typed is read into a row of `pool` and shares by member, the same for what is live and for a draft
(`hub.insight.drafts`). Guarantees: a pool that something still leads to is not taken away; turns that are owed stay
owed when shares change; every change of what is live stands in the journal.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, select, update

from hub.clock import MINUTE, Clock
from hub.model import calendar, member, pool, rotation, rule
from hub.routing.floor import GIVE, HOLD, OFF_HOURS
from hub.routing.rotation import POOL
from hub.routing.rules import FIELDS, OWN
from hub.routing.shifts import LIMITS, read_limit
from hub.routing.team import MOST_WEIGHT
from hub.store.engine import inserting
from hub.store.notes import note
from hub.told import Told, Unusable

LONGEST_NAME = 60
MOST_MINUTES = 7 * 24 * 60
DEFAULTS: Mapping[str, Any] = {
    "calendar_id": None, "offer": False, "off_hours": HOLD, "duty_id": None, "overflow": "", "own_first": True,
    "skills": [], "seen_within_ms": 0, "open_limit": 0, "day_limit": 0, "month_limit": 0,
}  # fmt: skip
"""A pool without a row."""


@dataclass(frozen=True, slots=True)
class Known:
    """What a pool may name: people by id (only active ones count), plans by id, other pools."""

    people: Mapping[str, str]
    plans: Mapping[str, str]
    pools: Sequence[str]


def read_known(conn: Connection, pools: Sequence[str] = ()) -> Known:
    """As it is now; `pools` instead of those that are live."""
    people = conn.execute(
        select(member.c.id, member.c.name).where(member.c.active).order_by(member.c.name, member.c.id)
    )
    plans = conn.execute(select(calendar.c.id, calendar.c.name).order_by(calendar.c.name, calendar.c.id))
    return Known({row.id: row.name for row in people}, {row.id: row.name for row in plans}, pools or pool_names(conn))


def pool_names(conn: Connection) -> list[str]:
    """Every pool that has a row, members, or a rule that leads to it; the desk first."""
    found = {POOL}
    for column in (pool.c.name, rotation.c.pool, rule.c.pool):
        found |= {str(name) for name in conn.execute(select(column).distinct()).scalars() if name}
    return sorted(found, key=lambda name: (name != POOL, name))


def pool_of(conn: Connection, name: str) -> tuple[dict[str, Any], dict[str, int]]:
    """A pool's row, the defaults where it has none, and the shares of its members."""
    row = conn.execute(select(pool).where(pool.c.name == name)).one_or_none()
    shares = conn.execute(select(rotation.c.member_id, rotation.c.weight).where(rotation.c.pool == name))
    told = {one: getattr(row, one) for one in DEFAULTS} if row else dict(DEFAULTS)
    return told, {str(row.member_id): int(row.weight) for row in shares}


# ── what was typed ───────────────────────────────────────────────────────────────────────────────


def read_name(text: str, known: Sequence[str]) -> str:
    """The name of a new pool; raises `Unusable`."""
    name = " ".join(text.split())
    if not name:
        raise Unusable({"name": "is missing"})
    if len(name) > LONGEST_NAME or re.search(r"[/\\?#%]", name) or name in (".", "..", "new"):
        raise Unusable(
            {"name": Told("“%(text)s” is no name for a pool: sixty letters and digits at most", text=name[:60])}
        )
    if name in known:
        raise Unusable({"name": "is taken"})
    return name


def read_typed_pool(
    name: str, typed: Mapping[str, str], shares: Mapping[str, str], known: Known
) -> tuple[dict[str, Any], dict[str, int]]:
    """A row of `pool` and shares from what was typed: ticks are "yes", `seen_minutes` and limits are numbers, `skills`
    are fields with commas. Raises `Unusable`, which names every field that nobody can use."""
    wrong: dict[str, str] = {}
    row: dict[str, Any] = {one: read_limit(typed.get(one, ""), one, wrong) for one in LIMITS}
    row |= {"offer": typed.get("offer") == "yes", "own_first": typed.get("own_first") == "yes"}
    row |= {"off_hours": typed.get("off_hours", HOLD), "overflow": typed.get("overflow", "")}
    row |= {"calendar_id": typed.get("calendar_id") or None, "duty_id": typed.get("duty_id") or None}
    row["skills"] = _asked(typed.get("skills", ""), wrong)
    row["seen_within_ms"] = _minutes(typed.get("seen_minutes", ""), wrong) * MINUTE
    wrong |= _unknown(name, row, known)
    read = {one: _share(text, one, wrong) for one, text in shares.items() if one in known.people}
    if wrong:
        raise Unusable(wrong)
    return row, read


def _unknown(name: str, row: Mapping[str, Any], known: Known) -> dict[str, str]:
    wrong = {}
    if row["off_hours"] not in OFF_HOURS:
        wrong["off_hours"] = "is none of hold, duty, give"
    elif row["off_hours"] not in (HOLD, GIVE) and row["duty_id"] not in known.people:
        wrong["duty_id"] = "is missing: choose who is on duty off hours"
    elif row["duty_id"] and row["duty_id"] not in known.people:
        wrong["duty_id"] = "is not here any more"
    if row["overflow"] == name:
        wrong["overflow"] = "is this pool itself: choose another, or none"
    elif row["overflow"] and row["overflow"] not in known.pools:
        wrong["overflow"] = "is not here any more"
    if row["calendar_id"] and row["calendar_id"] not in known.plans:
        wrong["calendar_id"] = "are not here any more: choose other hours"
    return wrong


def _asked(text: str, wrong: dict[str, str]) -> list[str]:
    fields = list(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    for one in fields:
        if one not in FIELDS and not (one.startswith(OWN) and len(one) > len(OWN)):
            wrong["skills"] = Told(
                "there is no field “%(text)s”: write language, product, or field.name", text=one[:60]
            )
    return fields


def _minutes(text: str, wrong: dict[str, str]) -> int:
    text = text.strip()
    if text and not (text.isdecimal() and len(text) < 6 and int(text) <= MOST_MINUTES):
        wrong["seen_minutes"] = "must be whole minutes; 0 or nothing does not ask"
        return 0
    return int(text or 0)


def _share(text: str, member_id: str, wrong: dict[str, str]) -> int:
    text = text.strip() or "0"
    if not (text.isdecimal() and len(text) < 4 and int(text) <= MOST_WEIGHT):
        wrong[f"share-{member_id}"] = "must be between 0 and 100"
        return 0
    return int(text)


# ── what is live ─────────────────────────────────────────────────────────────────────────────────


def keep_pool(
    conn: Connection, clock: Clock, actor: str, name: str, row: Mapping[str, Any], shares: Mapping[str, int]
) -> None:
    """Write what `read_typed_pool` answered; what people are owed stays."""
    made = inserting(conn, pool).values(name=name, **row)
    conn.execute(made.on_conflict_do_update(index_elements=["name"], set_=dict(row)))
    for member_id, share in sorted(shares.items()):
        mine = (rotation.c.pool == name) & (rotation.c.member_id == member_id)
        changed = conn.execute(update(rotation).where(mine).values(weight=share)).rowcount
        if not changed and share:
            conn.execute(rotation.insert().values(pool=name, member_id=member_id, weight=share, credit=0, given=0))
    note(conn, clock, "pool", name, "kept", actor, {**row, "shares": dict(shares)})


def remove_pool(conn: Connection, clock: Clock, actor: str, name: str) -> None:
    """Away with a pool that nothing leads to; raises `Unusable` for one that something does."""
    led = conn.execute(select(rule.c.id).where(rule.c.pool == name).limit(1)).first()
    flows = conn.execute(select(pool.c.name).where(pool.c.overflow == name).limit(1)).first()
    if name == POOL:
        raise Unusable({"name": "is where leads go that no rule sends elsewhere, and stays"})
    if led or flows:
        raise Unusable({"name": "is still led to by a rule or another pool: change those first"})
    conn.execute(delete(rotation).where(rotation.c.pool == name))
    conn.execute(delete(pool).where(pool.c.name == name))
    note(conn, clock, "pool", name, "removed", actor)
