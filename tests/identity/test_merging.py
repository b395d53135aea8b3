"""Two contacts become one and two again, exactly, on both databases, also after more has happened."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import select

from hub.identity.merging import CannotMerge, Merge, undo
from hub.identity.points import change_points
from hub.identity.review import answer, join, waiting
from hub.identity.stored import replace_rules
from hub.model import (
    contact,
    contact_point,
    inquiry,
    journal,
    lead,
    link,
    match_key,
    merge_log,
    not_same,
    profile,
    review,
    shared_key,
    thread,
    trace,
)
from hub.store.own import keep
from tests.servers import Stack
from tests.whole import JSON, Whole, whole_hub

TABLES = (contact, contact_point, match_key, inquiry, lead, link, thread, profile, trace)
MOVING = {"updated_at", "version", "dirty", "due_at", "base", "sent", "lease", "seen_at"}
"""What counts up or forward in any case."""


@pytest.fixture
def real(stack: Stack) -> Iterator[Whole]:
    with whole_hub(stack.folder, stack) as made:
        yield made


def says(whole: Whole, live: Any, **fields: Any) -> None:
    assert whole.post(live, json.dumps(fields), JSON).status_code == 200
    whole.flow()


def state(whole: Whole) -> dict[str, list[tuple[Any, ...]]]:
    """Every table that a merge touches, without what only counts up."""
    return {
        table.name: sorted(
            tuple(str(v) for k, v in row._mapping.items() if k not in MOVING) for row in whole.rows(table)
        )
        for table in TABLES
    }


def halves(whole: Whole) -> Any:
    live = whole.connect("webhook")
    says(whole, live, name="Анна Серова", phone="+79161234507", message="Нужен забор")
    says(whole, live, name="Анна Серова", email="serova-a@pochta.test", message="Нужна калитка")
    assert whole.count(contact) == 2
    return live


def bridge(whole: Whole, live: Any) -> None:
    says(whole, live, name="Анна", phone="89161234507", email="serova-a@pochta.test", message="Это всё я")


def living(whole: Whole) -> list[Any]:
    return [row for row in whole.rows(contact) if row.merged_into is None]


def test_a_late_bridge_joins_the_contacts_and_their_leads(real: Whole) -> None:
    bridge(real, halves(real))
    [one] = living(real)
    assert {row.contact_id for row in real.rows(inquiry)} == {one.id}
    assert {row.contact_id for row in real.rows(match_key)} == {one.id}
    assert {row.contact_id for row in real.rows(lead)} == {one.id}
    assert [row.state for row in real.rows(lead)].count("open") == 1
    assert [row.contact_id for row in real.rows(profile)] == [one.id]
    assert real.count(merge_log) == 1
    assert {"merged"} <= {row.what for row in real.rows(journal)}


def by_hand(whole: Whole) -> str:
    first, second = (row.id for row in sorted(living(whole), key=lambda row: str(row.id)))
    with whole.hub.store.write() as conn:
        return join(conn, Merge(whole.hub.clock.new_id(), first, second, whole.hub.clock.now(), "member:m"))


def test_the_timeline_says_what_is_not_shown_any_more(real: Whole) -> None:
    live = real.connect("webhook")
    says(real, live, name="Anna Field", phone="+79161234507")
    says(real, live, name="Anna Maria Field", email="field-a@pochta.test")
    by_hand(real)
    told = [row.facts["values"] for row in real.rows(journal) if row.what == "merged"]
    assert told == [{"name": "Anna Field"}] * 2


def taken_apart(whole: Whole, merge_id: str) -> None:
    with whole.hub.store.write() as conn:
        undo(conn, merge_id, "member:m", whole.hub.clock.now())


def test_an_undo_is_exact(real: Whole) -> None:
    halves(real)
    before = state(real)
    merge_id = by_hand(real)
    assert len(living(real)) == 1
    taken_apart(real, merge_id)
    after = state(real)
    assert after == before
    assert real.count(not_same) == 1


def test_an_undo_after_further_events_gives_each_its_own(real: Whole) -> None:
    live = halves(real)
    merge_id = by_hand(real)
    says(real, live, name="Анна Серова", phone="+79161234507", message="Ещё ворота")
    says(real, live, name="Анна", email="serova-a@pochta.test", message="А сроки?")
    assert len(living(real)) == 1
    taken_apart(real, merge_id)
    owners = {row.text: row.contact_id for row in real.rows(inquiry)}
    assert owners["Ещё ворота"] == owners["Нужен забор"]
    assert owners["А сроки?"] == owners["Нужна калитка"]
    assert owners["Нужна калитка"] != owners["Нужен забор"]


def test_fields_of_ones_own_are_shared_and_given_back(real: Whole) -> None:
    halves(real)
    first, second = (row.id for row in sorted(living(real), key=lambda row: str(row.id)))
    own = {first: {"x_rank": "gold"}, second: {"x_rank": "none", "x_size": "L"}}
    with real.hub.store.write() as conn:
        for contact_id, told in own.items():
            keep(conn, contact, contact_id, told)
    merge_id = by_hand(real)
    assert real.rows(contact, contact.c.id == first)[0].own == {"x_rank": "gold", "x_size": "L"}
    with real.hub.store.write() as conn:
        keep(conn, contact, first, {"x_rank": "silver"})
    taken_apart(real, merge_id)
    assert {row.id: row.own for row in living(real)} == {**own, first: {"x_rank": "silver"}}


def test_a_number_that_was_taken_off_the_one_is_its_owners_again(real: Whole) -> None:
    halves(real)
    before, merge_id = state(real), by_hand(real)
    [one] = living(real)
    with real.hub.store.write() as conn:
        change_points(conn, real.hub.clock, one.id, (), [("email", "serova-a@pochta.test")])
    taken_apart(real, merge_id)
    assert state(real) == before


def test_two_people_are_not_joined_again(real: Whole) -> None:
    live = halves(real)
    taken_apart(real, by_hand(real))
    bridge(real, live)
    assert len(living(real)) == 2
    with pytest.raises(CannotMerge, match="two people"):
        by_hand(real)


def test_what_cannot_be_merged_is_told(real: Whole) -> None:
    halves(real)
    merge_id = by_hand(real)
    first, second = (row.id for row in real.rows(contact))
    with real.hub.store.write() as conn, pytest.raises(CannotMerge, match="merged already"):
        join(conn, Merge("m2", first, second, 1, "member:m"))
    taken_apart(real, merge_id)
    with pytest.raises(CannotMerge, match="could be undone"):
        taken_apart(real, merge_id)


# ── questions ────────────────────────────────────────────────────────────────────────────────────


def doubtful(whole: Whole) -> Any:
    live = whole.connect("webhook")
    says(whole, live, name="Анна Серова", phone="+79161234507", message="Нужен забор")
    says(whole, live, name="Олег", phone="+79161234507", message="Нужен забор")
    return live


@pytest.mark.parametrize(("said", "left"), [("same", 1), ("different", 2), ("never", 2)])
def test_an_answer_is_kept_and_acted_on(real: Whole, said: str, left: int) -> None:
    live = doubtful(real)
    with real.hub.store.read() as conn:
        [question] = waiting(conn)
    assert question.why, "the evidence stands beside the question"
    with real.hub.store.write() as conn:
        answer(conn, question.id, said, "member:m", real.hub.clock.new_id(), real.hub.clock.now())
    assert len(living(real)) == left
    with real.hub.store.read() as conn:
        assert waiting(conn) == []
        assert conn.execute(select(review.c.state)).scalars().all() == [said]
    says(real, live, name="Олег", phone="+79161234507", message="Ну что?")
    with real.hub.store.read() as conn:
        assert waiting(conn) == [], "nobody is asked twice"


def test_never_moves_the_common_contact_to_the_shared_list(real: Whole) -> None:
    """From then on the number joins nobody by itself, somebody with the whole name still."""
    live = doubtful(real)
    with real.hub.store.write() as conn:
        [question] = waiting(conn)
        answer(conn, question.id, "never", "member:m", real.hub.clock.new_id(), real.hub.clock.now())
    assert [(row.kind, row.value) for row in real.rows(shared_key)] == [("phone", "+79161234507")]
    assert real.count(not_same) == 1
    says(real, live, name="Инна", phone="+79161234507", message="Нужен забор")
    assert len(living(real)) == 3
    says(real, live, name="Анна Серова", phone="+79161234507", message="И калитка")
    assert len(living(real)) == 3


@pytest.mark.parametrize(("strict", "people", "asked"), [(False, 1, 0), (True, 2, 1)])
def test_in_strict_mode_a_typed_bridge_is_only_asked_about(real: Whole, strict: bool, people: int, asked: int) -> None:
    live = halves(real)
    with real.hub.store.write() as conn:
        replace_rules(conn, {"strict": strict})
    bridge(real, live)
    assert len(living(real)) == people
    assert real.count(merge_log) == 1 - asked
    with real.hub.store.read() as conn:
        assert len(waiting(conn)) == asked
        assert all(one.why for one in waiting(conn))
