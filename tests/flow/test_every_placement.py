"""The whole way of a lead beside the stand-in of every CRM, by every placement: people work on both sides."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest

from connectors import registry
from connectors.contract import Op
from connectors.errors import Unsupported
from hub.cli_sandbox import rehearsable
from hub.funnel import moves
from hub.model import conversion, deal, lead, link
from hub.store.notes import mark_dirty
from hub.sync.account import section_of
from mappings import load, shipped
from tests.flow.far import FORMS, Far, far
from tests.real.stage import ANNA
from tests.servers import Stack

BY_PEOPLE = [("zoho", "two_pipelines")]
"""Here people have to make the pipelines first, and the stand-in's people cannot."""
CASES = [
    (name, strategy)
    for name in rehearsable()
    for strategy in registry.crm(name).facts.strategies
    if (name, strategy) not in BY_PEOPLE
]
BOTH = [case for case in CASES if case[1] != "held"]
STAGES = {"lead": ("new", "silent", "cold", "warm", "hot"), "deal": ("created", "in_work", "offer_sent")}
TABLES = {"lead": lead, "deal": deal}
HOUR = 3600
WON_BY_PAPERS = ("tryton", "bottlecrm")
"""There a deal is won by its sale or with its amount, not by dragging."""

NAMED = ("salesforce", "zoho")
"""There a lead carries its person's name and phones, and has no contact before it is converted."""


