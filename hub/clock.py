"""The only place that knows the time, makes ids and sleeps; everything else is handed these.

Times in tables (`*_at`) are whole milliseconds since 1970 UTC. Ids are 26 characters that sort by the
time they were made, so that new rows land at the end of every index.
"""

from __future__ import annotations

import random
import secrets
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime

SECOND = 1000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUV"
_PAIRS = [first + second for first in DIGITS for second in DIGITS]
_PLACES = range(120, -1, -10)
_STEP = 1 << 59


def instant(ms: int) -> datetime:
    """Milliseconds as an aware UTC datetime."""
    return datetime.fromtimestamp(ms / 1000, UTC)


def millis(at: datetime) -> int:
    """An aware datetime as milliseconds."""
    return round(at.timestamp() * 1000)


def as_id(raw: bytes) -> str:
    """16 bytes as an id: base32hex (RFC 4648) without its padding. A lead takes about fifteen of them, and
    `base64.b32hexencode` three times as long."""
    bits = int.from_bytes(raw, "big") << 2
    return "".join([_PAIRS[bits >> place & 1023] for place in _PLACES])


@dataclass
class Clock:
    """Wall time, monotonic time, sleep and ids of one running hub. Thread-safe."""

    randomness: random.Random = field(default_factory=secrets.SystemRandom)
    _newest: tuple[int, int] = field(default=(-1, 0), init=False, repr=False)
    _making: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    def now(self) -> int:
        """Milliseconds since 1970 UTC."""
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        """Seconds that never jump; only differences mean something."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Do nothing for a while."""
        time.sleep(seconds)

    def new_id(self) -> str:
        """26 characters of 6 bytes time and 10 bytes chance: cannot be guessed, sorts by age.

        Of two made by one clock in one millisecond the second sorts later: two lines of a timeline that were
        written at one instant keep their order. They differ in their first 69 bits already: by those contacts are
        known in the register (`hub.identity.places.number_of`).
        """
        now = self.now()
        with self._making:
            at, before = self._newest
            step = _STEP + self.randomness.getrandbits(60)
            chance = before + step if now == at else self.randomness.getrandbits(79)
            self._newest = now, chance
        return as_id(((now << 80) + chance).to_bytes(16, "big"))


@dataclass
class FixedClock(Clock):
    """A clock that moves only when told to; ids repeat for the same seed. For tests and replays."""

    at: int = 1_770_000_000_000
    randomness: random.Random = field(default_factory=lambda: random.Random(7))  # noqa: S311 - repeatable on purpose
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def now(self) -> int:
        return self.at

    def monotonic(self) -> float:
        return self.at / 1000

    def sleep(self, seconds: float) -> None:
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        with self._lock:
            self.at += round(seconds * 1000)
