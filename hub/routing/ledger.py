"""The ledger of who was given what: every turn with those who took part, so that anybody can play it again.

A turn's number and the credits stand in the commit that gives the lead: no lead, no turn. Played from the first turn
on, the ledger gives the same owners (`deviations`), from exported rows alone and without the hub's database.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, select, update

from hub.clock import Clock
from hub.model import assignment, lineup, rotation
from hub.routing.floor import Assignment, Floor
from hub.routing.rotation import Lineup, Turn, hand
from hub.store.many import add_many, run_many

TAKEN = "taken"
TURNED = (
    update(rotation)
    .where(rotation.c.pool == bindparam("b_pool"), rotation.c.member_id == bindparam("b_member"))
    .values(credit=bindparam("b_credit"), given=bindparam("b_given"))
)


def record(
    conn: Connection,
    clock: Clock,
    floor: Floor,
    given: Sequence[tuple[str, Assignment]],
    before: Mapping[str, str] | None = None,
) -> None:
    """(lead id, decision) of a batch, its turns and lineups. `before` are the owners of leads that had one."""
    now, before = clock.now(), before or {}
    rows = [
        {
            "id": clock.new_id(), "at": now, "lead_id": lead_id, "member_id": one.owner, "from_id": before.get(lead_id),
            "instead_of_id": one.instead_of or None, "by": one.by, "pool": one.pool, "turn": one.turn or None,
            "lineup_id": one.lineup or None, "why": dict(one.why),
        }
        for lead_id, one in given
    ]  # fmt: skip
    add_many(conn, assignment, rows)
    write_turns(conn, floor)


def write_turns(conn: Connection, floor: Floor) -> None:
    """Credits of the pools that took a turn, and the lineups that took it."""
    lines = [{"id": key, "pool": name, "members": [list(one) for one in ids]}
             for key, (name, ids) in sorted(floor.lineups.items())]  # fmt: skip
    add_many(conn, lineup, lines, unless_there=True)
    rows = [
        {"b_pool": name, "b_member": turn.member_id, "b_credit": turn.credit, "b_given": turn.given}
        for name in sorted(floor.moved)
        for turn in floor.pools[name].turns
    ]
    run_many(conn, TURNED, rows)
    floor.moved.clear()
    floor.lineups.clear()


def hand_over(conn: Connection, clock: Clock, floor: Floor, lead_id: str, pool: str, holder: str, taker: str) -> None:
    """A lead offered to all was taken by another than the one whose turn it was: the turn changes hands as well."""
    turns = {turn.member_id: turn for turn in floor.pools[pool].turns} if pool in floor.pools else {}
    number = None
    if holder in turns and taker in turns:
        hand(turns[holder], turns[taker])
        floor.moved.add(pool)
        number = floor.turns[pool] = floor.turns.get(pool, 0) + 1
    conn.execute(
        assignment.insert().values(
            id=clock.new_id(), at=clock.now(), lead_id=lead_id, member_id=taker, from_id=holder, by=TAKEN, pool=pool,
            turn=number, why={"by": TAKEN},
        )
    )  # fmt: skip
    write_turns(conn, floor)


def read_ledger(conn: Connection) -> tuple[list[Mapping[str, Any]], dict[str, list[tuple[str, int]]]]:
    """All turns in order, and those who took part by lineup."""
    turns = select(assignment).where(assignment.c.turn.is_not(None)).order_by(assignment.c.pool, assignment.c.turn)
    lines = {row.id: [(str(who), int(share)) for who, share in row.members] for row in conn.execute(select(lineup))}
    return [dict(row._mapping) for row in conn.execute(turns)], lines


def deviations(
    turns: Iterable[Mapping[str, Any]], lineups: Mapping[str, Sequence[tuple[str, int]]]
) -> list[tuple[str, int, str, str]]:
    """Turns that come out differently when played again: (pool, number, owner then, owner now). Should be empty."""
    pools: dict[str, dict[str, Turn]] = {}
    made: dict[str, Lineup] = {}
    found = []
    for row in turns:
        people = pools.setdefault(row["pool"], {})
        if row["by"] == TAKEN:
            hand(_place(people, row["from_id"]), _place(people, row["member_id"]))
            continue
        if row["lineup_id"] not in made:
            made[row["lineup_id"]] = _lineup(people, lineups[row["lineup_id"]])
        turn = made[row["lineup_id"]].take(str(row["why"].get("without", "")))
        again = turn.member_id if turn else ""
        if again != row["member_id"]:
            found.append((str(row["pool"]), int(row["turn"]), str(row["member_id"]), again))
    return found


def _place(people: dict[str, Turn], member_id: str) -> Turn:
    return people.setdefault(member_id, Turn(member_id, 0, 0, 0))


def _lineup(people: dict[str, Turn], members: Sequence[tuple[str, int]]) -> Lineup:
    """Shares are of this lineup, credit is everybody's own."""
    for member_id, share in members:
        _place(people, member_id).weight = share
    return Lineup([people[member_id] for member_id, _share in members])
