"""Whose a card is that people made in a CRM for nobody here: by the same rules and turns as a lead that comes in.

Closed cards and deals take no turn: they are whoever's client the person is, else the last resort's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, select

from connectors.contract import Person
from hub.clock import Clock
from hub.identity.normalize import normalise
from hub.intake.asked import Asked, facts_of
from hub.model import member
from hub.routing.floor import NobodyThere
from hub.routing.giving import Giving
from hub.routing.kept import Kept
from hub.routing.reading import own_owners, read_staff
from hub.sync.account import Account
from hub.sync.owners import HERE


def member_here(conn: Connection, wanted: Any) -> str:
    """The CRM's responsible, when that is somebody who is here; else ""."""
    mine = select(member.c.id).where(member.c.id == str(wanted or ""), member.c.active)
    return str(conn.execute(mine).scalar() or "")


def stand_in_here(conn: Connection, account: Account) -> str:
    """Who answers here for cards of people who are nobody here; "" for whoever's turn it is."""
    return member_here(conn, account.live.row.config.get(HERE))


class Unowned:
    """Finds owners for cards without one."""

    def __init__(self, clock: Clock) -> None:
        self._clock, self._kept = clock, Kept()

    def give(
        self, conn: Connection, account: Account, card_id: str, place: tuple[str, str], person: Mapping[str, Any]
    ) -> tuple[str, int, dict[str, Any]]:
        """The owner of an open lead, when they begin, and why. `place` is (contact, direction); `person` are the
        hub's values of the card's contact. The turn is written with the caller's commit."""
        contact_id, direction_id = place
        now, row = self._clock.now(), account.live.row
        giving = Giving(conn, now, [contact_id], kept=self._kept)
        phones, emails = (tuple(person.get(name) or ()) for name in ("phones", "emails"))
        name, firm, language = (str(person.get(one) or "") for one in ("name", "company", "language"))
        typed = Person(name=name, phones=phones, emails=emails, company=firm, language=language)
        facts = facts_of(Asked(row.connector, row.name, normalise(typed, row.region), typed))
        route = giving.route(facts, direction_id)
        try:
            one = giving.give(card_id, route, facts, contact_id, now)
        except NobodyThere:
            return self.last(conn, contact_id), now, {}
        giving.write(self._clock)
        return one.owner, one.opens_at, {**route.why, **one.why, "owner": one.owner, "pool": one.pool}

    def last(self, conn: Connection, contact_id: str) -> str:
        """Whose client this is, else the last resort, else anybody at all."""
        own = own_owners(conn, [contact_id]).get(contact_id, "")
        found = member_here(conn, own) or read_staff(conn, self._clock.now()).last_resort
        return found or str(conn.execute(select(member.c.id).order_by(member.c.created_at).limit(1)).scalar() or "")
