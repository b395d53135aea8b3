"""Decisions and conversions in a real browser: later, the contact only, what arrived, the way back."""

from __future__ import annotations

import os
from pathlib import Path

from playwright.sync_api import Page, expect

from hub.clock import DAY, instant
from tests.browser.conftest import Enter, House


def card(page: Page, name: str) -> None:
    page.get_by_role("link", name=name).click()
    expect(page.locator("#card h1")).to_have_text(name)


def picture(page: Page, name: str) -> None:
    if pictures := os.environ.get("LEADHUB_PICTURES"):
        page.screenshot(path=str(Path(pictures) / f"{name}.png"), full_page=True)


def test_put_off_and_taken_up_again(enter: Enter, house: House) -> None:
    page = enter("dora")
    card(page, "Maria Schmidt")
    page.get_by_text("Later", exact=True).click()
    picture(page, "later")
    until = instant(house.world.hub.clock.now() + 60 * DAY).date().isoformat()
    page.get_by_label("Until", exact=True).fill(until)
    page.get_by_label("Why", exact=True).fill("Asks again in spring")
    page.get_by_role("button", name="Put it off").click()
    expect(page.locator(".title")).to_contain_text("put off")
    expect(page.locator(".story")).to_contain_text("Asks again in spring")
    page.get_by_role("button", name="Take it up again").click()
    expect(page.locator(".story")).to_contain_text("Reopened on stage “New”.")


def test_a_deal_shows_what_arrived_and_goes_back(enter: Enter) -> None:
    page = enter("ada")
    card(page, "Ivan Petrov")
    page.get_by_text("Qualify", exact=True).click()
    page.get_by_label("Who goes on with it").select_option(label="Ada Admin")
    page.get_by_role("button", name="Qualify and hand over").click()
    page.locator(".strip").get_by_role("link").click()
    expect(page.get_by_role("region", name="What arrived")).to_contain_text("complete")
    picture(page, "arrived")
    page.get_by_role("link", name="Take the deal back …").click()
    expect(page.locator("h1")).to_have_text("Take the deal back")
    picture(page, "back")
    page.get_by_role("button", name="Make it a lead again").click()
    expect(page.locator(".story")).to_contain_text("The deal was taken back")
    expect(page.get_by_role("button", name="Accept")).to_be_visible()


def test_a_second_deal_of_a_client(enter: Enter) -> None:
    page = enter("ada")
    card(page, "Ivan Petrov")
    page.get_by_text("Qualify", exact=True).click()
    page.get_by_label("Who goes on with it").select_option(label="Ada Admin")
    page.get_by_role("button", name="Qualify and hand over").click()
    page.locator(".strip").get_by_role("link").click()
    page.get_by_role("link", name="New deal for this client").click()
    page.get_by_text("A deal alone: a repeat order").click()
    page.get_by_role("button", name="Open the deal").click()
    expect(page.get_by_role("alert")).to_have_text("Say why.")
    picture(page, "new")
    page.get_by_label("Reason, for a deal alone").fill("Repeat order")
    page.get_by_role("button", name="Open the deal").click()
    expect(page.locator(".story")).to_contain_text("Repeat order")
