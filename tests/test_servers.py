"""The servers the tests stand on are real: each does what the hub asks of it, and none outlives its test."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import redis
from rq import Queue, SimpleWorker
from rq.serializers import JSONSerializer
from sqlalchemy import create_engine, text

from connectors.testing import ports
from connectors.testing.ports import free_port
from tests.servers import Stack, fresh_database, wait_until


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url) as client:
        client.flushall()
        yield client


def test_redis_keeps_values_and_moves_them(client: redis.Redis) -> None:
    client.set("greeting", "здравствуйте")
    assert client.get("greeting") == "здравствуйте".encode()
    client.rpush("here", "one", "two")
    assert client.blmove("here", "there", 1) == b"one"
    assert client.lrange("there", 0, -1) == [b"one"]


def test_redis_is_as_durable_as_in_production(client: redis.Redis) -> None:
    assert client.config_get("append*")["appendonly"] == "yes"
    assert client.config_get("appendfsync") == {"appendfsync": "everysec"}


def add(left: int, right: int) -> int:
    """The job of the next test."""
    return left + right


def test_rq_runs_a_job_with_the_json_serializer(client: redis.Redis) -> None:
    queue = Queue("doorbell", connection=client, serializer=JSONSerializer)
    job = queue.enqueue("tests.test_servers.add", 2, 3)
    worker = SimpleWorker([queue], connection=client, serializer=JSONSerializer)
    assert worker.work(burst=True, logging_level="WARNING")
    assert job.return_value(refresh=True) == 5


def test_postgres_lets_two_workers_take_different_rows(postgres_url: str) -> None:
    take = text("SELECT id FROM work ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED")
    with fresh_database(postgres_url) as url:
        engine = create_engine(url)
        with engine.begin() as setup:
            setup.execute(text("CREATE TABLE work (id int PRIMARY KEY)"))
            setup.execute(text("INSERT INTO work VALUES (1), (2)"))
        with engine.connect() as first, engine.connect() as second:
            assert (first.scalar(take), second.scalar(take)) == (1, 2)
        engine.dispose()


def test_postgres_knows_cyrillic_and_syncs_to_disk(postgres_url: str) -> None:
    with fresh_database(postgres_url) as url:
        engine = create_engine(url)
        with engine.connect() as connection:
            assert connection.scalar(text("SELECT lower('ПЁТР')")) == "пётр"
            assert connection.scalar(text("SHOW fsync")) == "on"
        engine.dispose()


def test_a_fresh_database_is_empty_and_gone_afterwards(postgres_url: str) -> None:
    with fresh_database(postgres_url) as url:
        engine = create_engine(url)
        with engine.begin() as connection:
            connection.execute(text("CREATE TABLE mark (id int)"))
        with fresh_database(postgres_url) as other:
            assert other != url
            assert _tables(other) == []
        assert _tables(url) == ["mark"]
        engine.dispose()
    assert url.split("/")[-1].split("?")[0] not in _databases(postgres_url)


def test_a_fresh_database_can_be_a_copy(postgres_url: str) -> None:
    with fresh_database(postgres_url) as url:
        engine = create_engine(url)
        with engine.begin() as connection:
            connection.execute(text("CREATE TABLE mark (id int)"))
        engine.dispose()
        with fresh_database(postgres_url, template=str(engine.url.database)) as copy:
            assert _tables(copy) == ["mark"]


def test_stack_is_empty_and_its_own(stack: Stack) -> None:
    assert (stack.redis_url is None) == (stack.name == "embedded")
    for url in (stack.database_url, stack.inbox_url):
        engine = create_engine(url)
        with engine.connect() as connection:
            assert connection.scalar(text("SELECT 1")) == 1
        engine.dispose()
    assert stack.folder.is_dir()


def test_a_free_port_can_be_had_and_no_outgoing_connection_is_ever_given_it() -> None:
    for port in (free_port() for _ in range(50)):
        with socket.create_server(("127.0.0.1", port)):
            pass
        range_of_the_system = Path("/proc/sys/net/ipv4/ip_local_port_range")
        assert not range_of_the_system.exists() or port < int(range_of_the_system.read_text().split()[0])


def test_a_port_somebody_listens_on_is_not_free(monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    monkeypatch.setattr(secrets, "randbelow", lambda _: port - ports.FIRST)
    assert free_port() == port
    with socket.create_server(("127.0.0.1", port)), pytest.raises(OSError, match="no free port"):
        free_port()


def test_wait_until_gives_up() -> None:
    with pytest.raises(TimeoutError, match=r"0\.05 s"):
        wait_until(lambda: False, 0.05)


# ── kill -9 of the test process ──────────────────────────────────────────────────────────────────

_HOLDER = """
import sys
from tests.servers import {server}
with {server}() as url:
    print(url, flush=True)
    sys.stdin.read()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's death signal exists on Linux only")
@pytest.mark.parametrize("server", ["redis_server", "postgres_server"])
def test_no_server_outlives_a_killed_test_process(server: str) -> None:
    code = _HOLDER.format(server=server)
    root = Path(__file__).parent.parent
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout
        url = holder.stdout.readline()
        folder = Path("/tmp", url.split("/tmp/")[1].split("/")[0].strip())
        children = _children(holder.pid)
        assert len(children) == 1
        assert _alive(children[0])
        os.kill(holder.pid, signal.SIGKILL)
        holder.wait()
        try:
            wait_until(lambda: not _alive(children[0]), 10)
            assert not list(folder.glob("*.sock")) + list(folder.glob(".s.PGSQL.5432"))
        finally:
            if _alive(children[0]):
                os.kill(children[0], signal.SIGKILL)
            shutil.rmtree(folder)


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _alive(pid: int) -> bool:
    """Whether the process runs; one that ended and was not collected yet (Z) does not."""
    with suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def _tables(url: str) -> list[str]:
    query = text("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    engine = create_engine(url)
    with engine.connect() as connection:
        found = list(connection.scalars(query))
    engine.dispose()
    return found


def _databases(server: str) -> list[str]:
    engine = create_engine(server)
    with engine.connect() as connection:
        found = list(connection.scalars(text("SELECT datname FROM pg_database")))
    engine.dispose()
    return found
