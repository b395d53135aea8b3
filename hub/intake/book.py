"""What a batch of inquiries needs to know, read in few queries, and what it decided, written in few more.

The book answers questions from memory, including about rows of its own batch that are not written yet,
so that ten inquiries of one new person in one batch open one lead. Of the contacts that are looked at only
those are read whom somebody of the batch may be; `meet` reads the rare one who takes part all the same.
`write` says it all to the database at the end of the transaction; a unique key taken by another worker
meanwhile raises `Collision`, and the batch is read and decided anew.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Select, Table, bindparam, case, select, update

from hub.clock import Clock
from hub.funnel.policy import Decision
from hub.identity.ledger import Ledger, Overtaken
from hub.identity.merging import Merge, ask, merge
from hub.identity.resolve import Place, lookups
from hub.identity.shown import read_policy, redecide
from hub.identity.stored import of_contact, read_rules_of_identity
from hub.identity.survivorship import BadPolicy, policy_of
from hub.intake.drafts import Understood
from hub.intake.firms import Firms
from hub.intake.overthere import Overthere
from hub.intake.straight import convert_at_once, directions_without_leads
from hub.model import (
    connection,
    contact,
    contact_point,
    deal,
    direction,
    inquiry,
    journal,
    lead,
    link,
    match_key,
    stage,
    thread,
)
from hub.routing.giving import Giving
from hub.routing.kept import Kept
from hub.store.engine import inserting
from hub.store.lists import among, pair_among
from hub.store.many import add_many
from hub.store.notes import mark_dirty
from hub.store.own import keep

log = logging.getLogger("leadhub.intake")
Row = dict[str, Any]

DIRECTIONS = select(direction).order_by(direction.c.main.desc(), direction.c.position)
LEAD_STAGES = select(stage.c.direction_id, stage.c.key).where(stage.c.block == "lead").order_by(stage.c.position.desc())
CRMS = select(connection.c.id, connection.c.config, connection.c.state).where(connection.c.kind == "crm")
THREADS = select(thread).where(among(thread.c.id))
INQUIRIES = select(inquiry).where(pair_among(inquiry.c.connection_id, inquiry.c.key))
OWNERS = select(match_key).where(pair_among(match_key.c.kind, match_key.c.value))
CONTACTS = select(contact).where(among(contact.c.id))
POINTS = select(contact_point).where(among(contact_point.c.contact_id))
LEADS = select(lead).where(among(lead.c.contact_id))
"""Whatever became of them: asked for the open ones of these contacts, SQLite reads all open ones there are."""
OPEN_DEALS = select(deal).where(among(deal.c.contact_id), deal.c.state == "open")


class Collision(Exception):
    """Another worker wrote one of our unique keys first."""


class Book:
    """One batch's view of the hub."""

    def __init__(self, conn: Connection, batch: Sequence[Understood], now: int, kept: Kept | None = None) -> None:
        self._conn, self._now = conn, now
        self._new: dict[str, list[Row]] = defaultdict(list)
        self._new_ids: set[str] = set()
        self._changed: dict[str, dict[str, Row]] = defaultdict(dict)
        self._dropped: list[str] = []
        self._joined: dict[str, list[int]] = {}
        self._filled: dict[tuple[str, str], Row] = {}
        self._merges: list[Merge] = []
        self._asked: list[Row] = []
        self.touched_contacts: set[str] = set()
        self.decided_anew: set[str] = set()
        self.policy = self._policy()
        self._read_setup()
        self._read_said(batch)
        self.contacts: dict[str, Row] = {}
        self.leads: dict[str, Row] = {}
        self.open_leads: dict[tuple[str, str], str] = {}
        self.open_deals: dict[tuple[str, str], str] = {}
        self._read_people(batch)
        self.firms = Firms(conn, batch, self.contacts)
        self.giving = Giving(conn, now, sorted(self.contacts), sorted(set(self.firms.owners.values())), kept)

    # ── reading ──────────────────────────────────────────────────────────────────────────────────

    def _read_setup(self) -> None:
        conn = self._conn
        self.directions = {row.id: row for row in conn.execute(DIRECTIONS)}
        self.first_stage = {row.direction_id: row.key for row in conn.execute(LEAD_STAGES)}
        crms = list(conn.execute(CRMS))
        self.crms = [row.id for row in crms]
        self._no_leads = directions_without_leads(conn, crms)

    def _policy(self) -> Mapping[str, str]:
        """How shown values are chosen; a setting that cannot be read holds no lead up."""
        try:
            return read_policy(self._conn)
        except BadPolicy as error:
            log.error("%s", error)
            return policy_of(None)

    def _read_said(self, batch: Sequence[Understood]) -> None:
        self.threads: dict[str, Row] = {
            row.id: dict(row._mapping) for row in self._rows(THREADS, sorted({t for one in batch for t in one.threads}))
        }
        keys = sorted({(one.live.id, key) for one in batch for key in (one.key, one.previous_key) if key})
        self.inquiries: dict[tuple[str, str], Row] = {
            (row.connection_id, row.key): dict(row._mapping) for row in self._rows(INQUIRIES, keys)
        }

    def _read_people(self, batch: Sequence[Understood]) -> None:
        rows = (*self.threads.values(), *self.inquiries.values())
        held = {row["contact_id"] for row in rows if row["contact_id"]}
        self.ledger = Ledger(self._conn, read_rules_of_identity(self._conn))
        lists = self.ledger.read([one.facts for one in batch], held)
        people = held | {self.ledger.ids[number] for numbers in lists for number in numbers}
        places = sorted({place for one in batch for place in lookups(one.known)})
        self.owners: dict[Place, str] = {}
        for row in self._rows(OWNERS, places):
            self.owners[row.kind, row.value] = row.contact_id
        self.ledger.meet(set(self.owners.values()))
        people |= set(self.owners.values())
        self._read_contacts(sorted(people))
        self._adopt()
        self.overthere = Overthere(self._conn, batch, self.owners, self.crms)

    def _adopt(self) -> None:
        """Contacts that own a key and that the register does not know by it: from a CRM, or from before."""
        strange: dict[str, list[Place]] = defaultdict(list)
        for (kind, value), owner in self.owners.items():
            if "+" not in kind and not self.ledger.knows(owner, kind, value):
                strange[owner].append((kind, value))
        points: dict[str, list[Row]] = defaultdict(list)
        for row in self._rows(POINTS, sorted(strange)):
            points[row.contact_id].append(dict(row._mapping))
        for owner, keys in strange.items():
            self.ledger.adopt(owner, of_contact(self.contacts[owner], points[owner], keys))

    def meet(self, contacts: Iterable[str]) -> None:
        """These take part."""
        strange = sorted({one for one in contacts if one and one not in self.contacts})
        if strange:
            self._read_contacts(strange)
            self.firms.meet(strange)
            self.giving.meet(strange)

    def _read_contacts(self, contacts: Sequence[str]) -> None:
        """They and what runs with them."""
        self.contacts.update({row.id: dict(row._mapping) for row in self._rows(CONTACTS, contacts)})
        # Whoever was put off until later goes on where they were: that line brings the lead back.
        running = [row for row in self._rows(LEADS, contacts) if row.state in ("open", "nurture")]
        for row in sorted(running, key=lambda one: one.state == "open"):
            self.leads[row.id] = dict(row._mapping)
            self.open_leads[row.contact_id, row.direction_id] = row.id
        for row in self._rows(OPEN_DEALS, contacts):
            self.open_deals[row.contact_id, row.direction_id] = row.id

    def _rows(self, which: Select[Any], wanted: Sequence[Any]) -> Iterable[Any]:
        return self._conn.execute(which, {"wanted": wanted}) if wanted else ()

    # ── asking and changing ──────────────────────────────────────────────────────────────────────

    def known_inquiry(self, one: Understood) -> Row | None:
        """The inquiry this one repeats or amends."""
        found = self.inquiries.get((one.live.id, one.key))
        if found is None and one.previous_key:
            found = self.inquiries.get((one.live.id, one.previous_key))
            window = int(one.live.row.config.get("window_ms", 600_000))
            if found is not None and one.received_at - found["received_at"] > window:
                return None
        return found

    def thread_of(self, one: Understood) -> Row | None:
        """The conversation this inquiry continues."""
        return next((self.threads[t] for t in one.threads if t in self.threads), None)

    def add(self, table: Table, row: Row) -> None:
        """A new row."""
        self._new[table.name].append(row)
        if "id" in row:
            self._new_ids.add(row["id"])

    def change(self, table: Table, row_id: str, **values: Any) -> None:
        """New values of an existing row; several changes of one row add up."""
        self._changed[table.name].setdefault(row_id, {}).update(values)

    def join(self, lead_id: str, at: int) -> None:
        """One more inquiry of a lead; other workers may add theirs to it at the same moment."""
        held = self._joined.setdefault(lead_id, [0, at])
        held[0], held[1] = held[0] + 1, max(held[1], at)

    def fill(self, table: Table, record_id: str, own: Row) -> None:
        """Fields of one's own that a later inquiry named; what the lead or deal has already stays."""
        if record_id in self.leads and self.is_new(record_id):
            row = self.leads[record_id]
            row["own"] = {**own, **row["own"]}
        elif own:
            held = self._filled.setdefault((table.name, record_id), {})
            held.update({**own, **held})

    def is_new(self, row_id: str) -> bool:
        """Whether the row was made by this batch and can still be changed in place."""
        return row_id in self._new_ids

    def merge(self, one: Merge) -> None:
        """Two contacts turned out to be one: so they are for the rest of the batch, and in the database at its end."""
        self._merges.append(one)
        self.giving.merged(one.winner, one.loser)
        self.ledger.register.merge(self.ledger.number(one.winner), self.ledger.number(one.loser))
        for held in (self.open_leads, self.open_deals):
            for (owner, place), found in list(held.items()):
                if owner == one.loser:
                    del held[owner, place]
                    held.setdefault((one.winner, place), found)
        for row in (*self.threads.values(), *self.inquiries.values()):
            if row["contact_id"] == one.loser:
                row["contact_id"] = one.winner
        self.owners.update({place: one.winner for place, owner in self.owners.items() if owner == one.loser})

    def ask(self, row: Row) -> None:
        """A question to a person: may these two be one?"""
        self._asked.append(row)

    def drop_inquiry(self, row: Row) -> None:
        """Forget an inquiry that is decided anew (its event was replayed, or its sender amended it)."""
        self._dropped.append(row["id"])
        self._new[inquiry.name] = [new for new in self._new[inquiry.name] if new["id"] != row["id"]]
        del self.inquiries[row["connection_id"], row["key"]]

    # ── writing ──────────────────────────────────────────────────────────────────────────────────

    def write(self, clock: Clock) -> None:
        """Everything this batch decided. Raises `Collision` when another worker was faster."""
        if self._dropped:
            self._conn.execute(inquiry.delete().where(inquiry.c.id.in_(self._dropped)))
        self._add_all(contact)
        self._claim_keys()
        if taken := self.firms.write():
            raise Collision(taken)
        for table in (lead, inquiry, link, journal):
            self._add_all(table)
        self._add_known(contact_point)
        self._keep_threads()
        self._change_all(contact)
        self._change_all(lead)
        self._write_joined()
        self._write_filled(clock)
        self._change_all(inquiry)
        self.giving.write(clock)
        self._mark_contacts()
        self._write_people()
        straight = [row["id"] for row in self._new[lead.name] if row["direction_id"] in self._no_leads]
        convert_at_once(self._conn, clock, straight)

    def _write_people(self) -> None:
        for one in self._merges:
            merge(self._conn, one)
        redecide(self._conn, sorted(self.decided_anew), self._now, self.policy)
        try:
            self.ledger.write()
        except Overtaken as error:
            raise Collision("person") from error
        ask(self._conn, self._asked)

    def _mark_contacts(self) -> None:
        """Contacts that learnt something have to travel again."""
        ids = sorted(self.touched_contacts)
        if ids:
            mine = (link.c.role == "contact") & link.c.record_id.in_(ids) & (link.c.state != "tombstoned")
            self._conn.execute(update(link).where(mine).values(dirty=link.c.dirty + 1))

    def _add_all(self, table: Table) -> None:
        if rows := self._new[table.name]:
            add_many(self._conn, table, rows)

    def _add_known(self, table: Table) -> None:
        if rows := self._new[table.name]:
            add_many(self._conn, table, rows, unless_there=True)

    def _claim_keys(self) -> None:
        """Keys in one order everywhere, so that two workers wait for each other and never in a ring."""
        rows = sorted(self._new[match_key.name], key=lambda row: (row["kind"], row["value"]))
        if not rows:
            return
        add_many(self._conn, match_key, rows, unless_there=True)
        if self._conn.dialect.name == "sqlite":
            return  # we hold the only writing transaction: what we read is still true
        wanted = {(row["kind"], row["value"]): row["contact_id"] for row in rows}
        for row in self._rows(OWNERS, list(wanted)):
            if wanted[row.kind, row.value] != row.contact_id:
                raise Collision(row.kind)

    def _keep_threads(self) -> None:
        if rows := self._new[thread.name]:
            statement = inserting(self._conn, thread)
            self._conn.execute(
                statement.on_conflict_do_update(
                    index_elements=["id"],
                    set_={"lead_id": statement.excluded.lead_id, "seen_at": statement.excluded.seen_at},
                ),
                rows,
            )

    def _change_all(self, table: Table) -> None:
        """Rows with the same set of changed columns go in one statement."""
        groups: dict[tuple[str, ...], list[Row]] = defaultdict(list)
        for row_id, values in sorted(self._changed[table.name].items()):
            groups[tuple(sorted(values))].append({"b_id": row_id, **values})
        for rows in groups.values():
            self._conn.execute(update(table).where(table.c.id == bindparam("b_id")), rows)

    def _write_joined(self) -> None:
        rows = [{"b_id": key, "b_more": more, "b_at": at} for key, (more, at) in sorted(self._joined.items())]
        if rows:
            at = bindparam("b_at", type_=lead.c.active_at.type)
            latest = case((lead.c.active_at < at, at), else_=lead.c.active_at)
            grown = {"inquiries": lead.c.inquiries + bindparam("b_more"), "active_at": latest}
            self._conn.execute(update(lead).where(lead.c.id == bindparam("b_id")).values(grown), rows)

    def _write_filled(self, clock: Clock) -> None:
        """In one order everywhere, as keys are."""
        tables = {table.name: table for table in (deal, lead)}
        news = [
            record_id
            for (name, record_id), own in sorted(self._filled.items())
            if keep(self._conn, tables[name], record_id, own, over=False)
        ]
        if news:
            mark_dirty(self._conn, clock, news)


def counts(decisions: Mapping[Decision, int]) -> str:
    """For one log line: "new_lead 12, joined 3"."""
    return ", ".join(f"{decision} {number}" for decision, number in sorted(decisions.items()))
