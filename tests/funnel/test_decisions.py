"""One decision per lead, the way back of who was put off, target actions, deals without a lead, deals taken back."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import insert, update
from sqlalchemy.exc import IntegrityError

from hub.clock import DAY
from hub.funnel.border import cross, strays
from hub.funnel.carried import lacking, look, receipts_of
from hub.funnel.dealing import open_deal, people_of
from hub.funnel.decisions import VISIT, keep_contact, put_off
from hub.funnel.evidence import show
from hub.funnel.moves import NotPossible, convert_lead, move_deal, move_lead, reject_lead, reopen_lead
from hub.funnel.questions import add_defaults, give_answer
from hub.funnel.targets import Target, note_target, set_targets, targets_of
from hub.funnel.wayback import plan_back, take_back
from hub.model import assignment, company, conversion, deal, inquiry, journal, lead, receipt
from hub.store.notes import note
from tests.funnel.desk import Desk

WEEK = 7 * DAY


def rest(desk: Desk, days: int = 7) -> str:
    """A lead that was put off for so many days."""
    lead_id = desk.open()
    desk.timers.step()
    desk.do(put_off, lead_id, desk.clock.now() + days * DAY, "Asks again in spring", "member:x")
    return lead_id


# ── one decision ─────────────────────────────────────────────────────────────────────────────────


def test_every_decision_is_a_state_with_its_reason(desk: Desk) -> None:
    ids = [desk.open() for _n in range(4)]
    desk.do(convert_lead, ids[0], "member:x")
    desk.do(keep_contact, ids[1], "A supplier", "member:x")
    desk.do(put_off, ids[2], desk.clock.now() + WEEK, "Later", "member:x")
    desk.do(reject_lead, ids[3], "Spam", "member:x")
    rows = [desk.lead(one) for one in ids]
    assert [row.state for row in rows] == ["converted", "contact", "nurture", "rejected"]
    assert [row.reason for row in rows] == ["", "A supplier", "Later", "Spam"]
    assert all(row.closed_at for row in rows)
    assert [row.return_at is not None for row in rows] == [False, False, True, False]
    assert len(desk.rows(deal)) == 1


@pytest.mark.parametrize(
    "values",
    [
        {"state": "rejected", "closed_at": 1},
        {"state": "nurture", "closed_at": 1, "reason": "x"},
        {"state": "nurture", "closed_at": 1, "return_at": 2},
        {"state": "open", "return_at": 2},
        {"state": "contact"},
        {"state": "decided", "closed_at": 1},
    ],
)
def test_the_database_takes_no_half_decision(desk: Desk, values: dict[str, Any]) -> None:
    lead_id = desk.open()
    with pytest.raises(IntegrityError), desk.store.write() as conn:
        conn.execute(update(lead).where(lead.c.id == lead_id).values(**values))
    assert desk.lead(lead_id).state == "open"


def test_a_lead_has_one_conversion_that_counts(desk: Desk) -> None:
    lead_id = desk.open()
    deal_id = desk.do(convert_lead, lead_id, "member:x")
    row = {"id": "C", "lead_id": lead_id, "n": 2, "deal_id": deal_id, "state": "done", "by": "x", "at": 1}
    with pytest.raises(IntegrityError), desk.store.write() as conn:
        conn.execute(insert(conversion).values(row))


@pytest.mark.parametrize("decide", [keep_contact, reject_lead])
def test_what_is_decided_is_decided_once(desk: Desk, decide: Any) -> None:
    lead_id = desk.open()
    desk.do(decide, lead_id, "Because", "member:x")
    for again in (keep_contact, reject_lead):
        with pytest.raises(NotPossible):
            desk.do(again, lead_id, "Because", "member:x")
    with pytest.raises(NotPossible):
        desk.do(convert_lead, lead_id, "member:x")
    desk.do(reopen_lead, lead_id, "new", "member:x")
    assert (desk.lead(lead_id).state, desk.lead(lead_id).reason) == ("open", "")


@pytest.mark.parametrize(
    ("until", "why", "code"), [(WEEK, " ", "needs_why"), (-1, "x", "bad_day"), (900 * DAY, "x", "bad_day")]
)
def test_later_needs_a_day_and_a_reason(desk: Desk, until: int, why: str, code: str) -> None:
    lead_id = desk.open()
    with pytest.raises(NotPossible) as refused:
        desk.do(put_off, lead_id, desk.clock.now() + until, why, "member:x")
    assert refused.value.code == code


# ── the way back of who was put off ──────────────────────────────────────────────────────────────


def test_on_its_day_it_is_somebodys_work_again_once(desk: Desk) -> None:
    lead_id = rest(desk)
    desk.wait(6 * DAY / 1000)
    assert desk.lead(lead_id).state == "nurture"
    desk.wait(DAY / 1000 + 1)
    row = desk.lead(lead_id)
    assert (row.state, row.next_step, row.return_at, row.reason) == ("open", "call_back", None, "")
    assert row.owner_id
    assert row.next_step_at > desk.clock.now()
    for _n in range(3):
        desk.wait(3 * WEEK / 1000)
    assert desk.told(lead_id).count("returned") == 1


@pytest.mark.parametrize("sign", ["joined", "message", "call", VISIT, "visit of the contact"])
def test_a_sign_of_life_brings_it_back_once(desk: Desk, sign: str) -> None:
    lead_id = rest(desk)
    who = desk.lead(lead_id).contact_id
    for _n in range(2):
        if sign == "visit of the contact":
            desk.do(note, "contact", who, VISIT, "source:x")
        elif sign == "message":
            desk.do(show, lead_id, "message", "source:x", way="in")
        elif sign == "call":
            desk.do(show, lead_id, "call", "member:x")
        else:
            desk.do(note, "lead", lead_id, sign, "source:x")
    desk.timers.step()
    assert desk.lead(lead_id).state == "open"
    assert desk.told(lead_id).count("returned") == 1
    assert len(desk.rows(assignment, assignment.c.lead_id == lead_id)) == 2


def test_a_robots_letter_and_older_news_bring_nobody_back(desk: Desk) -> None:
    lead_id = desk.open()
    with desk.store.write() as conn:  # said before, heard after
        show(conn, desk.clock, lead_id, "message", "source:x", way="in")
        desk.clock.advance(1)
        put_off(conn, desk.clock, lead_id, desk.clock.now() + WEEK, "Later", "member:x")
    desk.do(show, lead_id, "mail", "robot:r")
    assert desk.lead(lead_id).state == "nurture"


def test_who_came_back_by_another_lead_goes_on_there(desk: Desk) -> None:
    lead_id = rest(desk)
    other = desk.open(desk.lead(lead_id).contact_id)
    desk.wait(8 * DAY / 1000)
    assert (desk.lead(lead_id).state, desk.lead(other).state) == ("contact", "open")


def test_a_clock_runs_again_after_the_return(desk: Desk) -> None:
    lead_id = rest(desk)
    desk.do(show, lead_id, "message", "source:x", way="in")
    desk.timers.step()
    assert desk.lead(lead_id).state == "open"
    assert desk.lead(lead_id).next_step_at


# ── target actions ───────────────────────────────────────────────────────────────────────────────


def aim(desk: Desk, *wanted: Target) -> None:
    desk.do(set_targets, "", wanted, "member:x")


def test_the_chosen_action_converts_and_another_does_not(desk: Desk) -> None:
    aim(desk, Target("showing", "held"))
    lead_id = desk.open()
    desk.do(note_target, lead_id, "showing", "booked", "member:x")
    desk.do(note_target, lead_id, "consultation", "held", "member:x")
    assert desk.lead(lead_id).state == "open"
    desk.do(note_target, lead_id, "showing", "held", "member:x")
    assert desk.lead(lead_id).state == "converted"
    desk.timers.step()
    assert len(desk.rows(conversion)) == 1


def test_a_meeting_known_by_evidence_counts_as_held(desk: Desk) -> None:
    aim(desk, Target("meeting", "held"))
    lead_id = desk.open()
    desk.do(show, lead_id, "meeting", "crm:x")
    assert desk.lead(lead_id).state == "converted"


def test_a_move_within_the_lead_block_can_be_the_target(desk: Desk) -> None:
    aim(desk, Target("stage", "hot"))
    lead_id = desk.open()
    desk.do(move_lead, lead_id, "warm", "member:x")
    assert desk.lead(lead_id).state == "open"
    desk.do(move_lead, lead_id, "hot", "crm:x")
    assert desk.lead(lead_id).state == "converted"


def test_with_the_guard_it_waits_for_the_last_answer_and_then_crosses(desk: Desk) -> None:
    aim(desk, Target("meeting", "booked"))
    with desk.store.write() as conn:
        add_defaults(conn, desk.clock)
    lead_id = desk.open()
    for _n in range(2):
        desk.do(note_target, lead_id, "meeting", "booked", "member:x")
    assert (desk.lead(lead_id).state, desk.told(lead_id).count("target_waits")) == ("open", 1)
    desk.do(show, lead_id, "call", "member:x")
    desk.do(give_answer, lead_id, "need", "A kitchen", "member:x")
    assert desk.lead(lead_id).state == "open"
    desk.do(give_answer, lead_id, "portrait", "A family", "member:x")
    assert desk.lead(lead_id).state == "converted"
    assert "forced" not in desk.told(lead_id)


def test_without_the_guard_it_crosses_and_counts_as_forced(desk: Desk) -> None:
    aim(desk, Target("meeting", "booked", guard=False))
    with desk.store.write() as conn:
        add_defaults(conn, desk.clock)
    lead_id = desk.open()
    desk.do(note_target, lead_id, "meeting", "booked", "member:x")
    assert desk.lead(lead_id).state == "converted"
    assert desk.told(lead_id).count("forced") == 1


def test_a_direction_has_its_own_list(desk: Desk) -> None:
    aim(desk, Target("meeting", "held"))
    lead_id = desk.open()
    place = desk.lead(lead_id).direction_id
    desk.do(set_targets, place, [], "member:x")
    with desk.store.read() as conn:
        assert targets_of(conn, place) == ()
        assert targets_of(conn, "another") == (Target("meeting", "held"),)
    desk.do(show, lead_id, "meeting", "member:x")
    assert desk.lead(lead_id).state == "open"
    with pytest.raises(NotPossible, match="lunch booked"):
        desk.do(set_targets, "", [Target("lunch", "booked")], "member:x")


# ── from a contact or a company ──────────────────────────────────────────────────────────────────


def test_a_deal_from_a_contact_by_way_of_a_lead(desk: Desk) -> None:
    who, place = desk.contact(name="Anna"), desk.lead(desk.open()).direction_id
    deal_id = desk.do(open_deal, who, place, desk.id_of("Ivan"), "lead", "", "member:x")
    [row] = desk.rows(deal, deal.c.id == deal_id)
    assert (row.contact_id, row.owner_id, row.title) == (who, desk.id_of("Ivan"), "Anna")
    assert desk.lead(row.lead_id).state == "converted"
    with desk.store.read() as conn:
        assert strays(conn) == []


def test_or_the_open_lead_there_is(desk: Desk) -> None:
    lead_id = desk.open()
    row = desk.lead(lead_id)
    deal_id = desk.do(open_deal, row.contact_id, row.direction_id, row.owner_id, "lead", "", "member:x")
    assert desk.rows(deal, deal.c.id == deal_id)[0].lead_id == lead_id
    other = desk.lead(desk.open())
    with pytest.raises(NotPossible) as refused:
        desk.do(open_deal, other.contact_id, other.direction_id, other.owner_id, "deal", "Repeat order", "member:x")
    assert refused.value.code == "has_open_lead"


def test_a_deal_alone_needs_a_reason_and_is_no_stray(desk: Desk) -> None:
    who, place = desk.contact(name="Anna"), desk.lead(desk.open()).direction_id
    with pytest.raises(NotPossible) as refused:
        desk.do(open_deal, who, place, desk.id_of("Ivan"), "deal", " ", "member:x")
    assert refused.value.code == "needs_why"
    deal_id = desk.do(open_deal, who, place, desk.id_of("Ivan"), "deal", "Repeat order", "member:x")
    [row] = desk.rows(deal, deal.c.id == deal_id)
    assert row.lead_id is None
    assert any(one.facts.get("reason") == "Repeat order" for one in desk.rows(journal, journal.c.subject_id == deal_id))
    with desk.store.read() as conn:
        assert strays(conn) == []


def test_the_people_of_a_company_may_be_asked_for(desk: Desk) -> None:
    with desk.store.write() as conn:
        conn.execute(
            insert(company).values(
                id="F",
                name="Firm",
                **{
                    c.name: c.default.arg if c.default is not None and not callable(c.default.arg) else 0
                    for c in company.c
                    if c.name not in ("id", "name") and not c.nullable and c.type.python_type in (int,)
                },
            )
        )
    one = desk.contact(name="Boris", company_id="F")
    desk.contact(name="Anna")
    with desk.store.read() as conn:
        assert [row.id for row in people_of(conn, "F")] == [one]


# ── receipts and the way back of a deal ──────────────────────────────────────────────────────────


def test_the_receipt_counts_everything_and_names_what_is_missing(desk: Desk) -> None:
    lead_id = desk.open(
        title="Kitchen", text="A kitchen please", touch={"page": "https://k.test/", "utm": {"source": "ya"}}
    )
    desk.do(show, lead_id, "call", "member:x")
    deal_id = desk.do(convert_lead, lead_id, "member:x")
    with desk.store.read() as conn:
        [ours] = receipts_of(conn, deal_id)
    assert ours.state == "whole"
    assert ours.counts["fields"][0] == ours.counts["fields"][1] >= 8
    assert ours.counts["activities"][0] == ours.counts["activities"][1] >= 2
    [made] = desk.rows(conversion)
    with desk.store.write() as conn:
        conn.execute(update(lead).where(lead.c.id == lead_id).values(text=""))
        before = {**made.before, "files": ["plan.pdf"]}
        found = look(conn, before, deal_id)
        assert [one[:2] for one in found.missing] == [["fields", "text"], ["files", "plan.pdf"]]
        conn.execute(update(receipt).values(state="lacking", missing=found.missing))
        assert [row.deal_id for row in lacking(conn)] == [deal_id]


def kept(row: Any) -> dict[str, Any]:
    """A lead as far as it has to come back exactly."""
    return {name: value for name, value in row._mapping.items() if name not in ("version", "active_at")}


def test_untouched_it_comes_back_exactly(desk: Desk) -> None:
    lead_id = desk.open()
    desk.do(move_lead, lead_id, "warm", "member:x")
    before = kept(desk.lead(lead_id))
    deal_id = desk.do(convert_lead, lead_id, "member:x")
    assert desk.do(take_back, deal_id, "member:x") == lead_id
    assert kept(desk.lead(lead_id)) == before
    assert [row.state for row in desk.rows(deal)] == ["reverted"]
    assert {row.state for row in desk.rows(receipt)} == {"void"}
    with pytest.raises(NotPossible):
        desk.do(take_back, deal_id, "member:x")


def test_touched_it_needs_the_plan_that_was_shown(desk: Desk) -> None:
    lead_id = desk.open()
    desk.do(move_lead, lead_id, "hot", "member:x")
    deal_id = desk.do(convert_lead, lead_id, "member:x")
    desk.do(move_deal, deal_id, "in_work", "member:x")
    with pytest.raises(NotPossible) as refused:
        desk.do(take_back, deal_id, "member:x")
    assert refused.value.code == "plan_changed"
    with desk.store.read() as conn:
        plan = plan_back(conn, deal_id)
    assert (plan.untouched, plan.stage, [line.what for line in plan.since]) == (False, "hot", ["moved"])
    desk.do(move_deal, deal_id, "offer_sent", "member:x")
    with pytest.raises(NotPossible):
        desk.do(take_back, deal_id, "member:x", plan.stamp)
    with desk.store.read() as conn:
        plan = plan_back(conn, deal_id)
    with desk.store.write() as conn:
        conn.execute(update(deal).where(deal.c.id == deal_id).values(title="Renamed in the deal"))
        stamp = plan_back(conn, deal_id).stamp
    desk.do(take_back, deal_id, "member:x", stamp)
    row = desk.lead(lead_id)
    assert (row.state, row.stage, row.title) == ("open", "hot", "Renamed in the deal")


def test_a_card_sent_back_stands_where_it_stood(desk: Desk) -> None:
    with desk.store.write() as conn:
        add_defaults(conn, desk.clock)
    lead_id = desk.open()
    desk.do(move_lead, lead_id, "warm", "member:x")
    before = kept(desk.lead(lead_id))
    desk.do(convert_lead, lead_id, "crm:x")
    assert "sent_back" in desk.told(lead_id)
    assert kept(desk.lead(lead_id)) == before


def test_after_the_way_back_it_can_cross_again(desk: Desk) -> None:
    lead_id = desk.open()
    first = desk.do(cross, lead_id, "member:x")
    desk.do(take_back, first, "member:x")
    second = desk.do(cross, lead_id, "member:x")
    assert second != first
    assert sorted(row.state for row in desk.rows(conversion)) == ["done", "reverted"]


def test_files_are_counted_by_name(desk: Desk) -> None:
    lead_id = desk.open()
    with desk.store.write() as conn:
        who = desk.lead(lead_id).contact_id
        row = {c.name: "" for c in inquiry.c if not c.nullable and c.default is None}
        row |= {"id": "I", "lead_id": lead_id, "contact_id": who, "received_at": 1, "position": 0, "at": 1,
                "files": [{"name": "plan.pdf"}, {"name": "plan.pdf"}]}  # fmt: skip
        conn.execute(insert(inquiry).values({k: v for k, v in row.items() if k in inquiry.c}))
    deal_id = desk.do(convert_lead, lead_id, "member:x")
    with desk.store.read() as conn:
        [ours] = receipts_of(conn, deal_id)
    assert (ours.state, ours.counts["files"]) == ("whole", [2, 2])
