"""The one load generator of all benches: a process of its own, keep-alive sockets, very little CPU.

Closed loop (`rate` 0): every connection sends its next lead when it has its answer. Open loop: leads have planned
moments, and latency counts from the planned moment, so that a server that stalls cannot slow its own examiner
down. Every request is made and signed before the clock starts.

    python -m hub.bench.load '{"port": 8040, "path": "/in/...", "secret": "whsec_...", "seconds": 5}'
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import math
import resource
import selectors
import socket
import subprocess
import sys
import time
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field

FIRST = ("Anna", "Boris", "Clara", "Denis", "Elena", "Felix", "Greta", "Hugo", "Irina", "Jonas", "Kira", "Leo")
LAST = (
    "Albrecht",
    "Belova",
    "Castell",
    "Dorn",
    "Egorova",
    "Fabian",
    "Gromov",
    "Hansen",
    "Ivanova",
    "Jensen",
    "Krol",
    "Lindgren",
    "Moreau",
    "Novak",
    "Orlova",
    "Petersen",
    "Quist",
    "Romanova",
    "Sorokin",
    "Tamm",
    "Ulrich",
    "Volkova",
    "Winter",
    "Ziegler",
    "Baumann",
    "Carlsen",
    "Dietrich",
    "Engel",
    "Fischer",
    "Gerber",
    "Hoffmann",
    "Jansen",
    "Keller",
    "Lorenz",
    "Meyer",
    "Neumann",
    "Otto",
    "Richter",
    "Schubert",
    "Vogel",
    "Wagner",
    "Berger",
    "Franke",
    "Hartmann",
)
ANSWER_S = 30.0
READY = 30_000


@dataclass(frozen=True, slots=True)
class Order:
    """What to send. `seconds` or `count` ends it, `rate` a second (0: closed loop); `first` is the first lead's number,
    leads with different numbers are different people. `keep` also gives receipts with the moment of their 2xx."""

    port: int
    path: str
    secret: str = ""
    seconds: float = 0.0
    count: int = 0
    rate: float = 0.0
    connections: int = 16
    first: int = 0
    keep: bool = False

    @property
    def wanted(self) -> int:
        """How many leads, 0 when the clock alone decides."""
        return self.count or math.ceil(self.rate * self.seconds)


@dataclass(slots=True)
class Report:
    """What came of it. Latencies in milliseconds; `cpu_s` is the generator's own; `receipts` are (id, unix ms)."""

    ok: int = 0
    other: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    worst_ms: float = 0.0
    cpu_s: float = 0.0
    receipts: list[tuple[str, int]] = field(default_factory=list)

    @property
    def per_s(self) -> float:
        """2xx a second."""
        return self.ok / self.seconds if self.seconds else 0.0


def send(order: Order) -> Report:
    """Run the generator in a process of its own and wait for it."""
    command = [sys.executable, "-m", "hub.bench.load", json.dumps(asdict(order))]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)  # noqa: S603 - our own command
    return Report(**json.loads(done.stdout))


# ── leads ────────────────────────────────────────────────────────────────────────────────────────


def lead(number: int) -> dict[str, str]:
    """Fifteen fields of one person, about 600 bytes as a whole event. Two numbers are two people to everybody: who has
    the same of twenty thousand names has a phone that is no slip of the finger apart."""
    far = (number % 10**7 * 6_180_339 + 2_718_281) % 10**7
    first, last = FIRST[number % len(FIRST)], _last_name(far)
    return {
        "id": f"lead-{number}",
        "name": f"{first} {last}",
        "phone": f"+7 91{number // 10**7 % 10} {far // 10_000:03d}-{far // 100 % 100:02d}-{far % 100:02d}",
        "email": f"{first}.{far}@example.com".lower(),
        "company": f"Example Windows {number % 97}",
        "position": "Buyer",
        "message": f"Please call me about order {number}: three windows and a balcony door, when can you measure?",
        "subject": "Request from the site",
        "city": "Springfield",
        "budget": "250000",
        "product": "balcony door",
        "page": "https://shop.example/doors?color=white",
        "utm_source": "newsletter",
        "utm_medium": "email",
        "utm_campaign": "autumn",
    }


def _last_name(number: int) -> str:
    """One of two thousand double names."""
    rest, one = divmod(number, len(LAST))
    return f"{LAST[one]}-{LAST[rest % len(LAST)]}"


def message(order: Order, number: int, at: int, data: Mapping[str, str] | None = None) -> bytes:
    """One whole request, signed as Standard Webhooks asks when there is a secret; `at` is its unix second."""
    body = json.dumps({"type": "lead.created", "data": data or lead(number)}, separators=(",", ":")).encode()
    head = [f"POST {order.path} HTTP/1.1", "Host: 127.0.0.1", "Content-Type: application/json"]
    head.append(f"Content-Length: {len(body)}")
    if order.secret:
        name = f"msg_{number}"
        key = base64.b64decode(order.secret.removeprefix("whsec_"))
        sign = hmac.new(key, f"{name}.{at}.".encode() + body, hashlib.sha256).digest()
        head += [f"webhook-id: {name}", f"webhook-timestamp: {at}"]
        head.append(f"webhook-signature: v1,{base64.b64encode(sign).decode()}")
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


