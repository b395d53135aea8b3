"""Routing for a batch of new leads: read once, decided one after the other, written with the leads in one commit.

giving = Giving(conn, clock.now(), contact_ids, company_ids)
route = giving.route(facts, main_direction)
one = giving.give(lead_id, route, facts, contact_id, at)      # one.owner, one.opens_at, one.why
giving.write(clock)                                           # turns, lineups and the ledger's lines

Turns are read when the first lead is given and only of the pools that are asked for, because most of what comes in
joins a lead that has an owner. Whoever gives batch after batch hands in one `Kept`: then rules and people are read when
they changed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import Connection

from hub.clock import Clock
from hub.routing.floor import Assignment, Floor
from hub.routing.kept import Kept
from hub.routing.ledger import record
from hub.routing.reading import Gathering, lock_turns, own_owners, owners_of_companies
from hub.routing.rules import Route


class Giving:
    """One batch. Turns are locked from the first lead given until the end of the caller's transaction. `give` raises
    `hub.routing.floor.NobodyThere` when there is no active member at all."""

    def __init__(
        self,
        conn: Connection,
        at: int,
        contact_ids: Sequence[str] = (),
        company_ids: Sequence[str] = (),
        kept: Kept | None = None,
    ) -> None:
        """The contacts and companies that may get a lead and are known already."""
        self._conn, self._at, self._contacts, self._companies = conn, at, contact_ids, company_ids
        self._house = (kept or Kept()).read(conn, at)
        self._gathering: Gathering | None = None
        self._own: dict[str, str] = {}
        self._own_of_company: dict[str, str] = {}
        self._same: dict[str, list[str]] = {}
        self._given: list[tuple[str, Assignment]] = []

    def route(self, facts: Mapping[str, str], main_direction: str) -> Route:
        """Direction and pool by the first rule that holds."""
        return self._house.rules.choose(facts, main_direction)

    def give(
        self, lead_id: str, route: Route, facts: Mapping[str, str], contact_id: str, at: int, company_id: str = ""
    ) -> Assignment:
        """Whose this new lead is. `company_id` helps where the contact itself is new."""
        floor = self._floor(route.pool)
        found = floor.assign(route.pool, facts, self._own_owner(contact_id, company_id), at)
        self._own[contact_id] = found.instead_of or found.owner
        self._given.append((lead_id, found))
        return found

    def merged(self, winner: str, loser: str) -> None:
        """Two contacts are one from now on: whoever had the other one's client has this one."""
        self._same.setdefault(winner, []).extend([loser, *self._same.pop(loser, ())])

    def meet(self, contact_ids: Sequence[str]) -> None:
        """These contacts may get a lead as well."""
        if self._gathering is None:
            self._contacts = [*self._contacts, *contact_ids]
        else:
            self._own = own_owners(self._conn, contact_ids) | self._own

    def due(self, one: Assignment, at: int, within: int) -> int:
        """When so much working time of the owner will be over: the lead's first next step."""
        return self._house.staff.people[one.owner].work.add(max(at, one.opens_at), within)

    def write(self, clock: Clock) -> None:
        """The ledger of what was given; once, with the leads."""
        if self._gathering is not None:
            record(self._conn, clock, self._gathering.floor, self._given)
        self._given = []

    def _floor(self, pool: str) -> Floor:
        """The lock first: whoever waited for another worker's turns reads what that one wrote."""
        if self._gathering is None:
            lock_turns(self._conn)
            self._gathering = Gathering(self._conn, self._house.staff, self._at)
            self._own = own_owners(self._conn, sorted(set(self._contacts)))
            self._own_of_company = owners_of_companies(self._conn, sorted(set(self._companies)))
        return self._gathering.pool(pool)

    def _own_owner(self, contact_id: str, company_id: str) -> str:
        ids = (contact_id, *self._same.get(contact_id, ()))
        own = next((self._own[one] for one in ids if one in self._own), "")
        return own or self._own_of_company.get(company_id, "")
