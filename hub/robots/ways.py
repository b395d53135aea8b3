"""The ways out there are now: which connection takes which letter.

A letter that names its connection (`via`) leaves there or waits; others leave through the first active connection of
their channel. A connection that may not send any more is paused, and its letters wait for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit

from sqlalchemy import select

from connectors.contract import Carrying, Letter
from connectors.errors import Pause, Refuse
from hub.intake.connections import Connections, Live
from hub.model import connection
from hub.store.engine import Store

Compose = Callable[[Letter], Letter]
"""Makes of a stored letter what leaves: links that open something are not kept in the database."""


class Way(Protocol):
    """Takes the letters of one channel out; as `connectors.contract.Carrying`."""

    def send(self, letter: Letter) -> str: ...
    def find(self, letter: Letter) -> str | None: ...


class Ways(Mapping[str, Way]):
    """By channel; asked anew each time, because admins connect and pause while we run."""

    def __init__(
        self, store: Store, connections: Connections, pause: Callable[[str, Pause], None], public_url: str,
        compose: Compose = lambda letter: letter,
    ) -> None:  # fmt: skip
        self._store, self._connections, self._pause = store, connections, pause
        self._ours, self._compose = urlsplit(public_url).netloc, compose

    def __getitem__(self, channel: str) -> Way:
        if channel not in set(self):
            raise KeyError(channel)
        return _Channel(self, channel)

    def __iter__(self) -> Iterator[str]:
        return iter(sorted({one.carrier.carries for one in self.live() if one.carrier}))

    def __len__(self) -> int:
        return len(list(iter(self)))

    def live(self) -> list[Live]:
        """Active connections that take letters out."""
        active = (connection.c.kind != "crm") & (connection.c.state == "active")
        with self._store.read() as conn:
            order = select(connection.c.id).where(active).order_by(connection.c.created_at, connection.c.id)
            ids = [str(row.id) for row in conn.execute(order)]
        found = (self._connections.by_id(one) for one in ids)
        return [one for one in found if one is not None and one.carrier and one.row.state == "active"]

    def take(self, channel: str, letter: Letter) -> tuple[Live, Carrying]:
        """The connection of a letter; KeyError when it is not there or not active."""
        via = str(letter.body.get("via") or "")
        for one in self.live():
            if one.carrier and one.carrier.carries == channel and via in ("", one.id):
                return one, one.carrier
        raise KeyError(channel)

    def send(self, channel: str, letter: Letter) -> str:
        """Through its connection, which is paused when nothing may leave there."""
        live, carrier = self.take(channel, letter)
        if channel == "webhook" and urlsplit(str(letter.body["to"])).netloc == self._ours:
            raise Refuse("This webhook leads to the hub itself", {"to": "is our own address"})
        try:
            return carrier.send(self._compose(letter))
        except Pause as error:
            self._pause(live.id, error)
            self._connections.forget()
            raise


@dataclass(frozen=True, slots=True)
class _Channel:
    ways: Ways
    channel: str

    def send(self, letter: Letter) -> str:
        return self.ways.send(self.channel, letter)

    def find(self, letter: Letter) -> str | None:
        return self.ways.take(self.channel, letter)[1].find(letter)
