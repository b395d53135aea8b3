"""Notes and next steps of the desk in the CRM, and what people do in the CRM in our timelines."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import update

from connectors import registry
from connectors.crms.amocrm import AmoCRM
from connectors.errors import Refuse
from hub.cli_sandbox import rehearsable
from hub.clock import HOUR
from hub.funnel import moves
from hub.funnel.remarks import plan, remark
from hub.model import deadline, hanging, journal, lead, receipt, task
from hub.sync import unsaid
from hub.sync.health import health
from tests.flow.far import CALLS, far
from tests.flow.scene import CRM_USERS, Scene
from tests.real.stage import ANNA
from tests.servers import Stack

VERA = CRM_USERS["vera"]


def opened(made: Scene) -> Any:
    """Anna's lead, which is in the CRM and waits for its first touch."""
    made.post(name="Anna Berg", phone="+7 912 345-67-89", message="Two windows")
    made.settle()
    made.hub.timers.step()
    assert "first_touch" in running(made)
    listen(made)  # from now on
    return made.lead()


def running(made: Scene) -> set[str]:
    return {row.kind for row in made.rows(deadline, state="running")}


def listen(made: Scene) -> None:
    """The next look at what people did, and what follows from it."""
    made.advance(61)
    made.hub.puller.step(made.crm_id)
    made.hub.timers.step()


def write(made: Scene, text: str) -> None:
    with made.hub.store.write() as conn:
        remark(conn, made.clock, "lead", made.lead().id, text, made.members["vera"])


def said(made: Scene) -> list[tuple[str, str, str]]:
    rows = [row for row in made.rows(journal) if row.what in ("remark", "planned", "task_done", "call", "message")]
    return [(row.what, row.actor, row.facts.get("text", "")) for row in rows]


def test_a_note_arrives_once_and_a_call_over_there_stops_the_clock(play: Scene) -> None:
    row = opened(play)
    card = play.card()
    write(play, "She wants <b>oak</b> & brass")
    write(play, "She wants <b>oak</b> & brass")
    play.push()
    [note] = play.crm.notes
    assert (note["entity_id"], note["params"]) == (card["id"], {"text": "She wants <b>oak</b> & brass"})
    listen(play)
    vera = f"member:{play.members['vera']}"
    assert said(play) == [("remark", vera, "She wants <b>oak</b> & brass")], "our own words are no news"
    play.crm.drag_card(card["id"], play.spot("lead", "warm")[1])
    play.crm.jot("leads", card["id"], "common", text="Called her twice, she says")
    play.crm.jot("leads", card["id"], "call_out", by=0, text="robot's", duration=0)
    listen(play)
    assert "first_touch" not in running(play), "telephony names whose call it was"
    call = next(row for row in play.rows(journal) if row.what == "call")
    assert (call.subject_id, call.actor) == (row.id, vera)


def test_neither_a_stage_click_nor_a_note_nor_a_robot_stops_the_clock(small: Scene) -> None:
    opened(small)
    card = small.card()
    small.crm.drag_card(card["id"], small.spot("lead", "warm")[1])
    small.crm.jot("leads", card["id"], text="I looked at it")
    small.crm.jot("leads", card["id"], by=0, text="A robot was here")
    small.crm.jot("leads", card["id"], "sms_out", by=0, text="A robot writes")
    listen(small)
    listen(small)
    assert said(small) == [("remark", f"member:{small.members['vera']}", "I looked at it")]
    assert "first_touch" in running(small)
    [person] = small.cards("contacts")
    small.crm.jot("contacts", person["id"], "call_in", by=VERA, duration=40, text="")
    listen(small)
    assert "first_touch" not in running(small), "a call in the client's card is one of their lead"
    listen(small)
    assert [what for what, *_rest in said(small)].count("call") == 1


