"""Stages of both blocks laid out over there, by every strategy: complete, told apart, and planned only once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest

from connectors.contract import CRM, Facts, Pipeline, Schema, Stage, Step
from hub.funnel.defaults import DEAL_STAGES, LEAD_STAGES
from hub.sync.layout import NEW, Known, Layout, Wish, colour, known
from hub.sync.split import Placement, placement_json

WISHES = [
    Wish(block, one.key, one.names["en"], one.colour, one.final)
    for block, stages in (("lead", LEAD_STAGES), ("deal", DEAL_STAGES))
    for one in stages
]
STRATEGIES = ("two_blocks", "two_pipelines", "flag", "native", "held")


class Bare(CRM):
    """Declares what a test says."""

    lead_kind = deal_kind = "cards"
    contact_kind = "people"
    facts = Facts(colours="any")


def crm(strategy: str, **facts: Any) -> CRM:
    made = Bare({}, {}, None)  # type: ignore[arg-type]
    made.facts = replace(Facts(colours="any"), **facts)  # type: ignore[misc]
    made.lead_kind = "leads" if strategy == "native" else "cards"  # type: ignore[misc]
    return made


def laid_out(
    strategy: str, schema: Schema | None = None, chosen: str = "", memory: Known | None = None, **facts: Any
) -> Layout:
    layout = Layout(crm(strategy, **facts), schema or Schema(), strategy, memory or Known())
    layout.add("d1", "Windows", WISHES, chosen)
    return layout


def made(layout: Layout, schema: Schema | None = None) -> tuple[Schema, Placement]:
    """The account after the steps, and the placement that is kept."""
    refs: list[str] = []
    pipelines: dict[str, Pipeline] = {one.ref: one for one in (schema or Schema()).pipelines}
    for number, step in enumerate(layout.steps):
        ref = step.ref or f"made-{number}"
        refs.append(ref)
        _do(step, ref, refs, pipelines)
    rows = [tuple(refs[int(part[len(NEW) :])] if part.startswith(NEW) else part for part in row) for row in layout.rows]
    return Schema(pipelines=tuple(pipelines.values())), Placement(layout.strategy, tuple(rows))  # type: ignore[arg-type]


def _do(step: Step, ref: str, refs: Sequence[str], pipelines: dict[str, Pipeline]) -> None:
    values: Mapping[str, Any] = step.values
    if step.what == "pipeline":
        pipelines[ref] = Pipeline(ref, values["name"])
        return
    under = refs[int(step.under[len(NEW) :])] if step.under.startswith(NEW) else step.under
    there = pipelines[under]
    kept = [one for one in there.stages if one.ref != ref]
    old = next((one for one in there.stages if one.ref == ref), Stage(ref, ""))
    told = {name: values[name] for name in ("name", "colour", "position", "final") if name in values}
    pipelines[under] = replace(there, stages=(*kept, replace(old, **told)))


LEADS = Pipeline(
    "", "Leads", (Stage("N", "New", 1), Stage("P", "In process", 2), Stage("J", "Junk", 3, final="lost")), kind="leads"
)
CLOSING = (Stage("w", "Won", 2, final="won"), Stage("l", "Lost", 3, final="lost"))
DEALS = Pipeline("1", "Sales", (Stage("q", "Qualified", 1), *CLOSING), main=True)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_every_stage_has_its_place_and_a_second_plan_is_empty(strategy: str) -> None:
    before = Schema(pipelines=(LEADS, DEALS) if strategy == "native" else ())
    schema, placement = made(laid_out(strategy, before), before)
    wanted = {(one.block, one.key) for one in WISHES if one.block == "deal" or strategy != "held"}
    assert {(row[0], row[2]) for row in placement.rows} == wanted
    memory = known({"placement": placement_json(strategy, placement.rows)}, strategy)
    again = laid_out(strategy, schema, memory=memory)
    assert again.steps == []
    assert tuple(again.rows) == placement.rows


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_stages_that_people_renamed_are_found_again(strategy: str) -> None:
    before = Schema(pipelines=(LEADS, DEALS) if strategy == "native" else ())
    schema, placement = made(laid_out(strategy, before), before)
    renamed = [
        replace(p, name=f"{p.name}!", stages=tuple(replace(s, name=f"{s.name}!") for s in p.stages))
        for p in schema.pipelines
    ]
    memory = known({"placement": placement_json(strategy, placement.rows)}, strategy)
    assert laid_out(strategy, Schema(pipelines=tuple(renamed)), memory=memory).steps == []


def test_two_pipelines_keep_the_blocks_apart() -> None:
    _schema, placement = made(laid_out("two_pipelines"))
    lead_side = {row[3] for row in placement.rows if row[0] == "lead"}
    deal_side = {row[3] for row in placement.rows if row[0] == "deal"}
    assert len(lead_side) == len(deal_side) == 1
    assert not lead_side & deal_side


def test_deals_go_into_the_pipeline_an_admin_chose() -> None:
    layout = laid_out("two_pipelines", Schema(pipelines=(DEALS,)), chosen="1")
    assert {row[3] for row in layout.rows if row[0] == "deal"} == {"1"}
    closing = {row[2]: row[4] for row in layout.rows if row[2] in ("won", "lost")}
    assert closing == {"won": "w", "lost": "l"}, "its own closing stages are used"


def test_native_leads_stand_in_the_crms_own_list_and_its_closing_status() -> None:
    layout = laid_out("native", Schema(pipelines=(LEADS, DEALS)))
    rows = {row[2]: row for row in reversed(layout.rows) if row[0] == "lead"}
    assert {row[3] for row in rows.values()} == {""}
    assert rows["rejected"][4] == "J"
    assert rows["new"][4] == "N"
    assert all(step.under in ("", "1") for step in layout.steps)


def test_peoples_own_stages_count_as_the_nearest_of_ours() -> None:
    layout = laid_out("native", Schema(pipelines=(LEADS, DEALS)))
    counted = [row for row in layout.rows if row[4] in ("P", "q")]
    assert [(row[0], row[4]) for row in counted] == [("lead", "P"), ("deal", "q")]
    _schema, placement = made(layout, Schema(pipelines=(LEADS, DEALS)))
    for row in counted:
        spot = placement.unplace(type(placement.place(row[:3]))(row[3], row[4]), row[0])
        assert spot is not None
        assert spot[2] == row[2]


def test_a_stage_that_people_added_later_counts_as_the_one_before_it_and_keeps_doing_so() -> None:
    schema, placement = made(laid_out("two_pipelines"))
    [deals] = [one for one in schema.pipelines if one.name == "Windows · deals"]
    at = {row[2]: row[4] for row in placement.rows if row[0] == "deal"}
    offer = next(one for one in deals.stages if one.ref == at["offer_sent"])
    demo = Stage("demo", "Demo", offer.position + 1)
    others = tuple(one for one in schema.pipelines if one.ref != deals.ref)
    schema = Schema(pipelines=(*others, replace(deals, stages=(*deals.stages, demo))))
    for moved in (demo, replace(demo, position=1)):
        kept = {"placement": placement_json("two_pipelines", placement.rows)}
        again = laid_out("two_pipelines", schema, memory=known(kept, "two_pipelines"))
        assert (again.steps, [row[2] for row in again.rows if row[4] == "demo"]) == ([], ["offer_sent"])
        _, placement = made(again, schema)
        stages = (*deals.stages, moved)
        schema = Schema(pipelines=(*others, replace(deals, stages=stages)))


def test_without_colours_a_letter_shows_the_border() -> None:
    names = [step.values["name"] for step in laid_out("two_blocks", colours="none").steps if step.what == "stage"]
    assert names[:2] == ["L · New", "L · Silent"]
    assert "D · Created" in names
    apart = [step.values["name"] for step in laid_out("two_pipelines", colours="none").steps if step.what == "stage"]
    assert "New" in apart


def test_colours_are_exact_or_the_nearest_there_are() -> None:
    assert colour(crm("two_blocks"), "#98cbff") == "#98cbff"
    palette = crm("two_blocks", colours="palette", palette=("#000000", "#99ccff", "#ffffff"))
    assert colour(palette, "#98cbff") == "#99ccff"
    strong = crm("two_blocks", colours="palette", palette=("#b9babb", "#317ae2", "#ffdd3f"))
    assert [colour(strong, wish) for wish in ("#d6eaff", "#e6e8ea", "#ffce5a")] == ["#317ae2", "#b9babb", "#ffdd3f"]
    assert colour(crm("two_blocks", colours="none"), "#98cbff") == ""


def test_only_stages_of_coloured_kinds_get_colours() -> None:
    leads, deals = Pipeline("", "Inbox", kind="leads"), Pipeline("1", "Sales", main=True)
    layout = laid_out("native", Schema(pipelines=(leads, deals)), coloured=("leads",))
    stages = [step for step in layout.steps if step.what == "stage"]
    assert {(step.under, bool(step.values["colour"])) for step in stages} == {("", True), ("1", False)}
    two = laid_out("two_pipelines", coloured=("leads",)).steps
    assert not any(step.values.get("colour") or step.values.get("first", {}).get("colour") for step in two)


def test_closing_stages_are_made_where_no_pipeline_has_them() -> None:
    finals = [step.values.get("final") for step in laid_out("two_blocks").steps if step.values.get("final")]
    assert finals == ["lost", "won"], "one closes both blocks"


def test_what_the_crm_lets_nobody_make_is_not_asked_for_again() -> None:
    memory = Known(without=frozenset({("stage", "Warm"), ("stage", "Hot")}))
    layout = laid_out("native", Schema(pipelines=(LEADS, DEALS)), memory=memory)
    assert not {"Warm", "Hot"} & {step.values.get("name") for step in layout.steps}
    assert {row[4] for row in layout.rows if row[2] in ("warm", "hot")} <= {"N", "P"}
