"""Companies in a schedule: people who make, rename, merge and delete them and who hang contacts on others, on both
sides; and what must be true of them after calm."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, select, update

from hub.identity.employers import not_there, unite
from hub.model import company, company_key, contact
from hub.store.notes import mark_dirty
from tests.sync.fake import Row, tidy

if TYPE_CHECKING:
    from tests.sync.world import World

SITES = 4
"""So few domains that both sides often mean the same company."""


class Firms:
    """What people do to companies. `apart` are contacts that somebody here took from a company: nothing is untied over
    there for that."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.apart: set[str] = set()

    @property
    def acts(self) -> list[Callable[[Connection], None]]:
        """Nothing where the CRM has no companies."""
        if not self.world.crm.company_kind:
            return []
        return [
            self.hire_here, self.hire_here, self.rename_here, self.unite_here, self.leave_here, self.firm_there,
            self.hire_there, self.hire_there, self.hire_there, self.firm_trouble,
        ]  # fmt: skip

    # ── here ─────────────────────────────────────────────────────────────────────────────────────

    def hire_here(self, conn: Connection) -> None:
        """A contact is of a company from now on: of one that is known, or of a new one."""
        row = self.world.pick(conn, contact, contact.c.merged_into.is_(None))
        if row is None:
            return
        firm = self.world.pick(conn, company, company.c.merged_into.is_(None))
        fresh = firm is None or self.world.chance.random() < 0.4
        company_id = self.make(conn) if fresh else firm.id
        conn.execute(update(contact).where(contact.c.id == row.id).values(company_id=company_id))
        mark_dirty(conn, self.world.clock, [row.id])
        self.apart.discard(row.id)

    def make(self, conn: Connection) -> str:
        """A company as an inquiry makes it; one whose domain is known already is that one."""
        clock, site = self.world.clock, f"firm{self.world.chance.randrange(SITES)}.test"
        known = (company_key.c.kind == "domain") & (company_key.c.value == site)
        if held := conn.execute(select(company_key.c.company_id).where(known)).scalar():
            return str(held)
        company_id, name = clock.new_id(), self.world.token().strip()
        conn.execute(company.insert().values(id=company_id, name=name, key="", domain=site, created_at=clock.now()))
        conn.execute(company_key.insert().values(kind="domain", value=site, company_id=company_id))
        return company_id

    def rename_here(self, conn: Connection) -> None:
        if row := self.world.pick(conn, company, company.c.merged_into.is_(None)):
            self.world.edited(conn, company, "company", row.id, "name", self.world.token().strip())

    def unite_here(self, conn: Connection) -> None:
        """Two companies turn out to be one."""
        rows = conn.execute(select(company.c.id).where(company.c.merged_into.is_(None)).order_by(company.c.id)).all()
        if len(rows) > 1 and self.world.chance.random() < 0.5:
            winner, loser = self.world.chance.sample(rows, 2)
            unite(conn, self.world.clock, winner.id, loser.id, "member:v")

    def leave_here(self, conn: Connection) -> None:
        row = self.world.pick(conn, contact, contact.c.company_id.is_not(None), contact.c.merged_into.is_(None))
        if row is not None and self.world.chance.random() < 0.5:
            not_there(conn, row.id, "member:v", self.world.clock.new_id(), self.world.clock.now())
            self.apart.add(row.id)

    # ── there ────────────────────────────────────────────────────────────────────────────────────

    def firm_there(self, _conn: Connection) -> None:
        """A person makes a company, mostly to hang somebody on it."""
        site = {"domain": f"firm{self.world.chance.randrange(SITES)}.test"} if self.world.chance.random() < 0.5 else {}
        row = self.world.crm.make("firms", {"name": self.world.token(), **site})
        self.world.crm_edits[row.ref, "name"] = row.values["name"]
        if self.world.chance.random() < 0.7:
            self.hang(row)

    def hire_there(self, _conn: Connection) -> None:
        """A person hangs a contact on another company, or on none."""
        rows = self.world.crm.live("firms")
        if rows:
            self.hang(self.world.chance.choice(rows) if self.world.chance.random() < 0.8 else None)

    def hang(self, firm: Row | None) -> None:
        if people := self.world.crm.live("people"):
            person = self.world.chance.choice(people)
            self.world.crm.hang(person, "firms", firm)

    def firm_trouble(self, _conn: Connection) -> None:
        """A person merges two companies, deletes one, or renames one."""
        crm, rows, x = self.world.crm, self.world.crm.live("firms"), self.world.chance.random()
        if len(rows) > 1 and x < 0.3:
            winner, loser = self.world.chance.sample(rows, 2)
            crm.merge_rows(winner, loser)
        elif rows and x < 0.45:
            crm.remove(self.world.chance.choice(rows))
        elif rows:
            row, value = self.world.chance.choice(rows), self.world.token()
            crm.edit(row, name=value)
            self.world.crm_edits[row.ref, "name"] = tidy(value)

    # ── what must be true ────────────────────────────────────────────────────────────────────────

    def violations(self, links: Sequence[Any], flats: dict[Any, Any]) -> Iterator[str]:
        """I1, I5, A11: whose people contacts are is the same on both sides, and a company that the CRM names is known
        here."""
        crm = self.world.crm
        empty = [row.ref for row in crm.rows.values() if row.kind == "firms" and not row.values.get("name")]
        yield from (f"I8 a company without a name was made: {ref}" for ref in empty)
        cards = {row.record_id: row for row in links if row.role == "company"}
        for row in links:
            there = crm.rows.get(row.remote_id or "")
            known = row.role == "contact" and row.state == "linked" and there is not None and not there.deleted
            if not known or row.record_id in self.apart or {row.remote_id, *_firms(there)} & crm.poison:
                continue
            card = cards.get(flats[row.role, row.record_id]["company_id"])
            ours = card.remote_id if card is not None and card.state == "linked" else ""
            if ours and ours not in crm.poison and ours not in _firms(there):
                yield f"I1 contact {row.record_id} is of {ours} here, and of {_firms(there)} there"
            if _firms(there) and card is None:
                yield f"I5 contact {row.record_id} is of {_firms(there)} there, and of nobody here"
        yield from self._bare(links, flats, {row.record_id: row.remote_id for row in links if row.role == "contact"})

    def _bare(self, links: Sequence[Any], flats: dict[Any, Any], people: dict[str, str]) -> Iterator[str]:
        """A11: when we have hung a contact on a company, the cards we made of that contact hang on it, too: unless
        people have untied or moved them, somebody left the company here, or it went away before they heard of it."""
        crm = self.world.crm
        for row in links:
            there = crm.rows.get(row.remote_id or "")
            if there is None or row.state != "linked" or there.kind not in crm.company_on or there.by != "api":
                continue
            contact_id = flats[row.role, row.record_id]["contact"]
            ref = "" if contact_id in self.apart else people.get(contact_id, "")
            firm = crm.hired.get(ref, "")
            still = firm and firm in _firms(crm.rows.get(ref)) and not crm.rows[firm].deleted
            if still and "firms" not in there.links and not {there.ref, ref, firm} & (crm.poison | crm.rehung):
                yield f"A11 {row.role} {row.record_id} is of no company, its contact {ref} of {firm}"


def _firms(person: Any) -> tuple[str, ...]:
    return tuple(person.links.get("firms", ())) if person is not None else ()
