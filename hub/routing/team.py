"""Who works here and where leads go: members, their share of the desk, rules.

Guarantees: somebody who may change this can always log in; whoever leaves keeps no open lead's turn; a rule that
cannot be evaluated is not saved. Every change stands in the journal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, delete, select, update

from hub.clock import Clock
from hub.model import direction, member, rotation, rule
from hub.model.access import ROLES
from hub.routing.rotation import POOL
from hub.routing.rules import read_rule
from hub.store.notes import note
from hub.told import Unusable

MOST_WEIGHT = 100


def members(conn: Connection) -> list[dict[str, Any]]:
    """Everybody with their share of the desk's pool, those who can log in first."""
    rows = conn.execute(
        select(member, rotation.c.weight, rotation.c.given)
        .join(rotation, (rotation.c.member_id == member.c.id) & (rotation.c.pool == POOL), isouter=True)
        .order_by(member.c.active.desc(), member.c.name)
    )
    return [{**row._mapping, "weight": row.weight or 0, "given": row.given or 0} for row in rows]


def change_member(
    conn: Connection, clock: Clock, actor: str, member_id: str, name: str, role: str, weight: int, active: bool
) -> None:
    """Name, role, share of new leads and whether they may log in. Raises `Unusable` for the last admin."""
    if role not in ROLES:
        raise Unusable({"role": f"is none of {', '.join(ROLES)}"})
    if not 0 <= weight <= MOST_WEIGHT:
        raise Unusable({"weight": "must be between 0 and 100"})
    if not (active and role == "admin"):
        _keep_an_admin(conn, member_id)
    values = {"role": role, "active": active, **({"name": name.strip()} if name.strip() else {})}
    changed = conn.execute(update(member).where(member.c.id == member_id).values(values))
    if not changed.rowcount:
        raise Unusable({"member": "is not here any more"})
    _share(conn, member_id, weight if active else 0)
    facts = {"role": role, "active": active, "weight": weight}
    note(conn, clock, "member", member_id, "changed", actor, facts)


def _keep_an_admin(conn: Connection, member_id: str) -> None:
    """Rows are locked, so that two admins who remove each other at once cannot both succeed."""
    admins = select(member.c.id).where(member.c.role == "admin", member.c.active).with_for_update()
    ids = [row.id for row in conn.execute(admins)]
    if ids == [member_id]:
        raise Unusable({"role": "is the last admin: make somebody else admin first"})


def _share(conn: Connection, member_id: str, weight: int) -> None:
    place = (rotation.c.pool == POOL) & (rotation.c.member_id == member_id)
    changed = conn.execute(update(rotation).where(place).values(weight=weight))
    if not changed.rowcount and weight:
        row = {"pool": POOL, "member_id": member_id, "weight": weight, "credit": 0, "given": 0}
        conn.execute(rotation.insert().values(row))


# ── rules ────────────────────────────────────────────────────────────────────────────────────────


def rules(conn: Connection) -> Sequence[Any]:
    """All rules in the order in which they are asked."""
    return list(conn.execute(select(rule).order_by(rule.c.position, rule.c.id)))


def add_rule(
    conn: Connection, clock: Clock, actor: str, name: str, conditions: Sequence[Mapping[str, str]], direction_id: str,
    pool: str = POOL,
) -> str:  # fmt: skip
    """A rule asked before those that always hold; raises `Unusable` or `UnusableRule`. Answers its id."""
    if not conditions:
        raise Unusable({"conditions": "are missing: the last rule already takes everything else"})
    if not conn.execute(select(direction.c.id).where(direction.c.id == direction_id)).first():
        raise Unusable({"direction": "is not here any more"})
    row: dict[str, Any] = {
        "id": clock.new_id(),
        "name": name.strip() or "—",
        "conditions": list(conditions),
        "pool": pool,
    }
    row |= {"direction_id": direction_id, "active": True, "position": 0}
    read_rule(row)
    conn.execute(rule.insert().values(row))
    known = [one for one in rules(conn) if one.id != row["id"]]
    before = [one.id for one in known if one.conditions]
    _order(conn, [*before, row["id"], *(one.id for one in known if not one.conditions)])
    note(conn, clock, "rule", row["id"], "added", actor, {"name": row["name"], "conditions": row["conditions"]})
    return str(row["id"])


def change_rule(conn: Connection, clock: Clock, actor: str, rule_id: str, what: str) -> None:
    """`what` is up, down, on, off or remove. A rule that always holds is neither switched off nor removed."""
    known = list(rules(conn))
    place = next((number for number, one in enumerate(known) if one.id == rule_id), None)
    if place is None:
        return
    row = known[place]
    if what in ("off", "remove") and not row.conditions:
        raise Unusable({"rule": "takes everything else and stays"})
    if what in ("up", "down"):
        _move(conn, known, place, -1 if what == "up" else 1)
    elif what in ("on", "off"):
        conn.execute(update(rule).where(rule.c.id == rule_id).values(active=what == "on"))
    elif what == "remove":
        conn.execute(delete(rule).where(rule.c.id == rule_id))
    note(conn, clock, "rule", rule_id, what, actor, {"name": row.name})


def _move(conn: Connection, known: Sequence[Any], place: int, by: int) -> None:
    ids = [one.id for one in known]
    other = place + by
    if 0 <= other < len(ids) and bool(known[place].conditions) == bool(known[other].conditions):
        ids[place], ids[other] = ids[other], ids[place]
        _order(conn, ids)


def _order(conn: Connection, ids: Sequence[str]) -> None:
    for number, rule_id in enumerate(ids, 1):
        conn.execute(update(rule).where(rule.c.id == rule_id).values(position=number * 10))
