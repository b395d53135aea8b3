"""Conversions with a CRM beside: receipts read back, the way back, the border guard, who was put off."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from hub.funnel import moves
from hub.funnel.border import crossings
from hub.funnel.decisions import put_off
from hub.funnel.evidence import show
from hub.funnel.questions import add_defaults
from hub.funnel.targets import Target, note_target, set_targets
from hub.model import deal, journal, lead, link, receipt
from tests.flow.far import Far, far
from tests.flow.scene import Scene, scene
from tests.flow.test_whole_way import ANNA
from tests.real.stage import ANNA as HER
from tests.servers import Stack

DAY = 24 * 3600


@pytest.fixture
def blocks(stack: Stack) -> Iterator[Scene]:
    """amoCRM with one pipeline in two blocks; Anna's inquiry is there as a lead."""
    with scene(stack, set_up=False) as made:
        provision = made.hub.provision
        provision.apply(made.crm_id, provision.plan(made.crm_id, strategy="two_blocks"))
        made.post(**ANNA)
        made.settle()
        yield made


@pytest.fixture
def native(stack: Stack, crm: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Far]:
    """A CRM where leads are records of their own."""
    with far(stack, crm, monkeypatch) as made:
        made.set_up("native")
        inquiry: dict[str, Any] = {**HER}
        made.made.post(**inquiry)
        made.made.settle(2)
        yield made


def do(made: Scene, act: Any, *told: Any, **more: Any) -> Any:
    made.advance(0.01)
    with made.hub.store.write() as conn:
        return act(conn, made.clock, *told, **more)


def receipts(made: Scene) -> dict[str, Any]:
    return {row.connection_id: row for row in made.rows(receipt) if row.state != "void"}


def settled(made: Scene) -> None:
    made.settle()
    made.hub.timers.step()
    made.settle()


# ── one card for lead and deal ───────────────────────────────────────────────────────────────────


def test_every_field_is_read_back_on_the_deals_card(blocks: Scene) -> None:
    do(blocks, moves.convert_lead, blocks.lead().id, "member:x")
    assert receipts(blocks)[blocks.crm_id].state == "waiting"
    settled(blocks)
    ours, theirs = receipts(blocks)[""], receipts(blocks)[blocks.crm_id]
    assert (ours.state, ours.missing, theirs.state, theirs.missing) == ("whole", [], "whole", [])
    assert theirs.counts["fields"][0] == theirs.counts["fields"][1] >= 8
    assert theirs.counts["links"] == [2, 2]


def test_what_the_crm_lost_is_named(blocks: Scene) -> None:
    do(blocks, moves.convert_lead, blocks.lead().id, "member:x")
    blocks.push()
    card = blocks.card()
    (number,) = (n for n, one in blocks.crm.fields["leads"].items() if one["code"] == "HUB_TEXT")
    del card["cells"][number]
    blocks.advance(31)
    blocks.hub.receipts.step(blocks.crm_id)
    theirs = receipts(blocks)[blocks.crm_id]
    assert (theirs.state, [one[:2] for one in theirs.missing]) == ("lacking", [["fields", "text"]])


def test_untouched_the_card_goes_back_and_all_is_as_before(blocks: Scene) -> None:
    do(blocks, moves.move_lead, blocks.lead().id, "warm", "member:x")
    settled(blocks)
    keep = ("stage", "owner_id", "next_step", "next_step_at", "title", "temperature", "reason", "qualified_at")
    before, cells = {name: getattr(blocks.lead(), name) for name in keep}, dict(blocks.card()["cells"])
    deal_id = do(blocks, moves.convert_lead, blocks.lead().id, "member:x")
    settled(blocks)
    assert blocks.stands(blocks.card()) == blocks.spot("deal", "created")
    way = blocks.hub.unconvert.plan(deal_id)
    assert (way.exact, [card.what for card in way.cards]) == (True, ["moved"])
    blocks.hub.unconvert.carry_out(deal_id, "member:x", way.here.stamp)
    settled(blocks)
    assert {name: getattr(blocks.lead(), name) for name in keep} == before
    assert blocks.stands(blocks.card()) == blocks.spot("lead", "warm")
    assert blocks.card()["cells"] == cells
    assert blocks.link("lead").state == "linked"


def test_an_edit_in_the_crm_since_is_in_the_plan(blocks: Scene) -> None:
    deal_id = do(blocks, moves.convert_lead, blocks.lead().id, "member:x")
    settled(blocks)
    blocks.crm.edit("leads", blocks.card()["id"], price=5000)
    settled(blocks)
    way = blocks.hub.unconvert.plan(deal_id)
    assert not way.exact
    assert [line.facts["field"] for line in way.here.since if line.what == "field"] == ["amount"]
    with pytest.raises(moves.NotPossible):
        blocks.hub.unconvert.carry_out(deal_id, "member:x")
    blocks.hub.unconvert.carry_out(deal_id, "member:x", way.here.stamp)
    settled(blocks)
    assert blocks.lead().state == "open"
    assert blocks.stands(blocks.card()) == blocks.spot("lead", "new")


# ── the border guard ─────────────────────────────────────────────────────────────────────────────


