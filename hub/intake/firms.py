"""The companies behind a batch of inquiries: read in two queries, found or made, written in two more.

A key of a company is a unique row, so two workers who make the same company at once meet there, like those who make
the same contact. A batch without any sign of a company asks and writes nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, Select, select

from hub.clock import Clock
from hub.identity.employers import retire
from hub.identity.firms import RETIRED, Firm, Key, choose, company_fact
from hub.identity.merging import pair_of
from hub.intake.drafts import Understood
from hub.model import company, company_key, not_same
from hub.store.engine import inserting
from hub.store.lists import among, pair_among

Row = dict[str, Any]
STRONG = ("tax", "domain")
"""Who writes from another firm's address or names its tax number works there now; a mere name replaces nothing."""

OWNERS = select(company_key).where(pair_among(company_key.c.kind, company_key.c.value))
KEYS_OF = (
    select(company_key, company.c.name)
    .join(company, company.c.id == company_key.c.company_id)
    .where(among(company_key.c.company_id))
)
APART = select(not_same.c.first_id, not_same.c.second_id).where(among(not_same.c.first_id))


class Firms:
    """One batch's view of the companies."""

    def __init__(self, conn: Connection, batch: Sequence[Understood], contacts: Collection[str]) -> None:
        self._conn = conn
        self.owners: dict[Key, str] = {}
        self.known: dict[str, set[Key]] = defaultdict(set)
        self._names: dict[str, str] = {}
        self._companies: list[Row] = []
        self._claims: dict[Key, str] = {}
        self._retired: list[Key] = []
        self._apart: set[tuple[str, str]] = set()
        self._told: dict[tuple[str, int], dict[str, str]] = {}
        wanted = {key for one in batch for key in one.firm.keys}
        self._read(sorted({*wanted, *((RETIRED[kind], value) for kind, value in wanted if kind in RETIRED)}), contacts)

    def _read(self, wanted: Sequence[Key], contacts: Collection[str]) -> None:
        for row in self._rows(OWNERS, wanted):
            self.owners[row.kind, row.value] = row.company_id
        found = sorted(set(self.owners.values()))
        for row in self._rows(KEYS_OF, found):
            self.known[row.company_id].add((row.kind, row.value))
            self._names[row.company_id] = row.name
        self.meet([*found, *sorted(contacts)] if found else [])

    def meet(self, contacts: Sequence[str]) -> None:
        """Which companies these people are said not to belong to."""
        for row in self._rows(APART, contacts):
            self._apart.add((row.first_id, row.second_id))

    def _rows(self, which: Select[Any], wanted: Sequence[Any]) -> Iterable[Any]:
        return self._conn.execute(which, {"wanted": wanted}) if wanted else ()

    # ── finding ──────────────────────────────────────────────────────────────────────────────────

    def look(self, one: Understood) -> tuple[dict[str, str], ...]:
        """A fact for rules and people if the company of this inquiry is known; nothing is changed."""
        choice = choose(one.firm, self.owners, self.known)
        found = choice.company_id
        return (company_fact(self._names[found], found, choice.by),) if found else ()

    def of(self, one: Understood, contact_id: str, held: str, clock: Clock) -> str:
        """The company of a contact after this inquiry; `held` is the one it has, "" if none."""
        firm = one.firm
        if not firm.keys:
            return held
        choice = choose(firm, self.owners, self.known)
        if choice.retire is not None:
            self._retire(choice.retire)
        found = choice.company_id or (self._make(one, clock) if choice.new else "")
        if not found or pair_of(contact_id, found) in self._apart:
            return held
        self._learn(firm, found)
        if held and (held == found or (choice.by or firm.keys[0])[0] not in STRONG):
            return held
        return found

    def told(self, one: Understood) -> tuple[dict[str, str], ...]:
        """That this inquiry made a company."""
        fact = self._told.get((one.event_id, one.position))
        return (fact,) if fact else ()

    def _make(self, one: Understood, clock: Clock) -> str:
        company_id, name = clock.new_id(), _called(one.firm)
        domain = next(iter(one.firm.domains), "")
        site = {"domain": domain, "website": f"https://{domain}" if domain else ""}
        number = next(iter(one.firm.taxes), "").partition(":")[2]
        row = {"id": company_id, "name": name, "key": one.firm.name, "created_at": one.received_at}
        self._companies.append({**row, **site, "tax_id": number})
        self._names[company_id] = name
        self._told[one.event_id, one.position] = company_fact(name, company_id, None)
        return company_id

    def _learn(self, firm: Firm, company_id: str) -> None:
        """Keys nobody owns lead to this company from now on."""
        for kind, value in firm.keys:
            if (kind, value) not in self.owners and (RETIRED.get(kind, ""), value) not in self.owners:
                self.owners[kind, value] = self._claims[kind, value] = company_id
                self.known[company_id].add((kind, value))

    def _retire(self, key: Key) -> None:
        """Several firms are called so: the name leads to none of them."""
        owner = self.owners.pop(key)
        self.owners[RETIRED[key[0]], key[1]] = owner
        if self._claims.pop(key, None):
            self._claims[RETIRED[key[0]], key[1]] = owner
        else:
            self._retired.append(key)

    # ── writing ──────────────────────────────────────────────────────────────────────────────────

    def write(self) -> str:
        """New companies and keys; answers the kind of a key that another worker took first, "" if none."""
        if self._companies:
            self._conn.execute(company.insert(), self._companies)
        for kind, value in sorted(self._retired):
            retire(self._conn, (kind, value))
        rows = [{"kind": kind, "value": value, "company_id": owner} for (kind, value), owner in self._claims.items()]
        if not rows:
            return ""
        rows.sort(key=lambda row: (row["kind"], row["value"]))
        self._conn.execute(inserting(self._conn, company_key).on_conflict_do_nothing(), rows)
        if self._conn.dialect.name == "sqlite":
            return ""  # we hold the only writing transaction: what we read is still true
        there = self._rows(OWNERS, sorted(self._claims))
        return next((row.kind for row in there if self._claims[row.kind, row.value] != row.company_id), "")


def _called(firm: Firm) -> str:
    """A company is called as it calls itself, else by its domain or number."""
    return firm.text or next(iter(firm.domains), "") or next(iter(firm.taxes), "").partition(":")[2]
