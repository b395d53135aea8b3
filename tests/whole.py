"""A whole hub in one test: its databases, its web application, and a clock that stands still until told to move."""

from __future__ import annotations

import atexit
import random
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from flask.testing import FlaskClient
from sqlalchemy import Table, func, select, update
from werkzeug.test import TestResponse

from connectors.contract import CRM, Source
from hub.app import Hub, create_app, find_connector, open_hub
from hub.clock import FixedClock
from hub.config import load_config
from hub.intake.connections import Live
from hub.model import connection, event
from hub.setup import add_connection, add_member, first_setup
from hub.store.engine import open_store
from tests.servers import Stack

FORM, JSON = "application/x-www-form-urlencoded", "application/json"


@dataclass
class Whole:
    """One hub with one direction and two people who share its leads."""

    hub: Hub
    clock: FixedClock
    client: FlaskClient
    _made: dict[str, type[Source]] = field(default_factory=dict)

    def connect(
        self, connector: str | type[Source], kind: str = "source", region: str = "RU",
        config: Mapping[str, Any] | None = None, **values: str,
    ) -> Live:  # fmt: skip
        """A connection, by the connector's name or for a source that lives only in this test."""
        cls: type[Source] | type[CRM] = find_connector(kind, connector) if isinstance(connector, str) else connector
        if isinstance(connector, type):
            self._made[connector.name] = connector
        with self.hub.store.write() as conn:
            place = add_connection(conn, self.clock, self.hub.vault, cls, cls.name, values, region, config)
        return self.live(place)

    def live(self, place: str) -> Live:
        """The connection as it is now."""
        self.hub.connections.forget()
        found = self.hub.connections.by_id(place)
        assert found is not None
        return found

    def find(self, kind: str, name: str) -> type[Source] | type[CRM]:
        return self._made[name] if name in self._made else find_connector(kind, name)

    def change(self, live: Live, **values: Any) -> None:
        """Other columns of a connection; settings and config are given whole."""
        with self.hub.store.write() as conn:
            conn.execute(update(connection).where(connection.c.id == live.id).values(**values))
        self.hub.connections.forget()

    def set_secret(self, live: Live, **secrets: str) -> None:
        self.change(live, secrets=self.hub.vault.seal(secrets, f"connection/{live.id}/secrets"))

    def post(self, live: Live, body: bytes | str = b"name=Anna", kind: str = FORM, **given: Any) -> TestResponse:
        """A post to the connection's address; `given` goes to Flask's test client."""
        data = body.encode() if isinstance(body, str) else body
        return self.client.post(f"/in/{live.row.token}", data=data, content_type=kind, **given)

    def flow(self) -> None:
        self.hub.flow.drain()

    def rows(self, table: Table, *where: Any) -> Sequence[Any]:
        """Rows of a table, oldest first where they have ids."""
        with self.hub.store.read_inbox() if table is event else self.hub.store.read() as conn:
            order = table.c.seq if "seq" in table.c else table.c.get("id", next(iter(table.c)))
            return list(conn.execute(select(table).where(*where).order_by(order)))

    def count(self, table: Table) -> int:
        with self.hub.store.read_inbox() if table is event else self.hub.store.read() as conn:
            return conn.execute(select(func.count()).select_from(table)).scalar() or 0


@cache
def _built() -> Path:
    """The files of a hub with its people, made once in a test run; never opened again, only copied."""
    folder = Path(tempfile.mkdtemp(prefix="leadhub-built-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    hub = open_hub(load_config(folder, env={}), FixedClock())
    _people(hub)
    hub.close()
    return folder


def _people(hub: Hub) -> None:
    with hub.store.write() as conn:
        first_setup(conn, hub.clock, "Sales", "en")
        for login in ("olga", "ivan"):
            add_member(conn, hub.clock, login, login.title(), "long enough", "admin")


@contextmanager
def whole_hub(folder: Path, stack: Stack | None = None, **settings: Any) -> Iterator[Whole]:
    """A fresh hub in `folder`, or on the databases of `stack`. Faults of the application reach the test as they are."""
    clock = FixedClock(randomness=random.Random(str(folder)))
    if stack is None:
        shutil.copytree(_built(), folder, dirs_exist_ok=True)
        config = load_config(folder, env={}, **settings)
        hub = Hub(config, clock, open_store(config.database_url, config.inbox_url))
    else:
        places = {"database_url": stack.database_url, "inbox_url": stack.inbox_url}
        hub = open_hub(load_config(folder, env={}, **settings, **places), clock)
        _people(hub)
    try:
        app = create_app(hub)
        app.testing = True
        whole = Whole(hub, clock, app.test_client())
        hub.connections._find = whole.find
        yield whole
    finally:
        hub.close()
