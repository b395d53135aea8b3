"""The form of robots: what ships goes through it unchanged, what nobody could run is named where it stands."""

from __future__ import annotations

import html
import re
from datetime import datetime
from typing import Any

import pytest
from sqlalchemy import select, update

from hub.clock import DAY, HOUR
from hub.model import journal, letter, member, robot, robot_run
from hub.robots.defaults import SETS
from hub.robots.run import add
from hub.told import Told, kept
from hub.web.admin.robot_form import fill_form, read_form, with_action, without_action
from tests.web.world import World, press

PLAIN = {
    "name": "Call back", "block": "lead", "on": "opened", "act-0-do": "task", "act-0-text": "Call {name|the client}",
    "act-0-within": "2", "act-0-unit": "h", "press": "save",
}  # fmt: skip


def rows(world: World) -> list[Any]:
    with world.hub.store.read() as conn:
        return list(conn.execute(select(robot).order_by(robot.c.id)))


def page(world: World, path: str) -> str:
    answer = world.admin.get(f"/admin/{path}")
    assert answer.status_code == 200, path
    return str(answer.get_data(as_text=True))


def make(world: World, **typed: str) -> Any:
    return press(world.admin, "/admin/robots/new", **{**PLAIN, **typed})


@pytest.mark.parametrize("name", sorted(SETS))
def test_what_ships_goes_through_the_form_unchanged(world: World, name: str) -> None:
    press(world.admin, "/admin/robots/sets", set=name)
    for row in rows(world):
        form = page(world, f"robots/{row.id}/edit")
        assert html.escape(row.name, quote=False) in form
        wrong: dict[str, str] = {}
        again = read_form(fill_form(row._mapping), wrong)
        assert wrong == {}
        assert {key: again[key] for key in ("trigger", "conditions", "actions")} == {
            key: getattr(row, key) for key in ("trigger", "conditions", "actions")
        }
        assert again["delay"] == (row.delay or {})
        answer = press(world.admin, f"/admin/robots/{row.id}/edit", **fill_form(row._mapping))
        assert answer.status_code == 303
    assert not any(row.active for row in rows(world))


def test_a_new_robot_comes_switched_off_and_is_tried_dry(world: World) -> None:
    answer = make(
        world, **{"field-0": "source", "op-0": "is", "value-0": "webform", "delay": "30", "delay-unit": "min"}
    )
    [row] = rows(world)
    assert answer.location.endswith(f"/admin/robots/{row.id}/dry")
    assert not row.active
    assert row.actions == [{"do": "task", "text": "Call {name|the client}", "within_ms": 2 * HOUR}]
    told = page(world, f"robots/{row.id}/dry")
    assert "It would touch these now: 4" in told
    assert "Call Ivan Petrov" in told
    with world.hub.store.read() as conn:
        assert conn.execute(select(robot_run)).all() == []
        assert conn.execute(select(letter)).all() == []
    stored = page(world, f"robots/{row.id}/edit")
    assert "&#34;within_ms&#34;: 7200000" in stored


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"name": ""}, "is missing"), ({"on": "wish"}, "“wish” is no trigger"),
        ({"on": "time", "on-within": "", "on-unit": "h"}, "must be a whole number above 0"),
        ({"on": "date", "on-at": "Christmas"}, "must be a day and an hour with a zone"),
        ({"on": "date", "on-at": "0001-01-01T00:00"}, "must be a day and an hour with a zone"),
        ({"on": "stage", "on-stage": "nowhere"}, "names a stage that is not here"),
        ({"act-0-text": ""}, "task lacks text"), ({"act-0-text": "Dear {nobody}"}, "nobody knows “{nobody}”"),
        ({"act-0-within": "soon"}, "must be a whole number above 0"), ({"at": "ten"}, "is no time of day"),
        ({"field-0": "__class__", "op-0": "is"}, "is no condition"), ({"direction": "gone"}, "is not here any more"),
        ({"act-1-do": "message", "act-1-channel": "pigeon", "act-1-text": "Hi"}, "“pigeon” is no channel"),
        ({"act-1-do": "field", "act-1-field": "owner_id", "act-1-value": "x"}, "may not write “owner_id”"),
        ({"act-1-do": "stage", "act-1-stage": "nowhere"}, "names a stage that is not here"),
        ({"act-1-do": "owner"}, "does not say whose it becomes"), ({"act-1-do": "explode"}, "“explode” is no action"),
        ({"delay": "-1", "delay-unit": "h"}, "must be a whole number above 0"),
        ({"act-1-do": "put_off", "act-1-text": "Busy"}, "put_off lacks within_ms"),
        ({"act-1-do": "put_off", "act-1-within": "3", "act-1-unit": "d"}, "put_off lacks text"),
        ({"block": "deal", "act-1-do": "convert"}, "only leads know the action convert"),
    ],
)  # fmt: skip
def test_what_nobody_could_run_is_named_and_what_was_typed_stays(
    world: World, typed: dict[str, str], said: str
) -> None:
    answer = make(world, **{"value-2": "<u>kept", **typed})
    told = html.unescape(answer.get_data(as_text=True))
    assert answer.status_code == 422
    assert said in told
    assert "&lt;u&gt;kept" in answer.get_data(as_text=True)
    assert rows(world) == []


