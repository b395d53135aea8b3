"""Codecs of time: date, datetime, unix, unix_date.

The hub's date is "2026-02-01", its instant "2026-02-01T10:00:00+00:00" (UTC). Guarantees: a date alone never
goes through a zone; an order of day and month is never guessed; a time without zone is read only where the
line declares one; in the hour that DST skips or repeats the offset before the change counts, always. Instants
are compared by the second, the coarsest of what CRMs keep.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from math import floor
from random import Random
from typing import ClassVar
from zoneinfo import ZoneInfo

from connectors.contract import Value
from mappings.codecs.base import Choices, Codec, Kept, is_number

_YMD = re.compile(r"(\d{4})([-./])(\d{1,2})\2(\d{1,2})")
_ENDS_IN_YEAR = re.compile(r"(\d{1,2})([-./])(\d{1,2})\2(\d{4})")
_CLOCK = re.compile(r"(\d{1,2}):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?\s*(Z|[+-]\d\d(?::?\d\d)?)?", re.IGNORECASE)
_EPOCHS = ((10**8, 10**10, 1), (10**11, 10**13, 1000), (10**14, 10**16, 10**6))
_NO_DAY = "is no day of the calendar"


def read_day(text: str, order: str = "") -> date | Kept:
    """The day that is written. Year-first is always read; else `order` (dmy, mdy) decides, or the digits alone.

    Points between day, month and year mean day first: no locale of CLDR writes month.day.year.
    """
    text = text.strip()
    if found := _YMD.fullmatch(text):
        return _day(text, int(found[1]), int(found[3]), int(found[4]))
    if not (found := _ENDS_IN_YEAR.fullmatch(text)):
        return Kept(text, "is no date we can read")
    first, second, year = int(found[1]), int(found[3]), int(found[4])
    order = order if order in ("dmy", "mdy") else _order(first, second, found[2])
    if not order:
        return Kept(text, "may be day/month or month/day: declare `order`")
    day, month = (first, second) if order == "dmy" else (second, first)
    return _day(text, year, month, day)


def _order(first: int, second: int, mark: str) -> str:
    if mark == "." or first > 12 or first == second:
        return "dmy"
    return "mdy" if second > 12 else ""


def _day(text: str, year: int, month: int, day: int) -> date | Kept:
    try:
        return date(year, month, day)
    except ValueError:
        return Kept(text, _NO_DAY)


def read_instant(raw: Value, zone: str = "", order: str = "") -> datetime | Kept:
    """The aware UTC instant; numbers are seconds, milli- or microseconds since 1970 by their magnitude."""
    if is_number(raw) or (isinstance(raw, str) and re.fullmatch(r"\d{9,16}", raw.strip())):
        return _epoch(raw)
    text = str(raw).strip()
    day_text, _, clock_text = text.replace("T", " ", 1).partition(" ")
    day, clock = read_day(day_text, order), _CLOCK.fullmatch(clock_text.strip())
    if isinstance(day, Kept):
        return Kept(raw, day.why)
    if not clock:
        return Kept(raw, "is a date without a time of day")
    moment = _moment(day, clock)
    return _zoned(raw, moment, clock[5] or "", zone) if moment else Kept(raw, "is no time of day")


def _epoch(raw: Value) -> datetime | Kept:
    number = float(raw)
    for least, most, unit in _EPOCHS:
        if least <= number < most:
            return datetime.fromtimestamp(number / unit, UTC)
    return Kept(raw, "is no count of seconds since 1970 we can be sure of")


def _moment(day: date, clock: re.Match[str]) -> datetime | None:
    """24:00 is the next midnight and second 60 the next minute (ISO 8601); fractions are cut to microseconds."""
    hour, minute, second = int(clock[1]), int(clock[2]), int(clock[3] or 0)
    if minute > 59 or second > 60 or hour > 24 or (hour == 24 and minute + second > 0):
        return None
    start = datetime(day.year, day.month, day.day)
    micro = int((clock[4] or "0").ljust(9, "0")[:6])
    try:
        return start + timedelta(hours=hour, minutes=minute, seconds=second, microseconds=micro)
    except OverflowError:
        return None


def _zoned(raw: Value, moment: datetime, offset: str, zone: str) -> datetime | Kept:
    if offset:
        name = "+00:00" if offset in "Zz" else offset
        name = name if len(name) > 3 else name + ":00"
        try:
            return datetime.fromisoformat(moment.isoformat() + name).astimezone(UTC)
        except (ValueError, OverflowError):
            return Kept(raw, "has no possible zone")
    if not zone:
        return Kept(raw, "names no zone: declare `zone`")
    try:
        return moment.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
    except OverflowError:
        return Kept(raw, "is out of the calendar")


def hub_instant(hub: Value) -> datetime | None:
    """A hub instant as aware datetime, None when it is none."""
    try:
        moment = hub if isinstance(hub, datetime) else datetime.fromisoformat(str(hub))
    except ValueError:
        return None
    return moment if moment.tzinfo else None


def hub_day(hub: Value) -> date | None:
    """A hub date, None when it is none."""
    try:
        return date.fromisoformat(str(hub))
    except ValueError:
        return None


_STYLES = {"": "%Y-%m-%d", "ymd": "%Y-%m-%d", "dmy": "%d.%m.%Y", "mdy": "%m/%d/%Y"}
_ORDERS: Choices = ("", "ymd", "dmy", "mdy")


def _written(day: date, order: str) -> str:
    # strftime does not pad years below 1000 on Linux.
    return day.strftime(_STYLES[order].replace("%Y", f"{day.year:04}"))


@dataclass(frozen=True, slots=True)
class Date(Codec):
    """A day of the calendar, in no zone."""

    order: str = ""

    name: ClassVar[str] = "date"
    about: ClassVar[str] = "day without zone; `order` (ymd, dmy, mdy) of texts, also used to write"
    makes: ClassVar[str] = "date"
    takes: ClassVar[frozenset[str]] = frozenset({"date", "text"})
    ordered: ClassVar[bool] = True
    choices: ClassVar[Mapping[str, Choices]] = {"order": _ORDERS}

    def read(self, raw: Value) -> Value:
        if not isinstance(raw, str):
            return Kept(raw, "is no written date; use unix_date for numbers")
        day = read_day(raw, self.order)
        return day if isinstance(day, Kept) else day.isoformat()

    def write(self, hub: Value) -> Value:
        day = hub_day(hub)
        return _written(day, self.order) if day else Kept(hub, _NO_DAY)

    def hub_example(self, chance: Random) -> Value:
        return (date(1990, 1, 1) + timedelta(days=chance.randint(0, 20000))).isoformat()

    def raw_example(self, chance: Random) -> Value:
        return chance.choice(
            (
                "01/02/2026",
                "31.02.2026",
                "0000-00-00",
                "25/12/2026",
                "2026.1.5",
                "1.2.2026",
                "soon",
                45292,
                "02/02/2026",
            )
        )


@dataclass(frozen=True, slots=True)
class Instant(Codec):
    """A moment, written with its offset or in the declared zone."""

    zone: str = ""
    order: str = ""

    name: ClassVar[str] = "datetime"
    about: ClassVar[str] = (
        "moment as text; `zone` (Europe/Moscow) of texts without offset, also used to write; `order` as in date"
    )
    makes: ClassVar[str] = "instant"
    takes: ClassVar[frozenset[str]] = frozenset({"datetime", "text"})
    ordered: ClassVar[bool] = True
    choices: ClassVar[Mapping[str, Choices]] = {"order": _ORDERS}

    def read(self, raw: Value) -> Value:
        moment = read_instant(raw, self.zone, self.order)
        return moment if isinstance(moment, Kept) else moment.isoformat()

    def write(self, hub: Value) -> Value:
        moment = hub_instant(hub)
        if moment is None:
            return Kept(hub, "is no moment in time")
        there = moment.astimezone(ZoneInfo(self.zone) if self.zone else UTC).replace(microsecond=0)
        if there.strftime("%z")[5:]:  # local mean time of old days has seconds, which ISO 8601 cannot write
            there = there.astimezone(UTC)
        offset = there.isoformat()[19:]
        return f"{_written(there.date(), self.order)}{' ' if self.order else 'T'}{there:%H:%M:%S}{offset}"

    def key(self, hub: Value) -> Hashable:
        moment = hub_instant(hub)
        return floor(moment.timestamp()) if moment else repr(hub)

    def hub_example(self, chance: Random) -> Value:
        moment = datetime(2015, 1, 1, tzinfo=UTC) + timedelta(seconds=chance.randint(0, 10**9))
        return (moment + timedelta(microseconds=chance.choice((0, 0, 123456)))).isoformat()

    def raw_example(self, chance: Random) -> Value:
        clock = chance.choice(("24:00:00", "23:59:60", "02:30", "10:00:00.123456789Z", "01:30+03", "25:00", "10:00"))
        return chance.choice((f"2026-03-29T{clock}", f"25.10.2026 {clock}", 1779868801, 1779868801000, 5, "now"))


@dataclass(frozen=True, slots=True)
class Unix(Instant):
    """A moment as a count since 1970. The unit is declared, so the magnitude is not asked."""

    unit: str = "s"

    name: ClassVar[str] = "unix"
    about: ClassVar[str] = "moment as a count since 1970; `unit` s or ms"
    takes: ClassVar[frozenset[str]] = frozenset({"datetime", "date", "number"})
    choices: ClassVar[Mapping[str, Choices]] = {"order": _ORDERS, "unit": ("s", "ms")}

    def read(self, raw: Value) -> Value:
        moment = _counted(raw, 1000 if self.unit == "ms" else 1)
        return moment if isinstance(moment, Kept) else moment.isoformat()

    def write(self, hub: Value) -> Value:
        moment = hub_instant(hub)
        if moment is None:
            return Kept(hub, "is no moment in time")
        return floor(moment.timestamp()) * (1000 if self.unit == "ms" else 1)

    def raw_example(self, chance: Random) -> Value:
        return chance.choice((1779868801, "1779868801", 1779868801123, 0, -1, 10**18, "now", True, 1.5))


def _counted(raw: Value, per_second: int) -> datetime | Kept:
    if is_number(raw) or (isinstance(raw, str) and re.fullmatch(r"-?\d{1,16}", raw.strip())):
        try:
            return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=float(raw) / per_second)
        except (OverflowError, ValueError):
            return Kept(raw, "is too large for a moment: is the unit right?")
    return Kept(raw, "is no count of seconds since 1970")


@dataclass(frozen=True, slots=True)
class UnixDate(Codec):
    """A day that the CRM keeps as its first second in the account's zone (amoCRM `date` fields)."""

    zone: str = ""

    name: ClassVar[str] = "unix_date"
    about: ClassVar[str] = "day kept as the unix second of its midnight in the account's `zone`"
    makes: ClassVar[str] = "date"
    takes: ClassVar[frozenset[str]] = frozenset({"date", "datetime", "number"})
    ordered: ClassVar[bool] = True
    needs: ClassVar[Choices] = ("zone",)

    def read(self, raw: Value) -> Value:
        moment = _counted(raw, 1)
        return moment if isinstance(moment, Kept) else moment.astimezone(ZoneInfo(self.zone)).date().isoformat()

    def write(self, hub: Value) -> Value:
        day = hub_day(hub)
        if day is None:
            return Kept(hub, _NO_DAY)
        start = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(self.zone))
        # A zone that crosses the date line skips a whole day (Pacific/Apia, 2011-12-30).
        if start.astimezone(UTC).astimezone(start.tzinfo).date() != day:
            return Kept(hub, f"never was a day in {self.zone}")
        return int(start.timestamp())

    def hub_example(self, chance: Random) -> Value:
        return (date(1950, 1, 1) + timedelta(days=chance.randint(0, 40000))).isoformat()

    def raw_example(self, chance: Random) -> Value:
        return chance.choice((1779868801, "1779868801", 0, -86400, 10**15, "soon"))
