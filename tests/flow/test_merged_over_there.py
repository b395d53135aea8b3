"""Two contacts become one in the CRM, or here; and two again. On both sides, whoever began it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import select, update

from connectors import registry
from connectors.contract import Op
from hub.identity.cards import seconds
from hub.identity.merging import Merge, undo
from hub.identity.review import answer, join
from hub.intake.quarantine import try_again
from hub.model import connection, contact, contact_point, journal, lead, link, look_again, merge_log, not_same, review
from hub.sync.joiner import leave, merge_there
from tests.flow.far import Far, far
from tests.servers import Stack

ANNA, MAIL = "+79161234507", "serova-a@pochta.test"


def opened(stack: Stack, name: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr("connectors.crms.hubspot.SEARCHES", 1000)
    return far(stack, name, monkeypatch)


@pytest.fixture
def two(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Iterator[Far]:
    """A CRM that says into which record another went. Anna came twice, by phone and by mail: two contacts and two
    cards; on both stacks."""
    with opened(stack, "hubspot", monkeypatch) as made:
        yield come(made)


@pytest.fixture(params=["amocrm", "bitrix24"])
def mute(request: pytest.FixtureRequest, embedded: Stack, monkeypatch: pytest.MonkeyPatch) -> Iterator[Far]:
    """CRMs that show the loser of a merge as deleted."""
    with opened(embedded, request.param, monkeypatch) as made:
        yield come(made)


@pytest.fixture
def hubspot(embedded: Stack, monkeypatch: pytest.MonkeyPatch) -> Iterator[Far]:
    with opened(embedded, "hubspot", monkeypatch) as made:
        yield come(made)


@pytest.fixture(params=["bitrix24", "hubspot"])
def able(request: pytest.FixtureRequest, embedded: Stack, monkeypatch: pytest.MonkeyPatch) -> Iterator[Far]:
    """CRMs with a call for merging."""
    with opened(embedded, request.param, monkeypatch) as made:
        yield come(made)


@pytest.fixture
def amo(embedded: Stack, monkeypatch: pytest.MonkeyPatch) -> Iterator[Far]:
    with opened(embedded, "amocrm", monkeypatch) as made:
        yield come(made)


def come(made: Far) -> Far:
    made.set_up(registry.crm(made.person.name).facts.strategies[0])
    made.made.post(name="Анна Серова", phone=ANNA, message="Нужен забор")
    made.made.post(name="Анна Серова", email=MAIL, message="Нужна калитка")
    made.made.settle()
    assert len(made.made.rows(link, role="contact", state="linked")) == 2
    return made


def people(far: Far) -> list[Any]:
    return sorted(far.made.rows(contact), key=lambda row: str(row.id))


def alive(far: Far) -> list[str]:
    return [row.id for row in people(far) if row.merged_into is None]


def card(far: Far, contact_id: str) -> Any:
    return far.made.row(link, role="contact", record_id=contact_id)


def merge_over_there(far: Far, winner: str, loser: str) -> None:
    """A person does it on the CRM's page."""
    kind, into, ref = far.account.kind("contact"), card(far, winner).remote_id, card(far, loser).remote_id
    if far.person.name == "amocrm":  # without taking its numbers over, which the page does
        numbers = {"phones": [ANNA], "emails": [MAIL]}
        far.do(Op(kind, far.account.mapping.write("contact", numbers, {}).values, ref=into))
        far.state.merge(kind, int(into), int(ref))
    else:
        far.person.merge(kind, into, ref)
    far.made.advance(far.account.lag + 60)
    far.made.settle()


def merge_here(far: Far) -> str:
    winner, loser = alive(far)
    hub = far.made.hub
    with hub.store.write() as conn:
        return join(conn, Merge(hub.clock.new_id(), winner, loser, hub.clock.now(), "member:m"))


def taken_apart(far: Far, merge_id: str) -> None:
    hub = far.made.hub
    with hub.store.write() as conn:
        undo(conn, merge_id, "member:m", hub.clock.now())


def policy(far: Far, said: str) -> None:
    with far.made.hub.store.write() as conn:
        config = conn.execute(select(connection.c.config).where(connection.c.id == far.made.crm_id)).scalar_one()
        values = {"config": {**config, "merge_in_crm": said}}
        conn.execute(update(connection).where(connection.c.id == far.made.crm_id).values(values))
    far.made.hub.connections.forget()


def later(far: Far) -> None:
    far.made.advance(far.account.lag + 60)
    far.made.settle()


# ── begun over there ─────────────────────────────────────────────────────────────────────────────


