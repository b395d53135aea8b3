"""Deadlines as admins write them: how much working time a lead has, who gets it when that is over, who is told at last.

`foresee` plays one lead through the rules with the people and hours of now and writes nothing. Guarantees: a rule that
could never run is not saved and says which field is wrong; every change stands in the journal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update

from hub.clock import DAY, HOUR, MINUTE, Clock
from hub.funnel.clocks import DEFAULTS, KINDS, DeadlineRule, Running, read_rules, wind
from hub.model import deadline_rule, direction, member, setting
from hub.routing.floor import Floor
from hub.routing.pools import pool_names
from hub.routing.reading import LAST_RESORT, read_floor
from hub.store.engine import inserting
from hub.store.notes import note
from hub.told import Unusable

UNITS: Mapping[str, int] = {"min": MINUTE, "h": HOUR, "d": DAY}
MOST = 366 * DAY
MOST_STEPS = 5
POOL_OF_LEAD, TO_POOL, TO_MEMBER = "turn", "pool:", "member:"
"""How a step of the chain is typed: the lead's own pool, another pool, a person."""


def deadline_rules(conn: Connection) -> Sequence[Any]:
    """All rows in order; none while the defaults count."""
    return list(conn.execute(select(deadline_rule).order_by(deadline_rule.c.position, deadline_rule.c.id)))


def write_defaults(conn: Connection, clock: Clock, actor: str) -> int:
    """The defaults as rows, so that they can be changed; nothing where there are rows. Answers how many."""
    if deadline_rules(conn):
        return 0
    for place, one in enumerate(DEFAULTS):
        row = {"id": clock.new_id(), "position": place, "name": "", "kind": one.kind, "direction_id": None,
               "source": "", "within_ms": one.within, "warn_percent": one.warn_percent,
               "chain": [dict(step) for step in one.chain], "head_id": None, "active": True}  # fmt: skip
        conn.execute(insert(deadline_rule).values(row))
        note(conn, clock, "deadline_rule", str(row["id"]), "added", actor, {"kind": one.kind})
    return len(DEFAULTS)


