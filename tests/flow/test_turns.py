"""The budget of one CRM account: kept by all who share it, obeyed when the other side asks for a pause."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
from redis import Redis

from connectors.errors import Retry
from connectors.http import Gate
from connectors.turns import REST, Budget, InFile, Own, Turns, lane
from hub.clock import Clock
from workers.turns import InRedis

BUDGET: Budget = (5, 0.4)
Make = Callable[[], Turns]


@pytest.fixture(params=["file", "redis"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Make]:
    """Makes one more process' view of the same account."""
    with ExitStack() as stack:
        if request.param == "file":

            def in_file() -> Turns:
                turns = InFile(tmp_path / "calls.db", "crm-1", BUDGET, Clock().now)
                stack.callback(turns.close)
                return turns

            yield in_file
        else:
            url = request.getfixturevalue("redis_url")

            def in_redis() -> Turns:
                redis = Redis.from_url(url)
                stack.callback(redis.close)
                return InRedis(redis, f"crm-{tmp_path.name}", BUDGET)

            yield in_redis


Span = tuple[float, float]
"""A turn was given between these two moments; a busy machine may stop us before we can note the second."""


class Noting:
    """Turns that note when each was given."""

    def __init__(self, turns: Turns, given: list[Span]) -> None:
        self._turns, self._given = turns, given

    def take(self) -> float:
        asked = time.monotonic()
        rest = self._turns.take()
        if rest == 0.0:
            self._given.append((asked, time.monotonic()))
        return rest

    def shut(self, seconds: float) -> None:
        self._turns.shut(seconds)

    def shut_for(self) -> float:
        return self._turns.shut_for()


def spend(turns: Turns, given: list[Span], calls: int) -> None:
    gate = Gate(turns=Noting(turns, given))
    for _ in range(calls):
        gate.enter(60)


def longest_windows(given: list[Span]) -> list[float]:
    """For every so many turns in a row, the longest time in which they can have been given."""
    first, last = sorted(asked for asked, _ in given), sorted(noted for _, noted in given)
    return [later - earlier for earlier, later in zip(first, last[BUDGET[0] :], strict=False)]


def test_all_who_share_an_account_keep_its_budget_together(make: Make) -> None:
    given: list[Span] = []
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda turns: spend(turns, given, 5), [make() for _ in range(4)]))
    assert len(given) == 20
    assert min(longest_windows(given)) > BUDGET[1] * 0.8
    assert max(last for _, last in given) - min(first for first, _ in given) < 20, "the budget is not used"


def test_a_pause_holds_for_everybody(make: Make) -> None:
    told, other = Gate(turns=make()), Gate(turns=make())
    told.enter()
    told.shut(60.0)
    for gate in (told, other):
        with pytest.raises(Retry) as caught:
            gate.enter(0.5)
        assert caught.value.after == pytest.approx(60, abs=2)


def test_a_shorter_pause_does_not_end_a_longer_one(make: Make) -> None:
    turns = make()
    turns.shut(60.0)
    turns.shut(1.0)
    assert turns.shut_for() > 50


@pytest.mark.parametrize("kind", ["own", "shared"])
def test_what_can_wait_leaves_room_for_what_cannot(kind: str, make: Make) -> None:
    turns = Own(BUDGET) if kind == "own" else make()
    with lane(REST):
        taken = sum(turns.take() == 0.0 for _ in range(10))
    assert taken == BUDGET[0] - 1
    assert turns.take() == 0.0
    assert turns.take() > 0


def test_nobody_calls_when_redis_is_gone(tmp_path: Path) -> None:
    nobody = Redis(unix_socket_path=str(tmp_path / "nobody"))
    assert InRedis(nobody, "crm", BUDGET).take() > 0


def test_an_emptied_redis_is_counted_anew(redis_url: str, tmp_path: Path) -> None:
    redis = Redis.from_url(redis_url)
    turns = InRedis(redis, tmp_path.name, BUDGET)
    assert turns.take() == 0.0
    redis.flushdb()
    redis.script_flush()
    assert sorted([turns.take(), turns.take()])[0] == 0.0
    redis.close()


def in_another_process(place: Path, calls: int, answers: multiprocessing.Queue[list[Span]]) -> None:
    turns, given = InFile(place, "crm-1", BUDGET, Clock().now), list[Span]()
    spend(turns, given, calls)
    turns.close()
    answers.put(given)


def test_processes_share_a_file(tmp_path: Path) -> None:
    start = multiprocessing.get_context("spawn")
    answers: multiprocessing.Queue[list[Span]] = start.Queue()
    running = [start.Process(target=in_another_process, args=(tmp_path / "calls.db", 8, answers)) for _ in range(2)]
    for one in running:
        one.start()
    given = [*answers.get(timeout=60), *answers.get(timeout=60)]
    for one in running:
        one.join(10)
    answers.close()
    assert len(given) == 16
    assert min(longest_windows(given)) > BUDGET[1] * 0.8
