"""Deadlines that come due: the owner is warned, the lead goes on along the chain, at last a head is told, once.

Each firing is one transaction for a batch: the clock, the lead, the ledger and the journal change together. Who is due
is read from an index over running clocks alone, so that a hundred thousand of them cost nothing until they are due.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, func, select

from hub.clock import Clock
from hub.funnel.clocks import (
    LATE,
    STEPS,
    VOID,
    DeadlineRule,
    Running,
    read_rules,
    read_running,
    wind,
    write_changed,
    write_steps,
)
from hub.funnel.hands import ACTOR, Change, change_hands, lock_leads, pools_of
from hub.funnel.signals import tell
from hub.model import deadline, journal
from hub.model.routing import IS_RUNNING
from hub.routing.floor import Assignment, Floor
from hub.routing.hours import Plan, WorkTime
from hub.routing.reading import read_floor

BATCH = 500
NEXT_DUE = select(func.min(deadline.c.next_at)).where(IS_RUNNING)


def next_due(conn: Connection) -> int | None:
    """When the next clock wants attention."""
    first = conn.execute(NEXT_DUE).scalar()
    return None if first is None else int(first)


def fire(conn: Connection, clock: Clock, most: int = BATCH) -> int:
    """Everything that is due, up to so many; answers how many there were."""
    due = IS_RUNNING & (deadline.c.next_at <= clock.now())
    query = select(deadline).where(due).order_by(deadline.c.next_at).limit(most).with_for_update(skip_locked=True)
    rows = [read_running(row) for row in conn.execute(query)]
    if rows:
        floor = read_floor(conn, clock.now())  # turns are locked before leads, as intake does
        leads = lock_leads(conn, [one.lead_id for one in rows])
        rules = {rule.id: rule for rule in read_rules(conn)}
        _Firing(conn, clock, floor, leads, rules).all(rows)
    return len(rows)


@dataclass
class _Firing:
    """One batch."""

    conn: Connection
    clock: Clock
    floor: Floor
    leads: Mapping[str, Any]
    rules: Mapping[str, DeadlineRule]
    _hands: list[Change] = field(default_factory=list)
    _lines: list[dict[str, Any]] = field(default_factory=list)
    _steps: dict[str, tuple[str, int]] = field(default_factory=dict)
    _owner: dict[str, str] = field(default_factory=dict)
    _pools: Mapping[str, str] = field(default_factory=dict)

    def all(self, rows: Sequence[Running]) -> None:
        """Decide on each, then write everything."""
        now = self.clock.now()
        late = [one.lead_id for one in rows if one.due_at <= now]
        self._pools = pools_of(self.conn, sorted(set(late))) if late else {}
        for one in rows:
            row, rule = self.leads.get(one.lead_id), self.rules.get(one.rule_id)
            if row is None or row.state != "open" or rule is None:
                one.state, one.ended_at = VOID, now
            elif one.due_at <= now:
                self._run_out(one, row, rule)
            else:
                one.warn_at = None
                self._note(one, "warned", {"kind": one.kind, "due_at": one.due_at, "owner": row.owner_id})
        change_hands(self.conn, self.clock, self.floor, self._hands)
        write_changed(self.conn, rows)
        write_steps(self.conn, self._steps)
        if self._lines:
            self.conn.execute(journal.insert(), self._lines)

    def _run_out(self, one: Running, row: Any, rule: DeadlineRule) -> None:
        """Not in time: the next of the chain gets it, or the last resort and a word to the head."""
        owner = self._owner.get(row.id, row.owner_id)
        one.warn_at = None
        after = self._next(one, row, rule, owner)
        self._note(one, "overdue", {"kind": one.kind, "owner": owner, "step": one.step})
        if after is None:
            self._last_resort(one, row, rule, owner)
            return
        one.step += 1
        self._give(one, row, owner, after)
        wind(one, rule, self._hours(after.owner), max(self.clock.now(), after.opens_at))
        if one.kind in STEPS:
            self._steps[row.id] = (STEPS[one.kind], one.due_at)

    def _next(self, one: Running, row: Any, rule: DeadlineRule, owner: str) -> Assignment | None:
        """Whose it is by the chain; None when the chain is at its end or has nobody else."""
        now = self.clock.now()
        while one.step < len(rule.chain):
            place = rule.chain[one.step]
            member = place.get("member", "")
            if member and member != owner and self._is_there(member, now):
                return Assignment(member, "chain", "", {"by": "chain"}, opens_at=self._hours(member).opening(now))
            if not member:
                pool = place.get("pool") or self._pools.get(row.id, "")
                found = self.floor.assign(pool, {"source": row.source}, "", now, without=owner)
                if found.owner != owner and found.by != "last_resort":
                    return found
            one.step += 1
        return None

    def _is_there(self, member: str, now: int) -> bool:
        person = self.floor.people.get(member)
        return person is not None and person.active and person.absence(now) is None

    def _last_resort(self, one: Running, row: Any, rule: DeadlineRule, owner: str) -> None:
        one.state = LATE
        last = self.floor.last_resort
        if rule.chain and last and last != owner:
            self._give(one, row, owner, Assignment(last, "last_resort", "", {"by": "last_resort"}))
        facts = {"lead": row.id, "kind": one.kind, "owner": owner, "title": row.title}
        head = rule.head or last
        if tell(self.conn, self.clock, signal_name(row.id, one.kind), head, facts):
            self._note(one, "escalated", {"kind": one.kind, "head": head})

    def _give(self, one: Running, row: Any, before: str, after: Assignment) -> None:
        self._hands.append(Change(row.id, before, after, "deadline"))
        self._owner[row.id] = one.owner_id = after.owner

    def _hours(self, owner: str) -> WorkTime:
        person = self.floor.people.get(owner)
        return person.work if person else WorkTime(Plan())

    def _note(self, one: Running, what: str, facts: Mapping[str, Any]) -> None:
        self._lines.append(
            {"id": self.clock.new_id(), "at": self.clock.now(), "subject": "lead", "subject_id": one.lead_id,
             "what": what, "actor": ACTOR, "facts": dict(facts)}
        )  # fmt: skip


def signal_name(lead_id: str, kind: str) -> str:
    """Under which name a head is told about this clock."""
    return f"deadline:{lead_id}:{kind}"