def split_span(ms: int) -> tuple[str, str]:
    """(number, unit) of a length of time, in the largest unit that fits."""
    unit = next((one for one in ("d", "h", "min") if ms and not ms % UNITS[one]), "min")
    return str(ms // UNITS[unit]), unit


# ── what was typed ───────────────────────────────────────────────────────────────────────────────


def keep_rule(
    conn: Connection, clock: Clock, actor: str, rule_id: str, typed: Mapping[str, str], chain: Sequence[str]
) -> str:
    """A rule as typed: `name`, `kind`, `direction`, `source`, `within` and `unit`, `warn`, `head`, `active`; the steps
    of the chain are "turn", "pool:<name>", "member:<id>" or "". `rule_id` "" makes a new one, after the others.
    Answers the id; raises `Unusable`."""
    row = _row(conn, typed, chain)
    if not rule_id:
        rule_id = clock.new_id()
        last = conn.execute(select(func.max(deadline_rule.c.position))).scalar() or 0
        conn.execute(insert(deadline_rule).values(id=rule_id, position=last + 1, **row))
    elif not conn.execute(update(deadline_rule).where(deadline_rule.c.id == rule_id).values(row)).rowcount:
        raise Unusable({"name": "is not here any more"})
    note(conn, clock, "deadline_rule", rule_id, "kept", actor, row)
    return rule_id


def _row(conn: Connection, typed: Mapping[str, str], chain: Sequence[str]) -> dict[str, Any]:
    wrong: dict[str, str] = {}
    people = {str(one) for one in conn.execute(select(member.c.id).where(member.c.active)).scalars()}
    places = {str(one) for one in conn.execute(select(direction.c.id)).scalars()}
    row: dict[str, Any] = {"name": typed.get("name", ""), "source": typed.get("source", "")}
    row |= {"kind": typed.get("kind", ""), "active": typed.get("active") == "yes"}
    row |= {"direction_id": typed.get("direction") or None, "head_id": typed.get("head") or None}
    row |= {"within_ms": _span(typed, wrong), "warn_percent": _percent(typed.get("warn", ""), wrong)}
    row["chain"] = _chain(chain, people, set(pool_names(conn)), wrong)
    if row["kind"] not in KINDS:
        wrong["kind"] = "is none of first_touch, next_touch, qualify"
    if row["direction_id"] not in (None, *places):
        wrong["direction"] = "is not here any more"
    if row["head_id"] not in (None, *people):
        wrong["head"] = "is not here any more"
    if wrong:
        raise Unusable(wrong)
    return row


def _span(typed: Mapping[str, str], wrong: dict[str, str]) -> int:
    text, unit = typed.get("within", "").strip(), UNITS.get(typed.get("unit", ""), 0)
    if not (text.isdecimal() and len(text) < 7 and 0 < int(text) * unit <= MOST):
        wrong["within"] = "must be a whole number above 0, a year of working time at the most"
        return 0
    return int(text) * unit


def _percent(text: str, wrong: dict[str, str]) -> int:
    text = text.strip() or "0"
    if not (text.isdecimal() and len(text) < 3):
        wrong["warn"] = "must be between 1 and 99, or 0 for no warning"
        return 0
    return int(text)


def _chain(told: Sequence[str], people: set[str], pools: set[str], wrong: dict[str, str]) -> list[dict[str, str]]:
    found: list[dict[str, str]] = []
    for place, step in enumerate(told[:MOST_STEPS]):
        if step == POOL_OF_LEAD:
            found.append({"pool": ""})
        elif step.startswith(TO_POOL) and step.removeprefix(TO_POOL) in pools:
            found.append({"pool": step.removeprefix(TO_POOL)})
        elif step.startswith(TO_MEMBER) and step.removeprefix(TO_MEMBER) in people:
            found.append({"member": step.removeprefix(TO_MEMBER)})
        elif step:
            wrong[f"step-{place}"] = "is not here any more"
    return found


def typed_chain(chain: Sequence[Mapping[str, str]]) -> list[str]:
    """Steps as `keep_rule` takes them."""
    texts = [f"{TO_MEMBER}{one['member']}" if one.get("member") else f"{TO_POOL}{one['pool']}" if one.get("pool")
             else POOL_OF_LEAD for one in chain]  # fmt: skip
    return [*texts, *[""] * (MOST_STEPS - len(texts))][:MOST_STEPS]


def change_rule(conn: Connection, clock: Clock, actor: str, rule_id: str, what: str) -> None:
    """`what` is up, down or remove. Clocks that run keep their time; one whose rule is gone ends without a word."""
    known = [one.id for one in deadline_rules(conn)]
    if rule_id not in known:
        return
    if what == "remove":
        conn.execute(delete(deadline_rule).where(deadline_rule.c.id == rule_id))
        known.remove(rule_id)
    else:
        place, other = known.index(rule_id), known.index(rule_id) + (-1 if what == "up" else 1)
        if 0 <= other < len(known):
            known[place], known[other] = known[other], known[place]
    for position, one in enumerate(known):
        conn.execute(update(deadline_rule).where(deadline_rule.c.id == one).values(position=position))
    note(conn, clock, "deadline_rule", rule_id, what, actor)


def last_resort(conn: Connection) -> str:
    """The member an admin named to get what nobody else can take; "" when none was."""
    value = conn.execute(select(setting.c.value).where(setting.c.name == LAST_RESORT)).scalar() or {}
    return str(value.get("member") or "")


def name_last_resort(conn: Connection, clock: Clock, actor: str, member_id: str) -> None:
    """Name them ("" for nobody in particular: the first admin); raises `Unusable`."""
    here = select(member.c.id).where(member.c.id == member_id, member.c.active)
    if member_id and conn.execute(here).first() is None:
        raise Unusable({"member": "is not here any more"})
    row = inserting(conn, setting).values(name=LAST_RESORT, value={"member": member_id})
    newer = {"value": row.excluded.value}
    conn.execute(row.on_conflict_do_update(index_elements=["name"], set_=newer))
    note(conn, clock, "setting", LAST_RESORT, "changed", actor, {"member": member_id})


# ── what it means ────────────────────────────────────────────────────────────────────────────────

COMES, WARNED, ON, LAST, TOLD = "comes", "warned", "on", "last_resort", "told"


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that will happen: when, what (comes, warned, on, last_resort, told), and who it is about."""

    at: int
    what: str
    member_id: str
    opens_at: int = 0
    """When this person begins to work, if that is later."""


def rule_for(conn: Connection, kind: str, direction_id: str, source: str) -> DeadlineRule | None:
    """The rule such a lead would have."""
    row = SimpleNamespace(direction_id=direction_id, source=source)
    return next((one for one in read_rules(conn) if one.kind == kind and one.fits(row)), None)


def foresee(conn: Connection, rule: DeadlineRule, pool: str, at: int, source: str = "") -> list[Moment]:
    """What happens to a lead of this pool that comes then, when nobody ever does anything about it: moment by moment.
    By the people, hours and absences of now; turns begin where they stand."""
    floor = read_floor(conn, at, lock=False)
    first = floor.assign(pool, {"source": source}, "", at)
    owner, begins = first.owner, at
    found = [Moment(at, COMES, owner, first.opens_at)]
    step = 0
    while True:
        one = Running("", "", rule.id, rule.kind, owner, begins, None, begins)
        wind(one, rule, floor.people[owner].work, begins)
        if one.warn_at is not None:
            found.append(Moment(one.warn_at, WARNED, owner))
        step, after, opens = _after(floor, rule, step, owner, pool, one.due_at)
        if not after:
            return [*found, *_end(floor, rule, owner, one.due_at)]
        owner, begins = after, max(one.due_at, opens)
        found.append(Moment(one.due_at, ON, owner, opens))


def _after(floor: Floor, rule: DeadlineRule, step: int, owner: str, pool: str, at: int) -> tuple[int, str, int]:
    """(the step behind it, who gets it then, when they begin); "" for who when the chain has nobody else."""
    for reached, place in enumerate(rule.chain[step:], step + 1):
        named = floor.people.get(place.get("member", ""))
        if named and named.id != owner and named.active and named.absence(at) is None:
            return reached, named.id, named.work.opening(at)
        if not place.get("member"):
            found = floor.assign(place.get("pool") or pool, {}, "", at, without=owner)
            if found.owner != owner and found.by != "last_resort":
                return reached, found.owner, found.opens_at
    return len(rule.chain), "", 0


def _end(floor: Floor, rule: DeadlineRule, owner: str, at: int) -> list[Moment]:
    last = floor.last_resort
    given = [Moment(at, LAST, last)] if rule.chain and last and last != owner else []
    return [*given, Moment(at, TOLD, rule.head or last)]
