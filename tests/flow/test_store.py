"""The ground everything stands on: tables as described, receipts only for what is on the disk, one order for all."""

from __future__ import annotations

import importlib
import threading
import time
from base64 import b32hexencode
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, MetaData, select
from sqlalchemy import event as engine_event

import hub.model
from hub.clock import Clock, as_id
from hub.funnel.signals import tell
from hub.model import event, lead, link, poll_cursor, setting
from hub.store import engine as engines
from hub.store.engine import Store, add_unless_there, open_store
from hub.store.groupcommit import DifferentBody, Inbox, NotStored
from hub.store.migrate import HEADS, SCRIPTS, migrate, revision, version_table
from tests.servers import Stack, wait_until

clock = Clock()


def row(delivery: str = "", digest: str = "", **more: Any) -> dict[str, Any]:
    """An event as intake writes it."""
    receipt = clock.new_id()
    return {
        "id": receipt, "connection_id": "c", "delivery": delivery or receipt, "digest": digest,
        "received_at": clock.now(), "verdict": "ok", "why": "", "method": "POST", "path": "/", "query": "",
        "headers": {}, "body": b"x", **more,
    }  # fmt: skip


@pytest.fixture
def store(stack: Stack) -> Iterator[Store]:
    with opened(stack) as made:
        yield made


@pytest.fixture
def grown(bare_stack: Stack) -> Iterator[Store]:
    """Its tables were not copied, but made step by step."""
    with opened(bare_stack) as made:
        yield made


@contextmanager
def opened(stack: Stack) -> Iterator[Store]:
    made = open_store(stack.database_url, stack.inbox_url)
    migrate(made)
    try:
        yield made
    finally:
        made.close()


@contextmanager
def writing(engine: Engine) -> Iterator[Inbox]:
    inbox = Inbox(engine)
    try:
        yield inbox
    finally:
        inbox.close()


def stored(store: Store) -> list[Any]:
    with store.read_inbox() as conn:
        return list(conn.execute(select(event).order_by(event.c.seq)))


# ── tables ───────────────────────────────────────────────────────────────────────────────────────


def differences(engine: Engine, tables: MetaData, name: str) -> list[Any]:
    """What a new migration of this set would have to change."""

    def mine(_object: Any, found: str | None, kind: str, _reflected: bool, _other: Any) -> bool:
        return kind != "table" or found in tables.tables

    with engine.connect() as conn:
        options = {"version_table": version_table(name), "include_object": mine, "compare_type": True}
        return list(compare_metadata(MigrationContext.configure(conn, opts=options), tables))


@pytest.mark.parametrize("name", ["hub", "inbox"])
def test_migrated_tables_are_the_described_ones(grown: Store, name: str) -> None:
    engine, tables = getattr(grown, name), getattr(hub.model, name)
    assert revision(engine, name) == HEADS[name]
    assert differences(engine, tables, name) == []


@pytest.mark.parametrize("name", ["hub", "inbox"])
def test_the_newest_revision_is_the_one_we_look_for(name: str) -> None:
    assert ScriptDirectory(str(SCRIPTS / name)).get_heads() == [HEADS[name]]


def test_migrating_again_changes_nothing(grown: Store) -> None:
    with writing(grown.inbox) as inbox:
        inbox.add([row()])
    migrate(grown)
    assert len(stored(grown)) == 1


def test_what_a_crm_showed_is_a_leads_own(store: Store) -> None:
    """What was agreed on with a CRM before a lead could hold it would else look like taken off here."""
    step = importlib.import_module("hub.store.migrations.hub.versions.0014_tags")
    made = {"direction_id": "d", "stage": "new", "opened_at": 1, "active_at": 1, "closed_at": 1, "state": "converted"}
    with store.write() as conn:
        conn.execute(hub.model.direction.insert().values(id="d", name="d", position=1))
        conn.execute(hub.model.contact.insert().values(id="c", name="", created_at=1, updated_at=1))
        for key, bases in (
            ("l", ({"tags": ["VIP"]}, {"tags": ["VIP", "Окна"], "amount": "5"})),
            ("m", ({"title": "tags"},)),
        ):
            conn.execute(lead.insert().values(id=key, contact_id="c", **made))
            for n, base in enumerate(bases):
                told = {"id": f"{key}{n}", "connection_id": str(n), "role": "lead", "record_id": key, "state": "linked"}
                conn.execute(link.insert().values(**told, base=base, due_at=1, since=1))
        with Operations.context(MigrationContext.configure(conn)):
            step._fill("lead")
        held = {row.id: (row.tags, row.amount) for row in conn.execute(select(lead))}
    assert held == {"l": (["VIP", "Окна"], "5"), "m": ([], "")}


