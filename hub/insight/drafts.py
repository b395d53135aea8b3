"""Versions of routing: drafts that are tried, published as announced, and taken back.

A body is the whole of routing as data: rules in order, shares of every pool, and what is special about each pool. What
is live always stands in the tables of rules and turns; a version is what they were set to, by whom and why.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update

from hub.clock import DAY, Clock
from hub.funnel.hands import Change, change_hands, lock_leads
from hub.insight.trial import Trial, compare, outcomes
from hub.model import direction, member, pool, rotation, rule, rule_set
from hub.routing.check import rule_complaints
from hub.routing.floor import Assignment
from hub.routing.reading import lock_turns, read_floor
from hub.routing.rules import read_rules
from hub.store.notes import note

DRAFT, LIVE, PAST = "draft", "live", "past"
POOL_COLUMNS = ("calendar_id", "offer", "off_hours", "duty_id", "overflow", "own_first", "skills", "seen_within_ms",
                "open_limit", "day_limit", "month_limit")  # fmt: skip
RULE_COLUMNS = ("id", "name", "conditions", "direction_id", "pool", "active")


class NotPublished(ValueError):
    """A draft that cannot be published; `complaints` say what is wrong with it."""

    def __init__(self, complaints: Sequence[str]) -> None:
        super().__init__("; ".join(complaints))
        self.complaints = tuple(complaints)


def read_body(conn: Connection) -> dict[str, Any]:
    """Routing as it is now."""
    rules = conn.execute(select(rule).order_by(rule.c.position, rule.c.id))
    shares: dict[str, dict[str, int]] = {}
    for row in conn.execute(select(rotation).order_by(rotation.c.pool, rotation.c.member_id)):
        shares.setdefault(row.pool, {})[row.member_id] = row.weight
    return {
        "rules": [{name: getattr(row, name) for name in RULE_COLUMNS} for row in rules],
        "shares": shares,
        "pools": {row.name: {name: getattr(row, name) for name in POOL_COLUMNS}
                  for row in conn.execute(select(pool).order_by(pool.c.name))},
    }  # fmt: skip


def draft(conn: Connection, clock: Clock, body: Mapping[str, Any], actor: str, why: str = "") -> str:
    """Keep a draft; answers its id. It changes nothing until it is published."""
    row = {"id": clock.new_id(), "n": 0, "state": DRAFT, "note": why, "by": actor, "at": clock.now(),
           "body": dict(body), "announced": {}}  # fmt: skip
    conn.execute(insert(rule_set).values(row))
    return str(row["id"])


def complaints_of(conn: Connection, body: Mapping[str, Any], now: int) -> list[str]:
    """Sentences about what in a body does not do what its writer hoped; those that begin with `Unusable` stop it."""
    rules, broken = read_rules(body["rules"])
    names = {str(row.id): str(row.name) for row in conn.execute(select(direction.c.id, direction.c.name))}
    people = {str(row.id) for row in conn.execute(select(member.c.id))}
    floor = read_floor(conn, now, lock=False)
    found = [f"Unusable: {one}" for one in broken]
    found += [f"Unusable: rule “{one.name}”: its direction is gone" for one in rules if one.direction_id not in names]
    found += [f"Unusable: pool “{name}” names {who}, who was deleted"
              for name, shares in body["shares"].items() for who in shares if who not in people]  # fmt: skip
    return found + rule_complaints(rules, floor, names)


def simulate(conn: Connection, draft_id: str, now: int, days: int = 30) -> Trial:
    """What a draft would have changed in the last days. Writes nothing."""
    return compare(conn, read_body(conn), body_of(conn, draft_id), now - days * DAY, now)


def body_of(conn: Connection, version_id: str) -> Mapping[str, Any]:
    """A version's body; KeyError when there is none."""
    row = conn.execute(select(rule_set.c.body).where(rule_set.c.id == version_id)).one_or_none()
    if row is None:
        raise KeyError(version_id)
    return dict(row.body)


