"""The front's promise at the door: no answer leaves before the disk has spoken, and no thread waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest
from werkzeug.wrappers import Response

from hub.store.groupcommit import Ticket
from hub.web.door import Asked, Told, Waiting
from tests.web import loops
from workers.front import Bell, front


class Slip:
    """A ticket whose disk answers when the test says so."""

    def __init__(self) -> None:
        self.calls: list[Callable[[], None]] = []

    def then(self, call: Callable[[], None]) -> None:
        self.calls.append(call)

    def disk_answers(self) -> None:
        for call in self.calls:
            call()


class Wire:
    """One connection: the body it brings and the answers it was given."""

    def __init__(self, body: bytes) -> None:
        self._parts = [body]
        self.answers: list[tuple[int, bytes]] = []

    def __aiter__(self) -> Wire:
        return self

    async def __anext__(self) -> bytes:
        if not self._parts:
            raise StopAsyncIteration
        return self._parts.pop()

    def response_bytes(self, status: int, _headers: Any, body: bytes) -> None:
        self.answers.append((status, body))


def scope() -> Any:
    return SimpleNamespace(
        proto="http", method="POST", path="/in/token", query_string="", server="127.0.0.1:80", client="127.0.0.1:9",
        scheme="http", http_version="1.1", authority="hub", headers={"content-length": "2"},
    )  # fmt: skip


def pages(environ: dict[str, Any], start: Any) -> Any:
    return Response(b"a page")(environ, start)


async def asked_of(ask: Callable[[Asked], Told | Waiting], wire: Wire, asked_by: Any) -> None:
    await front(ask, pages, threads=1, largest=1000)(asked_by, wire)


def test_the_answer_leaves_after_the_commit_and_says_what_came_of_it() -> None:
    slip = Slip()

    async def play() -> None:
        wire = Wire(b"{}")
        waiting = Waiting(cast(Ticket, slip), lambda: Told(503, [], b"no room on the disk"))
        asked = asyncio.ensure_future(asked_of(lambda _: waiting, wire, scope()))
        while not slip.calls:
            await asyncio.sleep(0)
        for _turn in range(50):
            await asyncio.sleep(0)
        assert wire.answers == []
        slip.disk_answers()
        await asked
        assert wire.answers == [(503, b"no room on the disk")]

    loops.run(play())


def test_one_commit_answers_everybody_who_waited_for_it() -> None:
    slip = Slip()

    async def play() -> None:
        wires = [Wire(b"{}") for _ in range(40)]
        waiting = Waiting(cast(Ticket, slip), lambda: Told(200, [], b"kept"))
        application = front(lambda _: waiting, pages, threads=1, largest=1000)
        asked = [asyncio.ensure_future(application(scope(), wire)) for wire in wires]
        while len(slip.calls) < len(wires):
            await asyncio.sleep(0)
        await asyncio.to_thread(slip.disk_answers)
        await asyncio.wait_for(asyncio.gather(*asked), 5)
        assert [wire.answers for wire in wires] == [[(200, b"kept")]] * len(wires)

    loops.run(play())


def test_nobody_is_forgotten_when_the_disk_and_the_loop_ring_at_once() -> None:
    """The loop rings itself for rows that are on the disk already, while the writer rings for others."""

    async def play() -> None:
        loop = asyncio.get_running_loop()
        bell = Bell(loop)
        for _round in range(300):
            there, here = ([loop.create_future() for _ in range(20)] for _side in range(2))
            writer = loop.run_in_executor(None, lambda those=there: [bell._ring(one) for one in those])
            for one in here:
                bell._ring(one)
            await asyncio.wait_for(asyncio.gather(*there, *here), 5)
            await writer

    loops.run(play())


@pytest.mark.parametrize("when", ["before the disk", "after the disk"])
def test_a_fault_of_ours_at_the_door_says_come_again(when: str) -> None:
    slip = Slip()

    def fault() -> Told:
        raise LookupError("a fault of ours")

    def ask(_: Asked) -> Told | Waiting:
        return fault() if when == "before the disk" else Waiting(cast(Ticket, slip), fault)

    async def play() -> None:
        wire = Wire(b"{}")
        asked = asyncio.ensure_future(asked_of(ask, wire, scope()))
        for _turn in range(50):
            await asyncio.sleep(0)
        slip.disk_answers()
        await asyncio.wait_for(asked, 5)
        [(status, body)] = wire.answers
        assert status == 503
        assert b"a fault of ours" not in body

    loops.run(play())


@pytest.mark.parametrize(
    ("proxies", "told", "expected"),
    [
        (0, "203.0.113.9", "198.51.100.1"),
        (1, "203.0.113.9", "203.0.113.9"),
        (1, "10.9.9.9, 203.0.113.9", "203.0.113.9"),
        (2, "203.0.113.9, 10.0.0.1", "203.0.113.9"),
        (2, "203.0.113.9", "198.51.100.1"),
        (1, "", "198.51.100.1"),
    ],
)
def test_whoever_stands_behind_our_proxies_is_the_sender(proxies: int, told: str, expected: str) -> None:
    seen: list[str] = []

    def ask(asked: Asked) -> Told:
        seen.append(asked.sender)
        return Told(200, [], b"")

    asked_by = scope()
    asked_by.headers["x-forwarded-for"] = told
    asked_by.client = "198.51.100.1:7"
    loops.run(front(ask, pages, threads=1, largest=1000, proxies=proxies)(asked_by, Wire(b"{}")))
    assert seen == [expected]
