"""Weights learnt from answers: bounded, shown before anybody uses them, nothing from a handful; and the commands."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from hub.cli import main
from hub.identity.estimate import LEAST, MOST, WEIGHTS, Answered, propose
from hub.identity.rules import VERSION, Rules
from hub.identity.sentences import PIECES
from hub.model import company, contact, review, setting
from tests.whole import JSON, Whole, whole_hub

RULES = Rules()


def pairs(same: int, different: int, *codes: str) -> list[Answered]:
    pieces = {code: float(getattr(RULES, WEIGHTS[code])) for code in codes}
    return [Answered(pieces, sum(pieces.values()), n < same) for n in range(same + different)]


def moved(*many: list[Answered]) -> dict[str, float]:
    found = propose([pair for some in many for pair in some], RULES)
    return {line.name: round(line.new - line.old, 1) for line in found.lines}


def test_every_piece_has_a_weight_and_a_sentence() -> None:
    assert set(WEIGHTS.values()) <= {field.name for field in fields(Rules)}
    rare = {"given_same", "surname_same"}
    assert set(PIECES) - rare == set(WEIGHTS)


@pytest.mark.parametrize(("same", "different"), [(0, 0), (LEAST - 1, 500), (500, LEAST - 1)])
def test_too_few_answers_propose_nothing(same: int, different: int) -> None:
    found = propose(pairs(same, different, "near_number"), RULES)
    assert (found.lines, found.values, found.same, found.different) == ((), {}, same, different)


def test_what_people_confirm_gains_and_what_they_deny_loses() -> None:
    found = moved(pairs(60, 5, "near_mailbox"), pairs(5, 60, "near_number"))
    assert found["near_mailbox"] > 0.5
    assert found["near_number"] < -0.5


def test_few_answers_about_one_weight_move_it_little() -> None:
    crowd = pairs(40, 40, "shared_number")
    few, many = (moved(crowd, pairs(0, n, "near_mailbox"))["near_mailbox"] for n in (LEAST // 2, 200))
    assert many < few < 0


@given(st.lists(st.builds(
    Answered, st.dictionaries(st.sampled_from(sorted(WEIGHTS)), st.floats(-10, 24), max_size=4), st.floats(-40, 80),
    st.booleans(),
), max_size=60))  # fmt: skip
def test_no_weight_moves_far_whatever_was_answered(answers: list[Answered]) -> None:
    for line in propose(answers, RULES).lines:
        assert abs(line.new - line.old) <= MOST + 0.05
        assert line.same + line.different >= LEAST // 2


# ── the commands ─────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def whole(tmp_path: Path) -> Iterator[Whole]:
    with whole_hub(tmp_path) as made:
        yield made


def run(whole: Whole, *words: str, code: int = 0) -> str:
    done = CliRunner().invoke(main, ["identity", *words, "--folder", str(whole.hub.config.folder)])
    assert done.exit_code == code, done.output
    return done.output


def answered(whole: Whole, same: int, different: int) -> None:
    why = [{"result": "near_mailbox", "bits": "+7.0"}, {"result": "score", "bits": "+7.0"}]
    rows = [
        {
            "id": f"r{n}", "first_id": f"a{n:03}", "second_id": f"b{n:03}", "at": n, "score": 7.0, "why": why,
            "rules": VERSION, "state": "same" if n < same else "different",
        }
        for n in range(same + different)
    ]  # fmt: skip
    with whole.hub.store.write() as conn:
        conn.execute(review.insert(), rows)


def used(whole: Whole) -> dict[str, Any]:
    return dict({row.name: row.value for row in whole.rows(setting)}.get("identity", {}))


def test_a_proposal_is_shown_written_and_used_only_when_told(whole: Whole, tmp_path: Path) -> None:
    assert "Nothing is proposed" in run(whole, "estimate")
    answered(whole, 80, 12)
    file = tmp_path / "weights.toml"
    told = run(whole, "estimate", "--out", str(file))
    assert "near_mailbox" in told
    assert "80 the same person, 12 two people" in told
    assert used(whole) == {}
    file.write_text("near_mailbox = 8.1\n", "utf-8")
    run(whole, "use", str(file))
    file.write_text("strict = true\n", "utf-8")
    run(whole, "use", str(file))
    assert used(whole) == {"near_mailbox": 8.1, "strict": True}
    file.write_text("nearness = 8.1\n", "utf-8")
    assert "There is no rule" in run(whole, "use", str(file), code=1)
    assert used(whole) == {"near_mailbox": 8.1, "strict": True}


def says(whole: Whole, live: Any, **form: Any) -> None:
    assert whole.post(live, json.dumps(form), JSON).status_code == 200
    whole.flow()


def test_contacts_are_decided_anew_on_the_command_line(whole: Whole) -> None:
    live = whole.connect("webhook")
    says(whole, live, name="Анна Петровна Серова", phone="+79161234507", message="Забор")
    whole.clock.advance(1000)
    says(whole, live, name="Аня Серова", phone="+79161234507", message="Калитка")
    assert "0 contacts show" in run(whole, "redecide")
    with whole.hub.store.write() as conn:
        conn.execute(setting.insert().values(name="survivorship", value={"name": "newest"}))
    assert "1 contacts would show" in run(whole, "redecide", "--dry")
    assert "-> 'Аня Серова'" in run(whole, "redecide")
    assert [row.name for row in whole.rows(contact)] == ["Аня Серова"]
    with whole.hub.store.write() as conn:
        conn.execute(setting.update().values(value={"name": "loudest"}))
    assert "rules are" in run(whole, "redecide", code=1)


def test_a_wrong_company_is_put_right_on_the_command_line(whole: Whole) -> None:
    says(whole, whole.connect("webhook"), name="Anna Serova", email="anna@forest.test", message="A fence")
    [anna] = [row.id for row in whole.rows(contact)]
    assert "domain: forest.test" in run(whole, "company", anna)
    assert "is not of forest.test" in run(whole, "company", anna, "--not")
    assert "No company is known" in run(whole, "company", anna)
    assert "has no company" in run(whole, "company", anna, "--not", code=1)
    assert "no contact nobody" in run(whole, "company", "nobody", code=1)
    assert whole.count(company) == 1
