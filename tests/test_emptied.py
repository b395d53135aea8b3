"""A database that is used again is as good as a new one, or is not used again."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import closing

import pytest
from sqlalchemy import Connection, create_engine, insert, select, text
from sqlalchemy.exc import OperationalError

from hub.model import direction, event, setting, stage
from tests.emptied import BIG, Emptied, form
from tests.servers import session


@pytest.fixture(scope="module")
def emptied(postgres_url: str) -> Iterator[Emptied]:
    with closing(Emptied(postgres_url)) as made:
        yield made


def happen(conn: Connection, name: str, body: bytes = b"") -> int:
    """An event; its number."""
    conn.execute(insert(event).values(id=name, received_at=1, headers={}, body=body))
    return int(conn.scalar(select(event.c.seq).where(event.c.id == name)) or 0)


def test_rows_numbers_and_connections_of_the_one_before_are_gone(emptied: Emptied) -> None:
    engine = create_engine(url := emptied.url())
    with engine.begin() as conn:
        [edition] = conn.execute(select(setting)).all()
        assert (edition.name, happen(conn, "e1")) == ("routing_edition", 1)
        conn.execute(insert(direction).values(id="d1", name="Windows", position=0))
        conn.execute(insert(stage).values(direction_id="d1", key="new", block="lead", position=0))
    left = engine.connect()
    left.execute(text("UPDATE setting SET value = '1'"))
    assert emptied.url() == url
    with pytest.raises(OperationalError):
        left.execute(text("SELECT 1"))
    left.close()
    engine.dispose()
    with engine.begin() as conn:
        assert conn.execute(select(setting)).all() == [edition], "migrations wrote it"
        assert conn.execute(select(direction)).all() == conn.execute(select(stage)).all() == []
        assert happen(conn, "e2") == 1
    engine.dispose()


def test_one_that_was_changed_is_not_used_again(emptied: Emptied) -> None:
    engine = create_engine(url := emptied.url())
    with engine.begin() as conn:
        conn.execute(text("CREATE TABLE mark (id int)"))
    engine.dispose()
    assert emptied.url() != url


def test_one_that_was_filled_is_not_used_again(emptied: Emptied) -> None:
    engine = create_engine(url := emptied.url())
    with engine.begin() as conn:
        happen(conn, "e1", secrets.token_bytes(BIG))
    engine.dispose()
    assert emptied.url() != url


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE setting ADD COLUMN mark int",
        "ALTER TABLE setting ALTER COLUMN value DROP NOT NULL",
        "ALTER TABLE setting ADD CHECK (name <> 'mark')",
        "DROP INDEX ix_event_work_open",
        "DROP TRIGGER routing_rule_delete ON rule",
    ],
)
def test_every_change_of_the_tables_is_seen(emptied: Emptied, change: str) -> None:
    with session(emptied.url()) as connected, connected.transaction(force_rollback=True):
        before = form(connected)
        assert form(connected) == before
        connected.execute(change)
        assert form(connected) != before
