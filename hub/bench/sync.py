"""What two-way sync costs in calls, counted against the least a vendor's interface allows; and who waits for whom.

The stand-ins of all CRMs play the other side in this process, on a clock that moves only when something waits: calls
and waits are counted, not the speed of this machine. Only `reconcile_per_s` is measured in CPU time.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from sqlalchemy import func, select, text, update

from connectors import registry
from connectors.contract import Changes, Op
from connectors.errors import ConnectorError
from connectors.http import Gate, Wire
from hub.app import Hub, open_hub
from hub.bench.scale import Scale
from hub.clock import SECOND, FixedClock
from hub.config import load_config
from hub.model import connection, contact, contact_point, lead, link, sync_write
from hub.setup import add_connection, add_member, first_setup
from hub.store.notes import FRESH, REST
from hub.sync.account import Account, make_account
from hub.sync.plan import Memory, reconcile
from hub.sync.split import Placement
from hub.told import Unusable

TOKEN = "sandbox-token"  # noqa: S105 - of stand-ins only
CREATE: Mapping[str, tuple[int, int]] = {
    "amocrm": (50, 0), "bitrix24": (25, 0), "hubspot": (100, 100), "odoo": (1000, 1000), "pipedrive": (1, 1),
    "salesforce": (400, 0), "zoho": (100, 100), "twenty": (60, 60), "espocrm": (1, 1), "bottlecrm": (1, 1),
    "tryton": (100, 100),
}  # fmt: skip
"""Leads and contacts per call at best; no contacts: they travel in the lead's call."""
PAGE: Mapping[str, int] = {
    "amocrm": 250, "bitrix24": 50, "hubspot": 200, "odoo": 1000, "pipedrive": 500, "salesforce": 2000, "zoho": 200,
    "twenty": 60, "espocrm": 200, "bottlecrm": 1000, "tryton": 1000,
}  # fmt: skip
"""Changed records per call at best. The other kinds cost one call each, as in an idle cycle."""
SETTINGS: Mapping[str, Mapping[str, str]] = {
    "bitrix24": {"webhook": "{address}/rest/1/" + TOKEN + "/"},
    "odoo": {"key": TOKEN, "database": "odoo", "login": "admin"},
    "tryton": {"database": "tryton", "user": "hub", "password": TOKEN},
    "espocrm": {"key": TOKEN, "admin": "admin", "password": TOKEN},
}
"""What a stand-in wants beside its address and its token."""
COME, EVERY_MS = 150, 370
"""So many fresh leads come during the backfill at most, one in so many ms."""
QUEUED, AHEAD = 100, 1
"""So many records wait for each of its leads during the backfill (a hundred thousand), and since when (ms) those have
been due that are written first."""
ENOUGH = 200
"""Old cards of which half are more than a batch of what can wait."""
HOUR_S = 3600
HANDFUL = 20
"""So many records people change within a second."""
RATE = 7
"""Calls a second of a real amoCRM account."""


