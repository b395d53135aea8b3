"""Connections as living connectors: settings read, secrets opened, kept for a moment.

Reading a connection for every request would cost more than storing the event, so they are remembered for
`FRESH_S` seconds: a changed secret works in every process that much later.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import SimpleNamespace
from typing import Any, cast

from sqlalchemy import Row, select

from connectors.contract import CRM, Carrying, Http, Source
from connectors.registry import Connector
from hub.clock import Clock
from hub.model import connection
from hub.store.engine import Store
from hub.store.secrets import Vault
from mappings import shipped

FRESH_S = 2.0


@dataclass(frozen=True)
class Live:
    """A connection ready for work: its row and the connector made from it."""

    row: Row[Any]
    connector: Connector

    @cached_property
    def id(self) -> str:
        return str(self.row.id)

    @property
    def source(self) -> Source:
        """The connector of an inbound connection."""
        assert isinstance(self.connector, Source), f"{self.row.name} is no source"  # noqa: S101
        return self.connector

    @property
    def crm(self) -> CRM:
        """The connector of a CRM connection."""
        assert isinstance(self.connector, CRM), f"{self.row.name} is no CRM"  # noqa: S101
        return self.connector

    @property
    def carrier(self) -> Carrying | None:
        """The connector where it takes letters out."""
        return cast(Carrying, self.connector) if getattr(self.connector, "carries", "") else None


def mapping_of(row: Any) -> str:
    """The text of a CRM connection's own mapping, else the one it starts with."""
    return str(row.mapping or shipped(row.connector))


def place_of_secrets(connection_id: str) -> str:
    """What a connection's sealed secrets are bound to."""
    return f"connection/{connection_id}/secrets"


class Connections:
    """All connections of one hub, by token and by id. Thread-safe."""

    def __init__(
        self,
        store: Store,
        vault: Vault,
        clock: Clock,
        find: Callable[[str, str], type[Connector]],
        http: Callable[[Row[Any]], Http],
        sign_in: Callable[[Row[Any], Connector], None] = lambda _row, _connector: None,
    ) -> None:
        self._store, self._vault, self._clock, self._find, self._http = store, vault, clock, find, http
        self._sign_in = sign_in
        self._lock = threading.Lock()
        self._by_token: dict[str, tuple[float, Live | None]] = {}
        self._by_id: dict[str, tuple[float, Live | None]] = {}
        self._made: dict[str, Live] = {}

    def by_token(self, token: str) -> Live | None:
        """The connection behind /in/<token>, switched off or not; None where nothing comes in."""
        live = self._remembered(self._by_token, token, connection.c.token)
        return None if live is None or live.row.kind == "carrier" else live

    def by_id(self, connection_id: str) -> Live | None:
        """The connection with this id."""
        return self._remembered(self._by_id, connection_id, connection.c.id)

    def forget(self) -> None:
        """Read everything anew next time."""
        with self._lock:
            self._by_token.clear()
            self._by_id.clear()

    def trial(self, kind: str, name: str, settings: Mapping[str, str], secrets: Mapping[str, str]) -> Connector:
        """A connector made from a form that is not saved yet, to try its settings."""
        row: Any = SimpleNamespace(id="", kind=kind, connector=name, config={})
        return self._find(kind, name)(settings, secrets, self._http(row))

    def _remembered(self, shelf: dict[str, tuple[float, Live | None]], key: str, column: Any) -> Live | None:
        now = self._clock.monotonic()
        held = shelf.get(key)
        if held and held[0] > now:
            return held[1]
        with self._store.read() as conn:
            row = conn.execute(select(connection).where(column == key)).one_or_none()
        live = self._make(row) if row is not None else None
        with self._lock:
            if len(shelf) > 10_000:  # somebody tries out tokens
                shelf.clear()
            shelf[key] = (now + FRESH_S, live)
        return live

    def _make(self, row: Row[Any]) -> Live:
        """The connector is kept as long as its row is the same, so that its HTTP connections stay open."""
        made = self._made.get(row.id)
        if made is not None and tuple(made.row) == tuple(row):
            return made
        kind = self._find(row.kind, row.connector)
        secrets = self._vault.open(row.secrets, place_of_secrets(row.id))
        live = Live(row, kind(row.settings, secrets, self._http(row)))
        self._sign_in(row, live.connector)
        with self._lock:
            self._made[row.id] = live
        return live
