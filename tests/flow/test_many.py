"""Many rows in one statement: they stand there as if SQLAlchemy had written each of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import bindparam, select, update
from sqlalchemy.exc import IntegrityError

from hub.clock import Clock
from hub.model import link
from hub.store.engine import Store, open_store
from hub.store.many import add_many, run_many
from hub.store.migrate import migrate
from tests.servers import Stack

clock = Clock()
GROWN = (
    update(link)
    .where(link.c.id == bindparam("b_id"))
    .values({"dirty": link.c.dirty + bindparam("b_more"), "base": bindparam("base"), "lease": "", "lease_until": None})
)


@pytest.fixture
def store(stack: Stack) -> Iterator[Store]:
    made = open_store(stack.database_url, stack.inbox_url)
    migrate(made)
    yield made
    made.close()


def row(**more: Any) -> dict[str, Any]:
    """A link with some columns only; the others have what the model says."""
    return {"id": clock.new_id(), "connection_id": "c", "role": "lead", "record_id": clock.new_id(), "state": "new",
            "since": 5, "lease": "held", "lease_until": 9, **more}  # fmt: skip


def all_of(store: Store) -> list[dict[str, Any]]:
    with store.read() as conn:
        return [dict(one._mapping) for one in conn.execute(select(link).order_by(link.c.id))]


def test_columns_that_are_not_named_have_what_the_model_says(store: Store) -> None:
    rows = [row(raw={"a": [1, None, "ü"]}), row(raw={})]
    with store.write() as conn:
        assert add_many(conn, link, rows) == 2
    ours = all_of(store)
    with store.write() as conn:
        conn.execute(link.delete())
        conn.execute(link.insert(), rows)
    assert ours == all_of(store)
    assert [one["lane"] for one in ours] == [2, 2]


def test_a_key_that_is_taken_is_left_out_or_refused(store: Store) -> None:
    first, second = row(), row()
    with store.write() as conn:
        assert add_many(conn, link, [first]) == 1
        assert add_many(conn, link, [{**first, "state": "parked"}, second], unless_there=True) == 1
    with pytest.raises(IntegrityError), store.write() as conn:
        add_many(conn, link, [row(), first])
    assert [one["state"] for one in all_of(store)] == ["new", "new"]


def test_constants_sums_and_values_of_a_statement_all_count(store: Store) -> None:
    rows = [row(dirty=1), row(dirty=2), row(dirty=3)]
    with store.write() as conn:
        add_many(conn, link, rows)
        changes = [{"b_id": one["id"], "b_more": 10, "base": {"n": one["dirty"]}} for one in rows[:2]]
        assert run_many(conn, GROWN, changes) == 2
    found = {one["id"]: (one["dirty"], one["base"], one["lease"], one["lease_until"]) for one in all_of(store)}
    assert [found[one["id"]] for one in rows] == [
        (11, {"n": 1}, "", None), (12, {"n": 2}, "", None), (3, {}, "held", 9),
    ]  # fmt: skip


def test_nothing_to_write_is_no_statement(store: Store) -> None:
    with store.write() as conn:
        assert add_many(conn, link, []) == run_many(conn, GROWN, []) == 0
