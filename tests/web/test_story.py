"""Every fact of the journal has its sentence, in both languages, and none tells the lead desk of deals."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from flask_babel import force_locale

from hub.told import Told, kept
from hub.web.desk.access import Who
from hub.web.desk.scope import Scope
from hub.web.desk.story import SENTENCES, Names, explain
from hub.web.desk.story import tell as line_of
from hub.web.desk.words import NOT_POSSIBLE
from tests.web.world import World

HUB = Path(__file__).parents[2] / "hub"
PLACE = ["deal", "d", "offer_sent"]
FACTS: dict[tuple[str, str], dict[str, Any]] = {
    ("lead", "opened"): {"recognised": [{"result": "new_person"}], "route": {"rule": "", "by": "fallback"}},
    ("lead", "joined"): {"why": "open lead of this person", "recognised": [{"by": "phone", "result": "same_key"}]},
    ("lead", "noted"): {"text": "I meant Friday."},
    ("lead", "note_left"): {"text": "She wants oak"},
    ("lead", "tried_again"): {}, ("lead", "amended"): {}, ("lead", "sent_again"): {}, ("lead", "taken"): {"owner": "m"},
    ("lead", "given"): {"owner": "m"}, ("lead", "moved"): {"from": "new", "to": "warm"},
    ("lead", "rejected"): {"reason": "No budget"}, ("lead", "reopened"): {"stage": "new"},
    ("lead", "converted"): {"deal": "THEDEAL"}, ("lead", "reverted"): {"deal": "THEDEAL", "stage": "new"},
    ("lead", "in_crm"): {"connection": "c", "ref": "99001"},
    ("lead", "uncertain"): {"connection": "c", "why": "THEDEAL"},
    ("lead", "parked"): {"connection": "c", "why": "THEDEAL"}, ("lead", "held"): {"connection": "c", "why": "THEDEAL"},
    ("contact", "field"): {"field": "name", "from": "A", "to": "B"},
    ("lead", "field"): {"field": "placement", "from": ["lead", "d", "new"], "to": PLACE},
    ("lead", "conflict"): {"field": "placement", "hub": ["lead", "d", "new"], "crm": PLACE, "winner": "crm"},
    ("contact", "conflict"): {"field": "phones", "hub": ["+12025550111"], "crm": [], "winner": "union"},
    ("lead", "tagged"): {"from": [], "to": ["VIP", "Окна"]},
    ("lead", "not_followed"): {"code": "?", "why": "THEDEAL", "to": "offer_sent"},
    ("lead", "deleted_in_crm"): {"ref": "99001"},
    ("lead", "merged_in_crm"): {"ref": "99001", "into": "99002"}, ("lead", "imported"): {"ref": "99001"},
    ("lead", "unsaid"): {"values": {"title": "THEDEAL"}}, ("lead", "undone"): {"run": "r"},
    ("contact", "settled"): {"field": "name", "winner": "hub"},
    ("lead", "contact_only"): {"reason": "A supplier"}, ("lead", "put_off"): {"until": 1, "why": "In spring"},
    ("lead", "returned"): {"why": "day", "owner": "m"}, ("contact", "visited"): {},
    ("lead", "target"): {"action": "showing", "phase": "held"},
    ("deal", "opened"): {"lead": "x"}, ("deal", "moved"): {"from": "created", "to": "won"},
    ("deal", "joined"): {"why": "open deal of this person"},
}  # fmt: skip


def names(role: str) -> Names:
    blocks = {"lead": ("new", "warm"), "deal": ("created", "won", "offer_sent")}
    stages = {("d", block, key): SimpleNamespace(name=f"<{key}>") for block, keys in blocks.items() for key in keys}
    if role == "lead_desk":
        stages = {place: row for place, row in stages.items() if place[1] == "lead"}
    return Names(Scope(Who("m", "Mia", role)), {"m": "Mia"}, {"c": "Their CRM"}, stages, "d")


def tell(world: World, role: str, language: str, subject: str, what: str) -> str:
    row = SimpleNamespace(subject=subject, what=what, at=0, actor="member:m", facts=FACTS[subject, what])
    with world.app.test_request_context(), force_locale(language):
        line = line_of(names(role), row)
    return " ".join((line.text, line.by, line.quote, *line.reasons)) if line else ""


@pytest.mark.parametrize(("subject", "what"), FACTS)
def test_a_fact_is_a_sentence_in_both_languages(still: World, subject: str, what: str) -> None:
    english, russian = (tell(still, "admin", language, subject, what) for language in ("en", "ru"))
    assert re.search(r"^[A-Z][a-z ].*[.:”]", english), english
    assert re.search(r"[а-я]{3}", russian), russian
    assert "%(" not in english + russian


@pytest.mark.parametrize(("subject", "what"), [pair for pair in FACTS if pair[0] != "deal"])
def test_the_lead_desk_is_told_nothing_of_deals(still: World, subject: str, what: str) -> None:
    text = tell(still, "lead_desk", "en", subject, what)
    assert not re.search(r"\bdeal|THEDEAL|99001|offer_sent", text, re.IGNORECASE), text


def test_why_a_merge_was_refused_is_told_in_the_language_of_the_reader(still: World) -> None:
    why = kept(Told("Somebody said that these are two people: take that back first"))
    row = SimpleNamespace(subject="contact", what="merge_refused", at=0, actor="crm:c", facts={"into": "x", "why": why})
    told = {}
    for language in ("en", "ru"):
        with still.app.test_request_context(), force_locale(language):
            line = line_of(names("admin"), row)
        assert line is not None
        told[language] = line.text
    assert told["en"].endswith("but not here: Somebody said that these are two people: take that back first")
    assert "Кто-то сказал, что это два человека: сначала отмените это" in told["ru"]


def refusals() -> Iterator[str]:
    """The code of every move that the funnel says is not possible."""
    for path in (HUB / "funnel").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "NotPossible":
                code = node.args[0]
                assert isinstance(code, ast.Constant), path.name
                yield str(code.value)


def test_no_refusal_of_a_move_reaches_a_page_in_english_only() -> None:
    elsewhere = {"taken", "no_evidence"}  # told with a name; said to programs alone
    assert set(refusals()) - NOT_POSSIBLE.keys() - elsewhere == set()


def test_explanations(still: World) -> None:
    route = {"rule": "Telegram", "matched": [["source", "is", "telegram"]], "pool": "desk", "by": "rotation", "turn": 3}
    recognised = [{"by": "phone", "result": "other_name"}, {"by": "thread"}, {"by": "email", "result": "unheard of"}]
    with still.app.test_request_context():
        reasons = explain(names("admin"), {"recognised": recognised, "route": {**route, "owner": "m"}})
    assert reasons == (
        "The phone is known, but under another name: taken for somebody else.",
        "Continues a running conversation.",
        "Rule “Telegram” decided, because source is “telegram”.",
        "It was the turn of Mia in “desk” (lead no. 3 from this pool).",
    )


def written() -> Iterator[tuple[str, str]]:
    """(subject, what) of every journal line that the hub writes about people, leads and deals."""
    for path in HUB.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("note", "_note"):
                at = 2 if ast.unparse(node.func) == "note" else 1
                subject, what = (node.args[n] if n < len(node.args) else None for n in (at, at + 2))
                if isinstance(what, ast.Constant):
                    yield (subject.value if isinstance(subject, ast.Constant) else ""), what.value  # type: ignore[misc]


def test_nothing_is_written_without_a_sentence() -> None:
    ours = {(subject, what) for subject, what in written() if subject in ("", "contact", "lead", "deal")}
    assert len(ours) > 10
    assert {pair for pair in ours if pair not in SENTENCES and ("", pair[1]) not in SENTENCES} == set()
