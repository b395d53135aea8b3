"""Questions on pages: what was typed is asked on the card and stands before the border."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from hub.funnel.border import missing, policy
from hub.funnel.questions import questions_of
from hub.funnel.standing import read_known
from hub.funnel.warmth import POINTS, score
from hub.model import direction, journal, lead, question
from hub.web.desk.words import WORTH
from tests.web.world import World, press

PLAIN = {"name": "floor_area", "en": "How large?", "kind": "number", "points": "5", "active": "yes"}


def rows(world: World) -> list[Any]:
    with world.hub.store.read() as conn:
        return list(conn.execute(select(question).order_by(question.c.position)))


def page(world: World, path: str = "questions") -> str:
    answer = world.admin.get(f"/admin/{path}")
    assert answer.status_code == 200, path
    return str(answer.get_data(as_text=True))


def add(world: World, **typed: str) -> Any:
    return press(world.admin, "/admin/questions/new", **{**PLAIN, **typed})


def test_a_required_question_stands_before_the_border(world: World) -> None:
    add(world, required="yes", motive="yes")
    with world.hub.store.write() as conn:
        assert missing(conn, world.leads["Ivan Petrov"]) == ("floor_area", "motive", "touch")
    card = world.admin.get(f"/leads/{world.leads['Ivan Petrov']}").get_data(as_text=True)
    assert "How large? *" in card
    [row] = rows(world)
    press(world.admin, f"/admin/questions/{row.id}", **{**PLAIN, "ru": "Какая площадь?", "required": ""})
    with world.hub.store.write() as conn:
        assert missing(conn, world.leads["Ivan Petrov"]) == ("touch",)


def test_choices_carry_their_points(world: World) -> None:
    add(world, kind="choice", options="month = 20\nlater=-5\nnever")
    with world.hub.store.read() as conn:
        [asked] = questions_of(conn, str(conn.execute(select(direction.c.id)).scalar()))
    assert asked.options == {"month": 20, "later": -5, "never": 0}
    assert "month (20)" in page(world)
    assert "later = -5" in page(world, f"questions/{rows(world)[0].id}")


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"name": "Floor Area"}, "“Floor Area” is no name"), ({"en": "", "ru": ""}, "say what is asked"),
        ({"kind": "riddle"}, "is none of text, choice"), ({"kind": "choice"}, "needs answers to choose from"),
        ({"points": "lots"}, "from -100 to 100"), ({"options": "a = many"}, "from -100 to 100"),
        ({"options": "a = 1\na = 2"}, "stands there twice"), ({"direction": "gone"}, "is not here any more"),
        ({"options": "\n".join(f"o{n}" for n in range(51))}, "fifty are the most"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_and_what_was_typed_stays(world: World, typed: dict[str, str], said: str) -> None:
    answer = add(world, **{"ru": "<s>Сколько", **typed})
    assert answer.status_code == 422
    assert said in answer.get_data(as_text=True)
    assert "&lt;s&gt;Сколько" in answer.get_data(as_text=True) or "ru" in typed
    assert rows(world) == []


def test_the_same_name_twice_is_refused_in_one_set_only(world: World) -> None:
    add(world)
    assert add(world).status_code == 422
    with world.hub.store.read() as conn:
        place = str(conn.execute(select(direction.c.id)).scalar())
    assert add(world, direction=place).status_code == 303
    assert len(rows(world)) == 2


def test_questions_move_within_their_set(world: World) -> None:
    for name in ("a", "b"):
        add(world, name=name)
    press(world.admin, f"/admin/questions/{rows(world)[1].id}/move", do="up")
    assert [row.name for row in rows(world)] == ["b", "a"]
    press(world.admin, f"/admin/questions/{rows(world)[0].id}/move", do="up")
    assert [row.name for row in rows(world)] == ["b", "a"]
    assert press(world.admin, f"/admin/questions/{rows(world)[0].id}/move", do="out").status_code == 400


def test_what_happens_to_cards_dragged_too_early_is_chosen(world: World) -> None:
    press(world.admin, "/admin/questions/policy", policy="accept")
    press(world.admin, "/admin/questions/policy", policy="burn")
    with world.hub.store.read() as conn:
        assert policy(conn) == "accept"
        lines = conn.execute(select(journal.c.actor).where(journal.c.subject == "setting")).scalars().all()
    assert lines == [f"member:{world.members['ada']}"]
    assert "is none of back, accept" in page(world)


def test_a_card_says_what_the_lead_is_worth_and_why(world: World) -> None:
    add(world, name="budget", en="What budget?", kind="text", points="15")
    lead_id = world.leads["Ivan Petrov"]
    press(world.admin, f"/leads/{lead_id}/answer", question="budget", value="a million")
    with world.hub.store.read() as conn:
        row = conn.execute(select(lead).where(lead.c.id == lead_id)).one()
        worth = score(read_known(conn, {lead_id: row})[lead_id])
    card = world.admin.get(f"/leads/{lead_id}").get_data(as_text=True)
    assert f"{worth.points} points" in card
    assert "<dt>+15</dt><dd>answered “budget”" in card
    assert "<dt>+10</dt><dd>left a phone number" in card
    assert set(POINTS) == set(WORTH)
