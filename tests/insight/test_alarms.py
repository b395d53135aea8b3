"""Conversion and its alarms: the book's example, the exact tests, and simulated months with and without a cause."""

from __future__ import annotations

import os
import random
from itertools import combinations
from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import update

from hub.clock import DAY
from hub.funnel.evidence import show
from hub.funnel.moves import convert_lead, move_deal, move_lead, reject_lead
from hub.insight.alarms import SELLING, STREAM, alarms, raise_alarms
from hub.insight.certain import certain, few_of, fewer_than_others
from hub.insight.conversion import (
    COHORT,
    PERIOD,
    Journey,
    overall,
    rates,
    read_journeys,
    untouched_status,
    wasted_ms,
)
from hub.model import lead, signal
from tests.funnel.desk import Desk

MONTHS = 1000 if os.environ.get("LEADHUB_CAMPAIGN") == "full" else 100
CAMPAIGNS = (("ads", "spring"), ("ads", "brand"), ("social", "video"), ("social", "stories"), ("site", ""))
PEOPLE = ("anna", "boris", "vera", "gleb")


# ── exact tests ──────────────────────────────────────────────────────────────────────────────────


@given(st.integers(1, 40), st.data())
def test_the_binomial_tail(tries: int, data: st.DataObject) -> None:
    wins = data.draw(st.integers(0, tries))
    exact = sum(comb(tries, n) * 0.05**n * 0.95 ** (tries - n) for n in range(wins + 1))
    assert few_of(wins, tries, 0.05) == pytest.approx(exact)


@given(st.lists(st.booleans(), min_size=2, max_size=9), st.data())
def test_the_comparison_counts_every_way_to_deal_the_wins_out(won: list[bool], data: st.DataObject) -> None:
    mine = data.draw(st.integers(1, len(won) - 1))
    wins = sum(won[:mine])
    ways = [sum(won[place] for place in places) for places in combinations(range(len(won)), mine)]
    exact = sum(way <= wins for way in ways) / len(ways)
    table = (wins, mine, sum(won[mine:]), len(won) - mine)
    assert fewer_than_others([table]) == pytest.approx(exact)


def test_tables_are_put_together_within_their_campaigns() -> None:
    """Everybody wins one in ten of the poor leads and nine of the good: who got the poor ones is not to blame."""
    poor, good = (9, 90, 1, 10), (9, 10, 81, 90)
    assert fewer_than_others([(18, 100, 82, 100)]) < 1e-9
    assert fewer_than_others([poor, good]) > 0.3


@given(st.dictionaries(st.integers(0, 9), st.floats(0, 1)))
def test_looking_at_many_takes_more_to_be_certain(chances: dict[int, float]) -> None:
    found = certain(chances, 0.05)
    assert all(chances[key] <= 0.05 for key in found)
    assert all(chances[key] <= 0.05 / (len(chances) - place) for place, key in enumerate(found))
    assert set(certain({key: chance for key, chance in chances.items() if key in found}, 0.05)) == set(found)


# ── simulated months ─────────────────────────────────────────────────────────────────────────────


def month(seed: int, bad: str = "", weak: str = "") -> list[Journey]:
    """Six hundred leads; three in ten become deals, two in five of those are won. Of a `bad` campaign one in a hundred
    becomes a deal; a `weak` seller wins one deal in twenty."""
    chance = random.Random(seed)
    made = []
    for _ in range(600):
        source, campaign = chance.choice(CAMPAIGNS)
        who = chance.choice(PEOPLE)
        converted = chance.random() < (0.01 if campaign == bad and bad else 0.30)
        closed = converted and chance.random() < 0.9
        won = closed and chance.random() < (0.05 if who == weak else 0.40)
        lost = chance.choice(["in_work", "offer_sent", "offer_sent"]) if closed and not won else ""
        made.append(Journey(source, campaign, "d", who, converted, who if converted else "", closed, won, lost))
    return made


@pytest.mark.campaign
def test_a_bad_campaign_is_named_in_nineteen_months_of_twenty() -> None:
    right = 0
    for seed in range(MONTHS):
        found = alarms(month(seed, bad="video"))
        right += [(one.kind, one.by, one.cause) for one in found] == [(STREAM, "campaign", "social · video")]
    assert right >= 0.95 * MONTHS


