"""Other rules tried on real traffic: who would have got which lead. Nothing is written.

A trial begins with nobody owed anything and nobody loaded, and plays the arrivals of a span in their order; leads weigh
on whoever would have them until they were closed. It is a function of rules, people and traffic: what was announced for
a draft is what the same span gives after it is published.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from sqlalchemy import Connection, select

from hub.insight.traffic import PORTION, Arrival, read_traffic
from hub.model import direction
from hub.routing.floor import Floor
from hub.routing.reading import build_floor, own_owners
from hub.routing.rotation import Turn
from hub.routing.rules import RuleBook, read_rules


@dataclass(frozen=True, slots=True)
class Outcome:
    """Where one lead went in a trial."""

    lead_id: str
    at: int
    direction_id: str
    owner: str
    rule: str
    pool: str
    by: str


@dataclass(frozen=True, slots=True)
class Difference:
    """One lead that would go elsewhere."""

    lead_id: str
    at: int
    before: Outcome
    after: Outcome


@dataclass(frozen=True, slots=True)
class Trial:
    """Two ways of routing over one span."""

    leads: int
    differences: tuple[Difference, ...]
    before: Mapping[str, int]
    """Leads by owner."""
    after: Mapping[str, int]

    def announced(self) -> dict[str, Any]:
        """For people and for the record."""
        moved = Counter((one.before.owner, one.after.owner) for one in self.differences)
        return {
            "leads": self.leads, "changed": len(self.differences), "before": dict(self.before),
            "after": dict(self.after), "moved": [[*pair, count] for pair, count in sorted(moved.items())],
        }  # fmt: skip


def outcomes(conn: Connection, body: Mapping[str, Any], since: int, until: int) -> list[Outcome]:
    """Where every lead of a span goes by these rules, shares and pools (`hub.insight.drafts.read_body`)."""
    play = _Play(conn, body, since)
    return [play.one(arrival) for arrival in play.known(read_traffic(conn, since, until))]


def compare(conn: Connection, before: Mapping[str, Any], after: Mapping[str, Any], since: int, until: int) -> Trial:
    """The difference of two ways, lead by lead."""
    first, second = outcomes(conn, before, since, until), outcomes(conn, after, since, until)
    differences = tuple(
        Difference(one.lead_id, one.at, one, other)
        for one, other in zip(first, second, strict=True)
        if (one.owner, one.direction_id) != (other.owner, other.direction_id)
    )
    owners = [dict(sorted(Counter(one.owner for one in some).items())) for some in (first, second)]
    return Trial(len(first), differences, owners[0], owners[1])


class _Play:
    """The floor as it would have been, one arrival after the other."""

    def __init__(self, conn: Connection, body: Mapping[str, Any], since: int) -> None:
        self._conn, self._since = conn, since
        rules, _complaints = read_rules(row for row in body["rules"] if row.get("active", True))
        self._rules = RuleBook(rules)
        self._floor = floor_of(conn, body, since)
        order = select(direction.c.id).order_by(direction.c.main.desc(), direction.c.position)
        self._main = str(conn.execute(order.limit(1)).scalar() or "")
        self._own: dict[str, str] = {}
        self._closing: list[tuple[int, str]] = []

    def known(self, arrivals: Iterable[Arrival]) -> Iterable[Arrival]:
        """The arrivals, with whose clients they were before the span looked up by the portion."""
        portion: list[Arrival] = []
        for arrival in arrivals:
            portion.append(arrival)
            if len(portion) == PORTION:
                yield from self._looked_up(portion)
                portion = []
        yield from self._looked_up(portion)

    def _looked_up(self, portion: Sequence[Arrival]) -> Sequence[Arrival]:
        fresh = sorted({one.contact_id for one in portion} - self._own.keys())
        self._own |= own_owners(self._conn, fresh, self._since) if fresh else {}
        return portion

    def one(self, arrival: Arrival) -> Outcome:
        """This lead comes."""
        while self._closing and self._closing[0][0] <= arrival.at:
            _at, owner = heapq.heappop(self._closing)
            self._floor.close(owner)
        route = self._rules.choose(arrival.facts, self._main)
        own = self._own.get(arrival.contact_id, "")
        found = self._floor.assign(route.pool, arrival.facts, own, arrival.at)
        self._own[arrival.contact_id] = found.instead_of or found.owner
        if arrival.closed_at is not None:
            heapq.heappush(self._closing, (arrival.closed_at, found.owner))
        rule = str(route.why["rule"])
        return Outcome(arrival.lead_id, arrival.at, route.direction_id, found.owner, rule, found.pool, found.by)


def floor_of(conn: Connection, body: Mapping[str, Any], at: int) -> Floor:
    """Everybody as of then, with the shares and pools of a body, nobody owed and nobody loaded. Presence of the past is
    not kept: it is not asked for."""
    pools = {name: SimpleNamespace(**{**told, "seen_within_ms": 0}) for name, told in body["pools"].items()}
    turns = {
        name: [Turn(member_id, int(share), 0, 0) for member_id, share in sorted(shares.items())]
        for name, shares in body["shares"].items()
    }
    return build_floor(conn, at, pools, turns)
