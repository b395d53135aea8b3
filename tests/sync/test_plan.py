"""Reconciling one record: nobody's edit is lost, nothing is said twice, an echo is nobody's edit."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.sync.plan import ABSENT, WINNERS, Agreed, Conflict, Memory, Slot, reconcile


def into(raw: Any) -> Any:
    """The CRM writes texts with spaces around them, None for nothing, and once in a while something unreadable."""
    if raw == "?":
        return ABSENT
    return raw.strip() if isinstance(raw, str) else raw or ""


def out(value: Any) -> Any:
    return f" {value} " if isinstance(value, str) and value else value


def same(a: Any, b: Any) -> bool:
    if isinstance(a, list) or isinstance(b, list):
        return sorted(a or ()) == sorted(b or ())
    return (a or "") == (b or "")


def slot(**given_: Any) -> Slot:
    return Slot(**{"hub": "name", "crm": "NAME", "into": into, "same": same, **given_})


def memory(base: Any = "a", raw: Any = ABSENT, **sent: Any) -> Memory:
    return Memory({"name": base}, {} if raw is None else {"NAME": out(base) if raw is ABSENT else raw}, sent)


def one(slot_: Slot, held: Memory, ours: Any, shown: Any = ABSENT) -> Agreed:
    return reconcile([slot_], held, {"name": ours}, None if shown is ABSENT else {"NAME": shown})


# ── one side, both sides, no side ────────────────────────────────────────────────────────────────


def test_when_nothing_changed_nothing_happens() -> None:
    agreed = one(slot(), memory(), "a", " a ")
    assert (agreed.hub, agreed.push, agreed.conflicts, agreed.unread) == ({}, {}, [], [])
    assert (agreed.base, agreed.raw) == ({"name": "a"}, {"NAME": " a "})


def test_the_hubs_edit_goes_out() -> None:
    agreed = one(slot(), memory(), "b", " a ")
    assert (agreed.push, agreed.hub, agreed.conflicts) == ({"name": "b"}, {}, [])


def test_the_crms_edit_comes_in() -> None:
    agreed = one(slot(), memory(), "a", " b ")
    assert (agreed.push, agreed.hub, agreed.conflicts) == ({}, {"name": "b"}, [])
    assert (agreed.base, agreed.raw) == ({"name": "b"}, {"NAME": " b "})


def test_the_same_edit_on_both_sides_is_no_write() -> None:
    agreed = one(slot(), memory(), "b", "b   ")
    assert (agreed.push, agreed.hub, agreed.conflicts, agreed.base) == ({}, {}, [], {"name": "b"})


def test_another_spelling_is_no_edit() -> None:
    agreed = one(slot(), memory(), "a", "  a   ")
    assert (agreed.push, agreed.hub, agreed.raw) == ({}, {}, {"NAME": "  a   "})


def test_without_a_reading_only_our_own_changes_are_found() -> None:
    assert one(slot(), memory(), "b").push == {"name": "b"}
    assert one(slot(), memory(), "a").push == {}


def test_a_field_that_was_not_shown_says_nothing() -> None:
    agreed = reconcile([slot()], memory(), {"name": "a"}, {"OTHER": 1})
    assert (agreed.hub, agreed.push, agreed.raw) == ({}, {}, {"NAME": " a "})


def test_an_emptied_field_is_an_edit() -> None:
    assert one(slot(), memory(), "a", None).hub == {"name": ""}
    assert one(slot(), memory(), "", " a ").push == {"name": ""}


# ── conflicts ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("policy", "winner", "hub", "push"),
    [
        ("crm", "crm", {"name": "c"}, {}),
        ("latest", "crm", {"name": "c"}, {}),
        ("hub", "hub", {}, {"name": "b"}),
        ("max", "crm", {"name": "c"}, {}),
        ("min", "hub", {}, {"name": "b"}),
        ("ask", "ask", {}, {}),
    ],
)
def test_a_conflict_goes_by_the_policy_and_names_both(
    policy: str, winner: str, hub: dict[str, str], push: dict[str, str]
) -> None:
    agreed = one(slot(policy=policy), memory(), "b", " c ")
    assert (agreed.hub, agreed.push) == (hub, push)
    assert agreed.conflicts == [Conflict("name", "b", "c", winner)]


def test_what_a_person_must_decide_stays_undecided() -> None:
    """Until then neither side is written, however often we look."""
    first = one(slot(policy="ask"), memory(), "b", " c ")
    again = one(slot(policy="ask"), Memory(first.base, first.raw, {}), "b", " c ")
    assert (again.hub, again.push) == ({}, {})
    assert again.conflicts == first.conflicts


@pytest.mark.parametrize("policy", ["crm", "hub", "max", "min", "latest"])
def test_nothing_does_not_win_where_there_never_was_anything(policy: str) -> None:
    assert one(slot(policy=policy), memory("", "x"), "b", None).push == {"name": "b"}
    assert one(slot(policy=policy), memory("a"), "", " c ").conflicts[0].field == "name"


@pytest.mark.parametrize(
    ("base", "ours", "theirs", "merged"),
    [
        (["1"], ["1", "2"], ["1", "3"], ["1", "3", "2"]),
        (["1", "2"], ["1"], ["1", "2", "3"], ["1", "3"]),
        (["1", "2"], ["1"], ["2"], []),
        ([], ["1"], ["1", "2"], ["1", "2"]),
        (["1"], [], ["1", "2"], ["2"]),
    ],
)
def test_union_is_a_merge_of_three(base: list[str], ours: list[str], theirs: list[str], merged: list[str]) -> None:
    agreed = one(slot(policy="union"), memory(base), ours, theirs)
    final = agreed.hub.get("name", ours)
    assert sorted(final) == sorted(merged)
    assert sorted(agreed.push.get("name", theirs)) == sorted(merged)


# ── our own writes ───────────────────────────────────────────────────────────────────────────────


def test_our_own_write_comes_back_as_nobodys_edit() -> None:
    agreed = one(slot(), memory(NAME=" b "), "b", "b")
    assert (agreed.hub, agreed.push, agreed.conflicts, agreed.base) == ({}, {}, [], {"name": "b"})


def test_our_own_write_comes_back_after_we_changed_again() -> None:
    """b was sent and nobody confirmed it; meanwhile the hub has c. That is one change of ours and none of theirs."""
    agreed = one(slot(), memory(NAME=" b "), "c", " b ")
    assert (agreed.hub, agreed.push, agreed.conflicts) == ({}, {"name": "c"}, [])


def test_an_edit_on_top_of_our_write_is_theirs() -> None:
    agreed = one(slot(), memory(NAME=" b "), "b", " d ")
    assert agreed.hub == {"name": "d"}
    assert agreed.conflicts[0].winner == "crm"


# ── directions ───────────────────────────────────────────────────────────────────────────────────


def test_out_never_comes_in_and_in_never_goes_out() -> None:
    assert one(slot(direction="out"), memory(), "a", " z ").hub == {}
    assert one(slot(direction="out"), memory(), "b", " z ").push == {"name": "b"}
    assert one(slot(direction="in"), memory(), "b", " a ").push == {}
    assert one(slot(direction="in"), memory(), "b", " z ").hub == {"name": "z"}


def test_once_is_written_while_there_is_nothing_and_never_again() -> None:
    assert one(slot(once=True), memory("", None), "b").push == {"name": "b"}
    assert one(slot(once=True), memory("a"), "b").push == {}


def test_a_value_the_crm_cannot_hold_stays_at_home() -> None:
    unfit = slot(fits=lambda value: value != "nobody")
    assert one(unfit, memory(), "nobody", " a ").push == {}
    agreed = one(unfit, memory(), "nobody", " c ")
    assert agreed.hub == {"name": "c"}
    assert agreed.conflicts, "the hub's edit gave way: it is named"
    kept = one(replace(unfit, policy="hub"), memory(), "nobody", " c ")
    assert (kept.hub, kept.push) == ({}, {})


def test_what_cannot_be_read_stays_as_it_is_on_both_sides() -> None:
    agreed = one(slot(), memory(), "a", "?")
    assert (agreed.hub, agreed.push, agreed.unread) == ({}, {}, ["name"])


# ── laws ─────────────────────────────────────────────────────────────────────────────────────────

TEXTS = st.sampled_from(["", "a", "b", "c"])
LISTS = st.lists(st.sampled_from("123"), unique=True)
CASES = st.one_of(
    st.tuples(st.sampled_from(sorted(set(WINNERS) - {"union"})), TEXTS, TEXTS, TEXTS, st.none() | TEXTS),
    st.tuples(st.just("union"), LISTS, LISTS, LISTS, st.none() | LISTS),
)
DIRECTIONS = st.sampled_from(["both", "out", "in"])
Case = tuple[str, Any, Any, Any, Any]


def run(case: Case, direction: str = "both", once: bool = False) -> tuple[Slot, Memory, Agreed]:
    policy, base, ours, theirs, sent = case
    made = slot(policy=policy, direction=direction, once=once)
    held = Memory({"name": base}, {"NAME": out(base)}, {} if sent is None else {"NAME": out(sent)})
    return made, held, reconcile([made], held, {"name": ours}, {"NAME": out(theirs)})


@settings(max_examples=500)
@given(CASES, DIRECTIONS, st.booleans())
def test_what_was_agreed_needs_nothing_more(case: Case, direction: str, once: bool) -> None:
    """Carried out on both sides and remembered, the result is a fixed point."""
    _policy, _base, ours, theirs, _sent = case
    made, _held, agreed = run(case, direction, once)
    hub = agreed.hub.get("name", ours)
    shown = out(agreed.push["name"]) if agreed.push else out(theirs)
    base = {**agreed.base, **agreed.push}
    raw = {**agreed.raw, **({"NAME": shown} if agreed.push else {})}
    again = reconcile([made], Memory(base, raw, {}), {"name": hub}, {"NAME": shown})
    assert (again.hub, again.push) == ({}, {})
    assert again.conflicts == [c for c in agreed.conflicts if c.winner == "ask"]


@given(CASES)
def test_both_sides_end_up_with_the_same(case: Case) -> None:
    _policy, _base, ours, theirs, _sent = case
    _made, _held, agreed = run(case)
    if not any(conflict.winner == "ask" for conflict in agreed.conflicts):
        assert same(agreed.hub.get("name", ours), agreed.push.get("name", theirs))


@settings(max_examples=500)
@given(CASES)
def test_no_edit_is_lost(case: Case) -> None:
    """What a person typed on either side is the final value, part of the union, or named in a conflict."""
    _policy, base, ours, theirs, sent = case
    _made, _held, agreed = run(case)
    final, named = agreed.hub.get("name", ours), [v for c in agreed.conflicts for v in (c.hub, c.crm)]
    if not same(ours, base) and not (sent is not None and same(ours, sent)):
        assert same(final, ours) or any(same(ours, value) for value in named)
    if not same(theirs, base) and not (sent is not None and same(theirs, sent)):
        assert same(final, theirs) or any(same(theirs, value) for value in named)


@given(CASES)
def test_directions_are_kept(case: Case) -> None:
    assert run(case, "out")[2].hub == {}
    assert run(case, "in")[2].push == {}


@given(CASES)
def test_a_write_of_ours_is_never_a_persons_edit(case: Case) -> None:
    policy, base, ours, _theirs, sent = case
    if sent is None:
        return
    agreed = run((policy, base, ours, sent, sent))[2]
    assert (agreed.hub, agreed.conflicts) == ({}, [])
    assert bool(agreed.push) == (not same(ours, sent))


@given(CASES, st.integers(1, 5))
def test_fields_do_not_touch_each_other(case: Case, copies: int) -> None:
    policy, base, ours, theirs, sent = case
    slots = [slot(hub=f"n{n}", crm=f"N{n}", policy=policy) for n in range(copies)]
    held = Memory(
        {one.hub: base for one in slots}, {one.crm: out(base) for one in slots},
        {} if sent is None else {one.crm: out(sent) for one in slots},
    )  # fmt: skip
    together = reconcile(slots, held, {s.hub: ours for s in slots}, {s.crm: out(theirs) for s in slots})
    alone = run(case)[2]
    assert list(together.hub.values()) == list(alone.hub.values()) * copies
    assert list(together.push.values()) == list(alone.push.values()) * copies


def test_ten_thousand_records_take_seconds_at_most(record_property: Any) -> None:
    """Records of 20 fields of which two changed. Measured far above this floor, which only a wrong order of growth
    would miss."""
    slots = [slot(hub=f"n{n}", crm=f"N{n}") for n in range(20)]
    values = {s.hub: "some words" for s in slots}
    seen = {s.crm: out("some words") for s in slots}
    held = Memory(dict(values), dict(seen), {})
    ours, theirs = {**values, "n3": "others"}, {**seen, "N7": " more "}
    began = time.perf_counter()
    for _ in range(2_000):
        agreed = reconcile(slots, held, ours, theirs)
    rate = 2_000 / (time.perf_counter() - began)
    record_property("records_per_s", round(rate))
    assert (agreed.push, agreed.hub) == ({"n3": "others"}, {"n7": "more"})
    assert rate > 1_000


# ── a field that the mapping has only now ────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("ours", "shown", "policy", "here"),
    [
        ("", "x", "hub", "x"),  # a blank is filled
        ("y", "x", "crm", "x"),
        ("y", "x", "hub", None),  # waits for the next edit
        ("y", "", "crm", None),
        ("y", "x", "ask", None),
    ],
)
def test_what_was_never_agreed_on_is_written_nowhere_before_somebody_edits(
    ours: str, shown: str, policy: str, here: str | None
) -> None:
    held = Memory({"other": "z"}, {}, {}, quiet=True)
    agreed = reconcile([slot(policy=policy)], held, {"name": ours}, {"NAME": shown})
    assert agreed.push == {}
    assert agreed.hub.get("name") == here
    assert agreed.conflicts == []
    if here is None:
        edited = reconcile([slot(policy=policy)], Memory(agreed.base, agreed.raw, {}), {"name": ours}, {"NAME": shown})
        assert bool(edited.push or edited.conflicts), "with the next edit it is compared like any other"
        assert bool(edited.conflicts) == bool(shown), "nobody's value is written over without a word"


def test_a_value_nobody_knows_is_told_also_where_nothing_was_agreed_on() -> None:
    strange = slot(into=lambda _raw: ABSENT)
    agreed = reconcile([strange], Memory({"other": "z"}, {}, {}, quiet=True), {"name": "y"}, {"NAME": "?"})
    assert (agreed.unread, agreed.push) == (["name"], {})
