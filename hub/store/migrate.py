"""Brings the tables of both databases to the present form, step by step, each step a transaction.

The common case, nothing to do, is one small query and does not load the migration library.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection, Engine, inspect, text

from hub.store.engine import Store, reading

HEADS = {"hub": "0014", "inbox": "0001"}
"""Newest revision of each set of tables; a test keeps it equal to the scripts' own head."""

SCRIPTS = Path(__file__).parent / "migrations"
LOCK = 0x1EAE


def migrate(store: Store) -> None:
    """Upgrade both sets of tables. Safe to call from several processes at once."""
    for name, engine in (("inbox", store.inbox), ("hub", store.hub)):
        if revision(engine, name) != HEADS[name]:
            _upgrade(engine, name)


def version_table(name: str) -> str:
    """Each set keeps its own version, because they may share a database."""
    return f"version_{name}"


def revision(engine: Engine, name: str) -> str:
    """The revision a database is at; "" when it is empty."""
    with reading(engine) as conn:
        if not inspect(conn).has_table(version_table(name)):
            return ""
        found = conn.execute(text(f"SELECT version_num FROM {version_table(name)}")).scalar()  # noqa: S608 - own name
        return str(found or "")


def _upgrade(engine: Engine, name: str) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(SCRIPTS / name))
    config.set_main_option("path_separator", "os")
    with engine.begin() as conn:
        _only_one(conn)
        config.attributes["connection"] = conn
        config.attributes["version_table"] = version_table(name)
        command.upgrade(config, "head")


def _only_one(conn: Connection) -> None:
    """Two processes that start together migrate one after the other (SQLite: the transaction sees to it)."""
    if conn.dialect.name == "postgresql":
        conn.execute(text(f"SELECT pg_advisory_xact_lock({LOCK})"))
