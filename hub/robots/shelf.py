"""Robots switched on and off, taken away and brought back. The journal says since when each is on, and who said so.

A robot answers to nothing that was written before it was switched on or let go, and to no step whose time had come
by then, unless it was switched on for those as well. One that ever ran is only put away: what it did keeps its name.
"""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, func, select, update

from hub.clock import Clock
from hub.model import journal, robot, robot_run
from hub.store.notes import note

SWITCHED, LET_GO, AWAY, BACK = "switched", "let_go", "put_away", "brought_back"


def switch(conn: Connection, clock: Clock, robot_id: str, on: bool, actor: str, due: bool = False) -> None:
    """On or off. What is so already stays as it is, with the time since when. With `due` a robot that waits for steps
    also takes those whose time has come already."""
    other = (robot.c.id == robot_id) & (robot.c.active != on)
    if conn.execute(update(robot).where(other).values(active=on)).rowcount:
        note(conn, clock, "robot", robot_id, SWITCHED, actor, {"on": on, **({"due": True} if on and due else {})})


def let_go(conn: Connection, clock: Clock, robot_id: str, actor: str) -> None:
    """A held robot runs again from here on; what it missed is not made up for."""
    conn.execute(update(robot).where(robot.c.id == robot_id).values(held=""))
    note(conn, clock, "robot", robot_id, LET_GO, actor)


def on_since(conn: Connection, robot_ids: Iterable[str]) -> dict[str, int]:
    """Since when (ms) each of these that are on counts; one that was never switched counts from the beginning."""
    mine = journal.c.subject_id.in_(sorted(robot_ids)) & (journal.c.subject == "robot")
    newest = select(journal.c.subject_id, func.max(journal.c.at)).where(mine, journal.c.what.in_((SWITCHED, LET_GO)))
    return {str(one): int(at) for one, at in conn.execute(newest.group_by(journal.c.subject_id))}


def steps_since(conn: Connection, robot_ids: Iterable[str]) -> dict[str, int]:
    """Since when (ms) steps count for each of these robots, by how it was last switched on or let go; 0 for all."""
    mine = journal.c.subject_id.in_(sorted(robot_ids)) & (journal.c.subject == "robot")
    lines = select(journal).where(mine, journal.c.what.in_((SWITCHED, LET_GO))).order_by(journal.c.at, journal.c.id)
    return {str(line.subject_id): 0 if line.facts.get("due") else int(line.at) for line in conn.execute(lines)}


def remove(conn: Connection, clock: Clock, robot_id: str, actor: str) -> bool:
    """Away with it; answers whether it is gone for good (True) or put away because it ran (False)."""
    ran = conn.execute(select(robot_run.c.id).where(robot_run.c.robot_id == robot_id).limit(1)).first() is not None
    if not ran:
        conn.execute(robot.delete().where(robot.c.id == robot_id))
        note(conn, clock, "robot", robot_id, "removed", actor)
        return True
    switch(conn, clock, robot_id, False, actor)
    if robot_id not in away(conn):
        note(conn, clock, "robot", robot_id, AWAY, actor)
    return False


def bring_back(conn: Connection, clock: Clock, robot_id: str, actor: str) -> None:
    """A robot that was put away is shown again, switched off."""
    if robot_id in away(conn):
        note(conn, clock, "robot", robot_id, BACK, actor)


def away(conn: Connection) -> set[str]:
    """Ids of robots that were put away."""
    mine = journal.c.subject_id.in_(select(robot.c.id)) & journal.c.what.in_((AWAY, BACK))
    lines = select(journal.c.subject_id, journal.c.what).where(mine, journal.c.subject == "robot")
    newest = {str(row.subject_id): row.what for row in conn.execute(lines.order_by(journal.c.at, journal.c.id))}
    return {one for one, what in newest.items() if what == AWAY}
