"""Companies on their way to a CRM: made just before the contacts that hang on them, and found where they are already.

Guarantees: a company goes only with a contact that goes; without companies nothing is asked or sent. A company that is
late, refused or in doubt holds nobody up: its contacts go without it, and are tied to it when it is there, they and
their cards; only for one that another batch is just making they wait a moment. Before a company is made the list of
those the CRM has is asked, once that was read to its end.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, bindparam, or_, select, tuple_, update
from sqlalchemy.exc import IntegrityError

from connectors.contract import Op, Record
from hub.clock import MINUTE, SECOND, Clock
from hub.identity.firms import Firm, Key, read_firm
from hub.model import company_key, contact, link, mirror_company, pull_state
from hub.model.links import FIRM
from hub.store.engine import inserting
from hub.sync import records
from hub.sync.account import Account
from hub.sync.employer import EMPLOYER, SEEN, carries, ties
from hub.sync.enrol import new_link
from hub.sync.observe import is_gone
from hub.sync.parcel import Parcel
from hub.sync.theirs import linked_refs, values_of

PORTION = 400
WAIT = 30 * SECOND
"""Between two looks whether the CRM's companies are known."""
RARELY = 10 * MINUTE
"""Between two looks at the list of companies while none of ours is there."""
WHY = "The CRM has several companies with the same number, domain or name: merge them there"
ORDER = ("tax", "domain", "name")
ONE_OF_OURS = select(link.c.id).where(link.c.connection_id == bindparam("b_connection"), FIRM).limit(1)
WHOLE = select(pull_state.c.kind).where(
    pull_state.c.connection_id == bindparam("b_connection"),
    pull_state.c.kind == bindparam("b_kind"),
    pull_state.c.whole_at.is_not(None),
    pull_state.c.due_at >= bindparam("b_since"),
)


# ── going along ──────────────────────────────────────────────────────────────────────────────────


def join(conn: Connection, clock: Clock, account: Account, parcels: Sequence[Parcel]) -> list[Parcel]:
    """These parcels, each with its contact's company, and new companies that go along."""
    going = [p for p in parcels if account.kind(p.row.role)]
    mine = {p.row.record_id: p for p in going if p.row.role == "company"}
    employers = _employers(conn, [p for p in going if p.row.role != "company"]) if account.kind("company") else {}
    if not employers:
        return list(parcels)
    held = ties(conn, account.id, [one for one in set(employers.values()) if one not in mine])
    lane = min(p.row.lane for p in going)
    for company_id in sorted(set(employers.values()) - mine.keys() - held.keys()):
        conn.execute(link.insert().values({**new_link(clock, account.id, "company", company_id), "lane": lane}))
    fresh = _fresh(conn, account, set(employers.values()) - mine.keys(), clock.now())
    mine = {**{key: Parcel(row, {}) for key, row in held.items()}, **fresh, **mine}
    for parcel in going:
        parcel.company = mine.get(employers.get(_who(parcel), "")) if parcel.row.role != "company" else None
        if parcel.row.role == "contact" and parcel.company and parcel.company.state in ("new", "linked"):
            parcel.flat = {name: value for name, value in parcel.flat.items() if name != "company"}
    return [*parcels, *fresh.values()]


def _who(parcel: Parcel) -> str:
    return str(parcel.row.record_id if parcel.row.role == "contact" else parcel.flat.get("contact") or "")


def _employers(conn: Connection, parcels: Sequence[Parcel]) -> dict[str, str]:
    """Contact → company, of contacts that go and of those on whom new cards hang."""
    known = {p.row.record_id: p.flat for p in parcels if p.row.role == "contact"}
    found = {key: str(flat["company_id"]) for key, flat in known.items() if flat.get("company_id")}
    asked = {_who(p) for p in parcels if p.row.role != "contact" and p.row.state == "new"} - known.keys()
    wanted = sorted(asked)
    for start in range(0, len(wanted), PORTION):
        there = contact.c.id.in_(wanted[start : start + PORTION]) & contact.c.company_id.is_not(None)
        found |= {
            row.id: row.company_id for row in conn.execute(select(contact.c.id, contact.c.company_id).where(there))
        }
    return found


