"""Setting a CRM up: shown before, done once, checked, and taken back to what was there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from connectors.crms.amocrm import AmoCRM
from connectors.errors import Unsupported
from hub.funnel import moves
from hub.model import provision_run
from hub.sync.provision import Provision
from tests.flow.scene import Scene, scene
from tests.servers import Stack


@pytest.fixture
def bare(embedded: Stack) -> Iterator[Scene]:
    """A CRM that was never set up."""
    with scene(embedded, set_up=False) as made:
        yield made


class Killed(BaseException):
    """The process is gone."""


def export(made: Scene) -> Any:
    """What the account looks like, without the ids the CRM gives."""
    live = made.hub.connections.by_id(made.crm_id)
    assert live is not None
    told = live.crm.describe()
    return {
        "fields": {kind: sorted(field.name for field in fields) for kind, fields in told.fields.items()},
        "pipelines": [(p.name, p.main, [(s.name, s.position, s.colour) for s in p.stages]) for p in told.pipelines],
        "hooks": sorted(told.hooks),
        "users": told.users,
    }  # fmt: skip


def ours(made: Scene) -> Any:
    """The pipeline the hub made."""
    (found,) = (one for one in made.crm.pipelines.all.values() if one["name"].startswith("Windows"))
    return found


def apply(made: Scene) -> None:
    made.hub.provision.apply(made.crm_id, made.hub.provision.plan(made.crm_id))


def test_the_plan_says_everything_and_changes_nothing(bare: Scene) -> None:
    before = export(bare)
    plan = bare.hub.provision.plan(bare.crm_id)
    assert not plan.empty
    assert any("Windows" in sentence for sentence in plan.sentences)
    assert any("HUB_ID" in sentence or "Hub id" in sentence for sentence in plan.sentences)
    assert export(bare) == before
    assert bare.writes() == 0


@pytest.mark.parametrize("locale", ["en", "ru"])
def test_after_apply_there_is_nothing_left_to_do(embedded: Stack, locale: str) -> None:
    with scene(embedded, locale=locale) as made:
        assert made.hub.provision.plan(made.crm_id).empty
        assert made.hub.provision.verify(made.crm_id) == ()
        stages = [one["name"] for one in ours(made)["statuses"].values() if one["is_editable"]]
        names = {"en": ["New", "Silent"], "ru": ["Новый", "Молчит"]}[locale]
        assert stages[:2] == names
        assert len(stages) == 8, "the stages of the hub and no other"


def test_every_stage_has_its_place_and_the_border_shows(small: Scene) -> None:
    live = small.hub.connections.by_id(small.crm_id)
    assert live is not None
    rows = live.row.config["placement"]["rows"]
    assert len(rows) == 11
    stages = ours(small)["statuses"]
    order = [stages[int(ref)]["sort"] for _b, _d, _k, _p, ref in rows if int(ref) not in (142, 143)]
    assert order == sorted(order)
    leads = {stages[int(ref)]["color"] for block, *_rest, ref in rows if block == "lead" and int(ref) != 143}
    deals = {stages[int(ref)]["color"] for block, *_rest, ref in rows if block == "deal" and int(ref) > 143}
    assert not leads & deals


def test_verify_names_what_a_person_removed(small: Scene) -> None:
    pipeline = ours(small)
    stage = next(n for n, one in pipeline["statuses"].items() if one["name"] == "Warm")
    del pipeline["statuses"][stage]
    field = next(n for n, one in small.crm.fields["leads"].items() if one["code"] == "HUB_ID")
    del small.crm.fields["leads"][field]
    small.crm.hooks.clear()
    told = " ".join(small.hub.provision.verify(small.crm_id))
    assert "Warm" in told
    assert "Hub id" in told
    assert "hook" in told
    assert "Cold" not in told
    apply(small)
    assert small.hub.provision.verify(small.crm_id) == ()


def test_verify_names_a_pipeline_that_is_gone(small: Scene) -> None:
    del small.crm.pipelines.all[ours(small)["id"]]
    assert "Windows" in " ".join(small.hub.provision.verify(small.crm_id))


def test_undo_of_an_untouched_set_up_leaves_what_was_there(bare: Scene) -> None:
    before = export(bare)
    apply(bare)
    assert export(bare) != before
    assert bare.hub.provision.undo(bare.crm_id)
    assert export(bare) == before
    assert bare.hub.provision.undo(bare.crm_id) == ()


def test_undo_keeps_a_pipeline_that_has_cards_and_says_so(small: Scene) -> None:
    small.post(name="Anna Peters", phone="+79161234567")
    small.settle()
    told = small.hub.provision.undo(small.crm_id)
    assert any(sentence.startswith("kept: remove pipeline") for sentence in told)
    assert small.card()


def killed_at(monkeypatch: pytest.MonkeyPatch, number: int, *, after: bool) -> None:
    """The process ends at its n-th step over there, before or after it had its effect."""
    real, count = AmoCRM.provision, [0]

    def last(self: AmoCRM, steps: Any) -> Any:
        count[0] += 1
        if count[0] < number:
            return real(self, steps)
        monkeypatch.setattr(AmoCRM, "provision", real)
        if after:
            real(self, steps)
        raise Killed

    monkeypatch.setattr(AmoCRM, "provision", last)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("number", [1, 2, 6, 12, 24])
def test_a_kill_in_the_middle_leaves_nothing_twice_and_can_be_undone(
    bare: Scene, monkeypatch: pytest.MonkeyPatch, number: int, after: bool
) -> None:
    before = export(bare)
    killed_at(monkeypatch, number, after=after)
    with pytest.raises(Killed):
        apply(bare)
    bare.advance(1)
    apply(bare)
    stages = [one["name"] for one in ours(bare)["statuses"].values()]
    assert len(stages) == len(set(stages)) == 11
    for kind in bare.crm.fields:
        codes = [one["code"] for one in bare.crm.fields[kind].values()]
        assert len(codes) == len(set(codes))
    assert len(bare.crm.hooks) == 1
    assert bare.hub.provision.verify(bare.crm_id) == ()
    bare.hub.provision.undo(bare.crm_id)
    assert export(bare) == before


def test_a_kill_before_the_last_line_is_written_down(bare: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Provision._finish

    def last(*_arguments: Any) -> None:
        monkeypatch.setattr(Provision, "_finish", real)
        raise Killed

    monkeypatch.setattr(Provision, "_finish", last)
    with pytest.raises(Killed):
        apply(bare)
    bare.advance(1)
    apply(bare)
    bare.post(name="Anna Peters", phone="+79161234567")
    bare.settle()
    assert bare.stands(bare.card()) == bare.spot("lead", "new")


def test_undo_takes_the_last_set_up_back_and_not_the_one_before(small: Scene) -> None:
    """A field that was added by a later set-up goes, the set-up of the beginning stays."""
    field = next(n for n, one in small.crm.fields["leads"].items() if one["code"] == "HUB_FORM")
    del small.crm.fields["leads"][field]
    small.advance(1)
    apply(small)
    assert [row.state for row in small.rows(provision_run)] == ["applied", "applied"]
    assert len(small.hub.provision.undo(small.crm_id)) == 1
    assert ours(small)
    small.post(name="Anna Peters", phone="+79161234567")
    small.settle()
    assert small.stands(small.card()) == small.spot("lead", "new")


@pytest.mark.parametrize("strategy", ["two_pipelines", "held"])
def test_another_placement_is_set_up_and_taken_back(bare: Scene, strategy: str) -> None:
    before = export(bare)
    plan = bare.hub.provision.plan(bare.crm_id, strategy=strategy)
    bare.hub.provision.apply(bare.crm_id, plan)
    assert bare.hub.provision.verify(bare.crm_id) == ()
    live = bare.hub.connections.by_id(bare.crm_id)
    assert live is not None
    assert live.row.config["placement"]["strategy"] == strategy
    blocks = {row[0] for row in live.row.config["placement"]["rows"]}
    assert blocks == ({"deal"} if strategy == "held" else {"lead", "deal"})
    bare.hub.provision.undo(bare.crm_id)
    assert export(bare) == before


def test_a_placement_the_crm_cannot_carry_is_refused_by_name(bare: Scene) -> None:
    with pytest.raises(Unsupported, match="native"):
        bare.hub.provision.plan(bare.crm_id, strategy="native")


def test_a_lead_crosses_from_its_pipeline_to_the_other(bare: Scene) -> None:
    bare.hub.provision.apply(bare.crm_id, bare.hub.provision.plan(bare.crm_id, strategy="two_pipelines"))
    bare.post(name="Anna Peters", phone="+79161234567")
    bare.settle()
    assert bare.stands(bare.card()) == bare.spot("lead", "new")
    with bare.hub.store.write() as conn:
        moves.convert_lead(conn, bare.clock, bare.lead().id, "member:x")
    bare.settle()
    assert bare.stands(bare.card()) == bare.spot("deal", "created")
    assert bare.spot("deal", "created")[0] != bare.spot("lead", "new")[0]


def test_a_held_lead_comes_to_the_crm_when_it_is_a_deal(bare: Scene) -> None:
    bare.hub.provision.apply(bare.crm_id, bare.hub.provision.plan(bare.crm_id, strategy="held"))
    bare.post(name="Anna Peters", phone="+79161234567")
    bare.settle()
    assert not bare.cards()
    assert not bare.cards("contacts")
    with bare.hub.store.write() as conn:
        moves.convert_lead(conn, bare.clock, bare.lead().id, "member:x")
    bare.settle()
    assert bare.stands(bare.card()) == bare.spot("deal", "created")
    assert len(bare.cards("contacts")) == 1


def test_cards_move_when_the_placement_changes(small: Scene) -> None:
    small.post(name="Anna Peters", phone="+79161234567")
    small.settle()
    small.hub.provision.apply(small.crm_id, small.hub.provision.plan(small.crm_id, strategy="two_pipelines"))
    small.settle()
    assert small.stands(small.card()) == small.spot("lead", "new")
    assert len(small.cards()) == 1


def test_old_cards_learn_fields_that_are_made_later(small: Scene) -> None:
    small.post(name="Anna Peters", phone="+79161234567", message="Two windows")
    small.settle()
    field = next(n for n, one in small.crm.fields["leads"].items() if one["code"] == "HUB_TEXT")
    del small.crm.fields["leads"][field]
    small.card()["cells"].pop(field)
    small.advance(1)
    apply(small)
    small.settle()
    assert small.cell(small.card(), "HUB_TEXT") == "Two windows"
