"""The front's promise at the door: no answer leaves before the disk has spoken, and no thread waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from werkzeug.wrappers import Response

from hub.web.inbound import LATER
from workers.front import front


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


def test_the_answer_leaves_after_the_commit_and_says_what_came_of_it() -> None:
    slip = Slip()

    def app(environ: dict[str, Any], start: Any) -> Any:
        environ[LATER].append((slip, lambda: Response(b"no room on the disk", 503)))
        return Response(b"nothing that counts", 202)(environ, start)

    async def play() -> None:
        wire = Wire(b"{}")
        asked = asyncio.ensure_future(front(app, threads=1, largest=1000)(scope(), wire))
        while not slip.calls:
            await asyncio.sleep(0)
        for _turn in range(50):
            await asyncio.sleep(0)
        assert wire.answers == []
        slip.disk_answers()
        await asked
        assert wire.answers == [(503, b"no room on the disk")]

    asyncio.run(play())
