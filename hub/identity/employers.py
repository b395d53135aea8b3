"""Whose people contacts are, as a person may put it right: not this company, or not by this domain.

What somebody said stays: nothing gives the contact that company again, and a domain or name that several firms use
leads to none of them.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, select, update

from hub.identity.emails import emails
from hub.identity.firms import RETIRED, Key, registered
from hub.identity.merging import CannotMerge, pair_of
from hub.model import company, company_key, contact, contact_point, journal, not_same
from hub.store.engine import inserting


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


def _domains(conn: Connection, contact_id: str) -> set[str]:
    mine = select(contact_point.c.value).where(
        contact_point.c.contact_id == contact_id, contact_point.c.kind == "email"
    )
    return {registered(one.domain) for value in conn.execute(mine).scalars() for one in emails(value) if one.domain}
