"""Drafts of routing on real traffic: what is announced is what happens, and looking changes nothing."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, insert, select, text, update

from hub.clock import DAY, HOUR
from hub.insight.drafts import (
    NotPublished,
    complaints_of,
    draft,
    publish,
    read_body,
    roll_back,
    route_again,
    simulate,
    versions,
)
from hub.insight.traffic import facts_of
from hub.insight.trial import compare, outcomes
from hub.model import connection, direction, inquiry, journal, lead, member, rotation, rule
from hub.routing.rotation import POOL
from tests.funnel.desk import Desk
from tests.whole import JSON, whole_hub

SOURCES = ("webhook", "email", "telegram")


def arrive(desk: Desk, count: int, seed: int = 1) -> None:
    """Leads of some days with their inquiries: known people come again, some leads are closed."""
    chance = random.Random(seed)
    people = [desk.contact() for _ in range(count // 2 + 1)]
    for number in range(count):
        desk.clock.advance(chance.randint(60, 4 * 3600))
        who = chance.choice(people)
        source = chance.choice(SOURCES)
        closed = {"state": "rejected", "reason": "Spam", "closed_at": desk.clock.now() + chance.randint(1, 3) * HOUR}
        lead_id = desk.open(who, source=source, **closed)
        row = {
            "id": desk.clock.new_id(), "event_id": f"e{number}", "connection_id": "c", "key": f"k{number}",
            "kind": "inquiry", "decision": "new_lead", "contact_id": who, "lead_id": lead_id,
            "received_at": desk.clock.now(), "person": {"phones": [chance.choice(["+79161234567", "+4930123456"])]},
            "touch": {"utm": {"campaign": chance.choice("AB")}}, "fields": {"size": str(chance.randint(1, 9))},
        }  # fmt: skip
        with desk.store.write() as conn:
            conn.execute(insert(inquiry).values(row))


def changed(desk: Desk) -> dict[str, Any]:
    """Present routing with a rule in front, another pool, and limits."""
    with desk.store.read() as conn:
        body = read_body(conn)
        place = conn.execute(select(direction.c.id)).scalar()
    conditions = [
        {"field": "utm.campaign", "op": "is", "value": "a"},
        {"field": "field.size", "op": "at_least", "value": "5"},
    ]
    new = {"id": desk.clock.new_id(), "name": "Big ones", "conditions": conditions, "direction_id": place,
           "pool": "seniors", "active": True}  # fmt: skip
    limits = {"calendar_id": None, "offer": False, "off_hours": "hold", "duty_id": None, "overflow": POOL,
              "own_first": True, "skills": [], "seen_within_ms": 0, "open_limit": 0, "day_limit": 1,
              "month_limit": 0}  # fmt: skip
    return {"rules": [new, *body["rules"]], "shares": {**body["shares"], "seniors": {desk.id_of("Olga"): 1}},
            "pools": {**body["pools"], "seniors": limits}}  # fmt: skip


def tables(desk: Desk) -> list[Any]:
    """Everything that is stored, counted."""
    with desk.store.read() as conn:
        names = conn.execute(text("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")).scalars()
        return [(name, conn.execute(text(f"SELECT count(*), total_changes() FROM {name}")).first()) for name in names]


def test_what_is_announced_is_what_the_same_span_gives_afterwards(desk: Desk) -> None:
    arrive(desk, 80)
    since, until = desk.clock.now() - 60 * DAY, desk.clock.now() + 1
    with desk.store.write() as conn:
        draft_id = draft(conn, desk.clock, changed(desk), "member:x")
    before = tables(desk)
    with desk.store.read() as conn:
        trial = simulate(conn, draft_id, until, 60)
        announced = outcomes(conn, changed(desk), since, until)
    assert tables(desk) == before, "nothing was written"
    assert trial.leads == 80
    assert {one.after.pool for one in trial.differences} >= {"seniors"}
    assert sum(trial.after.values()) == 80
    with desk.store.write() as conn:
        assert publish(conn, desk.clock, draft_id, "member:x", trial) == 2
    with desk.store.read() as conn:
        live = outcomes(conn, read_body(conn), since, until)
        [newest, first] = versions(conn)
    assert [(one.lead_id, one.owner, one.pool) for one in live] == [(o.lead_id, o.owner, o.pool) for o in announced]
    assert (newest.state, newest.announced["changed"]) == ("live", len(trial.differences))
    assert first.state == "past"


def test_the_same_twice_is_no_difference(desk: Desk) -> None:
    arrive(desk, 30)
    with desk.store.read() as conn:
        body = json.loads(json.dumps(read_body(conn)))
        assert compare(conn, read_body(conn), body, 0, desk.clock.now() + 1).differences == ()


def test_shares_of_a_draft_show_in_who_gets_how_many(desk: Desk) -> None:
    arrive(desk, 60)
    with desk.store.write() as conn:
        body = read_body(conn)
        body["shares"][POOL] = {desk.id_of("Olga"): 1, desk.id_of("Ivan"): 0}
        trial = simulate(conn, draft(conn, desk.clock, body, "member:x"), desk.clock.now() + 1, 60)
    assert trial.after == {desk.id_of("Olga"): 60}
    assert trial.announced()["moved"] == [[desk.id_of("Ivan"), desk.id_of("Olga"), len(trial.differences)]]


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda body: body["rules"][0].update(direction_id="gone"), "its direction is gone"),
        (lambda body: body["rules"][0].update(conditions=[{"field": "x", "op": "is"}]), "there is no field “x”"),
        (lambda body: body["shares"].update({POOL: {"nobody": 1}}), "names nobody, who was deleted"),
    ],
)
def test_what_nobody_could_use_is_not_published(desk: Desk, spoil: Any, told: str) -> None:
    body = changed(desk)
    spoil(body)
    with desk.store.write() as conn:
        draft_id = draft(conn, desk.clock, body, "member:x")
        with pytest.raises(NotPublished, match=told):
            publish(conn, desk.clock, draft_id, "member:x")
        assert any(told in one for one in complaints_of(conn, body, desk.clock.now()))
    assert len(desk.rows(rule)) == 1


def test_going_back_names_the_leads_that_went_wrong_and_routes_them_again(desk: Desk) -> None:
    with desk.store.write() as conn:
        body = read_body(conn)
        body["shares"][POOL] = {desk.id_of("Olga"): 0, desk.id_of("Ivan"): 1}
        publish(conn, desk.clock, draft(conn, desk.clock, body, "member:x"), "member:x")
    desk.clock.advance(60)
    arrive(desk, 6)
    with desk.store.write() as conn:
        conn.execute(update(lead).values(state="open", closed_at=None).where(lead.c.id.in_(one_per_contact(desk))))
        assert {row.owner_id for row in conn.execute(select(lead))} == {desk.id_of("Ivan")}
        number, wrong = roll_back(conn, desk.clock, 1, "member:x")
        assert number == 3
        assert wrong
        assert {then for _lead, _now, then in wrong} == {desk.id_of("Olga")}
        assert route_again(conn, desk.clock, wrong) == len(wrong)
        assert route_again(conn, desk.clock, wrong) == 0
        assert {row.weight for row in conn.execute(select(rotation))} == {1}
        assert conn.execute(select(func.count()).select_from(member)).scalar() == 2


def one_per_contact(desk: Desk) -> list[str]:
    return list({row.contact_id: row.id for row in desk.rows(lead)}.values())


@pytest.fixture
def posted(tmp_path: Path) -> Iterator[tuple[Any, Any]]:
    """Inquiries that really came in, and what intake wrote of them."""
    with whole_hub(tmp_path) as whole:
        live = whole.connect("webhook", region="DE")
        for number in range(12):
            told = {"name": f"Anna {number}", "phone": f"030 12345{number:02}", "message": f"Hello {number}",
                    "utm_campaign": f"c{number % 3}", "page": "https://shop.test/x", "size": number}  # fmt: skip
            assert whole.post(live, json.dumps(told), JSON).status_code < 300
        whole.flow()
        yield whole, live


def test_rules_see_what_they_saw_when_the_inquiry_came(posted: Any) -> None:
    whole, _live = posted
    [place] = whole.rows(connection)
    rows = whole.rows(inquiry)
    assert len(rows) == 12
    for row in rows:
        facts = facts_of(row, place)
        assert (facts["source"], facts["region"], facts["text"]) == ("webhook", "DE", row.text)
    with whole.hub.store.read() as conn:
        found = outcomes(conn, read_body(conn), 0, whole.clock.now() + 1)
    told = {line.subject_id: line.facts["route"]["rule"] for line in whole.rows(journal, journal.c.what == "opened")}
    assert {one.lead_id: one.rule for one in found} == told


def test_a_trial_begins_with_nobody_loaded(desk: Desk) -> None:
    """What people have open today says nothing of who had room a month ago."""
    arrive(desk, 20)
    desk.pool(open_limit=2)
    until = desk.clock.now() + 1
    with desk.store.read() as conn:
        before = outcomes(conn, read_body(conn), 0, until)
    desk.clock.advance(60)
    for _ in range(4):
        desk.open()
    with desk.store.read() as conn:
        assert outcomes(conn, read_body(conn), 0, until) == before
