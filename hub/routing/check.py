"""What is wrong with the way leads are given out, as sentences that name the rule, pool, person or plan.

Nothing here stops a lead: what cannot be used is left out or replaced, and these sentences say so before a lead does.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from hub.clock import instant
from hub.routing.floor import DEEPEST, Floor, Person, Pool
from hub.routing.hours import DAYS, Plan, Span, WorkTime, available_zones, minutes_of, public_holidays
from hub.routing.rules import Condition, Rule

MOST_TOLD = 50
"""Sentences of one kind; how many more there are is one more sentence."""
MOST_CONDITIONS = 6
"""Rules with more conditions are compared with rules of fewer only by their first so many."""


def few(sentences: Sequence[str]) -> list[str]:
    """The first of many sentences, and how many more there are."""
    more = len(sentences) - MOST_TOLD
    return [*sentences[:MOST_TOLD], *([f"… and {more} more like these"] if more > 0 else [])]


# ── rules ────────────────────────────────────────────────────────────────────────────────────────


def rule_complaints(rules: Sequence[Rule], floor: Floor, directions: Mapping[str, str]) -> list[str]:
    """Rules that can never hold, are never reached, or lead nowhere. Ten thousand rules take well under a second."""
    found = [f"Rule “{rule.name}”: {why}" for rule in rules if (why := _impossible(rule))]
    found += _covered(rules)
    found += [
        f"Rule “{rule.name}”: its direction is gone; leads go to the main one"
        for rule in rules
        if rule.direction_id not in directions
    ]
    names = Counter(rule.name for rule in rules)
    found += [f"{count} rules are called “{name}”: nobody can tell which one decided" for name, count in names.items()
              if count > 1]  # fmt: skip
    pools = {rule.pool for rule in rules if rule.pool}
    return few(found) + [one for pool in sorted(pools) for one in pool_complaints(floor, pool)]


def _impossible(rule: Rule) -> str:
    """Why no inquiry could ever meet all conditions; "" when one could."""
    by_field: dict[str, list[Condition]] = defaultdict(list)
    for condition in rule.conditions:
        by_field[condition.field].append(condition)
    for name, conditions in by_field.items():
        wanted = [one for one in conditions if one.op == "is"]
        for fixed in wanted[:1]:
            other = next((one for one in conditions if not one.holds({name: fixed.value})), None)
            if other:
                return f"never holds: {name} cannot be “{fixed.value}” and also {other.op} “{other.value}”"
        if {"present", "absent"} <= {one.op for one in conditions}:
            return f"never holds: {name} cannot be filled in and empty"
    return ""


def _covered(rules: Sequence[Rule]) -> list[str]:
    """Rules below one that asks for less: whatever meets them has been taken before."""
    seen: dict[frozenset[Condition], str] = {}
    found = []
    for rule in rules:
        mine = tuple(dict.fromkeys(_plain(one) for one in rule.conditions))[:MOST_CONDITIONS]
        above = next((seen[part] for part in _parts(mine) if part in seen), None)
        if above is not None:
            found.append(f"Rule “{rule.name}” is never reached: “{above}” above it takes all it could take")
        seen.setdefault(frozenset(_plain(one) for one in rule.conditions), rule.name)
    return found


def _plain(condition: Condition) -> Condition:
    return Condition(condition.field, condition.op, condition.value.casefold())


def _parts(conditions: Sequence[Condition]) -> list[frozenset[Condition]]:
    """All sets of these conditions, the empty one and all of them included."""
    parts = [frozenset[Condition]()]
    for one in conditions:
        parts += [part | {one} for part in parts]
    return parts


# ── pools and people ─────────────────────────────────────────────────────────────────────────────


def pool_complaints(floor: Floor, name: str) -> list[str]:
    """An unknown or empty pool, people in it who are gone, rings of overflow, a duty person who is not there."""
    pool = floor.pools.get(name)
    if pool is None:
        return [f"Pool “{name}” is asked for by a rule and does not exist; its leads go to {_last(floor)}"]
    taking = [turn.member_id for turn in pool.turns if turn.weight > 0]
    here = [one for one in taking if one in floor.people and floor.people[one].active]
    found = [f"Pool “{name}”: {one} was deleted or switched off and takes no part any more" for one in taking
             if one not in here]  # fmt: skip
    if not here:
        where = f"pool “{pool.overflow}”" if pool.overflow in floor.pools else _last(floor)
        found.append(f"Pool “{name}” has nobody in it; its leads go to {where}")
    if pool.off_hours == "duty" and (pool.duty not in floor.people or not floor.people[pool.duty].active):
        found.append(f"Pool “{name}”: its duty person is gone; off hours its leads wait for the morning")
    if pool.overflow and pool.overflow not in floor.pools:
        found.append(f"Pool “{name}” overflows into “{pool.overflow}”, which does not exist")
    if _goes_round(floor, pool):
        found.append(f"Pool “{name}” overflows into itself by way of others; the ring is cut where it closes")
    return found


def _last(floor: Floor) -> str:
    return f"{floor.last_resort}, the last resort" if floor.last_resort else "the first active admin"


def _goes_round(floor: Floor, pool: Pool) -> bool:
    here, seen = pool, {pool.name}
    for _step in range(DEEPEST):
        if here.overflow in seen:
            return bool(here.overflow)
        if here.overflow not in floor.pools:
            return False
        here = floor.pools[here.overflow]
        seen.add(here.name)
    return True


def absence_complaints(person: Person, name: str) -> list[str]:
    """Absences of one person that overlap, end before they begin, or name a stand-in who is away or the person."""
    found = []
    ordered = sorted(person.absences, key=lambda one: (one.begin, one.end))
    for one in ordered:
        if one.end <= one.begin:
            found.append(f"{name}: an absence ends before it begins ({_day(one.begin)}) and does not count")
        if one.stand_in == person.id:
            found.append(f"{name} stands in for themselves from {_day(one.begin)}; nobody does then")
    for first, second in pairwise(ordered):
        if second.begin < first.end:
            found.append(f"{name}: two absences overlap from {_day(second.begin)}; the one that ends later counts")
    return found


def _day(at: int) -> str:
    return instant(at).date().isoformat()


# ── working hours ─────────────────────────────────────────────────────────────────────────────────


def plan_complaints(plan: Plan, year: int) -> list[str]:
    """Sentences about everything in a plan that does not do what its writer hoped, this year and the next."""
    told = f"Working hours “{plan.name}”"
    found = []
    if plan.zone not in available_zones():
        found.append(f"{told}: there is no time zone “{plan.zone}”; UTC is used. Write one like Europe/Moscow")
    if plan.country and public_holidays(plan.country, plan.region) is None:
        country = f"{plan.country} {plan.region}".strip()
        found.append(f"{told}: holidays of “{country}” are not known; none are kept. Write a code like RU or DE BY")
    if not any(plan.week) and not any(plan.days.values()):
        found.append(f"{told}: nobody would ever work; taken for round the clock until a day has hours")
    for place, spans in enumerate(plan.week):
        found += [f"{told}, {DAYS[place]}: {one}" for one in _span_complaints(spans)]
    for day, other in plan.days.items():
        found += [f"{told}, {day}: {one}" for one in (*_day_complaints(day, plan), *_span_complaints(other))]
    return found + [f"{told}: {one}" for one in _swallowed(plan, year)]


def _span_complaints(spans: Sequence[Span]) -> list[str]:
    found: list[str] = []
    known: list[tuple[int, int]] = []
    for begin, end in spans:
        try:
            first, last = minutes_of(begin), minutes_of(end)
        except ValueError:
            found.append(f"“{begin}–{end}” is no span of time; write 09:00–18:00")
            continue
        known.append((first, last if last > first else last + 1440))
    known.sort()
    twice = any(earlier[1] > later[0] for earlier, later in pairwise(known))
    return [*found, "two spans overlap; they count as one"] if twice else found


def _day_complaints(day: str, plan: Plan) -> list[str]:
    try:
        known = date.fromisoformat(day)
    except ValueError:
        return ["is no date; write 2026-12-31"]
    law = public_holidays(plan.country, plan.region)
    if law is not None and known in law:
        return [f"overlaps with a public holiday ({law[known]}); your own line counts"]
    return []


def _swallowed(plan: Plan, year: int) -> list[str]:
    """Spans that a change of the clocks cuts, with the day and what is lost."""
    if plan.zone not in available_zones():
        return []
    work, found = WorkTime(plan), []
    for day in _changes(ZoneInfo(plan.zone), year):
        spans = plan.days.get(day.isoformat()) or plan.week[day.weekday()]
        planned = sum(
            (minutes_of(end) - minutes_of(begin)) % 1440 or 1440 for begin, end in spans if _sound(begin, end)
        )
        real = sum(end - begin for begin, end in work.spans(day)) // 60_000
        if 0 < real < planned or (planned and not real and not plan.country):
            found.append(f"on {day} the clocks change and {planned - real} minutes of {planned} are not there")
    return found


def _sound(begin: str, end: str) -> bool:
    try:
        return minutes_of(begin) >= 0 and minutes_of(end) >= 0
    except ValueError:
        return False


def _changes(zone: ZoneInfo, year: int) -> list[date]:
    """Days of two years on which the clocks change there."""
    first = datetime(year, 1, 1, tzinfo=UTC)
    days = [first + timedelta(number) for number in range(731)]
    offsets = [day.astimezone(zone).utcoffset() for day in days]
    return [days[place].date() for place in range(730) if offsets[place] != offsets[place + 1]]