def test_a_next_step_is_a_task_there_and_comes_back_when_it_is_done(small: Scene) -> None:
    row = opened(small)
    until = small.clock.now() + 3 * HOUR
    with small.hub.store.write() as conn:
        plan(conn, small.clock, "lead", row, "Send the offer", until, small.members["vera"])
    small.push()
    [there] = small.crm.tasks
    assert (there["text"], there["complete_till"]) == ("Send the offer", until // 1000)
    assert small.lead().next_step_at == until
    listen(small)
    small.crm.finish(there["id"])
    listen(small)
    assert [what for what, *_rest in said(small)] == ["planned", "task_done"]
    assert small.row(task).done_at is not None
    assert "first_touch" in running(small), "a tick is no evidence of work"


def test_a_lost_answer_makes_no_second_note(small: Scene) -> None:
    opened(small)
    small.crm.fail("drop_after", path="leads/notes", method="POST")
    write(small, "Once")
    small.push()
    assert small.row(hanging).state == "uncertain"
    listen(small)
    assert [what for what, *_rest in said(small)] == ["remark"], "it may be ours"
    small.advance(200)
    small.push()
    assert small.row(hanging).state == "there"
    assert len(small.crm.notes) == 1
    listen(small)
    assert len(said(small)) == 1


def test_a_request_that_never_arrived_is_said_again(small: Scene) -> None:
    opened(small)
    write(small, "Twice the same")
    small.push()
    small.advance(120)
    small.crm.fail("drop", path="leads/notes", method="POST")
    write(small, "Twice the same")
    small.push()
    small.advance(200)
    small.push()
    assert [one["params"]["text"] for one in small.crm.notes] == ["Twice the same"] * 2
    assert {row.state for row in small.rows(hanging)} == {"there"}


def test_a_worker_that_dies_leaves_a_doubt(small: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    opened(small)
    write(small, "Before the crash")
    real = AmoCRM.write

    def dies(crm: AmoCRM, ops: Any) -> Any:
        real(crm, ops)
        raise KeyboardInterrupt

    monkeypatch.setattr(AmoCRM, "write", dies)
    with pytest.raises(KeyboardInterrupt):
        small.push()
    monkeypatch.setattr(AmoCRM, "write", real)
    assert small.row(hanging).state == "sending"
    small.push()
    assert small.row(hanging).state == "sending", "it is leased"
    small.advance(300)
    small.push()
    assert small.row(hanging).state == "there"
    assert len(small.crm.notes) == 1


def test_what_the_crm_refuses_is_parked_and_shown(small: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    opened(small)
    real = AmoCRM.worded
    monkeypatch.setattr(AmoCRM, "worded", lambda _crm, _activity: {"note_type": "no such", "params": {"text": "x"}})
    write(small, "Refused")
    small.push()
    assert small.row(hanging).state == "parked"
    with small.hub.store.read() as conn:
        [trouble] = [one for crm in health(conn) for one in crm.troubles]
    assert (trouble.code, trouble.count) == ("refuse", 1)
    monkeypatch.setattr(AmoCRM, "worded", real)
    with small.hub.store.write() as conn:
        assert unsaid.try_again(conn, small.clock, "member:x", small.row(hanging).id) == 1
    small.push()
    assert (small.row(hanging).state, len(small.crm.notes)) == ("there", 1)


def test_a_lost_note_that_cannot_be_looked_for_is_a_persons_question(
    small: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is neither said twice nor taken for refused."""
    opened(small)
    write(small, "Was it heard?")
    with small.hub.store.write() as conn:
        conn.execute(update(hanging).values(state="uncertain"))

    def refused(*_asked: object) -> None:
        raise Refuse("no right to read notes")

    monkeypatch.setattr(AmoCRM, "find", refused)
    small.push()
    row = small.row(hanging)
    assert (row.state, row.code, small.crm.notes) == ("parked", unsaid.IN_DOUBT, [])


def test_the_receipt_of_a_conversion_counts_our_notes(small: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    row = opened(small)
    write(small, "Arrives")
    small.push()
    real = AmoCRM.worded
    monkeypatch.setattr(AmoCRM, "worded", lambda _crm, _activity: {"note_type": "no such", "params": {"text": "x"}})
    write(small, "Is refused")
    small.push()
    monkeypatch.setattr(AmoCRM, "worded", real)
    with small.hub.store.write() as conn:
        moves.convert_lead(conn, small.clock, row.id, "hub")
    small.settle()
    theirs = small.row(receipt, connection_id=small.crm_id)
    assert theirs.counts["activities"] == [1, 2]
    [missing] = [one for one in theirs.missing if one[0] == "activities"]
    assert missing[1] == "Is refused"
    with small.hub.store.write() as conn:
        remark(conn, small.clock, "lead", row.id, "After the border", small.members["vera"])
    small.push()
    assert small.crm.notes[-1]["params"]["text"] == "After the border", "the lead's card is the deal's now"


def test_without_deadlines_it_is_looked_at_rarely(small: Scene) -> None:
    for _ in range(10):
        small.pull()
    assert not [path for path in small.crm.calls if "notes" in path or "tasks" in path], small.crm.calls
    small.advance(600)
    small.pull()
    assert sum(small.crm.calls[f"GET {kind}"] for kind in AmoCRM.activity_kinds) == len(AmoCRM.activity_kinds)


def test_what_was_done_before_the_lead_is_history(small: Scene) -> None:
    listen(small)
    small.advance(600)
    listen(small)
    opened(small)
    assert small.rows(lead)
    assert said(small) == []


NOTED = [name for name in rehearsable() if registry.crm(name).note_kind and name != "amocrm"]


@pytest.mark.parametrize("name", NOTED)
def test_notes_reach_every_crm_that_takes_them(name: str, embedded: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connectors.crms.hubspot.SEARCHES", 1000)
    with far(embedded, name, monkeypatch) as one:
        made = one.made
        one.set_up(registry.crm(name).facts.strategies[0])
        made.post(**ANNA)
        made.settle()
        made.hub.timers.step()
        listen(made)
        write(made, "She wants <b>oak</b>")
        with made.hub.store.write() as conn:
            plan(conn, made.clock, "lead", made.lead(), "Send the offer", made.clock.now() + HOUR, made.members["vera"])
        made.push()
        assert {(row.what, row.state, row.why) for row in made.rows(hanging)} == {
            ("note", "there", ""), ("task", "there", "")
        }  # fmt: skip
        listen(made)
        assert [what for what, *_rest in said(made)] == ["remark", "planned"], "our own words are no news"
        if name in CALLS:
            there = one.record("lead")
            assert "first_touch" in running(made)
            CALLS[name](one.state, there.kind, there.ref)
            made.advance(one.account.crm.facts.lag)
            listen(made)
            assert [what for what, *_rest in said(made)][-1] == "call"
            assert "first_touch" not in running(made)


def test_every_crm_that_tells_what_people_do_is_played() -> None:
    assert {name for name in rehearsable() if registry.crm(name).activity_kinds} == CALLS.keys()