def measure(folder: Path, scale: Scale) -> Mapping[str, Any]:
    """Ratios of calls per CRM that has a stand-in, calls while nothing happens, the wait of a fresh lead, and the speed
    of comparing."""
    size = max(50, scale.leads // 4)
    ratios: dict[str, float] = {}
    idle: dict[str, float] = {}
    left_out: dict[str, str] = {}
    for name in registry.names("crms"):
        try:
            create, pull, quiet = _calls(folder / name, name, size)
        except (ConnectorError, ImportError, RuntimeError, Unusable) as error:
            left_out[name] = str(error)[:200]
            continue
        ratios |= {f"calls_create.{name}": create, f"calls_pull.{name}": pull}
        idle[f"idle_calls_per_kind.{name}"] = quiet
    return {
        "bench": "sync",
        "ratios": ratios,
        "figures": {
            **idle,
            "fresh_p99_s_during_backfill": _fresh(folder / "fresh", size),
            "reconcile_per_s": _reconciled(scale),
        },
        "yardsticks": {"leads": size, "not_measured": left_out},
    }


# ── a hub beside a stand-in ──────────────────────────────────────────────────────────────────────


@dataclass
class Calls:
    """What goes out: how many calls so far, and who wants to know before each of them."""

    made: int = 0
    before: Callable[[], None] = lambda: None


@dataclass
class Beside:
    """A hub in this process and the stand-in it speaks to; `calls` counts what goes out."""

    hub: Hub
    clock: FixedClock
    crm_id: str
    direction: str
    owner: str
    calls: Calls

    @property
    def account(self) -> Account:
        found = self.hub.accounts.get(self.crm_id)
        if found is None:
            with self.hub.store.read() as conn:
                why = conn.execute(select(connection.c.why)).scalar()
            raise RuntimeError(f"The connection does not work: {why}")
        return found

    def add(self, count: int, lane: int = FRESH, first: int = 0) -> list[str]:
        """Leads with their contacts, ready to travel; answers the ids of the leads."""
        now, new_id = self.clock.now(), self.clock.new_id
        people = [
            {"id": new_id(), "name": f"Person {first + n}", "created_at": now, "updated_at": now} for n in range(count)
        ]
        step = {
            "next_step": "first_touch",
            "next_step_at": now,
            "owner_id": self.owner,
            "opened_at": now,
            "active_at": now,
        }
        leads = [
            {"id": new_id(), "contact_id": one["id"], "direction_id": self.direction, "stage": "new",
             "title": f"Lead of {one['name']}", "text": "Two windows, please", **step}
            for one in people
        ]  # fmt: skip
        points = [
            {"contact_id": one["id"], "kind": "phone", "value": f"+7916{first + n:07}", "raw": "", "ext": "",
             "flags": [], "attested": False, "first_seen_at": now}
            for n, one in enumerate(people)
        ]  # fmt: skip
        links = [
            {"id": new_id(), "connection_id": self.crm_id, "role": role, "record_id": row["id"], "state": "new",
             "dirty": 1, "lane": lane, "due_at": now, "since": now}
            for role, rows in (("contact", people), ("lead", leads))
            for row in rows
        ]  # fmt: skip
        with self.hub.store.write() as conn:
            for table, rows in ((contact, people), (contact_point, points), (lead, leads), (link, links)):
                conn.execute(table.insert(), rows)
        return [str(row["id"]) for row in leads]

    def push(self) -> None:
        """Until everything is over there."""
        for _round in range(60):
            self.hub.pusher.drain(self.crm_id)
            if not self.waiting():
                return
            self.clock.advance(2)
        raise RuntimeError(f"{self.waiting()} records did not arrive: {self.trouble()}")

    def waiting(self) -> int:
        moving = link.c.state.in_(("new", "sending", "uncertain", "parked")) | (link.c.dirty > 0)
        with self.hub.store.read() as conn:
            return int(conn.execute(select(func.count()).where(moving, link.c.state != "history")).scalar() or 0)

    def trouble(self) -> str:
        with self.hub.store.read() as conn:
            return str(conn.execute(select(link.c.why).where(link.c.why != "").limit(1)).scalar())


@contextmanager
def beside(folder: Path, name: str, rate: int | None = None) -> Iterator[Beside]:
    """Set the stand-in of a CRM up. `rate` calls a second are taken (None: any) and kept by us."""
    stand_in = importlib.import_module(f"connectors.crms.{name}.sandbox")
    clock = FixedClock()
    app = stand_in.create_sandbox(clock=lambda: clock.now() / 1000, rate=rate)
    counted = Calls()
    with stand_in.serving(app) as address:
        folder.mkdir(parents=True)
        config = load_config(folder, env={}, allowed_hosts=(address.removeprefix("http://"),))
        hub = open_hub(config, clock)
        hub.http = _wires(clock, config.allowed_hosts, rate, counted)
        try:
            yield _furnished(hub, clock, name, address, rate, counted)
        finally:
            hub.close()


def _wires(clock: FixedClock, hosts: tuple[str, ...], rate: int | None, counted: Calls) -> Any:
    """One way out whose waits pass in the bench's time and whose calls are counted."""
    gate = Gate((rate - 1, 1.0) if rate else None, clock=clock.monotonic, sleep=clock.sleep)

    def wire(_row: Any) -> Wire:
        made = Wire(gate, allow=hosts)
        send = made.send

        def counting(*args: Any, **kwargs: Any) -> Any:
            counted.before()
            counted.made += 1
            return send(*args, **kwargs)

        made.send = counting  # type: ignore[method-assign]
        return made

    return wire


def _furnished(hub: Hub, clock: FixedClock, name: str, address: str, rate: int | None, counted: Calls) -> Beside:
    told = {"address": address, "token": TOKEN, **SETTINGS.get(name, {})}
    values = {key: value.format(address=address) for key, value in told.items()}
    with hub.store.write() as conn:
        direction = first_setup(conn, clock, "Windows", "en")
        owner = add_member(conn, clock, "vera@bench.test", "Vera", "bench-password", "sales")
        config = {"parallel": 1, "audit_s": 0, **({} if rate else {"unlimited": True})}
        crm_id = add_connection(conn, clock, hub.vault, registry.crm(name), name, values, "RU", config)
    hub.provision.apply(crm_id, hub.provision.plan(crm_id))
    clock.advance(2)
    return Beside(hub, clock, crm_id, direction, owner, counted)


# ── calls ────────────────────────────────────────────────────────────────────────────────────────


def _calls(folder: Path, name: str, size: int) -> tuple[float, float, float]:
    """Calls used against the least possible: for making `size` leads with contacts, and for as many changes; and calls
    for each look at a kind while nothing happens."""
    with beside(folder, name) as made:
        _calm(made)
        before = made.calls.made
        made.add(size)
        made.push()
        created = made.calls.made - before
        _calm(made)
        _calm(made)
        _edit_there(made)
        made.clock.advance(made.account.lag + 600)
        before = made.calls.made
        made.hub.puller.step(made.crm_id)
        pulled = made.calls.made - before
        kinds = len(made.account.kinds) + len(made.account.crm.activity_kinds)
        idle = _idle(made, HOUR_S if size >= HANDFUL * HANDFUL else HOUR_S // 60)
    per_call, contacts = CREATE.get(name, (1, 1))
    least_create = ceil(size / per_call) + (ceil(size / contacts) if contacts else 0)
    least_pull = ceil(size / PAGE.get(name, 100)) + kinds - 1
    return round(created / least_create, 3), round(pulled / least_pull, 3), idle


def _idle(made: Beside, seconds: float) -> float:
    """Calls for each look at a kind, hourly looks into bins and archives included, as often as the CRM is polled."""
    _calm(made)
    crm, looks = made.account.crm, 0
    changes = crm.changes

    def counted(kind: str, cursor: str) -> Changes:
        nonlocal looks
        page = changes(kind, cursor)
        looks += not page.more
        return page

    crm.changes = counted  # type: ignore[method-assign]
    before, end = made.calls.made, made.clock.now() + seconds * SECOND
    while made.clock.now() < end:
        made.clock.advance(crm.facts.poll_every)
        made.hub.puller.step(made.crm_id)
    return round((made.calls.made - before) / looks, 3)


def _calm(made: Beside) -> None:
    """Everything that is there has been read, and lies behind the overlap of the next scan."""
    made.clock.advance(made.account.lag + 600)
    made.hub.puller.step(made.crm_id)
    made.hub.pusher.drain(made.crm_id)


def _edit_there(made: Beside) -> None:
    """People over there change the title of every lead."""
    account = made.account
    line = account.mapping.line(account.faces["lead"].section, "title")
    if line is None:
        raise RuntimeError("The mapping has no title to change")
    with made.hub.store.read() as conn:
        refs = list(
            conn.execute(select(link.c.remote_id).where(link.c.role == "lead", link.c.state == "linked")).scalars()
        )
    ops = [Op(account.kind("lead"), {line.crm: f"Changed {ref}"}, ref=str(ref)) for ref in refs]
    for start in range(0, len(ops), HANDFUL):
        account.crm.write(ops[start : start + HANDFUL])
        made.clock.advance(1)


# ── a fresh lead during a backfill ───────────────────────────────────────────────────────────────


def _fresh(folder: Path, size: int) -> float:
    """Seconds until a fresh lead is over there, 99 of 100, while old cards are written at the account's limit. They
    come at any moment, mostly while a batch of old ones is on its way; behind those wait a hundred times as many."""
    waits: list[float] = []
    fresh: dict[str, int] = {}
    queued = size * QUEUED
    with beside(folder, "amocrm", RATE) as made:
        old = made.add(max(size, ENOUGH), REST, first=1_000_000)
        made.push()
        _queue(made, queued)
        due = [made.clock.now() + n * EVERY_MS for n in range(min(COME, size))]

        def come() -> None:
            while due and due[0] <= made.clock.now():
                at = due.pop(0)
                (lead_id,) = made.add(1, FRESH, first=len(due))
                fresh[lead_id] = at

        made.calls.before = come
        while due or fresh:
            _backfill(made, old)
            come()
            made.hub.pusher.step(made.crm_id)
            made.clock.advance(0.01)
            waits += _arrived(made, fresh)
        if made.waiting() < queued:
            raise RuntimeError("The backfill ran dry: fresh leads had nobody before them")
    waits.sort()
    return round(waits[min(len(waits) - 1, len(waits) * 99 // 100)], 3)


def _backfill(made: Beside, old: Sequence[str]) -> None:
    """When most old cards have their news, there is more: those that are queued behind them are never reached. Nobody
    has told it before: a fourth time within an hour would be the fight of two programs (hub.sync.fight)."""
    mine = link.c.record_id.in_(old) & (link.c.role == "lead")
    with made.hub.store.read() as conn:
        if (conn.execute(select(func.count()).where(mine, link.c.dirty > 0)).scalar() or 0) > len(old) // 2:
            return
    with made.hub.store.write() as conn:
        conn.execute(update(lead).where(lead.c.id.in_(old)).values(title=lead.c.title + "."))
        conn.execute(update(link).where(mine).values(dirty=link.c.dirty + 1, due_at=AHEAD))
        conn.execute(sync_write.delete())


def _queue(made: Beside, most: int) -> None:
    """Copies of a card that is there: each of them has something to say, and is due after the old ones."""
    told = {
        "id": "'queued' || n", "record_id": "'queued' || n", "remote_id": "'queued' || n", "dirty": "1",
        "lane": str(REST), "due_at": str(AHEAD + 1),
    }  # fmt: skip
    columns = [one.name for one in link.c]
    row = ", ".join(told.get(name, f"one.{name}") for name in columns)
    counted = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < :most)"
    one = "(SELECT * FROM link WHERE role = 'lead' LIMIT 1) AS one"
    copy = f"{counted} INSERT INTO link ({', '.join(columns)}) SELECT {row} FROM c, {one}"  # noqa: S608 - our words
    with made.hub.store.write() as conn:
        conn.execute(text(copy), {"most": most})


def _arrived(made: Beside, fresh: dict[str, int]) -> Sequence[float]:
    """The waits of those that are over there by now."""
    with made.hub.store.read() as conn:
        there = (link.c.role == "lead") & (link.c.state == "linked") & link.c.record_id.in_(list(fresh))
        rows = list(conn.execute(select(link.c.record_id, link.c.seen_at).where(there)))
    return [(row.seen_at - fresh.pop(row.record_id)) / 1000 for row in rows]


# ── comparing ────────────────────────────────────────────────────────────────────────────────────


def _reconciled(scale: Scale) -> int:
    """Cards compared a second of CPU, every third with a change on one side."""
    crm = registry.crm("amocrm")({}, {}, None)  # type: ignore[arg-type]
    row = SimpleNamespace(id="b", mapping="", connector="amocrm", config={})
    slots = make_account(SimpleNamespace(row=row, crm=crm, id="b"), Placement("two_blocks", ())).faces["lead"].slots  # type: ignore[arg-type]
    base = {slot.hub: f"value of {slot.hub}" for slot in slots if slot.hub in ("title", "text", "source", "utm_source")}
    raw = {slot.crm: base[slot.hub] for slot in slots if slot.hub in base}
    hubs = [base, {**base, "title": "changed here"}, base]
    seen = [raw, raw, {**raw, "name": "changed there"}]
    count, begin = max(3000, scale.leads * 3), time.process_time()
    for number in range(count):
        reconcile(slots, Memory(base, raw, {}), hubs[number % 3], seen[number % 3])
    return round(count / (time.process_time() - begin))
