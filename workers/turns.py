"""The calls of one CRM account counted in Redis, for a fleet of workers on any number of machines."""

from __future__ import annotations

import logging
from collections.abc import Callable

from pyrate_limiter import Rate, RedisBucket
from redis import Redis
from redis.exceptions import RedisError

from connectors.turns import Budget, take

log = logging.getLogger("leadhub.work")

PREFIX = "leadhub-calls-"
AGAIN_S = 1.0


class InRedis:
    """Keeps `connectors.turns.Turns`. Without Redis nobody calls: whoever cannot count must not spend."""

    def __init__(self, redis: Redis, account: str, budget: Budget, now_ms: Callable[[], int]) -> None:
        self._redis, self._budget, self._now_ms = redis, budget, now_ms
        self._name = PREFIX + account
        self._bucket: RedisBucket | None = None

    def take(self) -> float:
        try:
            if self._bucket is None:
                rate = Rate(self._budget[0], int(self._budget[1] * 1000))
                self._bucket = RedisBucket.init([rate], self._redis, self._name)
            return take(self._bucket, self._budget, self._now_ms())
        except RedisError as error:
            log.info("no turns: %s", type(error).__name__)
            self._bucket = None  # a Redis that was emptied has forgotten its script
            return AGAIN_S

    def shut(self, seconds: float) -> None:
        try:
            if seconds > self.shut_for():
                self._redis.set(self._name + "-shut", 1, px=max(1, round(seconds * 1000)))
        except RedisError as error:
            log.info("pause not told: %s", type(error).__name__)

    def shut_for(self) -> float:
        try:
            left = self._redis.pttl(self._name + "-shut")
        except RedisError:
            return 0.0  # `take` says what is wrong
        return max(0, int(left)) / 1000
