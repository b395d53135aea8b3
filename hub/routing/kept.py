"""What routing knows that only admins change, kept by a process from batch to batch.

Every change of rules, pools, shares, members, hours, absences or settings gives the row `routing_edition` of `setting`
another value: the database's own triggers see to it, whoever writes. So what is kept is used only while it is the same,
in any number of processes. Turns, credits, loads and presence are never kept.

Ask only in transactions that change nothing of this themselves: what is rolled back must not be remembered.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from sqlalchemy import Connection, select

from hub.model import rule, setting
from hub.routing.reading import Staff, read_staff
from hub.routing.rules import RuleBook, read_rules

log = logging.getLogger("leadhub.routing")

EDITION = "routing_edition"
EDITION_NOW = select(setting.c.value).where(setting.c.name == EDITION)


@dataclass(frozen=True, slots=True)
class House:
    """Rules and staff of one edition."""

    edition: str
    rules: RuleBook
    staff: Staff


class Kept:
    """The house as it was read last; shared by the threads of a process."""

    def __init__(self) -> None:
        self._house: House | None = None

    def read(self, conn: Connection, at: int) -> House:
        """Rules and staff as they are now. The edition is read first: what follows is of that edition or newer, and
        what is newer is read again by the next batch."""
        edition = str(conn.execute(EDITION_NOW).scalar() or "")
        house = self._house
        if house is None or not edition or house.edition != edition:
            house = self._house = House(edition, _rules(conn), read_staff(conn, at))
        return house


def _rules(conn: Connection) -> RuleBook:
    active = conn.execute(select(rule).where(rule.c.active).order_by(rule.c.position, rule.c.id))
    rules, complaints = read_rules(dict(row._mapping) for row in active)
    for complaint in complaints:
        log.error("rule left out: %s", complaint)
    return RuleBook(rules)
