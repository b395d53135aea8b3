"""Routing for a batch of new leads: read once, decided one after the other, written with the leads in one commit.

giving = Giving(conn, clock.now(), contact_ids, company_ids)
route = giving.route(facts, main_direction)
one = giving.give(lead_id, route, facts, contact_id, at)      # one.owner, one.opens_at, one.why
giving.write(clock)                                           # turns, lineups and the ledger's lines

Rules are read at once; people, pools and turns when the first lead is given, because most of what comes in joins a lead
that has an owner.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, select

from hub.clock import Clock
from hub.model import rule
from hub.routing.floor import Assignment, Floor
from hub.routing.ledger import record
from hub.routing.reading import own_owners, owners_of_companies, read_floor
from hub.routing.rules import Route, RuleBook, read_rules

log = logging.getLogger("leadhub.routing")


class Giving:
    """One batch. Turns are locked from the first lead given until the end of the caller's transaction. `give` raises
    `hub.routing.floor.NobodyThere` when there is no active member at all."""

    def __init__(
        self, conn: Connection, at: int, contact_ids: Sequence[str] = (), company_ids: Sequence[str] = ()
    ) -> None:
        """The contacts and companies that may get a lead and are known already."""
        self._conn, self._at, self._contacts, self._companies = conn, at, contact_ids, company_ids
        self._rules = _rules(conn)
        self._floor: Floor | None = None
        self._own: dict[str, str] = {}
        self._own_of_company: dict[str, str] = {}
        self._same: dict[str, list[str]] = {}
        self._given: list[tuple[str, Assignment]] = []

    def route(self, facts: Mapping[str, str], main_direction: str) -> Route:
        """Direction and pool by the first rule that holds."""
        return self._rules.choose(facts, main_direction)

    def give(
        self, lead_id: str, route: Route, facts: Mapping[str, str], contact_id: str, at: int, company_id: str = ""
    ) -> Assignment:
        """Whose this new lead is. `company_id` helps where the contact itself is new."""
        floor = self._read()
        found = floor.assign(route.pool, facts, self._own_owner(contact_id, company_id), at)
        self._own[contact_id] = found.instead_of or found.owner
        self._given.append((lead_id, found))
        return found

    def merged(self, winner: str, loser: str) -> None:
        """Two contacts are one from now on: whoever had the other one's client has this one."""
        self._same.setdefault(winner, []).extend([loser, *self._same.pop(loser, ())])

    def due(self, one: Assignment, at: int, within: int) -> int:
        """When so much working time of the owner will be over: the lead's first next step."""
        return self._read().people[one.owner].work.add(max(at, one.opens_at), within)

    def write(self, clock: Clock) -> None:
        """The ledger of what was given; once, with the leads."""
        if self._floor is not None:
            record(self._conn, clock, self._floor, self._given)
        self._given = []

    def _read(self) -> Floor:
        """Turns first: whoever waited for another worker's turns sees what that one wrote."""
        if self._floor is None:
            self._floor = read_floor(self._conn, self._at)
            self._own = own_owners(self._conn, sorted(set(self._contacts)))
            self._own_of_company = owners_of_companies(self._conn, sorted(set(self._companies)))
        return self._floor

    def _own_owner(self, contact_id: str, company_id: str) -> str:
        ids = (contact_id, *self._same.get(contact_id, ()))
        own = next((self._own[one] for one in ids if one in self._own), "")
        return own or self._own_of_company.get(company_id, "")


def _rules(conn: Connection) -> RuleBook:
    active = conn.execute(select(rule).where(rule.c.active).order_by(rule.c.position, rule.c.id))
    rules, complaints = read_rules(dict(row._mapping) for row in active)
    for complaint in complaints:
        log.error("rule left out: %s", complaint)
    return RuleBook(rules)