def _fresh(conn: Connection, account: Account, companies: Collection[str], now: int) -> dict[str, Parcel]:
    """Those that wait to be made and that nobody else has in hand."""
    free = or_(link.c.lease == "", link.c.lease_until <= now) & (link.c.state == "new") & (link.c.due_at <= now)
    mine = (link.c.connection_id == account.id) & (link.c.role == "company") & (link.c.dirty > 0) & free
    wanted, rows = sorted(companies), list[Any]()
    for start in range(0, len(wanted), PORTION):
        some = select(link).where(mine, link.c.record_id.in_(wanted[start : start + PORTION]))
        rows += conn.execute(some.with_for_update(skip_locked=True))
    rows = found_there(conn, account, rows, now)
    flats = records.load(conn, "company", [row.record_id for row in rows])
    return {row.record_id: Parcel(row, flats[row.record_id]) for row in rows if row.record_id in flats}


def tie(account: Account, parcels: Sequence[Parcel]) -> None:
    """New contacts and cards hang on the companies that are over there by now."""
    kind = account.kind("company")
    for parcel in sorted(parcels, key=lambda p: p.row.role != "contact"):
        ref = _there(parcel.company)
        if not ref or parcel.op is None or parcel.op.ref is not None:
            continue
        if parcel.row.role == "contact" or account.names_company(parcel.row.role):
            parcel.flat = {**parcel.flat, EMPLOYER: ref}
            parcel.sent = {**parcel.sent, SEEN: ref}
        along: tuple[Op, ...] = parcel.op.includes
        if parcel.contact is not None and parcel.contact.op is not None and along:
            along = (parcel.contact.op,)
        parcel.op = replace(parcel.op, links={**parcel.op.links, kind: (ref,)}, includes=along)


def _there(firm: Parcel | None) -> str:
    """Its card, if that was made or read: one that was only listed may be gone."""
    certain = firm is not None and carries(firm.state, firm.base, firm.raw)
    return firm.remote_id or "" if firm is not None and certain else ""


# ── companies that only the CRM has ──────────────────────────────────────────────────────────────


def are_listed(conn: Connection, account: Account, now: int) -> bool:
    """Whether the list of companies is to be read: now and then, and like any other as soon as one of ours stands in
    this CRM or waits for it."""
    if not account.kind("company"):
        return True
    ours = conn.execute(ONE_OF_OURS, {"b_connection": account.id}).first() is not None
    return ours or not _is_known(conn, account, now - RARELY)


def remember(conn: Connection, account: Account, kind: str, found: Mapping[str, Record | None]) -> None:
    """Companies as they were just read: the keys of those without a link here are kept, others are forgotten."""
    if not found or kind != account.kind("company"):
        return
    linked = linked_refs(conn, account, kind, list(found))
    wanted = {
        (key, ref)
        for ref, one in found.items()
        if one is not None and not is_gone(one) and not one.merged_into and one.ref == ref and ref not in linked
        for key in firm_of(account, one).keys
    }
    refs, held = sorted(found), set[tuple[Key, str]]()
    for start in range(0, len(refs), PORTION):
        there = mirror_company.c.remote_id.in_(refs[start : start + PORTION])
        mine = select(mirror_company).where(mirror_company.c.connection_id == account.id, there)
        held |= {((row.kind, row.value), row.remote_id) for row in conn.execute(mine)}
    for (key, value), ref in sorted(held - wanted):
        same = (mirror_company.c.kind == key) & (mirror_company.c.value == value) & (mirror_company.c.remote_id == ref)
        conn.execute(mirror_company.delete().where(same, mirror_company.c.connection_id == account.id))
    rows = [{"kind": k, "value": v, "connection_id": account.id, "remote_id": ref} for (k, v), ref in wanted - held]
    if rows:
        conn.execute(inserting(conn, mirror_company).on_conflict_do_nothing(), rows)


