"""What time does to leads: clocks start, stop and run out, people come and go. One `step` does everything that is due.

The journal is the only thing that is listened to, so it does not matter who wrote: a form, the desk, a CRM, a robot.
Each part is a transaction of its own; killed anywhere, the next step does the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Connection, select

from hub.clock import SECOND, Clock
from hub.funnel import absences
from hub.funnel.border import watch_border
from hub.funnel.clocks import Clocks, read_rules
from hub.funnel.deadlines import fire, next_due, signal_name
from hub.funnel.decisions import anything_to_return, follow_returns, return_due
from hub.funnel.evidence import KINDS, seen
from hub.funnel.follow import anything_unread, unread
from hub.funnel.hands import ACTOR, lock_leads
from hub.funnel.signals import over
from hub.funnel.standing import follow_warmth
from hub.funnel.targets import follow_targets
from hub.model import assignment, member
from hub.routing.ledger import hand_over
from hub.routing.reading import read_floor
from hub.store.engine import Store
from hub.store.notes import note

NAME = "clocks"
LONGEST_REST = 5 * SECOND
ARRIVED = "in_crm"
"""What the hub writes of every lead when its card is made: nothing has happened to the lead, no clock is looked at."""

Listener = Callable[[Connection, Clock, Sequence[Any]], None]
"""Does something about new journal lines, in the transaction that counts them as read."""


class Timers:
    """All of it. Any number of them may run, in any number of processes."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        listeners: Sequence[Listener] = (),
        ring: Callable[[str], None] = lambda _name: None,
        also: Sequence[Callable[[], int]] = (),
    ) -> None:
        """`also` are further steps of the same rhythm: robots, letters."""
        self._store, self._clock, self._ring, self._also = store, clock, ring, tuple(also)
        self._listeners: tuple[Listener, ...] = (
            follow_offers, follow_clocks, follow_presence, follow_warmth, watch_border, follow_targets,
            follow_returns, *listeners,
        )  # fmt: skip

    def step(self, most: int = 100_000) -> int:
        """Everything that is due; answers how much there was."""
        total = self._drain(self._listen, most) + self._drain(self._fire, most) + self._drain(self._spread, most)
        total += self._drain(self._return, most)
        total += sum(step() for step in self._also)
        if total:
            self._ring("push")
        return total

    def rest(self) -> float:
        """Seconds until a clock is due, five at the most: how long a worker may sleep unless somebody rings."""
        with self._store.read() as conn:
            due = next_due(conn)
        wait = LONGEST_REST if due is None else min(LONGEST_REST, max(0, due - self._clock.now()))
        return wait / SECOND

    def _drain(self, part: Callable[[], int], most: int) -> int:
        done = 0
        while done < most and (more := part()):
            done += more
        return done

    def _listen(self) -> int:
        with self._store.read() as conn:
            if not anything_unread(conn, NAME):
                return 0
        with self._store.write() as conn:
            lines = unread(conn, self._clock, NAME)
            for listener in self._listeners if lines else ():
                listener(conn, self._clock, lines)
        return len(lines)

    def _fire(self) -> int:
        with self._store.read() as conn:
            due = next_due(conn)
        if due is None or due > self._clock.now():
            return 0
        with self._store.write() as conn:
            return fire(conn, self._clock)

    def _spread(self) -> int:
        with self._store.read() as conn:
            if not absences.anything_due(conn, self._clock.now()):
                return 0
        with self._store.write() as conn:
            return absences.spread(conn, self._clock)

    def _return(self) -> int:
        with self._store.read() as conn:
            if not anything_to_return(conn, self._clock.now()):
                return 0
        with self._store.write() as conn:
            return return_due(conn, self._clock)


# ── what is done about new lines ─────────────────────────────────────────────────────────────────


def follow_clocks(conn: Connection, clock: Clock, lines: Sequence[Any]) -> None:
    """Clocks start and stop; a head hears of late ones that were met after all."""
    ours = [line for line in lines if line.subject == "lead" and line.what != ARRIVED]
    if not ours:
        return
    leads = lock_leads(conn, [line.subject_id for line in ours])
    clocks = Clocks(conn, clock, read_floor(conn, clock.now(), lock=False), read_rules(conn), leads)
    clocks.read()
    for line in ours:
        clocks.apply(line)
    clocks.write()
    if clocks.recovered and over(conn, clock, [signal_name(one.lead_id, one.kind) for one in clocks.recovered]):
        for one in clocks.recovered:
            note(conn, clock, "lead", one.lead_id, "recovered", ACTOR, {"kind": one.kind})


def follow_presence(conn: Connection, clock: Clock, lines: Sequence[Any]) -> None:
    """Whoever did anything anywhere is there."""
    last: dict[str, tuple[int, str]] = {}
    for line in lines:
        kind, _colon, who = line.actor.partition(":")
        member_id = who if kind == "member" else str(line.facts.get("member") or "")
        if member_id and line.at >= last.get(member_id, (0, ""))[0]:
            by = str(line.facts.get("channel") or line.what) if line.what in KINDS else "hub"
            last[member_id] = (line.at, by)
    known = select(member.c.id).where(member.c.id.in_(sorted(last)))
    for row in list(conn.execute(known.order_by(member.c.id))) if last else ():
        seen(conn, row.id, *last[row.id])


def follow_offers(conn: Connection, clock: Clock, lines: Sequence[Any]) -> None:
    """A lead offered to all was taken by another than whose turn it was: the turn changes hands as well."""
    taken = {line.subject_id: line.facts for line in lines if line.what == "taken" and line.subject == "lead"}
    changed = {one: facts for one, facts in taken.items() if facts.get("from") != facts.get("owner")}
    if not changed:
        return
    rows = conn.execute(assignment.select().where(assignment.c.lead_id.in_(sorted(changed))).order_by(assignment.c.id))
    last = {row.lead_id: row for row in rows}
    floor = read_floor(conn, clock.now())
    for lead_id, facts in sorted(changed.items()):
        row = last.get(lead_id)
        if row is not None and row.why.get("offered") and row.member_id == facts.get("from"):
            hand_over(conn, clock, floor, lead_id, row.pool, row.member_id, str(facts["owner"]))
