"""Working time: sums that hold in every zone and season, and what clocks, holidays and nonsense do to it."""

from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.clock import DAY, HOUR, MINUTE, millis
from hub.routing.check import plan_complaints
from hub.routing.hours import ANY_HOUR, Plan, Span, WorkTime, read_plan

NINE_TO_SIX: tuple[tuple[Span, ...], ...] = ((("09:00", "18:00"),),) * 5 + ((), ())
NIGHTS: tuple[tuple[Span, ...], ...] = ((("22:00", "06:00"),),) * 7


def at(told: str) -> int:
    return millis(datetime.fromisoformat(told))


MOSCOW = WorkTime(Plan("Moscow", "Europe/Moscow", NINE_TO_SIX, "RU"))
BERLIN = WorkTime(Plan("Berlin", "Europe/Berlin", NINE_TO_SIX, "DE", "BY"))


@pytest.mark.parametrize(
    ("work", "begin", "ms", "end"),
    [
        (MOSCOW, "2026-11-20T10:00+03:00", HOUR, "2026-11-20T11:00+03:00"),
        (MOSCOW, "2026-11-20T17:50+03:00", 15 * MINUTE, "2026-11-23T09:05+03:00"),  # over the weekend
        (MOSCOW, "2026-11-21T12:00+03:00", 0, "2026-11-23T09:00+03:00"),
        (MOSCOW, "2026-12-30T17:30+03:00", HOUR, "2027-01-11T09:30+03:00"),  # over the New Year holidays
        (BERLIN, "2026-03-27T17:30+01:00", HOUR, "2026-03-30T09:30+02:00"),  # the clocks change on Sunday
        (BERLIN, "2026-12-24T17:30+01:00", HOUR, "2026-12-28T09:30+01:00"),
        (WorkTime(Plan(week=NIGHTS)), "2026-11-20T23:00+00:00", 8 * HOUR, "2026-11-21T23:00+00:00"),
        (WorkTime(Plan()), "2026-11-20T23:00+00:00", 8 * HOUR, "2026-11-21T07:00+00:00"),
    ],
)
def test_when_working_time_is_over(work: WorkTime, begin: str, ms: int, end: str) -> None:
    assert work.add(at(begin), ms) == at(end)


def test_a_day_that_differs_counts_before_the_week_and_the_law() -> None:
    days = {"2026-01-07": (("10:00", "12:00"),), "2026-01-12": ()}
    work = WorkTime(Plan("m", "Europe/Moscow", NINE_TO_SIX, "RU", days=days))
    assert work.is_open(at("2026-01-07T11:00+03:00")), "Christmas, but somebody works"
    assert not work.is_open(at("2026-01-12T11:00+03:00"))
    assert not work.is_open(at("2026-01-06T11:00+03:00"))


ZONES = st.sampled_from(["UTC", "Europe/Moscow", "Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Pacific/Apia"])
CLOCKS = st.builds("{:02}:{:02}".format, st.integers(0, 23), st.sampled_from([0, 15, 30]))
SPANS = st.lists(st.tuples(CLOCKS, st.one_of(CLOCKS, st.just("24:00"))), max_size=2).map(tuple)
PLANS = st.builds(
    Plan, st.just("p"), ZONES, st.tuples(*[SPANS] * 7), st.sampled_from(["", "RU", "DE", "US"]), st.just("")
)
MOMENTS = st.integers(at("2026-01-01T00:00+00:00") // MINUTE, at("2026-12-31T00:00+00:00") // MINUTE).map(
    MINUTE.__mul__
)


@given(PLANS, MOMENTS, st.integers(1, 40 * 60).map(MINUTE.__mul__))
def test_what_is_added_is_what_lies_between(plan: Plan, begin: int, ms: int) -> None:
    work = WorkTime(plan)
    end = work.add(begin, ms)
    assert end - begin >= ms
    if not work.always and end - begin < 300 * DAY:
        assert work.between(begin, end) == ms
        assert work.is_open(end - 1)