def test_a_card_dragged_over_unqualified_is_back_within_seconds_of_being_seen(blocks: Scene) -> None:
    do(blocks, add_defaults)
    blocks.drag("deal", "in_work")
    blocks.hook(("leads", "status", blocks.card()["id"]))
    blocks.hub.flow.drain()
    blocks.hub.puller.step(blocks.crm_id)
    blocks.hub.timers.step()
    blocks.push()
    assert blocks.stands(blocks.card()) == blocks.spot("lead", "new")
    assert blocks.lead().state == "open"
    assert len(blocks.rows(journal, what="sent_back")) == 1
    with blocks.hub.store.read() as conn:
        assert crossings(conn, 0)["sent_back"] == 1
    settled(blocks)
    assert (blocks.lead().state, blocks.stands(blocks.card())) == ("open", blocks.spot("lead", "new"))


# ── who was put off ──────────────────────────────────────────────────────────────────────────────


def rest(made: Scene, days: int = 30) -> None:
    do(made, put_off, made.lead().id, made.clock.now() + days * DAY * 1000, "In spring", "member:x")


def test_the_next_inquiry_brings_it_back_on_the_same_card(blocks: Scene) -> None:
    rest(blocks)
    settled(blocks)
    assert blocks.lead().state == "nurture"
    blocks.post(**{**ANNA, "submission_id": "s-2", "message": "Now"})
    settled(blocks)
    assert (blocks.lead().state, blocks.lead().inquiries, len(blocks.cards())) == ("open", 2, 1)
    assert len(blocks.rows(journal, what="returned")) == 1


def test_on_its_day_with_owner_and_next_step_exactly_once(blocks: Scene) -> None:
    rest(blocks)
    for _n in range(3):
        blocks.advance(31 * DAY)
        blocks.hub.timers.step()
    row = blocks.lead()
    assert (row.state, bool(row.next_step), bool(row.owner_id)) == ("open", True, True)
    assert len(blocks.rows(journal, what="returned")) == 1


def test_a_move_of_its_card_takes_it_up_again(blocks: Scene) -> None:
    rest(blocks)
    settled(blocks)
    blocks.drag("lead", "hot")
    settled(blocks)
    assert (blocks.lead().state, blocks.lead().stage) == ("open", "hot")


# ── leads are records of their own ───────────────────────────────────────────────────────────────


@pytest.mark.parametrize("crm", ["espocrm"])
def test_native_the_deals_own_card_is_checked_and_serves_again(native: Far) -> None:
    made = native.made
    do(made, set_targets, "", [Target("showing", "held")], "member:x")
    do(made, note_target, made.lead().id, "showing", "held", "member:x")
    made.hub.timers.step()
    assert made.lead().state == "converted"
    settled(made)
    assert len(native.all("deal")) == 1
    theirs = receipts(made)[made.crm_id]
    assert theirs.state in ("whole", "lacking")
    assert theirs.counts["fields"][1] >= 4
    assert all(why for _kind, _name, why in theirs.missing)
    deal_id = made.deal().id
    way = made.hub.unconvert.plan(deal_id)
    assert [card.what for card in way.cards] == ["stays"]
    made.hub.unconvert.carry_out(deal_id, "member:x", way.here.stamp)
    settled(made)
    assert (len(native.all("deal")), len(native.all("lead"))) == (1, 1)
    assert (made.lead().state, made.row(deal).state) == ("open", "reverted")
    do(made, moves.convert_lead, made.lead().id, "member:x")
    settled(made)
    assert [one.ref for one in native.all("deal")] == [made.rows(link, role="deal", state="linked")[0].remote_id]


@pytest.mark.parametrize("crm", ["espocrm"])
def test_native_a_card_that_its_lead_does_not_name_is_removed(native: Far, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub.sync.unconvert.Unconvert._named", lambda *_told: False)
    made = native.made
    deal_id = do(made, moves.convert_lead, made.lead().id, "member:x")
    settled(made)
    way = made.hub.unconvert.plan(deal_id)
    assert [card.what for card in way.cards] == ["removed"]
    made.hub.unconvert.carry_out(deal_id, "member:x", way.here.stamp)
    settled(made)
    assert (len(native.all("deal")), len(native.all("lead")), made.lead().state) == (0, 1, "open")


@pytest.mark.parametrize("crm", ["espocrm"])
def test_native_a_card_that_people_that_people_changed_stays_and_is_named(native: Far) -> None:
    made = native.made
    deal_id = do(made, moves.convert_lead, made.lead().id, "member:x")
    settled(made)
    native.write("deal", title="Changed there")
    way = made.hub.unconvert.plan(deal_id)
    assert [card.what for card in way.cards] == ["stays"]
    assert "Changed there since" in way.cards[0].why


def test_a_meeting_held_converts_whatever_told_of_it(blocks: Scene) -> None:
    do(blocks, set_targets, blocks.direction_id, [Target("meeting", "held")], "member:x")
    do(blocks, show, blocks.lead().id, "meeting", f"crm:{blocks.crm_id}")
    settled(blocks)
    assert (blocks.row(lead).state, blocks.stands(blocks.card())) == ("converted", blocks.spot("deal", "created"))
