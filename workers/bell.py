"""A doorbell between the processes of one machine, without Redis: a datagram that says which task has work.

The working process hears at the folder's socket, whoever else changes the databases rings when a change is committed.
A ring is only a hint: nobody there, or a full queue, and the databases still say what is due.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, event

from hub.store.engine import CHANGED, Store

NAME = "work.bell"


class Ear:
    """The hearing end. `works` is False where a socket cannot be made (a folder with a very long name)."""

    def __init__(self, folder: Path) -> None:
        self._place = str(folder / NAME)
        self._line = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.works = False
        with suppress(OSError):
            Path(self._place).unlink(missing_ok=True)
            self._line.bind(self._place)
            self.works = True

    def hear(self) -> str:
        """Wait for a ring; answers its name, "" when closed."""
        with suppress(OSError):
            return self._line.recv(64).decode("ascii", "replace")
        return ""

    def close(self) -> None:
        """Let go of whoever is hearing."""
        finger = Finger(Path(self._place).parent)
        finger("")
        finger.close()
        self._line.close()
        with suppress(OSError):
            Path(self._place).unlink(missing_ok=True)


class Finger:
    """The ringing end. Never waits, never fails."""

    def __init__(self, folder: Path) -> None:
        self._place = str(folder / NAME)
        self._line = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._line.setblocking(False)

    def __call__(self, name: str) -> None:
        with suppress(OSError):
            self._line.sendto(name.encode(), self._place)

    def close(self) -> None:
        """Ring no more."""
        self._line.close()


def ring_when_committed(store: Store, ring: Callable[[str], None]) -> None:
    """Every change of the inbox is news for the flow, every change of the hub for the push."""
    for engine, name in ((store.inbox, "flow"), (store.hub, "push")):
        _ring_after(engine, name, ring)


def _ring_after(engine: Engine, name: str, ring: Callable[[str], None]) -> None:
    """A connection comes home to its pool just after its commit."""

    @event.listens_for(engine, "checkin")
    def _home(_raw: object, record: Any) -> None:
        if record.info.pop(CHANGED, False):
            ring(name)
