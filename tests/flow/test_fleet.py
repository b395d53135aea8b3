"""Workers as processes of their own on RQ: Redis only rings, the database alone is enough to finish everything."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import redis

from hub.model import lead, link
from tests.emptied import Emptied
from tests.flow.scene import REAL, TOKEN, Scene, configured, scene
from tests.servers import Stack, redis_server, wait_until
from workers.fleet import Doorbell, queue_of
from workers.process import environment

ROOT = Path(__file__).parent.parent.parent
PATIENCE = 45.0
BELL = re.compile(r"(leadhub-)?(flow|push|pull|poll)(-[01])?")

pytestmark = pytest.mark.timeout(180)

QUICK = """
import sys
import workers.fleet, workers.tasks
from hub.intake import process
from hub.sync import ledger
from hub.cli import main
process.LEASE = ledger.LEASE = 2000
workers.tasks.EVERY.update(dict.fromkeys(workers.tasks.EVERY, float(sys.argv.pop(1))))
main()
"""
"""The leadhub command with short leases, and a sweeper as quick as the first argument says."""


class Team:
    """Worker processes of one hub, all gone at the end."""

    def __init__(self, made: Scene, sweep: float = 60.0) -> None:
        self._config, self._sweep = configured(made.stack, made.address), sweep
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, *queues: str, **more: str) -> Team:
        """One `leadhub worker QUEUE` each."""
        for queue in queues:
            command = [sys.executable, "-c", QUICK, str(self._sweep), "worker", queue]
            told = {**environment(self._config), "PYTHONPATH": str(ROOT), **more}
            self.running[queue] = subprocess.Popen(command, env=told, stderr=subprocess.DEVNULL)
        return self

    def kill(self, queue: str) -> None:
        """kill -9."""
        process = self.running.pop(queue)
        process.send_signal(signal.SIGKILL)
        process.wait()

    def stop(self) -> None:
        for process in self.running.values():
            process.send_signal(signal.SIGTERM)
        for process in self.running.values():
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextmanager
def team(made: Scene, *queues: str, sweep: float = 60.0) -> Iterator[Team]:
    people = Team(made, sweep)
    try:
        yield people.start(*queues)
    finally:
        people.stop()


@pytest.fixture
def on_servers(emptied: Emptied, redis_url: str, tmp_path: Path) -> Iterator[Scene]:
    """A hub on PostgreSQL and Redis, in real time."""
    with redis.Redis.from_url(redis_url) as client:
        client.flushall()
    url = emptied.url()
    with scene(Stack("servers", url, url, redis_url, tmp_path), REAL) as made:
        yield made


def post(made: Scene, first: int, count: int) -> None:
    for number in range(first, first + count):
        made.post(name=f"Wilhelmina {number}", phone=f"+7916{number:07}", submission_id=f"n-{number}")


def arrived(made: Scene, count: int) -> bool:
    return len(made.cards()) == count and {row.state for row in made.rows(link)} == {"linked"}


def once(made: Scene, count: int) -> None:
    """Everything is over there, nothing twice."""
    assert len(made.rows(lead)) == len(made.cards()) == len(made.cards("contacts")) == count
    markers = [made.cell(card, "HUB_ID") for card in made.cards()]
    assert len(set(markers)) == count


def everything_in(client: redis.Redis) -> list[bytes]:
    """Every key with everything under it."""
    found: list[bytes] = []
    for key in client.scan_iter():
        kind = client.type(key)
        reads: Mapping[bytes, Any] = {
            b"string": lambda key: [client.get(key)],
            b"hash": lambda key: [part for pair in client.hgetall(key).items() for part in pair],
            b"list": lambda key: client.lrange(key, 0, -1),
            b"set": lambda key: list(client.smembers(key)),
            b"zset": lambda key: client.zrange(key, 0, -1),
            b"stream": lambda key: [repr(client.xrange(key)).encode()],
            b"none": lambda key: [],  # it has just expired
        }
        found += [key, *reads[kind](key)]
    return found


def test_workers_deliver_and_redis_knows_nobody(on_servers: Scene) -> None:
    """The sweeper would need a minute: what arrives was rung for."""
    made = on_servers
    assert made.stack.redis_url
    bell = Doorbell(made.stack.redis_url)
    with team(made, "flow", "push"), redis.Redis.from_url(made.stack.redis_url) as client:
        wait_until(lambda: client.scard("rq:workers") == 2, PATIENCE)
        post(made, 0, 3)
        bell("flow")
        wait_until(lambda: arrived(made, 3), 20)
        for name in ("flow", "push", "pull", "poll"):
            queue_of(name, client).enqueue_call("workers.fleet.run", (name,), job_id=f"leadhub-{name}-0")
        told = b"\n".join(everything_in(client))
    bell.close()
    once(made, 3)
    ids = [row.id for row in made.rows(lead)] + [made.crm_id, made.form_id]
    for secret in ("Wilhelmina", "7916", TOKEN, made.stack.database_url, *ids):
        assert secret.encode() not in told
    assert b"leadhub-push-0" in told


def test_a_thousand_rings_are_few_jobs(redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        client.flushall()
        client.config_resetstat()
        bell = Doorbell(redis_url)
        for _ring in range(1000):
            bell("flow")
        bell.close()
        queued = client.lrange("rq:queue:leadhub-flow", 0, -1)
        commands = sum(one["calls"] for one in client.info("commandstats").values())
        assert set(queued) <= {b"leadhub-flow-0", b"leadhub-flow-1"}
        assert 1 <= len(queued) <= 2
        assert commands < 200
        client.flushall()


def test_a_thousand_leads_cost_two_redis_commands_each_at_most(on_servers: Scene) -> None:
    made = on_servers
    assert made.stack.redis_url
    made.hub.ring = bell = Doorbell(made.stack.redis_url)
    with team(made, "flow", "push"), redis.Redis.from_url(made.stack.redis_url) as client:
        wait_until(lambda: client.scard("rq:workers") == 2, PATIENCE)
        client.config_resetstat()
        for start in range(0, 1000, 25):
            batch_of(made, start, 25)
            bell("flow")
        wait_until(lambda: len(made.cards()) == 1000, 90)
        commands = sum(one["calls"] for name, one in client.info("commandstats").items() if "config" not in name)
    bell.close()
    once(made, 1000)
    assert commands <= 2 * 1000


def batch_of(made: Scene, first: int, count: int) -> None:
    """Like `post`, with one fsync for all of them."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(count) as pool:
        list(pool.map(lambda number: post(made, number, 1), range(first, first + count)))


