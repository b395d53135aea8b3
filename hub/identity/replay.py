"""What other weights would have decided: the latest inquiries played through twice, each time from an empty register.

Nothing is written. From the beginning on each play has the contacts that its own weights make, so a difference early
on is seen in what follows from it, too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select

from hub.identity.arrival import Setting, facts_of
from hub.identity.facts import Facts
from hub.identity.judge import Verdict
from hub.identity.normalize import normalise
from hub.identity.register import Register
from hub.identity.rules import Rules
from hub.identity.stored import person_of
from hub.model import connection, contact, inquiry

LAST = 500
NEW, JOINED, MERGED, ASKED = "new", "joined", "merged", "asked"


@dataclass(frozen=True, slots=True)
class Difference:
    """An inquiry that other weights decide otherwise: (`NEW` .. `ASKED`, the contact's name as it was first given, ""
    for a new one), now and then."""

    at: int
    name: str
    before: tuple[str, str]
    after: tuple[str, str]


def differences(conn: Connection, now: Rules, then: Rules, last: int = LAST) -> tuple[int, list[Difference]]:
    """How many inquiries were played, and those that come out differently, the latest first."""
    rows = list(conn.execute(_latest(last)))[::-1]
    both = zip(rows, _play(rows, now), _play(rows, then), strict=True)
    found = [Difference(row.received_at, row.name, *outcomes) for row, *outcomes in both if outcomes[0] != outcomes[1]]
    return len(rows), found[::-1]


def _latest(last: int) -> Any:
    columns = (inquiry.c.received_at, inquiry.c.person, inquiry.c.text, connection.c.region, contact.c.name)
    known = inquiry.join(contact, contact.c.id == inquiry.c.contact_id)
    rows = select(*columns).select_from(known.join(connection, connection.c.id == inquiry.c.connection_id))
    return rows.order_by(inquiry.c.received_at.desc(), inquiry.c.id.desc()).limit(last)


def _play(rows: Sequence[Any], rules: Rules) -> Iterator[tuple[str, str]]:
    register, names = Register(rules), dict[int, str]()
    for number, row in enumerate(rows, 1):
        facts = _facts(row)
        verdict = register.resolve(facts)
        what = _what(verdict)
        whom = (verdict.found or verdict.asks[0]) if what != NEW else 0
        names.setdefault(verdict.found or number, row.name)
        for loser in verdict.merges:
            register.merge(verdict.found, loser)
        register.add(verdict.found or number, facts)
        yield what, names.get(whom, "")


def _facts(row: Any) -> Facts:
    return facts_of(
        normalise(person_of(row.person), row.region), Setting(row.received_at // 1000, row.region, row.text)
    )


def _what(verdict: Verdict) -> str:
    if verdict.merges:
        return MERGED
    return ASKED if verdict.asks else JOINED if verdict.found else NEW