def test_a_merge_in_the_crm_is_one_here_and_can_be_undone(two: Far) -> None:
    winner, loser = alive(two)
    merge_over_there(two, winner, loser)
    assert alive(two) == [winner]
    (done,) = two.made.rows(merge_log)
    assert done.actor == f"crm:{two.made.crm_id}"
    assert {row.contact_id for row in two.made.rows(lead)} == {winner}
    assert two.made.points("email") | two.made.points("phone") == {ANNA, MAIL}
    assert card(two, loser).code == "merged_there"
    assert len(two.all("contact")) == 1
    taken_apart(two, done.id)
    assert alive(two) == [winner, loser]
    asked = card(two, loser)
    assert (asked.state, asked.code) == ("held", "make_again")
    later(two)
    assert len(two.all("contact")) == 1, "nothing is made anew before somebody says so"
    with two.made.hub.store.write() as conn:
        assert try_again(conn, two.made.hub.clock, "member:m", asked.id)
    later(two)
    later(two)
    again = card(two, loser)
    assert again.state == "linked", (again.state, again.code, again.why)
    assert len(two.all("contact")) == 2
    (mine,) = [row for row in two.made.rows(lead) if row.contact_id == loser]
    standing = two.made.row(link, role="lead", record_id=mine.id)
    [shown] = two.person.get(two.account.kind("lead"), [standing.remote_id])
    assert shown is not None
    assert again.remote_id in shown.links[two.account.kind("contact")]


def test_two_people_stay_two_although_the_crm_merged_them(hubspot: Far) -> None:
    taken_apart(hubspot, merge_here(hubspot))
    later(hubspot)
    assert len(hubspot.made.rows(not_same)) == 1
    merge_over_there(hubspot, *alive(hubspot))
    assert len(alive(hubspot)) == 2
    assert len(hubspot.made.rows(merge_log)) == 1
    assert [row.code for row in hubspot.made.rows(link, role="contact", state="tombstoned")] == ["merged_in_crm"]
    assert len(hubspot.made.rows(journal, what="merge_refused")) >= 1


def test_where_the_crm_does_not_say_so_a_person_is_asked(mute: Far) -> None:
    winner, loser = alive(mute)
    gone = {"connection_id": mute.made.crm_id, "kind": "contacts", "remote_id": card(mute, loser).remote_id}
    merge_over_there(mute, winner, loser)
    with mute.made.hub.store.write() as conn:  # as a hook does
        conn.execute(look_again.insert().values(**gone, at=1, times=1))
    later(mute)
    assert alive(mute) == [winner, loser]
    (asked,) = mute.made.rows(review, state="open")
    assert {asked.first_id, asked.second_id} == {winner, loser}
    hub = mute.made.hub
    with hub.store.write() as conn:
        answer(conn, asked.id, "same", "member:m", hub.clock.new_id(), hub.clock.now())
    later(mute)
    assert len(alive(mute)) == 1
    assert [row.state for row in mute.made.rows(link, role="contact", record_id=alive(mute)[0])] == ["linked"]
    assert len(mute.all("contact")) == 1


def test_what_was_merged_away_unheard_is_found_by_the_audit(amo: Far) -> None:
    """Every hook was lost. Of leads the bin tells; contacts and companies are found gone by their ids."""
    for firm in ("ООО «Ромашка-Север»", "ООО «Клевер»"):
        amo.made.post(name="Вера Ким", phone=f"+7903111{len(firm):04}", company=firm, message="Забор")
    amo.made.settle(4)
    there = {
        role: sorted(row.remote_id for row in amo.made.rows(link, role=role, state="linked"))
        for role in ("lead", "contact", "company")
    }
    assert len(there["company"]) == 2
    for role, refs in there.items():
        amo.state.merge(amo.account.kind(role), int(refs[0]), int(refs[-1]))
    amo.made.advance(7200)
    amo.made.settle(2)
    amo.made.hub.auditor.run(amo.made.crm_id)
    for role, refs in there.items():
        (lost,) = amo.made.rows(link, role=role, remote_id=refs[-1])
        assert (lost.state, lost.code) == ("tombstoned", "deleted_in_crm"), role
        (kept,) = amo.made.rows(link, role=role, remote_id=refs[0])
        assert kept.state == "linked", role
    assert len(amo.all("contact")) == len(there["contact"]) - 1, "nothing is made again"


def test_who_got_a_number_in_the_crm_is_known_by_it(amo: Far) -> None:
    first, _second = alive(amo)
    values = amo.account.mapping.write("contact", {"phones": [ANNA, "+79161234599"]}, {}).values
    amo.do(Op("contacts", values, ref=card(amo, first).remote_id))
    amo.made.settle()
    amo.made.post(name="Анна", phone="89161234599", message="И ворота")
    amo.made.settle()
    assert len(people(amo)) == 2
    assert {row.contact_id for row in amo.made.rows(contact_point, value="+79161234599")} == {first}


# ── begun here ───────────────────────────────────────────────────────────────────────────────────


