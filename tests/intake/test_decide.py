"""Who is recognised, what an inquiry becomes, and what the database itself forbids."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError

from hub.identity.ledger import Ledger
from hub.model import contact, contact_point, event_work, inquiry, journal, lead, rotation
from tests.servers import Stack
from tests.whole import JSON, Whole, whole_hub

# ── the same inquiry again ───────────────────────────────────────────────────────────────────────


def sent(whole: Whole, live: Any, **fields: Any) -> None:
    assert whole.post(live, json.dumps(fields), JSON).status_code == 200
    whole.flow()


def test_what_was_set_apart_and_then_completed_becomes_a_lead(whole: Whole) -> None:
    live = whole.connect("webhook", id_field="id")
    sent(whole, live, id="7", zz="1")
    assert (whole.count(lead), whole.rows(inquiry)[0].decision) == (0, "quarantined")
    sent(whole, live, id="7", zz="1", name="Anna Serova", phone="+79161234507")
    assert (whole.count(lead), [row.decision for row in whole.rows(inquiry)]) == (1, ["new_lead"])


def test_completed_within_one_batch(whole: Whole) -> None:
    live = whole.connect("webhook", id_field="id")
    for body in ('{"id":"7","zz":"1"}', '{"id":"7","name":"Anna"}'):
        whole.post(live, body, JSON)
    whole.flow()
    assert (whole.count(lead), [row.state for row in whole.rows(event_work)]) == (1, ["quarantined", "done"])


def test_a_corrected_phone_is_not_lost(whole: Whole) -> None:
    live = whole.connect("webhook", id_field="id")
    sent(whole, live, id="7", name="Anna Serova", phone="+79161234507")
    sent(whole, live, id="7", name="Anna Serova", phone="+79161234508")
    assert {row.value for row in whole.rows(contact_point)} == {"+79161234507", "+79161234508"}
    [kept] = whole.rows(inquiry)
    assert (kept.person["phones"], whole.count(lead)) == (["+79161234508"], 1)
    assert "amended" in {row.what for row in whole.rows(journal)}


def test_the_same_again_is_nothing(whole: Whole) -> None:
    live = whole.connect("webhook", id_field="id")
    for _ in range(3):
        sent(whole, live, id="7", name="Anna Serova", phone="+79161234507")
    assert (whole.count(inquiry), whole.count(lead)) == (1, 1)
    assert {row.what for row in whole.rows(journal, journal.c.subject == "lead")} == {"opened"}


def test_leads_are_shared_out_and_the_turns_are_kept(whole: Whole) -> None:
    live = whole.connect("webhook")
    for number in range(7):
        sent(whole, live, name=f"Person {chr(65 + number)}", phone=f"+7916000000{number}")
    assert sorted(row.given for row in whole.rows(rotation)) == [3, 4]


def test_who_takes_part_unforeseen_is_read_all_the_same(whole: Whole, monkeypatch: pytest.MonkeyPatch) -> None:
    """A contact nobody was expected to be: their lead is joined, and no second one opened."""
    foreseen = Ledger.read
    live = whole.connect("webhook")
    sent(whole, live, name="Anna Serova", phone="+79161234507")
    monkeypatch.setattr(Ledger, "read", lambda *known: [[] for _each in foreseen(*known)])
    sent(whole, live, name="Anna Serova", phone="+79161234517", company="Northlight")
    assert [row.decision for row in whole.rows(inquiry)] == ["new_lead", "joined"]
    assert [row.company for row in whole.rows(contact)] == ["Northlight"]


# ── what the database forbids ────────────────────────────────────────────────────────────────────


@pytest.fixture
def real(stack: Stack) -> Iterator[Whole]:
    """A hub on each of the two stacks."""
    with whole_hub(stack.folder, stack) as made:
        yield made


def row_of(whole: Whole, **other: Any) -> dict[str, Any]:
    """A second open lead of the one there is."""
    [held] = whole.rows(lead)
    return {**dict(held._mapping), "id": whole.clock.new_id(), **other}


def clear(whole: Whole) -> None:
    with whole.hub.store.write() as conn:
        conn.execute(inquiry.delete())
        conn.execute(lead.delete())


def test_two_connections_cannot_both_open_a_lead_for_one_contact(real: Whole) -> None:
    sent(real, real.connect("webhook"), name="Anna Serova")
    rivals = [row_of(real), row_of(real)]
    clear(real)
    start, said = threading.Barrier(2), list[str]()

    def open_one(rival: dict[str, Any]) -> None:
        start.wait(10)
        try:
            with real.hub.store.write() as conn:
                conn.execute(insert(lead).values(**rival))
            said.append("opened")
        except IntegrityError:
            said.append("refused")

    both = [threading.Thread(target=open_one, args=(rival,)) for rival in rivals]
    for one in both:
        one.start()
    for one in both:
        one.join(30)
    assert sorted(said) == ["opened", "refused"]


@pytest.mark.parametrize(
    "missing", [{"owner_id": None}, {"next_step": ""}, {"next_step_at": None}, {"state": "rejected"}, {"state": "odd"}]
)
def test_the_database_refuses_an_open_lead_without_owner_or_next_step(real: Whole, missing: dict[str, Any]) -> None:
    sent(real, real.connect("webhook"), name="Anna Serova")
    bad = row_of(real, **missing)
    clear(real)
    with pytest.raises(IntegrityError), real.hub.store.write() as conn:
        conn.execute(insert(lead).values(**bad))
    with real.hub.store.read() as conn:
        assert conn.execute(select(lead.c.id)).first() is None
