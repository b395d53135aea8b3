"""One run of the whole sync under a seed: the real code of the hub on a database in memory, a bad CRM, people on both
sides, workers that are interrupted anywhere and die anywhere; then calm; then the invariants.

Workers are greenlets. Every transaction and every call of the CRM is a seam, where the scheduler may run somebody else,
let time pass, or kill. All chance comes from one source: the same seed gives the same trace.
"""

from __future__ import annotations

import hashlib
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

import orjson
from greenlet import getcurrent, greenlet
from sqlalchemy import Connection, Engine, MetaData, create_engine, event, select, update
from sqlalchemy.pool import StaticPool

import hub.model
from connectors.contract import CRM
from hub.clock import FixedClock
from hub.funnel import moves
from hub.funnel.defaults import DEAL_STAGES, LEAD_STAGES, add_direction
from hub.identity.shown import enter
from hub.intake.connections import Live
from hub.model import (
    audit_run,
    company,
    connection,
    contact,
    deal,
    lead,
    link,
    look_again,
    member,
)
from hub.store.engine import STATEMENTS, Store, _dumps, _loads, add_unless_there, reading, sqlite_library
from hub.store.notes import FRESH, mark_dirty
from hub.sync.account import Account, Accounts
from hub.sync.audit import Auditor
from hub.sync.pull import Puller
from hub.sync.push import Pusher
from hub.sync.split import placement_json
from tests.sync.fake import PROFILES, FakeCRM, tidy
from tests.sync.fence import Fence
from tests.sync.firms import Firms
from tests.sync.inbound import FORM_ID, Inquiries

MAPPING = """
format = 1
crm = "fake"
[contact]
name = { crm = "name", codec = "text" }
company = { crm = "company", codec = "text", policy = "hub" }
position = { crm = "position", codec = "text", policy = "latest" }
language = { crm = "language", codec = "text", policy = "ask" }
hub_id = { crm = "HUB_REF", codec = "text", direction = "out" }
[company]
name = { crm = "name", codec = "text" }
domain = { crm = "domain", codec = "text" }
[lead]
title = { crm = "title", codec = "text" }
temperature = { crm = "temp", codec = "text", policy = "hub" }
text = { crm = "TEXT", codec = "text", direction = "out", once = true }
tags = { crm = "tags", codec = "tags", policy = "union" }
reject_reason = { crm = "READ_ONLY", codec = "text", direction = "in" }
[deal]
like = "lead"
currency = { crm = "amount", codec = "text" }
"""
OTHER_MAPPING = """
format = 1
crm = "fake"
[lead]
reject_reason = { crm = "READ_ONLY", codec = "text", direction = "in" }
title = { crm = "title", codec = "text", policy = "hub" }
temperature = { crm = "temp", codec = "text" }
text = { crm = "TEXT", codec = "text", direction = "out", once = true }
tags = { crm = "tags", codec = "tags", policy = "union" }
[contact]
hub_id = { crm = "HUB_REF", codec = "text", direction = "out" }
language = { crm = "language", codec = "text", policy = "ask" }
position = { crm = "position", codec = "text" }
company = { crm = "company", codec = "text" }
name = { crm = "name", codec = "text", policy = "hub" }
[company]
name = { crm = "name", codec = "text", policy = "hub" }
domain = { crm = "domain", codec = "text" }
[deal]
like = "lead"
currency = { crm = "amount", codec = "text" }
"""
"""The same fields by other policies."""
CRM_ID = "crm-1"
DEAD_AFTER = 5_000
"""A call of ours lives no longer than this (the CRM declares it), in ms."""


class Killed(BaseException):
    """The worker is gone: no handler runs that a kill -9 would not let run."""


# ── the database in memory, made once ────────────────────────────────────────────────────────────


