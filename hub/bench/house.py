"""A hub of its own in a folder, with the real processes of `leadhub serve` and a CRM stand-in beside them."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sqlalchemy import select, update

from connectors import registry
from connectors.testing.ports import free_port
from hub.app import Hub, open_hub
from hub.bench.processes import cpu_s, listens, running, wait_until
from hub.config import Config, load_config
from hub.model import connection, pull_state
from hub.setup import add_connection, add_member, first_setup

SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZmdoaWprbG1ub3BxcnN0dXY="  # noqa: S105 - of this bench only
PEOPLE = ("Vera Lind", "Oleg Marsh", "Tara Quill")
CALM_S = 600.0


@dataclass(frozen=True)
class House:
    """Addresses of a set-up hub. `crm_port` 0: no CRM."""

    config: Config
    path: str
    crm: str = ""
    crm_port: int = 0
    log: Path = Path()

    @contextmanager
    def opened(self) -> Iterator[Hub]:
        """The hub's parts in this process, for looking and for settings."""
        hub = open_hub(self.config)
        try:
            yield hub
        finally:
            hub.close()

    @contextmanager
    def served(self, workers: int = 1) -> Iterator[Served]:
        """Run `leadhub serve` until the block ends."""
        arguments = ("--folder", str(self.config.folder), "--port", str(self.config.port), "--workers", str(workers))
        env = {"LEADHUB_REDIS_URL": self.config.redis_url, "LEADHUB_ALLOWED_HOSTS": ",".join(self.config.allowed_hosts)}
        env |= {"LEADHUB_DATABASE_URL": self.config.database_url}
        with running("hub.cli", "serve", *arguments, log=self.log, env=env) as process:
            served = Served(self, process.pid)
            wait_until(lambda: listens(self.config.port) and served.health()["ok"])
            yield served

    def configure(self, config: Mapping[str, Any] | None = None, state: str = "", **settings: str) -> None:
        """Change the CRM connection's own settings."""
        with self.opened() as hub, hub.store.write() as conn:
            row = conn.execute(select(connection).where(connection.c.id == self.crm)).one()
            values: dict[str, Any] = {
                "config": {**row.config, **(config or {})}, "settings": {**row.settings, **settings},
                "state": state or row.state,
            }  # fmt: skip
            conn.execute(update(connection).where(connection.c.id == self.crm).values(values))


@dataclass(frozen=True)
class Served:
    """A running hub, seen from outside."""

    house: House
    pid: int

    def health(self) -> dict[str, Any]:
        """What /health says; {"ok": False} when nobody answers."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.house.config.port}/health", timeout=30) as answer:
                told: dict[str, Any] = json.load(answer)
                return told
        except OSError:
            return {"ok": False}

    def calm(self, seconds: float = CALM_S) -> None:
        """Wait until nothing is left to do: two looks in a row, because links follow events."""
        quiet = 0

        def still() -> bool:
            nonlocal quiet
            told = self.health()
            busy = not told["ok"] or told["backlog"] or told["to_crms"]
            quiet = 0 if busy else quiet + 1
            return quiet > 2

        wait_until(still, seconds, every=0.1)

    def cpu_s(self) -> float:
        """CPU seconds of all our processes so far."""
        return cpu_s(self.pid)


def until_read(made: House) -> None:
    """Wait until the CRM's lists were read to their end: before that it is asked for each contact that is to be made,
    and new companies wait half a minute."""
    whole = select(pull_state.c.whole_at).where(pull_state.c.kind == "contacts")
    with made.opened() as hub:

        def is_read() -> bool:
            with hub.store.read() as conn:
                return conn.execute(whole).scalar() is not None

        wait_until(is_read)


@contextmanager
def house(folder: Path, crm: Crm | None = None, redis_url: str = "", database_url: str = "") -> Iterator[House]:
    """Set a hub up in `folder`: a direction, people, one signed source, and the CRM when one is asked for."""
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        port = stack.enter_context(crm.served(folder)) if crm else 0
        hosts = (f"127.0.0.1:{port}",) if port else ()
        config = load_config(
            folder, env={}, port=free_port(), region="RU", allowed_hosts=hosts, redis_url=redis_url,
            **({"database_url": database_url, "inbox_url": database_url} if database_url else {}),
        )  # fmt: skip
        yield replace(_furnished(config, crm, port), log=folder / "log")


@dataclass(frozen=True, slots=True)
class Crm:
    """The amoCRM stand-in in a process of its own. `rate` calls a second (0: any), `latency` seconds a call."""

    rate: int = 0
    latency: float = 0.0
    config: Mapping[str, Any] | None = None

    @contextmanager
    def served(self, folder: Path) -> Iterator[int]:
        """Run it; gives its port."""
        port = free_port()
        arguments = ("--port", str(port), "--rate", str(self.rate), "--latency", str(self.latency))
        with running("connectors.crms.amocrm.sandbox", *arguments, log=folder / "crm.log"):
            wait_until(lambda: listens(port))
            yield port


def _furnished(config: Config, crm: Crm | None, port: int) -> House:
    hub = open_hub(config)
    try:
        with hub.store.write() as conn:
            first_setup(conn, hub.clock, "Windows", "en")
            for name in PEOPLE:
                add_member(conn, hub.clock, name.split()[0], name, "bench-password", "lead_desk")
            source = registry.source("standard_webhooks")
            wanted = {"secret": SECRET}
            source_id = add_connection(conn, hub.clock, hub.vault, source, "Site", wanted, "RU")
            token = conn.execute(select(connection.c.token).where(connection.c.id == source_id)).scalar()
        crm_id = _crm(hub, crm, port) if crm else ""
        return House(config, f"/in/{token}", crm_id, port)
    finally:
        hub.close()


def _crm(hub: Hub, crm: Crm, port: int) -> str:
    values = {"address": f"http://127.0.0.1:{port}", "token": "sandbox-token"}
    # No budget of ours during the set-up: the stand-in has its own.
    with hub.store.write() as conn:
        connector = registry.crm("amocrm")
        crm_id = add_connection(conn, hub.clock, hub.vault, connector, "CRM", values, config=crm.config)
    hub.provision.apply(crm_id, hub.provision.plan(crm_id))
    time.sleep(1.1 if crm.rate else 0)
    return crm_id
