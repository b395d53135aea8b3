"""Pairs that may be one person: evidence side by side, one press answers, a merge can be taken back."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import select, update

from hub.model import contact, member
from tests.web.test_admin_attention import SECRET, post, webhook
from tests.web.world import World, press


def doubtful(world: World) -> list[dict[str, Any]]:
    """Two names for one number within a day, and what is asked about them."""
    row = webhook(world, SECRET)
    for name in ("Nora Feld", "Otto"):
        body = {"name": name, "phone": "+1 917 803 4387", "note": "A fence, please"}
        assert post(world, row, json.dumps(body).encode()).status_code == 200
    asked: list[dict[str, Any]] = world.admin.get("/admin/whom.json").get_json()
    return asked


def living(world: World) -> int:
    with world.hub.store.read() as conn:
        return len(conn.execute(select(contact.c.id).where(contact.c.merged_into.is_(None))).all())


@pytest.mark.parametrize(("said", "left"), [("same", 1), ("different", 2), ("never", 2)])
def test_a_pair_is_shown_with_its_evidence_and_answered(world: World, said: str, left: int) -> None:
    before = living(world)
    [one] = doubtful(world)
    assert {each["name"] for each in one["contacts"]} == {"Nora Feld", "Otto"}
    assert one["why"]
    page = world.admin.get("/admin/whom").get_data(as_text=True)
    assert "Nora Feld" in page
    assert "Another first name" in page
    assert 'accesskey="1"' in page
    assert press(world.admin, f"/admin/whom/{one['id']}/{said}").status_code == 303
    assert living(world) == before + left
    assert world.admin.get("/admin/whom.json").get_json() == []
    press(world.admin, f"/admin/whom/{one['id']}/{said}")
    assert "answered already" in world.admin.get("/admin/whom").get_data(as_text=True)


def test_why_a_merge_is_not_taken_back_is_said_in_the_language_of_the_reader(world: World) -> None:
    with world.hub.store.write() as conn:
        conn.execute(update(member).where(member.c.login == "ada").values(locale="ru"))
    press(world.admin, f"/admin/whom/merges/{world.form}")
    page = world.admin.get("/admin/whom").get_data(as_text=True)
    assert f"Нет объединения {world.form}, которое можно отменить" in page


def test_a_merge_is_taken_back_on_the_page(world: World) -> None:
    before = living(world)
    [one] = doubtful(world)
    press(world.admin, f"/admin/whom/{one['id']}/same")
    page = world.admin.get("/admin/whom").get_data(as_text=True)
    merge = page.partition("/admin/whom/merges/")[2].partition('"')[0]
    assert press(world.admin, f"/admin/whom/merges/{merge}").status_code == 303
    assert living(world) == before + 2