class Seams(Store):
    """A store whose transactions are seams."""

    def __init__(self, hub: Engine, inbox: Engine) -> None:
        super().__init__(hub, inbox)
        object.__setattr__(self, "seam", lambda _name: None)

    @cached_property
    def raw(self) -> Any:
        """The hub's one connection, for looks that are no work of anybody's."""
        return self.hub.raw_connection().dbapi_connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        self.seam("tx<")  # type: ignore[attr-defined]
        with self.hub.begin() as conn:
            self.__dict__["fence"].look(conn)
            yield conn
        self.seam("tx>")  # type: ignore[attr-defined]

    @contextmanager
    def read(self) -> Iterator[Connection]:
        with reading(self.hub) as conn:
            yield conn


def open_memory(tables: MetaData) -> Engine:
    engine = create_engine(
        "sqlite+leadhub://", module=sqlite_library(), poolclass=StaticPool, json_serializer=_dumps,
        json_deserializer=_loads, connect_args={"cached_statements": STATEMENTS},
    )  # fmt: skip

    @event.listens_for(engine, "connect")
    def _connect(raw: Any, _record: Any) -> None:
        raw.isolation_level = None

    tables.create_all(engine)
    return engine


_MEMORY: list[Seams] = []


def emptied(clock: FixedClock) -> Seams:
    """The databases of this process without rows, under a new watch."""
    if not _MEMORY:
        _MEMORY.append(Seams(open_memory(hub.model.hub), open_memory(hub.model.inbox)))
    store = _MEMORY[0]
    store.__dict__["fence"] = Fence(clock)
    for engine, tables in ((store.hub, hub.model.hub), (store.inbox, hub.model.inbox)):
        with engine.begin() as conn:
            raw: Any = conn.connection.dbapi_connection
            raw.executescript("".join(f"DELETE FROM {t.name};" for t in reversed(tables.sorted_tables)))
    return store


class OneConnection:
    """Stands for hub.intake.connections.Connections: one connection, read when it was forgotten."""

    def __init__(self, store: Store, crm: CRM) -> None:
        self._store, self._crm, self._live = store, crm, None
        self.others: dict[str, Live] = {}

    def by_id(self, connection_id: str) -> Any:
        if connection_id != CRM_ID:
            return self.others.get(connection_id)
        if self._live is None:
            with self._store.read() as conn:
                row = conn.execute(select(connection).where(connection.c.id == connection_id)).one()
            self._live = Live(row, self._crm)  # type: ignore[assignment]
        return self._live

    def forget(self) -> None:
        self._live = None


# ── workers ──────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Worker:
    """A task under way, standing at a seam since `since`."""

    name: str
    run: greenlet
    at: str = ""
    since: int = 0


