"""What is known of a client, how warm that makes them, and what it takes to cross the border."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import insert

from hub.funnel.border import NotQualified, accept, cross, crossings, missing, send_back, strays
from hub.funnel.evidence import show
from hub.funnel.moves import NotPossible, convert_lead
from hub.funnel.questions import DEFAULTS, add_defaults, answers_of, completeness, give_answer, questions_of
from hub.funnel.warmth import Known, score, temperature
from hub.model import deal, lead, setting
from tests.funnel.desk import Desk


@dataclass(frozen=True)
class Line:
    """A line of the journal as far as warmth reads it."""

    what: str
    at: int = 0
    facts: dict[str, Any] = field(default_factory=dict)
    actor: str = "member:x"


def out(at: int = 0, what: str = "message", **facts: Any) -> Line:
    return Line(what, at, {"way": "out", **facts})


REPLY = Line("joined", 9)


@pytest.mark.parametrize(
    ("known", "warm"),
    [
        (Known(), ("", "")),
        (Known(lines=[out()]), ("cold", "no_reply_yet")),
        (Known(lines=[out(), out(what="call"), out(what="mail")]), ("silent", "unanswered")),
        (Known(lines=[out(), out(), out(), REPLY]), ("warm", "replied")),
        (Known(lines=[out(), out(), out(), out(what="call", answered=True)]), ("cold", "no_reply_yet")),
        (Known(lines=[out(), REPLY, out(10), out(11), out(12)]), ("silent", "unanswered")),
        (Known(lines=[out()], questions=DEFAULTS, answers={"need": "a lot", "term": "month"}), ("warm", "points")),
        (Known([("phone", ())], "Firm", lines=[out(what="meeting"), REPLY], questions=DEFAULTS,
               answers={"need": "x", "budget": "1000"}), ("hot", "motive")),
    ],
)  # fmt: skip
def test_temperature_by_evidence(known: Known, warm: tuple[str, str]) -> None:
    assert temperature(known) == warm


FLAGS = st.lists(st.sampled_from(["free", "disposable", "fake", "typo"]), max_size=2)
LINES = st.lists(st.sampled_from([out(), out(what="call", answered=True), out(what="meeting"), REPLY]), max_size=6)
KNOWNS = st.builds(
    Known, st.lists(st.tuples(st.sampled_from(["phone", "email"]), FLAGS), max_size=3), st.sampled_from(["", "Firm"]),
    st.integers(1, 3), st.booleans(), LINES, st.just(DEFAULTS),
    st.dictionaries(st.sampled_from([one.name for one in DEFAULTS]), st.sampled_from(["", "month", "x"])),
)  # fmt: skip


@given(KNOWNS)
def test_every_point_has_a_reason_and_an_answer_never_costs(known: Known) -> None:
    told = score(known)
    assert told.points == sum(points for _reason, points in told.reasons)
    assert len({reason for reason, _points in told.reasons}) == len(told.reasons)
    more = Known(known.points, known.company, known.inquiries, known.campaign, known.lines, known.questions,
                 {**known.answers, "budget": "1000"})  # fmt: skip
    assert score(more).points >= told.points


# ── questions ────────────────────────────────────────────────────────────────────────────────────


def asked(desk: Desk) -> str:
    """A lead in a direction with the shipped questions."""
    with desk.store.write() as conn:
        assert add_defaults(conn, desk.clock) == len(DEFAULTS)
        assert add_defaults(conn, desk.clock) == 0
    lead_id = desk.open()
    desk.timers.step()
    return lead_id


def fill(desk: Desk, lead_id: str) -> None:
    for name in ("need", "portrait"):
        desk.do(give_answer, lead_id, name, "known", "member:x")
    desk.do(show, lead_id, "call", "member:x", answered=True)


def test_answers_are_kept_told_and_counted(desk: Desk) -> None:
    lead_id = asked(desk)
    for value in ("a kitchen", "a kitchen", "two kitchens"):
        desk.do(give_answer, lead_id, "need", value, "member:x")
    with desk.store.read() as conn:
        answers = answers_of(conn, lead_id)
        questions = questions_of(conn, desk.lead(lead_id).direction_id)
    assert answers == {"need": "two kitchens"}
    assert completeness(questions, answers) == 20
    assert desk.told(lead_id).count("answered") == 2


@pytest.mark.parametrize(("name", "value"), [("term", "tomorrow"), ("nothing", "x")])
def test_answers_that_are_none_are_refused_by_name(desk: Desk, name: str, value: str) -> None:
    lead_id = asked(desk)
    with pytest.raises(NotPossible, match=f"“{value if name == 'term' else name}”"):
        desk.do(give_answer, lead_id, name, value, "member:x")


def test_the_stage_follows_the_clients_state(desk: Desk) -> None:
    lead_id = desk.open()
    desk.do(show, lead_id, "call", "member:x")
    assert (desk.lead(lead_id).temperature, desk.lead(lead_id).stage) == ("cold", "cold")
    for kind in ("message", "mail"):
        desk.do(show, lead_id, kind, "member:x")
    assert (desk.lead(lead_id).temperature, desk.lead(lead_id).stage) == ("silent", "silent")
    desk.do(show, lead_id, "message", "source:x", way="in")
    assert (desk.lead(lead_id).temperature, desk.lead(lead_id).stage) == ("warm", "warm")


# ── the border ───────────────────────────────────────────────────────────────────────────────────


def test_nothing_crosses_unqualified(desk: Desk) -> None:
    lead_id = asked(desk)
    with pytest.raises(NotQualified) as refused:
        desk.do(cross, lead_id, "member:x")
    assert refused.value.missing == ("need", "portrait", "motive", "touch")
    assert desk.rows(deal) == []
    fill(desk, lead_id)
    deal_id = desk.do(cross, lead_id, "member:x")
    assert desk.do(cross, lead_id, "member:x") == deal_id
    assert "forced" not in desk.told(lead_id)


def test_force_is_logged_with_its_reason_and_counted(desk: Desk) -> None:
    lead_id = asked(desk)
    desk.do(cross, lead_id, "member:x", force="The head knows them")
    with desk.store.read() as conn:
        assert crossings(conn, 0) == {"converted": 1, "forced": 1, "sent_back": 0}
        assert [row.lead_id for row in strays(conn)] == [lead_id]


def test_a_card_dragged_over_in_a_crm_is_moved_back_within_a_step(desk: Desk) -> None:
    lead_id = asked(desk)
    desk.do(convert_lead, lead_id, "crm:x")
    assert desk.lead(lead_id).state == "open"
    assert [row.state for row in desk.rows(deal)] == ["reverted"]
    assert "sent_back" in desk.told(lead_id)
    fill(desk, lead_id)
    desk.do(convert_lead, lead_id, "crm:x")
    assert desk.lead(lead_id).state == "converted"


def test_or_taken_for_a_forced_crossing_when_the_admin_says_so(desk: Desk) -> None:
    with desk.store.write() as conn:
        conn.execute(insert(setting).values(name="border", value={"from_crm": "accept"}))
    lead_id = asked(desk)
    desk.do(convert_lead, lead_id, "crm:x")
    assert desk.lead(lead_id).state == "converted"
    with desk.store.read() as conn:
        assert crossings(conn, 0)["forced"] == 1


def test_without_questions_the_border_is_open(desk: Desk) -> None:
    lead_id = desk.open()
    desk.do(convert_lead, lead_id, "crm:x")
    assert desk.lead(lead_id).state == "converted"
    with desk.store.read() as conn:
        assert crossings(conn, 0) == {"converted": 1, "forced": 0, "sent_back": 0}


def test_stray_deals_are_listed_and_go_back_or_are_accepted(desk: Desk) -> None:
    who = [desk.contact(), desk.contact()]
    place = desk.lead(desk.open()).direction_id
    ids = [desk.clock.new_id(), desk.clock.new_id()]
    with desk.store.write() as conn:
        for deal_id, contact_id in zip(ids, who, strict=True):
            conn.execute(
                insert(deal).values(
                    id=deal_id, contact_id=contact_id, direction_id=place, stage="created", state="open",
                    owner_id=desk.id_of("Ivan"), opened_at=desk.clock.now(), active_at=desk.clock.now(),
                )
            )  # fmt: skip
    with desk.store.read() as conn:
        assert {row.id for row in strays(conn)} == set(ids)
    desk.do(accept, ids[0], "member:x")
    lead_id = desk.do(send_back, ids[1], "member:x")
    with desk.store.read() as conn:
        assert strays(conn) == []
    [row] = desk.rows(lead, lead.c.id == lead_id)
    assert (row.state, row.owner_id, row.contact_id) == ("open", desk.id_of("Ivan"), who[1])
    with desk.store.write() as conn:
        assert set(missing(conn, lead_id)) == set()
