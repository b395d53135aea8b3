"""What is wrong with the way leads are given out, as sentences that name the rule, pool, person or plan.

Nothing here stops a lead: what cannot be used is left out or replaced, and these sentences say so before a lead does.
As text they are English; every sentence is a `Told`, so that a page can say it in its reader's language.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from hub.clock import instant
from hub.routing.floor import DEEPEST, Absence, Floor, Person, Pool
from hub.routing.hours import DAYS, Plan, Span, WorkTime, available_zones, minutes_of, public_holidays
from hub.routing.rules import Condition, Rule
from hub.told import Told

MOST_TOLD = 50
"""Sentences of one kind; how many more there are is one more sentence."""
MOST_CONDITIONS = 6
"""Rules with more conditions are compared with rules of fewer only by their first so many."""
SPOKEN = {
    "is": "is", "is_not": "is not", "contains": "contains", "starts": "begins with", "present": "is filled in",
    "absent": "is empty", "one_of": "is one of", "at_least": "is at least", "at_most": "is at most",
}  # fmt: skip
"""Operations as they are read."""


def few(sentences: Sequence[Told]) -> list[Told]:
    """The first of many sentences, and how many more there are."""
    more = len(sentences) - MOST_TOLD
    rest = [Told("… and %(count)s more like these", count=str(more))] if more > 0 else []
    return [*sentences[:MOST_TOLD], *rest]


# ── rules ────────────────────────────────────────────────────────────────────────────────────────


def rule_complaints(
    rules: Sequence[Rule], floor: Floor, directions: Mapping[str, str], names: Mapping[str, str]
) -> list[Told]:
    """Rules that can never hold, are never reached, or lead nowhere. Ten thousand rules take well under a second.
    `names` are those of people by id."""
    found = [_of_rule(rule, why) for rule in rules if (why := _impossible(rule))]
    found += _covered(rules)
    gone = Told("its direction is gone; leads go to the main one")
    found += [_of_rule(rule, gone) for rule in rules if rule.direction_id not in directions]
    found += [
        Told("%(count)s rules are called “%(name)s”: nobody can tell which one decided", count=str(count), name=name)
        for name, count in Counter(rule.name for rule in rules).items()
        if count > 1
    ]
    pools = {rule.pool for rule in rules if rule.pool}
    return few(found) + [one for pool in sorted(pools) for one in pool_complaints(floor, pool, names)]


def _of_rule(rule: Rule, why: Told) -> Told:
    return Told("Rule “%(name)s”: %(why)s", name=rule.name, why=why)


def _impossible(rule: Rule) -> Told | None:
    """Why no inquiry could ever meet all conditions; None when one could."""
    by_field: dict[str, list[Condition]] = defaultdict(list)
    for condition in rule.conditions:
        by_field[condition.field].append(condition)
    for name, conditions in by_field.items():
        wanted = [one for one in conditions if one.op == "is"]
        for fixed in wanted[:1]:
            other = next((one for one in conditions if not one.holds({name: fixed.value})), None)
            if other:
                return _at_odds(name, fixed.value, other)
        if {"present", "absent"} <= {one.op for one in conditions}:
            return Told("never holds: %(field)s cannot be filled in and empty", field=name)
    return None


def _at_odds(name: str, value: str, other: Condition) -> Told:
    return Told(
        "never holds: %(field)s cannot be “%(value)s” while the rule also asks: %(op)s “%(other)s”",
        field=name, value=value, op=Told(SPOKEN[other.op]), other=other.value,
    )  # fmt: skip


def _covered(rules: Sequence[Rule]) -> list[Told]:
    """Rules below one that asks for less: whatever meets them has been taken before."""
    seen: dict[frozenset[Condition], str] = {}
    found = []
    for rule in rules:
        mine = tuple(dict.fromkeys(_plain(one) for one in rule.conditions))[:MOST_CONDITIONS]
        above = next((seen[part] for part in _parts(mine) if part in seen), None)
        if above is not None:
            never = "is never reached: “%(above)s” above it takes all it could take"
            found.append(_of_rule(rule, Told(never, above=above)))
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


def pool_complaints(floor: Floor, name: str, names: Mapping[str, str]) -> list[Told]:
    """An unknown or empty pool, people in it who are gone, rings of overflow, a duty person who is not there.
    `names` are those of people by id."""
    pool, last = floor.pools.get(name), _last(floor, names)
    if pool is None:
        lost = Told("is asked for by a rule and does not exist; its leads go to %(where)s", where=last)
        return [_of_pool(name, lost)]
    taking = [turn.member_id for turn in pool.turns if turn.weight > 0]
    gone = [one for one in taking if not _here(floor, one)]
    left = "%(who)s was deleted or switched off and takes no part any more"
    found = [Told(left, who=names.get(one, one)) for one in gone]
    if len(gone) == len(taking):
        where = Told("pool “%(name)s”", name=pool.overflow) if pool.overflow in floor.pools else last
        found.append(Told("has nobody in it; its leads go to %(where)s", where=where))
    if pool.off_hours == "duty" and not _here(floor, pool.duty):
        found.append(Told("its duty person is gone; off hours its leads wait for the morning"))
    if pool.overflow and pool.overflow not in floor.pools:
        found.append(Told("overflows into “%(other)s”, which does not exist", other=pool.overflow))
    if _goes_round(floor, pool):
        found.append(Told("overflows into itself by way of others; the ring is cut where it closes"))
    return [_of_pool(name, why) for why in found]


def _of_pool(name: str, why: Told) -> Told:
    return Told("Pool “%(name)s”: %(why)s", name=name, why=why)


def _here(floor: Floor, member_id: str) -> bool:
    return member_id in floor.people and floor.people[member_id].active


def _last(floor: Floor, names: Mapping[str, str]) -> Told:
    if not floor.last_resort:
        return Told("the first active admin")
    return Told("%(who)s, the last resort", who=names.get(floor.last_resort, floor.last_resort))


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


def absence_complaints(person: Person, people: Mapping[str, Person], names: Mapping[str, str]) -> list[Told]:
    """Absences of one person that overlap, end before they begin, or name a stand-in who is away or the person.
    `people` are all there are, `names` are their names by id."""
    found = []
    ordered = sorted(person.absences, key=lambda one: (one.begin, one.end))
    for one in ordered:
        if one.end <= one.begin:
            found.append(Told("an absence ends before it begins (%(day)s) and does not count", day=_day(one.begin)))
        elif one.stand_in == person.id:
            found.append(Told("stands in for themselves from %(day)s on; nobody does then", day=_day(one.begin)))
        elif one.stand_in:
            found += _without_stand_in(one, people.get(one.stand_in), names)
    for first, second in pairwise(ordered):
        if second.begin < first.end:
            late = "two absences overlap from %(day)s on; the one that ends later counts"
            found.append(Told(late, day=_day(second.begin)))
    return [Told("%(who)s: %(why)s", who=names.get(person.id, person.id), why=why) for why in found]


def _without_stand_in(absence: Absence, other: Person | None, names: Mapping[str, str]) -> list[Told]:
    """When whoever stands in is not there."""
    who = names.get(absence.stand_in, absence.stand_in)
    if other is None or not other.active:
        gone = "%(who)s stands in from %(day)s on and is gone; nobody does then"
        return [Told(gone, who=who, day=_day(absence.begin))]
    both = [(max(absence.begin, one.begin), min(absence.end, one.end)) for one in other.absences]
    away = "%(who)s stands in and is away too from %(day)s on; nobody does then"
    return [Told(away, who=who, day=_day(since)) for since, until in sorted(both) if since < until]


def _day(at: int) -> str:
    return instant(at).date().isoformat()


# ── working hours ─────────────────────────────────────────────────────────────────────────────────


def plan_complaints(plan: Plan, year: int) -> list[Told]:
    """Sentences about everything in a plan that does not do what its writer hoped, this year and the next."""
    found = []
    if plan.zone not in available_zones():
        wrong = "there is no time zone “%(zone)s”; UTC is used. Write one like Europe/Moscow"
        found.append(Told(wrong, zone=plan.zone))
    if plan.country and public_holidays(plan.country, plan.region) is None:
        wrong = "holidays of “%(country)s” are not known; none are kept. Write a code like RU or DE BY"
        found.append(Told(wrong, country=f"{plan.country} {plan.region}".strip()))
    if not any(plan.week) and not any(plan.days.values()):
        found.append(Told("nobody would ever work; taken for round the clock until a day has hours"))
    for place, spans in enumerate(plan.week):
        found += [_on(Told(DAYS[place]), one) for one in _span_complaints(spans)]
    for day, other in plan.days.items():
        found += [_on(day, one) for one in (*_day_complaints(day, plan), *_span_complaints(other))]
    found += _swallowed(plan, year)
    return [Told("Working hours “%(name)s”: %(why)s", name=plan.name, why=why) for why in found]


def _on(day: str, why: Told) -> Told:
    return Told("%(day)s: %(why)s", day=day, why=why)


def _span_complaints(spans: Sequence[Span]) -> list[Told]:
    found: list[Told] = []
    known: list[tuple[int, int]] = []
    for begin, end in spans:
        try:
            first, last = minutes_of(begin), minutes_of(end)
        except ValueError:
            found.append(Told("“%(text)s” is no span of time; write 09:00–18:00", text=f"{begin}–{end}"))
            continue
        known.append((first, last if last > first else last + 1440))
    known.sort()
    twice = any(earlier[1] > later[0] for earlier, later in pairwise(known))
    return [*found, Told("two spans overlap; they count as one")] if twice else found


def _day_complaints(day: str, plan: Plan) -> list[Told]:
    try:
        known = date.fromisoformat(day)
    except ValueError:
        return [Told("is no date; write 2026-12-31")]
    law = public_holidays(plan.country, plan.region)
    if law is not None and known in law:
        return [Told("overlaps with a public holiday (%(holiday)s); your own line counts", holiday=str(law[known]))]
    return []


def _swallowed(plan: Plan, year: int) -> list[Told]:
    """Spans that a change of the clocks cuts or takes away, with the day they begin on and what is lost."""
    if plan.zone not in available_zones():
        return []
    real, wall, found = WorkTime(plan), WorkTime(replace(plan, zone="UTC")), []
    for day in _changes(ZoneInfo(plan.zone), year):
        there, planned = _minutes(real, day), _minutes(wall, day)
        if there < planned:
            lost = "on %(day)s the clocks change and %(lost)s minutes of %(planned)s are not there"
            found.append(Told(lost, day=str(day), lost=str(planned - there), planned=str(planned)))
    return found


def _minutes(work: WorkTime, day: date) -> int:
    return sum(end - begin for begin, end in work.spans(day)) // 60_000


def _changes(zone: ZoneInfo, year: int) -> list[date]:
    """Days of two years on which the clocks change there, and the days before: a night begins on those."""
    first = datetime(year, 1, 1, tzinfo=UTC)
    days = [first + timedelta(number) for number in range(731)]
    offsets = [day.astimezone(zone).utcoffset() for day in days]
    changed = [days[place] for place in range(730) if offsets[place] != offsets[place + 1]]
    return sorted({(day + timedelta(near)).date() for day in changed for near in (-1, 0, 1)})
