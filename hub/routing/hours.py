"""Working time: when a team or a person works, how much of a span that is, and when so much of it will be over.

Times of day are wall time in the plan's own zone, days are 24-hour days there, and everything is handed in and out in
milliseconds since 1970 UTC. What a change of the clocks swallows is no working time, what it repeats counts twice.
A plan that never works is taken for one that always does, and `complaints` says so: no lead waits for ever.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, available_timezones

from hub.clock import DAY, HOUR, instant, millis

if TYPE_CHECKING:
    from holidays import HolidayBase

Span = tuple[str, str]
"""Begin and end as "09:00"; an end at or before the begin is on the next day; "24:00" is the day's end."""
ANY_HOUR: tuple[tuple[Span, ...], ...] = ((("00:00", "24:00"),),) * 7
AHEAD_DAYS = 400
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


@dataclass(frozen=True, slots=True)
class Plan:
    """A week from Monday on, public holidays of a country (and its region), and days that differ from both."""

    name: str = ""
    zone: str = "UTC"
    week: tuple[tuple[Span, ...], ...] = ANY_HOUR
    country: str = ""
    region: str = ""
    days: Mapping[str, Sequence[Span]] = field(default_factory=dict)
    """ISO date -> spans of that day; an empty list is a day off, whatever the country says."""


def read_plan(row: Mapping[str, object]) -> Plan:
    """A plan from its row; what cannot be used falls back to any hour, and `complaints` names it."""
    week = row.get("week")
    given = week if isinstance(week, list | tuple) and len(week) == 7 else ANY_HOUR
    days = row.get("days")
    return Plan(
        str(row.get("name", "")), str(row.get("zone") or "UTC"), tuple(_spans(spans) for spans in given),
        str(row.get("country") or ""), str(row.get("region") or ""),
        {day: _spans(spans) for day, spans in (days.items() if isinstance(days, Mapping) else ())},
    )  # fmt: skip


def _spans(told: object) -> tuple[Span, ...]:
    spans = told if isinstance(told, list | tuple) else ()
    return tuple((str(one[0]), str(one[1])) for one in spans if isinstance(one, list | tuple) and len(one) == 2)


def minutes_of(clock: str) -> int:
    """Minutes after midnight of "09:30"; raises ValueError for anything else."""
    if clock == "24:00":
        return 24 * 60
    at = time.fromisoformat(clock)
    return at.hour * 60 + at.minute


@lru_cache(maxsize=64)
def public_holidays(country: str, region: str) -> HolidayBase | None:
    """Days off by law, filled as years are asked for; None for a country or region nobody knows."""
    if not country:
        return None
    from holidays import country_holidays  # megabytes, in each process, for those who keep holidays

    try:
        return country_holidays(country, subdiv=region or None)
    except NotImplementedError:
        return None


def countries_with_holidays() -> Mapping[str, Sequence[str]]:
    """Codes of countries whose holidays are known, with those of their regions."""
    from holidays import list_supported_countries

    return list_supported_countries(include_aliases=False)


