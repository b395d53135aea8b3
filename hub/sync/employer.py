"""Whose people contacts are, in the CRM's words: a contact's company is the id of that company's card over there.

Guarantees: a company that a CRM names is known here from then on, and read before anything is written to it; a contact
loses its company only when the CRM showed one and shows none now, never because a card says nothing of companies. A
lead's or a deal's card that never named a company gets that of its contact, once; after that it is its people's own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, case, select, update

from connectors.contract import Op, Record
from hub.clock import Clock
from hub.model import company, contact, link, mirror_company
from hub.store.lists import among
from hub.store.notes import REST, mark_dirty, note
from hub.sync import records
from hub.sync.plan import OLDER, Slot

EMPLOYER = "employer"
"""The hub field that says whose people a contact is: the id of the company's card in this CRM."""
SEEN = "@company"
STANDS_IN = "of-"
"""So begins the marker of a company that a connector made for a deal whose contact has none, named like the contact."""
AFTER_ALL = case((link.c.dirty == 0, REST), else_=link.c.lane)
"""The lane of a tie: it comes after fresh leads, unless its card has other news to tell."""
WAKE = (
    update(link)
    .where(
        link.c.connection_id == bindparam("b_connection"),
        link.c.role == "contact",
        link.c.record_id.in_(select(contact.c.id).where(among(contact.c.company_id))),
        link.c.state.in_(("linked", "sending", "uncertain")),
        link.c.lease != bindparam("b_lease"),
    )
    .values(
        dirty=link.c.dirty + 1,
        lane=AFTER_ALL,
        due_at=case((link.c.state == "linked", bindparam("b_at")), else_=link.c.due_at),
    )
)
STEPS = 20
Pair = tuple[Any, Record | None]
"""A link's row, and what the CRM shows of it."""


def slot() -> Slot:
    """Nothing is ever untied over there by us: people do that."""
    return Slot(EMPLOYER, SEEN, lambda raw: raw or "", lambda one, other: (one or "") == (other or ""), fits=bool)


def shown(kind: str, record: Record) -> dict[str, str]:
    """The company a contact hangs on, as it is remembered; nothing where the card says nothing of companies."""
    refs = record.links.get(kind) if kind else None
    return {} if refs is None else {SEEN: next(iter(refs), "")}


def believed(seen: dict[str, Any], base: Mapping[str, Any], row: Any, refs: Sequence[str]) -> Mapping[str, Any]:
    """What both sides agreed on. Of several companies the one that was agreed on stays, whichever comes first; a tie
    that was never seen there is still to be made."""
    if row.raw.get(SEEN) in refs:
        seen[SEEN] = row.raw[SEEN]
    if not seen.get(SEEN) and not row.raw.get(SEEN):
        seen.pop(SEEN, None)
        return {name: value for name, value in base.items() if name != EMPLOYER or not value}
    return base


def flats(conn: Connection, account: Any, role: str, ids: Sequence[str]) -> dict[str, records.Flat]:
    """Records by id as this account sees them: contacts with the id of their company's card, if that is there."""
    found = records.load(conn, role, ids)
    if role != "contact" or not account.kind("company"):
        return found
    cards = ties(conn, account.id, [str(flat["company_id"]) for flat in found.values() if flat["company_id"]])
    for flat in found.values():
        row = cards.get(flat["company_id"] or "")
        if row is not None and row.state == "linked" and row.remote_id:
            flat[EMPLOYER] = row.remote_id
            for name in instead(flat):
                del flat[name]
    return found


def instead(flat: Mapping[str, Any]) -> Sequence[str]:
    """Fields of a contact that its company's card says instead: no company is named in two ways. While the tie stands
    neither side tells the other of them, and what people typed waits for the day it ends."""
    return ("company",) if EMPLOYER in flat else ()


