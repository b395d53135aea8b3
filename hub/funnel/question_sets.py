"""The questions of the border as admins write them: what is asked in a direction, what must be known, what it is worth.

Guarantees: answers that were given stay when a question is switched off; a question keeps its name, by which answers
and forms know it; every change stands in the journal.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, func, insert, select, update

from hub.clock import Clock
from hub.funnel.border import ACCEPT, BACK, SETTING
from hub.funnel.questions import KINDS
from hub.model import direction, question, setting
from hub.store.engine import inserting
from hub.store.notes import note
from hub.told import Told, Unusable

LANGUAGES = ("en", "ru")
MOST_POINTS, MOST_OPTIONS, LONGEST = 100, 50, 300


def questions(conn: Connection) -> Sequence[Any]:
    """All questions, those of every direction first, in the order in which they are asked."""
    order = (question.c.direction_id.is_not(None), question.c.direction_id, question.c.position, question.c.id)
    return list(conn.execute(select(question).order_by(*order)))


def keep_question(conn: Connection, clock: Clock, actor: str, question_id: str, typed: Mapping[str, str]) -> str:
    """A question as typed: `name`, `en`, `ru`, `kind`, `options` (one a line, "value = points"), `points`; ticks
    `required`, `motive`, `active`; `direction` ("" for all). `question_id` "" makes a new one, after the others, and
    only then name and direction count. Answers the id; raises `Unusable`."""
    wrong: dict[str, str] = {}
    row = _row(typed, wrong)
    if not question_id:
        row |= _place(conn, typed, wrong)
    if wrong:
        raise Unusable(wrong)
    if question_id:
        conn.execute(update(question).where(question.c.id == question_id).values(row))
    else:
        question_id = clock.new_id()
        conn.execute(insert(question).values(id=question_id, **row))
    note(conn, clock, "question", question_id, "kept", actor, row)
    return question_id


def _row(typed: Mapping[str, str], wrong: dict[str, str]) -> dict[str, Any]:
    words = {one: typed.get(one, "").strip()[:LONGEST] for one in LANGUAGES}
    row: dict[str, Any] = {one: typed.get(one) == "yes" for one in ("required", "motive", "active")}
    row |= {"kind": typed.get("kind", ""), "points": _points(typed.get("points", ""), "points", wrong)}
    row["words"] = {one: text for one, text in words.items() if text}
    row["options"] = _options(typed.get("options", ""), wrong)
    if not row["words"]:
        wrong["en"] = "is missing: say what is asked, in one language at least"
    if row["kind"] not in KINDS:
        wrong["kind"] = "is none of text, choice, number, date, yes"
    elif row["kind"] == "choice" and not row["options"]:
        wrong.setdefault("options", "are missing: a choice needs answers to choose from")
    return row


def _place(conn: Connection, typed: Mapping[str, str], wrong: dict[str, str]) -> dict[str, Any]:
    """Name, direction and position of a new question."""
    name, place = typed.get("name", "").strip(), typed.get("direction", "") or None
    if not re.fullmatch(r"[a-z][a-z0-9_]{0,39}", name):
        wrong["name"] = Told("“%(text)s” is no name: write small letters, digits and _, as floor_area", text=name[:40])
    if place and conn.execute(select(direction.c.id).where(direction.c.id == place)).first() is None:
        wrong["direction"] = "is not here any more"
    same = question.c.direction_id.is_(None) if place is None else question.c.direction_id == place
    if conn.execute(select(question.c.id).where(question.c.name == name, same)).first():
        wrong["name"] = "is taken"
    last = conn.execute(select(func.max(question.c.position)).where(same)).scalar()
    return {"name": name, "direction_id": place, "position": 0 if last is None else int(last) + 1}


def _points(text: str, name: str, wrong: dict[str, str]) -> int:
    text = text.strip() or "0"
    if not (re.fullmatch(r"-?\d{1,3}", text) and abs(int(text)) <= MOST_POINTS):
        wrong[name] = "must be a whole number from -100 to 100"
        return 0
    return int(text)


def _options(text: str, wrong: dict[str, str]) -> list[dict[str, Any]]:
    found: dict[str, int] = {}
    for line in [one.strip() for one in text.splitlines() if one.strip()][: MOST_OPTIONS + 1]:
        value, _equals, points = line.partition("=")
        if value.strip() in found or not value.strip():
            wrong["options"] = Told("%(text)s stands there twice: keep one line", text=line[:40])
        elif len(found) == MOST_OPTIONS:
            wrong["options"] = "are too many: fifty are the most"
        else:
            found[value.strip()[:LONGEST]] = _points(points, "options", wrong)
    return [{"value": value, "points": points} for value, points in found.items()]


def written(options: Sequence[Mapping[str, Any]]) -> str:
    """Options as `keep_question` takes them."""
    return "\n".join(f"{one['value']} = {one.get('points', 0)}" for one in options)


def move(conn: Connection, clock: Clock, actor: str, question_id: str, by: int) -> None:
    """One place up (-1) or down (1) within its set."""
    known = questions(conn)
    mine = next((one for one in known if one.id == question_id), None)
    if mine is None:
        return
    ids = [one.id for one in known if one.direction_id == mine.direction_id]
    place, other = ids.index(question_id), ids.index(question_id) + by
    if 0 <= other < len(ids):
        ids[place], ids[other] = ids[other], ids[place]
        for position, one in enumerate(ids):
            conn.execute(update(question).where(question.c.id == one).values(position=position))
        note(conn, clock, "question", question_id, "up" if by < 0 else "down", actor)


def set_policy(conn: Connection, clock: Clock, actor: str, policy: str) -> None:
    """What becomes of unqualified cards dragged over the border in a CRM: "back" or "accept"; raises `Unusable`."""
    if policy not in (BACK, ACCEPT):
        raise Unusable({"policy": "is none of back, accept"})
    row = inserting(conn, setting).values(name=SETTING, value={"from_crm": policy})
    conn.execute(row.on_conflict_do_update(index_elements=["name"], set_={"value": row.excluded.value}))
    note(conn, clock, "setting", SETTING, "changed", actor, {"from_crm": policy})
