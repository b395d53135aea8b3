"""The desk in a real browser: what the lead desk does all day."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from hub.funnel.moves import move_lead, take_lead
from tests.browser.conftest import Enter, House


def card(page: Page, name: str) -> None:
    page.get_by_role("link", name=name).click()
    expect(page.locator("#card h1")).to_have_text(name)


def test_a_wrong_password_stays_outside(enter: Enter) -> None:
    page = enter("")
    page.fill("[name=login]", "dora")
    page.fill("[name=password]", "wrong")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("alert")).to_have_text("Login or password is wrong.")


def test_a_new_lead_appears_by_itself_within_five_seconds(enter: Enter, house: House) -> None:
    with house.world.hub.store.write() as conn:
        clock, lead_id = house.world.hub.clock, house.world.leads["Maria Schmidt"]
        take_lead(conn, clock, lead_id, house.world.members["dan"])
        move_lead(conn, clock, lead_id, "warm", "hub")
    page = enter("dora")
    page.evaluate("window.same = true")
    house.world.send(name="Late Comer", phone="+1 415 555 2671", message="Are you there?", submission_id="late")
    house.world.process()
    began = time.monotonic()
    expect(page.locator(".row").first).to_contain_text("Late Comer", timeout=5000)
    assert time.monotonic() - began < 5
    assert page.evaluate("window.same") is True, "without loading the page anew"
    if pictures := os.environ.get("LEADHUB_PICTURES"):
        page.screenshot(path=str(Path(pictures) / "desk.png"))


def test_ages_grow_without_asking_the_server(enter: Enter, house: House) -> None:
    house.world.send(name="Late Comer", phone="+1 415 555 2671", submission_id="late")
    house.world.process()
    page = enter("dora")
    age = page.locator(".row").first.locator("time")
    first = age.inner_text()
    expect(age).not_to_have_text(first, timeout=4000)


def test_accept_on_the_card_then_reject_and_reopen(enter: Enter) -> None:
    page = enter("dora")
    card(page, "Maria Schmidt")
    page.get_by_role("button", name="Accept").click()
    expect(page.locator(".story")).to_contain_text("Accepted.")
    expect(page.locator(".strip")).to_contain_text("Dora Desk")
    page.get_by_text("Reject", exact=True).click()
    page.get_by_role("button", name="No budget").click()
    expect(page.locator("input[name=reason][list=reasons]")).to_have_value("No budget")
    page.get_by_role("button", name="Reject this lead").click()
    expect(page.locator(".story")).to_contain_text("Rejected: No budget")
    page.get_by_role("button", name="Reopen").click()
    expect(page.locator(".story")).to_contain_text("Reopened on stage “New”.")


def test_a_note_is_written_on_the_card(enter: Enter) -> None:
    page = enter("dora")
    card(page, "Maria Schmidt")
    page.get_by_text("Note", exact=True).first.click()
    page.fill("textarea[name=text]", "She wants oak & brass")
    if pictures := os.environ.get("LEADHUB_PICTURES"):
        page.screenshot(path=str(Path(pictures) / "note.png"))
    page.get_by_role("button", name="Save").first.click()
    expect(page.locator(".story")).to_contain_text("Note: She wants oak & brass")


def test_accept_in_the_list(enter: Enter) -> None:
    page = enter("dora")
    page.locator(".row", has_text="Maria Schmidt").get_by_role("button", name="Accept").dblclick()
    expect(page.locator("#card h1")).to_have_text("Maria Schmidt")
    expect(page.locator(".strip")).to_contain_text("Dora Desk")


def test_moving_and_qualifying(enter: Enter) -> None:
    page = enter("ada")
    card(page, "Ivan Petrov")
    page.get_by_label("Stage", exact=True).select_option("warm")
    page.get_by_role("button", name="Move").click()
    expect(page.locator(".title")).to_contain_text("Warm")
    page.get_by_text("Qualify", exact=True).click()
    page.get_by_label("Who goes on with it").select_option(label="Sam Seller")
    page.get_by_role("button", name="Qualify and hand over").dblclick()
    expect(page.locator(".title")).to_contain_text("Closed: qualified")
    page.locator(".strip").get_by_role("link").click()
    expect(page.locator(".title")).to_contain_text("Created")
    page.get_by_label("Stage", exact=True).select_option("won")
    page.get_by_role("button", name="Move").click()
    expect(page.locator(".title")).to_contain_text("Won")


def test_a_taken_lead_is_taken(enter: Enter) -> None:
    dora, dan = enter("dora"), enter("dan")
    card(dora, "Maria Schmidt")
    card(dan, "Maria Schmidt")
    dora.get_by_role("button", name="Accept").click()
    expect(dora.locator(".strip")).to_contain_text("Dora Desk")
    dan.get_by_role("button", name="Accept").click()
    expect(dan.get_by_role("alert")).to_have_text("Dora Desk has taken this lead already.")
    expect(dan.locator(".strip")).to_contain_text("Dora Desk")


def test_the_lead_desk_has_no_door_to_deals(enter: Enter, house: House) -> None:
    page = enter("dora")
    expect(page.locator(".bar nav a")).to_have_text(["Desk", "Board"])
    assert page.goto(f"{house.address}/board")
    expect(page.locator(".block.deal")).to_have_count(0)


def test_in_russian(enter: Enter) -> None:
    page = enter("dora")
    page.locator(".me summary").click()
    page.get_by_role("button", name="Русский").click()
    expect(page.locator(".legend")).to_contain_text("Следующий шаг")
    card(page, "Ольга Соколова")
    page.get_by_role("button", name="Принять").click()
    expect(page.locator(".story")).to_contain_text("Лид принят в работу.")
    expect(page.locator("html")).to_have_attribute("lang", "ru")


def test_everything_is_reached_by_keyboard(enter: Enter) -> None:
    page = enter("dora")
    reached = set()
    for _press in range(40):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("(document.activeElement.innerText || document.activeElement.name || '').trim()"))
    reached = {re.sub(r"\s*\d+\+?$", "", text) for text in reached}
    assert {"To the content", "Desk", "Board", "Mine", "q", "Search", "Maria Schmidt", "Accept"} <= reached
    page.get_by_role("link", name="Maria Schmidt").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#card h1")).to_have_text("Maria Schmidt")
    page.get_by_text("Reject", exact=True).focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.type("Only comparing prices")
    page.keyboard.press("Enter")
    expect(page.locator(".story")).to_contain_text("Rejected: Only comparing prices")


@pytest.mark.parametrize("width", [390, 1280])
def test_pages_fit_their_window(enter: Enter, house: House, width: int) -> None:
    page = enter("ada", width=width)
    addresses = ["/desk", "/board", "/deals", f"/leads/{house.world.leads['Maria Schmidt']}"]
    for address in addresses:
        page.goto(house.address + address)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, address


def test_losing_the_session_leads_to_the_login(enter: Enter) -> None:
    page = enter("dora")
    page.context.clear_cookies()
    page.wait_for_selector("[name=password]")
