"""Clocks of leads: what starts them, the little that stops them, and what happens when nobody does."""

from __future__ import annotations

import pytest
from sqlalchemy import insert, update

from hub.clock import DAY, HOUR, MINUTE
from hub.funnel.absences import is_away
from hub.funnel.evidence import show
from hub.funnel.follow import first_id, made_at
from hub.funnel.moves import convert_lead, give_lead, move_lead, reject_lead, reopen_lead, take_lead
from hub.funnel.signals import over, tell
from hub.model import (
    assignment,
    calendar,
    deadline,
    deadline_rule,
    journal,
    lead,
    member,
    presence,
    seat,
    setting,
    signal,
)
from hub.routing.explain import sentences
from hub.routing.ledger import deviations, read_ledger
from hub.routing.reading import read_floor
from tests.funnel.desk import MINUTES, Desk, ledger_of

QUARTER = 15 * MINUTES


def clocks(desk: Desk, lead_id: str) -> dict[str, str]:
    return {row.kind: row.state for row in desk.rows(deadline, deadline.c.lead_id == lead_id)}


def other(desk: Desk, owner: str) -> str:
    return next(row.id for row in desk.rows(member) if row.id != owner)


def test_an_opened_lead_has_its_clocks(desk: Desk) -> None:
    lead_id = desk.open()
    assert desk.timers.step()
    assert clocks(desk, lead_id) == {"first_touch": "running", "qualify": "running"}
    assert desk.lead(lead_id).next_step_at == desk.clock.now() + 15 * MINUTE
    assert desk.timers.step() == 0, "nothing twice"


def test_no_status_click_stops_a_clock(desk: Desk) -> None:
    lead_id = desk.open()
    owner = desk.lead(lead_id).owner_id
    desk.do(take_lead, lead_id, owner)
    desk.do(move_lead, lead_id, "warm", f"member:{owner}")
    desk.do(give_lead, lead_id, other(desk, owner), f"member:{owner}")
    desk.do(show, lead_id, "message", "source:x", way="in", text="Hello?")
    assert clocks(desk, lead_id)["first_touch"] == "running"


@pytest.mark.parametrize("kind", ["call", "message", "mail", "meeting"])
def test_evidence_stops_it_and_the_next_one_starts(desk: Desk, kind: str) -> None:
    lead_id = desk.open()
    desk.timers.step()
    desk.do(show, lead_id, kind, f"member:{desk.lead(lead_id).owner_id}")
    assert clocks(desk, lead_id) == {"first_touch": "met", "qualify": "running", "next_touch": "running"}
    row = desk.rows(deadline, deadline.c.kind == "first_touch")[0]
    assert desk.rows(journal, journal.c.id == row.ended_by)[0].what == kind
    assert desk.lead(lead_id).next_step == "follow_up"


def test_an_answered_call_of_the_client_is_evidence_and_a_missed_one_is_not(desk: Desk) -> None:
    lead_id = desk.open()
    desk.do(show, lead_id, "call", "source:x", way="in")
    assert clocks(desk, lead_id)["first_touch"] == "running"
    desk.do(show, lead_id, "call", "source:x", way="in", answered=True)
    assert clocks(desk, lead_id)["first_touch"] == "met"


def test_warned_given_on_twice_and_then_the_head_hears_once(desk: Desk) -> None:
    vera = desk.hire("Vera")
    desk.hire("Gleb")
    with desk.store.write() as conn:
        conn.execute(insert(setting).values(name="last_resort", value={"member": vera}))
    lead_id = desk.open()
    desk.timers.step()
    first = desk.lead(lead_id).owner_id
    desk.wait(11 * MINUTES)
    assert desk.told(lead_id) == ["opened", "warned"]
    desk.wait(4 * MINUTES)
    second = desk.lead(lead_id).owner_id
    assert second != first
    desk.wait(QUARTER)
    assert desk.lead(lead_id).owner_id != second
    assert desk.rows(signal) == []
    desk.wait(QUARTER)
    assert desk.lead(lead_id).owner_id == vera or ledger_of(desk, lead_id)[-1] == "rotation"
    [told] = desk.rows(signal)
    assert (told.state, told.member_id) == ("open", vera)
    desk.wait(5 * QUARTER)
    assert len(desk.rows(signal)) == 1
    desk.do(show, lead_id, "call", f"member:{vera}")
    [told] = desk.rows(signal)
    assert told.state == "over"
    assert desk.told(lead_id).count("recovered") == 1
    assert desk.told(lead_id).count("escalated") == 1