def test_an_open_lead_without_owner_is_refused_by_the_database(store: Store) -> None:
    values = {"id": "l", "contact_id": "c", "direction_id": "d", "state": "open", "opened_at": 1, "active_at": 1}
    with pytest.raises(Exception, match=r"open_has_owner_and_next_step"), store.write() as conn:
        conn.execute(lead.insert().values(values))


# ── group commit ─────────────────────────────────────────────────────────────────────────────────


def test_only_the_first_hears_that_its_row_counts(store: Store) -> None:
    with store.write() as conn:
        heard = [add_unless_there(conn, setting, {"name": "n", "value": {}}) for _ in range(2)]
        told = [tell(conn, clock, "signal", "", {}) for _ in range(2)]
    assert (heard, told) == ([True, False], [True, False])


def test_many_who_wait_share_one_commit(store: Store) -> None:
    commits: list[Connection] = []
    slow = threading.Event()
    with writing(store.inbox) as inbox:
        engine_event.listen(store.inbox, "commit", commits.append)
        engine_event.listen(store.inbox, "begin", lambda _conn: slow.wait(5))
        with ThreadPoolExecutor(40) as pool:
            running = [pool.submit(inbox.add, [row()]) for _sender in range(40)]
            wait_until(lambda: sum(one.running() for one in running) == 40)
            time.sleep(0.05)
            slow.set()
            receipts = {one.result()[0].id for one in running}
    assert len(receipts) == 40
    assert len(stored(store)) == 40
    assert len(commits) <= 3


def test_nobody_hears_yes_before_the_commit(store: Store) -> None:
    """A reader that looks the moment `add` returns finds the row."""
    with writing(store.inbox) as inbox, ThreadPoolExecutor(8) as pool:

        def one(_number: int) -> bool:
            receipt = inbox.add([row()])[0].id
            with store.read_inbox() as conn:
                return conn.execute(select(event.c.seq).where(event.c.id == receipt)).first() is not None

        assert all(pool.map(one, range(60)))


def test_one_delivery_is_stored_once_and_has_one_receipt(store: Store) -> None:
    with writing(store.inbox) as inbox, ThreadPoolExecutor(8) as pool:
        answers = [one[0] for one in pool.map(lambda _n: inbox.add([row("id:1", "same")]), range(20))]
    assert len({one.id for one in answers}) == 1
    assert [one.first for one in answers].count(True) == 1
    assert len(stored(store)) == 1


def test_another_body_under_the_same_key_is_told(store: Store) -> None:
    with writing(store.inbox) as inbox:
        first = inbox.add([row("key:1", "one")])[0]
        with pytest.raises(DifferentBody, match=first.id):
            inbox.add([row("key:1", "another")])
        assert inbox.add([row("key:2", "another")])[0].first
        assert inbox.add([{**row("key:1", "another"), "connection_id": "d"}])[0].first


def test_messages_and_their_cursor_are_one_commit(store: Store) -> None:
    cursor = {"connection_id": "c", "cursor": "7", "updated_at": 1}
    with writing(store.inbox) as inbox:
        with failing(store.inbox, "poll_cursor"), pytest.raises(NotStored):
            inbox.add([row("id:1")], cursor)
        assert stored(store) == []
        inbox.add([row("id:1")], cursor)
        inbox.add([], {**cursor, "cursor": "8"})
    with store.read_inbox() as conn:
        assert conn.execute(select(poll_cursor.c.cursor)).scalar() == "8"
    assert len(stored(store)) == 1


@contextmanager
def failing(engine: Engine, table: str) -> Iterator[None]:
    """Statements that touch this table are wrong ones."""

    def spoil(_conn: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, _many: bool) -> Any:
        return ("SELECT no_such_column", ()) if table in statement else (statement, parameters)

    engine_event.listen(engine, "before_cursor_execute", spoil, retval=True)
    try:
        yield
    finally:
        engine_event.remove(engine, "before_cursor_execute", spoil)


UNSTORABLE: Mapping[str, Any] = {
    "a lone surrogate": {"query": "q=\ud800"},
    "a number too large": {"received_at": 10**30},
    "a value of no type": {"path": object()},
}


