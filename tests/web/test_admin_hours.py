"""Working hours, seats and absences: what was typed is kept or explained, and every change has a name on it."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Table, select

from hub.clock import DAY
from hub.model import absence, calendar, journal, seat
from hub.routing.reading import read_floor
from hub.routing.shifts import read_spans, written
from tests.web.world import World, press

WEEK = {f"day-{n}": "9-18" for n in range(5)}


def rows(world: World, table: Table) -> list[Any]:
    with world.hub.store.read() as conn:
        return list(conn.execute(select(table)))


def page(world: World, path: str) -> str:
    answer = world.admin.get(f"/admin/{path}")
    assert answer.status_code == 200, path
    return str(answer.get_data(as_text=True))


def plan(world: World, **typed: str) -> Any:
    fields = {"name": "Office", "zone": "Europe/Berlin", "country": "DE", "region": "BY", **WEEK, **typed}
    return press(world.admin, "/admin/hours/new", **fields)


@pytest.mark.parametrize(
    ("text", "spans"),
    [
        ("", []), ("9-18", [("09:00", "18:00")]),
        ("09:00–13:00, 14:00 — 18:30", [("09:00", "13:00"), ("14:00", "18:30")]),
        ("22:00-06:00", [("22:00", "06:00")]), ("0-24", [("00:00", "24:00")]),
    ],
)  # fmt: skip
def test_spans_are_read_as_people_write_them(text: str, spans: list[tuple[str, str]]) -> None:
    assert read_spans(text) == spans
    assert read_spans(written(spans)) == spans


@pytest.mark.parametrize("text", ["9", "25-26", "nine-ten", "9:75-10", "9-18-20", ",".join(["9-10"] * 9)])
def test_what_is_no_span_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        read_spans(text)


def test_a_plan_is_kept_and_shows_what_the_next_days_become(world: World) -> None:
    answer = plan(world, days="2026-02-05 10:00-12:00\n2026-02-06")
    [row] = rows(world, calendar)
    assert answer.status_code == 303
    assert (row.week[0], row.week[6], row.country, row.region) == ([["09:00", "18:00"]], [], "DE", "BY")
    assert row.days == {"2026-02-05": [["10:00", "12:00"]], "2026-02-06": []}
    told = page(world, f"hours/{row.id}")
    assert "2026-02-05</td><td>10:00–12:00" in told
    assert "2026-02-06</td><td>day off" in told
    press(world.admin, f"/admin/hours/{row.id}", **{**WEEK, "name": "Office 2", "zone": "UTC"})
    assert [(one.name, one.zone, one.days) for one in rows(world, calendar)] == [("Office 2", "UTC", {})]
    assert "Office 2" in page(world, "hours")


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"name": ""}, "is missing"), ({"zone": "Mars/Base"}, "“Mars/Base” is no time zone"),
        ({"country": "ZZ", "region": ""}, "holidays of “ZZ” are not known"),
        ({"region": "XX"}, "“XX” is no region of this country"),
        ({"day-2": "noon"}, "“noon” is no span of time: write 09:00–18:00"), ({"days": "tomorrow 9-10"}, "is no date"),
        ({"days": "2026-02-05 9-10\n2026-02-05"}, "2026-02-05 stands there twice"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_and_what_was_typed_stays(world: World, typed: dict[str, str], said: str) -> None:
    answer = plan(world, **{"name": "<b>Odd</b>", **typed})
    told = answer.get_data(as_text=True)
    assert answer.status_code == 422
    assert said in told
    assert "<b>Odd" not in told
    assert all(line in told for value in typed.values() for line in value.splitlines())
    assert rows(world, calendar) == []


def test_what_does_not_do_what_was_hoped_is_said_beside_it(world: World) -> None:
    plan(world, **{"day-6": "01:00-05:00"}, days="2026-12-25 9-12")
    told = page(world, f"hours/{rows(world, calendar)[0].id}")
    assert "overlaps with a public holiday" in told
    assert "the clocks change" in told


def test_hours_that_somebody_keeps_stay(world: World) -> None:
    plan(world)
    [row] = rows(world, calendar)
    press(world.admin, f"/admin/team/{world.members['dora']}/work", calendar_id=row.id)
    press(world.admin, f"/admin/hours/{row.id}/remove")
    assert "is still kept by people" in page(world, f"hours/{row.id}")
    press(world.admin, f"/admin/team/{world.members['dora']}/work", calendar_id="")
    press(world.admin, f"/admin/hours/{row.id}/remove")
    assert rows(world, calendar) == []


# ── people ───────────────────────────────────────────────────────────────────────────────────────


def test_a_seat_is_what_routing_sees(world: World) -> None:
    plan(world)
    [row] = rows(world, calendar)
    dora = world.members["dora"]
    press(world.admin, f"/admin/team/{dora}/work", calendar_id=row.id, skills="language:de, product:Doors",
          open_limit="20", day_limit="", month_limit="300")  # fmt: skip
    with world.hub.store.read() as conn:
        person = read_floor(conn, world.hub.clock.now(), lock=False).people[dora]
    assert person.skills == {"language:de", "product:doors"}
    assert (person.limits.open, person.limits.day, person.limits.month) == (20, 0, 300)
    assert person.work.plan.name == "Office"
    assert "language:de, product:Doors" in page(world, f"team/{dora}/work")


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"open_limit": "-1"}, "must be a whole number"), ({"skills": "german"}, "“german” is no skill"),
        ({"calendar_id": "0000000000000000000000000A"}, "choose other hours"), ({"day_limit": "many"}, "whole number"),
    ],
)  # fmt: skip
def test_a_seat_with_a_mistake_is_not_kept(world: World, typed: dict[str, str], said: str) -> None:
    answer = press(world.admin, f"/admin/team/{world.members['dora']}/work", **typed)
    assert answer.status_code == 422
    assert said in answer.get_data(as_text=True)
    assert rows(world, seat) == []


def away(world: World, login: str, first: int, last: int, **typed: str) -> Any:
    """Away from so many days from now on until so many."""
    days = [f"{world_day(world, number)}" for number in (first, last)]
    fields = {"begin": days[0], "until": days[1], "why": "vacation", **typed}
    return press(world.admin, f"/admin/team/{world.members[login]}/away", **fields)


def world_day(world: World, number: int) -> str:
    with world.hub.store.read() as conn:
        work = read_floor(conn, world.hub.clock.now(), lock=False).people[world.members["dora"]].work
    return work.day(world.hub.clock.now() + number * DAY).isoformat()


def test_who_is_away_shows_and_comes_back(world: World) -> None:
    dora, dan = world.members["dora"], world.members["dan"]
    assert away(world, "dora", 0, 3, stand_in=dan).status_code == 303
    assert away(world, "dora", 2, 5).status_code == 303
    told = page(world, f"team/{dora}/work")
    assert "two absences overlap" in told
    assert "stands in: Dan Desk" in told
    assert "away" in page(world, "team")
    first, second = sorted(rows(world, absence), key=lambda one: one.begin)
    for one in (first, second):
        press(world.admin, f"/admin/team/{dora}/back/{one.id}")
    assert [one.end for one in rows(world, absence)] == [world.hub.clock.now()]
    assert "No absence is planned." in page(world, f"team/{dora}/work")


@pytest.mark.parametrize(
    ("first", "last", "typed", "said"),
    [
        (3, 1, {}, "is before the first day"), (-5, -2, {}, "is over already"), (0, 1, {"begin": "soon"}, "is no date"),
        (0, 1, {"stand_in": "dora"}, "must be somebody else"), (0, 1, {"stand_in": "ghost"}, "must be somebody else"),
    ],
)  # fmt: skip
def test_an_absence_nobody_could_mean_is_explained(
    world: World, first: int, last: int, typed: dict[str, str], said: str
) -> None:
    fields = {name: world.members.get(value, value) for name, value in typed.items()}
    answer = away(world, "dora", first, last, **fields)
    assert answer.status_code == 422
    assert said in answer.get_data(as_text=True)
    assert "vacation" in answer.get_data(as_text=True)
    assert rows(world, absence) == []


def test_every_change_of_hours_has_a_name_on_it(world: World) -> None:
    plan(world)
    press(world.admin, f"/admin/team/{world.members['dora']}/work", skills="language:de")
    away(world, "dora", 0, 1)
    lines = [line for line in rows(world, journal) if line.actor == f"member:{world.members['ada']}"]
    assert [(line.subject, line.what) for line in lines] == [
        ("calendar", "kept"), ("member", "seat"), ("member", "away"),
    ]  # fmt: skip
