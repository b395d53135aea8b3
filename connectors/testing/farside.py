"""What the tests of every CRM need beside its stand-in: a clock, wires, an ear for hooks, outcomes in few words.

`clock`, `wires` and `ear` are fixtures: a suite's `conftest.py` imports them. Everything that was opened is closed.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol

import pytest

from connectors.contract import CRM, Done, Failed, Op, Outcome, Raw, Record
from connectors.http import PATIENCE, Gate, Received, Wire
from connectors.oauth import Tokens

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
DATE = "Tue, 26 May 2026 08:00:00 GMT"


class Clock:
    """The clock of a stand-in, in seconds since 1970. Starts between two seconds, which is where rounding shows."""

    def __init__(self) -> None:
        self.now = 1_780_000_000.5

    def __call__(self) -> float:
        return self.now

    def tick(self, seconds: float) -> None:
        """Later by so much."""
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    """A clock of this test's own."""
    return Clock()


# ── wires ────────────────────────────────────────────────────────────────────────────────────────


class Wires:
    """Wires to one address each, private ones too."""

    def __init__(self) -> None:
        self.made: list[Wire] = []

    def __call__(self, address: str, gate: Gate | None = None, patience: float = PATIENCE) -> Wire:
        self.made.append(Wire(gate, allow=[address.removeprefix("http://")], patience=patience))
        return self.made[-1]


@pytest.fixture
def wires() -> Iterator[Wires]:
    """Makes wires, and closes them after the test."""
    made = Wires()
    yield made
    for wire in made.made:
        wire.close()


@dataclass(frozen=True)
class Says:
    """An `Http` that always answers the same."""

    body: bytes
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=lambda: {"date": DATE, "content-type": "application/json"})

    def send(self, *_: Any, **__: Any) -> Received:
        """The answer, whatever was asked."""
        return Received(self.status, self.headers, self.body)


class Safe:
    """Tokens of an OAuth connection, kept in memory."""

    def __init__(self, tokens: Tokens) -> None:
        self.tokens = tokens
        self._lock = threading.Lock()

    def load(self) -> Tokens:
        """What was saved last."""
        return self.tokens

    def save(self, tokens: Tokens) -> None:
        """Keep the new ones."""
        self.tokens = tokens

    def lock(self) -> threading.Lock:
        """Held by whoever refreshes."""
        return self._lock


# ── hooks ────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Ear:
    """A listener for hooks: its address, and what it heard at the time of the far side."""

    address: str
    heard: queue.Queue[Raw]

    def hears(self) -> Raw:
        """The next hook, waited for."""
        return self.heard.get(timeout=10)

    def hears_nothing(self) -> bool:
        """Whether nothing comes for a while."""
        try:
            self.heard.get(timeout=0.2)
        except queue.Empty:
            return True
        return False


@pytest.fixture
def ear(clock: Clock) -> Iterator[Ear]:
    """Listens on loopback, answers 200."""
    heard: queue.Queue[Raw] = queue.Queue()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            path, _, query = self.path.partition("?")
            headers = {name.lower(): value for name, value in self.headers.items()}
            heard.put(Raw(body, datetime.fromtimestamp(clock(), UTC), headers, "POST", path, query))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield Ear(f"http://127.0.0.1:{server.server_port}/in/secret", heard)
    server.shutdown()
    thread.join(5)
    server.server_close()


# ── outcomes ─────────────────────────────────────────────────────────────────────────────────────


def done(outcomes: Sequence[Outcome]) -> list[Record]:
    """The records of outcomes that all went well."""
    records = [one.record for one in outcomes if isinstance(one, Done)]
    assert len(records) == len(outcomes), outcomes
    return records


def make(crm: CRM, op: Op) -> Record:
    """The record of one write."""
    [made] = done(crm.write([op]))
    return made


def one(crm: CRM, kind: str, ref: str) -> Record:
    """A record that is there."""
    [read] = crm.get(kind, [ref])
    assert read is not None
    return read


def error(outcome: Outcome) -> Exception:
    """Why a write failed."""
    assert isinstance(outcome, Failed), outcome
    return outcome.error


class _Counts(Protocol):
    calls: dict[str, int]


def calls(far: _Counts, act: Callable[[], object]) -> dict[str, int]:
    """What `act` calls over there, and how often."""
    far.calls.clear()
    act()
    return dict(far.calls)


# ── the board ────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Board:
    """The board of a stand-in, as a person uses it."""

    wire: Wire
    address: str

    def page(self) -> str:
        """What it shows."""
        return self.wire.send("GET", f"{self.address}/").body.decode()

    def move(self, card: object, column: object, lane: object) -> int:
        """Drag a card; answers the status."""
        form = f"card={card}&column={column}&lane={lane}&quiet=1".encode()
        return self.wire.send("POST", f"{self.address}/move", headers=FORM, data=form).status
