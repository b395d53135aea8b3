"""Placement: there and back is the same place, and what has no place says so."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.sync.split import NotPlaced, Placement, placement_json, read_placement

TWO_BLOCKS = Placement(
    "two_blocks",
    (
        ("lead", "d1", "new", "7", "101"), ("lead", "d1", "warm", "7", "102"), ("lead", "d1", "rejected", "7", "143"),
        ("deal", "d1", "created", "7", "104"), ("deal", "d1", "won", "7", "142"), ("deal", "d1", "lost", "7", "143"),
    ),
)  # fmt: skip


@pytest.mark.parametrize("row", TWO_BLOCKS.rows, ids=lambda row: f"{row[0]} {row[2]}")
def test_there_and_back(row: tuple[str, str, str, str, str]) -> None:
    block, direction, stage, pipeline, remote = row
    assert TWO_BLOCKS.place((block, direction, stage)) == (pipeline, remote)
    assert TWO_BLOCKS.unplace(int(pipeline), int(remote), block) == (block, direction, stage)


def test_one_closing_stage_for_both_blocks_goes_by_the_role() -> None:
    assert TWO_BLOCKS.unplace("7", "143", "lead") == ("lead", "d1", "rejected")
    assert TWO_BLOCKS.unplace("7", "143", "deal") == ("deal", "d1", "lost")


def test_a_card_that_crossed_the_border_is_seen_on_the_other_side() -> None:
    assert TWO_BLOCKS.unplace("7", "104", "lead") == ("deal", "d1", "created")
    assert TWO_BLOCKS.unplace("7", "102", "deal") == ("lead", "d1", "warm")


def test_what_is_not_ours_has_no_place() -> None:
    assert TWO_BLOCKS.unplace("7", "999", "lead") is None
    assert TWO_BLOCKS.unplace("8", "101", "lead") is None
    with pytest.raises(NotPlaced, match="lead stage “hot”"):
        TWO_BLOCKS.place(("lead", "d1", "hot"))


SPOTS = st.tuples(st.sampled_from(["lead", "deal"]), st.sampled_from(["d1", "d2"]), st.sampled_from("abcde"))
CARDS = st.tuples(st.sampled_from("12"), st.sampled_from(["10", "11", "12", "13", "14"]))
ROWS = st.lists(st.tuples(SPOTS, CARDS), max_size=12, unique_by=lambda row: row[0]).map(
    lambda rows: tuple((*spot, *card) for spot, card in rows)
)


@given(ROWS)
def test_place_and_unplace_are_inverse_within_a_block(rows: tuple[tuple[str, str, str, str, str], ...]) -> None:
    """Where two stages of one block share a card's place, the first stands for it."""
    made = Placement("two_blocks", rows)
    for block, direction, stage, *_ in rows:
        there = made.place((block, direction, stage))
        back = made.unplace(*there, block)
        assert back is not None
        assert back[0] == block
        assert made.place(back) == there


@given(ROWS)
def test_a_placement_is_kept_as_it_was(rows: tuple[tuple[str, str, str, str, str], ...]) -> None:
    assert read_placement({"placement": placement_json("two_blocks", rows)}) == Placement("two_blocks", rows)


def test_before_the_set_up_there_is_none() -> None:
    assert read_placement({}) is None