def fill(conn: Connection, account: Any, flats: Mapping[str, records.Flat], pairs: Sequence[Pair]) -> None:
    """Leads and deals by id whose card never named a company get the id of the card of their contact's, if that is
    there."""
    bare = [row.record_id for row, record in pairs if row.record_id in flats and _is_bare(account, row, record)]
    people = sorted({str(flats[one]["contact"]) for one in bare})
    if not people:
        return
    firms = (link.c.connection_id == account.id) & (link.c.role == "company")
    asked = select(contact.c.id, link.c.remote_id, link.c.state, link.c.base, link.c.raw)
    there = asked.join(link, firms & (link.c.record_id == contact.c.company_id)).where(among(contact.c.id))
    rows = conn.execute(there, {"wanted": people})
    refs = {row.id: row.remote_id for row in rows if row.remote_id and carries(row.state, row.base, row.raw)}
    for one in bare:
        if ref := refs.get(flats[one]["contact"]):
            flats[one][EMPLOYER] = ref


def _is_bare(account: Any, row: Any, record: Record | None) -> bool:
    """Whether a card that has something to be told never named a company."""
    never = bool(row.dirty) and SEEN not in row.raw and account.names_company(row.role)
    return never and record is not None and not record.links.get(account.kind("company"))


def remembered(seen: dict[str, Any], row: Any) -> dict[str, Any]:
    """The company that a card named first is all that is remembered of it."""
    named = row.role != "contact" and SEEN in row.raw
    return {**seen, SEEN: row.raw[SEEN]} if named else seen


def ties(conn: Connection, connection_id: str, companies: Sequence[str]) -> dict[str, Any]:
    """Links of these companies in one connection, by company."""
    wanted, found = sorted(set(companies)), dict[str, Any]()
    mine = (link.c.connection_id == connection_id) & (link.c.role == "company")
    for start in range(0, len(wanted), 400):
        rows = conn.execute(select(link).where(mine, link.c.record_id.in_(wanted[start : start + 400])))
        found.update({row.record_id: row for row in rows})
    return found


def carries(state: str, base: Mapping[str, Any], raw: Mapping[str, Any]) -> bool:
    """Whether people can hang on a company's card: one that was only listed may be gone."""
    return state == "linked" and bool(base or raw)


def moved(changed: Iterable[tuple[Any, Any]], role: str = "company") -> list[str]:
    """Of links as they were and are: companies (or contacts) whose card is there now, or no more, or became part of
    another card: a CRM that merges two does not always say whom it hung on what is left."""
    return [
        before.record_id
        for before, now in changed
        if before.role == role
        and (
            carries(before.state, before.base, before.raw) != carries(now.state, now.base, now.raw)
            or (carries(before.state, before.base, before.raw) and now.remote_id not in (None, before.remote_id))
        )
    ]


def people_of(conn: Connection, companies: Sequence[str]) -> list[str]:
    """Contacts of these companies."""
    people = select(contact.c.id).where(among(contact.c.company_id))
    return list(conn.execute(people, {"wanted": list(companies)}).scalars()) if companies else []


def tied(changed: Iterable[tuple[Any, Any]], kind: str) -> list[str]:
    """Of links as they were and are: contacts that were there already and hang on a company since now, by our word."""
    return [
        before.record_id
        for before, now in changed
        if before.role == "contact"
        and before.remote_id
        and now.raw.get(SEEN, "") != before.raw.get(SEEN, "")
        and now.raw.get(SEEN) in _said(before, getattr(now, "op", None), kind)
    ]


def _said(row: Any, op: Op | None, kind: str) -> set[Any]:
    """The companies that we told this contact's card, lately or in calls that were given up."""
    older = [one.get(SEEN) for _until, one in row.sent.get(OLDER, ())]
    return {row.sent.get(SEEN), *older, *(op.links.get(kind, ()) if op is not None else ())} - {None}


