"""amoCRM against its strict stand-in: the common contract, and what only amoCRM does."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from connectors.contract import Raw, Schema, Step
from connectors.crms.amocrm import AmoCRM
from connectors.crms.amocrm.sandbox import Account, create_sandbox, serving
from connectors.http import Gate, Wire
from connectors.testing.crm import AT, CRMContract, Rig

TOKEN = "sandbox-token"


class Clock:
    """The clock of the stand-in."""

    def __init__(self) -> None:
        self.now = 1_780_000_000.5

    def __call__(self) -> float:
        return self.now

    def tick(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def served(clock: Clock) -> Iterator[tuple[Account, str]]:
    app = create_sandbox(clock=clock, rate=None)
    with serving(app) as address:
        yield app.state, address


@pytest.fixture
def account(served: tuple[Account, str]) -> Account:
    return served[0]


@pytest.fixture
def connect(served: tuple[Account, str]) -> Iterator[Callable[..., AmoCRM]]:
    made: list[Wire] = []

    def make(gate: Gate | None = None, token: str = TOKEN, **settings: str) -> AmoCRM:
        made.append(Wire(gate, allow=[served[1].removeprefix("http://")]))
        return AmoCRM({"address": served[1], **settings}, {"token": token}, made[-1])

    yield make
    for wire in made:
        wire.close()


@pytest.fixture
def crm(connect: Callable[..., AmoCRM]) -> AmoCRM:
    made = connect()
    made.provision([
        Step("field", "create", {"name": "Hub id", "type": "text", "code": "HUB_ID"}, under=kind)
        for kind in made.facts.kinds
    ])  # fmt: skip
    return made


@pytest.fixture
def ear() -> Iterator[tuple[str, queue.Queue[bytes]]]:
    """A listener for hooks: its address and what it heard."""
    heard: queue.Queue[bytes] = queue.Queue()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.put(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/in/secret", heard
    server.shutdown()
    thread.join(5)
    server.server_close()


def sample(n: int) -> dict[str, Any]:
    return {"name": f"Window {n}", "price": 1000 + n, "UTM_SOURCE": f"campaign {n}"}


def steps(schema: Schema) -> list[Step]:
    main = next(one for one in schema.pipelines if one.main)
    return [
        Step("stage", "create", {"name": "Qualified", "position": 15, "colour": "#99ccff"}, under=main.ref),
        Step("field", "create", {"name": "Block", "type": "select", "code": "HUB_BLOCK", "options": ["lead", "deal"]},
             under="leads"),
        Step("pipeline", "create", {"name": "Deals", "position": 30}),
        Step("hook", "create", {"address": "https://hub.example.com/in/abc"}),
        Step("stage", "change", {"name": "Offer made", "position": 20, "colour": "#ffce5a"}, ref=main.stages[2].ref,
             under=main.ref, before={"name": main.stages[2].name, "position": 20, "colour": main.stages[2].colour}),
    ]  # fmt: skip


class TestContract(CRMContract):
    @pytest.fixture
    def rig(self, crm: AmoCRM, account: Account, clock: Clock, ear: tuple[str, queue.Queue[bytes]]) -> Rig:
        account.lag = account.list_lag = crm.facts.lag - 1

        def fail(what: str, seconds: float) -> None:
            account.fail("drop_after" if what == "lost" else what, seconds=seconds)

        return Rig(
            crm,
            "leads",
            sample,
            lambda n: {"price": 50_000 + n},
            {"name": "Bad", "price": "ten"},
            lambda ref, n: account.edit("leads", int(ref), price=50_000 + n),
            clock.tick,
            fail,
            lambda: sum(account.calls.values()),
            250,
            steps,
            lambda: crm.provision([Step("hook", "create", {"address": ear[0]})]) and None,
            lambda: Raw(ear[1].get(timeout=5), AT),
            lambda ref: account.delete("leads", int(ref)),
            ("html", "error200", "garbage"),
        )
