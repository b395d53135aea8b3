"""Conversions in a CRM with leads of its own: the deal here and the deal there belong together.

A person converts over there, or the hub does, or both at once; and a list may show the deal before it shows what became
of its lead. Whatever comes first, one deal here stands for one deal there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, select, update

from hub.clock import Clock
from hub.funnel.moves import NotPossible
from hub.identity import cards
from hub.model import deal, journal, link
from hub.store.notes import note, point_at
from hub.sync import holder
from hub.sync.account import Account
from hub.sync.apply import Sighting, convert, convert_into
from hub.sync.causes import MOVES


def follow_conversion(conn: Connection, clock: Clock, account: Account, row: Any, ref: str, sighting: Sighting) -> None:
    """The lead of this link was converted into deal `ref` over there, by somebody or by us."""
    deals = select(deal.c.id).where(deal.c.lead_id == row.record_id)
    mine = (link.c.connection_id == account.id) & (link.c.role == "deal")
    theirs = conn.execute(select(link).where(mine, link.c.record_id.in_(deals)).order_by(link.c.since)).all()
    there = conn.execute(select(link).where(mine, link.c.remote_id == ref)).one_or_none()
    if sighting.code in MOVES and sighting.why != holder.WHY:  # what stood in its way may be settled
        sighting.code = sighting.why = ""
    try:
        if there is not None and not _takes_part(conn, clock, there, row, bool(theirs)):
            return
        if not theirs:
            convert(conn, clock, row.record_id, f"crm:{account.id}")
    except NotPossible as error:
        _not_followed(conn, clock, account, row, error, sighting)
        return
    if not theirs:
        theirs = conn.execute(select(link).where(mine, link.c.record_id.in_(deals))).all()
    waiting = [one for one in theirs if one.remote_id is None and not _is_leased(clock, one)]
    if waiting:
        known = {
            "remote_id": ref, "remote_kind": account.crm.deal_kind, "state": "linked", "dirty": link.c.dirty + 1,
            "due_at": clock.now(), "sent": {}, "lookups": 0, "attempts": 0, "code": "", "why": "",
        }  # fmt: skip
        conn.execute(update(link).where(link.c.id == waiting[-1].id).values(known))
    elif theirs and not any(_is_leased(clock, one) for one in theirs) and not _went_on(conn, theirs, ref):
        sighting.code = "second_deal"
        sighting.why = f"The CRM made deal {ref} of this lead, and {theirs[-1].remote_id} is its deal too: merge them"


def _not_followed(
    conn: Connection, clock: Clock, account: Account, row: Any, error: NotPossible, sighting: Sighting
) -> None:
    """It was closed here, and its person has another open lead by now: that is shown, and each look tries again."""
    if row.code != error.code:
        facts = {"code": error.code, "why": str(error), "to": "converted"}
        note(conn, clock, row.role, row.record_id, "not_followed", f"crm:{account.id}", facts)
    sighting.code, sighting.why = error.code, str(error)


def _takes_part(conn: Connection, clock: Clock, there: Any, row: Any, has_deal: bool) -> bool:
    """Whether the card of this link is still to be given to the lead's deal. One that was listed before its conversion
    came here as a deal of its own: the lead becomes it; if the lead has a deal by now, that gets the card, and what was
    imported is nothing by itself."""
    held = conn.execute(select(deal.c.lead_id).where(deal.c.id == there.record_id)).one_or_none()
    if held is None or held.lead_id is not None:
        return False
    if _is_leased(clock, there):
        point_at(conn, clock, {(row.connection_id, row.remote_kind, row.remote_id): 1})
        return False
    actor = f"crm:{there.connection_id}"
    if not has_deal:
        convert_into(conn, clock, row.record_id, there.record_id, actor)
        return False
    gone = {"state": "reverted", "closed_at": clock.now()}
    conn.execute(update(deal).where(deal.c.id == there.record_id).values(gone))
    why = "It is the deal of a lead that was converted over there"
    left = {"state": "tombstoned", "remote_id": None, "dirty": 0, "code": cards.THERE, "why": why}
    conn.execute(update(link).where(link.c.id == there.id).values(left))
    note(conn, clock, "deal", there.record_id, "merged_in_crm", actor, {"ref": there.remote_id})
    return True


def _went_on(conn: Connection, deals: Sequence[Any], ref: str) -> bool:
    """Whether one of these deals was that card, which people merged into another one."""
    merged = (journal.c.subject == "deal") & (journal.c.what == "merged_in_crm")
    ours = journal.c.subject_id.in_([one.record_id for one in deals])
    return any(facts.get("ref") == ref for facts in conn.execute(select(journal.c.facts).where(merged, ours)).scalars())


def _is_leased(clock: Clock, row: Any) -> bool:
    """Whether it is on its way this moment: its answer is awaited."""
    return bool(row.lease and row.lease_until and row.lease_until > clock.now())