def test_the_second_card_is_read_and_never_written(amo: Far) -> None:
    winner, loser = alive(amo)
    merge_id = merge_here(amo)
    later(amo)
    second = card(amo, loser)
    assert (second.state, second.code) == ("history", "second_card")
    with amo.made.hub.store.read() as conn:
        assert [row.id for row in seconds(conn, amo.made.crm_id)] == [second.id]
    amo.sent.clear()
    values = amo.account.mapping.write("contact", {"phones": ["+79161234588"], "position": "Boss"}, {}).values
    amo.do(Op("contacts", values, ref=second.remote_id))
    later(amo)
    assert not [op for op in amo.sent if op.ref == second.remote_id], "nothing of ours goes to the second card"
    assert {row.contact_id for row in amo.made.rows(contact_point, value="+79161234588")} == {winner}
    told = [one for one in amo.all("contact") if one.ref == card(amo, winner).remote_id]
    assert "+79161234588" in str(told[0].values["PHONE"])
    amo.sent.clear()
    for _poll in range(4):
        later(amo)
    assert amo.sent == [], "and then it is calm"
    taken_apart(amo, merge_id)
    assert (card(amo, loser).state, card(amo, loser).remote_id) == ("linked", second.remote_id)
    with amo.made.hub.store.write() as conn:
        assert not leave(conn, amo.made.hub.clock, "member:m", second.id)


def test_the_only_card_there_is_becomes_the_contacts(amo: Far) -> None:
    """The winner had none yet: no second one is made."""
    _first, old = alive(amo)
    amo.made.post(name="Анна Серова", telegram="serova", message="Вопрос", phone="+79031112233")
    amo.made.hub.flow.drain()
    (new,) = set(alive(amo)) - {_first, old}
    hub = amo.made.hub
    with hub.store.write() as conn:
        merge_id = join(conn, Merge(hub.clock.new_id(), new, old, hub.clock.now(), "member:m"))
    remote = amo.made.row(link, role="contact", record_id=new).remote_id
    assert remote
    later(amo)
    assert len(amo.all("contact")) == 2
    taken_apart(amo, merge_id)
    assert card(amo, old).remote_id == remote
    later(amo)
    assert len(amo.all("contact")) == 3


def test_a_person_has_the_cards_merged(able: Far) -> None:
    winner, loser = alive(able)
    merge_here(able)
    later(able)
    assert len(able.all("contact")) == 2, "nobody said so yet"
    with able.made.hub.store.write() as conn:
        assert merge_there(conn, able.made.hub.clock, "member:m", card(able, loser).id)
    later(able)
    later(able)
    assert len(able.all("contact")) == 1
    assert (card(able, loser).state, card(able, loser).code) == ("tombstoned", "merged_there")
    assert card(able, winner).state == "linked"
    assert able.made.rows(journal, what="card_before_merge")


def test_the_policy_merges_them_by_itself(able: Far) -> None:
    policy(able, "on")
    merge_here(able)
    later(able)
    later(able)
    assert len(able.all("contact")) == 1


def test_a_merge_over_there_into_the_second_card_is_followed(hubspot: Far) -> None:
    winner, loser = alive(hubspot)
    merge_here(hubspot)
    later(hubspot)
    kind, second, first = "contacts", card(hubspot, loser).remote_id, card(hubspot, winner).remote_id
    hubspot.person.merge(kind, second, first)
    later(hubspot)
    (left,) = hubspot.all("contact")
    assert (card(hubspot, winner).state, card(hubspot, winner).remote_id) == ("linked", left.ref)
    assert card(hubspot, loser).code == "merged_there"
    assert len(hubspot.made.rows(merge_log)) == 1


@pytest.mark.parametrize("stays", ["winner", "loser"])
def test_two_that_the_crm_merged_as_well_are_two_again(hubspot: Far, stays: str) -> None:
    """Here first, then over there, then somebody takes it back: one card is left, and the other is made on a word."""
    winner, loser = alive(hubspot)
    merge_id = merge_here(hubspot)
    later(hubspot)
    into, other = (winner, loser) if stays == "winner" else (loser, winner)
    hubspot.person.merge("contacts", card(hubspot, into).remote_id, card(hubspot, other).remote_id)
    later(hubspot)
    taken_apart(hubspot, merge_id)
    later(hubspot)
    assert alive(hubspot) == [winner, loser]
    by_lead = {row.contact_id: row.id for row in hubspot.made.rows(lead)}
    assert set(by_lead) == {winner, loser}
    states = {one: card(hubspot, one) for one in (winner, loser)}
    held = [one for one, row in states.items() if row.state == "held"]
    assert [(states[one].state, states[one].code) for one in held] == [("held", "make_again")]
    (left,) = hubspot.all("contact")
    assert {row.remote_id for one, row in states.items() if one not in held} == {left.ref}
    with hubspot.made.hub.store.write() as conn:
        assert try_again(conn, hubspot.made.hub.clock, "member:m", states[held[0]].id)
    for _look in range(3):
        later(hubspot)
    refs = {one: card(hubspot, one) for one in (winner, loser)}
    assert {row.state for row in refs.values()} == {"linked"}
    assert len({row.remote_id for row in refs.values()}) == len(hubspot.all("contact")) == 2
    for one in (winner, loser):
        [shown] = hubspot.person.get("contacts", [refs[one].remote_id])
        told = hubspot.account.seen(shown, "contact")
        assert shown is not None
        assert hubspot.made.row(contact_point, contact_id=one).value in str(told)
        standing = hubspot.made.row(link, role="lead", record_id=by_lead[one])
        [hung] = hubspot.person.get(hubspot.account.kind("lead"), [standing.remote_id])
        assert hung is not None
        assert refs[one].remote_id in hung.links["contacts"]