def test_every_change_of_hands_is_explained(desk: Desk) -> None:
    lead_id = desk.open()
    desk.timers.step()
    desk.wait(QUARTER)
    line = next(row for row in desk.rows(journal, journal.c.subject_id == lead_id) if row.what == "given")
    names = {row.id: row.name for row in desk.rows(member)}
    [told, *_rest] = sentences(line.facts["route"], names, "en")
    assert told == f"Nothing was done in time: it went on to {names[desk.lead(lead_id).owner_id]}."


def test_a_clock_pauses_off_hours_and_goes_on_in_the_new_owners_hours(desk: Desk) -> None:
    """The lead comes five minutes before the evening; what is left of a quarter is the morning's."""
    day, night = desk.clock.new_id(), desk.clock.new_id()
    owner = desk.lead(desk.open()).owner_id
    hour = desk.clock.now() // HOUR % 24
    spans = {day: [[f"{(hour - 8) % 24:02}:00", f"{(hour + 1) % 24:02}:00"]], night: [["00:00", "24:00"]]}
    with desk.store.write() as conn:
        for one, week in spans.items():
            conn.execute(insert(calendar).values(id=one, name="c", zone="UTC", week=[week] * 7))
        conn.execute(insert(seat).values(member_id=owner, calendar_id=day))
        conn.execute(insert(seat).values(member_id=other(desk, owner), calendar_id=night))
        conn.execute(update(member).where(member.c.id != owner).values(active=False))
    until_evening = HOUR - desk.clock.now() % HOUR
    desk.clock.advance(until_evening / 1000 - 300)
    lead_id = desk.open()
    desk.timers.step()
    due = desk.rows(deadline, deadline.c.lead_id == lead_id, deadline.c.kind == "first_touch")[0].due_at
    assert abs(due - (desk.clock.now() + 5 * MINUTE + 15 * HOUR + 10 * MINUTE)) < 5
    with desk.store.write() as conn:
        conn.execute(update(member).values(active=True))
    desk.clock.advance(360)
    desk.do(give_lead, lead_id, other(desk, owner), "member:x")
    due = desk.rows(deadline, deadline.c.lead_id == lead_id, deadline.c.kind == "first_touch")[0].due_at
    assert abs(due - (desk.clock.now() + 10 * MINUTE)) < 5


def test_closing_ends_all_clocks_and_reopening_starts_others(desk: Desk) -> None:
    lead_id = desk.open()
    desk.do(reject_lead, lead_id, "spam", "member:x")
    assert set(clocks(desk, lead_id).values()) <= {"void"}
    desk.clock.advance(1)
    desk.do(reopen_lead, lead_id, "new", "member:x")
    states = {(row.kind, row.state) for row in desk.rows(deadline, deadline.c.state == "running")}
    assert states == {("next_touch", "running"), ("qualify", "running")}
    desk.do(convert_lead, lead_id, "member:x")
    assert desk.rows(deadline, deadline.c.state == "running") == []


def test_own_rules_per_direction_and_source(desk: Desk) -> None:
    vera = desk.hire("Vera", weight=0)
    with desk.store.write() as conn:
        for position, (source, minutes) in enumerate([("email", 60), ("", 5)]):
            conn.execute(
                insert(deadline_rule).values(
                    id=desk.clock.new_id(), position=position, name=source, kind="first_touch", source=source,
                    within_ms=minutes * MINUTE, chain=[{"member": vera}],
                )
            )  # fmt: skip
    mail, form = desk.open(source="email"), desk.open()
    desk.timers.step()
    due = {row.lead_id: row.due_at - row.started_at for row in desk.rows(deadline)}
    assert due == {mail: 60 * MINUTE, form: 5 * MINUTE}
    desk.wait(5 * MINUTES)
    assert desk.lead(form).owner_id == vera
    assert desk.lead(mail).owner_id != vera


# ── people who are not there ─────────────────────────────────────────────────────────────────────


def test_whoever_is_switched_off_keeps_no_lead(desk: Desk) -> None:
    ids = [desk.open() for _ in range(6)]
    with desk.store.write() as conn:
        conn.execute(update(member).where(member.c.name == "Ivan").values(active=False))
    desk.timers.step()
    assert {desk.lead(one).owner_id for one in ids} == {desk.id_of("Olga")}


