"""A changed mapping over the inquiries of the last days: what is shown before it counts is what happens afterwards."""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy import select

import mappings
from hub.clock import DAY
from hub.insight.remapped import try_inbound, try_outbound
from hub.model import connection, inquiry
from tests.web.world import World, press

WISH = 'format = 1\n\n[inbound]\ncompany.from = ["Firma"]\n'


def seen(world: World) -> str:
    page = world.admin.get(f"/admin/connections/{world.form}/mapping").get_data(as_text=True)
    found = re.search(r'name="seen" value="([^"]+)"', page)
    assert found
    return found[1]


def tried(world: World, text: str, **typed: str) -> Any:
    address = f"/admin/connections/{world.form}/mapping/trial"
    return press(world.admin, address, **{"text": text, "seen": seen(world), **typed})


def stored(world: World) -> str:
    with world.hub.store.read() as conn:
        return str(conn.execute(select(connection.c.mapping)).scalar())


def send(world: World) -> None:
    world.send(name="Ann Firm", phone="+7 912 000-44-55", Firma="<b>Rose & Co", submission_id="f")
    world.process()


def test_the_difference_is_shown_per_lead_and_field_and_nothing_is_written(world: World) -> None:
    send(world)
    page = tried(world, WISH).get_data(as_text=True)
    assert "Of 5 inquiries and records of 7 days, 1 would have been read or written differently." in page
    assert "Ann Firm" in page
    assert "&lt;b&gt;Rose &amp; Co" in page
    assert "company" in page
    assert "field.Firma" in page
    assert stored(world) == ""
    press(world.admin, f"/admin/connections/{world.form}/mapping", text=WISH, seen=seen(world))
    assert stored(world) == WISH
    assert "0 would have been" in tried(world, WISH, days="90").get_data(as_text=True)


def test_what_was_announced_is_what_the_next_inquiry_gets(world: World) -> None:
    send(world)
    live = world.hub.connections.by_id(world.form)
    assert live is not None
    after = mappings.load_inbound(WISH, mappings.default_inbound())
    now = world.hub.clock.now() + 1
    trial = try_inbound(world.hub.store, live, mappings.default_inbound(), after, now - DAY, now)
    assert {(one.lead_id, one.field, one.before, one.after) for one in trial.changes} == {
        (world.leads["Ann Firm"], "company", "", "<b>Rose & Co"),
        (world.leads["Ann Firm"], "field.Firma", "<b>Rose & Co", ""),
    }
    assert (trial.seen, trial.changed, trial.fields) == (5, 1, {"company": 1, "field.Firma": 1})
    press(world.admin, f"/admin/connections/{world.form}/mapping", text=WISH, seen=seen(world))
    world.send(name="Bob Firm", phone="+7 912 000-44-66", Firma="<b>Rose & Co", submission_id="g")
    world.process()
    with world.hub.store.read() as conn:
        person, fields = conn.execute(select(inquiry.c.person, inquiry.c.fields).where(inquiry.c.key == "g")).one()
    assert person["company"] == "<b>Rose & Co"
    assert "Firma" not in fields


def test_a_text_with_a_mistake_is_not_tried(world: World) -> None:
    answer = tried(world, "format = 1\n[inbound]\ncompani.from = ['Firma']\n")
    assert answer.status_code == 422
    assert "Line 3" in answer.get_data(as_text=True)
    assert "compani.from" in answer.get_data(as_text=True)


def test_somebody_elses_text_is_said(world: World) -> None:
    assert "Somebody else saved this mapping" in tried(world, WISH, seen="old").get_data(as_text=True)


def test_cards_are_compared_as_they_would_be_written(world: World) -> None:
    text = mappings.shipped("amocrm")
    name = re.search(r'^title = .*crm = "(\w+)"', text, re.MULTILINE)
    assert name, "the shipped mapping has a title"
    before = mappings.load(text)
    after = mappings.load(mappings.rewrite(text, {"lead.title": None}, seen=mappings.stamp(text)))
    now = world.hub.clock.now() + 1
    with world.hub.store.read() as conn:
        trial = try_outbound(conn, before, after, now - DAY, now)
        same = try_outbound(conn, before, before, now - DAY, now)
    assert {(one.record, one.field, one.after) for one in trial.changes} == {("lead", name[1], "")}
    assert {one.lead_id for one in trial.changes} == set(world.leads.values())
    assert trial.seen == 8, "four leads and their contacts"
    assert same.changes == ()
