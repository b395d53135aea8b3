"""Conversion on a page: the counts of the book, both ways of counting, alarms that say how they were made certain."""

from __future__ import annotations

import re

import pytest
from sqlalchemy import insert, select

from hub.clock import DAY
from hub.model import contact, conversion, deal, direction, lead
from tests.web.world import World


def leads(world: World, campaign: str, count: int, converted: int, won: int = 0, ago: int = 20) -> None:
    """Closed leads of a campaign, so many of them deals, so many of those won."""
    clock = world.hub.clock
    with world.hub.store.write() as conn:
        place = str(conn.execute(select(direction.c.id)).scalar())
        for n in range(count):
            who, lead_id, deal_id = (clock.new_id() for _ in range(3))
            at = clock.now() - ago * DAY + n
            conn.execute(insert(contact).values(id=who, created_at=at, updated_at=at))
            conn.execute(insert(lead).values(
                id=lead_id, contact_id=who, direction_id=place, stage="rejected", opened_at=at, active_at=at,
                closed_at=at, state="converted" if n < converted else "rejected", owner_id=world.members["dora"],
                source="ads", reason="Spam",
                touch={"utm": {"campaign": campaign}},
            ))  # fmt: skip
            if n < converted:
                state = "won" if n < won else "lost"
                conn.execute(insert(deal).values(
                    id=deal_id, lead_id=lead_id, contact_id=who, direction_id=place, stage=state, state=state,
                    owner_id=world.members["sam"], opened_at=at, active_at=at, closed_at=at,
                ))  # fmt: skip
                conn.execute(insert(conversion).values(
                    id=clock.new_id(), lead_id=lead_id, n=1, deal_id=deal_id, state="done", by="x", at=at
                ))  # fmt: skip


def page(world: World, query: str = "") -> str:
    answer = world.admin.get(f"/admin/conversion{query}")
    assert answer.status_code == 200
    return str(answer.get_data(as_text=True))


def row(told: str, name: str) -> list[str]:
    found = re.search(rf"<tr><td>{re.escape(name)}</td>(.*?)</tr>", told)
    assert found, name
    return re.findall(r">([^<]+)</td>", found[1])


def test_a_hundred_leads_and_twenty_deals_are_20_0_percent(world: World) -> None:
    leads(world, "spring", 100, 20, 15)
    told = page(world)
    assert row(told, "ads")[:6] == ["100", "20", "20.0", "20", "15", "75.0"]
    assert row(told, "ads · spring")[:3] == ["100", "20", "20.0"]
    assert row(told, "Sales")[:3] == ["100", "20", "20.0"]
    assert row(told, "Dora Desk")[2] == "20.0"
    assert row(told, "Sam Seller")[3:5] == ["20", "15"]
    assert "No alarm" in told


def test_by_cohort_and_by_period_are_two_questions(world: World) -> None:
    leads(world, "old", 10, 5, ago=40)
    assert "ads · old" not in page(world)
    assert row(page(world, "?days=90"), "ads · old")[:3] == ["10", "5", "50.0"]
    with world.hub.store.write() as conn:
        conn.execute(conversion.update().values(at=world.hub.clock.now() - DAY))
    told = page(world, "?how=period")
    assert row(told, "ads · old")[:2] == ["0", "5"], "they came before this span and became deals in it"


def test_an_alarm_names_the_campaign_and_the_test(world: World) -> None:
    leads(world, "good", 200, 80, 40)
    leads(world, "<i>bad", 200, 1)
    told = page(world)
    assert "look at the stream" in told
    assert "Likely cause: ads · &lt;i&gt;bad" in told
    assert "0.5 % of 200" in told
    assert "Exact binomial tail" in told
    assert "Holm" in told
    assert re.search(r"Probability of chance: \d", told)
    watch = world.admin.get("/admin/watch").get_data(as_text=True)
    assert "look at the stream" in watch


@pytest.mark.parametrize("query", ["?days=0", "?days=x&how=<b>", "?days=7&how=period"])
def test_odd_questions_get_an_answer(world: World, query: str) -> None:
    assert "Conversion" in page(world, query)
