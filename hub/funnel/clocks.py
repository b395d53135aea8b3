"""Clocks of leads: first touch, next touch, qualify. Started, moved and stopped by what the journal says.

A clock counts the working time of the lead's owner. It stops when somebody shows evidence of work, or when the lead is
closed; a status that was clicked, an accepted lead or a changed field stops nothing. When the lead changes hands, what
was left of the time goes on in the new owner's hours.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, bindparam, select, update

from hub.clock import DAY, HOUR, MINUTE, SECOND, Clock
from hub.funnel.evidence import KINDS as WORK
from hub.funnel.evidence import is_said, is_work
from hub.model import deadline, deadline_rule, journal, lead
from hub.routing.floor import Floor
from hub.routing.hours import Plan, WorkTime
from hub.store.lists import among
from hub.store.many import add_many, run_many

FIRST, NEXT, QUALIFY = "first_touch", "next_touch", "qualify"
KINDS = (FIRST, NEXT, QUALIFY)
RUNNING, LATE, MET, VOID = "running", "late", "met", "void"
STEPS = {FIRST: "first_touch", NEXT: "follow_up"}
"""The lead's next step while this clock runs."""
SAME_MOMENT = SECOND
"""A conversion's lines are written within so long."""

RULES = select(deadline_rule).order_by(deadline_rule.c.position, deadline_rule.c.id)
ON_LEADS = select(deadline).where(among(deadline.c.lead_id), deadline.c.state.in_((RUNNING, LATE)))
TO_DO = (
    update(lead)
    .where(lead.c.id == bindparam("b_id"), lead.c.state == "open")
    .values(next_step=bindparam("b_step"), next_step_at=bindparam("b_at", type_=lead.c.next_step_at.type))
)


@dataclass(frozen=True, slots=True)
class DeadlineRule:
    """How much working time there is, when to warn (percent of it), and who gets the lead each time it runs out."""

    id: str
    kind: str
    within: int
    name: str = ""
    direction_id: str = ""
    source: str = ""
    warn_percent: int = 70
    chain: tuple[Mapping[str, str], ...] = ()
    head: str = ""

    def fits(self, row: Any) -> bool:
        """Whether it is for this lead."""
        return self.direction_id in ("", row.direction_id) and self.source in ("", row.source)


DEFAULTS = (
    DeadlineRule("default:first_touch", FIRST, 15 * MINUTE, chain=({"pool": ""}, {"pool": ""})),
    DeadlineRule("default:next_touch", NEXT, 2 * DAY),
    DeadlineRule("default:qualify", QUALIFY, 5 * 9 * HOUR),
)
"""What counts until an admin writes rules: a lead that nobody touched within a quarter of an hour goes on, twice."""


def read_rules(conn: Connection) -> tuple[DeadlineRule, ...]:
    """Active rules in order, the defaults where there are none at all."""
    rows = list(conn.execute(RULES))
    made = tuple(
        DeadlineRule(
            row.id, row.kind, row.within_ms, row.name, row.direction_id or "", row.source, row.warn_percent,
            tuple(row.chain), row.head_id or "",
        )
        for row in rows
        if row.active
    )  # fmt: skip
    return made if rows else DEFAULTS


@dataclass(slots=True)
class Running:
    """One clock; a row of `deadline`. `warn_at` is None once its owner was warned."""

    id: str
    lead_id: str
    rule_id: str
    kind: str
    owner_id: str
    started_at: int
    warn_at: int | None
    due_at: int
    step: int = 0
    state: str = RUNNING
    ended_at: int | None = None
    ended_by: str = ""

    @property
    def next_at(self) -> int:
        return self.due_at if self.warn_at is None else min(self.warn_at, self.due_at)

    def row(self) -> dict[str, Any]:
        """As stored."""
        names = ("id", "lead_id", "rule_id", "kind", "owner_id", "step", "state", "started_at", "warn_at", "due_at",
                 "next_at", "ended_at", "ended_by")  # fmt: skip
        return {name: getattr(self, name) for name in names}


def read_running(row: Any) -> Running:
    """From its row."""
    return Running(
        row.id, row.lead_id, row.rule_id, row.kind, row.owner_id or "", row.started_at, row.warn_at, row.due_at,
        row.step, row.state, row.ended_at, row.ended_by,
    )  # fmt: skip