class WorkTime:
    """A plan that can be asked. Days are worked out when they are first needed and remembered."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self._zone = ZoneInfo(plan.zone) if plan.zone in available_zones() else ZoneInfo("UTC")
        self._holidays = public_holidays(plan.country, plan.region)
        self._days: dict[date, tuple[tuple[int, int], ...]] = {}
        self._asked: tuple[int, date] = -1, date.min
        self.always = not any(plan.week) and not any(plan.days.values())
        self._any_hour = self.always or (plan.week == ANY_HOUR and not plan.country and not plan.days)

    def day(self, at: int) -> date:
        """The day it is there."""
        asked, day = self._asked
        if asked != at:
            day = datetime.fromtimestamp(at / 1000, self._zone).date()
            self._asked = at, day
        return day

    def midnight(self, day: date) -> int:
        """When that day begins there."""
        return _utc(day, 0, self._zone)

    def spans(self, day: date) -> tuple[tuple[int, int], ...]:
        """Working spans that begin on this day, in order, none touching the next."""
        found = self._days.get(day)
        if found is None:
            found = self._days[day] = self._work_out(day)
        return found

    def _work_out(self, day: date) -> tuple[tuple[int, int], ...]:
        told = self.plan.days.get(day.isoformat())
        if told is None:
            off = self._holidays is not None and day in self._holidays
            told = () if off else self.plan.week[day.weekday()]
        spans = (_span(day, one, self._zone) for one in told)
        return _joined([span for span in spans if span and span[0] < span[1]])

    def is_open(self, at: int) -> bool:
        """Whether somebody works at this moment."""
        return self._any_hour or any(begin <= at < end for begin, end in self._around(at))

    def edge(self, at: int) -> int:
        """When that changes next; far in the future if never."""
        if self._any_hour:
            return at + AHEAD_DAYS * DAY
        day = self.day(at) - timedelta(1)
        for ahead in range(AHEAD_DAYS):
            for begin, end in self.spans(day + timedelta(ahead)):
                if at < begin:
                    return begin
                if begin <= at < end:
                    return end
        return at + AHEAD_DAYS * DAY

    def opening(self, at: int) -> int:
        """`at` itself within working time, else when work begins next."""
        return at if self.is_open(at) else self.edge(at)

    def add(self, at: int, work: int) -> int:
        """When this much working time after `at` will be over. A plan without any is taken for round the clock."""
        if self._any_hour:
            return at + work
        day = self.day(at) - timedelta(1)
        done = at
        for ahead in range(AHEAD_DAYS):
            for begin, end in self.spans(day + timedelta(ahead)):
                start = max(begin, done)
                if start < end:
                    if work <= end - start:
                        return start + work
                    work, done = work - (end - start), end
        return at + work

    def between(self, begin: int, end: int) -> int:
        """Working time in a span."""
        if self._any_hour:
            return max(0, end - begin)
        day, last, total, done = self.day(begin) - timedelta(1), self.day(end), 0, begin
        while day <= last:
            for opens, closes in self.spans(day):
                since, until = max(opens, done), min(closes, end)
                if since < until:
                    total, done = total + until - since, until
            day += timedelta(1)
        return total

    def _around(self, at: int) -> tuple[tuple[int, int], ...]:
        day = self.day(at)
        return self.spans(day - timedelta(1)) + self.spans(day)


@lru_cache(maxsize=1)
def available_zones() -> frozenset[str]:
    """Names of all time zones this machine knows."""
    return frozenset(available_timezones())


def _utc(day: date, minutes: int, zone: ZoneInfo) -> int:
    """That wall time; one that a change of the clocks skips is the moment of the change."""
    wall = datetime.combine(day + timedelta(minutes // 1440), time(minutes % 1440 // 60, minutes % 60), zone)
    at = millis(wall)
    if datetime.fromtimestamp(at / 1000, zone).replace(tzinfo=None) == wall.replace(tzinfo=None):
        return at
    return _change_before(at, zone)


def _change_before(at: int, zone: ZoneInfo) -> int:
    """The last moment at or before `at` at which the clocks were put forward."""
    after = instant(at).astimezone(zone).utcoffset()
    low, high = at - 3 * HOUR, at
    while low + 1 < high:
        middle = (low + high) // 2
        low, high = (low, middle) if instant(middle).astimezone(zone).utcoffset() == after else (middle, high)
    return high


def _span(day: date, told: Span, zone: ZoneInfo) -> tuple[int, int] | None:
    try:
        begin, end = minutes_of(told[0]), minutes_of(told[1])
    except ValueError:
        return None
    return _utc(day, begin, zone), _utc(day, end if end > begin else end + 1440, zone)


def _joined(spans: Sequence[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """In order, those that touch made one."""
    made: list[tuple[int, int]] = []
    for begin, end in sorted(spans):
        if made and begin <= made[-1][1]:
            made[-1] = (made[-1][0], max(end, made[-1][1]))
        else:
            made.append((begin, end))
    return tuple(made)


class Shared:
    """Plans by id, each worked out once for all who keep it."""

    def __init__(self, rows: Mapping[str, Mapping[str, object]]) -> None:
        self._rows = rows
        self._made: dict[str, WorkTime] = {}

    def of(self, *ids: str | None) -> WorkTime:
        """The first of these plans that there is, else any hour."""
        known = next((one for one in ids if one and one in self._rows), "")
        if known not in self._made:
            self._made[known] = WorkTime(read_plan(self._rows[known]) if known else Plan())
        return self._made[known]
