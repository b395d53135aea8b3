"""The other half of a conversion's receipt: the deal's card in each CRM, read back and compared field by field.

A card is looked at when everything was told and confirmed. What the CRM does not show is named, and looked for again a
few times: reads of some CRMs are behind their writes. Our notes and tasks count as activities once the CRM has named
them; what people logged there is not asked for again. Where lead and deal are one card over there, its own files and
activities stay with it; where they are two, the hub says which fields and links the second one has.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, select, update

from connectors.contract import Record
from connectors.errors import ConnectorError, Pause
from hub.clock import HOUR, MINUTE, SECOND, Clock
from hub.funnel.carried import LACKING, WAITING, WHOLE, Found, filled
from hub.model import hanging, link, receipt
from hub.store.engine import Store
from hub.sync import records
from hub.sync.account import Account, Accounts
from hub.sync.plan import ABSENT, Slot

PORTION = 20
WAITS = (5 * SECOND, 30 * SECOND, 2 * MINUTE, 10 * MINUTE, HOUR)
"""Between looks; a receipt that lacks something after the last one is looked at again when somebody asks."""
STUCK = ("parked", "held", "tombstoned")


class Receipts:
    """Checks what waits, connection by connection."""

    def __init__(self, store: Store, clock: Clock, accounts: Accounts) -> None:
        self._store, self._clock, self._accounts = store, clock, accounts

    def step(self, connection_id: str) -> int:
        """Receipts of this connection that are due; answers how many were looked at."""
        now = self._clock.now()
        mine = (receipt.c.connection_id == connection_id) & receipt.c.state.in_((WAITING, LACKING))
        with self._store.read() as conn:
            due = list(conn.execute(select(receipt).where(mine, receipt.c.due_at <= now).limit(PORTION)))
        account = self._accounts.get(connection_id) if due else None
        for row in due if account is not None else ():
            assert account is not None  # noqa: S101 - due rows are looked at with an account only
            self._look(account, row)
        return len(due)

    def _look(self, account: Account, row: Any) -> None:
        with self._store.read() as conn:
            card = _card(conn, account, row.deal_id)
            person = _person(conn, account, row.deal_id)
            flats = records.load(conn, "deal", [row.deal_id])
            lead = records.load(conn, "lead", [str(flats[row.deal_id].get("lead") or "")])
            notes = _notes(conn, account, [row.deal_id, *lead])
        found = Found()
        if card is None or card.state in STUCK:
            found.count("links", "card", False, str(card.why if card else "It has no card there"))
        elif card.remote_id and not card.dirty and card.state == "linked":
            there = self._read(account, card)
            found.count("links", "card", there is not None, "It is not there any more")
            if there is not None:
                compare(account, found, flats[row.deal_id], next(iter(lead.values()), {}), there)
                _count_person(account, found, there, person)
                for note in notes:
                    arrived = note.state in ("there", "done")
                    found.count("activities", note.text[:60], arrived, note.why or "It is still on its way")
        self._write(row, found)

    def _read(self, account: Account, card: Any) -> Record | None:
        """The card as the CRM shows it; what keeps it from answering keeps the receipt waiting."""
        try:
            (there,) = account.crm.get(card.remote_kind or account.kind("deal"), [card.remote_id])
        except Pause:
            raise
        except ConnectorError:
            return None
        return None if there is None or there.deleted else there

    def _write(self, row: Any, found: Found) -> None:
        state = WAITING if not found.counts else LACKING if found.missing else WHOLE
        last = row.tries + 1 >= len(WAITS) and state != WAITING
        wait = WAITS[min(row.tries, len(WAITS) - 1)]
        due = None if state == WHOLE or last else self._clock.now() + wait
        values = {"state": state, "counts": found.counts, "missing": found.missing, "tries": row.tries + 1}
        same = (receipt.c.id == row.id) & (receipt.c.state == row.state)
        with self._store.write() as conn:
            conn.execute(update(receipt).where(same).values(**values, due_at=due, at=self._clock.now()))


def check_again(conn: Connection, clock: Clock, deal_id: str) -> int:
    """Look at the cards of this deal once more; answers how many receipts wait for it now."""
    mine = (receipt.c.deal_id == deal_id) & (receipt.c.connection_id != "") & (receipt.c.state != "void")
    return conn.execute(update(receipt).where(mine).values(state=WAITING, tries=0, due_at=clock.now())).rowcount


def compare(account: Account, found: Found, deal: records.Flat, lead: records.Flat, there: Record) -> None:
    """Every field that the deal has and this CRM is told of; fields that only its leads had a place for are missing."""
    seen, deal = account.seen(there, "deal"), account.meant("deal", deal)
    slots = {slot.hub: slot for slot in account.faces["deal"].slots if slot.direction != "in"}
    for name, slot in slots.items():
        if filled(deal.get(name)):
            found.count("fields", name, *_arrived(slot, deal[name], seen))
    if account.native:
        for slot in account.faces["lead"].slots:
            if slot.hub not in slots and slot.direction != "in" and filled(lead.get(slot.hub)):
                found.count("fields", slot.hub, False, "The CRM's deals have no field for it")


def _arrived(slot: Slot, ours: Any, seen: dict[str, Any]) -> tuple[bool, str]:
    if slot.crm not in seen:
        return False, "It is empty there"
    theirs = slot.into(seen[slot.crm])
    if theirs is not ABSENT and slot.same(ours, theirs):
        return True, ""
    return False, "The CRM cannot hold this value" if not slot.fits(ours) else "It shows another value"


def _card(conn: Connection, account: Account, deal_id: str) -> Any:
    mine = (link.c.record_id == deal_id) & (link.c.role == "deal") & (link.c.connection_id == account.id)
    return conn.execute(select(link).where(mine)).one_or_none()


def _notes(conn: Connection, account: Account, ids: Sequence[str]) -> Sequence[Any]:
    """Our notes and tasks of the lead and its deal that this CRM has to have."""
    mine = (hanging.c.connection_id == account.id) & hanging.c.subject_id.in_(ids) & (hanging.c.state != "theirs")
    return list(conn.execute(select(hanging).where(mine).order_by(hanging.c.id))) if account.crm.note_kind else []


def _person(conn: Connection, account: Account, deal_id: str) -> str:
    """The client's card over there, "" where there is none."""
    who = str(records.load(conn, "deal", [deal_id])[deal_id]["contact"])
    mine = (link.c.record_id == who) & (link.c.role == "contact") & (link.c.connection_id == account.id)
    return str(conn.execute(select(link.c.remote_id).where(mine, link.c.state == "linked")).scalar() or "")


def _count_person(account: Account, found: Found, there: Record, person: str) -> None:
    """Some CRMs do not show in a deal whose it is: then nothing is said about it."""
    shown = there.links.get(account.kind("contact"))
    if person and shown is not None:
        found.count("links", "contact", person in shown, "It is not tied to the client's card")
