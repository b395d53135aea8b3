"""One PostgreSQL database with the tables of a hub, as good as new for each test.

Making a database, connecting to it for the first time and dropping it takes 0.2 s of a core (it is four hundred files),
emptying one a few milliseconds. One whose tables a test has changed, or filled, is not used again.
"""

from __future__ import annotations

from contextlib import ExitStack

import psycopg

from hub.store.engine import open_store
from hub.store.migrate import migrate
from tests.servers import fresh_database, session

BIG = 4 << 20
"""Bytes that a database may have grown by: dead rows are in everybody's way."""

_ALONE = """
    SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"""
_TABLES = "SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'i', 'S', 'v')"
_FORM = f"""
    SELECT (SELECT sum(hashtext(format('%s %s', oid, relname))::bigint) FROM pg_class WHERE oid IN ({_TABLES})),
           (SELECT sum(hashtext(format('%s %s %s %s', attrelid, attname, atttypid, attnotnull))::bigint)
            FROM pg_attribute WHERE attrelid IN ({_TABLES})),
           (SELECT sum(hashtext(pg_get_constraintdef(oid))::bigint) FROM pg_constraint
            WHERE connamespace = 'public'::regnamespace),
           (SELECT count(*) FROM pg_trigger)"""
_KEEP = """
DO $$
DECLARE one record; filled boolean;
BEGIN
    CREATE SCHEMA kept;
    FOR one IN SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' LOOP
        EXECUTE format('SELECT EXISTS (SELECT FROM public.%I)', one.relname) INTO filled;
        IF filled THEN EXECUTE format('CREATE TABLE kept.%I AS TABLE public.%I', one.relname, one.relname); END IF;
    END LOOP;
END $$"""
"""What the migrations write into their tables."""

_QUICK = """
DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET synchronous_commit = off', current_database()); END $$"""
"""Only a power cut tells whether a commit waited for the disk."""

_EMPTY = """
DO $$
DECLARE one record;
BEGIN
    SET LOCAL session_replication_role = replica;
    FOR one IN SELECT oid::regclass AS name, relkind FROM pg_class
               WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'S') LOOP
        IF one.relkind = 'S' THEN PERFORM setval(one.name, 1, false);
        ELSE EXECUTE format('DELETE FROM %s', one.name);
        END IF;
    END LOOP;
    FOR one IN SELECT relname FROM pg_class WHERE relnamespace = 'kept'::regnamespace LOOP
        EXECUTE format('INSERT INTO public.%I SELECT * FROM kept.%I', one.relname, one.relname);
    END LOOP;
END $$"""
"""No trigger hears of it (replica): they keep accounts of what people do."""


class Emptied:
    """The database on `server` (a URL); nobody has it but the last who asked. Close it at the end."""

    def __init__(self, server: str) -> None:
        self._server = server
        self._made = ExitStack()
        self._url = ""
        self._form: object = None
        self._size = 0

    def url(self) -> str:
        """Its address, with empty tables; whoever was still connected to it is not any more."""
        if not self._url or not self._empty():
            self.close()
            self._make()
        return self._url

    def close(self) -> None:
        """Drop it."""
        self._made.close()
        self._url = ""

    def _make(self) -> None:
        self._url = self._made.enter_context(fresh_database(self._server))
        store = open_store(self._url, self._url)
        migrate(store)
        store.close()
        with session(self._url) as connected:
            connected.execute(_QUICK)
            connected.execute(_KEEP)
            self._form, self._size = form(connected), _size(connected)

    def _empty(self) -> bool:
        """False when it should not serve again."""
        with session(self._url) as connected:
            connected.execute(_ALONE)
            if form(connected) != self._form or _size(connected) > self._size + BIG:
                return False
            connected.execute(_EMPTY)
            return True


def form(connected: psycopg.Connection[tuple[object, ...]]) -> object:
    """Changes with any table, column, index, constraint or trigger."""
    return connected.execute(_FORM).fetchone()


def _size(connected: psycopg.Connection[tuple[object, ...]]) -> int:
    found = connected.execute("SELECT pg_database_size(current_database())").fetchone()
    assert found
    return int(str(found[0]))
