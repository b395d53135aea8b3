"""Deadlines: rules as typed, and a preview that says exactly what the timers do afterwards."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from hub.clock import DAY, HOUR, MINUTE, SECOND, FixedClock
from hub.funnel import deadline_rules
from hub.funnel.clocks import DEFAULTS
from hub.model import calendar, deadline_rule, journal, lead, setting, signal
from tests.web.world import World, press

QUARTER = {"kind": "first_touch", "within": "15", "unit": "min", "warn": "70", "active": "yes"}


def rows(world: World) -> list[Any]:
    with world.hub.store.read() as conn:
        return list(deadline_rules.deadline_rules(conn))


def page(world: World, path: str = "deadlines") -> str:
    answer = world.admin.get(f"/admin/{path}")
    assert answer.status_code == 200, path
    return str(answer.get_data(as_text=True))


def add(world: World, **typed: str) -> Any:
    return press(world.admin, "/admin/deadlines/new", **{**QUARTER, **typed})


def test_the_defaults_are_shown_and_become_rules(world: World) -> None:
    assert "These count until" in page(world)
    for _press in range(2):
        press(world.admin, "/admin/deadlines/usual")
    assert [(row.kind, row.within_ms, row.chain) for row in rows(world)] == [
        (one.kind, one.within, [dict(step) for step in one.chain]) for one in DEFAULTS
    ]
    assert "These count until" not in page(world)


def test_a_rule_is_kept_as_typed(world: World) -> None:
    sam, ada = world.members["sam"], world.members["ada"]
    add(world, name="Quick", source="webform", within="2", unit="h", head=ada,
        **{"step-0": "turn", "step-1": "pool:desk", "step-3": f"member:{sam}"})  # fmt: skip
    [row] = rows(world)
    assert (row.name, row.within_ms, row.source, row.head_id) == ("Quick", 2 * HOUR, "webform", ada)
    assert row.chain == [{"pool": ""}, {"pool": "desk"}, {"member": sam}]
    told = page(world, f"deadlines/{row.id}")
    assert f'<option value="member:{sam}" selected>' in told
    press(world.admin, f"/admin/deadlines/{row.id}", **{**QUARTER, "active": ""})
    assert [(one.within_ms, one.active, one.chain) for one in rows(world)] == [(15 * MINUTE, False, [])]


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"within": "0"}, "must be a whole number above 0"), ({"within": "soon"}, "must be a whole number above 0"),
        ({"unit": "years"}, "must be a whole number above 0"), ({"kind": "sleep"}, "is none of first_touch"),
        ({"warn": "100"}, "must be between 1 and 99"), ({"head": "ghost"}, "is not here any more"),
        ({"direction": "ghost"}, "is not here any more"), ({"step-2": "pool:ghost"}, "is not here any more"),
        ({"step-0": "member:ghost"}, "is not here any more"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_and_what_was_typed_stays(world: World, typed: dict[str, str], said: str) -> None:
    answer = add(world, name="<i>Odd", **typed)
    told = answer.get_data(as_text=True)
    assert answer.status_code == 422
    assert said in told
    assert "&lt;i&gt;Odd" in told
    assert rows(world) == []


def test_rules_move_and_go(world: World) -> None:
    for name in ("A", "B"):
        add(world, name=name)
    press(world.admin, f"/admin/deadlines/{rows(world)[1].id}/move", do="up")
    assert [row.name for row in rows(world)] == ["B", "A"]
    press(world.admin, f"/admin/deadlines/{rows(world)[0].id}/move", do="remove")
    assert [row.name for row in rows(world)] == ["A"]
    assert press(world.admin, f"/admin/deadlines/{rows(world)[0].id}/move", do="burn").status_code == 400


def test_what_is_foreseen_is_what_happens(world: World) -> None:
    """A lead on Friday evening: its pool works until seven and not at the weekend."""
    press(world.admin, "/admin/hours/new", name="Office", zone="UTC", **{f"day-{n}": "9-19" for n in range(5)})
    with world.hub.store.read() as conn:
        plan = str(conn.execute(select(calendar.c.id)).scalar())
    press(world.admin, "/admin/pools/desk", off_hours="hold", calendar_id=plan,
          **{f"share-{world.members[name]}": "1" for name in ("dora", "dan")})  # fmt: skip
    press(world.admin, "/admin/deadlines/last", member=world.members["sue"])
    add(world, head=world.members["ada"], **{"step-0": "turn", "step-1": f"member:{world.members['sam']}"})
    clock = world.hub.clock
    assert isinstance(clock, FixedClock)
    friday = 1_770_403_800_000  # 2026-02-06 18:50 UTC
    clock.advance((friday - clock.now()) / SECOND)
    with world.hub.store.read() as conn:
        rule = deadline_rules.rule_for(conn, "first_touch", "", "webform")
        assert rule is not None
        story = deadline_rules.foresee(conn, rule, "desk", clock.now())
    assert [one.what for one in story] == ["comes", "warned", "on", "warned", "on", "warned", "last_resort", "told"]
    monday = friday + 2 * DAY + 14 * HOUR + 10 * MINUTE
    assert (story[1].at, story[2].at) == (monday + MINUTE // 2, monday + 5 * MINUTE)
    world.send(name="Late Visitor", phone="+7 912 000-11-22", submission_id="late")
    world.process()
    lead_id = world.leads["Late Visitor"]
    world.hub.timers.step()
    for one in story:
        clock.advance(max(0, one.at - clock.now()) / SECOND)
        world.hub.timers.step()
        if one.what in ("comes", "on", "last_resort"):
            final = [each.member_id for each in story if each.at == one.at and each.what != "told"][-1]
            assert owner(world, lead_id) == final, one
    with world.hub.store.read() as conn:
        told = conn.execute(select(signal.c.member_id).where(signal.c.name.contains(lead_id))).scalars().all()
        lines = conn.execute(select(journal).where(journal.c.subject_id == lead_id, journal.c.what == "warned")).all()
    assert told == [world.members["ada"]]
    assert [line.at for line in lines] == [one.at for one in story if one.what == "warned"]


def owner(world: World, lead_id: str) -> str:
    with world.hub.store.read() as conn:
        return str(conn.execute(select(lead.c.owner_id).where(lead.c.id == lead_id)).scalar())


def test_the_preview_is_for_friday_evening_unless_said_otherwise(world: World) -> None:
    told = page(world)
    assert "T18:50" in told
    assert "the lead comes;" in told
    assert "is told, once" in told
    assert "is no moment" in page(world, "deadlines?when=tomorrow")
    assert "No deadline is set" in page(world, "deadlines?kind=sleep")
    assert "11 Feb 2026, 10:00" in page(world, "deadlines?when=2026-02-11T10:00")


def test_every_change_of_deadlines_has_a_name_on_it(world: World) -> None:
    add(world, name="A")
    press(world.admin, f"/admin/deadlines/{rows(world)[0].id}/move", do="remove")
    press(world.admin, "/admin/deadlines/last", member=world.members["sue"])
    press(world.admin, "/admin/deadlines/last", member="ghost")
    with world.hub.store.read() as conn:
        lines = conn.execute(select(journal).where(journal.c.actor == f"member:{world.members['ada']}")).all()
        named = conn.execute(select(setting.c.value).where(setting.c.name == "last_resort")).scalar()
        assert conn.execute(select(deadline_rule)).all() == []
    assert [line.what for line in lines] == ["kept", "remove", "changed"]
    assert named == {"member": world.members["sue"]}