def each(cases: list[tuple[str, str]]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", cases, ids="-".join)


@pytest.fixture
def bare(case: tuple[str, str], embedded: Stack, monkeypatch: pytest.MonkeyPatch) -> Iterator[Far]:
    """An account that no program has set up."""
    monkeypatch.setattr("connectors.crms.hubspot.SEARCHES", 1000)
    with far(embedded, case[0], monkeypatch) as made:
        yield made


@dataclass
class Arrived:
    """Anna's inquiry has reached the CRM; `role` is what she is there: a lead, or a deal where leads stay here."""

    far: Far
    role: str

    @property
    def row(self) -> Any:
        return self.far.made.row(TABLES[self.role])

    def hub_edit(self, **values: Any) -> None:
        """A member changes the record here."""
        made = self.far.made
        with made.hub.store.write() as conn:
            conn.execute(TABLES[self.role].update().values(**values))
            mark_dirty(conn, made.clock, [self.row.id])

    def hub_move(self, key: str) -> None:
        made = self.far.made
        move = moves.move_lead if self.role == "lead" else moves.move_deal
        with made.hub.store.write() as conn:
            move(conn, made.clock, self.row.id, key, "member:x")

    def elsewhere(self) -> str:
        """A stage that is not the first one over there."""
        return self.far.apart(self.role, *STAGES[self.role])


def convert(far: Far) -> None:
    with far.made.hub.store.write() as conn:
        moves.convert_lead(conn, far.made.clock, far.made.lead().id, "member:x")


@pytest.fixture
def arrived(case: tuple[str, str], bare: Far) -> Arrived:
    bare.set_up(case[1])
    inquiry: dict[str, Any] = {**ANNA}
    bare.made.post(**inquiry)
    bare.made.hub.flow.drain()
    role = "deal" if case[1] == "held" else "lead"
    if role == "deal":
        bare.made.settle(1)
        assert not bare.sent, "a held lead stays here"
        convert(bare)
    bare.made.settle(2)
    return Arrived(bare, role)


def export(far: Far) -> Any:
    """What the account looks like, without the ids the CRM gives."""
    told = far.person.describe()
    return {
        "fields": {kind: sorted(field.name for field in fields) for kind, fields in told.fields.items()},
        "pipelines": [(p.name, p.main, [(s.name, s.position, s.colour, s.final) for s in p.stages])
                      for p in told.pipelines],
        "hooks": sorted(told.hooks),
        "features": told.features,
        "users": told.users,
    }  # fmt: skip


def calm(far: Far) -> None:
    """Nobody has anything left to say."""
    said = len(far.sent)
    far.made.settle(1)
    assert len(far.sent) == said


def test_every_stand_in_takes_part() -> None:
    assert set(rehearsable()) == set(FORMS)


@each(CASES)
def test_a_set_up_is_whole_at_once_and_taken_back(case: tuple[str, str], bare: Far) -> None:
    provision, crm_id, before = bare.made.hub.provision, bare.made.crm_id, export(bare)
    plan = provision.plan(crm_id, strategy=case[1])
    assert not plan.empty
    assert export(bare) == before, "a plan changes nothing"
    provision.apply(crm_id, plan)
    assert provision.plan(crm_id).sentences == ()
    assert provision.verify(crm_id) == ()
    blocks = {"deal"} if case[1] == "held" else {"lead", "deal"}
    places = {(block, key) for block, _d, key, _p, ref in bare.account.placement.rows if ref}
    assert {(block, key) for block in blocks for key in STAGES[block]} <= places
    assert {block for block, _key in places} == blocks
    shown = bare.person.describe().features
    assert all(shown[name] for name in bare.person.facts.features.get(case[1], ()))
    provision.undo(crm_id)
    bare.person = bare.sign_in()
    assert export(bare) == before


@each([("pipedrive", "native")])
def test_labels_of_leads_get_the_colours_and_keep_them(case: tuple[str, str], bare: Far) -> None:
    provision, crm_id, before = bare.made.hub.provision, bare.made.crm_id, export(bare)
    provision.apply(crm_id, provision.plan(crm_id, strategy=case[1]))
    [inbox] = [one for one in bare.person.describe().pipelines if one.kind == "leads"]
    labels = [one for one in inbox.stages if not one.fixed]
    assert len({one.colour for one in labels}) > 1
    bare.state.labels[labels[0].ref]["color"] = "pink"
    bare.person = bare.sign_in()
    assert provision.verify(crm_id) == (f"change stage “{labels[0].name}” in {labels[0].colour}",)
    provision.apply(crm_id, provision.plan(crm_id))
    assert provision.verify(crm_id) == ()
    provision.undo(crm_id)  # the mending
    provision.undo(crm_id)
    bare.person = bare.sign_in()
    assert export(bare) == before


@each(BY_PEOPLE)
def test_what_people_have_to_prepare_is_said(case: tuple[str, str], bare: Far) -> None:
    with pytest.raises(Unsupported, match="make those of leads and of deals there"):
        bare.made.hub.provision.plan(bare.made.crm_id, strategy=case[1])


@each(CASES)
def test_a_form_becomes_a_record_that_both_sides_follow(case: tuple[str, str], arrived: Arrived) -> None:
    far, role = arrived.far, arrived.role
    _stands(arrived)
    before, there = len(far.sent), arrived.elsewhere()
    far.write(role, title="Balcony", placement=[role, far.made.direction_id, there])
    far.made.settle(2)
    assert (arrived.row.title, arrived.row.stage) == ("Balcony", there)
    assert far.sent[before:] == [], "what people did is not sent back to them"
    arrived.hub_edit(title="Winter garden")
    arrived.hub_move(STAGES[role][0])
    far.made.settle(2)
    assert far.told(role)["title"] == "Winter garden"
    assert far.place(role) == far.spot(role, STAGES[role][0])
    assert (arrived.row.title, arrived.row.stage) == ("Winter garden", STAGES[role][0])
    assert len(far.sent) - before <= 2
    calm(far)
    calm(far)
    far.write(role, title="Loggia")
    far.made.settle(1)
    assert arrived.row.title == "Loggia", "what scan after scan showed unchanged is looked at when it changes"


def _stands(arrived: Arrived) -> None:
    """The record is whole over there: place, title, owner, marker, and its person."""
    far, role, row = arrived.far, arrived.role, arrived.row
    told, person, card = far.told(role), far.told("contact"), far.record(role)
    assert {one.state for one in far.made.rows(link)} <= {"linked", "history"}
    assert told["title"] == row.title
    assert far.place(role) == far.spot(role, STAGES[role][0])
    assert (person["phones"], person["emails"]) == (["+79161234567"], ["anna@petrova.test"])
    if not (far.account.native and far.person.name in NAMED):
        assert card.links[far.person.contact_kind] == (far.record("contact").ref,)
    assert [one.ref for one in far.person.find(card.kind, {"marker": far.made.lead().id})] == [card.ref]
    owners = far.account.live.row.config["tables"]["owners"]
    assert told["owner"] == row.owner_id if owners else not told.get("owner")
    assert told.get("text", ANNA["message"]) == ANNA["message"]
    assert len(far.all(role)) == len(far.all("contact")) == 1


@each(BOTH)
def test_a_conversion_here_makes_a_deal_there(case: tuple[str, str], arrived: Arrived) -> None:
    far, made = arrived.far, arrived.far.made
    card = far.record("lead")
    convert(far)
    made.settle(2)
    assert (made.link("deal").state, made.deal().state) == ("linked", "open")
    assert far.place("deal") == far.spot("deal", "created")
    assert far.told("deal")["title"] == made.deal().title
    assert len(far.all("deal")) == 1
    if not far.account.native:
        assert made.link("deal").remote_id == card.ref
    end = "lost" if case[0] in WON_BY_PAPERS else "won"
    far.drag("deal", "deal", end)
    made.settle(2)
    assert made.deal().state == end
    assert (len(made.rows(conversion)), len(made.rows(lead)), len(made.rows(deal))) == (1, 1, 1)
    calm(far)


def with_amount(case: tuple[str, str]) -> bool:
    """Whether a lead's card has an amount there, as its mapping comes."""
    crm = registry.crm(case[0])
    section = section_of(crm, case[1], "lead")
    return any((line.kind, line.hub) == (section, "amount") for line in load(shipped(case[0])).lines)


@each([*{case[0]: case for case in BOTH if with_amount(case)}.values()])
def test_an_amount_that_people_expect_of_a_lead_is_the_deals(case: tuple[str, str], arrived: Arrived) -> None:
    far, made = arrived.far, arrived.far.made
    card, section = far.record("lead"), far.account.faces["lead"].section
    [line] = [one for one in far.account.mapping.lines if (one.kind, one.hub) == (section, "amount")]
    far.do(Op(card.kind, {line.crm: line.codec.out("5000")}, ref=card.ref))
    made.settle(2)
    assert Decimal(made.lead().amount) == 5000
    convert(far)
    made.settle(3)
    assert Decimal(made.deal().amount) == 5000
    calm(far)


@each(BOTH)
def test_a_conversion_there_makes_a_deal_here(case: tuple[str, str], arrived: Arrived) -> None:
    far, made = arrived.far, arrived.far.made
    far.convert()
    made.settle(2)
    assert (made.lead().state, made.deal().state) == ("converted", "open")
    assert made.link("deal").state == "linked"
    assert [one.ref for one in far.all("deal")] == [made.link("deal").remote_id]
    assert far.told("deal")["placement"] == ["deal", made.direction_id, made.deal().stage]
    there = far.apart("deal", *STAGES["deal"])
    far.drag("deal", "deal", there)
    made.settle(2)
    assert made.deal().stage == there
    assert (len(made.rows(conversion)), len(made.rows(lead)), len(made.rows(deal))) == (1, 1, 1)
    calm(far)


@each(BOTH)
def test_a_rejected_lead_is_closed_there_and_comes_back(case: tuple[str, str], arrived: Arrived) -> None:
    far, made = arrived.far, arrived.far.made
    with made.hub.store.write() as conn:
        moves.reject_lead(conn, made.clock, made.lead().id, "Too expensive", "member:x")
    made.settle(2)
    assert far.place("lead") == far.spot("lead", "rejected")
    far.drag("lead", "lead", "new")
    made.settle(2)
    assert (made.lead().state, made.lead().stage) == ("open", "new")
    far.drag("lead", "lead", "rejected")
    made.advance(HOUR)  # without hooks an archive is looked into once an hour
    made.settle(2)
    assert made.lead().state == "rejected"
    assert not made.rows(deal)


@each(CASES)
def test_what_people_delete_is_not_made_again(case: tuple[str, str], arrived: Arrived) -> None:
    far, made, role = arrived.far, arrived.far.made, arrived.role
    far.delete(role)
    made.advance(HOUR)
    made.settle(1)
    for title in ("Balcony", "Winter garden"):
        arrived.hub_edit(title=title)
        made.settle(1)
    assert (made.link(role).state, made.link(role).code) == ("tombstoned", "deleted_in_crm")
    assert far.all(role) == []
    assert arrived.row.title == "Winter garden"


@each([("hubspot", "two_pipelines")])
def test_a_create_whose_answer_was_lost_is_found_at_once(case: tuple[str, str], bare: Far) -> None:
    """Its marker is unique: nobody waits for the longest time a request can live."""
    bare.set_up(case[1])
    inquiry: dict[str, Any] = {**ANNA}
    bare.made.post(**inquiry)
    bare.made.hub.flow.drain()
    bare.state.fail("drop_after", method="POST", path="crm/v3/objects/deals/batch")
    bare.made.push()
    bare.made.advance(1)
    bare.made.push()
    assert bare.made.link("lead").state == "uncertain"
    bare.made.advance(6)
    bare.made.push()
    assert bare.made.link("lead").state == "linked"
    assert len(bare.all("lead")) == 1
