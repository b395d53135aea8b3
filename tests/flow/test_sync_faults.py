"""What goes wrong between the hub and a CRM: nothing is lost, nothing is there twice, nobody's edit is undone."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest

from connectors.crms.amocrm import AmoCRM
from connectors.crms.amocrm.sandbox import rules
from connectors.crms.amocrm.scan import BIN_EVERY
from connectors.http import Received
from hub.funnel import moves
from hub.model import connection, contact, journal, lead, link, pull_state
from hub.store.notes import mark_dirty
from hub.sync import push
from hub.sync.ledger import Ledger
from hub.sync.pull import Puller
from hub.sync.scans import Scans
from hub.sync.untaken import say_again
from tests.flow.scene import Scene

ANNA = {"name": "Anna Peters", "phone": "+79161234567", "email": "anna@peters.test", "submission_id": "s-1"}


@pytest.fixture
def waiting(small: Scene) -> Scene:
    """A lead that is about to travel."""
    small.post(**ANNA, message="Two windows")
    small.hub.flow.drain()
    return small


@pytest.fixture
def calm(small: Scene) -> Scene:
    """A lead that has arrived; nothing is left to do."""
    small.post(**ANNA, message="Two windows")
    small.settle()
    return small


def crowd(made: Scene, size: int) -> None:
    for number in range(size):
        made.post(name=f"Person {number}", phone=f"+7916{number:07}", submission_id=f"n-{number}")
    made.settle()
    assert len(made.cards()) == size


def retitle(made: Scene, title: str) -> None:
    """A person in the hub changes the lead."""
    with made.hub.store.write() as conn:
        conn.execute(lead.update().values(title=title))
        mark_dirty(conn, made.clock, [row.id for row in made.rows(lead)])


def one_card(made: Scene) -> None:
    """The lead is over there once, with its contact, and the hub knows both."""
    assert len(made.cards()) == len(made.cards("contacts")) == 1
    assert made.link("lead").remote_id == str(made.card()["id"])
    assert made.link("contact").remote_id == str(made.card("contacts")["id"])
    assert {made.link("lead").state, made.link("contact").state} == {"linked"}
    assert made.card()["links"]["contacts"] == [made.card("contacts")["id"]]


def wait_out_doubt(made: Scene) -> None:
    """Longer than any request of ours can live, plus the index, twice."""
    for _round in range(4):
        made.advance(70)
        made.push()
    made.settle()


# ── creating ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", ["drop_after", "500_after"])
def test_an_answer_lost_after_the_effect_makes_no_second_card(waiting: Scene, kind: str) -> None:
    waiting.crm.fail(kind, method="POST", path="leads")
    waiting.push()
    assert {row.state for row in waiting.rows(link) if row.role != "company"} == {"uncertain"}
    assert waiting.push() == 0
    waiting.advance(60)
    assert waiting.push() == 0, "asked again before our own request can have ended"
    wait_out_doubt(waiting)
    one_card(waiting)
    assert waiting.calls("POST", "leads/complex") == 1


def test_a_call_lost_before_the_effect_is_made_again_once(waiting: Scene) -> None:
    waiting.crm.fail("drop", method="POST", path="leads")
    waiting.push()
    assert waiting.link("lead").state == "uncertain"
    assert not waiting.cards()
    wait_out_doubt(waiting)
    one_card(waiting)
    told = [row.what for row in waiting.rows(journal, subject="lead")]
    assert told.count("in_crm") == 1
    assert "uncertain" in told


def test_a_search_index_that_lags_behind_makes_no_second_card(waiting: Scene) -> None:
    waiting.crm.lag = 55.0
    waiting.crm.fail("drop_after", method="POST", path="leads")
    waiting.push()
    wait_out_doubt(waiting)
    one_card(waiting)


@pytest.mark.parametrize(("status", "asked", "hold"), [("429", 20.0, 20), ("429", 0.0, 1), ("403", 0.0, 60)])
def test_no_call_is_made_while_the_crm_says_wait(waiting: Scene, status: str, asked: float, hold: int) -> None:
    waiting.crm.fail(status, method="POST", path="leads", seconds=asked)
    waiting.push()
    called = waiting.calls()
    waiting.advance(hold - 0.5)
    waiting.push()
    assert waiting.calls() == called
    waiting.advance(6)
    waiting.settle()
    one_card(waiting)


def test_an_hour_of_refusals_parks_nobody(waiting: Scene) -> None:
    """The account is over its budget; the lead itself has done nothing wrong."""
    waiting.crm.fail("429", times=1_000_000, method="POST", path="leads", seconds=30)
    for _minute in range(60):
        waiting.advance(60)
        waiting.push()
    assert waiting.link("lead").state == "new"
    waiting.crm.faults.waiting.clear()
    waiting.advance(70)
    waiting.settle()
    one_card(waiting)


def test_a_refused_field_stays_behind_and_the_rest_arrives(waiting: Scene) -> None:
    with waiting.hub.store.write() as conn:
        conn.execute(lead.update().values(title="x" * 300))
    waiting.settle()
    one_card(waiting)
    assert waiting.cell(waiting.card(), "HUB_TEXT") == "Two windows"
    told = waiting.link("lead")
    assert (told.code, waiting.lead().title) == ("left_out", "x" * 300), "the name the CRM made up is nobody's edit"
    retitle(waiting, "y" * 300)
    waiting.settle()
    told = waiting.link("lead")
    assert (told.state, told.code) == ("linked", "left_out"), "another value is tried, and listed too"
    assert "name" in told.base["@refused"]
    before = waiting.writes()
    waiting.settle()
    assert waiting.writes() == before


def test_a_refused_value_is_said_again_when_somebody_says_so(waiting: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    retitle(waiting, "x" * 300)
    waiting.settle()
    monkeypatch.setattr(rules, "_native", lambda *_told: [])  # names may be longer over there by now
    before = waiting.writes()
    waiting.settle()
    assert waiting.writes() == before, "nobody said so yet"
    for expected in (1, 0):
        with waiting.hub.store.write() as conn:
            assert say_again(conn, waiting.clock, waiting.crm_id) == expected
        waiting.settle()
    assert (waiting.card()["name"], waiting.link("lead").code) == ("x" * 300, "")
    assert waiting.writes() == before + 1


def test_a_person_there_names_the_card_whose_name_was_refused(waiting: Scene) -> None:
    with waiting.hub.store.write() as conn:
        conn.execute(lead.update().values(title="x" * 300))
    waiting.settle()
    waiting.crm.edit("leads", waiting.card()["id"], name="Windows for Anna")
    waiting.settle()
    assert (waiting.lead().title, waiting.link("lead").code) == ("Windows for Anna", "")


def test_one_bad_record_in_a_batch_fails_alone(small: Scene) -> None:
    for number in range(7):
        small.post(name=f"Person {number}", phone=f"+7916000000{number}", submission_id=f"n-{number}")
    small.hub.flow.drain()
    with small.hub.store.write() as conn:
        bad = small.rows(lead)[3].id
        conn.execute(lead.update().where(lead.c.id == bad).values(title="x" * 300))
    small.settle()
    assert len(small.cards()) == 7
    assert [row.record_id for row in small.rows(link, role="lead") if "@refused" in row.base] == [bad]


# ── updating ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", ["500", "500_after", "drop", "drop_after"])
def test_an_update_in_doubt_is_made_again(calm: Scene, kind: str) -> None:
    calm.crm.fail(kind, method="PATCH", path="leads")
    retitle(calm, "A new title")
    calm.push()
    calm.advance(10)
    calm.settle()
    assert calm.card()["name"] == "A new title"
    assert calm.link("lead").state == "linked"
    assert "name" not in calm.link("lead").sent


def test_an_update_in_doubt_does_not_beat_a_newer_one(calm: Scene) -> None:
    """What comes back is our own write, not an edit of a person over there."""
    calm.crm.fail("drop_after", method="PATCH", path="leads")
    retitle(calm, "First")
    calm.push()
    retitle(calm, "Second")
    calm.advance(10)
    calm.settle()
    assert calm.lead().title == calm.card()["name"] == "Second"
    assert not calm.rows(journal, what="conflict")


def test_a_record_that_always_breaks_the_crm_does_not_hold_up_the_others(small: Scene) -> None:
    """Every batch with the bad record ends in a 500; the others get through, it is put aside."""
    crowd(small, 6)
    poison = small.rows(lead)[2].id
    breaks_on(small, "Poison")
    with small.hub.store.write() as conn:
        conn.execute(lead.update().values(title="Fine"))
        conn.execute(lead.update().where(lead.c.id == poison).values(title="Poison"))
        mark_dirty(conn, small.clock, [row.id for row in small.rows(lead)])
    small.push()
    for _try in range(12):
        small.advance(11 * 3600)
        small.push()
    assert sorted(card["name"] for card in small.cards()).count("Fine") == 5
    assert small.row(link, record_id=poison).state == "parked"


def breaks_on(made: Scene, title: str) -> None:
    """The CRM answers 500 to every update that carries this title, and changes nothing."""
    live = made.hub.connections.by_id(made.crm_id)
    assert live is not None
    send = live.crm.http.send

    def breaking(method: str, url: str, **more: Any) -> Any:
        bad = method == "PATCH" and title in str(more.get("json"))
        return Received(500, {}, b"") if bad else send(method, url, **more)

    live.crm.http.send = breaking  # type: ignore[method-assign]


def test_both_sides_change_one_field_and_the_person_in_the_crm_wins(calm: Scene) -> None:
    retitle(calm, "From the hub")
    calm.crm.edit("leads", calm.card()["id"], name="From the CRM")
    calm.settle()
    assert calm.lead().title == calm.card()["name"] == "From the CRM"
    told = calm.row(journal, what="conflict").facts
    assert (told["hub"], told["crm"], told["winner"]) == ("From the hub", "From the CRM", "crm")


def test_both_sides_change_different_fields_and_both_stay(calm: Scene) -> None:
    with calm.hub.store.write() as conn:
        moves.move_lead(conn, calm.clock, calm.lead().id, "hot", "member:x")
    calm.crm.edit("leads", calm.card()["id"], name="From the CRM")
    calm.settle()
    assert (calm.lead().title, calm.lead().stage) == ("From the CRM", "hot")
    assert calm.stands(calm.card()) == calm.spot("lead", "hot")
    assert calm.card()["name"] == "From the CRM"


def test_phones_added_on_both_sides_are_united(calm: Scene) -> None:
    calm.post(**{**ANNA, "phone": "+79160000009", "submission_id": "s-2"})
    calm.hub.flow.drain()
    cells = [{"field_code": "PHONE", "values": [{"value": "+79161234567"}, {"value": "+79160000005"}]}]
    calm.crm.edit("contacts", calm.card("contacts")["id"], custom_fields_values=cells)
    calm.settle()
    everything = {"+79161234567", "+79160000009", "+79160000005"}
    assert calm.points("phone") == everything
    assert set(calm.cell(calm.card("contacts"), "PHONE", "contacts")) == everything


def test_an_edit_between_our_look_and_our_write_keeps_every_other_field(calm: Scene) -> None:
    """amoCRM has no conditional write, so between the look and the PATCH a person can be overwritten in the very
    field we write. Only that one: a PATCH carries nothing but what differs."""
    live = calm.hub.connections.by_id(calm.crm_id)
    assert live is not None
    write = live.crm.write

    def late(ops: Any) -> Any:
        calm.crm.edit("leads", calm.card()["id"], name="In between", price=700)
        return write(ops)

    live.crm.write = late  # type: ignore[method-assign]
    retitle(calm, "From the hub")
    calm.push()
    live.crm.write = write  # type: ignore[method-assign]
    calm.settle()
    assert calm.card()["name"] == calm.lead().title == "From the hub"
    assert calm.card()["price"] == 700


# ── deleting ─────────────────────────────────────────────────────────────────────────────────────


def test_a_deleted_card_is_not_made_again_and_its_lead_stays(calm: Scene) -> None:
    calm.crm.delete("leads", calm.card()["id"])
    calm.advance(BIN_EVERY)
    calm.settle()
    assert calm.link("lead").state == "tombstoned"
    assert calm.lead().state == "open"
    retitle(calm, "Changed afterwards")
    calm.post(**{**ANNA, "submission_id": "s-2", "message": "Hello?"})
    calm.settle()
    assert not calm.cards()
    assert calm.rows(journal, what="deleted_in_crm")


def test_a_contact_that_is_gone_is_noticed_when_it_is_written(calm: Scene) -> None:
    """Contacts have no list of deleted ones: a read by id that answers 204 is the evidence."""
    del calm.crm.rows["contacts"][calm.card("contacts")["id"]]
    with calm.hub.store.write() as conn:
        conn.execute(contact.update().values(company="Peters Ltd", position="Director"))
        mark_dirty(conn, calm.clock, [calm.contact().id])
    calm.settle()
    assert calm.link("contact").state == "tombstoned"
    assert calm.contact().position == "Director"
    assert not calm.cards("contacts")


def test_a_few_deletions_are_believed_and_many_at_once_wait_for_a_person(small: Scene) -> None:
    crowd(small, 20)
    for card in small.cards()[:3]:
        small.crm.delete("leads", card["id"])
    small.advance(BIN_EVERY)
    small.settle()
    assert [row.state for row in small.rows(link, role="lead")].count("tombstoned") == 3
    for card in small.cards()[:11]:
        small.crm.delete("leads", card["id"])
        small.hook(("leads", "delete", card["id"]))
    small.settle()
    states = [row.state for row in small.rows(link, role="lead")]
    assert (states.count("held"), states.count("linked"), states.count("tombstoned")) == (11, 6, 3)
    assert small.rows(link, code="vanished")[0].why.startswith("14 of ")


def test_records_that_vanish_from_reads_are_held_too(small: Scene) -> None:
    """A token that lost its rights sees nothing: what we are about to write must not count as deleted."""
    crowd(small, 14)
    hidden, small.crm.rows["leads"] = small.crm.rows["leads"], {}
    small.crm.order["leads"], order = {}, small.crm.order["leads"]
    retitle(small, "Changed here")
    small.settle()
    assert {row.state for row in small.rows(link, role="lead")} == {"held"}
    small.crm.rows["leads"], small.crm.order["leads"] = hidden, order


# ── calm ─────────────────────────────────────────────────────────────────────────────────────────


def test_after_calm_ten_polls_write_nothing_and_change_nothing(small: Scene) -> None:
    crowd(small, 5)
    with small.hub.store.write() as conn:
        moves.convert_lead(conn, small.clock, small.rows(lead)[0].id, "member:x")
    small.settle()
    writes, links, called = small.writes(), small.rows(link), small.calls()
    told = len(small.rows(journal))
    for _poll in range(10):
        small.pull()
        small.push()
    assert small.writes() == writes
    assert small.rows(link) == links
    assert len(small.rows(journal)) == told
    assert small.calls() - called <= 10 * 3, "one list of leads, one of the bin and one of contacts a poll"


def test_a_write_carries_only_what_differs(calm: Scene) -> None:
    sent: list[Any] = []
    live = calm.hub.connections.by_id(calm.crm_id)
    assert live is not None
    send = live.crm.http.send

    def listening(method: str, url: str, **more: Any) -> Any:
        sent.append(more.get("json")) if method == "PATCH" else None
        return send(method, url, **more)

    live.crm.http.send = listening  # type: ignore[method-assign]
    retitle(calm, "Only this")
    calm.settle()
    ((body,),) = sent
    assert {key: body[key] for key in body if key not in ("id", "request_id")} == {"name": "Only this"}


def test_hooks_lost_doubled_and_turned_round_end_in_the_same_state(play: Scene) -> None:
    play.post(**ANNA)
    play.settle()
    card, person = play.card()["id"], play.card("contacts")["id"]
    play.drag("lead", "warm")
    for _double in range(5):
        play.hook(("leads", "status", card), ("leads", "update", card))
    play.hook(("leads", "add", 999_999), ("contacts", "update", 999_999), ("companies", "update", 5))
    play.drag("deal", "in_work")
    play.hook(("leads", "update", card), ("contacts", "delete", person))
    play.hub.flow.drain()
    play.hub.puller.step(play.crm_id)
    assert play.deal().stage == "in_work"
    play.crm.edit("contacts", person, first_name="Anja")
    play.settle()
    assert play.contact().first_name == "Anja"
    assert len(play.rows(lead)) == len(play.rows(contact)) == 1


def test_hooks_bring_a_change_before_the_poll_is_due(calm: Scene) -> None:
    calm.drag("lead", "hot")
    calm.hook(("leads", "status", calm.card()["id"]))
    calm.hub.flow.drain()
    assert calm.hub.puller.step(calm.crm_id)
    assert calm.lead().stage == "hot"


def test_a_list_that_is_late_with_changes_loses_none(calm: Scene) -> None:
    calm.crm.list_lag = 20.0
    calm.crm.edit("leads", calm.card()["id"], name="Late")
    for _poll in range(3):
        calm.pull()
    assert calm.lead().title == "Late"


@pytest.mark.parametrize("status", ["429", "500", "drop", "html", "garbage"])
def test_a_poll_that_failed_is_made_again_soon(calm: Scene, status: str) -> None:
    """And not only when the lease of the failed one has run out."""
    calm.drag("lead", "hot")
    calm.crm.fail(status, method="GET", path="leads")
    calm.pull()
    assert calm.lead().stage == "new"
    calm.pull()
    assert calm.lead().stage == "hot"


def test_a_revoked_token_pauses_the_connection_and_loses_nothing(waiting: Scene) -> None:
    access, waiting.crm.access = waiting.crm.access, set()
    waiting.push()
    assert waiting.row(connection, id=waiting.crm_id).state == "paused"
    assert "token" in waiting.row(connection, id=waiting.crm_id).why
    called = waiting.calls()
    waiting.settle()
    assert waiting.calls() == called
    waiting.crm.access = access
    with waiting.hub.store.write() as conn:
        conn.execute(connection.update().where(connection.c.id == waiting.crm_id).values(state="active"))
    waiting.hub.connections.forget()
    wait_out_doubt(waiting)
    one_card(waiting)


# ── workers that die ─────────────────────────────────────────────────────────────────────────────


class Killed(BaseException):
    """The worker is gone: no handler runs that a kill -9 would not let run."""


def dies_at(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, *, after: bool) -> None:
    """The next call of this method is the worker's last."""
    real: Callable[..., Any] = getattr(owner, name)

    def last(*args: Any, **kwargs: Any) -> Any:
        monkeypatch.setattr(owner, name, real)
        if after:
            real(*args, **kwargs)
        raise Killed(name)

    monkeypatch.setattr(owner, name, last)


