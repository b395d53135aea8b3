"""Puts one hub together: the parts that share a store and a clock, and the web application on top of them.

Nothing is made at import. `open_hub` gives the parts to web, workers and command line alike; `create_app`
adds the pages.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

from sqlalchemy import Row

from connectors import registry
from connectors.contract import CRM, Http
from connectors.http import Gate, Wire
from connectors.oauth import Bearer, Granting
from connectors.registry import Connector
from connectors.turns import Budget, InFile, Turns
from hub.clock import Clock
from hub.config import Config
from hub.funnel.timers import Timers
from hub.insight.daily import Daily
from hub.intake.accept import Intake
from hub.intake.connections import Connections
from hub.intake.process import Flow
from hub.notices.given import follow_given, spread
from hub.notices.seals import Seals
from hub.robots.left import remember
from hub.robots.outbox import Outbox
from hub.robots.run import Robots, follow_robots
from hub.robots.ways import Ways
from hub.store.engine import Store, open_store
from hub.store.groupcommit import Inbox
from hub.store.migrate import migrate
from hub.store.secrets import Vault, load_key
from hub.store.tokens import TokenBox
from hub.sync.account import Accounts
from hub.sync.audit import Auditor
from hub.sync.heard import Heard
from hub.sync.provision import Provision
from hub.sync.pull import Puller
from hub.sync.push import Pusher
from hub.sync.receipts import Receipts
from hub.sync.unconvert import Unconvert

if TYPE_CHECKING:
    from flask import Flask


def silent(_name: str) -> None:
    """A doorbell nobody hears: the sweeper finds the work all the same."""


@dataclass
class Hub:
    """One hub in one process. Parts are made when first used, so that a process pays only for what it does."""

    config: Config
    clock: Clock
    store: Store
    ring: Callable[[str], None] = silent
    turns: Callable[[str, Budget], Turns] | None = None
    http: Callable[[Row[Any]], Http] | None = None
    _closing: list[Callable[[], None]] = field(default_factory=list)

    @cached_property
    def vault(self) -> Vault:
        return Vault(load_key(self.config.folder, self.config.key))

    @cached_property
    def connections(self) -> Connections:
        wires = self.http or Wires(self.config.allowed_hosts, self.turns or self._turns_of_this_machine)
        return Connections(self.store, self.vault, self.clock, find_connector, wires, self._sign_in)

    @cached_property
    def inbox(self) -> Inbox:
        inbox = Inbox(self.store.inbox)
        self._closing.append(inbox.close)
        return inbox

    @cached_property
    def intake(self) -> Intake:
        return Intake(self.inbox, self.clock, self.config)

    @cached_property
    def flow(self) -> Flow:
        return Flow(self.store, self.clock, self.connections, self.ring)

    @cached_property
    def accounts(self) -> Accounts:
        return Accounts(self.store, self.clock, self.connections)

    @cached_property
    def pusher(self) -> Pusher:
        pusher = Pusher(self.store, self.clock, self.accounts, self.ring)
        self._closing.append(pusher.close)
        return pusher

    @cached_property
    def puller(self) -> Puller:
        return Puller(self.store, self.clock, self.accounts, self.ring, self._look_after)

    def _look_after(self, connection_id: str) -> int:
        """What follows each pull: what people did there, receipts of conversions, the nightly comparison."""
        heard = self.heard.step(connection_id)
        return heard + self.receipts.step(connection_id) + self.auditor.step(connection_id)

    @cached_property
    def heard(self) -> Heard:
        return Heard(self.store, self.clock, self.accounts)

    @cached_property
    def receipts(self) -> Receipts:
        return Receipts(self.store, self.clock, self.accounts)

    @cached_property
    def unconvert(self) -> Unconvert:
        return Unconvert(self.store, self.clock, self.accounts)

    @cached_property
    def auditor(self) -> Auditor:
        return Auditor(self.store, self.clock, self.accounts, self.puller)

    @cached_property
    def timers(self) -> Timers:
        robots = Robots(self.store, self.clock)
        also = (
            robots.step,
            Daily(self.store, self.clock).step,
            partial(spread, self.store, self.clock),
            self.outbox.step,
        )
        return Timers(self.store, self.clock, (follow_robots, follow_given), self.ring, also)

    @cached_property
    def seals(self) -> Seals:
        return Seals(load_key(self.config.folder, self.config.key), self.config.public_url)

    @cached_property
    def outbox(self) -> Outbox:
        pause, ours = self.accounts.pause, self.config.public_url
        ways = Ways(self.store, self.connections, pause, ours, self.seals.compose)
        return Outbox(self.store, self.clock, ways, remember)

    @cached_property
    def provision(self) -> Provision:
        return Provision(self.store, self.clock, self.connections, self.config.public_url)

    def tokens(self, connection_id: str) -> TokenBox:
        """Where the OAuth tokens of a connection are kept."""
        return TokenBox(self.store, self.vault, self.config.folder, connection_id)

    @property
    def redirect_uri(self) -> str:
        """Where vendors send an admin back to who agreed; entered in the vendor's own settings of an app."""
        return f"{self.config.public_url}/admin/oauth"

    def _sign_in(self, row: Row[Any], connector: Connector) -> None:
        """Who was connected by OAuth calls with tokens that are refreshed on the way."""
        grant = connector.grant(self.redirect_uri) if isinstance(connector, Granting) else None
        if grant is not None and connector.http is not None:
            now = self.clock.now
            connector.http = Bearer(connector.http, grant, self.tokens(row.id), lambda: now() / 1000)

    def _turns_of_this_machine(self, account: str, budget: Budget) -> Turns:
        # The vendor counts in its own time, whatever clock this hub is given.
        turns = InFile(self.config.folder / "calls.db", account, budget, Clock().now)
        self._closing.append(turns.close)
        return turns

    def close(self) -> None:
        """Finish what is being written and let go of the databases."""
        for close in reversed(self._closing):
            close()
        self.store.close()


