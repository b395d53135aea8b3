"""The calls of one CRM account counted in Redis, for a fleet of workers on any number of machines."""

from __future__ import annotations

import logging

from redis import Redis
from redis.exceptions import RedisError

from connectors.turns import Budget, pause, reserve

log = logging.getLogger("leadhub.work")

PREFIX = "leadhub-calls-"
AGAIN_S = 1.0

TAKE = """
local seconds, micro = unpack(redis.call('TIME'))
local now, window, room = seconds * 1000000 + micro, tonumber(ARGV[1]), tonumber(ARGV[2])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - window)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '(' .. string.format('%.0f', now), '+inf')
local taken = redis.call('ZCARD', KEYS[1])
if taken >= room then return 0 end
local moment = string.format('%.0f', now)
redis.call('ZADD', KEYS[1], moment, moment .. '-' .. taken)
redis.call('PEXPIRE', KEYS[1], math.ceil(window / 1000))
return 1
"""
"""One turn, counted by the clock of Redis: with the clocks of those who ask, whoever asks a millisecond late would not
see the turns of those who are ahead. (pyrate-limiter's bucket counts so; six of five calls were seen.)"""


class InRedis:
    """Keeps `connectors.turns.Turns`. Without Redis nobody calls: whoever cannot count must not spend."""

    def __init__(self, redis: Redis, account: str, budget: Budget) -> None:
        self._redis, self._budget = redis, budget
        self._name = PREFIX + account
        self._take = redis.register_script(TAKE)

    def take(self) -> float:
        calls, seconds = self._budget
        try:
            taken = self._take([self._name], [int(seconds * 1_000_000), calls - reserve(calls)])
        except RedisError as error:
            log.info("no turns: %s", type(error).__name__)
            return AGAIN_S
        return 0.0 if taken else pause(self._budget)

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
