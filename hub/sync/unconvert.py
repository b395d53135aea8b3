"""Taking a conversion back, CRMs included: what becomes of the card in each of them, shown first and then done.

Where lead and deal are one card it goes back over the border. Where they are two the deal's card is removed when
programs may do that, nobody changed it over there, and the lead's card does not name it: CRMs that remember a
conversion convert a lead once, so its deal stays, is named, and serves again when the lead crosses the next time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select, update

from connectors.errors import ConnectorError
from hub.clock import Clock
from hub.funnel.wayback import Plan, plan_back, take_back
from hub.model import connection, deal, link
from hub.store.engine import Store
from hub.store.notes import note
from hub.sync.account import Account, Accounts

MOVED, REMOVED, STAYS, NEVER = "moved", "removed", "stays", "never"


@dataclass(frozen=True, slots=True)
class Card:
    """A deal's card in a CRM: its number, what becomes of it (moved, removed, stays, never: not made yet), and why."""

    link_id: str
    connection_id: str
    name: str
    ref: str
    what: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class Way:
    """The whole plan: the hub's side and every CRM's."""

    here: Plan
    cards: Sequence[Card]

    @property
    def exact(self) -> bool:
        """Both sides will be as they were."""
        return self.here.untouched and all(card.what != STAYS for card in self.cards)


class Unconvert:
    """Plans the way back and goes it."""

    def __init__(self, store: Store, clock: Clock, accounts: Accounts) -> None:
        self._store, self._clock, self._accounts = store, clock, accounts

    def plan(self, deal_id: str) -> Way:
        """What would happen; raises `hub.funnel.moves.NotPossible`."""
        with self._store.read() as conn:
            here = plan_back(conn, deal_id)
            rows = _links(conn, deal_id)
        return Way(here, [self._fate(row) for row in rows])

    def carry_out(self, deal_id: str, actor: str, stamp: str = "") -> tuple[str, Sequence[Card]]:
        """Answers the lead's id and what became of the cards. `stamp` is that of the plan that was confirmed."""
        cards = self.plan(deal_id).cards
        with self._store.write() as conn:
            lead_id = take_back(conn, self._clock, deal_id, actor, stamp)
        return lead_id, [self._remove(card, deal_id, actor) if card.what == REMOVED else card for card in cards]

    def _fate(self, row: Any) -> Card:
        account = self._accounts.get(row.connection_id)
        told = (row.id, row.connection_id, row.name, str(row.remote_id or ""))
        if not row.remote_id:
            return Card(*told, NEVER)
        if account is None:
            return Card(*told, STAYS, "The connection is off or paused")
        if not account.native:
            return Card(*told, MOVED)
        try:
            return Card(*told, *self._apart(account, row))
        except ConnectorError as error:
            return Card(*told, STAYS, str(error))

    def _apart(self, account: Account, row: Any) -> tuple[str, str]:
        """A card of its own: whether it may be removed."""
        if not account.crm.facts.delete:
            return STAYS, "Programs may not delete there: remove it by hand"
        (there,) = account.crm.get(row.remote_kind, [row.remote_id])
        if there is None or there.deleted:
            return NEVER, "It is gone there already"
        seen = account.seen(there, "deal")
        changed = sorted(name for name, value in seen.items() if name in row.raw and row.raw[name] != value)
        if changed:
            return STAYS, f"Changed there since: {', '.join(changed)}"
        return (STAYS, "The lead's card names it as its deal") if self._named(account, row) else (REMOVED, "")

    def _named(self, account: Account, row: Any) -> bool:
        """Whether the lead's card remembers that it became this deal; also when it cannot be asked any more."""
        mine = (link.c.record_id == row.lead_id) & (link.c.role == "lead") & (link.c.connection_id == account.id)
        with self._store.read() as conn:
            ref = conn.execute(select(link.c.remote_id).where(mine, link.c.state == "linked")).scalar()
        (there,) = account.crm.get(account.kind("lead"), [ref]) if ref else (None,)
        return there is None or there.deleted or row.remote_id in there.links.get(row.remote_kind, ())

    def _remove(self, card: Card, deal_id: str, actor: str) -> Card:
        account = self._accounts.get(card.connection_id)
        with self._store.read() as conn:
            row = next((one for one in _links(conn, deal_id) if one.id == card.link_id), None)
        if account is None or row is None:
            return Card(card.link_id, card.connection_id, card.name, card.ref, STAYS, "The connection is off or paused")
        try:
            account.crm.delete(row.remote_kind, [card.ref])
        except ConnectorError as error:
            return Card(card.link_id, card.connection_id, card.name, card.ref, STAYS, str(error))
        gone = {"state": "tombstoned", "code": "undone", "why": "Its conversion was taken back", "dirty": 0}
        with self._store.write() as conn:
            conn.execute(update(link).where(link.c.id == card.link_id).values(**gone, since=self._clock.now()))
            note(conn, self._clock, "deal", deal_id, "undone", actor, {"run": "", "ref": card.ref})
        return card


def _links(conn: Connection, deal_id: str) -> Sequence[Any]:
    place = link.join(deal, deal.c.id == link.c.record_id)
    place = place.outerjoin(connection, connection.c.id == link.c.connection_id)
    mine = (link.c.record_id == deal_id) & (link.c.role == "deal")
    return list(
        conn.execute(select(link, connection.c.name, deal.c.lead_id).select_from(place).where(mine).order_by(link.c.id))
    )