def wind(one: Running, rule: DeadlineRule, work: WorkTime, at: int) -> None:
    """Start it (again) at this moment in these hours."""
    one.started_at, one.state = at, RUNNING
    one.due_at = work.add(at, rule.within)
    one.warn_at = work.add(at, rule.within * rule.warn_percent // 100) if 0 < rule.warn_percent < 100 else None


@dataclass(slots=True)
class Ended:
    """A late clock that was met after all: somebody has to be told that it is over."""

    lead_id: str
    kind: str


@dataclass
class Clocks:
    """The clocks of some leads, moved along by lines of the journal; `write` says it to the database."""

    conn: Connection
    clock: Clock
    floor: Floor
    rules: Sequence[DeadlineRule]
    leads: Mapping[str, Any]
    running: dict[str, list[Running]] = field(default_factory=dict)
    recovered: list[Ended] = field(default_factory=list)
    _new: list[Running] = field(default_factory=list)
    _changed: dict[str, Running] = field(default_factory=dict)
    _steps: dict[str, tuple[str, int]] = field(default_factory=dict)

    def read(self) -> None:
        """The clocks that run on these leads."""
        for row in self.conn.execute(ON_LEADS, {"wanted": sorted(self.leads)}):
            self.running.setdefault(row.lead_id, []).append(read_running(row))

    def apply(self, line: Any) -> None:
        """One line about a lead."""
        row = self.leads.get(line.subject_id)
        if row is None:
            return
        if row.state != "open":
            self._end(row.id, KINDS, VOID if row.state == "rejected" else MET, line)
        elif line.what == "opened":
            self._start(row, FIRST, line.at)
            self._start(row, QUALIFY, line.at)
        elif line.what == "reverted" and line.facts.get("exact"):
            self._go_on(row, line.at)
        elif line.what in ("reopened", "reverted", "returned"):
            self._start(row, NEXT, line.at)
            self._start(row, QUALIFY, line.at)
        elif is_work(line):
            self._end(row.id, (FIRST, NEXT), MET, line)
            self._start(row, NEXT, line.at)
        elif is_said(line) and not self._waits(row.id):
            self._start(row, NEXT, line.at)
        self._follow_owner(row, line.at)

    def _waits(self, lead_id: str) -> bool:
        return any(one.kind in (FIRST, NEXT) for one in self.running.get(lead_id, ()))

    def hours(self, owner: str) -> WorkTime:
        """The owner's working time."""
        person = self.floor.people.get(owner)
        return person.work if person else WorkTime(Plan())

    def rule_for(self, row: Any, kind: str) -> DeadlineRule | None:
        """The first rule for this lead."""
        return next((rule for rule in self.rules if rule.kind == kind and rule.fits(row)), None)

    def _start(self, row: Any, kind: str, at: int) -> None:
        rule = self.rule_for(row, kind)
        if rule is None or any(one.kind == kind for one in self.running.get(row.id, ())):
            return
        made = Running(self.clock.new_id(), row.id, rule.id, kind, row.owner_id, at, None, at)
        wind(made, rule, self.hours(row.owner_id), at)
        self.running.setdefault(row.id, []).append(made)
        self._new.append(made)
        if kind in STEPS:
            self._steps[row.id] = (STEPS[kind], made.due_at)

    def _go_on(self, row: Any, at: int) -> None:
        """A conversion that never was stopped nothing: the clocks it stopped run on; those due meanwhile start anew."""
        crossed = select(journal.c.at).where(
            journal.c.subject_id == row.id, journal.c.what == "converted", journal.c.at <= at
        )
        since = self.conn.execute(crossed.order_by(journal.c.id.desc()).limit(1)).scalar() or at
        stopped = (deadline.c.state == MET) & (deadline.c.ended_at >= since - SAME_MOMENT)
        by = journal.c.id == deadline.c.ended_by
        mine = select(deadline, journal.c.what).join(journal, by).where(deadline.c.lead_id == row.id, stopped)
        for one in [read_running(each) for each in self.conn.execute(mine) if each.what not in WORK]:
            if one.due_at <= at:
                self._start(row, one.kind, at)
            elif all(other.kind != one.kind for other in self.running.get(row.id, ())):
                one.state, one.ended_at, one.ended_by = RUNNING, None, ""
                self.running.setdefault(row.id, []).append(one)
                self._changed[one.id] = one

    def _end(self, lead_id: str, kinds: Iterable[str], state: str, line: Any) -> None:
        for one in [one for one in self.running.get(lead_id, ()) if one.kind in kinds]:
            if one.state == LATE:
                self.recovered.append(Ended(lead_id, one.kind))
            one.state, one.ended_at, one.ended_by = state, line.at, line.id
            self.running[lead_id].remove(one)
            self._changed[one.id] = one

    def _follow_owner(self, row: Any, at: int) -> None:
        """The time that is left goes on in the hours of whoever has the lead now."""
        for one in self.running.get(row.id, ()):
            if one.owner_id != row.owner_id:
                before, after = self.hours(one.owner_id), self.hours(row.owner_id)
                one.due_at = after.add(at, before.between(at, one.due_at))
                one.warn_at = one.warn_at and after.add(at, before.between(at, one.warn_at))
                one.owner_id = row.owner_id
                self._changed[one.id] = one

    def write(self) -> None:
        """New clocks, changed clocks, next steps."""
        fresh = {one.id for one in self._new}
        write_changed(self.conn, [one for one in self._changed.values() if one.id not in fresh])
        add_many(self.conn, deadline, [one.row() for one in self._new])
        write_steps(self.conn, self._steps)


def write_changed(conn: Connection, changed: Sequence[Running]) -> None:
    """Clocks that have rows."""
    rows = [{f"b_{name}": value for name, value in one.row().items()} for one in changed]
    if rows:
        names = ("owner_id", "step", "state", "started_at", "warn_at", "due_at", "next_at", "ended_at", "ended_by")
        values = {name: bindparam(f"b_{name}", type_=deadline.c[name].type) for name in names}
        mine = deadline.c.id == bindparam("b_id")
        unused = [f"b_{name}" for name in ("lead_id", "rule_id", "kind")]
        told = [{name: value for name, value in row.items() if name not in unused} for row in rows]
        conn.execute(update(deadline).where(mine).values(**values), told)


def write_steps(conn: Connection, steps: Mapping[str, tuple[str, int]]) -> None:
    """What is to be done next with each lead, and until when."""
    rows = [{"b_id": lead_id, "b_step": step, "b_at": at} for lead_id, (step, at) in sorted(steps.items())]
    run_many(conn, TO_DO, rows)
