"""What has to be known of a client: question sets per direction, answers, and how complete they are.

An answer is a fact of the lead with who said so and when. Questions marked `required` stand before the border; at least
one answer to a question marked `motive` shows that the client wants something.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, or_, select

from hub.clock import Clock
from hub.funnel.moves import NotPossible, lock_lead
from hub.model import answer, question
from hub.store.engine import inserting
from hub.store.notes import note

LONGEST = 2000
KINDS = ("text", "choice", "number", "date", "yes")


@dataclass(frozen=True, slots=True)
class Question:
    """One question. `options` are value → points; an answer to anything else is worth `points`."""

    name: str
    words: Mapping[str, str]
    kind: str = "text"
    options: Mapping[str, int] | None = None
    points: int = 5
    required: bool = False
    motive: bool = False

    def worth(self, value: str) -> int:
        """Points of this answer."""
        return (self.options or {}).get(value, self.points) if value else 0


DEFAULTS = (
    Question("need", {"en": "What is needed, and why now?", "ru": "Что нужно и почему сейчас?"}, required=True,
             motive=True, points=15),
    Question("budget", {"en": "What budget is there?", "ru": "Какой бюджет?"}, points=15, motive=True),
    Question("term", {"en": "By when?", "ru": "К какому сроку?"}, "choice",
             {"month": 20, "quarter": 10, "later": 2, "unknown": 0}),
    Question("decision", {"en": "Who decides, and how?", "ru": "Кто и как принимает решение?"}, points=10),
    Question("portrait", {"en": "Who is the client?", "ru": "Кто этот клиент?"}, required=True, points=10),
)  # fmt: skip
"""The set that ships: need, budget, term, method of decision, portrait."""


def add_defaults(conn: Connection, clock: Clock, direction_id: str | None = None) -> int:
    """The shipped set for a direction (None: for all) unless it has questions; answers how many were added."""
    if conn.execute(select(question.c.id).where(_of(direction_id)).limit(1)).first():
        return 0
    rows = [
        {"id": clock.new_id(), "direction_id": direction_id, "position": position, "name": one.name,
         "words": dict(one.words), "kind": one.kind, "points": one.points, "required": one.required,
         "motive": one.motive, "active": True,
         "options": [{"value": value, "points": points} for value, points in (one.options or {}).items()]}
        for position, one in enumerate(DEFAULTS)
    ]  # fmt: skip
    conn.execute(question.insert(), rows)
    return len(rows)


def _of(direction_id: str | None) -> Any:
    return question.c.direction_id.is_(None) if direction_id is None else question.c.direction_id == direction_id


def questions_of(conn: Connection, direction_id: str) -> tuple[Question, ...]:
    """What is asked in this direction: its own set and that of all, in order; of two with one name its own."""
    mine = or_(question.c.direction_id == direction_id, question.c.direction_id.is_(None))
    rows = conn.execute(select(question).where(mine, question.c.active).order_by(question.c.position, question.c.id))
    found: dict[str, tuple[bool, Question]] = {}
    for row in rows:
        own = row.direction_id is not None
        if row.name not in found or (own and not found[row.name][0]):
            options = {str(one["value"]): int(one.get("points", 0)) for one in row.options}
            made = Question(row.name, row.words, row.kind, options or None, row.points, row.required, row.motive)
            found[row.name] = (own, made)
    return tuple(made for _own, made in found.values())


def answers_of(conn: Connection, lead_id: str) -> dict[str, str]:
    """What is known of a lead, by question."""
    mine = select(answer.c.name, answer.c.value).where(answer.c.lead_id == lead_id, answer.c.value != "")
    return {str(row.name): str(row.value) for row in conn.execute(mine)}


def give_answer(conn: Connection, clock: Clock, lead_id: str, name: str, value: str, actor: str) -> None:
    """Note an answer; an empty one takes it back, the same one changes nothing. Raises `NotPossible`."""
    row, value = lock_lead(conn, lead_id), value.strip()[:LONGEST]
    asked = next((one for one in questions_of(conn, row.direction_id) if one.name == name), None)
    if asked is None:
        raise NotPossible("no_question", f"Nobody asks “{name}” in this direction")
    if value and (why := _unusable(asked, value)):
        raise NotPossible("bad_answer", f"“{value}” {why}")
    before = answers_of(conn, lead_id).get(name, "")
    if before == value:
        return
    row = inserting(conn, answer).values(lead_id=lead_id, name=name, value=value, by=actor, at=clock.now())
    newer = {"value": row.excluded.value, "by": row.excluded.by, "at": row.excluded.at}
    conn.execute(row.on_conflict_do_update(index_elements=["lead_id", "name"], set_=newer))
    note(conn, clock, "lead", lead_id, "answered", actor, {"question": name, "from": before, "to": value})


def _unusable(asked: Question, value: str) -> str:
    if asked.kind == "choice" and asked.options and value not in asked.options:
        return f"is none of {', '.join(asked.options)}"
    if asked.kind == "number" and not value.replace(" ", "").replace(",", ".").replace(".", "", 1).isdigit():
        return "is no number"
    return ""


def completeness(questions: Sequence[Question], answers: Mapping[str, str]) -> int:
    """Percent of the questions that have an answer; 100 where nothing is asked."""
    if not questions:
        return 100
    return 100 * sum(bool(answers.get(one.name)) for one in questions) // len(questions)