SEAMS = [
    (push._Carrier, "_send"), (Ledger, "settle"), (Ledger, "_save"), (Ledger, "_keep_apart"), (Ledger, "_tell"),
    (AmoCRM, "write"), (AmoCRM, "call"),
]  # fmt: skip


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(("owner", "name"), SEAMS, ids=lambda one: one if isinstance(one, str) else one.__name__)
def test_a_worker_that_dies_creating_leaves_one_card(
    small: Scene, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, after: bool
) -> None:
    small.post(**ANNA)
    small.hub.flow.drain()
    dies_at(monkeypatch, owner, name, after=after)
    with pytest.raises(Killed):
        small.push()
    small.advance(190)
    wait_out_doubt(small)
    one_card(small)


UPDATE_SEAMS = [(Ledger, "reconcile"), (Ledger, "settle"), (Ledger, "_save"), (AmoCRM, "write"), (AmoCRM, "get")]


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(("owner", "name"), UPDATE_SEAMS, ids=lambda one: one if isinstance(one, str) else one.__name__)
def test_a_worker_that_dies_converting_leaves_one_deal(
    small: Scene, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, after: bool
) -> None:
    small.post(**ANNA)
    small.settle()
    with small.hub.store.write() as conn:
        moves.convert_lead(conn, small.clock, small.lead().id, "member:x")
    dies_at(monkeypatch, owner, name, after=after)
    with pytest.raises(Killed):
        small.push()
    small.advance(190)
    small.settle()
    assert small.stands(small.card()) == small.spot("deal", "created")
    assert len(small.cards()) == 1
    assert not small.rows(journal, what="conflict")


