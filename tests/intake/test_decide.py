"""Who is recognised, what an inquiry becomes, and what the database itself forbids."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError

from hub.identity.keys import Key, Strength
from hub.identity.names import Name, name
from hub.identity.normalize import Known
from hub.identity.resolve import Match, Place, lookups, resolve
from hub.model import contact_point, event_work, inquiry, journal, lead, rotation
from tests.servers import Stack
from tests.whole import JSON, Whole, whole_hub

ANNA, OLEG, FIRST = name("Anna Serova"), name("Oleg Litvin"), name("Anna")


def key(kind: str = "phone", strength: Strength = Strength.PERSONAL, attested: bool = False) -> Key:
    return Key(kind, f"{kind}-1", strength, attested)


def known(who: Name, *keys: Key) -> Known:
    return Known(name=who, keys=keys)


def owned(*keys: Key, by: str = "c1", who: Name = ANNA) -> dict[Place, str]:
    """What the database holds after a person with these keys was here."""
    return dict.fromkeys(lookups(known(who, *keys)), by)


# ── resolve ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", ["phone", "email"])
def test_another_given_name_never_joins_on_a_phone_or_an_email(kind: str) -> None:
    match = resolve(known(OLEG, key(kind)), owned(key(kind)), {"c1": ANNA})
    assert match.contact_id == ""
    assert {"by": kind, "result": "other_name", "contact": "c1"} in match.why


@pytest.mark.parametrize("who", [ANNA, FIRST, Name()])
def test_the_same_key_joins_unless_the_names_object(who: Name) -> None:
    assert resolve(known(who, key()), owned(key()), {"c1": ANNA}).contact_id == "c1"


def test_a_name_alone_never_joins() -> None:
    assert lookups(known(ANNA)) == ()
    assert resolve(known(ANNA), owned(key()), {"c1": ANNA}).contact_id == ""


@pytest.mark.parametrize("strength", [Strength.SHARED, Strength.WEAK])
@pytest.mark.parametrize("who", [OLEG, FIRST, Name()])
def test_a_key_of_many_never_joins_by_itself(strength: Strength, who: Name) -> None:
    held = owned(key()) | owned(key(), who=FIRST)
    assert resolve(known(who, key(strength=strength)), held, {"c1": ANNA}).contact_id == ""


def test_a_key_that_turned_out_to_be_shared_joins_no_first_names() -> None:
    held = owned(key()) | owned(key(), who=FIRST)
    assert resolve(known(FIRST, key()), held, {"c1": FIRST}, shared={("phone", "phone-1")}).contact_id == ""


def test_a_key_of_many_and_a_whole_name_join() -> None:
    shared = key(strength=Strength.SHARED)
    assert resolve(known(ANNA, shared), owned(shared), {"c1": ANNA}).contact_id == "c1"


def test_an_attested_account_outweighs_names_and_other_keys() -> None:
    account = key("telegram", attested=True)
    held = owned(account, by="c1") | owned(key(), by="c2", who=OLEG)
    match = resolve(known(OLEG, key(), account), held, {"c1": ANNA, "c2": OLEG})
    assert match.contact_id == "c1"
    assert {"by": "phone", "result": "also_another_contact", "contact": "c2"} in match.why


def test_an_attested_phone_still_asks_for_the_name() -> None:
    phone = key(attested=True)
    assert resolve(known(OLEG, phone), owned(phone), {"c1": ANNA}).contact_id == ""


def test_the_own_conversation_wins() -> None:
    account = key("telegram", attested=True)
    match = resolve(known(OLEG, account), owned(account), {"c1": ANNA}, in_thread="c9")
    assert match == Match("c9", match.owns, ({"by": "thread"},))


KEYS = st.builds(Key, st.sampled_from(["phone", "email", "telegram"]), st.sampled_from("12"), st.sampled_from(Strength),
                 st.booleans())  # fmt: skip
PEOPLE = st.builds(known, st.sampled_from([ANNA, OLEG, FIRST, Name()]), KEYS, KEYS)


@given(st.lists(PEOPLE, max_size=5), PEOPLE, st.sampled_from(["", "c0"]))
def test_whoever_comes_nobody_loses_a_key_and_everything_is_explained(
    before: list[Known], last: Known, in_thread: str
) -> None:
    owners: dict[Place, str] = {}
    names: dict[str, Name] = {}
    for number, person in enumerate(before):
        match = resolve(person, owners, names)
        names.setdefault(match.contact_id or f"c{number}", person.name)
        owners |= dict.fromkeys(match.owns, match.contact_id or f"c{number}")
    match = resolve(last, owners, names, in_thread=in_thread)
    assert match.why
    assert not set(match.owns) & set(owners)
    assert match.contact_id in {"", in_thread, *names}
    again = resolve(last, owners | dict.fromkeys(match.owns, match.contact_id or "new"), names | {"new": last.name})
    if not in_thread and match.contact_id:
        assert again.contact_id == match.contact_id, "the same person again is the same contact"


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