def firm_of(account: Account, record: Record) -> Firm:
    """A company of theirs, by what it is recognised."""
    return read_firm(values_of(account, record, "company"))


def found_there(conn: Connection, account: Account, rows: Sequence[Any], now: int) -> list[Any]:
    """Leased-to-be link rows without those of new companies that have to wait; companies that the CRM has already come
    bound to their cards."""
    new = {row.record_id: row for row in rows if row.role == "company" and row.state == "new" and not row.remote_id}
    if not new:
        return list(rows)
    if is_awaited(conn, account, now):
        later = update(link).where(link.c.id.in_([row.id for row in new.values()]))
        conn.execute(later.values(due_at=now + WAIT))
        return [row for row in rows if row.record_id not in new or row.role != "company"]
    changed = {}
    for company_id, refs in _matches(conn, account, list(new)).items():
        changed[new[company_id].id] = _bound(conn, account, new[company_id], refs, now)
    return [one for row in rows if (one := changed.get(row.id, row)) is not None]


def wake(conn: Connection, account: Account, now: int) -> None:
    """The list was read to its end: companies that only waited for that go at once."""
    waits = (link.c.connection_id == account.id) & FIRM & (link.c.state == "new") & (link.c.lease == "")
    late = update(link).where(waits, link.c.dirty > 0, link.c.due_at > now, link.c.code == "")
    conn.execute(late.values(due_at=now))


def is_awaited(conn: Connection, account: Account, now: int) -> bool:
    """Whether new companies of ours wait until the CRM's list was read to its end."""
    return bool(account.kind("company")) and not _is_known(conn, account, now - 2 * RARELY)


def _is_known(conn: Connection, account: Account, since: int) -> bool:
    """Whether the list was once read to its end, and was to be read again after `since`."""
    place = {"b_connection": account.id, "b_kind": account.kind("company"), "b_since": since}
    return conn.execute(WHOLE, place).first() is not None


def _matches(conn: Connection, account: Account, companies: Sequence[str]) -> dict[str, list[str]]:
    """Company → the cards that its strongest key leads to."""
    keys = select(company_key).where(company_key.c.company_id.in_(companies))
    owners = {(row.kind, row.value): row.company_id for row in conn.execute(keys) if row.kind in ORDER}
    place, wanted = tuple_(mirror_company.c.kind, mirror_company.c.value), sorted(owners)
    near: dict[str, dict[str, set[str]]] = {}
    for start in range(0, len(wanted), PORTION):
        there = select(mirror_company).where(place.in_(wanted[start : start + PORTION]))
        for row in conn.execute(there.where(mirror_company.c.connection_id == account.id)):
            near.setdefault(owners[row.kind, row.value], {}).setdefault(row.kind, set()).add(row.remote_id)
    return {one: sorted(next(by[kind] for kind in ORDER if kind in by)) for one, by in near.items()}


def _bound(conn: Connection, account: Account, row: Any, refs: Sequence[str], now: int) -> Any:
    """The link row, bound to the card that is this company; None when a person has to say which one."""
    if len(refs) > 1:
        held = {"state": "held", "code": "ambiguous", "why": WHY, "since": now}
        conn.execute(update(link).where(link.c.id == row.id).values(held))
        return None
    values = {"remote_id": refs[0], "remote_kind": account.kind("company"), "state": "linked", "since": now}
    try:
        with conn.begin_nested():
            conn.execute(update(link).where(link.c.id == row.id).values(**values, due_at=now))
    except IntegrityError:
        return row
    gone = (mirror_company.c.connection_id == account.id) & (mirror_company.c.remote_id == refs[0])
    conn.execute(mirror_company.delete().where(gone))
    return conn.execute(select(link).where(link.c.id == row.id)).one()