@given(PLANS, MOMENTS)
def test_nothing_changes_before_the_edge(plan: Plan, begin: int) -> None:
    work = WorkTime(plan)
    edge = work.edge(begin)
    assert edge > begin
    if edge - begin < 300 * DAY:
        assert work.is_open(edge - 1) == work.is_open(begin)
    assert work.opening(begin) == (begin if work.is_open(begin) else edge)


@given(PLANS, MOMENTS, MOMENTS, MOMENTS)
def test_working_time_adds_up(plan: Plan, one: int, other: int, third: int) -> None:
    work = WorkTime(plan)
    first, middle, last = sorted((one, other, third))
    assert work.between(first, last) == work.between(first, middle) + work.between(middle, last)


# ── what is wrong with a plan ────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("plan", "told"),
    [
        (Plan("p", "Mars/Olympus"), "there is no time zone “Mars/Olympus”"),
        (Plan("p", country="XX"), "holidays of “XX” are not known"),
        (Plan("p", country="DE", region="ZZ"), "holidays of “DE ZZ” are not known"),
        (Plan("p", week=((),) * 7), "nobody would ever work"),
        (Plan("p", week=((("9", "25:00"),), *ANY_HOUR[1:])), "Monday: “9–25:00” is no span of time"),
        (Plan("p", week=((("09:00", "12:00"), ("11:00", "18:00")), *ANY_HOUR[1:])), "Monday: two spans overlap"),
        (Plan("p", country="RU", days={"2026-01-01": ()}), "2026-01-01: overlaps with a public holiday"),
        (Plan("p", days={"1 May": ()}), "1 May: is no date"),
        (Plan("p", "Europe/Berlin", ((("02:00", "03:30"),),) * 7), "on 2026-03-29 the clocks change and 60 minutes"),
        (
            Plan("p", "Europe/Berlin", ((("02:00", "03:00"),),) * 7, "DE"),
            "on 2026-03-29 the clocks change and 60 minut",
        ),
        (Plan("p", "Europe/Berlin", ((("22:00", "06:00"),),) * 7), "on 2026-03-28 the clocks change and 60 minutes"),
        (Plan("p", "Pacific/Auckland", ((("02:00", "03:00"),),) * 7), "on 2026-09-27 the clocks change and 60 minutes"),
    ],
)
def test_what_does_not_do_what_was_hoped_is_told(plan: Plan, told: str) -> None:
    assert any(told in one and "“p”" in one for one in plan_complaints(plan, 2026))


def test_a_day_off_loses_nothing_when_the_clocks_change() -> None:
    night = ((("02:00", "03:00"),),) * 7
    assert plan_complaints(Plan("p", "Europe/Berlin", night, days={"2026-03-29": (), "2027-03-28": ()}), 2026) == []
    told = plan_complaints(Plan("p", "Europe/Berlin", night, "DE", "BB"), 2027)  # Easter Sunday, off by law in BB
    assert not any("2027-03-28" in one for one in told)


def test_a_sound_plan_has_no_complaints() -> None:
    assert plan_complaints(MOSCOW.plan, 2026) == []
    assert plan_complaints(BERLIN.plan, 2026) == []


@pytest.mark.parametrize("week", [None, [], "x", [[["09:00"]]] * 7, [5] * 7])
def test_a_row_that_is_none_still_gives_a_plan(week: object) -> None:
    work = WorkTime(read_plan({"name": "p", "zone": None, "week": week, "days": None}))
    assert work.add(0, HOUR) == HOUR


def test_hours_that_a_change_of_the_clocks_swallows_are_no_working_time() -> None:
    work = WorkTime(Plan("p", "Europe/Berlin", ((("02:00", "03:00"),),) * 7))
    assert work.between(at("2026-03-29T00:00+01:00"), at("2026-03-30T00:00+02:00")) == 0
    assert work.between(at("2026-10-25T00:00+02:00"), at("2026-10-26T00:00+01:00")) == 2 * HOUR
