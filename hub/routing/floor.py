"""Who is there to be given leads, and who of them gets this one. Pure: everything was read before, in batches.

The order: the person's own owner (or their stand-in) – the turn among those of the pool who work now, are not away,
have been seen, know what is needed and have room – off hours what the pool says – the pool it overflows to – and at
last one person who is always named. Nobody's lead is nobody's: only a hub without any active member has no answer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from hashlib import blake2s
from typing import Any

from hub.clock import DAY
from hub.routing.hours import WorkTime
from hub.routing.rotation import Lineup, Turn

HOLD, DUTY, GIVE = "hold", "duty", "give"
OFF_HOURS = (HOLD, DUTY, GIVE)
DEEPEST = 5
"""Pools that overflow into pools, stand-ins of stand-ins: longer chains are rings."""


@dataclass(frozen=True, slots=True)
class Absence:
    """A vacation, an illness: from, until (not included), who stands in ("" for whoever's turn it is)."""

    begin: int
    end: int
    stand_in: str = ""
    why: str = "away"


@dataclass(slots=True)
class Load:
    """Leads a person has open, was given today and this month; grows with every decision of a batch."""

    open: int = 0
    day: int = 0
    month: int = 0
    on: date | None = None
    """The day these counts are of, in the person's own zone."""

    def roll(self, day: date) -> None:
        """A new day or month begins with nothing."""
        if self.on is not None and self.on != day:
            self.day = 0
            self.month = self.month if (self.on.year, self.on.month) == (day.year, day.month) else 0
        self.on = day


@dataclass(frozen=True, slots=True)
class Limits:
    """The most a person takes; 0 is no limit."""

    open: int = 0
    day: int = 0
    month: int = 0

    def full(self, load: Load) -> str:
        """Which limit is reached: "open", "day", "month", or ""."""
        if self.open and load.open >= self.open:
            return "open"
        if self.day and load.day >= self.day:
            return "day"
        return "month" if self.month and load.month >= self.month else ""


@dataclass(slots=True)
class Person:
    """A member as routing sees them. `seen_at` is their last touch on any channel; None where nobody looks."""

    id: str
    work: WorkTime
    skills: frozenset[str] = frozenset()
    limits: Limits = Limits()
    load: Load = field(default_factory=Load)
    absences: Sequence[Absence] = ()
    seen_at: int | None = None
    active: bool = True

    def absence(self, at: int) -> Absence | None:
        """The absence that covers this moment; of several the one that ends last."""
        covering = [one for one in self.absences if one.begin <= at < one.end]
        return max(covering, key=lambda one: one.end) if covering else None

    def edges(self, at: int) -> Iterator[int]:
        """Moments after `at` at which an absence begins or ends."""
        for one in self.absences:
            yield from (edge for edge in (one.begin, one.end) if edge > at)


@dataclass(frozen=True, slots=True)
class Pool:
    """People who share leads. `offer`: all of them are told at once, and the first to take it has it."""

    name: str
    turns: Sequence[Turn] = ()
    offer: bool = False
    off_hours: str = HOLD
    duty: str = ""
    overflow: str = ""
    own_first: bool = True
    skills: tuple[str, ...] = ()
    """Fields whose value the person must know: with "language", an inquiry in `de` asks for the skill `language:de`."""
    seen_within: int = 0
    """Milliseconds in which a person must have been seen to take part; 0 does not ask."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """Who gets it and why, in facts. `turn` only where it was a turn of the pool's rotation."""

    owner: str
    by: str
    """rotation | own | stand_in | duty | hold | last_resort"""
    pool: str
    why: Mapping[str, Any]
    lineup: str = ""
    """Key of those who took part, as in `Floor.lineups`."""
    turn: int = 0
    instead_of: str = ""
    opens_at: int = 0
    """When the owner begins to work; the decision's own moment for somebody who works now."""


class NobodyThere(Exception):
    """There is no active member at all."""


@dataclass(slots=True)
class _Who:
    """Those who take part in a pool's turns from `since` to `until`, and why the others do not."""

    since: int
    until: int
    turns: Lineup
    ids: tuple[tuple[str, int], ...]
    out: Mapping[str, str]
    key: str
    opens: int = 0
    """When the first of those who only wait for their hours begins; 0 when nobody does."""


SEEN, UNSEEN, HELD, ANY_TIME = "seen", "unseen", "held", "any_time"
"""How strictly people are asked: seen lately; whoever works now; whoever works first; whatever the hour."""


class Floor:
    """Everybody and every pool at one time. Decisions change turns and loads in memory; `moved` names what to write."""

    def __init__(
        self, people: Mapping[str, Person], pools: Mapping[str, Pool], last_resort: str, turns: Mapping[str, int] = {}
    ) -> None:
        self.people, self.pools, self.last_resort = people, pools, last_resort
        self.turns = dict(turns)
        """Turns given so far, by pool."""
        self.moved: set[str] = set()
        self.lineups: dict[str, tuple[str, tuple[tuple[str, int], ...]]] = {}
        """Pool and (member, share) of every lineup that took a turn, by key."""
        self._known: dict[tuple[str, frozenset[str], str], _Who] = {}
        self._without = ""

    def assign(self, pool_name: str, facts: Mapping[str, str], own: str, at: int, without: str = "") -> Assignment:
        """Who gets a lead of this pool with these facts at this moment. `own` is the person's own owner or "";
        `without` is the member who had it and was too slow."""
        pool = self.pools.get(pool_name) or Pool(pool_name)
        self._without = without
        found = self._own(pool, own, at) if own and pool.own_first else None
        if found is None:
            found = self._from(pool, facts, at, ())
        self._load(found.owner, at)
        return found

    def _load(self, owner: str, at: int) -> None:
        person = self.people[owner]
        load = person.load
        load.roll(person.work.day(at))
        was = person.limits.full(load)
        load.open, load.day, load.month = load.open + 1, load.day + 1, load.month + 1
        if person.limits.full(load) != was:
            self._known.clear()

    def close(self, owner: str) -> None:
        """One of this person's leads is no longer open."""
        person = self.people.get(owner)
        if person is not None and person.load.open:
            was = person.limits.full(person.load)
            person.load.open -= 1
            if person.limits.full(person.load) != was:
                self._known.clear()

    # ── the own owner ────────────────────────────────────────────────────────────────────────────

    def _own(self, pool: Pool, own: str, at: int) -> Assignment | None:
        """The known client's owner; when away, whoever stands in, and nobody once the chain goes round."""
        person, seen = self.people.get(own), {own}
        while person is not None and person.active:
            absence = person.absence(at)
            if absence is None:
                by = "own" if person.id == own else "stand_in"
                facts = {"by": by, "own": own}
                instead = own if by == "stand_in" else ""
                return Assignment(person.id, by, pool.name, facts, instead_of=instead, opens_at=person.work.opening(at))
            if absence.stand_in in seen:
                return None
            seen.add(absence.stand_in)
            person = self.people.get(absence.stand_in)
        return None

    # ── the pool ─────────────────────────────────────────────────────────────────────────────────

    def _from(self, pool: Pool, facts: Mapping[str, str], at: int, came: tuple[str, ...]) -> Assignment:
        needed = frozenset(f"{name}:{facts[name].casefold()}" for name in pool.skills if facts.get(name))
        passed: dict[str, Any] = {"overflowed": list(came)} if came else {}
        found = self._in_turn(pool, needed, at, passed)
        if found:
            return found
        out = self._who(pool, needed, at, UNSEEN).out
        if pool.overflow in self.pools and pool.overflow not in (*came, pool.name) and len(came) < DEEPEST:
            return self._from(self.pools[pool.overflow], facts, at, (*came, pool.name))
        if "skill" in out.values():  # nobody here knows it: better a person who asks than nobody
            found = self._in_turn(pool, frozenset(), at, {**passed, "unskilled": sorted(needed)})
        return found or self._last_resort(pool, {**passed, "out": dict(Counter(out.values()))}, at)

    def _in_turn(self, pool: Pool, needed: frozenset[str], at: int, passed: Mapping[str, Any]) -> Assignment | None:
        """Somebody of this pool who works now, else whoever its off-hours policy names."""
        for mode in (SEEN, UNSEEN) if pool.seen_within else (UNSEEN,):
            who = self._who(pool, needed, at, mode)
            if self._some(who):
                unseen = {"unseen": True} if mode == UNSEEN and pool.seen_within else {}
                return self._turn(pool, who, at, {**passed, **unseen})
        return self._off_hours(pool, needed, who, at, passed) if who.opens else None

    def _turn(self, pool: Pool, who: _Who, at: int, passed: Mapping[str, Any]) -> Assignment:
        better = self._better(pool, who)
        without = self._without if self._without in who.turns.shares else ""
        chosen = who.turns.take(without)
        assert chosen is not None  # noqa: S101 - ids are not empty
        number = self.turns[pool.name] = self.turns.get(pool.name, 0) + 1
        self.moved.add(pool.name)
        self.lineups[who.key] = (pool.name, who.ids)
        facts: dict[str, Any] = {"by": "rotation", "turn": number, "of": len(who.ids), **passed}
        if without:
            facts |= {"without": without, "of": len(who.ids) - 1}
        if better:
            facts["passed_over"] = better
        if pool.offer:
            facts["offered"] = True
        opens = self.people[chosen.member_id].work.opening(at)
        return Assignment(chosen.member_id, "rotation", pool.name, facts, who.key, number, opens_at=opens)

    def _better(self, pool: Pool, who: _Who) -> list[str] | None:
        """Who of those that take no part is owed more than all who do, and why not they."""
        if not who.out:
            return None
        first = max((turn for turn in pool.turns if turn.member_id in who.out), key=lambda turn: turn.credit)
        most = max(turn.credit for turn, _part in who.turns.parts)
        return [first.member_id, who.out[first.member_id]] if first.credit >= most else None

    def _off_hours(
        self, pool: Pool, needed: frozenset[str], who: _Who, at: int, passed: Mapping[str, Any]
    ) -> Assignment | None:
        """There are people, but it is not their time of day."""
        duty = self.people.get(pool.duty)
        if pool.off_hours == DUTY and duty is not None and duty.active and not duty.absence(at):
            return Assignment(duty.id, "duty", pool.name, {"by": "duty", **passed}, opens_at=at)
        policy = GIVE if pool.off_hours == GIVE else HOLD
        mode, when = (ANY_TIME, at) if policy == GIVE else (HELD, who.opens)
        later = self._who(pool, needed, at, mode, when)
        return self._turn(pool, later, at, {**passed, "off_hours": policy}) if self._some(later) else None

    def _last_resort(self, pool: Pool, passed: Mapping[str, Any], at: int) -> Assignment:
        named = self.people.get(self.last_resort)
        if named is None or not named.active:
            named = next((one for _id, one in sorted(self.people.items()) if one.active), None)
        if named is None:
            raise NobodyThere("No active member can own leads: add one under Team")
        facts = {"by": "last_resort", **passed}
        return Assignment(named.id, "last_resort", pool.name, facts, opens_at=named.work.opening(at))

    # ── who takes part ───────────────────────────────────────────────────────────────────────────

    def _who(self, pool: Pool, needed: frozenset[str], at: int, mode: str, when: int | None = None) -> _Who:
        """Those who take part; remembered until somebody may come or go. `when` is the moment they are asked about."""
        place = (pool.name, needed, mode)
        found = self._known.get(place)
        if found is None or not found.since <= at < found.until:
            found = self._known[place] = self._gather(pool, needed, at, mode, at if when is None else when)
        return found

    def _some(self, who: _Who) -> bool:
        """Whether anybody is left without whoever had the lead and was too slow."""
        return len(who.ids) > (self._without in who.turns.shares)

    def _gather(self, pool: Pool, needed: frozenset[str], at: int, mode: str, when: int) -> _Who:
        asked = [turn for turn in pool.turns if turn.weight > 0]
        for one in filter(None, (self.people.get(turn.member_id) for turn in asked)):
            one.load.roll(one.work.day(at))
        reasons = {turn.member_id: self._why_not(pool, turn.member_id, needed, when, mode) for turn in asked}
        out = {member_id: why for member_id, why in reasons.items() if why}
        turns = [turn for turn in asked if turn.member_id not in out]
        ids = tuple(sorted((turn.member_id, turn.weight) for turn in turns))
        waiting = [self.people[one].work.opening(at) for one, why in out.items() if why == "closed"]
        until = self._until([turn.member_id for turn in asked], at, pool.seen_within if mode == SEEN else 0)
        key = blake2s(repr((pool.name, ids)).encode(), digest_size=10).hexdigest()
        return _Who(at, until, Lineup(turns), ids, out, key, min(waiting, default=0))

    def _until(self, ids: Sequence[str], at: int, seen_within: int) -> int:
        people = [self.people[one] for one in ids if one in self.people]
        edges = [edge for one in people for edge in one.edges(at)]
        for work in {one.work for one in people}:  # somebody comes or goes, a day's count begins anew
            edges += [work.edge(at), work.midnight(work.day(at) + timedelta(1))]
        if seen_within:
            seen = [one.seen_at + seen_within for one in people if one.seen_at is not None]
            edges += [moment for moment in seen if moment > at]
        return min(edges, default=at + DAY)

    def _why_not(self, pool: Pool, member_id: str, needed: frozenset[str], at: int, mode: str) -> str:
        """The first reason why this member takes no part; "" when there is none."""
        person = self.people.get(member_id)
        if person is None or not person.active:
            return "gone"
        if person.absence(at):
            return "away"
        if not needed <= person.skills:
            return "skill"
        if full := person.limits.full(person.load):
            return f"full_{full}"
        if mode != ANY_TIME and not person.work.is_open(at):
            return "closed"
        unseen = person.seen_at is None or at - person.seen_at > pool.seen_within
        return "unseen" if mode == SEEN and unseen else ""
