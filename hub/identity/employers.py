"""Whose people contacts are, as a person may put it right: not this company, or not by this domain.

What somebody said stays: nothing gives the contact that company again, and a domain or name that several firms use
leads to none of them.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, select, tuple_, update

from hub.clock import Clock
from hub.identity.emails import emails
from hub.identity.firms import RETIRED, Firm, Key, registered
from hub.identity.merging import CannotMerge, pair_of
from hub.model import company, company_key, contact, contact_point, journal, link, not_same
from hub.store.engine import inserting
from hub.store.notes import note

COMPANY = ("name", "key", "website", "domain", "tax_id", "address", "phones", "emails")
"""What is kept of a company."""


def employer(conn: Connection, contact_id: str) -> tuple[Any, list[Key]]:
    """The company of a contact (row or None) and the keys that lead there. Raises `CannotMerge` for an unknown one."""
    row = conn.execute(select(contact.c.company_id).where(contact.c.id == contact_id)).one_or_none()
    if row is None:
        raise CannotMerge(f"There is no contact {contact_id}")
    if row.company_id is None:
        return None, []
    there = select(company_key).where(company_key.c.company_id == row.company_id).order_by(*company_key.primary_key)
    keys = [(one.kind, one.value) for one in conn.execute(there)]
    return conn.execute(select(company).where(company.c.id == row.company_id)).one_or_none(), keys


def not_there(conn: Connection, contact_id: str, actor: str, line_id: str, at: int, shared: bool = False) -> str:
    """The contact is not of its company; answers whose it was. `shared` also retires the domains of its mailboxes,
    because several firms write from there. `line_id` names the journal's line. Raises `CannotMerge`."""
    firm, keys = employer(conn, contact_id)
    if firm is None:
        raise CannotMerge(f"Contact {contact_id} has no company")
    conn.execute(update(contact).where(contact.c.id == contact_id).values(company_id=None, updated_at=at))
    first, second = pair_of(contact_id, firm.id)
    apart = {"first_id": first, "second_id": second, "by": actor, "at": at}
    conn.execute(inserting(conn, not_same).values(apart).on_conflict_do_nothing())
    gone = [key for key in keys if key[0] == "domain" and key[1] in _domains(conn, contact_id)] if shared else []
    for key in gone:
        retire(conn, key)
    facts = {"company": firm.id, "name": firm.name, "retired": [value for _, value in gone]}
    line = {"id": line_id, "at": at, "subject": "contact", "subject_id": contact_id, "what": "left_company"}
    conn.execute(journal.insert().values(**line, actor=actor, facts=facts))
    return str(firm.name)


def retire(conn: Connection, key: Key) -> None:
    """A key that several firms use leads to none of them from now on."""
    place = (company_key.c.kind == key[0]) & (company_key.c.value == key[1])
    conn.execute(update(company_key).where(place).values(kind=RETIRED[key[0]]))


# ── companies that turn out to be one ────────────────────────────────────────────────────────────


def learn(conn: Connection, company_id: str, firm: Firm) -> str:
    """Keys nobody owns lead to this company from now on; answers another company that one of them leads to, "" if
    none."""
    others: dict[str, str] = {}
    for kind, value in firm.keys:
        places = [(kind, value), (RETIRED.get(kind, ""), value)]
        held = select(company_key).where(tuple_(company_key.c.kind, company_key.c.value).in_(places))
        row = conn.execute(held).first()
        if row is None:
            claim = {"kind": kind, "value": value, "company_id": company_id}
            conn.execute(inserting(conn, company_key).values(claim).on_conflict_do_nothing())
        elif row.kind == kind and row.company_id != company_id:
            others.setdefault(str(row.company_id), kind)
    return next(iter(others), "")


def unite(conn: Connection, clock: Clock, winner: str, loser: str, actor: str) -> None:
    """Two companies are one: people, keys, what only the loser knows, and its cards where the winner has none. What
    else the loser said stands in the winner's timeline."""
    rows = {row.id: row for row in conn.execute(select(company).where(company.c.id.in_((winner, loser))))}
    if rows.keys() != {winner, loser}:
        raise CannotMerge(f"There is no company {winner if winner not in rows else loser}")
    kept, gone, at = rows[winner]._mapping, rows[loser]._mapping, clock.now()
    news = {name: gone[name] for name in COMPANY if gone[name] and not kept[name]}
    people = select(contact.c.id).where(contact.c.company_id == loser)
    mine = (link.c.role == "contact") & link.c.record_id.in_(people) & (link.c.state == "linked")
    conn.execute(update(link).where(mine).values(dirty=link.c.dirty + 1, due_at=at))
    conn.execute(update(contact).where(contact.c.company_id == loser).values(company_id=winner))
    conn.execute(update(company_key).where(company_key.c.company_id == loser).values(company_id=winner))
    if news:
        conn.execute(update(company).where(company.c.id == winner).values(news))
    conn.execute(update(company).where(company.c.id == loser).values(merged_into=winner))
    told = {name: gone[name] for name in COMPANY if name != "key" and gone[name]}
    rest = {name: value for name, value in told.items() if value != (kept[name] or value)}
    note(conn, clock, "company", winner, "merged", actor, {"company": loser, "values": rest})
    _hand_cards_over(conn, winner, loser, at)


def _hand_cards_over(conn: Connection, winner: str, loser: str, at: int) -> None:
    cards = select(link).where(link.c.role == "company", link.c.record_id.in_((winner, loser)))
    held: dict[tuple[str, str], Any] = {(r.connection_id, r.record_id): r for r in conn.execute(cards).all()}
    for (connection_id, owner), row in held.items():
        other = held.get((connection_id, winner))
        if owner == winner:
            continue
        if other is not None and other.state == "new" and not other.remote_id and not other.lease:
            conn.execute(link.delete().where(link.c.id == other.id))
            other = None
        if other is None:
            again = {"record_id": winner, "dirty": link.c.dirty + 1, "due_at": at}
            if row.state == "linked":  # what is being read of it this moment would count as agreed with the other one
                again |= {"lease": "", "lease_until": None}
            conn.execute(update(link).where(link.c.id == row.id).values(again))
        elif not row.remote_id and not row.lease:
            conn.execute(link.delete().where(link.c.id == row.id))
    conn.execute(
        update(link)
        .where(link.c.role == "company", link.c.record_id == winner, link.c.state == "linked")
        .values(dirty=link.c.dirty + 1, due_at=at)
    )


def _domains(conn: Connection, contact_id: str) -> set[str]:
    mine = select(contact_point.c.value).where(
        contact_point.c.contact_id == contact_id, contact_point.c.kind == "email"
    )
    return {registered(one.domain) for value in conn.execute(mine).scalars() for one in emails(value) if one.domain}