@pytest.mark.parametrize("what", UNSTORABLE)
def test_what_cannot_be_stored_is_refused_alone_and_the_next_is_taken(store: Store, what: str) -> None:
    with writing(store.inbox) as inbox:
        with pytest.raises(NotStored):
            inbox.add([row(**UNSTORABLE[what])])
        assert stored(store) == []
        assert inbox.add([row()])[0].first
    assert len(stored(store)) == 1


def test_one_bad_row_does_not_take_its_neighbours_along(store: Store) -> None:
    """They wait for the same commit by chance: a sender must not be able to fail somebody else's inquiry."""
    slow = threading.Event()
    with writing(store.inbox) as inbox, ThreadPoolExecutor(10) as pool:
        engine_event.listen(store.inbox, "begin", lambda _conn: slow.wait(5))
        running = [pool.submit(inbox.add, [row(query="\ud800" if n == 5 else "")]) for n in range(10)]
        wait_until(lambda: sum(one.running() for one in running) == 10)
        time.sleep(0.05)
        slow.set()
        failed = [one for one in running if isinstance(one.exception(), NotStored)]
    assert failed == [running[5]]
    assert len(stored(store)) == 9


# ── trouble with the disk ────────────────────────────────────────────────────────────────────────


def test_a_locked_database_is_no_receipt(embedded: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    """A backup program holds the file."""
    monkeypatch.setattr(engines, "BUSY_MS", 200)
    with opened(embedded) as store, writing(store.inbox) as inbox:
        holder = engines.sqlite_library().connect(embedded.inbox_url.removeprefix("sqlite:///"))
        holder.execute("BEGIN EXCLUSIVE")
        with pytest.raises(NotStored, match="locked"):
            inbox.add([row()])
        holder.rollback()
        holder.close()
        assert inbox.add([row()])[0].first
        assert len(stored(store)) == 1


def test_a_full_disk_is_no_receipt_and_heals_alone(embedded: Stack) -> None:
    with opened(embedded) as store:
        limit = {"pages": 40}

        def shrink(conn: Connection) -> None:
            conn.exec_driver_sql(f"PRAGMA max_page_count={limit['pages']}")

        engine_event.listen(store.inbox, "begin", shrink)
        with writing(store.inbox) as inbox:
            kept = until_full(inbox)
            assert len(stored(store)) == kept > 0
            limit["pages"] = 1_000_000
            assert inbox.add([row(body=b"x" * 8000)])[0].first
            assert len(stored(store)) == kept + 1


def until_full(inbox: Inbox) -> int:
    """How many receipts were given before the disk was full."""
    for kept in range(100):
        try:
            inbox.add([row(body=b"x" * 8000)])
        except NotStored:
            return kept
    raise AssertionError("the disk was never full")


# ── the order of the log ─────────────────────────────────────────────────────────────────────────


def test_a_number_once_seen_stays_the_last_one_below_it(store: Store, stack: Stack) -> None:
    """Several writers, as several web processes on PostgreSQL are: who has read up to n misses nothing below n."""
    others = [open_store(stack.database_url, stack.inbox_url) for _process in range(3)]
    inboxes = [Inbox(one.inbox) for one in others]
    done = threading.Event()
    seen: list[int] = []

    def read() -> None:
        last = 0
        while not done.is_set() or last != newest(store):
            with store.read_inbox() as conn:
                found = list(conn.execute(select(event.c.seq).where(event.c.seq > last).order_by(event.c.seq)))
            seen.extend(one.seq for one in found)
            last = seen[-1] if seen else 0

    reader = threading.Thread(target=read)
    reader.start()
    with ThreadPoolExecutor(12) as pool:
        list(pool.map(lambda n: inboxes[n % 3].add([row()]), range(240)))
    done.set()
    reader.join(20)
    for inbox in inboxes:
        inbox.close()
    for one in others:
        one.close()
    assert seen == [one.seq for one in stored(store)]
    assert len(seen) == 240


def newest(store: Store) -> int:
    with store.read_inbox() as conn:
        return int(conn.execute(select(event.c.seq).order_by(event.c.seq.desc()).limit(1)).scalar() or 0)


@given(st.binary(min_size=16, max_size=16))
def test_an_id_is_base32hex_so_that_ids_sort_like_their_times(raw: bytes) -> None:
    assert as_id(raw) == b32hexencode(raw).rstrip(b"=").decode()