PULL_SEAMS = [(Puller, "apply"), (Puller, "_save"), (Scans, "move"), (AmoCRM, "changes")]


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(("owner", "name"), PULL_SEAMS, ids=lambda one: one if isinstance(one, str) else one.__name__)
def test_a_worker_that_dies_pulling_a_conversion_makes_one_deal(
    small: Scene, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, after: bool
) -> None:
    small.post(**ANNA)
    small.settle()
    small.drag("deal", "in_work")
    small.advance(31)
    dies_at(monkeypatch, owner, name, after=after)
    with pytest.raises(Killed):
        small.hub.puller.step(small.crm_id)
    small.advance(190)
    small.settle()
    assert small.deal().stage == "in_work"
    assert small.lead().state == "converted"


def test_a_worker_that_was_frozen_writes_nothing_down_any_more(small: Scene, caplog: pytest.LogCaptureFixture) -> None:
    """Its lease ended and another worker took the links over: the late answer is thrown away."""
    caplog.set_level(logging.WARNING)
    small.post(**ANNA)
    small.hub.flow.drain()
    live = small.hub.connections.by_id(small.crm_id)
    assert live is not None
    write = live.crm.write

    def frozen(ops: Any) -> Any:
        live.crm.write = write  # type: ignore[method-assign]
        outcomes = write(ops)
        small.advance(200)
        small.push()  # the other worker: finds `sending` with an old lease, and doubts
        return outcomes

    live.crm.write = frozen  # type: ignore[method-assign]
    small.push()
    assert small.link("lead").state == "uncertain"
    wait_out_doubt(small)
    one_card(small)


def test_the_lease_of_a_dead_poll_ends(calm: Scene) -> None:
    with calm.hub.store.write() as conn:
        conn.execute(pull_state.update().values(lease="somebody", lease_until=calm.clock.now() + 170_000))
    calm.drag("lead", "hot")
    calm.pull()
    assert calm.lead().stage == "new"
    calm.advance(180)
    calm.pull()
    assert calm.lead().stage == "hot"
