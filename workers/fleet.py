"""The tasks on RQ: Redis carries wake-ups between processes and machines, the database carries the truth.

Each worker process listens on exactly one queue: with several, RQ takes jobs by BLPOP and a kill between
taking and starting loses them for good. A job is the name of a task and drains everything that is due; equal
wake-ups coalesce under two alternating ids, so that a ring during a drain's last look is never lost. Beside
the queue every worker sweeps the database itself: Redis may be slow, empty or gone, and work still ends.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextvars import ContextVar
from functools import partial

from redis import Redis
from redis.exceptions import RedisError
from rq import Queue, SimpleWorker
from rq.exceptions import DuplicateJobError
from rq.serializers import JSONSerializer

from connectors.turns import Budget, Turns
from hub.app import Hub
from workers.outermost import survive
from workers.tasks import EVERY, TASKS, rest
from workers.turns import InRedis

log = logging.getLogger("leadhub.work")

PREFIX = "leadhub-"
COALESCE_S = 0.05
REDIS_PATIENCE_S = 0.2
JOB_TIMEOUT_S = 600
RECONNECT_S = 2.0
ALSO = {"poll": ("time",)}
"""What a worker sweeps beside its own queue: nobody rings for it, and it is too little for a process of its own."""

_hub: ContextVar[Hub] = ContextVar("hub")
"""The hub of this worker process; set by `work`, read by the job."""


def run(name: str) -> int:
    """The one job there is: drain a task."""
    return TASKS[name](_hub.get())


def open_redis(url: str, patience_s: float | None = REDIS_PATIENCE_S) -> Redis:
    """A client; with patience for the web, which never waits for a doorbell."""
    return Redis.from_url(url, socket_timeout=patience_s, socket_connect_timeout=REDIS_PATIENCE_S)


def queue_of(name: str, redis: Redis) -> Queue:
    """The queue of a task."""
    return Queue(PREFIX + name, connection=redis, serializer=JSONSerializer)


def turns_in(url: str) -> Callable[[str, Budget], Turns]:
    """How the fleet counts an account's calls."""
    redis = open_redis(url, 2.0)
    return lambda account, budget: InRedis(redis, account, budget)


class Doorbell:
    """Rings RQ from any thread without ever making it wait; many rings become one job."""

    def __init__(self, url: str) -> None:
        self._redis = open_redis(url)
        self._wanted: set[str] = set()
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._turn = 0
        self._closed = False
        self._thread = threading.Thread(target=self._carry, name="doorbell", daemon=True)
        self._thread.start()

    def __call__(self, name: str) -> None:
        with self._lock:
            self._wanted.add(name)
        self._wake.set()

    def close(self) -> None:
        """Ring what is still to be rung and stop."""
        self._closed = True
        self._wake.set()
        self._thread.join(2)
        self._redis.close()

    def _carry(self) -> None:
        while True:
            self._wake.wait()
            self._wake.clear()
            with self._lock:
                names, self._wanted = self._wanted, set()
            for name in sorted(names):
                self._ring(name)
            if self._closed:
                return
            threading.Event().wait(COALESCE_S)

    def _ring(self, name: str) -> None:
        """At most one job waits and one more is remembered: the other id is free while the first one runs."""
        try:
            for _try in range(2):
                self._turn ^= 1
                if self._enqueue(name, f"{PREFIX}{name}-{self._turn}"):
                    return
        except (RedisError, OSError) as error:
            log.info("doorbell silent: %s", type(error).__name__)  # the sweeper comes round

    def _enqueue(self, name: str, job_id: str) -> bool:
        try:
            queue_of(name, self._redis).enqueue_call(
                run, (name,), job_id=job_id, unique=True, timeout=JOB_TIMEOUT_S, result_ttl=0, failure_ttl=60,
                description=name,
            )  # fmt: skip
        except DuplicateJobError:
            return False
        return True


class Sweeper(threading.Thread):
    """Runs one task every few seconds from the database alone."""

    def __init__(self, hub: Hub, name: str) -> None:
        super().__init__(name=f"sweep-{name}", daemon=True)
        self._hub, self._task, self._stopping = hub, name, threading.Event()

    def run(self) -> None:
        wait = EVERY[self._task]
        while not self._stopping.wait(wait):
            if survive(self._task, partial(TASKS[self._task], self._hub)):
                wait = rest(self._hub, self._task)

    def stop(self) -> None:
        """No further round."""
        self._stopping.set()


def work(hub: Hub, name: str, url: str, burst: bool = False) -> None:
    """Be the worker of one queue until told to stop. Waits for a Redis that is away."""
    _hub.set(hub)
    sweepers = [Sweeper(hub, one) for one in (name, *ALSO.get(name, ()))]
    for sweeper in sweepers:
        sweeper.start()
    try:
        while True:
            try:
                worker(name, url).work(burst=burst, logging_level="WARNING")
                return
            except (RedisError, OSError) as error:
                log.warning("redis away: %s", type(error).__name__)
                threading.Event().wait(RECONNECT_S)
    finally:
        for sweeper in sweepers:
            sweeper.stop()


def worker(name: str, url: str) -> SimpleWorker:
    """An RQ worker of one queue; jobs run in its own process, where everything is imported already."""
    redis = open_redis(url, None)
    return SimpleWorker([queue_of(name, redis)], connection=redis, serializer=JSONSerializer)
