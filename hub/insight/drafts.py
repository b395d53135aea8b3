"""Versions of routing: drafts that are tried, published as announced, and taken back.

A body is the whole of routing as data: rules in order, shares of every pool, and what is special about each pool. What
is live always stands in the tables of rules and turns; a version is what they were set to, by whom and why.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from hashlib import blake2s
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update

from hub.clock import DAY, Clock
from hub.funnel.hands import Change, change_hands, lock_leads
from hub.insight.trial import Trial, compare, floor_of
from hub.model import direction, lead, member, pool, rotation, rule, rule_set
from hub.routing.check import rule_complaints
from hub.routing.floor import Assignment
from hub.routing.reading import lock_turns, read_floor
from hub.routing.rules import read_rules
from hub.store.notes import note
from hub.told import Told

DRAFT, LIVE, PAST = "draft", "live", "past"
POOL_COLUMNS = ("calendar_id", "offer", "off_hours", "duty_id", "overflow", "own_first", "skills", "seen_within_ms",
                "open_limit", "day_limit", "month_limit")  # fmt: skip
RULE_COLUMNS = ("id", "name", "conditions", "direction_id", "pool", "active")


class NotPublished(ValueError):
    """A draft that cannot be published; `complaints` say what is wrong with it."""

    def __init__(self, complaints: Sequence[Told]) -> None:
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
    note(conn, clock, "rules", str(row["id"]), "drafted", actor, {"why": why})
    return str(row["id"])


def redraft(conn: Connection, clock: Clock, draft_id: str, seen: str, body: Mapping[str, Any], actor: str) -> bool:
    """Another body for a draft, unless somebody changed it since it was seen (`stamp`); answers whether it was done."""
    row = conn.execute(select(rule_set).where(rule_set.c.id == draft_id).with_for_update()).one_or_none()
    if row is None or row.state != DRAFT or stamp(row.body) != seen:
        return False
    conn.execute(update(rule_set).where(rule_set.c.id == draft_id).values(body=dict(body)))
    note(conn, clock, "rules", draft_id, "redrafted", actor)
    return True


def drop(conn: Connection, clock: Clock, draft_id: str, actor: str) -> bool:
    """Away with a draft; answers whether there was one. What was live once is never dropped."""
    mine = (rule_set.c.id == draft_id) & (rule_set.c.state == DRAFT)
    gone = bool(conn.execute(delete(rule_set).where(mine)).rowcount)
    if gone:
        note(conn, clock, "rules", draft_id, "dropped", actor)
    return gone


def stamp(body: Mapping[str, Any]) -> str:
    """Tells two bodies apart."""
    told = json.dumps(body, sort_keys=True, ensure_ascii=False)
    return blake2s(told.encode(), digest_size=10).hexdigest()


def complaints_of(conn: Connection, body: Mapping[str, Any], now: int) -> list[Told]:
    """Sentences about what in a body does not do what its writer hoped; those that begin with `Unusable` stop it."""
    rules, broken = read_rules(body["rules"])
    places = {str(row.id): str(row.name) for row in conn.execute(select(direction.c.id, direction.c.name))}
    people = {str(row.id): str(row.name) for row in conn.execute(select(member.c.id, member.c.name))}
    floor = floor_of(conn, body, now)
    found = [Told("Unusable: %(why)s", why=one) for one in broken]
    gone = "Unusable: rule “%(name)s”: its direction is gone"
    found += [Told(gone, name=one.name) for one in rules if one.direction_id not in places]
    left = "Unusable: pool “%(pool)s” names %(who)s, who was deleted"
    found += [Told(left, pool=name, who=who) for name, shares in body["shares"].items() for who in shares
              if who not in people]  # fmt: skip
    return found + rule_complaints(rules, floor, places, people)


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
    if _unkept(conn):
        last = _keep_present(conn, clock, last + 1)
    conn.execute(update(rule_set).where(rule_set.c.state == LIVE).values(state=PAST))
    announced = trial.announced() if trial else {}
    live = {"state": LIVE, "n": last + 1, "at": clock.now(), "by": actor, "announced": announced}
    conn.execute(update(rule_set).where(rule_set.c.id == draft_id).values(live))
    _set(conn, body)
    note(conn, clock, "rules", draft_id, "published", actor, {"n": last + 1})
    return last + 1


def _unkept(conn: Connection) -> bool:
    """Whether rules, shares or pools were changed by hand since the newest version, or there is none."""
    live = conn.execute(select(rule_set.c.body).where(rule_set.c.state == LIVE)).scalar()
    return live is None or outline(live) != outline(read_body(conn))


def outline(body: Mapping[str, Any]) -> str:
    """Tells bodies apart that route differently: a share of nobody is none."""
    shares = {name: {who: share for who, share in some.items() if share} for name, some in body["shares"].items()}
    return stamp({**body, "shares": {name: some for name, some in shares.items() if some}})


def _keep_present(conn: Connection, clock: Clock, n: int) -> int:
    row = {"id": clock.new_id(), "n": n, "state": PAST, "note": "", "by": "hub", "at": clock.now(),
           "body": read_body(conn), "announced": {}}  # fmt: skip
    conn.execute(insert(rule_set).values(row))
    return n


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
    """A past version goes live again under a new number; answers it, and what `misrouted` says of the time since."""
    number, since = restore(conn, clock, n, actor)
    return number, misrouted(conn, since, clock.now() + 1)


def restore(conn: Connection, clock: Clock, n: int, actor: str) -> tuple[int, int]:
    """A past version goes live again under a new number; answers it, and since when (ms) the version counted that it
    takes the place of. Raises `NotPublished`, and KeyError when there is no such version."""
    body = conn.execute(select(rule_set.c.body).where(rule_set.c.n == n, rule_set.c.state == PAST)).scalar()
    if body is None:
        raise KeyError(n)
    bad = conn.execute(select(rule_set.c.at).where(rule_set.c.state == LIVE)).scalar()
    number = publish(conn, clock, draft(conn, clock, body, actor, f"Back to version {n}"), actor)
    return number, int(bad) if bad is not None else clock.now()


def misrouted(conn: Connection, since: int, until: int) -> list[tuple[str, str, str]]:
    """Open leads that nobody took and that the version of `since` sent elsewhere than the rules of now would have, as
    (lead, owner now, owner by the rules). `route_again` moves them."""
    bad = (
        conn.execute(select(rule_set.c.body).where(rule_set.c.at == since, rule_set.c.state == PAST)).scalars().first()
    )
    if bad is None:
        return []
    told = {one.lead_id: one.after.owner for one in compare(conn, bad, read_body(conn), since, until).differences}
    waits = (
        (lead.c.state == "open") & lead.c.taken_by.is_(None) & (lead.c.opened_at >= since) & (lead.c.opened_at < until)
    )
    rows = conn.execute(select(lead.c.id, lead.c.owner_id).where(waits).order_by(lead.c.id))
    return [(row.id, row.owner_id, told[row.id]) for row in rows if told.get(row.id, row.owner_id) != row.owner_id]


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
