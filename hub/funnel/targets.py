"""Target actions: a consultation, a meeting, a showing, booked or held. Which of them converts is a setting.

setting "targets": {direction id, or "" for all: [{"action": "showing", "phase": "held", "guard": true, "pool": ""}]}

An action is a line of the journal; a meeting held is also known from evidence, and {"action": "stage", "phase": "hot"}
converts by a move within the lead block. With `guard` an unqualified lead waits: it crosses by itself once the last
answer is there. Without, it crosses, and is logged and counted as forced. With `pool` the deal goes to whose turn it is
there: whoever works with leads alone cannot go on with deals.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select

from hub.clock import Clock
from hub.funnel.border import cross, missing
from hub.funnel.evidence import MEETING, is_work, show
from hub.funnel.hands import ACTOR, Change, change_hands, lock_leads
from hub.funnel.moves import NotPossible, lock_lead
from hub.model import journal, setting
from hub.routing.floor import NobodyThere
from hub.routing.reading import read_floor
from hub.store.engine import inserting
from hub.store.notes import note

SETTING = "targets"
ACTIONS = ("consultation", "meeting", "showing")
PHASES = ("booked", "held")
STAGE = "stage"
DONE, WAITS = "target", "target_waits"


@dataclass(frozen=True, slots=True)
class Target:
    """One action that converts. `phase` of the action "stage" is the key of a lead stage."""

    action: str
    phase: str
    guard: bool = True
    pool: str = ""


def targets_of(conn: Connection, direction_id: str) -> tuple[Target, ...]:
    """What converts in a direction: its own list where it has one, else the one for all."""
    kept = read_targets(conn)
    told = kept.get(direction_id, kept.get("", ()))
    return tuple(
        Target(str(one["action"]), str(one["phase"]), bool(one.get("guard", True)), str(one.get("pool") or ""))
        for one in told
    )


def read_targets(conn: Connection) -> Mapping[str, Sequence[Mapping[str, Any]]]:
    """The setting as it is stored."""
    return conn.execute(select(setting.c.value).where(setting.c.name == SETTING)).scalar() or {}


def set_targets(conn: Connection, clock: Clock, direction_id: str, wanted: Sequence[Target], actor: str) -> None:
    """The list of a direction ("" for all). Raises `NotPossible` for what is no target action."""
    for one in wanted:
        if one.action != STAGE and (one.action not in ACTIONS or one.phase not in PHASES):
            raise NotPossible(
                "bad_target", f"“{one.action} {one.phase}” is none of {', '.join(ACTIONS)}, booked or held"
            )
    told = [{"action": one.action, "phase": one.phase, "guard": one.guard, "pool": one.pool} for one in wanted]
    _keep(conn, {**read_targets(conn), direction_id: told})
    note(conn, clock, "setting", SETTING, "changed", actor, {"direction": direction_id, "targets": told})


def drop_targets(conn: Connection, clock: Clock, direction_id: str, actor: str) -> None:
    """The direction has no list of its own any more: the one for all counts again."""
    kept = dict(read_targets(conn))
    if kept.pop(direction_id, None) is not None:
        _keep(conn, kept)
        note(conn, clock, "setting", SETTING, "changed", actor, {"direction": direction_id, "targets": None})


def _keep(conn: Connection, value: Mapping[str, Any]) -> None:
    row = inserting(conn, setting).values(name=SETTING, value=dict(value))
    conn.execute(row.on_conflict_do_update(index_elements=["name"], set_={"value": row.excluded.value}))


def note_target(
    conn: Connection, clock: Clock, lead_id: str, action: str, phase: str, actor: str, **facts: Any
) -> None:
    """A target action of a lead; one that was held is evidence of work as well. Facts may hold `at` and `text`."""
    if action not in ACTIONS or phase not in PHASES:
        raise NotPossible("bad_target", f"“{action} {phase}” is none of {', '.join(ACTIONS)}, booked or held")
    lock_lead(conn, lead_id)
    note(conn, clock, "lead", lead_id, DONE, actor, {"action": action, "phase": phase, **facts})
    if phase == "held" and action != MEETING:
        show(conn, clock, lead_id, MEETING, actor, target=action)
    elif phase == "held":
        show(conn, clock, lead_id, MEETING, actor, target=DONE)


# ── what follows ─────────────────────────────────────────────────────────────────────────────────


def follow_targets(conn: Connection, clock: Clock, lines: Sequence[Any]) -> None:
    """Listener of `hub.funnel.timers`: leads whose target action converts them, and those that waited for an answer."""
    wished = bool(read_targets(conn))
    told = [
        line
        for line in lines
        if line.subject == "lead" and (line.what == "answered" or is_work(line) or (wished and _said(line)))
    ]
    if not told:
        return
    rows = {one.id: one for one in lock_leads(conn, [line.subject_id for line in told]).values() if one.state == "open"}
    waiting = _waiting(conn, rows)
    for line in told:
        row = rows.get(line.subject_id)
        wanted = _wanted(targets_of(conn, row.direction_id), line) or waiting.get(row.id) if row is not None else None
        if row is not None and wanted is not None and _convert(conn, clock, row, wanted, row.id in waiting):
            del rows[row.id]


def _said(line: Any) -> tuple[str, str]:
    """The action and phase that a line tells of, ("", "") for none."""
    if line.what == DONE:
        return str(line.facts.get("action")), str(line.facts.get("phase"))
    if line.what == MEETING and is_work(line) and not line.facts.get("target"):
        return MEETING, "held"
    return (STAGE, str(line.facts.get("to"))) if line.what == "moved" else ("", "")


def _wanted(targets: Sequence[Target], line: Any) -> Target | None:
    said = _said(line)
    return next((one for one in targets if (one.action, one.phase) == said), None) if said[0] else None


def _waiting(conn: Connection, rows: Mapping[str, Any]) -> dict[str, Target]:
    """Leads whose target action was there before they were qualified, and that nobody took back since."""
    mine = journal.c.subject_id.in_(sorted(rows)) & journal.c.what.in_((WAITS, "reverted", "reopened"))
    found: dict[str, Target] = {}
    for line in conn.execute(select(journal).where(mine).order_by(journal.c.at, journal.c.id)):
        if line.what == WAITS:
            found[line.subject_id] = Target(line.facts["action"], line.facts["phase"], True, line.facts.get("pool", ""))
        else:
            found.pop(line.subject_id, None)
    return found


def _convert(conn: Connection, clock: Clock, row: Any, wanted: Target, waits: bool) -> bool:
    """Answers whether the lead is a deal now."""
    lacking = missing(conn, row.id)
    if lacking and wanted.guard:
        if not waits:
            facts = {"action": wanted.action, "phase": wanted.phase, "pool": wanted.pool, "missing": list(lacking)}
            note(conn, clock, "lead", row.id, WAITS, ACTOR, facts)
        return False
    if wanted.pool:
        _to_pool(conn, clock, row, wanted.pool)
    cross(conn, clock, row.id, ACTOR, force=f"{wanted.action} {wanted.phase}")
    return True


def _to_pool(conn: Connection, clock: Clock, row: Any, pool: str) -> None:
    """Whoever's turn it is among those who sell; nobody there, and it stays with whom it is."""
    floor = read_floor(conn, clock.now())
    try:
        after = floor.assign(pool, {}, "", clock.now())
    except NobodyThere:
        return
    change_hands(conn, clock, floor, [Change(row.id, row.owner_id, after, "target")])
