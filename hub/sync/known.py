"""Contacts that the CRM has already: kept in the mirror as its lists show them, and looked for before one is made.

Guarantees: where the mirror is whole no call is made; while it is being filled at most one look-up for each contact
that is about to be made. A record found becomes the contact's: it is read before anything is written to it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, select, update
from sqlalchemy.exc import IntegrityError

from connectors.contract import Failed, Person, Record
from connectors.errors import ConnectorError, Pause, Retry
from hub.identity.merging import profile_of
from hub.identity.mirror import Card, best, find, forget, keep, kept
from hub.identity.normalize import normalise
from hub.identity.stored import read_rules_of_identity
from hub.identity.weigh import World
from hub.model import link, match_key, pull_state
from hub.store.engine import Store
from hub.store.lists import among
from hub.sync.account import Account
from hub.sync.answers import judge
from hub.sync.foreign import guarded
from hub.sync.observe import is_gone
from hub.sync.parcel import Parcel
from hub.sync.theirs import linked_refs, values_of

ASKED_BY = ("email", "phone")
"""A mailbox is one person's more often than a number, and more vendors look it up exactly."""

KEYS_OF = select(match_key).where(among(match_key.c.contact_id))


# ── the mirror ───────────────────────────────────────────────────────────────────────────────────


def remember(conn: Connection, account: Account, kind: str, found: Mapping[str, Record | None], at: int) -> None:
    """Records of contacts as they were just read: those without a link here stand in the mirror, the others do not."""
    if kind != account.crm.contact_kind or not found:
        return
    linked = linked_refs(conn, account, kind, list(found))
    strange = {
        ref: one for ref, one in found.items() if one is not None and not _left(one, ref) and one.ref not in linked
    }
    forget(conn, [(account.id, ref) for ref in found if ref not in strange])
    keep(conn, [card_of(account, one, at) for one in strange.values()])


def _left(record: Record, ref: str) -> bool:
    return is_gone(record) or bool(record.merged_into) or record.ref != ref


def card_of(account: Account, record: Record, at: int) -> Card:
    """A contact of theirs, in the hub's words."""
    person = kept(values_of(account, record, "contact"))
    return Card(account.id, record.kind, record.ref, person, account.live.row.region, at)


def is_whole(conn: Connection, account: Account) -> bool:
    """Whether the list of contacts was once read from its beginning to its end."""
    mine = (pull_state.c.connection_id == account.id) & (pull_state.c.kind == account.crm.contact_kind)
    return conn.execute(select(pull_state.c.whole_at).where(mine)).scalar() is not None


# ── before a contact is made ─────────────────────────────────────────────────────────────────────


def bound(conn: Connection, account: Account, rows: Sequence[Any], now: int) -> list[Any]:
    """Leased-to-be link rows; those of new contacts that the mirror knows come back bound to the record there."""
    new = {row.record_id: row for row in rows if row.role == "contact" and row.state == "new" and not row.remote_id}
    if not new:
        return list(rows)
    changed = {}
    for contact_id, card in _matches(conn, account, list(new)).items():
        if fresh := _bind(conn, new[contact_id], card, now):
            changed[new[contact_id].id] = fresh
    return [changed.get(row.id, row) for row in rows]


def _matches(conn: Connection, account: Account, contacts: Sequence[str]) -> dict[str, Card]:
    """Contact id → the card that is theirs. No card is two contacts'."""
    owners = {(row.kind, row.value): row.contact_id for row in conn.execute(KEYS_OF, {"wanted": contacts})}
    cards = find(conn, owners, account.id) if owners else []
    if not cards:
        return {}
    rules, found, taken = read_rules_of_identity(conn), dict[str, Card](), set[str]()
    for contact_id in sorted(set(owners.values())):
        near = [card for card in cards if any(owners.get(key) == contact_id for key in card.keys)]
        best_one = best(profile_of(conn, contact_id), [one for one in near if one.ref not in taken], rules, World())
        for card, _why in best_one.values():
            found[contact_id] = card
            taken.add(card.ref)
    return found


def _bind(conn: Connection, row: Any, card: Card, now: int) -> Any:
    """The link row, bound; None when another worker bound the record to somebody else at this moment."""
    values = {"remote_id": card.ref, "remote_kind": card.kind, "state": "linked", "since": now, "due_at": now}
    try:
        with conn.begin_nested():
            conn.execute(update(link).where(link.c.id == row.id).values(values))
    except IntegrityError:
        return None
    return conn.execute(select(link).where(link.c.id == row.id)).one()


def ask_first(
    store: Store, account: Account, parcels: Sequence[Parcel], now: int, prolong: Callable[[], None]
) -> list[Parcel]:
    """Look new contacts up while the mirror is not whole; answers parcels that are settled now: contacts that were
    found, and records that could not be looked for and go later. `prolong` is called after each call: many slow ones
    would outlive the lease, and a batch that only asks would never be sent. Raises `Pause`."""
    makes = [p for p in parcels if p.row.role == "contact" and p.op is not None and not p.remote_id]
    if not makes:
        return []
    with store.read() as conn:
        if is_whole(conn, account):
            return []
    settled: list[Parcel] = []
    for parcel in makes:
        carrier = next((p for p in parcels if p is not parcel and parcel in p.travellers), parcel)
        try:
            found = _look(store, account, parcel, now)
            prolong()
        except Pause:
            raise
        except Retry as error:
            settled += judge(account, carrier, Failed(error), now)
        else:
            if found is not None:
                _arrive(account, parcel, carrier, found, now)
                settled.append(parcel)
    return settled


def _look(store: Store, account: Account, parcel: Parcel, now: int) -> Record | None:
    """One call: by the identifier that says most. None when nobody is found, or when this CRM does not look so."""
    typed = Person(phones=tuple(parcel.flat["phones"]), emails=tuple(parcel.flat["emails"]))
    known = {
        key.kind: key.value for key in normalise(typed, account.live.row.region).keys if key.strength == "personal"
    }
    kind = next((one for one in ASKED_BY if one in known), "")
    if not kind:
        return None
    try:
        told = guarded(account.crm.find, account.crm.contact_kind, {kind: known[kind]})
    except (Pause, Retry):
        raise
    except ConnectorError:
        return None
    alive = {one.ref: one for one in told if not is_gone(one) and not one.merged_into}
    with store.read() as conn:
        free = alive.keys() - linked_refs(conn, account, account.crm.contact_kind, list(alive))
        cards = [card_of(account, alive[ref], now) for ref in sorted(free)]
        facts, rules = profile_of(conn, parcel.row.record_id), read_rules_of_identity(conn)
    chosen = best(facts, cards, rules, World()).get(account.id)
    return alive[chosen[0].ref] if chosen else None


def _arrive(account: Account, parcel: Parcel, carrier: Parcel, found: Record, now: int) -> None:
    """The contact is there; the card that was to bring it along hangs on it instead. Nothing counts as agreed yet."""
    if carrier is not parcel and carrier.op is not None:
        links = {**carrier.op.links, account.crm.contact_kind: (found.ref,)}
        carrier.op = replace(carrier.op, includes=(), links=links)
    parcel.op, parcel.state, parcel.remote_id, parcel.sent = None, "linked", found.ref, {}
    parcel.code, parcel.why, parcel.due_at = "", "", now