def find_connector(kind: str, name: str) -> type[Connector]:
    """The connector's class, by kind and folder name."""
    return registry.of_kind(kind, name)


class Wires:
    """Ways out, one budget per CRM account: connections to the same account, and all processes, share it."""

    def __init__(self, allowed_hosts: tuple[str, ...], turns: Callable[[str, Budget], Turns]) -> None:
        self._allowed, self._turns = allowed_hosts, turns
        self._gates: dict[str, Gate] = {}

    def __call__(self, row: Row[Any]) -> Http:
        """For this connection; private addresses only where the admin allowed them."""
        connector = find_connector(row.kind, row.connector)
        if row.id not in self._gates:
            self._gates[row.id] = self._gate(row, connector)
        return Wire(self._gates[row.id], allow=self._allowed, follow=getattr(connector, "hosts", ()))

    def _gate(self, row: Row[Any], connector: type[Connector]) -> Gate:
        """A form that is only tried out has no account yet; some admins know that theirs has no limit."""
        if not issubclass(connector, CRM) or row.config.get("unlimited") or not row.id:
            return Gate(connector.facts.budget if issubclass(connector, CRM) and not row.id else None)
        return Gate(turns=self._turns(f"{row.connector}-{row.fingerprint or row.id}", connector.facts.budget))


def open_hub(
    config: Config,
    clock: Clock | None = None,
    ring: Callable[[str], None] = silent,
    turns: Callable[[str, Budget], Turns] | None = None,
) -> Hub:
    """Open the databases, bring their tables up to date, and give the parts."""
    store = open_store(config.database_url, config.inbox_url)
    migrate(store)
    return Hub(config, clock or Clock(), store, ring, turns)


def create_app(hub: Hub) -> Flask:
    """The whole web application of one hub."""
    from flask import Flask
    from werkzeug.middleware.proxy_fix import ProxyFix

    from hub.web import admin, answering, desk, health, inbound

    app = Flask("hub.web", static_url_path="/static")
    app.extensions["hub"] = hub
    app.config["MAX_CONTENT_LENGTH"] = hub.config.file_limit
    app.register_blueprint(inbound.bp)
    app.register_blueprint(health.bp)
    app.register_blueprint(answering.bp)
    desk.init_app(app, hub)
    admin.init_app(app, hub)
    if hub.config.proxies:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hub.config.proxies, x_proto=hub.config.proxies)  # type: ignore[method-assign]
    return app