def messages(order: Order) -> Iterator[bytes]:
    """All requests of an order, the first ones ready made."""
    at = int(time.time())
    wanted = order.wanted or READY
    ready = [message(order, order.first + n, at) for n in range(min(wanted, READY))]
    yield b""  # ready
    yield from ready
    number = len(ready)
    while not order.wanted or number < wanted:
        yield message(order, order.first + number, int(time.time()))
        number += 1


# ── lines ────────────────────────────────────────────────────────────────────────────────────────


@dataclass(slots=True)
class _Line:
    """One keep-alive connection with at most one request on its way."""

    wire: socket.socket
    planned: float = 0.0
    got: bytes = b""
    busy: bool = False

    def complete(self) -> bool:
        """Whether the answer is all there."""
        head, gap, rest = self.got.partition(b"\r\n\r\n")
        if not gap:
            return False
        return len(rest) >= int(_header(head, b"content-length") or 0)


def _header(head: bytes, name: bytes) -> str:
    at = head.lower().find(b"\r\n" + name + b":")
    return head[at + len(name) + 3 :].split(b"\r\n", 1)[0].strip().decode() if at >= 0 else ""


class Generator:
    """Sends one order. One thread, one selector."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self._requests = messages(order)
        next(self._requests)
        self._poll = selectors.DefaultSelector()
        self._idle: deque[_Line] = deque(_Line(self._connect()) for _ in range(order.connections))
        for line in self._idle:
            self._poll.register(line.wire, selectors.EVENT_READ, line)
        self._busy = 0
        self._sent = 0
        self._late: list[float] = []
        self._told: Counter[str] = Counter()
        self._receipts: list[tuple[str, int]] = []

    def run(self) -> Report:
        """Send everything, wait for the answers, tell."""
        cpu = time.process_time()
        begin = time.monotonic()
        end = begin + self._order.seconds if self._order.seconds else float("inf")
        while self._send(begin, end) or self._busy:
            self._wait(begin)
        took = time.monotonic() - begin
        return self._report(took, time.process_time() - cpu)

    def _send(self, begin: float, end: float) -> bool:
        """Give idle lines what is due; whether there is more to come."""
        order = self._order
        while self._idle:
            now = time.monotonic()
            planned = begin + self._sent / order.rate if order.rate else now
            if self._sent >= order.wanted if order.wanted else now >= end:
                return False
            if planned > now:
                return True
            line = self._idle.popleft()
            line.planned, line.got, line.busy = planned, b"", True
            line.wire.sendall(next(self._requests))
            self._sent += 1
            self._busy += 1
        return True

    def _wait(self, begin: float) -> None:
        timeout = ANSWER_S
        if self._order.rate and self._idle and self._sent < self._order.wanted:
            timeout = max(0.0, begin + self._sent / self._order.rate - time.monotonic())
        ready = self._poll.select(timeout)
        if not ready and timeout == ANSWER_S:
            raise TimeoutError(f"no answer within {ANSWER_S:g} s")
        for key, _mask in ready:
            self._read(key.data)

    def _read(self, line: _Line) -> None:
        try:
            part = line.wire.recv(65536)
        except OSError:
            part = b""
        line.got += part
        if part and not line.complete():
            return
        if line.busy:
            self._busy -= 1
            self._note(line)
            line.busy = False
            self._idle.append(line)
        if not part:  # servers hang up on lines that are idle for long
            self._poll.unregister(line.wire)
            line.wire.close()
            line.wire = self._connect()
            self._poll.register(line.wire, selectors.EVENT_READ, line)

    def _note(self, line: _Line) -> None:
        status = line.got[9:12].decode() or "closed"
        self._late.append(time.monotonic() - line.planned)
        self._told[status] += 1
        if self._order.keep and status == "200":
            receipt = _header(line.got.partition(b"\r\n\r\n")[0], b"x-receipt")
            self._receipts.append((receipt, time.time_ns() // 1_000_000))

    def _connect(self) -> socket.socket:
        wire = socket.create_connection(("127.0.0.1", self._order.port), 10)
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return wire

    def _report(self, took: float, cpu: float) -> Report:
        late = sorted(1000 * one for one in self._late) or [0.0]
        good = sum(times for status, times in self._told.items() if status[:1] == "2")
        return Report(
            ok=good,
            other={status: times for status, times in self._told.items() if status[:1] != "2"},
            seconds=took,
            p50_ms=round(late[len(late) // 2], 2),
            p99_ms=round(late[min(len(late) - 1, len(late) * 99 // 100)], 2),
            worst_ms=round(late[-1], 2),
            cpu_s=round(cpu, 3),
            receipts=self._receipts,
        )


def main() -> None:
    """Send the order given as JSON, print the report as JSON."""
    order = Order(**json.loads(sys.argv[1]))
    files = order.connections + 64
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(files, 1024), resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
    print(json.dumps(asdict(Generator(order).run())))


if __name__ == "__main__":
    main()
