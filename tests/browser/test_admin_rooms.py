"""The rooms where routing, deadlines, robots and questions are set up, in a real browser: wide, on a phone, by keys."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from sqlalchemy import select

from hub.funnel import deadline_rules
from hub.funnel.questions import add_defaults
from hub.insight import drafts
from hub.model import calendar, robot, rule_set
from hub.robots.defaults import add_set
from hub.routing import pools, shifts
from tests.browser.conftest import Enter, House
from tests.web.world import World

WEEK = ["9-18"] * 5 + ["", "01:00-05:00"]
ACTOR = "member:x"


def furnish(world: World) -> dict[str, str]:
    """Something of everything, odd things included; ids for addresses."""
    clock, people = world.hub.clock, world.members
    with world.hub.store.write() as conn:
        told = {"name": "Office", "zone": "Europe/Berlin", "country": "DE", "region": "BY", "days": "2026-12-25 9-12"}
        plan = shifts.keep_plan(conn, clock, ACTOR, "", told, WEEK)
        shifts.keep_seat(conn, clock, ACTOR, people["dora"], {"skills": "language:de", "day_limit": "20"})
        row, shares = pools.pool_of(conn, "desk")
        pools.keep_pool(conn, clock, ACTOR, "desk", {**row, "calendar_id": plan, "overflow": "Seniors"}, shares)
        pools.keep_pool(conn, clock, ACTOR, "Seniors", pools.DEFAULTS, {})
        deadline_rules.write_defaults(conn, clock, ACTOR)
        draft_id = drafts.draft(conn, clock, drafts.read_body(conn), ACTOR, "Spring")
        robots = add_set(conn, clock, "lead_states")
        add_defaults(conn, clock)
        rule_id = deadline_rules.deadline_rules(conn)[0].id
    return {"plan": plan, "draft": draft_id, "robot": robots[0], "rule": str(rule_id), "dora": people["dora"]}


ROOMS = {
    "team": "team", "work": "team/{dora}/work", "hours": "hours", "plan": "hours/{plan}", "pools": "pools",
    "pool": "pools/desk", "rules": "rules", "drafts": "drafts", "draft": "drafts/{draft}",
    "trial": "drafts/{draft}/trial", "deadlines": "deadlines", "deadline": "deadlines/{rule}", "robots": "robots",
    "robot": "robots/{robot}/edit", "dry": "robots/{robot}/dry", "conversion": "conversion", "questions": "questions",
    "question": "questions/new", "watch": "watch",
}  # fmt: skip


@pytest.mark.parametrize("width", [1280, 390])
def test_every_room_fits(house: House, enter: Enter, tmp_path: Path, width: int) -> None:
    ids = furnish(house.world)
    page = enter("ada", width=width)
    wide = []
    for name, path in ROOMS.items():
        page.goto(f"{house.address}/admin/{path.format(**ids)}")
        assert page.locator("h1").count() == 1, name
        if page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth"):
            wide.append(name)
            page.screenshot(path=tmp_path / f"{name}-{width}.png", full_page=True)
    assert wide == []


def test_hours_by_keyboard_with_a_mistake_on_the_way(house: House, enter: Enter) -> None:
    page = enter("ada")
    page.goto(f"{house.address}/admin/hours/new")
    page.get_by_label("Name", exact=True).focus()
    page.keyboard.type("Shop")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.name") == "day-0"
    page.keyboard.press("Control+A")
    page.keyboard.type("nine to five")
    page.keyboard.press("Enter")
    page.get_by_text("“nine to five” is no span of time").wait_for()
    wrong = page.get_by_label("Monday")
    assert wrong.get_attribute("aria-invalid") == "true"
    assert wrong.input_value() == "nine to five"
    wrong.fill("9-17")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="The next two weeks").wait_for()
    with house.world.hub.store.read() as conn:
        assert conn.execute(select(calendar.c.week)).scalar_one()[0] == [["09:00", "17:00"]]


def test_a_draft_from_its_begin_to_its_publication(house: House, enter: Enter) -> None:
    page = enter("ada")
    page.goto(f"{house.address}/admin/drafts")
    page.get_by_label("What for").fill("Prices to Sam")
    page.get_by_role("button", name="Begin a draft").click()
    page.get_by_label("Add a pool").fill("Prices")
    page.get_by_role("button", name="Add", exact=True).last.click()
    page.get_by_role("link", name="Prices", exact=True).click()
    page.locator(f"[name=share-{house.world.members['sam']}]").fill("1")
    page.get_by_label("The client's own responsible first").uncheck()
    page.get_by_role("button", name="Save in the draft").click()
    page.get_by_text("Add a rule").click()
    page.get_by_label("Name", exact=True).fill("Prices")
    page.locator("[name=field-0]").fill("text")
    page.locator("[name=op-0]").select_option("contains")
    page.locator("[name=value-0]").fill("pricing")
    page.locator("details select[name=pool]").select_option("Prices")
    page.locator("details").get_by_role("button", name="Add").click()
    page.get_by_role("link", name="Try it on real inquiries").click()
    told = page.locator(".full").inner_text()
    assert re.fullmatch(r"Of 4 leads, [1-4] would have gone elsewhere\.", told)
    page.get_by_role("button", name="Publish exactly this").click()
    page.get_by_text("Version 2 counts from the next inquiry on.").wait_for()
    with house.world.hub.store.read() as conn:
        announced = conn.execute(select(rule_set.c.announced).where(rule_set.c.state == "live")).scalar_one()
    assert f"Of 4 leads, {announced['changed']} would" in told


def test_a_robot_is_put_together_without_a_word_of_json(house: House, enter: Enter) -> None:
    page = enter("ada", width=390)
    page.goto(f"{house.address}/admin/robots/new")
    page.get_by_label("Name", exact=True).fill("Warm again")
    page.get_by_label("What sets it off").select_option("opened")
    page.locator("[name=act-0-text]").fill("Call {nobody}")
    page.get_by_label("What to do").select_option("message")
    page.get_by_role("button", name="Add what to do").click()
    page.locator("[name=act-1-subject]").fill("Your inquiry")
    page.locator("[name=act-1-text]").fill("Dear {name|client}, we are here.")
    page.get_by_role("button", name="Save").click()
    page.get_by_text("nobody knows “{nobody}”").wait_for()
    assert page.locator("[name=act-1-subject]").input_value() == "Your inquiry"
    page.locator("[name=act-0-text]").fill("Call {name|the client}")
    page.get_by_role("button", name="Save").click()
    page.get_by_text("It would touch these now: 4").wait_for()
    with house.world.hub.store.read() as conn:
        actions, active = conn.execute(select(robot.c.actions, robot.c.active)).one()
    assert [one["do"] for one in actions] == ["task", "message"]
    assert not active
