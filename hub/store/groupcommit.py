"""The durable inbox: everybody who waits for the disk at the same moment shares one fsync.

`Inbox.add` returns only after the commit that holds the event is on the disk. One thread writes; while
it waits for the disk, the next group gathers. On PostgreSQL several processes may do so: an advisory
lock, taken in each commit, keeps `seq` in commit order, which readers of the log rely on.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Engine, insert, select, tuple_
from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError

from hub.model import event, poll_cursor
from hub.store.many import add_many

LOG_LOCK = 0x1EAD  # any number that all our processes agree on
PATIENCE_S = 25.0


class NotStored(Exception):
    """The event is certainly or possibly not on the disk: tell the sender to come again."""


class DifferentBody(Exception):
    """The sender used one delivery id for two different messages."""


@dataclass(frozen=True, slots=True)
class Stored:
    """Receipt of a durable event. `first` is False when it had been here before."""

    id: str
    first: bool


UNSTORABLE = (SQLAlchemyError, ValueError, TypeError, OverflowError, MemoryError)
"""What a commit can fail with. Values no database takes (a lone surrogate, a number beyond 64 bits) do not come as
errors of the database: Python's drivers refuse them on the way."""


@dataclass(slots=True)
class _Ask:
    """What one caller wants stored. It is not stored until `known` says so."""

    rows: Sequence[dict[str, Any]]
    cursor: dict[str, Any] | None
    known: Mapping[tuple[str, str], tuple[str, str]] | None = None
    error: Exception | None = None


@dataclass(slots=True)
class _Group:
    """Everything that shares the next commit."""

    asks: list[_Ask] = field(default_factory=list)
    done: threading.Event = field(default_factory=threading.Event)
    calls: list[Callable[[], None]] = field(default_factory=list)


class Ticket:
    """Rows on their way to the disk. `stored` tells once `done`; `wait` for it, or be called with `then`."""

    def __init__(self, group: _Group, ask: _Ask, lock: threading.Lock) -> None:
        self._group, self._ask, self._lock = group, ask, lock

    def wait(self) -> None:
        """Until the disk answered, or for as long as a sender has patience."""
        self._group.done.wait(PATIENCE_S)

    def then(self, call: Callable[[], None]) -> None:
        """Call this when the disk has answered, from whatever thread hears of it first; it must not block."""
        with self._lock:
            if not self._group.done.is_set():
                self._group.calls.append(call)
                return
        call()

    def stored(self) -> list[Stored]:
        """One receipt per row. Raises `NotStored` when the disk said no or did not answer yet, `DifferentBody`
        when a delivery id came back with another message."""
        ask = self._ask
        if not self._group.done.is_set():
            raise NotStored("the disk did not answer in time")
        if ask.known is None:
            raise NotStored(str(ask.error or "the writer was interrupted")) from ask.error
        return [_receipt(ask.known, row) for row in ask.rows]


class Inbox:
    """The writing end of the event log. Start it once per process, close it at the end."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._wake = threading.Semaphore(0)
        self._group = _Group()
        self._closed = False
        self._thread = threading.Thread(target=self._write_groups, name="inbox-writer", daemon=True)
        self._thread.start()

    def add(self, rows: Sequence[dict[str, Any]], cursor: dict[str, Any] | None = None) -> list[Stored]:
        """Make event rows (and a poll cursor) durable in one commit; answers one receipt per row, or raises as
        `Ticket.stored` does."""
        ticket = self.submit(rows, cursor)
        ticket.wait()
        return ticket.stored()

    def submit(self, rows: Sequence[dict[str, Any]], cursor: dict[str, Any] | None = None) -> Ticket:
        """Put rows into the next commit without waiting for it."""
        ask = _Ask(rows, cursor)
        with self._lock:
            group = self._group
            ring = not group.asks
            group.asks.append(ask)
        if ring:
            self._wake.release()
        return Ticket(group, ask, self._lock)

    def close(self) -> None:
        """Finish the open group and stop."""
        self._closed = True
        self._wake.release()
        self._thread.join()

    def _write_groups(self) -> None:
        while True:
            self._wake.acquire()
            with self._lock:
                group, self._group = self._group, _Group()
            if group.asks:
                try:
                    self._write(group.asks)
                finally:
                    with self._lock:
                        group.done.set()
                    for call in group.calls:
                        call()
            elif self._closed:
                return

    def _write(self, asks: Sequence[_Ask]) -> None:
        """One commit; when a value is to blame, one for each caller, so that nobody fails with his neighbour."""
        try:
            known = self._commit(asks)
        except UNSTORABLE as error:
            if len(asks) > 1 and not isinstance(error, OperationalError):
                for ask in asks:
                    self._write([ask])
                return
            cause = error.orig if isinstance(error, DBAPIError) and isinstance(error.orig, Exception) else error
            for ask in asks:
                ask.error = cause
        else:
            for ask in asks:
                ask.known = known

    def _commit(self, asks: Sequence[_Ask]) -> Mapping[tuple[str, str], tuple[str, str]]:
        with self._engine.begin() as conn:
            known = self._insert(conn, [row for ask in asks for row in ask.rows])
            self._move_cursors(conn, [ask.cursor for ask in asks if ask.cursor])
        return known

    def _insert(self, conn: Connection, rows: list[dict[str, Any]]) -> Mapping[tuple[str, str], tuple[str, str]]:
        if not rows:
            return {}
        if conn.dialect.name == "postgresql":
            conn.exec_driver_sql(f"SELECT pg_advisory_xact_lock({LOG_LOCK})")
        if add_many(conn, event, rows, unless_there=True) == len(rows):
            return {}  # nobody had been here before
        wanted = [(row["connection_id"], row["delivery"]) for row in rows if row["delivery"] != row["id"]]
        if not wanted:
            return {}
        place = tuple_(event.c.connection_id, event.c.delivery)
        found = conn.execute(
            select(event.c.connection_id, event.c.delivery, event.c.id, event.c.digest).where(place.in_(wanted))
        )
        return {(r.connection_id, r.delivery): (r.id, r.digest) for r in found}

    def _move_cursors(self, conn: Connection, cursors: list[dict[str, Any]]) -> None:
        for row in cursors:
            changed = conn.execute(
                poll_cursor.update().where(poll_cursor.c.connection_id == row["connection_id"]).values(row)
            )
            if not changed.rowcount:
                conn.execute(insert(poll_cursor).values(row))


def _receipt(known: Mapping[tuple[str, str], tuple[str, str]], row: dict[str, Any]) -> Stored:
    held = known.get((row["connection_id"], row["delivery"]))
    if held is None or held[0] == row["id"]:
        return Stored(row["id"], True)
    if held[1] != row["digest"]:
        raise DifferentBody(held[0])
    return Stored(held[0], False)
