"""Deals that people made of leads of ours, in CRMs whose leads are records of their own.

A list shows such a deal often before it shows what became of its lead, and some CRMs never list a lead again once it is
converted. So a deal nobody knows that names one of our leads, or carries its marker, has that lead looked at: it is no
stranger, and gets its record here with the conversion.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import or_, select

from connectors.contract import Record
from connectors.errors import ConnectorError
from hub.model import lead, link
from hub.store.engine import Store
from hub.sync.account import Account
from hub.sync.reading import read_each


def named(account: Account, record: Record) -> str:
    """The lead over there that a deal says it was made of, "" where it says nothing."""
    crm = account.crm
    apart = account.native and record.kind == crm.deal_kind != crm.lead_kind
    return next(iter(record.links.get(crm.lead_kind, ())), "") if apart else ""


def born(store: Store, account: Account, kind: str, strange: Sequence[Record]) -> dict[str, str]:
    """Deal → the lead of ours it was made of, by what the lead says when it is read now."""
    crm = account.crm
    if not account.native or kind != crm.deal_kind or kind == crm.lead_kind or not strange:
        return {}
    parents = _parents(store, account, strange)
    refs = list(dict.fromkeys(parents.values()))
    read = dict(zip(refs, read_each(account, crm.lead_kind, refs), strict=True))
    return {ref: of for ref, of in parents.items() if ref in _deals(account, read[of])}


def _parents(store: Store, account: Account, strange: Sequence[Record]) -> dict[str, str]:
    """Deal → a linked lead that no deal is known of here."""
    by_name = {one.ref: named(account, one) for one in strange}
    by_marker = {one.ref: str(one.values.get(account.crm.facts.marker_field) or "") for one in strange}
    wanted = or_(link.c.remote_id.in_(set(by_name.values())), link.c.record_id.in_(set(by_marker.values())))
    mine = (link.c.connection_id == account.id) & (link.c.role == "lead") & (link.c.state == "linked")
    rows = select(link.c.remote_id, link.c.record_id).join(lead, lead.c.id == link.c.record_id)
    with store.read() as conn:
        found = list(conn.execute(rows.where(mine, lead.c.state != "converted", wanted)))
    ours, marked = {row.remote_id for row in found}, {row.record_id: row.remote_id for row in found}
    told = {ref: by_name[ref] if by_name[ref] in ours else marked.get(by_marker[ref], "") for ref in by_name}
    return {ref: str(of) for ref, of in told.items() if of}


def _deals(account: Account, read: Record | ConnectorError | None) -> Sequence[str]:
    if read is None or isinstance(read, ConnectorError):
        return ()
    return read.links.get(account.crm.deal_kind, ())