def test_an_emptied_redis_stops_nothing(on_servers: Scene) -> None:
    made = on_servers
    assert made.stack.redis_url
    bell = Doorbell(made.stack.redis_url)
    with team(made, "flow", "push", sweep=1.0), redis.Redis.from_url(made.stack.redis_url) as client:
        wait_until(lambda: client.scard("rq:workers") == 2, PATIENCE)
        for start in range(0, 60, 10):
            post(made, start, 10)
            bell("flow")
            client.flushall()
        wait_until(lambda: arrived(made, 60), PATIENCE)
    bell.close()
    once(made, 60)


def test_a_redis_that_is_killed_or_was_never_there_stops_nothing(on_servers: Scene) -> None:
    made = on_servers
    with ExitStack() as gone:
        url = gone.enter_context(redis_server())
        made.stack = replace(made.stack, redis_url=url)
        bell = Doorbell(url)
        with team(made, "flow", sweep=1.0) as people, redis.Redis.from_url(url) as client:
            wait_until(lambda: client.scard("rq:workers") == 1, PATIENCE)
            post(made, 0, 5)
            os.kill(client.info("server")["process_id"], signal.SIGKILL)
            gone.close()
            people.start("push")  # for this one there never was a Redis
            post(made, 5, 5)
            bell("flow")
            wait_until(lambda: arrived(made, 10), PATIENCE)
        bell.close()
    once(made, 10)


def test_a_worker_killed_in_the_middle_is_followed_by_another(on_servers: Scene) -> None:
    """It dies while the CRM thinks about its call: what it was sending is looked up before it is sent again."""
    made = on_servers
    shorten_doubt(made)
    made.crm.latency = 1.0
    with team(made, "flow", "push", sweep=0.5) as people:
        post(made, 0, 3)
        wait_until(lambda: made.calls("POST", "leads/complex"), PATIENCE)
        people.kill("push")
        people.kill("flow")
        made.crm.latency = 0.0
        post(made, 3, 3)
        people.start("flow", "push")
        wait_until(lambda: arrived(made, 6), PATIENCE)
    once(made, 6)


def shorten_doubt(made: Scene) -> None:
    """This CRM answers within a second or never, and finds at once what was written."""
    from hub.model import connection

    with made.hub.store.write() as conn:
        config = dict(made.row(connection, id=made.crm_id).config, longest_s=1.5, lag_s=0.2)
        conn.execute(connection.update().where(connection.c.id == made.crm_id).values(config=config))
