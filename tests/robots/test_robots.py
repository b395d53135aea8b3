"""Robots: what sets them off, what they do exactly once, what never leaves, and what brakes them."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import event, insert, select, update

from connectors.errors import Refuse, Retry
from hub.clock import DAY, HOUR, MINUTE, instant
from hub.funnel.evidence import show
from hub.funnel.moves import convert_lead, move_deal, move_lead, reject_lead
from hub.funnel.remarks import plan
from hub.funnel.tags import retag
from hub.model import contact, contact_point, deal, inquiry, journal, lead, letter, robot, robot_run, signal, task
from hub.robots.defaults import SETS, add_set
from hub.robots.dry import first_week, would_touch
from hub.robots.outbox import LEASE, Letter, Outbox
from hub.robots.robots import UnusableRobot, read_robot, rings
from hub.robots.run import PER_HOUR, Robots, add, read_robots
from hub.robots.shelf import away, bring_back, let_go, on_since, remove, switch
from hub.robots.templates import Unfilled, fill
from hub.told import again
from tests.funnel.desk import Desk

TASK = {"do": "task", "text": "Call {name|the client}"}
MAIL = {"do": "message", "channel": "email", "subject": "Hello", "text": "Dear {first_name}, we called."}


def make(desk: Desk, *actions: dict[str, Any], name: str = "R", stage: str = "warm", **more: Any) -> str:
    with desk.store.write() as conn:
        values = {"name": name, "block": "lead", "trigger": {"on": "stage", "stage": stage}, "actions": actions, **more}
        return add(conn, desk.clock, {**values, "actions": list(actions)})


def reach(desk: Desk, who: str, consent: bool | None = None, **person: str) -> None:
    """A name and a mailbox, and what the person agreed to."""
    with desk.store.write() as conn:
        conn.execute(update(contact).where(contact.c.id == who).values(**person, version=2))
        conn.execute(insert(contact_point).values(contact_id=who, kind="email", value="anna@firm.test", raw="",
                                                  first_seen_at=1))  # fmt: skip
        if consent is not None:
            row = {"id": desk.clock.new_id(), "event_id": "e", "connection_id": "c", "key": "k", "contact_id": who,
                   "received_at": 1, "consent": {"given": consent}}  # fmt: skip
            conn.execute(insert(inquiry).values(row))


def moved(desk: Desk, stage: str = "warm", who: str = "") -> str:
    lead_id = desk.open(who)
    desk.do(move_lead, lead_id, stage, "crm:x")
    return lead_id


def moved_unread(desk: Desk) -> str:
    """A lead on another stage, by a line that no robot has read yet."""
    lead_id = desk.open()
    with desk.store.write() as conn:
        move_lead(conn, desk.clock, lead_id, "warm", "crm:x")
    return lead_id


def runs(desk: Desk) -> list[tuple[str, str]]:
    return [(row.state, str(again(row.why))) for row in desk.rows(robot_run)]


# ── what sets them off ───────────────────────────────────────────────────────────────────────────


def test_a_stage_sets_it_off_once_whoever_moved_the_card(desk: Desk) -> None:
    make(desk, TASK)
    lead_id = moved(desk)
    moved(desk, "cold")
    desk.timers.step()
    [done] = desk.rows(task)
    assert (done.subject_id, done.text, done.member_id) == (lead_id, "Call the client", desk.lead(lead_id).owner_id)
    assert runs(desk) == [("done", "")]
    desk.do(move_lead, lead_id, "cold", "crm:x")
    desk.do(move_lead, lead_id, "warm", "crm:x")
    assert len(desk.rows(task)) == 2, "it came there again"


@pytest.mark.parametrize(
    ("trigger", "act"),
    [
        ({"on": "opened"}, lambda desk, one: None),
        ({"on": "client", "event": "message"}, lambda desk, one: desk.do(show, one, "message", "source:x", "in")),
        ({"on": "client", "event": "call"}, lambda desk, one: desk.do(show, one, "call", "source:x", "in")),
        ({"on": "field", "field": "tags"}, lambda desk, one: desk.do(retag, "lead", desk.lead(one), "VIP", "member:x")),
    ],
)
def test_other_triggers(desk: Desk, trigger: dict[str, str], act: Any) -> None:
    make(desk, TASK, trigger=trigger)
    lead_id = desk.open()
    desk.timers.step()
    act(desk, lead_id)
    assert [row.subject_id for row in desk.rows(task)] == [lead_id]


def test_a_robot_answers_to_nothing_that_was_written_before_it_was_switched_on(desk: Desk) -> None:
    robot_id = make(desk, TASK, active=False)
    before = moved_unread(desk)
    desk.clock.advance(1)
    with desk.store.write() as conn:
        switch(conn, desk.clock, robot_id, True, "member:a")
        assert on_since(conn, [robot_id]) == {robot_id: desk.clock.now()}
    after = moved_unread(desk)
    desk.timers.step()
    assert [row.subject_id for row in desk.rows(task)] == [after]
    assert before != after
    desk.clock.advance(1)
    with desk.store.write() as conn:
        switch(conn, desk.clock, robot_id, True, "member:a")
        assert on_since(conn, [robot_id]) != {robot_id: desk.clock.now()}, "it was on already"


def test_a_robot_that_never_ran_is_deleted_and_another_put_away(desk: Desk) -> None:
    idle, busy = make(desk, TASK, name="Idle", stage="hot"), make(desk, TASK, name="Busy")
    moved(desk)
    desk.timers.step()
    with desk.store.write() as conn:
        assert remove(conn, desk.clock, idle, "member:a")
        assert [remove(conn, desk.clock, busy, "member:a") for _press in range(2)] == [False, False]
        assert away(conn) == {busy}
        assert read_robots(conn) == []
    assert [row.name for row in desk.rows(robot)] == ["Busy"]
    assert len(desk.rows(robot_run)) == 1
    with desk.store.write() as conn:
        bring_back(conn, desk.clock, busy, "member:a")
        assert away(conn) == set()
        assert read_robots(conn) == [], "it comes back switched off"


def test_time_sets_it_off_once_for_each_next_step(desk: Desk) -> None:
    make(desk, {"do": "signal", "text": "{title}"}, trigger={"on": "time", "after_ms": HOUR})
    lead_id = desk.open()
    desk.do(show, lead_id, "call", "member:x")
    desk.wait(2 * 24 * 3600 + 3000)
    assert runs(desk) == []
    desk.wait(1000)
    desk.wait(10)
    assert runs(desk) == [("done", "")]


@pytest.mark.parametrize(("way", "ms"), [("after_ms", HOUR), ("before_ms", 30 * MINUTE)])
@pytest.mark.parametrize("also_due", [False, True])
def test_steps_that_were_due_before_it_was_switched_on_are_left_unless_told(
    desk: Desk, way: str, ms: int, also_due: bool
) -> None:
    make(desk, {"do": "signal", "text": "{title}"}, trigger={"on": "time", way: ms}, active=False)
    [row] = desk.rows(robot)
    old = desk.open(next_step="call", next_step_at=desk.clock.now() + HOUR)
    desk.clock.advance(3 * 3600)
    fresh = desk.open(next_step="call", next_step_at=desk.clock.now() + HOUR)
    with desk.store.write() as conn:
        one = read_robot(dict(row._mapping))
        assert [each.subject_id for each in would_touch(conn, one, desk.clock)] == [old]
        switch(conn, desk.clock, row.id, True, "member:a", due=also_due)
    Robots(desk.store, desk.clock).step()
    assert [run.subject_id for run in desk.rows(robot_run)] == [old] * also_due
    desk.clock.advance(2 * 3600)  # the timers would give the lead on, and make its step another
    Robots(desk.store, desk.clock).step()
    assert {run.subject_id for run in desk.rows(robot_run)} == {fresh, *([old] * also_due)}
    assert {run.state for run in desk.rows(robot_run)} == {"done"}


@pytest.mark.parametrize("block", ["lead", "deal"])
def test_at_its_date_it_acts_once_for_each_that_is_open_then(desk: Desk, block: str) -> None:
    at = instant(desk.clock.now() + 2 * HOUR).astimezone(ZoneInfo("Asia/Tokyo")).isoformat()
    make(desk, {"do": "signal", "text": "{title}"}, trigger={"on": "date", "at": at}, block=block)
    open_then, closed, early = desk.open(), desk.open(), desk.open()
    places = {one: one for one in (open_then, closed, early)}
    if block == "deal":
        places = {one: str(desk.do(convert_lead, one, "member:x")) for one in places}
    close, why = (move_deal, "lost") if block == "deal" else (reject_lead, "spam")
    desk.do(close, places[closed], why, "member:x")
    desk.clock.advance(2 * 3600 - 1)
    desk.timers.step()
    assert runs(desk) == [], "its hour has not come"
    [one] = [read_robot(dict(row._mapping)) for row in desk.rows(robot)]
    with desk.store.read() as conn:
        assert {each.subject_id for each in would_touch(conn, one, desk.clock)} == {places[open_then], places[early]}
        assert first_week(conn, one, desk.clock) == []
    desk.clock.advance(2)
    late = desk.open()
    for _again in range(3):
        desk.timers.step()
    assert {run.subject_id for run in desk.rows(robot_run)} == {places[open_then], places[early]}
    assert late not in {run.subject_id for run in desk.rows(robot_run)}
    assert runs(desk) == [("done", "")] * 2
    with desk.store.read() as conn:
        assert {each.subject_id for each in first_week(conn, one, desk.clock)} == {places[open_then], places[early]}


def test_a_date_that_came_before_it_was_switched_on_is_over(desk: Desk) -> None:
    at = instant(desk.clock.now() + HOUR).isoformat()
    make(desk, {"do": "signal", "text": "{title}"}, trigger={"on": "date", "at": at}, active=False)
    desk.open()
    desk.clock.advance(2 * 3600)
    [row] = desk.rows(robot)
    with desk.store.write() as conn:
        switch(conn, desk.clock, row.id, True, "member:a")
    Robots(desk.store, desk.clock).step()
    assert runs(desk) == []


def test_a_step_made_after_it_was_switched_on_counts_even_if_near(desk: Desk) -> None:
    make(desk, {"do": "signal", "text": "{title}"}, trigger={"on": "time", "before_ms": DAY}, active=False)
    [row] = desk.rows(robot)
    desk.open(next_step="call", next_step_at=desk.clock.now() + HOUR)
    desk.clock.advance(1)
    with desk.store.write() as conn:
        switch(conn, desk.clock, row.id, True, "member:a")
    near = desk.open(next_step="call", next_step_at=desk.clock.now() + HOUR)
    desk.timers.step()
    assert [run.subject_id for run in desk.rows(robot_run)] == [near]


def test_steps_that_people_set_for_a_deal_set_it_off_and_its_own_reminders_do_not(desk: Desk) -> None:
    make(desk, TASK, trigger={"on": "time", "after_ms": HOUR}, block="deal")
    lead_id = desk.open()
    deal_id = str(desk.do(convert_lead, lead_id, "member:x"))
    [row] = desk.rows(deal)
    until = desk.clock.now() + DAY
    with desk.store.write() as conn:
        plan(conn, desk.clock, "deal", row, "Send the contract", until, row.owner_id)
    desk.wait(24 * 3600 + 3599)
    assert runs(desk) == []
    desk.wait(2)
    for _week in range(3):
        desk.wait(7 * 24 * 3600)
    assert [(run.subject_id, run.occasion, run.state) for run in desk.rows(robot_run)] == [
        (deal_id, f"time:{until}", "done")
    ]
    [one] = [read_robot(dict(each._mapping)) for each in desk.rows(robot)]
    with desk.store.read() as conn:
        assert would_touch(conn, one, desk.clock) == [], "its only step had its run"


def test_a_delay_is_working_time_and_conditions_are_asked_when_it_is_over(desk: Desk) -> None:
    still = [{"field": "stage", "op": "is", "value": "warm"}]
    make(desk, TASK, delay={"ms": HOUR, "working": True}, conditions=still)
    stays, goes = moved(desk), moved(desk)
    desk.do(move_lead, goes, "hot", "crm:x")
    assert desk.rows(task) == []
    desk.wait(3601)
    assert [row.subject_id for row in desk.rows(task)] == [stays]
    assert ("skipped", "its conditions do not hold any more") in runs(desk)


@pytest.mark.parametrize(("typed", "done"), [("New, VIP", 1), ("New", 0)])
def test_tags_are_a_condition(desk: Desk, typed: str, done: int) -> None:
    make(desk, TASK, conditions=[{"field": "tags", "op": "contains", "value": "vip"}])
    lead_id = desk.open()
    desk.do(retag, "lead", desk.lead(lead_id), typed, "member:x")
    desk.do(move_lead, lead_id, "warm", "crm:x")
    assert len(desk.rows(task)) == done


def test_an_exact_time_of_day(desk: Desk) -> None:
    make(desk, TASK, delay={"ms": DAY, "at": "10:00"})
    moved(desk)
    [row] = desk.rows(robot_run)
    assert row.due_at % DAY == 10 * HOUR
    assert DAY - MINUTE <= row.due_at - desk.clock.now() <= 2 * DAY


def test_a_closed_lead_is_left_alone(desk: Desk) -> None:
    make(desk, TASK, delay={"ms": HOUR})
    lead_id = moved(desk)
    desk.do(reject_lead, lead_id, "no", "member:x")
    desk.wait(3601)
    assert runs(desk) == [("skipped", "the lead is closed")]


def test_deals_too(desk: Desk) -> None:
    make(desk, TASK, {"do": "field", "field": "currency", "value": "EUR"}, block="deal", stage="in_work")
    deal_id = desk.do(convert_lead, desk.open(), "member:x")
    desk.do(move_deal, deal_id, "in_work", "crm:x")
    assert [row.subject_id for row in desk.rows(task)] == [deal_id]


# ── what leaves the house ────────────────────────────────────────────────────────────────────────


def test_no_message_with_an_empty_place_ever_leaves(desk: Desk) -> None:
    make(desk, MAIL, TASK)
    who = desk.contact()
    reach(desk, who)
    moved(desk, who=who)
    assert desk.rows(letter) == []
    assert runs(desk) == [("done", "message: nothing is known for {first_name}")]
    assert len(desk.rows(task)) == 1, "the rest is done"


@pytest.mark.parametrize(("consent", "sent"), [(None, 1), (True, 1), (False, 0)])
def test_who_said_no_is_not_written_to(desk: Desk, consent: bool | None, sent: int) -> None:
    make(desk, MAIL)
    who = desk.contact()
    reach(desk, who, consent, first_name="Anna")
    moved(desk, who=who)
    assert [row.body["text"] for row in desk.rows(letter)] == ["Dear Anna, we called."] * sent


def test_messages_leave_by_day(desk: Desk) -> None:
    make(desk, MAIL)
    who = desk.contact()
    reach(desk, who, first_name="Anna")
    desk.clock.advance((25 * HOUR - desk.clock.now() % DAY) / 1000)  # one at night
    moved(desk, who=who)
    [row] = desk.rows(letter)
    assert row.due_at % DAY == 9 * HOUR


@pytest.mark.parametrize(("consent", "sent"), [(None, 0), (True, 1), (False, 0)])
def test_audiences_get_hashes_of_those_who_agreed(desk: Desk, consent: bool | None, sent: int) -> None:
    make(desk, {"do": "audience", "name": "Warm"})
    who = desk.contact()
    reach(desk, who, consent)
    moved(desk, who=who)
    bodies = [row.body for row in desk.rows(letter)]
    assert len(bodies) == sent
    assert all("anna@firm.test" not in str(body) and len(body["email"]) == 64 for body in bodies)


@given(st.text(), st.dictionaries(st.sampled_from(["name", "title"]), st.text()))
def test_a_filled_text_has_no_place_left_but_what_was_put_in(text: str, values: dict[str, str]) -> None:
    try:
        told = fill(text + " {name|friend} {title}", values)
    except Unfilled:
        return
    assert values["title"].strip() in told
    assert (values.get("name", "").strip() or "friend") in told
    if not any("{" in value for value in values.values()):
        assert "{" not in told


class Post:
    """A carrier that keeps what it was given, and fails as told."""

    def __init__(self, *errors: Exception | None, finds: str | None = None) -> None:
        self.errors, self.finds, self.got = list(errors), finds, []  # type: ignore[var-annotated]

    def send(self, told: Letter) -> str:
        error = self.errors.pop(0) if self.errors else None
        if error is None or (isinstance(error, Retry) and error.effect):
            self.got.append(told.id)
        if error:
            raise error
        return f"provider:{told.id}"

    def find(self, told: Letter) -> str | None:
        return f"provider:{told.id}" if self.finds == "yes" and told.id in self.got else self.finds and ""


def posted(desk: Desk) -> None:
    make(desk, MAIL)
    who = desk.contact()
    reach(desk, who, first_name="Anna")
    desk.clock.advance((36 * HOUR - desk.clock.now() % DAY) / 1000)  # at noon
    moved(desk, who=who)


@pytest.mark.parametrize(
    ("post", "state", "times"),
    [
        (Post(), "sent", 1),
        (Post(Retry("busy", effect=False)), "sent", 1),
        (Post(Retry("gone quiet", effect=True), finds="yes"), "sent", 1),
        (Post(Retry("gone quiet", effect=True)), "unknown", 1),
        (Post(Refuse("no such mailbox")), "refused", 0),
    ],
)
def test_a_letter_is_sent_once_whatever_the_carrier_does(desk: Desk, post: Post, state: str, times: int) -> None:
    posted(desk)
    for _ in range(3):
        Outbox(desk.store, desk.clock, {"email": post}).step()
        desk.clock.advance(3600)
    [row] = desk.rows(letter)
    assert (row.state, len(post.got)) == (state, times)
    assert bool(row.provider_id) == (state == "sent")


class Killed(BaseException):
    """The process is gone."""


@pytest.mark.parametrize(("finds", "state"), [("yes", "sent"), (None, "unknown")])
@pytest.mark.parametrize("reached", [True, False])
def test_killed_while_sending(desk: Desk, finds: str | None, state: str, reached: bool) -> None:
    """Whether or not the letter was out: never two. A carrier that can tell gets it sent; one that cannot, a person."""
    posted(desk)
    post = Post(finds=finds)
    send = post.send

    def dies(told: Letter) -> str:
        if reached:
            send(told)
        raise Killed

    post.send = dies  # type: ignore[method-assign]
    with pytest.raises(Killed):
        Outbox(desk.store, desk.clock, {"email": post}).step()
    post.send = send  # type: ignore[method-assign]
    Outbox(desk.store, desk.clock, {"email": post}).step()
    assert desk.rows(letter)[0].state == "sending", "somebody may still be at it"
    desk.clock.advance(LEASE / 1000 + 1)
    Outbox(desk.store, desk.clock, {"email": post}).step()
    assert desk.rows(letter)[0].state == state
    assert len(post.got) <= 1
    assert post.got or finds is None


@pytest.mark.parametrize("at", range(1, 12))
def test_killed_at_any_statement_of_a_run(desk: Desk, at: int) -> None:
    """One task and one letter each, wherever the process dies."""
    make(desk, TASK, MAIL, {"do": "stage", "stage": "hot"})
    who = desk.contact()
    reach(desk, who, first_name="Anna")
    lead_id = desk.open(who)
    left = at

    def dies(*told: Any) -> None:
        nonlocal left
        if "INSERT" in told[2] or "UPDATE" in told[2]:
            left -= 1
            if left == 0:
                raise Killed

    event.listen(desk.store.hub, "before_cursor_execute", dies)
    try:
        desk.do(move_lead, lead_id, "warm", "crm:x")
    except Killed:
        event.remove(desk.store.hub, "before_cursor_execute", dies)
        if desk.lead(lead_id).stage == "new":
            desk.do(move_lead, lead_id, "warm", "crm:x")
        desk.timers.step()
    assert [len(desk.rows(table)) for table in (task, letter)] == [1, 1]
    assert desk.lead(lead_id).stage == "hot"
    assert [line.what for line in desk.rows(journal, journal.c.subject_id == lead_id)].count("robot") == 1


# ── the brake ────────────────────────────────────────────────────────────────────────────────────


def test_robots_that_set_each_other_off_are_held_and_named(desk: Desk) -> None:
    make(desk, {"do": "stage", "stage": "hot"}, name="There")
    make(desk, {"do": "stage", "stage": "warm"}, name="Back", stage="hot")
    with desk.store.read() as conn:
        assert rings(read_robots(conn)) in (
            ["These robots set each other off for ever: “There” → “Back” → “There”"],
            ["These robots set each other off for ever: “Back” → “There” → “Back”"],
        )
    moved(desk)
    for _ in range(20):
        desk.timers.step()
    assert len(desk.rows(robot_run)) <= 8
    [held] = [row for row in desk.rows(robot) if row.held]
    assert "“There”" in held.held
    assert "“Back”" in held.held
    assert len(desk.rows(signal)) == 1


def test_a_storm_is_held_until_somebody_lets_it_go(desk: Desk) -> None:
    robot_id = make(desk, TASK)
    with desk.store.write() as conn:
        ran = {"robot_id": robot_id, "subject": "lead", "occasion": "o", "state": "done", "due_at": 1}
        rows = [
            {**ran, "id": desk.clock.new_id(), "subject_id": f"s{n}", "at": desk.clock.now()} for n in range(PER_HOUR)
        ]
        conn.execute(insert(robot_run), rows)
    moved(desk)
    assert desk.rows(task) == []
    assert f"ran {PER_HOUR} times within an hour" in again(desk.rows(robot)[0].held)
    desk.clock.advance(3601)
    desk.do(let_go, robot_id, "member:x")
    moved(desk)
    assert len(desk.rows(task)) == 1


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"trigger": {"on": "moon"}}, "“moon” is no trigger"),
        ({"block": "person"}, "neither lead nor deal"),
        ({"actions": []}, "it does nothing"),
        ({"actions": [{"do": "eval", "text": "1"}]}, "“eval” is no action"),
        ({"actions": [{"do": "message", "channel": "pigeon", "text": "x"}]}, "“pigeon” is no channel"),
        ({"actions": [{"do": "task", "text": "Dear {nmae}"}]}, "nobody knows “{nmae}”"),
        ({"actions": [{"do": "field", "field": "owner_id", "value": "x"}]}, "may not write “owner_id”"),
        ({"conditions": [{"field": "__class__", "op": "is"}]}, "“__class__ is” is no condition"),
        ({"trigger": {"on": "time"}}, "neither before_ms nor after_ms"),
        ({"trigger": {"on": "date", "at": "2026-12-24T10:00"}}, "a day and an hour with a zone"),
        ({"trigger": {"on": "date", "at": "soon"}}, "a day and an hour with a zone"),
        ({"trigger": {"on": "date"}}, "a day and an hour with a zone"),
    ],
)
def test_robots_nobody_could_run_are_refused_by_name(values: dict[str, Any], told: str) -> None:
    row = {"id": "r", "name": "Odd", "block": "lead", "trigger": {"on": "opened"}, "actions": [TASK], "conditions": [],
           "delay": {}, "direction_id": None}  # fmt: skip
    assert read_robot(row).name == "Odd"
    with pytest.raises(UnusableRobot, match="Robot “Odd”: ") as refused:
        read_robot({**row, **values})
    assert told in str(refused.value)


# ── before it does anything ──────────────────────────────────────────────────────────────────────


def test_a_dry_run_names_the_leads_and_changes_nothing(desk: Desk) -> None:
    warm = [moved(desk), moved(desk)]
    moved(desk, "cold")
    robot_id = make(desk, TASK, MAIL)
    with desk.store.read() as conn:
        one = read_robot(dict(conn.execute(select(robot).where(robot.c.id == robot_id)).one()._mapping))
        touched, week = would_touch(conn, one, desk.clock), first_week(conn, one, desk.clock)
    assert sorted(each.subject_id for each in touched) == sorted(warm)
    assert [each.does for each in touched] == [("task “Call the client”",)] * 2
    assert all("{first_name}" in each.leaves[0] for each in touched)
    assert sorted(each.subject_id for each in week) == sorted(warm)
    assert (desk.rows(task), desk.rows(letter), desk.rows(robot_run)) == ([], [], [])


@pytest.mark.parametrize("locale", ["en", "ru"])
def test_the_sets_that_ship_are_sound_and_added_once(desk: Desk, locale: str) -> None:
    with desk.store.write() as conn:
        made = {name: add_set(conn, desk.clock, name, locale) for name in SETS}
        assert all(made.values())
        assert [add_set(conn, desk.clock, name, locale) for name in SETS] == [[]] * len(SETS)
    assert len(desk.rows(robot, robot.c.active)) == 0
    with desk.store.write() as conn:
        conn.execute(update(robot).values(active=True))
    with desk.store.read() as conn:
        robots = read_robots(conn)
        assert len(robots) == sum(map(len, SETS.values()))
        assert rings(robots) == []
    lead_id = moved(desk)
    desk.wait(60)
    assert {row.subject_id for row in desk.rows(task)} == {lead_id}
    assert desk.rows(lead)[0].state == "open"
