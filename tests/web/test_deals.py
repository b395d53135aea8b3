"""Decisions on the card, the receipt of a conversion, the way back of a deal, deals without a lead."""

from __future__ import annotations

import re
from typing import Any

import pytest
from sqlalchemy import select, update

from hub.clock import DAY, instant
from hub.model import deal, lead, receipt
from tests.web.world import World, press


def one(world: World, table: Any, **where: Any) -> Any:
    with world.hub.store.read() as conn:
        return conn.execute(select(table).where(*(table.c[k] == v for k, v in where.items()))).one()


def converted(world: World, name: str = "Ivan Petrov") -> Any:
    """Sam's deal."""
    owner = {"owner": world.members["sam"]}
    assert press(world.admin, f"/leads/{world.leads[name]}/convert", **owner).status_code == 303
    return one(world, deal, lead_id=world.leads[name])


def text(world: World, path: str, login: str = "ada") -> str:
    return str(world.visitor(login).get(path).get_data(as_text=True))


def day(world: World, days: int) -> str:
    return instant(world.hub.clock.now() + days * DAY).date().isoformat()


# ── decisions ────────────────────────────────────────────────────────────────────────────────────


def test_later_with_day_and_reason_then_taken_up_again(world: World) -> None:
    lead_id = world.leads["Ivan Petrov"]
    dora = world.visitor("dora")
    assert press(dora, f"/leads/{lead_id}/later", until=day(world, -3), why="Spring").status_code == 409
    assert press(dora, f"/leads/{lead_id}/later", until="soon", why="Spring").status_code == 409
    assert press(dora, f"/leads/{lead_id}/later", until=day(world, 30), why="Spring").status_code == 303
    assert one(world, lead, id=lead_id).state == "nurture"
    page = text(world, f"/leads/{lead_id}", "dora")
    assert "Put off until" in page
    assert "Take it up again" in page
    assert "Ivan Petrov" in text(world, "/desk?show=later", "dora")
    assert "Ivan Petrov" not in text(world, "/desk", "dora")
    press(dora, f"/leads/{lead_id}/reopen")
    assert one(world, lead, id=lead_id).state == "open"


def test_another_inquiry_brings_back_who_was_put_off(world: World) -> None:
    lead_id = world.leads["Ivan Petrov"]
    press(world.admin, f"/leads/{lead_id}/later", until=day(world, 30), why="Spring")
    world.hub.clock.advance(60)  # type: ignore[attr-defined]
    again = {"name": "Ivan Petrov", "phone": "+7 912 345-67-89", "email": "ivan@example.com"}
    world.send(**again, message="Now, please", submission_id="again")
    world.hub.flow.drain()
    world.hub.timers.step()
    with world.hub.store.read() as conn:
        rows = list(conn.execute(select(lead).where(lead.c.contact_id == one(world, lead, id=lead_id).contact_id)))
    assert [(row.id, row.state, row.inquiries) for row in rows] == [(lead_id, "open", 2)]
    assert "A sign of life: open again" in text(world, f"/leads/{lead_id}")


def test_the_contact_only(world: World) -> None:
    lead_id = world.leads["Maria Schmidt"]
    for _n in range(2):
        assert press(world.admin, f"/leads/{lead_id}/contact", reason="A supplier").status_code == 303
    page = text(world, f"/leads/{lead_id}")
    assert page.count("Closed: the contact only. A supplier") == 1
    assert press(world.admin, f"/leads/{lead_id}/convert", owner=world.members["sam"]).status_code == 409


def test_a_target_action_is_noted(world: World) -> None:
    lead_id = world.leads["Maria Schmidt"]
    assert press(world.admin, f"/leads/{lead_id}/target", target="showing|booked").status_code == 303
    assert press(world.admin, f"/leads/{lead_id}/target", target="lunch|booked").status_code == 409
    assert "Showing: booked." in text(world, f"/leads/{lead_id}")


# ── the receipt and the way back ─────────────────────────────────────────────────────────────────


def test_the_deals_card_shows_what_arrived_and_what_is_missing(world: World) -> None:
    made = converted(world)
    page = text(world, f"/deals/{made.id}")
    counts = [re.search(rf"<dt>{kind}</dt><dd>(\d+) of (\d+)</dd>", page) for kind in ("Fields", "Activities")]
    assert all(found and found[1] == found[2] != "0" for found in counts)
    assert "complete" in page
    with world.hub.store.write() as conn:
        gone = [["fields", "title", "It is empty there"]]
        conn.execute(update(receipt).values(state="lacking", missing=gone))
    assert "It is empty there" in text(world, f"/deals/{made.id}")
    assert "It is empty there" in text(world, "/admin/attention")


def stamp(page: str) -> str:
    found = re.search(r'name="stamp" value="(\w+)"', page)
    assert found, page
    return found[1]


def test_untouched_a_deal_goes_back_exactly(world: World) -> None:
    lead_id = world.leads["Ivan Petrov"]
    before = one(world, lead, id=lead_id)
    made = converted(world)
    sam = world.visitor("sam")
    page = text(world, f"/deals/{made.id}/back", "sam")
    assert "exactly as it was" in page
    assert world.visitor("dora").get(f"/deals/{made.id}/back").status_code == 404
    assert press(sam, f"/deals/{made.id}/back", stamp=stamp(page)).status_code == 303
    after = one(world, lead, id=lead_id)
    assert after.owner_id == before.owner_id != world.members["sam"]
    assert (after.state, after.stage, after.next_step, after.next_step_at, after.title) == (
        "open", before.stage, before.next_step, before.next_step_at, before.title
    )  # fmt: skip
    assert one(world, deal, id=made.id).state == "reverted"


def test_what_happened_since_is_shown_and_a_plan_that_is_old_is_shown_again(world: World) -> None:
    made = converted(world)
    page = text(world, f"/deals/{made.id}/back")
    press(world.admin, f"/deals/{made.id}/stage", stage="in_work")
    old = press(world.admin, f"/deals/{made.id}/back", stamp=stamp(page))
    assert old.status_code == 409
    told = old.get_data(as_text=True)
    assert "Something happened since this was shown" in told
    assert "Moved from" in told
    assert one(world, deal, id=made.id).state == "open"
    assert press(world.admin, f"/deals/{made.id}/back", stamp=stamp(told)).status_code == 303
    assert one(world, lead, id=made.lead_id).state == "open"
    assert world.admin.get(f"/deals/{made.id}/back").status_code == 409


# ── a deal without a lead ────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("how", "reason", "status"), [("lead", "", 303), ("deal", "", 409), ("deal", "Repeat order", 303)]
)
def test_a_deal_from_the_client(world: World, how: str, reason: str, status: int) -> None:
    made = converted(world)
    press(world.admin, f"/deals/{made.id}/stage", stage="won")
    page = text(world, f"/deals/new?contact={made.contact_id}", "sam")
    place = re.search(r'<option value="(\w{26})"', page)
    assert place
    told = {"contact": made.contact_id, "direction": place[1], "how": how, "reason": reason}
    answer = press(world.visitor("sam"), "/deals/new", **told)
    assert answer.status_code == status, answer.get_data(as_text=True)
    with world.hub.store.read() as conn:
        rows = list(conn.execute(select(deal).where(deal.c.contact_id == made.contact_id, deal.c.id != made.id)))
    assert len(rows) == (status == 303)
    assert all(bool(row.lead_id) == (how == "lead") and row.owner_id == world.members["sam"] for row in rows)
    assert world.visitor("sue").get(f"/deals/new?contact={made.contact_id}").status_code == 404
