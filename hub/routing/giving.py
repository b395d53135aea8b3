"""Routing for a batch of new leads: read once, decided one after the other, written with the leads in one commit.

giving = Giving(conn, clock.now(), contact_ids)
route = giving.route(facts, main_direction)
one = giving.give(lead_id, route, facts, contact_id, at)      # one.owner, one.opens_at, one.why
giving.write(clock)                                           # turns, lineups and the ledger's lines
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

from sqlalchemy import Connection, select

from hub.clock import Clock
from hub.model import rule
from hub.routing.floor import Assignment
from hub.routing.ledger import record
from hub.routing.reading import own_owners, owner_of_company, read_floor
from hub.routing.rules import Route, RuleBook, read_rules

log = logging.getLogger("leadhub.routing")


class Giving:
    """One batch. Turns are locked until the end of the caller's transaction. `give` raises
    `hub.routing.floor.NobodyThere` when there is no active member at all."""

    def __init__(self, conn: Connection, at: int, contact_ids: Sequence[str] = ()) -> None:
        self._conn = conn
        active = conn.execute(select(rule).where(rule.c.active).order_by(rule.c.position, rule.c.id))
        rules, complaints = read_rules(dict(row._mapping) for row in active)
        for complaint in complaints:
            log.error("rule left out: %s", complaint)
        self._rules, self._floor = RuleBook(rules), read_floor(conn, at)
        self._own = own_owners(conn, sorted(set(contact_ids)))
        self._given: list[tuple[str, Assignment]] = []

    def route(self, facts: Mapping[str, str], main_direction: str) -> Route:
        """Direction and pool by the first rule that holds."""
        return self._rules.choose(facts, main_direction)

    def give(
        self, lead_id: str, route: Route, facts: Mapping[str, str], contact_id: str, at: int, company_id: str = ""
    ) -> Assignment:
        """Whose this new lead is. `company_id` helps where the contact itself is new."""
        own = self._own.get(contact_id, "")
        if not own and company_id:
            own = self._own[contact_id] = owner_of_company(self._conn, company_id)
        found = self._floor.assign(route.pool, facts, own, at)
        self._own[contact_id] = found.instead_of or found.owner
        self._given.append((lead_id, found))
        return found

    def due(self, one: Assignment, at: int, within: int) -> int:
        """When so much working time of the owner will be over: the lead's first next step."""
        return self._floor.people[one.owner].work.add(max(at, one.opens_at), within)

    def write(self, clock: Clock) -> None:
        """The ledger of what was given; once, with the leads."""
        record(self._conn, clock, self._floor, self._given)
        self._given = []