@dataclass
class World:
    """One schedule."""

    chance: random.Random
    profile: str
    steps: int = 60
    clock: FixedClock = field(init=False)
    workers: list[Worker] = field(default_factory=list)
    trace: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    late: list[tuple[int, Callable[[], object]]] = field(default_factory=list)
    hub_edits: dict[tuple[str, str, str], Any] = field(default_factory=dict)
    crm_edits: dict[tuple[str, str], Any] = field(default_factory=dict)
    replaced: dict[tuple[str, str, str], set[Any]] = field(default_factory=lambda: defaultdict(set))
    tags_here: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    tags_there: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    untagged: set[str] = field(default_factory=set)
    calm: bool = False
    marks: dict[str, int] = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)
    audit: Any = None
    resumed: int = 0

    def __post_init__(self) -> None:
        strategy, facts = PROFILES[self.profile]
        self.clock = FixedClock(randomness=random.Random(5))
        self.crm = FakeCRM(self.clock, facts, strategy == "native")
        self.store = emptied(self.clock)
        self.store.__dict__["seam"] = self.seam
        self.crm.seam, self.crm.fault, self.crm.reader = self.seam, self.fault, lambda: id(getcurrent())
        self.faulty = self.chance.choice([0.0, 0.1, 0.3])
        self.hooks_lost = self.chance.choice([0.3, 0.3, 1.0])
        self.brake = self.chance.choice([0, 0, 2])
        self.tokens = iter(range(1, 100_000))
        self.aside = random.Random(repr(self.chance.getstate())[:99])  # takes no chance from anything else
        self._furnish(strategy)
        self.places = OneConnection(self.store, self.crm)
        self.inquiries, self.firms = Inquiries(self), Firms(self)
        self.places.others[FORM_ID] = self.inquiries.live
        self.accounts = Accounts(self.store, self.clock, self.places)  # type: ignore[arg-type]
        self.pusher = Pusher(self.store, self.clock, self.accounts)
        self.puller = Puller(self.store, self.clock, self.accounts)
        self.auditor = Auditor(self.store, self.clock, self.accounts, self.puller)
        found = self.accounts.get(CRM_ID)
        assert found is not None
        self.account: Account = found

    def _furnish(self, strategy: str) -> None:
        with self.store.hub.begin() as conn:
            self.direction = add_direction(conn, self.clock, "Windows", main=True)
            people = {"login": "v", "name": "V", "password_hash": "", "role": "sales", "active": True}
            conn.execute(member.insert().values(id="vera", created_at=1, locale="en", **people))
            config = {
                "placement": placement_json(strategy, table(strategy, self.direction)), "parallel": 1, "poll_s": 15,
                "strangers": "import", "checked": 1, "skew_s": 2, "audit_s": 0,
                "brake": self.brake,
            }  # fmt: skip
            values = {"id": CRM_ID, "kind": "crm", "connector": "fake", "config": config, "mapping": MAPPING}
            row = {**values, "token": "t", "name": "Fake", "fingerprint": "fake-1", "created_at": 1}
            conn.execute(connection.insert().values(row))

    # ── seams ────────────────────────────────────────────────────────────────────────────────────

    def seam(self, name: str) -> None:
        me = getcurrent()
        if me.parent is not None and not self.calm:
            me.parent.switch(name)

    def fault(self, call: str) -> str:
        if self.calm or self.chance.random() >= self.faulty:
            return ""
        kinds = ["429", "before", "after", "partial"] if call == "write" else ["429", "error"]
        return self.chance.choice(kinds)

    def start(self) -> None:
        task = self.chance.choice(["push", "push", "push", "pull", "pull", "flow"])
        if not self.has_work(task):
            self.pass_time(1)
            return
        work = {"push": self.pusher.drain, "pull": self.puller.step, "flow": lambda _crm: self.inquiries.flow.step()}
        self.hire(task, partial(work[task], CRM_ID))

    def hire(self, name: str, work: Callable[[], object]) -> None:
        """Somebody begins this work, and stands before its first step."""

        def body() -> None:
            with suppress(Killed):
                work()

        self.workers.append(Worker(name, greenlet(body), "start", self.clock.now()))

    def has_work(self, task: str) -> bool:
        """Whether a worker would find anything; one that finds nothing is no interesting schedule."""
        if task == "flow":
            return self.inquiries.flow._anything_due(self.clock.now())
        raw = self.store.raw
        due = {
            "push": "SELECT 1 FROM link WHERE dirty > 0 AND due_at <= ? "
            "AND state IN ('new','sending','uncertain','linked')",
            "pull": "SELECT 1 WHERE EXISTS (SELECT 1 FROM look_again) "
            "OR (SELECT COUNT(*) FROM pull_state WHERE due_at > ?) < 2",
        }[task]
        return raw.execute(due, (self.clock.now(),)).fetchone() is not None

    def run_on(self, worker: Worker) -> None:
        """To its next seam, or to its end."""
        told = worker.run.switch()
        if worker.run.dead:
            self.workers.remove(worker)
        else:
            worker.at, worker.since = str(told), self.clock.now()
            self.say(f"{worker.name} {told}")

    def kill(self, worker: Worker) -> None:
        """Its request may still be on the way to the CRM."""
        self.counts["kills"] += 1
        self.workers.remove(worker)
        if worker.at == "write<" and self.chance.random() < 0.5:
            ops = self.going_out(worker)
            due = worker.since + self.chance.randrange(DEAD_AFTER)
            self.late.append((due, lambda: [self.crm.effect(op) for op in ops]))
        if worker.at != "start":
            worker.run.throw(Killed)

    @staticmethod
    def going_out(worker: Worker) -> Any:
        """The operations of the call at whose door it stands."""
        frame = worker.run.gr_frame
        while frame is not None and frame.f_code.co_name != "write":
            frame = frame.f_back
        return frame.f_locals["ops"] if frame is not None and "ops" in frame.f_locals else ()

    def pass_time(self, seconds: float) -> None:
        """Nothing of ours lives longer than the CRM declares: who still stands in a call then is gone."""
        self.clock.advance(seconds)
        for worker in list(self.workers):
            in_a_call = worker.at.endswith(("<", ">")) and not worker.at.startswith("tx")
            if in_a_call and self.clock.now() - worker.since >= DEAD_AFTER:
                self.kill(worker)
        for one in [one for one in self.late if one[0] <= self.clock.now()]:
            self.late.remove(one)
            self.say("late request arrives")
            one[1]()

    def say(self, what: str) -> None:
        self.trace.append(f"{self.clock.now()} {what}")

    # ── a schedule ───────────────────────────────────────────────────────────────────────────────

    def play(self) -> list[str]:
        """Run it; answers what was violated."""
        for _step in range(self.steps):
            self.act()
            self.watch()
        while self.workers:
            self.kill(self.workers[-1])
        self.pass_time(DEAD_AFTER / 1000)
        self.settle()
        self.check()
        return [*self.wrong, *self.crm.wrong]

    def act(self) -> None:
        x = self.chance.random()
        if x < 0.03 and any(worker.at == "tx<" for worker in self.workers):
            self.say("frozen")
            self.pass_time(200)
            self.start()
        elif x < 0.30:
            for _act in range(self.chance.choice([1, 1, 2, 4])):
                self.people()
        elif x < 0.34 and self.workers:
            self.say("kill")
            self.kill(self.chance.choice(self.workers))
        elif x < 0.42:
            self.pass_time(self.chance.choice([0.5, 1, 2, 4, 8, 20, 200]))
        elif x < 0.48:
            self.hook()
        else:
            for _seam in range(self.chance.choice([1, 3, 10, 40])):
                if not self.workers or (len(self.workers) < 3 and self.chance.random() < 0.15):
                    self.start()
                if self.workers:
                    self.run_on(self.chance.choice(self.workers))
                self.watch_cursor()

    def hook(self) -> None:
        if not self.crm.hints:
            return
        kind, ref = self.crm.hints.pop(self.chance.randrange(len(self.crm.hints)))
        if self.chance.random() < 0.25:
            self.crm.hints.append((kind, ref))
        if self.chance.random() >= self.hooks_lost:
            with self.store.hub.begin() as conn:
                place = {"connection_id": CRM_ID, "kind": kind, "remote_id": ref}
                add_unless_there(conn, look_again, {**place, "at": self.clock.now(), "times": 1})

    def token(self) -> str:
        return f" v{next(self.tokens)} " if self.chance.random() < 0.3 else f"v{next(self.tokens)}"

    def tagged(self, held: Any, told: set[str]) -> list[str]:
        """What somebody makes of a card's tags: one more, or one less."""
        tags = list(held or ())
        if tags and self.aside.random() < 0.4:
            self.untagged.add(tags.pop(self.aside.randrange(len(tags))))
            return tags
        tag = f"t{self.aside.getrandbits(40)}"
        told.add(tag)
        return [*tags, tag]

    # ── people ───────────────────────────────────────────────────────────────────────────────────

    def people(self) -> None:
        acts = [
            self.new_lead, self.new_lead, self.edit_here, self.edit_here, self.edit_here, self.move_here,
            self.convert_here, self.revert_here, self.reject_here, self.new_card, self.edit_there, self.edit_there,
            self.edit_there, self.drag, self.drag, self.delete_there, self.merge_there, self.same_edit,
            self.clear_there, self.collide, self.collide, self.inquire, self.inquire, self.remap, self.spoil,
            self.switch_on, self.rehang_here, self.rehang_there, self.rehang_there, *self.firms.acts,
        ]  # fmt: skip
        act = self.chance.choice(acts)
        self.say(act.__name__)
        with self.store.hub.begin() as conn:
            try:
                act(conn)
            except moves.NotPossible as error:
                self.say(error.code)

    def pick(self, conn: Connection, table: Any, *where: Any) -> Any:
        rows = conn.execute(select(table).where(*where).order_by(table.c.id)).all()
        return self.chance.choice(rows) if rows else None

    def new_lead(self, conn: Connection) -> None:
        now, contact_id, lead_id = self.clock.now(), self.clock.new_id(), self.clock.new_id()
        title = self.token().strip()
        conn.execute(contact.insert().values(id=contact_id, name=self.token(), created_at=now, updated_at=now))
        step = {"next_step": "call", "next_step_at": now, "owner_id": "vera", "opened_at": now, "active_at": now}
        values = {"id": lead_id, "contact_id": contact_id, "direction_id": self.direction, "stage": "new"}
        tags = [f"t{self.aside.getrandbits(40)}" for _ in range(self.aside.choice([0, 0, 1, 3]))]
        self.tags_here[lead_id].update(tags)
        conn.execute(lead.insert().values(**values, **step, title=title, text="said", tags=tags))
        for role, record in (("contact", contact_id), ("lead", lead_id)):
            link_row = {"id": self.clock.new_id(), "connection_id": CRM_ID, "role": role, "record_id": record}
            conn.execute(link.insert().values(**link_row, state="new", dirty=1, lane=FRESH, due_at=now, since=now))
        self.hub_edits["lead", lead_id, "title"] = title

    def inquire(self, _conn: Connection) -> None:
        """A form is sent: a new one, or one whose sender was not answered, or was and comes again all the same."""
        known = [*self.inquiries.unheard(), *list(self.inquiries.posts)[-1:]]
        key = self.chance.choice(known) if known and self.chance.random() < 0.5 else self.inquiries.write()
        for _copy in range(self.chance.choice([1, 1, 2])):
            self.hire("sender", partial(self.inquiries.send, key))

    def remap(self, conn: Connection) -> None:
        """X37: an admin changes the mapping, or takes the change back, whatever runs."""
        if self.chance.random() < 0.3:
            now = conn.execute(select(connection.c.mapping).where(connection.c.id == CRM_ID)).scalar()
            self.change(conn, mapping=OTHER_MAPPING if now == MAPPING else MAPPING)

    def switch_on(self, conn: Connection) -> None:
        """An admin looks at a connection that stopped, and lets it go on."""
        state = conn.execute(select(connection.c.state).where(connection.c.id == CRM_ID)).scalar()
        if state == "paused":
            self.change(conn, state="active", why="")
            self.resumed = self.clock.now()

    def change(self, conn: Connection, **values: Any) -> None:
        conn.execute(update(connection).where(connection.c.id == CRM_ID).values(values))
        self.places.forget()

    def edit_here(self, conn: Connection) -> None:
        fields = [
            (contact, "contact", "name"), (contact, "contact", "company"), (contact, "contact", "position"),
            (contact, "contact", "language"), (lead, "lead", "title"), (lead, "lead", "temperature"),
            (deal, "deal", "title"), (deal, "deal", "currency"),
        ]  # fmt: skip
        table, role, name = self.chance.choice(fields)
        alive = () if table is contact else (table.c.state == "open",)
        if row := self.pick(conn, table, *alive):
            self.edited(conn, table, role, row.id, name, self.token().strip())

    def edited(self, conn: Connection, table: Any, role: str, record: str, name: str, value: str) -> None:
        before = conn.execute(select(table.c[name]).where(table.c.id == record)).scalar()
        self.replaced[role, record, name].add(before)
        if table is contact:
            enter(conn, record, {name: value}, "member:v", self.clock.now())
        else:
            conn.execute(update(table).where(table.c.id == record).values({name: value}))
        if name == "title" and self.aside.random() < 0.5:
            held = conn.execute(select(table.c.tags).where(table.c.id == record)).scalar()
            tags = self.tagged(held, self.tags_here[record])
            conn.execute(update(table).where(table.c.id == record).values(tags=tags))
        mark_dirty(conn, self.clock, [record])
        self.hub_edits[role, record, name] = value

    def same_edit(self, conn: Connection) -> None:
        """Both sides type the same."""
        row = self.pick(conn, link, link.c.role == "lead", link.c.state == "linked")
        there = self.crm.rows.get(row.remote_id) if row else None
        if there is not None and not there.deleted:
            value = self.token().strip()
            self.edited(conn, lead, "lead", row.record_id, "title", value)
            self.crm.edit(there, title=value)
            self.crm_edits[there.ref, "title"] = value

    def collide(self, conn: Connection) -> None:
        """Both sides type something else into one field."""
        row = self.pick(conn, link, link.c.state == "linked")
        there = self.crm.rows.get(row.remote_id) if row else None
        if there is None or there.deleted or row.role == "deal":
            return
        fields = {"contact": (contact, "name"), "company": (company, "name"), "lead": (lead, "title")}
        table, name = fields[row.role]
        self.edited(conn, table, row.role, row.record_id, name, self.token().strip())
        value = self.token()
        self.crm.edit(there, **{name: value}, **self.tags_beside(there, name))
        self.crm_edits[there.ref, name] = tidy(value)

    def move_here(self, conn: Connection) -> None:
        if self.chance.random() < 0.5 and (row := self.pick(conn, lead, lead.c.state == "open")):
            moves.move_lead(conn, self.clock, row.id, self.chance.choice(["silent", "cold", "warm", "hot"]), "member:v")
        elif row := self.pick(conn, deal, deal.c.state == "open"):
            key = self.chance.choice(["created", "in_work", "offer_sent", "won"])
            moves.move_deal(conn, self.clock, row.id, key, "member:v")

    def reject_here(self, conn: Connection) -> None:
        if self.chance.random() < 0.5 and (row := self.pick(conn, lead, lead.c.state == "rejected")):
            moves.reopen_lead(conn, self.clock, row.id, "cold", "member:v")
        elif row := self.pick(conn, lead, lead.c.state == "open"):
            moves.reject_lead(conn, self.clock, row.id, "no money", "member:v")

    def convert_here(self, conn: Connection) -> None:
        if row := self.pick(conn, lead, lead.c.state == "open"):
            moves.convert_lead(conn, self.clock, row.id, "member:v")

    def revert_here(self, conn: Connection) -> None:
        row = self.pick(conn, deal, deal.c.state == "open", deal.c.lead_id.is_not(None))
        if row and self.chance.random() < 0.5:
            moves.revert_conversion(conn, self.clock, row.id, "warm", "member:v")

    # on the other side

    def new_card(self, _conn: Connection) -> None:
        """A person makes a card, with or without a contact, on any stage."""
        links = {}
        if self.chance.random() < 0.7:
            links["people"] = (self.crm.make("people", {"name": self.token()}).ref,)
        kind = self.chance.choice([self.crm.lead_kind, self.crm.deal_kind])
        values = {"title": self.token(), **self.place(kind)}
        made = self.crm.make(kind, values, links=links)
        self.crm_edits[made.ref, "title"] = tidy(values["title"])

    def place(self, kind: str) -> dict[str, Any]:
        """Fields of a place of the table, sometimes of one that nobody knows."""
        rows = [row for row in self.account.placement.rows if self.account.kind(row[0]) == kind]
        row = self.chance.choice(rows)
        stage = "unknown" if self.chance.random() < 0.05 else row[4]
        flag = {"type": row[0]} if self.profile == "flag" else {}
        return {"pipeline": row[3], "stage": stage, **flag}

    def edit_there(self, _conn: Connection) -> None:
        if rows := self.crm.live("people", "cards", "leads"):
            row = self.chance.choice(rows)
            names = ["name", "company", "position", "language"] if row.kind == "people" else ["title", "temp", "amount"]
            name, value = self.chance.choice(names), self.token()
            self.crm.edit(row, **{name: value}, **self.tags_beside(row, name))
            self.crm_edits[row.ref, name] = tidy(value)

    def tags_beside(self, row: Any, name: str) -> dict[str, Any]:
        """Who edits the title of a card edits its tags, too, every other time."""
        if name != "title" or self.aside.random() < 0.5:
            return {}
        held, room = list(row.values.get("tags") or ()), self.crm.facts.room.get(row.kind, {}).get("tags", 0)
        if room and len(held) >= room:
            self.untagged.add(held.pop(self.aside.randrange(len(held))))  # to make room for another one
        return {"tags": self.tagged(held, self.tags_there[row.ref])}

    def rehang_here(self, conn: Connection) -> None:
        """A card is another contact's from now on, maybe of one whom no CRM knows; a lead only of one who has no open
        lead."""
        table = self.chance.choice([lead, deal])
        row = self.pick(conn, table, table.c.state == "open")
        if row is not None and self.chance.random() < 0.3:
            who = {"id": self.clock.new_id(), "name": self.token(), "updated_at": self.clock.now()}
            conn.execute(contact.insert().values(**who, created_at=self.clock.now()))
        other = self.pick(conn, contact, contact.c.merged_into.is_(None))
        busy = other is not None and self.pick(conn, lead, lead.c.contact_id == other.id, lead.c.state == "open")
        if row is not None and other is not None and not busy:
            conn.execute(update(table).where(table.c.id == row.id).values(contact_id=other.id))
            mark_dirty(conn, self.clock, [row.id])

    def rehang_there(self, _conn: Connection) -> None:
        """A person hangs a card on another contact."""
        rows, people = self.crm.live("cards", "leads"), self.crm.live("people")
        if rows and people:
            self.crm.hang(self.chance.choice(rows), "people", self.chance.choice(people))

    def clear_there(self, _conn: Connection) -> None:
        if rows := self.crm.live("people"):
            row = self.chance.choice(rows)
            self.crm.edit(row, company="")
            self.crm_edits.pop((row.ref, "company"), None)

    def drag(self, _conn: Connection) -> None:
        rows = [row for row in self.crm.live("cards", "leads") if row.values.get("stage") != "converted"]
        if not rows:
            return
        row = self.chance.choice(rows)
        if row.kind == "leads" and self.chance.random() < 0.5:
            deal_row = self.crm.make(
                "cards", {"title": row.values.get("title"), **self.place("cards")}, links=row.links
            )
            self.crm.convert_row(row, deal_row)
        else:
            place = self.place(row.kind)
            self.crm.edit(row, **place)
            self.crm_edits.pop((row.ref, "stage"), None)
            if place["stage"] == "unknown":
                self.crm_edits[row.ref, "stage"] = "unknown"

    def delete_there(self, _conn: Connection) -> None:
        rows = self.crm.live("people", "cards", "leads")
        if rows and self.chance.random() < 0.4:
            row = self.chance.choice(rows)
            row.deleted = True
            self.deleted.add(row.ref)
            self.crm.touch(row)

    def spoil(self, _conn: Connection) -> None:
        """X33: one record breaks every write it is part of, for ever."""
        rows = self.crm.live("people", "cards", "leads")
        if rows and not self.crm.poison and self.chance.random() < 0.8:
            self.crm.poison.add(self.chance.choice(rows).ref)

    def merge_there(self, _conn: Connection) -> None:
        rows = self.crm.live(self.chance.choice(["people", "cards"]))
        if len(rows) > 1 and self.chance.random() < 0.4:
            winner, loser = self.chance.sample(rows, 2)
            self.crm.merge_rows(winner, loser)

    # ── calm ─────────────────────────────────────────────────────────────────────────────────────

    def settle(self) -> None:
        """People and faults stop. It takes no human (but for one who looks at a connection that stopped), and a
        bounded number of looks."""
        self.calm = True
        self.crm.hints.clear()
        with self.store.hub.begin() as conn:
            self.switch_on(conn)
            self.change(conn, config={**self.account.live.row.config, "brake": 0})
        for key in self.inquiries.unheard():
            self.inquiries.send(key)
        self.clock.advance(100)
        self.inquiries.flow.drain()
        for wait in (200, 40, 25, 25, 25, 40, 40, 40, 40, 40):
            self.clock.advance(wait)
            before = self.crm.writes
            self.puller.step(CRM_ID)
            self.pusher.drain(CRM_ID)
            if wait == 40 and self.crm.writes == before and not self.due():
                break
        self.clock.advance(100)
        self.auditor.run(CRM_ID)
        with self.store.read() as conn:
            self.audit = conn.execute(select(audit_run).where(audit_run.c.connection_id == CRM_ID)).one()
        for _round in range(2):
            self.pusher.drain(CRM_ID)
            self.clock.advance(40)
            self.puller.step(CRM_ID)
        self.pusher.drain(CRM_ID)

    def due(self) -> bool:
        moving = link.c.state.in_(("new", "sending", "uncertain", "linked")) & (link.c.dirty > 0)
        with self.store.read() as conn:
            return conn.execute(select(link.c.id).where(moving).limit(1)).first() is not None

    # ── what must hold at every step ─────────────────────────────────────────────────────────────

    def watch(self) -> None:
        """I7 for every reader: a closed lead has its deal. The brake: no more changes an hour than were allowed."""
        with self.store.hub.begin() as conn:
            raw: Any = conn.connection.dbapi_connection
            lone = raw.execute(
                "SELECT id FROM lead WHERE state = 'converted' AND NOT EXISTS "
                "(SELECT 1 FROM deal WHERE deal.lead_id = lead.id AND deal.state <> 'reverted')"
            ).fetchall()
            asked = "SELECT COUNT(*) FROM sync_write WHERE side = 'crm' AND at > ?"
            done = raw.execute(asked, (max(self.resumed, self.clock.now() - 3_600_000),)).fetchone()[0]
        self.wrong += [f"I7 closed without a deal: {row[0]}" for row in lone]
        if self.brake and done > self.brake:
            self.wrong.append(f"brake: {done} changes since {self.resumed}, {self.brake} are allowed")

    def watch_cursor(self) -> None:
        """I11: never backwards, never past what must be visible."""
        raw = self.store.raw
        for kind, cursor in raw.execute("SELECT kind, cursor FROM pull_state").fetchall():
            if not cursor:
                continue
            since = orjson.loads(cursor)["since"]
            facts = self.crm.facts
            if since < self.marks.get(kind, 0) or since > self.clock.now() - (facts.lag + facts.precision) * 1000:
                self.wrong.append(f"I11 cursor of {kind}: {self.marks.get(kind)} → {since}")
            self.marks[kind] = since

    def check(self) -> None:
        from tests.sync.invariants import violations

        self.wrong += [*violations(self), *self.inquiries.violations(), *self.store.__dict__["fence"].wrong]

    @property
    def digest(self) -> str:
        return hashlib.sha256("\n".join(self.trace).encode()).hexdigest()


def table(strategy: str, direction: str) -> list[tuple[str, str, str, str, str]]:
    """Every stage of the hub has its place; the closing ones share one where the CRM has only one."""
    rows = []
    for block, stages in (("lead", LEAD_STAGES), ("deal", DEAL_STAGES)):
        if block == "lead" and strategy == "held":
            continue
        pipeline = {"two_pipelines": f"p-{block}", "native": "" if block == "lead" else "p"}.get(strategy, "p")
        for one in stages:
            ref = {"rejected": "L", "lost": "L", "won": "W"}.get(one.final, f"{block}-{one.key}")
            rows.append((block, direction, one.key, pipeline, ref))
    rows.append(("deal", direction, "in_work", "p-deal" if strategy == "two_pipelines" else "p", "deal-extra"))
    return rows


def schedule(seed: int, profile: str = "", steps: int = 0) -> World:
    """A world that was played to its end."""
    chance = random.Random(seed)
    name = profile or chance.choice(sorted(PROFILES))
    world = World(chance, name, steps or chance.choice([8, 15, 30]))
    world.play()
    return world
