"""On whom cards hang, in the CRM's words: the contact of a lead or a deal is the id of that contact's card over there.

Guarantees: a card that people hang on another contact is that contact's here too, unless they have an open lead
already: then it is shown. Any card of a contact is theirs, also a second one. A contact who is not there is made
before a card is hung on them. Nothing is untied over there, and a card that says nothing of its contact says nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, select, update

from connectors.contract import Record
from hub.clock import Clock
from hub.identity import cards
from hub.identity.mirror import forget
from hub.model import contact, deal, lead, link
from hub.store.engine import add_unless_there
from hub.store.lists import among
from hub.store.notes import REST, note
from hub.sync import employer, records
from hub.sync.employer import AFTER_ALL, Pair, carries
from hub.sync.enrol import new_link
from hub.sync.plan import Slot

PERSON = "person"
"""The hub field that says on whom a card hangs: the id of the contact's card in this CRM."""
SEEN = "@person"
TABLES: Mapping[str, Any] = {"lead": lead, "deal": deal}
BUSY = "has_open_lead"
WHY = "Over there it hangs on a contact who has an open lead here: close one of the two, or merge them"
STEPS = 20

_THERE = (link.c.connection_id == bindparam("b_connection")) & (link.c.state == "linked")
WAKES = {
    role: update(link)
    .where(_THERE, link.c.role == role, link.c.record_id.in_(select(table.c.id).where(among(table.c.contact_id))))
    .values(dirty=link.c.dirty + 1, lane=AFTER_ALL, due_at=bindparam("b_at"))
    for role, table in TABLES.items()
}


def slot() -> Slot:
    """What a card says of its contact."""
    return Slot(PERSON, SEEN, lambda raw: raw or "", lambda one, other: (one or "") == (other or ""), fits=bool)


def living(conn: Connection, contact_id: str) -> str:
    """Itself, or the contact that it was merged into."""
    for _merge in range(STEPS):
        into = conn.execute(select(contact.c.merged_into).where(contact.c.id == contact_id)).scalar()
        if not into:
            break
        contact_id = str(into)
    return contact_id


def shown(kind: str, record: Record) -> dict[str, str]:
    """The contact a card hangs on, as it is remembered; nothing where it names none."""
    refs = record.links.get(kind) if kind else None
    return {SEEN: refs[0]} if refs else {}


def agreed(seen: dict[str, Any], raw: Mapping[str, Any], refs: Sequence[str]) -> dict[str, Any]:
    """Of several contacts the one that was agreed on stays, whichever comes first; a page that names none, where a look
    did, says nothing."""
    if SEEN in raw and (not refs or raw[SEEN] in refs):
        return {**seen, SEEN: raw[SEEN]}
    return seen


def torn(base: Mapping[str, Any], raw: Mapping[str, Any]) -> bool:
    """Whether the card hangs on somebody else than we agreed on, and the hub could not follow."""
    return PERSON in base and SEEN in raw and raw[SEEN] != (base[PERSON] or "")


# ── the hub's side ───────────────────────────────────────────────────────────────────────────────


def fill(
    conn: Connection, clock: Clock, account: Any, flats: Mapping[str, records.Flat], pairs: Sequence[Pair]
) -> None:
    """Leads and deals by id get the id of their contact's card, if that is there; one that has none is made before
    anything hangs on it. Of the contacts that a card names now one that is a card of the same person, too, is as good
    as their own."""
    kind = account.crm.contact_kind
    if not kind:
        return
    known = _cards(conn, account, sorted({str(flat["contact"]) for flat in flats.values()}))
    lacking = set[str]()
    for row, record in pairs:
        flat, named = flats.get(row.record_id), record.links.get(kind, ()) if record is not None else ()
        if flat is None:
            continue
        card = known.get(flat["contact"])
        ref = card.remote_id if card is not None and carries(card.state, card.base, card.raw) else ""
        if ref not in named:
            ref = next((one for one in named if _is_card_of(conn, account, one, flat["contact"])), ref)
        if ref:
            flat[PERSON] = ref
        elif named and row.dirty and row.raw.get(SEEN) in named:  # it hangs where it hung: somebody here gave it away
            lacking.add(flat["contact"])
    _bring(conn, clock, account, [(one, known.get(one)) for one in sorted(lacking)])


def _cards(conn: Connection, account: Any, contacts: Sequence[str]) -> dict[str, Any]:
    """Links of these contacts."""
    mine = (link.c.connection_id == account.id) & (link.c.role == "contact")
    rows = conn.execute(select(link).where(mine, among(link.c.record_id)), {"wanted": contacts})
    return {row.record_id: row for row in rows}


def _bring(conn: Connection, clock: Clock, account: Any, contacts: Sequence[tuple[str, Any]]) -> None:
    """Contacts that no card needed so far are to be made; when they are there, the cards hear of it."""
    for contact_id, row in contacts:
        if row is None:
            add_unless_there(conn, link, new_link(clock, account.id, "contact", contact_id))
        elif row.state == "new":
            asleep = (link.c.id == row.id) & (link.c.dirty == 0)
            conn.execute(update(link).where(asleep).values(dirty=1, due_at=clock.now()))