def publish(conn: Connection, clock: Clock, draft_id: str, actor: str, trial: Trial | None = None) -> int:
    """A draft goes live; answers its number. What was live is kept. Raises `NotPublished` for what nobody could use."""
    body = body_of(conn, draft_id)
    if stops := [one for one in complaints_of(conn, body, clock.now()) if one.startswith("Unusable")]:
        raise NotPublished(stops)
    last = int(conn.execute(select(func.max(rule_set.c.n))).scalar() or 0)
    if not last:
        last = _keep_present(conn, clock)
    conn.execute(update(rule_set).where(rule_set.c.state == LIVE).values(state=PAST))
    announced = trial.announced() if trial else {}
    live = {"state": LIVE, "n": last + 1, "at": clock.now(), "by": actor, "announced": announced}
    conn.execute(update(rule_set).where(rule_set.c.id == draft_id).values(live))
    _set(conn, body)
    note(conn, clock, "rules", draft_id, "published", actor, {"n": last + 1})
    return last + 1


def _keep_present(conn: Connection, clock: Clock) -> int:
    row = {"id": clock.new_id(), "n": 1, "state": PAST, "note": "", "by": "hub", "at": clock.now(),
           "body": read_body(conn), "announced": {}}  # fmt: skip
    conn.execute(insert(rule_set).values(row))
    return 1


def _set(conn: Connection, body: Mapping[str, Any]) -> None:
    """Rules, shares and pools of a body; what people are owed stays. Turns are locked first, as everywhere."""
    lock_turns(conn)
    conn.execute(delete(rule))
    rules = [{**one, "position": place * 10} for place, one in enumerate(body["rules"], 1)]
    if rules:
        conn.execute(insert(rule), rules)
    conn.execute(update(rotation).values(weight=0))
    for name, shares in sorted(body["shares"].items()):
        for member_id, share in sorted(shares.items()):
            mine = (rotation.c.pool == name) & (rotation.c.member_id == member_id)
            if not conn.execute(update(rotation).where(mine).values(weight=share)).rowcount:
                row = {"pool": name, "member_id": member_id, "weight": share, "credit": 0, "given": 0}
                conn.execute(insert(rotation).values(row))
    conn.execute(delete(pool))
    if body["pools"]:
        conn.execute(insert(pool), [{"name": name, **told} for name, told in sorted(body["pools"].items())])


# ── taking back ──────────────────────────────────────────────────────────────────────────────────


def versions(conn: Connection) -> Sequence[Any]:
    """Newest first, drafts before everything."""
    order = (rule_set.c.state != DRAFT, rule_set.c.n.desc(), rule_set.c.at.desc())
    return list(conn.execute(select(rule_set).order_by(*order).limit(100)))


def roll_back(conn: Connection, clock: Clock, n: int, actor: str) -> tuple[int, list[tuple[str, str, str]]]:
    """A past version goes live again under a new number; answers it, and the open leads that the version between sent
    elsewhere, as (lead, owner now, owner by the restored rules). `route_again` moves them."""
    row = conn.execute(select(rule_set).where(rule_set.c.n == n)).one()
    bad = conn.execute(select(rule_set.c.at).where(rule_set.c.state == LIVE)).scalar()
    number = publish(conn, clock, draft(conn, clock, row.body, actor, f"Back to version {n}"), actor)
    since = int(bad) if bad is not None else clock.now()
    found = {one.lead_id: one.owner for one in outcomes(conn, row.body, since, clock.now() + 1)}
    leads = lock_leads(conn, found)
    return number, [(one.id, one.owner_id, found[one.id]) for one in leads.values()
                    if one.state == "open" and not one.taken_by and one.owner_id != found[one.id]]  # fmt: skip


def route_again(conn: Connection, clock: Clock, misrouted: Sequence[tuple[str, str, str]]) -> int:
    """Leads that nobody has taken yet go where the rules of now say; answers how many moved."""
    leads = lock_leads(conn, [lead_id for lead_id, _now, _then in misrouted])
    changes = [
        Change(lead_id, now, Assignment(then, "rules", "", {"by": "rules"}), "rules")
        for lead_id, now, then in misrouted
        if lead_id in leads and leads[lead_id].state == "open" and leads[lead_id].owner_id == now
    ]
    change_hands(conn, clock, read_floor(conn, clock.now()), changes)
    return len(changes)
