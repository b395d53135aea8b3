"""The person on a card, changed by hand: name, company, position, numbers, addresses; not of this company.

Only what was changed in the form is written, so that two people who edit one card at once lose nothing of each other.
What was entered outranks what was typed into forms, and travels to the CRMs. Who may change a lead's person is who may
see the lead: `acts` asks that first, in the same transaction.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, select

from hub.clock import Clock
from hub.funnel.moves import NotPossible
from hub.identity.employers import not_there
from hub.identity.merging import CannotMerge
from hub.identity.points import KINDS, NoPoint, Point, change_points, read_point
from hub.identity.shown import enter
from hub.identity.survivorship import DOUBTED, ENTERED, KEPT, PROFILE
from hub.model import company, connection, contact
from hub.store.notes import mark_dirty, note
from hub.web.desk.access import whoami
from hub.web.desk.shown import typed, when
from hub.web.desk.story import Names
from hub.web.desk.tongue import _
from hub.web.desk.words import said

FIELDS = ("name", "company", "position")
WAS = "was-"
LONGEST, MOST = 4000, 30


def employer_of(conn: Connection, contact_id: str) -> str:
    """The name of the company whose person this is, "" for nobody's."""
    joined = contact.join(company, company.c.id == contact.c.company_id)
    return str(
        conn.execute(select(company.c.name).select_from(joined).where(contact.c.id == contact_id)).scalar() or ""
    )


def reasons(names: Names, row: Any) -> list[tuple[str, str]]:
    """Why each field of a contact shows what it shows: (field, sentence) in the reader's language."""
    return [
        (said(field, "field"), _reason(names, *row.basis[field]))
        for field in (*FIELDS, "first_name", "last_name", "middle_name", "language")
        if field in row.basis
    ]


def _reason(names: Names, trust: int, at: int, by: str = "") -> str:
    kind, _colon, _key = by.partition(":")
    told = when(at)
    if trust == ENTERED and kind == "member":
        return _("entered by %(name)s, %(when)s", name=names.actor(by), when=told)
    if trust == ENTERED:
        return _("entered in %(name)s, %(when)s", name=names.actor(by), when=told)
    return {
        PROFILE: _("from the profile of a messenger, %(when)s", when=told),
        KEPT: _("known since %(when)s", when=told),
        DOUBTED: _("typed into a form, probably not meant, %(when)s", when=told),
    }.get(trust, _("typed into a form, %(when)s", when=told))


# ── what is pressed ──────────────────────────────────────────────────────────────────────────────


def keep(conn: Connection, clock: Clock, row: Any) -> None:
    """What was changed in the form. Raises `NotPossible` for a number or an address that is none."""
    actor = f"member:{whoami().id}"
    news = {name: now for name in FIELDS if (now := typed(name)) != typed(f"{WAS}{name}")}
    add, drop = _points(conn, row)
    held = conn.execute(select(contact).where(contact.c.id == row.contact_id)).one()._mapping
    if news:
        enter(conn, row.contact_id, news, actor, clock.now())
    came, went = change_points(conn, clock, row.contact_id, add, drop)
    changes = {name: [held[name], text] for name, text in news.items() if text != held[name]}
    if changes or came or went:
        mark_dirty(conn, clock, [row.contact_id])
        facts = {"fields": changes, "added": came, "removed": went}
        note(conn, clock, "contact", row.contact_id, "edited", actor, facts)


def _points(conn: Connection, row: Any) -> tuple[list[Point], list[tuple[str, str]]]:
    """Points to add and (kind, value) of those to take away. A line that was there before is not read again."""
    region = _region(conn, row.connection_id)
    add: list[Point] = []
    drop: list[tuple[str, str]] = []
    for kind in KINDS:
        before, now = _lines(f"{WAS}{kind}"), _lines(kind)
        drop += [(kind, value) for value in before if value not in now]
        try:
            add += [read_point(kind, value, region) for value in now if value not in before]
        except NoPoint as error:
            raise NotPossible(f"no_{kind}", _no_point(error)) from None
    return add, [one for one in drop if one not in {(point.kind, point.value) for point in add}]


def _no_point(error: NoPoint) -> str:
    if error.kind == "phone":
        return _("“%(text)s” is no phone number: write it with its country, as +49 151 23456789.", text=error.text)
    return _("“%(text)s” is no e-mail address.", text=error.text)


def _lines(name: str) -> list[str]:
    return [one for line in typed(name, LONGEST).splitlines() if (one := line.strip())][:MOST]


def _region(conn: Connection, connection_id: str | None) -> str:
    mine = select(connection.c.region).where(connection.c.id == connection_id)
    return str(conn.execute(mine).scalar() or "")


def elsewhere(conn: Connection, clock: Clock, row: Any) -> None:
    """The person is not of the company that was found for them; a second press finds nothing to do."""
    if employer_of(conn, row.contact_id):
        try:
            not_there(conn, row.contact_id, f"member:{whoami().id}", clock.new_id(), clock.now())
        except CannotMerge:
            return
        mark_dirty(conn, clock, [row.contact_id])
