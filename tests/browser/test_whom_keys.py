"""Pairs that may be one person are answered from the keyboard: the next pair has the focus at once."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Page, expect
from sqlalchemy import select

from hub.model import contact, not_same, review, shared_key
from tests.browser.conftest import Enter, House


def ask(house: House) -> list[tuple[str, str]]:
    """Three open questions about six people."""
    with house.world.hub.store.write() as conn:
        ids = [f"person{n}" for n in range(6)]
        people = [{"id": one, "name": f"Nora Feld {one}", "created_at": 1, "updated_at": 1} for one in ids]
        conn.execute(contact.insert(), people)
        pairs = list(zip(ids[::2], ids[1::2], strict=True))
        rows: list[dict[str, Any]] = [
            {
                "id": f"0000000000000000000000000{n}",
                "first_id": a,
                "second_id": b,
                "at": n,
                "score": 9.0 - n,
                "rules": 1,
            }
            for n, (a, b) in enumerate(pairs)
        ]
        conn.execute(review.insert(), rows)
    return pairs


def answers(house: House) -> dict[tuple[str, str], str]:
    with house.world.hub.store.read() as conn:
        rows = conn.execute(select(review).order_by(review.c.score.desc()))
        return {(row.first_id, row.second_id): row.state for row in rows}


def press(page: Page, key: str, left: int) -> None:
    """Until the page that answers is there and listens: it gives a pair the focus."""
    page.keyboard.press(key)
    expect(page.locator("[data-pair]")).to_have_count(left)
    if left:
        expect(page.locator("[data-pair]:focus")).to_have_count(1)


def test_pairs_are_answered_without_a_mouse(enter: Enter, house: House) -> None:
    pairs = ask(house)
    page = enter("ada")
    page.goto(house.address + "/admin/whom")
    expect(page.locator("[data-pair]").first).to_be_focused()
    page.keyboard.press("j")
    expect(page.locator("[data-pair]").nth(1)).to_be_focused()
    press(page, "n", 2)
    assert answers(house)[pairs[1]] == "different"
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    press(page, "s", 1)
    assert answers(house)[pairs[0]] == "never"
    page.keyboard.press("x")
    press(page, "y", 0)
    assert answers(house)[pairs[2]] == "same"
    with house.world.hub.store.read() as conn:
        assert {(row.first_id, row.second_id) for row in conn.execute(select(not_same))} == {pairs[0], pairs[1]}
        merged = conn.execute(select(contact.c.merged_into).where(contact.c.id == pairs[2][1])).scalar()
        assert merged == pairs[2][0]
        assert conn.execute(select(shared_key)).all() == [], "these two had no identifier in common"