def wake(conn: Connection, connection_id: str, contacts: Sequence[str], at: int) -> None:
    """Cards that went without these contacts, whose own are there now, have news to tell. Those that are just being
    made hear of it themselves."""
    asked = {"b_connection": connection_id, "b_at": at, "wanted": list(contacts)}
    for role in TABLES if contacts else ():
        conn.execute(WAKES[role], asked)


def pass_on(conn: Connection, account: Any, changed: Iterable[tuple[Any, Any]], at: int, lease: str = "none") -> None:
    """Of links as they were and are: whoever hangs on a card that is there now, or no more, or became part of another,
    has news to tell."""
    pairs = list(changed)
    companies, tied = employer.moved(pairs), employer.tied(pairs, account.kind("company"))
    employer.wake(conn, account.id, companies, at, lease)
    wake(conn, account.id, [*employer.moved(pairs, "contact"), *tied, *employer.people_of(conn, companies)], at)


def _is_card_of(conn: Connection, account: Any, ref: str, contact_id: str) -> bool:
    mine = (link.c.connection_id == account.id) & (link.c.role == "contact") & (link.c.remote_id == ref)
    owner = conn.execute(select(link.c.record_id).where(mine)).scalar()
    return owner is not None and living(conn, owner) == contact_id


# ── what a CRM says ──────────────────────────────────────────────────────────────────────────────


def take(conn: Connection, clock: Clock, account: Any, row: Any, ref: str) -> str:
    """The lead or deal is the contact's that this card stands for; answers why not, "" when it is."""
    table = TABLES[row.role]
    held = conn.execute(select(table).where(table.c.id == row.record_id)).one_or_none()
    if held is None or not ref or getattr(row, "code", "") == cards.REHANG:
        return ""
    owner = _of_card(conn, clock, account, ref)
    if owner == held.contact_id:
        return ""
    moved = [(row.role, row.record_id), *_goes_on_as(conn, account, row.role, held)]
    if any(role == "lead" and _is_one_too_many(conn, record_id, owner) for role, record_id in moved):
        return WHY
    facts = {"field": "contact", "from": _name(conn, held.contact_id), "to": _name(conn, owner)}
    for role, record_id in moved:
        mine, values = TABLES[role].c, {"contact_id": owner, "version": TABLES[role].c.version + 1}
        conn.execute(update(TABLES[role]).where(mine.id == record_id).values(values))
        note(conn, clock, role, record_id, "field", f"crm:{account.id}", facts)
    return ""


def _is_one_too_many(conn: Connection, lead_id: str, owner: str) -> bool:
    """Whether this lead is open, and its new contact has an open one in the same direction."""
    mine = conn.execute(select(lead).where(lead.c.id == lead_id, lead.c.state == "open")).one_or_none()
    if mine is None:
        return False
    same = (lead.c.contact_id == owner) & (lead.c.direction_id == mine.direction_id) & (lead.c.state == "open")
    return conn.execute(select(lead.c.id).where(same, lead.c.id != lead_id)).first() is not None


def _goes_on_as(conn: Connection, account: Any, role: str, held: Any) -> Sequence[tuple[str, str]]:
    """The deal that a card's lead has just become, or the lead that its deal was and is again: one card, moved over the
    border and hung on somebody else before anybody looked."""
    if account.native:
        return ()
    if role == "deal":
        return [("lead", str(held.lead_id))] if held.state == "reverted" and held.lead_id else []
    if held.state != "converted":
        return []
    mine = select(deal.c.id).where(deal.c.lead_id == held.id, deal.c.state != "reverted")
    return [("deal", str(one)) for one in conn.execute(mine).scalars()]


def _name(conn: Connection, contact_id: str) -> str:
    return str(conn.execute(select(contact.c.name).where(contact.c.id == contact_id)).scalar() or "")


def _of_card(conn: Connection, clock: Clock, account: Any, ref: str) -> str:
    """The contact a card stands for; one that nobody here knows is made, and read next."""
    kind = account.crm.contact_kind
    mine = (link.c.connection_id == account.id) & (link.c.role == "contact") & (link.c.remote_id == ref)
    known = conn.execute(select(link.c.record_id).where(mine, link.c.remote_kind == kind)).scalar()
    if known is not None:
        return living(conn, known)
    now, contact_id = clock.now(), clock.new_id()
    conn.execute(contact.insert().values(id=contact_id, name="", version=1, created_at=now, updated_at=now))
    who = {"id": clock.new_id(), "connection_id": account.id, "role": "contact", "record_id": contact_id}
    card = {"remote_kind": kind, "remote_id": ref, "state": "linked", "dirty": 1, "lane": REST}
    conn.execute(link.insert().values({**who, **card, "base": {}, "raw": {}, "sent": {}, "due_at": now, "since": now}))
    note(conn, clock, "contact", contact_id, "imported", f"crm:{account.id}", {"ref": ref})
    forget(conn, [(account.id, ref)])
    return contact_id
