"""When people work and how much they take: what admins change about it.

Guarantees: a span, date or zone that nobody could read is not saved and is named; what could be read but does not do
what was hoped is saved, and `hub.routing.check` says so. Every change stands in the journal.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, delete, select, update

from hub.clock import Clock, instant
from hub.model import calendar, member, pool, seat
from hub.routing.hours import Plan, Span, WorkTime, available_zones, minutes_of, public_holidays, read_plan
from hub.store.engine import inserting
from hub.store.notes import note
from hub.told import Told, Unusable

LONGEST_NAME = 200
MOST_SPANS, MOST_DAYS, MOST_SKILLS = 8, 400, 50
MOST_LEADS = 100_000
LIMITS = ("open_limit", "day_limit", "month_limit")
_SPAN = re.compile(r"(\d{1,2})(?::(\d\d))?\s*[-–—]\s*(\d{1,2})(?::(\d\d))?")  # fmt: skip

NO_SPAN = "“%(text)s” is no span of time: write 09:00–18:00, several with a comma between"
NO_DATE = "“%(text)s” is no date: write 2026-12-31, and after it the hours of that day"


# ── spans as people write them ───────────────────────────────────────────────────────────────────


def read_spans(text: str) -> list[Span]:
    """Spans of one day from "9-13, 14:00–18:00"; none for "". Raises ValueError with what nobody can read."""
    parts = [part.strip() for part in re.split(r"[,;]", text) if part.strip()]
    if len(parts) > MOST_SPANS:
        raise ValueError(text)
    return [_span(part) for part in parts]


def _span(text: str) -> Span:
    found = _SPAN.fullmatch(text)
    if found is None:
        raise ValueError(text)
    begin, end = (f"{int(found[n]):02}:{found[n + 1] or '00'}" for n in (1, 3))
    try:
        minutes_of(begin), minutes_of(end)
    except ValueError:
        raise ValueError(text) from None
    return begin, end


def written(spans: Sequence[Sequence[str]]) -> str:
    """The same the other way round."""
    return ", ".join(f"{begin}–{end}" for begin, end in spans)


def written_days(days: Mapping[str, Sequence[Sequence[str]]]) -> str:
    """Days that differ, one a line; a date alone is a day off."""
    return "\n".join(f"{day} {written(spans)}".strip() for day, spans in sorted(days.items()))


def _read_week(texts: Sequence[str], wrong: dict[str, str]) -> list[list[Span]]:
    week: list[list[Span]] = []
    for place, text in enumerate(texts):
        try:
            week.append(read_spans(text))
        except ValueError as error:
            wrong[f"day-{place}"] = Told(NO_SPAN, text=str(error))
            week.append([])
    return week


def _read_days(text: str, wrong: dict[str, str]) -> dict[str, list[Span]]:
    days: dict[str, list[Span]] = {}
    for line in [one.strip() for one in text.splitlines() if one.strip()][:MOST_DAYS]:
        day, _space, spans = line.partition(" ")
        try:
            key = date.fromisoformat(day).isoformat()
        except ValueError:
            wrong["days"] = Told(NO_DATE, text=day[:40])
            continue
        if key in days:
            wrong["days"] = Told("%(text)s stands there twice: keep one line", text=key)
        try:
            days[key] = read_spans(spans)
        except ValueError as error:
            wrong["days"] = Told(NO_SPAN, text=str(error)[:40])
    return days


# ── plans ────────────────────────────────────────────────────────────────────────────────────────


def plans(conn: Connection) -> Sequence[Any]:
    """All plans of working hours by name."""
    return list(conn.execute(select(calendar).order_by(calendar.c.name, calendar.c.id)))


def keep_plan(
    conn: Connection, clock: Clock, actor: str, plan_id: str, typed: Mapping[str, str], week: Sequence[str]
) -> str:
    """A plan as typed: `name`, `zone`, `country`, `region`, `days` (one a line), and the texts of seven days from
    Monday on. `plan_id` "" makes a new one. Answers the id; raises `Unusable`."""
    row = read_typed_plan(typed, week)
    if not plan_id:
        plan_id = clock.new_id()
        conn.execute(calendar.insert().values(id=plan_id, **row))
    elif not conn.execute(update(calendar).where(calendar.c.id == plan_id).values(row)).rowcount:
        raise Unusable({"name": "is not here any more"})
    note(conn, clock, "calendar", plan_id, "kept", actor, row)
    return plan_id


def read_typed_plan(typed: Mapping[str, str], week: Sequence[str]) -> dict[str, Any]:
    """A row of `calendar` from what was typed; raises `Unusable`, which names every field that nobody can read."""
    wrong: dict[str, str] = {}
    row: dict[str, Any] = {one: typed.get(one, "").strip()[:LONGEST_NAME] for one in ("name", "zone", "region")}
    row["country"] = typed.get("country", "").strip().upper()[:LONGEST_NAME]
    row |= {"week": _read_week(week, wrong), "days": _read_days(typed.get("days", ""), wrong)}
    if not row["name"]:
        wrong["name"] = "is missing"
    if row["zone"] not in available_zones():
        wrong["zone"] = Told("“%(text)s” is no time zone: choose one like Europe/Moscow", text=row["zone"])
    if row["country"] and public_holidays(row["country"], "") is None:
        wrong["country"] = Told(
            "holidays of “%(text)s” are not known: choose a country of the list", text=row["country"]
        )
    elif row["region"] and public_holidays(row["country"], row["region"]) is None:
        wrong["region"] = Told("“%(text)s” is no region of this country: choose one, or leave it empty",
                               text=row["region"])  # fmt: skip
    if wrong:
        raise Unusable(wrong)
    return row


def remove_plan(conn: Connection, clock: Clock, actor: str, plan_id: str) -> None:
    """Take away a plan that nobody keeps; raises `Unusable` for one that somebody does."""
    if any(keepers(conn, plan_id)):
        raise Unusable({"name": "is still kept by people or pools: give them other hours first"})
    if conn.execute(delete(calendar).where(calendar.c.id == plan_id)).rowcount:
        note(conn, clock, "calendar", plan_id, "removed", actor)


def keepers(conn: Connection, plan_id: str) -> tuple[list[str], list[str]]:
    """Names of the people and of the pools that keep a plan."""
    mine = select(member.c.name).join(seat, seat.c.member_id == member.c.id).where(seat.c.calendar_id == plan_id)
    people = [str(name) for name in conn.execute(mine.order_by(member.c.name)).scalars()]
    pools = select(pool.c.name).where(pool.c.calendar_id == plan_id).order_by(pool.c.name)
    return people, [str(name) for name in conn.execute(pools).scalars()]


def ahead(plan: Plan, since: int, days: int = 14) -> list[tuple[date, tuple[Span, ...], str]]:
    """The next days as they will be: the date there, real spans in wall time, and the public holiday ("" if none)."""
    work, law = WorkTime(plan), public_holidays(plan.country, plan.region)
    zone = ZoneInfo(plan.zone if plan.zone in available_zones() else "UTC")
    first = work.day(since)
    found = []
    for day in (first + timedelta(number) for number in range(days)):
        spans = tuple((_wall(begin, zone), _wall(end, zone)) for begin, end in work.spans(day))
        found.append((day, spans, str(law.get(day) or "") if law is not None else ""))
    return found


def _wall(at: int, zone: ZoneInfo) -> str:
    return instant(at).astimezone(zone).strftime("%H:%M")


# ── seats ────────────────────────────────────────────────────────────────────────────────────────


def keep_seat(conn: Connection, clock: Clock, actor: str, member_id: str, typed: Mapping[str, str]) -> None:
    """How a member works: `calendar_id` ("" as their pool does), `skills` with commas, and three limits ("" for the
    pool's). Raises `Unusable`."""
    wrong: dict[str, str] = {}
    row: dict[str, Any] = {one: read_limit(typed.get(one, ""), one, wrong) for one in LIMITS}
    row["skills"] = _skills(typed.get("skills", ""), wrong)
    row["calendar_id"] = typed.get("calendar_id", "") or None
    known = select(calendar.c.id).where(calendar.c.id == row["calendar_id"])
    if row["calendar_id"] and conn.execute(known).first() is None:
        wrong["calendar_id"] = "are not here any more: choose other hours"
    if wrong:
        raise Unusable(wrong)
    made = inserting(conn, seat).values(member_id=member_id, **row)
    conn.execute(made.on_conflict_do_update(index_elements=["member_id"], set_=row))
    note(conn, clock, "member", member_id, "seat", actor, row)


def read_limit(text: str, name: str, wrong: dict[str, str]) -> int:
    """A number of leads as typed; what is none is noted in `wrong`."""
    text = text.strip()
    if text and not (text.isdecimal() and int(text[:9]) <= MOST_LEADS and len(text) < 9):
        wrong[name] = "must be a whole number of leads; 0 or nothing is no limit"
        return 0
    return int(text or 0)


def _skills(text: str, wrong: dict[str, str]) -> list[str]:
    """Skills are field and value, as `language:de`."""
    told = list(dict.fromkeys(part.strip() for part in re.split(r"[,;\n]", text) if part.strip()))
    odd = [one for one in told if not re.fullmatch(r"[\w.]+:\S.*", one)]
    if odd:
        wrong["skills"] = Told("“%(text)s” is no skill: write field:value, as language:de", text=odd[0][:60])
    if len(told) > MOST_SKILLS:
        wrong["skills"] = "are too many: fifty are the most"
    return told


def plan_of(row: Any) -> Plan:
    """A plan from its row."""
    return read_plan(dict(row._mapping))


def seat_of(conn: Connection, member_id: str) -> Any:
    """A member with their seat; None when there is none."""
    place = member.join(seat, seat.c.member_id == member.c.id, isouter=True)
    columns = (member.c.id, member.c.name, member.c.active, seat.c.calendar_id, seat.c.skills,
               *(seat.c[one] for one in LIMITS))  # fmt: skip
    return conn.execute(select(*columns).select_from(place).where(member.c.id == member_id)).one_or_none()
