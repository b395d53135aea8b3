"""A whole hub for a test: members, sources, and a CRM set up in the strict stand-in, all on one clock.

`scene(stack)` opens it. With the default clock time stands still until a test moves it: waits of hours cost
nothing, and what is due is exactly what the test says. `REAL` gives the hub's own clock, for tests with
other threads or processes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import Table, select

from connectors import registry
from connectors.contract import Raw
from connectors.crms.amocrm.sandbox import Account, create_sandbox, serving
from connectors.http import Gate, Wire
from hub.app import Hub, open_hub
from hub.clock import Clock, FixedClock, instant
from hub.config import Config, load_config
from hub.intake.accept import Accepted
from hub.model import contact, contact_point, deal, lead, link
from hub.setup import add_connection, add_member, first_setup
from tests.servers import Stack

REAL = Clock()
TOKEN = "sandbox-token"
CRM_USERS = {"vera": 504_101, "oleg": 504_102}


def configured(stack: Stack, address: str = "", **more: Any) -> Config:
    """The configuration of a hub on this stack that may call `address` on loopback."""
    allowed = tuple(filter(None, (address.removeprefix("http://"), *more.pop("allowed", ()))))
    urls = {"database_url": stack.database_url, "inbox_url": stack.inbox_url, "redis_url": stack.redis_url or ""}
    return load_config(stack.folder, env={}, **urls, allowed_hosts=allowed, **more)


@dataclass
class Scene:
    """One hub, its people and sources, and what stands on the other side."""

    hub: Hub
    clock: Clock
    stack: Stack
    crm: Account
    address: str
    crm_id: str = ""
    direction_id: str = ""
    form_id: str = ""
    members: dict[str, str] = field(default_factory=dict)

    # ── what comes in ────────────────────────────────────────────────────────────────────────────

    def post(self, to: str = "", headers: Mapping[str, str] | None = None, **fields: Any) -> Accepted:
        """A filled form, sent as JSON."""
        live = self.hub.connections.by_id(to or self.form_id)
        assert live is not None
        kept = {"content-type": "application/json", **(headers or {})}
        raw = Raw(json.dumps(fields).encode(), instant(self.hub.clock.now()), kept)
        taken = self.hub.intake.accept(live, raw)
        assert isinstance(taken, Accepted)
        return taken

    def hook(self, *records: tuple[str, str, int]) -> None:
        """The CRM calls: (kind, action, id) of each record."""
        pairs = [(f"{kind}[{action}][{n}][id]", str(ref)) for n, (kind, action, ref) in enumerate(records)]
        live = self.hub.connections.by_id(self.crm_id)
        assert live is not None
        kept = {"content-type": "application/x-www-form-urlencoded"}
        self.hub.intake.accept(live, Raw(urlencode(pairs).encode(), instant(self.hub.clock.now()), kept))

    # ── what the workers do ──────────────────────────────────────────────────────────────────────

    def advance(self, seconds: float) -> None:
        """Let time pass (virtual time only)."""
        assert isinstance(self.clock, FixedClock)
        self.clock.advance(seconds)

    def push(self) -> int:
        return self.hub.pusher.drain(self.crm_id)

    def pull(self) -> int:
        """The next poll of the CRM, half a minute later."""
        self.advance(31)
        return self.hub.puller.step(self.crm_id)

    def settle(self, rounds: int = 3) -> None:
        """Everything that is due now and in the next minutes, both ways."""
        for _round in range(rounds):
            self.hub.flow.drain()
            self.push()
            self.pull()
        self.push()

    # ── what the test looks at ───────────────────────────────────────────────────────────────────

    def rows(self, table: Table, **where: Any) -> list[Any]:
        with self.hub.store.read() as conn:
            wanted = [table.c[name] == value for name, value in where.items()]
            return list(conn.execute(select(table).where(*wanted)))

    def row(self, table: Table, **where: Any) -> Any:
        (found,) = self.rows(table, **where)
        return found

    def lead(self) -> Any:
        return self.row(lead)

    def deal(self) -> Any:
        return self.row(deal)

    def contact(self) -> Any:
        return self.row(contact)

    def link(self, role: str) -> Any:
        return self.row(link, role=role, connection_id=self.crm_id)

    def points(self, kind: str) -> set[str]:
        return {row.value for row in self.rows(contact_point, kind=kind)}

    def cards(self, kind: str = "leads") -> list[dict[str, Any]]:
        """Live records over there, oldest first."""
        return [row for row in self.crm.rows[kind].values() if not row["is_deleted"]]

    def card(self, kind: str = "leads") -> dict[str, Any]:
        (found,) = self.cards(kind)
        return found

    def cell(self, row: Mapping[str, Any], code: str, kind: str = "leads") -> Any:
        """The value of a custom field of a record over there, a list for phones and e-mails; None when empty."""
        (number,) = (n for n, one in self.crm.fields[kind].items() if one["code"] == code)
        values = [one["value"] for one in row["cells"].get(number, ())]
        return values if code in ("PHONE", "EMAIL") else (values[0] if values else None)

    def spot(self, block: str, key: str) -> tuple[int, int]:
        """(pipeline, stage) over there of a stage of ours."""
        live = self.hub.connections.by_id(self.crm_id)
        assert live is not None
        rows = live.row.config["placement"]["rows"]
        return next((int(pipeline), int(ref)) for b, _d, k, pipeline, ref in rows if (b, k) == (block, key))

    def drag(self, block: str, key: str, card: int = 0) -> None:
        """A person moves the card."""
        pipeline, stage = self.spot(block, key)
        self.crm.drag_card(card or self.card()["id"], stage, pipeline)

    def stands(self, row: Mapping[str, Any]) -> tuple[int, int]:
        return row["pipeline_id"], row["status_id"]

    def calls(self, method: str = "", path: str = "") -> int:
        """How often the CRM was called so far."""
        mine = [n for call, n in self.crm.calls.items() if call.startswith(f"{method} {path}" if method else "")]
        return sum(mine)

    def writes(self) -> int:
        """Calls that could change a record."""
        return sum(self.calls(method) for method in ("POST", "PATCH", "DELETE", "PUT"))


def timed_wires(clock: Clock, config: Config) -> Any:
    """Ways out whose budget and holds pass in the test's time; one gate per connection, as the hub has."""
    gates: dict[str, Gate] = {}

    def wire(row: Any) -> Wire:
        gate = gates.setdefault(row.id, Gate(None, clock=clock.monotonic, sleep=clock.sleep))
        return Wire(gate, allow=config.allowed_hosts)

    return wire


