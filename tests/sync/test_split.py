"""Placement: there and back is the same place by every strategy, and what has no place says so."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.sync.split import STRATEGIES, NotPlaced, Placement, Row, There, placement_json, read_placement

TWO_BLOCKS = Placement(
    "two_blocks",
    (
        ("lead", "d1", "new", "7", "101"), ("lead", "d1", "warm", "7", "102"), ("lead", "d1", "rejected", "7", "143"),
        ("deal", "d1", "created", "7", "104"), ("deal", "d1", "won", "7", "142"), ("deal", "d1", "lost", "7", "143"),
    ),
)  # fmt: skip
FLAG = Placement("flag", TWO_BLOCKS.rows)


@pytest.mark.parametrize("row", TWO_BLOCKS.rows, ids=lambda row: f"{row[0]} {row[2]}")
def test_there_and_back(row: Row) -> None:
    block, direction, stage, pipeline, remote = row
    assert TWO_BLOCKS.place((block, direction, stage)) == There(pipeline, remote)
    assert TWO_BLOCKS.unplace(There(pipeline, remote), block) == (block, direction, stage)


def test_one_closing_stage_for_both_blocks_goes_by_the_role() -> None:
    assert TWO_BLOCKS.unplace(There("7", "143"), "lead") == ("lead", "d1", "rejected")
    assert TWO_BLOCKS.unplace(There("7", "143"), "deal") == ("deal", "d1", "lost")


def test_a_card_that_crossed_the_border_is_seen_on_the_other_side() -> None:
    assert TWO_BLOCKS.unplace(There("7", "104"), "lead") == ("deal", "d1", "created")
    assert TWO_BLOCKS.unplace(There("7", "102"), "deal") == ("lead", "d1", "warm")


def test_a_flag_tells_the_block_whatever_the_role() -> None:
    assert FLAG.unplace(There("7", "143", "lead"), "deal") == ("lead", "d1", "rejected")
    assert FLAG.unplace(There("7", "143", "deal"), "lead") == ("deal", "d1", "lost")


def test_a_flag_that_somebody_changed_alone_begins_the_block() -> None:
    assert FLAG.unplace(There("7", "102", "deal"), "lead") == ("deal", "d1", "created")


def test_where_leads_are_records_of_their_own_no_stage_makes_a_deal_of_one() -> None:
    native = Placement("native", TWO_BLOCKS.rows)
    assert native.unplace(There("7", "104"), "lead") is None
    assert native.unplace(There("7", "104"), "deal") == ("deal", "d1", "created")


def test_what_is_not_ours_has_no_place() -> None:
    assert TWO_BLOCKS.unplace(There("7", "999"), "lead") is None
    assert TWO_BLOCKS.unplace(There("8", "101"), "lead") is None
    with pytest.raises(NotPlaced, match="lead stage “hot”"):
        TWO_BLOCKS.place(("lead", "d1", "hot"))


SHARED = Placement(
    "two_blocks",
    (("lead", "d1", "cold", "7", "1"), ("lead", "d1", "warm", "7", "1"), ("lead", "d1", "cold", "7", "2")),
)


def test_a_stage_here_and_a_card_there_stay_where_they_are_when_tables_overlap() -> None:
    assert SHARED.unplace(There("7", "1"), "lead", ("lead", "d1", "warm")) == ("lead", "d1", "warm")
    assert SHARED.place(("lead", "d1", "cold"), There("7", "2")) == There("7", "2")
    assert SHARED.same(["lead", "d1", "cold"], ("lead", "d1", "warm"))
    assert not SHARED.same(["lead", "d1", "cold"], ("deal", "d1", "warm"))
    assert not SHARED.same(None, ("lead", "d1", "warm"))


def tables(strategy: str) -> Any:
    """Any table a set-up of this strategy can make: blocks may share a stage where the role or a flag tells them
    apart, several stages may share one over there, and several over there may stand for one of ours."""
    blocks = ["deal"] if strategy == "held" else ["lead", "deal"]
    spots = st.tuples(st.sampled_from(blocks), st.sampled_from(["d1", "d2"]), st.sampled_from("abcde"))

    def place(spot: Any) -> Any:
        parts = {"two_pipelines": spot[0], "native": spot[0]}
        return st.tuples(st.just(spot), st.just(parts.get(strategy, "p")), st.sampled_from(["10", "11", "12", "13"]))

    rows = st.lists(spots.flatmap(place), max_size=14, unique=True)
    return rows.map(lambda found: Placement(strategy, tuple((*spot, *card) for spot, *card in found)))


PLACEMENTS = st.sampled_from(STRATEGIES).flatmap(tables)


@given(PLACEMENTS)
def test_what_stands_there_comes_back_to_the_same_place(made: Placement) -> None:
    """place(unplace(x)) = x for every place of the table."""
    for block, _direction, _stage, pipeline, remote in made.rows:
        there = There(pipeline, remote, block if made.strategy == "flag" else "")
        spot = made.unplace(there, block)
        assert spot is not None
        assert spot[0] == block
        assert made.place(spot, there) == there


@given(PLACEMENTS)
def test_what_stands_here_comes_back_to_the_same_spot(made: Placement) -> None:
    """unplace(place(s)) = s for every spot of the table, also where it shares its place."""
    for block, direction, stage, *_there in made.rows:
        spot = (block, direction, stage)
        assert made.unplace(made.place(spot), block, spot) == spot
        assert made.same(spot, made.unplace(made.place(spot), block))


@given(PLACEMENTS)
def test_a_placement_is_kept_as_it_was(made: Placement) -> None:
    assert read_placement({"placement": placement_json(made.strategy, made.rows)}) == made


def test_before_the_set_up_there_is_none() -> None:
    assert read_placement({}) is None
