"""Who may call next: the calls one CRM account allows, counted in this process or for all that share the account.

Guarantees: at most `calls` in any `seconds`, whoever makes them; none while the other side asked for a pause. Work
that can wait (lane 2: backfill, audit, everything nobody looks at) leaves room for what cannot, so that a fresh lead
never stands behind a hundred thousand old ones.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Protocol

from pyrate_limiter import AbstractBucket, InMemoryBucket, Rate, RateItem, SQLiteBucket

FRESH, PERSON, REST = 0, 1, 2
Budget = tuple[int, float]
"""Calls, seconds."""

_lane: ContextVar[int] = ContextVar("lane", default=FRESH)


@contextmanager
def lane(number: int) -> Iterator[None]:
    """Calls in this block belong to this lane (of this thread; 0 unless said)."""
    token = _lane.set(number)
    try:
        yield
    finally:
        _lane.reset(token)


def reserve(calls: int) -> int:
    """How many of an account's calls are kept for what cannot wait."""
    return 0 if calls < 2 or _lane.get() < REST else max(1, calls // 10)


class Turns(Protocol):
    """The calls of one account."""

    def take(self) -> float:
        """Take a turn: 0.0, or after how many seconds to ask again."""

    def shut(self, seconds: float) -> None:
        """Nobody gets a turn for so long."""

    def shut_for(self) -> float:
        """Seconds that are left of it."""


class Own:
    """Counted in this process. No budget: every call has its turn."""

    def __init__(self, budget: Budget | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._budget, self._clock = budget, clock
        self._bucket = InMemoryBucket([_rate(budget)]) if budget else None
        self._lock = threading.Lock()
        self._until = 0.0

    def take(self) -> float:
        if self._bucket is None or self._budget is None:
            return 0.0
        with self._lock:
            return take(self._bucket, self._budget, int(self._clock() * 1000))

    def shut(self, seconds: float) -> None:
        self._until = max(self._until, self._clock() + seconds)

    def shut_for(self) -> float:
        return self._until - self._clock()


class InFile:
    """Counted in an SQLite file that all processes of one machine share. It may be lost: it forgets a window.

    `now_ms` answers milliseconds since 1970, the clock all these processes share.
    """

    def __init__(self, place: Path, account: str, budget: Budget, now_ms: Callable[[], int]) -> None:
        self._budget, self._now_ms = budget, now_ms
        name = "".join(c for c in account if c.isalnum())
        self._bucket = SQLiteBucket.init_from_file([_rate(budget)], f"calls_{name}", str(place), use_file_lock=True)
        self._conn, self._pause = self._bucket.conn, f"pause_{name}"
        self._lock = threading.Lock()
        with self._lock, self._bucket.lock:
            self._conn.execute(f"CREATE TABLE IF NOT EXISTS {self._pause} (until REAL)")
            self._conn.commit()

    def take(self) -> float:
        with self._lock, self._bucket.lock:
            return take(self._bucket, self._budget, self._now_ms())

    def shut(self, seconds: float) -> None:
        until = self._now_ms() / 1000 + seconds
        with self._lock, self._bucket.lock:
            self._conn.execute(f"DELETE FROM {self._pause} WHERE until < ?", (until,))  # noqa: S608 - own name
            self._conn.execute(f"INSERT INTO {self._pause} VALUES (?)", (until,))  # noqa: S608 - own name
            self._conn.commit()

    def shut_for(self) -> float:
        with self._lock:
            [(until,)] = self._conn.execute(f"SELECT max(until) FROM {self._pause}")  # noqa: S608 - own name
        return float(until or 0.0) - self._now_ms() / 1000

    def close(self) -> None:
        """Let go of the file."""
        self._conn.close()


def take(bucket: AbstractBucket, budget: Budget, now_ms: int) -> float:
    """One turn out of a bucket, with room left for who is in more of a hurry; seconds to wait when there is none."""
    calls, _ = budget
    bucket.leak(now_ms)
    kept = reserve(calls)
    if (kept and _held(bucket) >= calls - kept) or not bucket.put(RateItem("call", now_ms)):
        return pause(budget)
    return 0.0


def pause(budget: Budget) -> float:
    """After how many seconds it is worth asking again when there is no turn."""
    calls, seconds = budget
    return min(0.25, max(0.005, seconds / calls / 4))


def _held(bucket: AbstractBucket) -> int:
    count = bucket.count()
    assert isinstance(count, int)  # noqa: S101 - only the asynchronous buckets answer otherwise
    return count


def _rate(budget: Budget) -> Rate:
    return Rate(budget[0], int(budget[1] * 1000))