def test_ill_with_one_press_and_back_again(desk: Desk) -> None:
    vera = desk.hire("Vera")
    ivan, olga = desk.id_of("Ivan"), desk.id_of("Olga")
    moved, *mine = [one for one in (desk.open() for _ in range(9)) if desk.lead(one).owner_id == ivan]
    for one in (moved, *mine):
        desk.do(show, one, "call", f"member:{ivan}")
    desk.do(is_away, ivan, desk.clock.now(), desk.clock.now() + DAY, f"member:{ivan}", vera)
    assert {desk.lead(one).owner_id for one in (moved, *mine)} == {vera}
    desk.do(give_lead, moved, olga, "member:x")
    desk.wait(25 * 3600)
    assert {desk.lead(one).owner_id for one in mine} == {ivan}
    assert desk.lead(moved).owner_id == olga, "what moved on does not come back"
    desk.timers.step()
    assert desk.timers.step() == 0


def test_a_stand_in_does_not_become_the_owner_of_the_client(desk: Desk) -> None:
    ivan, vera = desk.id_of("Ivan"), desk.hire("Vera")
    who = desk.contact()
    first = desk.open(who)
    desk.do(give_lead, first, ivan, "member:x")
    desk.do(reject_lead, first, "later", "member:x")
    desk.do(is_away, ivan, desk.clock.now(), desk.clock.now() + DAY, f"member:{ivan}", vera)
    second = desk.open(who)
    assert desk.lead(second).owner_id == vera
    desk.do(reject_lead, second, "later", "member:x")
    desk.wait(25 * 3600)
    assert desk.lead(desk.open(who)).owner_id == ivan


def test_an_offered_lead_goes_to_whoever_takes_it_first(desk: Desk) -> None:
    desk.pool(offer=True)
    lead_id = desk.open()
    holder = desk.lead(lead_id).owner_id
    taker = other(desk, holder)
    desk.do(take_lead, lead_id, taker)
    assert ledger_of(desk, lead_id) == ["rotation", "taken"]
    assert desk.lead(desk.open()).owner_id == holder, "whose turn it was is next"
    with desk.store.read() as conn:
        assert deviations(*read_ledger(conn)) == []


def test_limits_are_read_from_what_was_given(desk: Desk) -> None:
    desk.pool(day_limit=2)
    for _ in range(4):
        desk.open()
    assert {row.by for row in desk.rows(assignment)} == {"rotation"}
    assert ledger_of(desk, desk.open()) == ["last_resort"]
    with desk.store.read() as conn:
        assert {one.load.day for one in read_floor(conn, desk.clock.now(), lock=False).people.values()} == {2, 3}
    desk.clock.advance(24 * 3600)
    assert ledger_of(desk, desk.open()) == ["rotation"]


def test_ids_say_when_they_were_made(desk: Desk) -> None:
    for at in (desk.clock.now(), 1, 2**40):
        desk.clock.at = at
        made = desk.clock.new_id()
        assert 0 <= at - made_at(made) < 8
        assert first_id(at) <= made < first_id(at + 8)
        assert made < desk.clock.new_id() < desk.clock.new_id() < first_id(at + 8)


def test_lines_that_are_committed_late_are_read_all_the_same(desk: Desk) -> None:
    """A slow transaction made its line before one that was read already."""
    desk.open()
    desk.timers.step()
    desk.clock.advance(-0.5)
    late = desk.open()
    desk.clock.advance(0.5)
    assert clocks(desk, late) == {}
    desk.timers.step()
    assert clocks(desk, late) == {"first_touch": "running", "qualify": "running"}
    assert len(desk.rows(lead)) == 2


def test_a_head_is_told_once_and_again_after_it_was_over(desk: Desk) -> None:
    with desk.store.write() as conn:
        assert [tell(conn, desk.clock, "x", "", {}) for _ in range(3)] == [True, False, False]
        assert [over(conn, desk.clock, ["x"]) for _ in range(2)] == [1, 0]
        assert tell(conn, desk.clock, "x", "", {})
    assert [row.state for row in desk.rows(signal)].count("open") == 1


@pytest.mark.parametrize(("actor", "facts", "by"), [("member", {}, "call"), ("crm:x", {"channel": "amocrm"}, "amocrm")])
def test_who_touches_anything_anywhere_is_there_and_gets_what_asks_for_it(
    desk: Desk, actor: str, facts: dict[str, str], by: str
) -> None:
    desk.pool(seen_within_ms=HOUR)
    first = desk.open()
    there = other(desk, desk.lead(first).owner_id)
    told = {**facts, "member": there} if facts else {}
    desk.do(show, first, "call", actor if facts else f"member:{there}", **told)
    assert [(row.member_id, row.by) for row in desk.rows(presence)] == [(there, by)]
    assert {desk.lead(desk.open()).owner_id for _lead in range(4)} == {there}
    desk.clock.advance(2 * 3600)
    assert len({desk.lead(desk.open()).owner_id for _lead in range(4)}) == 2, "seen too long ago to count"