def test_actions_are_added_and_removed_without_saving(world: World) -> None:
    answer = make(world, press="add", kind="message")
    told = answer.get_data(as_text=True)
    assert answer.status_code == 200
    assert 'name="act-1-channel"' in told
    assert "Call {name|the client}" in told
    answer = make(world, **{"act-1-do": "signal", "act-1-text": "Look", "press": "remove:0"})
    assert re.search(r'name="act-0-do" value="signal"', answer.get_data(as_text=True))
    assert "act-1-do" not in answer.get_data(as_text=True)
    assert rows(world) == []


def test_a_robot_waits_for_a_day_and_an_hour(world: World) -> None:
    assert make(world, **{"on": "date", "on-at": "2026-12-24T10:30"}).status_code == 303
    [row] = rows(world)
    assert datetime.fromisoformat(row.trigger["at"]) == datetime(2026, 12, 24, 10, 30).astimezone()
    assert 'name="on-at" value="2026-12-24T10:30"' in page(world, f"robots/{row.id}/edit")


def test_a_lead_is_converted_or_put_off_by_a_robot_of_the_form(world: World) -> None:
    typed = {"act-0-do": "convert", "act-1-do": "put_off", "act-1-within": "3", "act-1-unit": "d",
             "act-1-text": "{name} is away"}  # fmt: skip
    assert make(world, **typed).status_code == 303
    [row] = rows(world)
    assert [one for one in row.actions if one["do"] == "put_off"] == [
        {"do": "put_off", "within_ms": 3 * DAY, "text": "{name} is away"}
    ]
    assert {"do": "convert"} in row.actions
    form = page(world, f"robots/{row.id}/edit")
    assert 'name="act-1-within" value="3"' in form
    assert "Make it a deal, if the border lets it" in form
    assert "Put off until later “Ivan Petrov is away”" in page(world, f"robots/{row.id}/dry")
    press(world.admin, f"/admin/robots/{row.id}/edit", **fill_form(row._mapping))
    assert rows(world)[0].actions == row.actions


def test_pieces_move_up_when_one_goes() -> None:
    typed = with_action(with_action({"name": "x"}, "task"), "signal")
    typed = {**typed, "act-0-text": "a", "act-1-text": "b"}
    assert without_action(typed, 0) == {"name": "x", "act-0-do": "signal", "act-0-text": "b"}
    assert without_action(typed, 1) == {"name": "x", "act-0-do": "task", "act-0-text": "a"}


def test_changing_a_robot_that_is_on_leaves_it_on_and_says_who(world: World) -> None:
    make(world)
    [row] = rows(world)
    press(world.admin, f"/admin/robots/{row.id}", do="on")
    press(world.admin, f"/admin/robots/{row.id}/edit", **{**PLAIN, "name": "Call soon"})
    assert [(one.name, one.active) for one in rows(world)] == [("Call soon", True)]
    with world.hub.store.read() as conn:
        lines = conn.execute(select(journal).where(journal.c.subject == "robot")).all()
    assert {line.what for line in lines} == {"kept", "switched"}
    assert {line.actor for line in lines} == {f"member:{world.members['ada']}"}


