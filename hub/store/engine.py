"""Opens SQLite or PostgreSQL and gives out transactions.

SQLite runs in WAL mode with `synchronous=FULL`: a commit that returned is on the disk. Every writing
transaction begins IMMEDIATE, so two writers queue instead of failing half-way. SQLite builds from 3.7.0
to 3.51.2 can corrupt a WAL file that two connections reset at once; we refuse to run on those.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import orjson
import stamina
from sqlalchemy import Connection, Dialect, Engine, Table, create_engine, event
from sqlalchemy.dialects import postgresql, registry, sqlite
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.engine import make_url

FIXED_SQLITE = (3, 51, 3)
BUSY_MS = 10_000
READS, WRITES, CHANGED = "reads", "writes", "changed"
"""Marks of a pooled connection: its next transaction only reads; this one does not; the last one changed something."""
STATEMENTS = 1024
"""So many prepared statements are kept by a connection to SQLite; the hub knows some hundreds."""
MAPPED = 1 << 30
"""So many bytes of a database are read where the operating system keeps them, without copying: with a million contacts
reading what an inquiry needs takes two thirds of the CPU. Only what is read takes memory, and it can be taken back."""


class StoreUnfit(RuntimeError):
    """The database library on this machine cannot keep our promises; says which and what to install."""


def _is_locked(error: Exception) -> bool:
    return type(error).__name__ == "OperationalError" and "locked" in str(error)


def sqlite_library() -> Any:
    """The SQLite module to use: the standard one when it is new enough, else pysqlite3."""
    if sqlite3.sqlite_version_info >= FIXED_SQLITE:
        return sqlite3
    try:
        import pysqlite3
    except ImportError:
        raise StoreUnfit(
            f"SQLite {sqlite3.sqlite_version} can corrupt its journal (fixed in 3.51.3): install pysqlite3"
        ) from None
    return pysqlite3


@stamina.retry(on=_is_locked, attempts=None, timeout=BUSY_MS / 1000, wait_initial=0.01, wait_max=0.2)
def _write_ahead(raw: Any) -> None:
    """The first connection ever switches the file over, which needs it alone; SQLite does not wait for that by itself
    (its busy handler is not asked when a reader of the old journal would have to become its writer)."""
    raw.execute("PRAGMA journal_mode=WAL")


class _Marking(Dialect):
    """A dialect's part that knows which transactions only read, and leaves a mark on a connection of one that changed
    something. (The same from listeners costs a third of a short transaction: an engine that has any looks for them at
    every statement.)"""

    def do_begin(self, dbapi_connection: Any) -> None:
        """Of the pool's connection, like those below."""
        dbapi_connection.info[WRITES] = not dbapi_connection.info.pop(READS, False)

    def do_commit(self, dbapi_connection: Any) -> None:
        super().do_commit(dbapi_connection)
        if dbapi_connection.info.pop(WRITES, False):
            dbapi_connection.info[CHANGED] = True


class _SQLite(_Marking, SQLiteDialect_pysqlite):
    """Says BEGIN itself: IMMEDIATE, but for those who only read."""

    supports_statement_cache = True

    def do_begin(self, dbapi_connection: Any) -> None:
        super().do_begin(dbapi_connection)
        dbapi_connection.execute("BEGIN IMMEDIATE" if dbapi_connection.info[WRITES] else "BEGIN")


class _PostgreSQL(_Marking, PGDialect_psycopg):
    supports_statement_cache = True


registry.register("sqlite.leadhub", __name__, _SQLite.__name__)
registry.register("postgresql.leadhub", __name__, _PostgreSQL.__name__)


def _tune_sqlite(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def _connect(raw: Any, _record: Any) -> None:
        raw.isolation_level = None  # the dialect says BEGIN
        raw.execute(f"PRAGMA busy_timeout={BUSY_MS}")
        _write_ahead(raw)
        raw.execute("PRAGMA synchronous=FULL")
        raw.execute("PRAGMA foreign_keys=ON")
        raw.execute(f"PRAGMA mmap_size={MAPPED}")


def _dumps(value: Any) -> str:
    """JSON of a column. orjson is many times quicker, but knows no numbers above 64 bits: a space in front says that
    the standard library wrote it and has to read it."""
    try:
        return orjson.dumps(value).decode()
    except TypeError:
        return " " + json.dumps(value)


def _loads(told: str) -> Any:
    return json.loads(told) if told[:1] == " " else orjson.loads(told)


def open_engine(url: str) -> Engine:
    """An engine for a SQLAlchemy address such as `sqlite:////data/hub.db` or `postgresql+psycopg://...`."""
    address = make_url(url)
    address = address.set(drivername=f"{address.get_backend_name()}+leadhub")
    as_json = {"json_serializer": _dumps, "json_deserializer": _loads}
    if address.get_backend_name() == "sqlite":
        own = {"module": sqlite_library(), "connect_args": {"cached_statements": STATEMENTS}}
        engine = create_engine(address, pool_size=8, max_overflow=64, **own, **as_json)
        _tune_sqlite(engine)
        return engine
    return create_engine(address, pool_size=8, max_overflow=32, pool_pre_ping=True, **as_json)


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A transaction that only reads: one consistent view, blocks nobody."""
    with engine.connect() as conn:
        conn.connection.info[READS] = True
        with conn.begin():
            yield conn


@dataclass(frozen=True)
class Store:
    """The two databases of one hub. They may be one and the same on PostgreSQL."""

    hub: Engine
    inbox: Engine

    @property
    def is_sqlite(self) -> bool:
        return self.hub.dialect.name == "sqlite"

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A writing transaction of the hub: commits at the end, rolls back on any error."""
        with self.hub.begin() as conn:
            yield conn

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A reading transaction of the hub: one consistent view, blocks nobody."""
        with reading(self.hub) as conn:
            yield conn

    @contextmanager
    def read_inbox(self) -> Iterator[Connection]:
        """A reading transaction of the inbox."""
        with reading(self.inbox) as conn:
            yield conn

    def close(self) -> None:
        """Give all connections back."""
        self.hub.dispose()
        self.inbox.dispose()


def inserting(conn: Connection | Engine | Dialect, table: Table) -> Any:
    """An INSERT that knows ON CONFLICT, in the words of this database."""
    dialect = conn if isinstance(conn, Dialect) else conn.dialect
    return (postgresql if dialect.name == "postgresql" else sqlite).insert(table)


def add_unless_there(conn: Connection, table: Table, row: Mapping[str, Any]) -> bool:
    """A row whose key another worker may write at the same moment; answers whether it was ours that counted."""
    adding = inserting(conn, table).values(dict(row)).on_conflict_do_nothing()
    # Without it SQLAlchemy answers -1 for an INSERT on PostgreSQL:
    # https://docs.sqlalchemy.org/en/21/core/connections.html (preserve_rowcount)
    return conn.execute(adding, execution_options={"preserve_rowcount": True}).rowcount > 0


def open_store(database_url: str, inbox_url: str) -> Store:
    """Open both databases (no tables are made here, see hub.store.migrate)."""
    hub = open_engine(database_url)
    return Store(hub, hub if inbox_url == database_url else open_engine(inbox_url))