@pytest.mark.campaign
def test_a_weak_seller_is_named_in_nineteen_months_of_twenty() -> None:
    right = 0
    for seed in range(MONTHS):
        found = alarms(month(seed, weak="vera"))
        right += [(one.kind, one.cause) for one in found] == [(SELLING, "vera")]
        assert all(one.stage in ("", "offer_sent", "in_work") for one in found)
    assert right >= 0.95 * MONTHS


@pytest.mark.campaign
def test_healthy_months_are_quiet() -> None:
    assert sum(bool(alarms(month(seed))) for seed in range(1000, 1000 + MONTHS)) <= 0.05 * MONTHS


def test_a_person_who_converts_nothing_is_named_and_no_campaign_is() -> None:
    chance = random.Random(1)
    made = [
        Journey(*chance.choice(CAMPAIGNS), "d", who, who != "gleb" and chance.random() < 0.3)
        for who in PEOPLE for _ in range(150)
    ]  # fmt: skip
    assert [(one.by, one.cause) for one in alarms(made)] == [("person", "gleb")]


def test_few_leads_prove_nothing() -> None:
    assert alarms([Journey("ads", "new", "d", "anna", False) for _ in range(30)]) == []


# ── from what is stored ──────────────────────────────────────────────────────────────────────────


def test_a_hundred_leads_and_twenty_deals_are_twenty_percent(desk: Desk) -> None:
    for number in range(100):
        lead_id = desk.open(source="ads", touch={"utm": {"campaign": "spring"}})
        if number % 5 == 0:
            deal_id = desk.do(convert_lead, lead_id, "member:x")
            desk.do(move_deal, deal_id, "won" if number % 10 else "lost", "member:x")
        else:
            desk.do(reject_lead, lead_id, "no", "member:x")
    until = desk.clock.now() + 1
    with desk.store.read() as conn:
        for how in (COHORT, PERIOD):
            found = read_journeys(conn, 0, until, until, how)
            assert overall(found).percent == 20.0
            assert rates(found, "campaign")["ads · spring"].percent == 20.0
            assert rates(found, "source")["ads"].won_percent == 50.0
        assert read_journeys(conn, until, until + DAY, until, COHORT) == []


def test_cohort_asks_when_the_lead_came_and_period_when_it_happened(desk: Desk) -> None:
    first, second = desk.open(source="a"), desk.open(source="b")
    border = desk.clock.now() + 20 * DAY
    desk.clock.at = border + 1000
    desk.do(convert_lead, first, "member:x")
    with desk.store.read() as conn:
        before, now = (0, border, desk.clock.now()), (border, border + DAY, desk.clock.now())
        assert rates(read_journeys(conn, *before), "source")["a"].converted == 1
        assert overall(read_journeys(conn, *before)).leads == 2, "after two weeks an open lead counts"
        assert overall(read_journeys(conn, *before, PERIOD)).converted == 0
        assert overall(read_journeys(conn, *now, PERIOD)).converted == 1
        assert overall(read_journeys(conn, *now, PERIOD)).leads == 0
    assert desk.lead(second).state == "open"


def test_an_alarm_is_told_once_and_again_when_it_is_over(desk: Desk) -> None:
    for _ in range(200):
        desk.open(source="ads", state="rejected", reason="Spam", closed_at=desk.clock.now())
    for _ in range(2):
        with desk.store.write() as conn:
            [found] = raise_alarms(conn, desk.clock, desk.id_of("Olga"))
    assert (found.by, found.share) in (("source", 0.0), ("person", 0.0))
    [told] = desk.rows(signal)
    assert (told.state, told.facts["percent"]) == ("open", 0.0)
    with desk.store.write() as conn:
        conn.execute(update(lead).values(opened_at=lead.c.opened_at - 60 * DAY))
        assert raise_alarms(conn, desk.clock, "") == []
    assert desk.rows(signal)[0].state == "over"


def test_a_status_without_evidence_is_listed_and_wasted_time_is_counted(desk: Desk) -> None:
    clicked, worked = desk.open(source="ads"), desk.open(source="ads")
    for one in (clicked, worked):
        desk.do(move_lead, one, "warm", f"member:{desk.id_of('Ivan')}")
    desk.do(show, worked, "call", "member:x", ms=90_000)
    desk.do(reject_lead, worked, "no", "member:x")
    with desk.store.read() as conn:
        assert [row.id for row in untouched_status(conn, 0)] == [clicked]
        assert wasted_ms(conn, "ads", 0, desk.clock.now() + 1) == 90_000