@pytest.mark.parametrize("also_due", [False, True])
def test_steps_that_are_due_already_are_counted_and_taken_on_a_tick(world: World, also_due: bool) -> None:
    make(world, **{"on": "time", "on-within": "1", "on-unit": "h", "act-0-do": "signal", "act-0-text": "Late"})
    [row] = rows(world)
    world.hub.clock.advance(3 * 24 * 3600)  # type: ignore[attr-defined]
    assert "also the steps whose time has come already: 4" in page(world, f"robots/{row.id}/dry")
    press(world.admin, f"/admin/robots/{row.id}", do="on", **({"due": "yes"} if also_due else {}))
    world.hub.timers.step()
    with world.hub.store.read() as conn:
        assert len(conn.execute(select(robot_run)).all()) == (4 if also_due else 0)
    assert "also the steps" not in page(world, f"robots/{row.id}/dry"), "it is on"


def test_a_held_robot_says_why_and_is_let_go(world: World) -> None:
    with world.hub.store.write() as conn:
        made = {"name": "Storm", "block": "lead", "trigger": {"on": "opened"}, "held": "ran 500 times",
                "actions": [{"do": "signal", "text": "x"}]}  # fmt: skip
        robot_id = add(conn, world.hub.clock, made)
    assert "ran 500 times" in page(world, f"robots/{robot_id}/edit")
    press(world.admin, f"/admin/robots/{robot_id}", do="let_go")
    assert rows(world)[0].held == ""


def test_why_a_robot_stopped_is_said_in_the_language_of_the_reader(world: World) -> None:
    make(world, **{"act-0-do": "message", "act-0-channel": "sms", "act-0-text": "Dear {company}"})
    make(world, name="Off")
    for row in rows(world):
        press(world.admin, f"/admin/robots/{row.id}", do="on")
    world.send(name="New Visitor", phone="+7 912 000-11-33", submission_id="n")
    world.process()
    one, off = rows(world)
    press(world.admin, f"/admin/robots/{off.id}", do="off")
    world.hub.timers.step()
    with world.hub.store.write() as conn:
        storm = Told("Robot “%(robot)s” ran %(count)s times within an hour", robot="Off", count="500")
        conn.execute(update(robot).where(robot.c.id == off.id).values(held=kept(storm)))
        conn.execute(update(member).where(member.c.login == "ada").values(locale="ru"))
    assert "message: ничего не известно для {company}" in page(world, f"robots/{one.id}/edit")
    assert "Робот «Off» сработал за час раз: 500" in page(world, "robots")
    card = world.admin.get(f"/leads/{world.leads['New Visitor']}").get_data(as_text=True)
    assert "ничего не известно для {company}" in card


def test_a_robot_goes_and_one_that_ran_is_put_away(world: World) -> None:
    make(world, name="Never")
    make(world, name="Once")
    never, once = rows(world)
    press(world.admin, f"/admin/robots/{once.id}", do="on")
    assert page(world, "robots").count(">Remove<") == 1, "one that is on is switched off first"
    world.send(name="New Visitor", phone="+7 912 000-11-33", submission_id="n")
    world.process()
    world.hub.timers.step()
    for one in (never, once):
        press(world.admin, f"/admin/robots/{one.id}", do="remove")
    told = page(world, "robots")
    assert [row.name for row in rows(world)] == ["Once"]
    assert "Put away (1)" in told
    assert "Never" not in told
    press(world.admin, f"/admin/robots/{once.id}", do="back")
    assert "Put away (1)" not in page(world, "robots")
    assert not rows(world)[0].active


def test_what_it_did_last_is_shown(world: World) -> None:
    make(world)
    [row] = rows(world)
    press(world.admin, f"/admin/robots/{row.id}", do="on")
    world.send(name="New Visitor", phone="+7 912 000-11-33", submission_id="n")
    world.process()
    world.hub.timers.step()
    told = page(world, f"robots/{row.id}/edit")
    assert world.leads["New Visitor"] in told
    assert re.search(r"Within a day: [1-9] done", page(world, "robots"))