def wake(conn: Connection, connection_id: str, companies: Sequence[str], at: int, lease: str = "none") -> None:
    """The people of these companies have news to tell; those that `lease` has in hand hear of it themselves."""
    if companies:
        asked = {"b_connection": connection_id, "b_lease": lease, "b_at": at, "wanted": list(companies)}
        conn.execute(WAKE, asked)


# ── what a CRM says ──────────────────────────────────────────────────────────────────────────────


def take(conn: Connection, clock: Clock, account: Any, contact_id: str, ref: str) -> None:
    """The contact is of the company that this card stands for; of none for ""."""
    before = conn.execute(select(contact.c.company_id).where(contact.c.id == contact_id)).scalar()
    company_id = _of_card(conn, clock, account, ref) if ref else None
    card = ties(conn, account.id, [company_id]).get(company_id) if company_id else None
    if card is not None and card.remote_id not in (None, ref):
        mark_dirty(conn, clock, [contact_id], REST)  # the company is one here, and has two cards there: it is the other
    if company_id == before or (ref and company_id is None) or (not ref and _gone(conn, account, str(before or ""))):
        return
    values = {"company_id": company_id, "version": contact.c.version + 1, "updated_at": clock.now()}
    conn.execute(update(contact).where(contact.c.id == contact_id).values(values))
    facts = {"field": "company", "from": _name(conn, before), "to": _name(conn, company_id)}
    note(conn, clock, "contact", contact_id, "field", f"crm:{account.id}", facts)


def _gone(conn: Connection, account: Any, company_id: str) -> bool:
    """Whether the company's card went away over there: that says nothing about its people."""
    row = ties(conn, account.id, [company_id]).get(company_id)
    return row is not None and row.state != "linked"


def _name(conn: Connection, company_id: Any) -> str:
    return str(conn.execute(select(company.c.name).where(company.c.id == company_id)).scalar() or "")


def _of_card(conn: Connection, clock: Clock, account: Any, ref: str) -> str | None:
    """The company a card stands for; one that nobody here knows is made, and read next. None for no company's."""
    mine = (link.c.connection_id == account.id) & (link.c.role == "company") & (link.c.remote_id == ref)
    row = conn.execute(select(link).where(mine, link.c.remote_kind == account.kind("company"))).first()
    if row is not None:
        return None if row.code == "stands_in" else going_on(conn, row.record_id)
    now, company_id = clock.now(), clock.new_id()
    conn.execute(company.insert().values(id=company_id, name="", key="", created_at=now))
    card = {"remote_kind": account.kind("company"), "remote_id": ref, "state": "linked", "dirty": 1, "lane": REST}
    who = {"id": clock.new_id(), "connection_id": account.id, "role": "company", "record_id": company_id}
    conn.execute(link.insert().values({**who, **card, "base": {}, "raw": {}, "sent": {}, "due_at": now, "since": now}))
    note(conn, clock, "company", company_id, "imported", f"crm:{account.id}", {"ref": ref})
    known = (mirror_company.c.connection_id == account.id) & (mirror_company.c.remote_id == ref)
    conn.execute(mirror_company.delete().where(known))
    return company_id


def going_on(conn: Connection, company_id: str) -> str:
    """Itself, or the company that it was merged into."""
    for _merge in range(STEPS):
        into = conn.execute(select(company.c.merged_into).where(company.c.id == company_id)).scalar()
        if not into:
            break
        company_id = str(into)
    return company_id


def stands_in(account: Any, row: Any, record: Record) -> bool:
    """Whether a connector made this company for a deal that had none, and nobody here gave it a name."""
    field = account.crm.facts.marker_field
    made = str(record.values.get(field) or "") if field else ""
    return row.role == "company" and not row.base and made.startswith(STANDS_IN)


def dismiss(conn: Connection, clock: Clock, connection_id: str, company_id: str) -> None:
    """This is nobody's company; whose card named it is looked at again."""
    wake(conn, connection_id, [company_id], clock.now())
    conn.execute(update(contact).where(contact.c.company_id == company_id).values(company_id=None))
