"""A lead's card: the person, the inquiry's own words, where it came from, what happened, and what to do next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, current_app, render_template
from sqlalchemy import Connection, select

from hub.funnel.own import own_name
from hub.funnel.questions import Question, answers_of, questions_of
from hub.funnel.standing import read_known
from hub.funnel.warmth import Score, score
from hub.model import contact, contact_point, inquiry, lead, member
from hub.sync import choices
from hub.web.desk import words
from hub.web.desk.access import guard
from hub.web.desk.person import employer_of, reasons
from hub.web.desk.scope import Scope, my_scope
from hub.web.desk.story import Line, Names, read_names, read_story
from mappings.schema import OWN

bp = Blueprint("card", __name__)
guard(bp, "admin", "lead_desk", "sales")

OTHERS = 10


@dataclass(frozen=True, slots=True)
class Person:
    """A contact, every way to reach them, and the company whose person they are ("" for nobody's)."""

    row: Any
    points: Sequence[Any]
    employer: str = ""


@dataclass(frozen=True, slots=True)
class Card:
    """Everything the card shows."""

    lead: Any
    person: Person
    names: Names
    stages: Sequence[Any]
    inquiries: Sequence[Any]
    links: Sequence[Any]
    story: Sequence[Line]
    others: Sequence[Any]
    reasons: Sequence[str]
    """Why it may be closed, as suggestions."""
    colleagues: Sequence[Any]
    heirs: Sequence[Any]
    deal: Any
    asked: Sequence[tuple[Question, str]] = ()
    """Questions of the direction with what is known."""
    why_shown: Sequence[tuple[str, str]] = ()
    """Fields of the contact, each with the reason for what it shows."""
    score: Score | None = None
    """What the lead is worth, with a reason for every point."""

    @property
    def answers(self) -> Mapping[str, Any]:
        """What the forms held beyond the usual fields, the newest answer of each name, as it is in step with a CRM."""
        found: dict[str, Any] = {}
        for row in reversed(self.inquiries):
            found.update(row.fields)
        own = dict(self.lead.own)
        now = {name: own.pop(own_name(name), value) for name, value in found.items()}
        return now | {name.removeprefix(OWN): value for name, value in own.items() if value not in (None, "")}

    @property
    def why(self) -> tuple[str, ...]:
        """Why this person, this direction, this owner."""
        return next((line.reasons for line in reversed(self.story) if line.kind == "opened"), ())

    @property
    def stage(self) -> Any:
        """The stage it stands on, None if the stage is gone."""
        return next((one for one in self.stages if one.key == self.lead.stage), None)


@bp.get("/leads/<key:lead_id>")
def show(lead_id: str) -> str:
    """The card as a page."""
    return render_template("desk/card.html", card=read_card(my_scope(), lead_id), complaint="")


def read_card(scope: Scope, lead_id: str) -> Card:
    """A lead with everything around it; 404 out of scope."""
    with current_app.extensions["hub"].store.read() as conn:
        row = scope.lead(conn, lead_id)
        names = read_names(conn, scope, row.direction_id)
        deal = scope.deal_of(conn, row.id)
        people, person = colleagues(conn), read_person(conn, row.contact_id)
        written = select(inquiry).where(inquiry.c.lead_id == row.id)
        return Card(
            lead=row,
            person=person,
            names=names,
            stages=block_stages(names, "lead"),
            inquiries=list(conn.execute(written.order_by(inquiry.c.received_at.desc(), inquiry.c.id.desc()).limit(50))),
            links=list(conn.execute(scope.links(row, "lead"))),
            story=read_story(conn, names, {row.contact_id: "contact", row.id: "lead"}, row.id),
            others=_others(conn, scope, row),
            reasons=suggested(conn, words.REASONS),
            colleagues=people,
            heirs=heirs(row, people),
            deal=deal,
            asked=_asked(conn, row),
            why_shown=reasons(names, person.row),
            score=score(read_known(conn, {row.id: row})[row.id]),
        )


def _asked(conn: Connection, row: Any) -> list[tuple[Question, str]]:
    known = answers_of(conn, row.id)
    return [(one, known.get(one.name, "")) for one in questions_of(conn, row.direction_id)]


def suggested(conn: Connection, usual: Sequence[Any]) -> list[str]:
    """Reasons to choose from: those of the CRMs, in whose words they arrive there, and the usual ones."""
    return list(dict.fromkeys((*choices.reasons(conn), *map(str, usual))))


def block_stages(names: Names, block: str) -> list[Any]:
    """Stages of one block of the record's direction, in order."""
    return [
        row for (direction_id, b, _key), row in names.stages.items() if (direction_id, b) == (names.direction_id, block)
    ]


def read_person(conn: Connection, contact_id: str) -> Person:
    """The contact with its points, the oldest first."""
    points = select(contact_point).where(contact_point.c.contact_id == contact_id)
    order = (contact_point.c.first_seen_at, contact_point.c.kind, contact_point.c.value)
    row = conn.execute(select(contact).where(contact.c.id == contact_id)).one()
    return Person(row, list(conn.execute(points.order_by(*order))), employer_of(conn, contact_id))


def _others(conn: Connection, scope: Scope, row: Any) -> Sequence[Any]:
    """Other leads of the same person."""
    query = select(lead).where(lead.c.contact_id == row.contact_id, lead.c.id != row.id, scope.leads())
    return list(conn.execute(query.order_by(lead.c.opened_at.desc()).limit(OTHERS)))


def colleagues(conn: Connection) -> Sequence[Any]:
    """Everybody who can own a lead."""
    people = select(member.c.id, member.c.name, member.c.role).where(member.c.active)
    return list(conn.execute(people.order_by(member.c.name, member.c.id)))


def heirs(row: Any, people: Sequence[Any]) -> list[Any]:
    """Who may own the deal of this lead: its owner, if they sell, then everybody else who does."""
    sellers = [one for one in people if one.role in ("sales", "admin")]
    return sorted(sellers, key=lambda one: (one.id != row.owner_id, one.role != "sales"))