@contextmanager
def scene(
    stack: Stack, clock: Clock | None = None, *, set_up: bool = True, locale: str = "en", **sandbox: Any
) -> Iterator[Scene]:
    """A hub on `stack` beside a stand-in made with `sandbox` options; `set_up` False leaves the CRM untouched."""
    moving = clock or FixedClock()
    options: dict[str, Any] = {"rate": None, "clock": lambda: moving.now() / 1000, **sandbox}
    app = create_sandbox(**options)
    with serving(app) as address:
        config = configured(stack, address)
        hub = open_hub(config, moving)
        if moving is not REAL:
            hub.http = timed_wires(moving, config)
        made = Scene(hub, moving, stack, app.state, address)
        try:
            furnish(made, locale)
            if set_up:
                hub.provision.apply(made.crm_id, hub.provision.plan(made.crm_id))
            yield made
        finally:
            hub.close()


def furnish(made: Scene, locale: str = "en") -> None:
    """A direction, two sales people who share the leads, a form, and the CRM's connection."""
    hub = made.hub
    with hub.store.write() as conn:
        made.direction_id = first_setup(conn, hub.clock, "Windows", locale)
        for name, user in CRM_USERS.items():
            login = f"user{user}@example.com"
            made.members[name] = add_member(conn, hub.clock, login, name.title(), "long enough", "sales")
    plenty = {"per_minute": 100_000}
    made.form_id = connect(made, "source", "webform", {}, region="RU", config=plenty)
    made.crm_id = connect(made, "crm", "amocrm", {"address": made.address, "token": TOKEN}, config={"unlimited": True})


def connect(made: Scene, kind: str, name: str, values: Mapping[str, str], **more: Any) -> str:
    """A connection made from a filled form; answers its id."""
    connector = registry.crm(name) if kind == "crm" else registry.source(name)
    with made.hub.store.write() as conn:
        made_id = add_connection(conn, made.hub.clock, made.hub.vault, connector, name.title(), values, **more)
    made.hub.connections.forget()
    return made_id
