"""The way out, against sockets that misbehave in every way the fault matrix names."""

from __future__ import annotations

import gzip
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest

from connectors import sockets
from connectors.errors import Pause, Retry
from connectors.http import Gate, Received, Wire, retry_after
from connectors.sockets import public

Talk = Callable[[socket.socket], None]
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


@contextmanager
def server(*talks: Talk) -> Iterator[str]:
    """A loopback listener; its n-th connection is handled by the n-th talk (the last one repeats)."""
    listener = socket.create_server(("127.0.0.1", 0))
    stop = threading.Event()

    def handle(conn: socket.socket, talk: Talk) -> None:
        with conn, suppress(OSError):
            talk(conn)

    def run() -> None:
        for n in range(10_000):
            try:
                conn, _ = listener.accept()
            except OSError:
                return
            if stop.is_set():
                conn.close()
                return
            threading.Thread(target=handle, args=(conn, talks[min(n, len(talks) - 1)]), daemon=True).start()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    port = listener.getsockname()[1]
    try:
        yield f"127.0.0.1:{port}"
    finally:
        stop.set()
        with suppress(OSError):
            socket.create_connection(("127.0.0.1", port), 1).close()
        thread.join(5)
        listener.close()


def heard(conn: socket.socket) -> bytes:
    """One request, header and body."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = conn.recv(65536)
        if not more:
            return data
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            while len(body) < int(line.split(b":")[1]):
                body += conn.recv(65536)
    return head + b"\r\n\r\n" + body


def says(answer: bytes, *, pause: float = 0.0) -> Talk:
    def talk(conn: socket.socket) -> None:
        while heard(conn):
            conn.sendall(answer)
            time.sleep(pause)
            if b"Content-Length" not in answer and b"chunked" not in answer:
                return

    return talk


def reset(conn: socket.socket) -> None:
    heard(conn)
    conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00")


def silent(conn: socket.socket) -> None:
    heard(conn)
    conn.recv(1)  # until the client gives up


def drip(conn: socket.socket) -> None:
    heard(conn)
    conn.sendall(b"HTTP/1.1 200 OK\r\n")
    for _ in range(200):
        conn.sendall(b"X: y\r\n")
        time.sleep(0.1)


def cut_chunk(conn: socket.socket) -> None:
    heard(conn)
    conn.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab")


def endless(conn: socket.socket) -> None:
    heard(conn)
    conn.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    for _ in range(40):
        conn.sendall(b"x" * 2**20)


@pytest.fixture
def client() -> Iterator[Callable[..., Wire]]:
    made: list[Wire] = []

    def make(address: str = "", **options: object) -> Wire:
        made.append(Wire(allow=[address] if address else [], **options))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for one in made:
        one.close()


AFTER = {
    "reset": reset,
    "silent": silent,
    "dripping header": drip,
    "cut chunk": cut_chunk,
    "closed without answer": lambda conn: heard(conn) and None,
    "short body": lambda conn: (heard(conn), conn.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\n{}"))[1],
    "no HTTP": lambda conn: (heard(conn), conn.sendall(b"SSH-2.0-nope\r\n"))[1],
    "endless": endless,
    "broken gzip": says(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope"),
    "gzip bomb": says(
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(gzip.compress(bytes(2**26)))
        + gzip.compress(bytes(2**26))
    ),
}


@pytest.mark.parametrize("case", AFTER)
def test_what_breaks_after_sending_has_an_unknown_outcome(case: str, client: Callable[..., Wire]) -> None:
    with server(AFTER[case]) as address:
        start = time.monotonic()
        with pytest.raises(Retry) as caught:
            client(address).send("POST", f"http://{address}/token-1234?key=5678", json={"a": 1}, timeout=0.7)
        assert caught.value.effect is True
        assert time.monotonic() - start < 15
        assert "1234" not in str(caught.value)
        assert "5678" not in str(caught.value)


def test_a_refused_connection_certainly_had_no_effect(client: Callable[..., Wire]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        address = f"127.0.0.1:{gone.getsockname()[1]}"
    with pytest.raises(Retry) as caught:
        client(address).send("POST", f"http://{address}/secret", json={})
    assert caught.value.effect is False
    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


def test_a_failed_handshake_certainly_had_no_effect(client: Callable[..., Wire]) -> None:
    with server(lambda conn: conn.sendall(OK)) as address, pytest.raises(Retry) as caught:
        client(address).send("POST", f"https://{address}/", json={}, timeout=2)
    assert caught.value.effect is False


def test_an_unknown_name_certainly_had_no_effect(client: Callable[..., Wire]) -> None:
    with pytest.raises(Retry) as caught:
        client().send("GET", "https://no-such-host.invalid/")
    assert caught.value.effect is False


@pytest.mark.parametrize("status", [204, 302, 400, 401, 404, 422, 500, 503])
def test_every_status_is_an_answer(status: int, client: Callable[..., Wire]) -> None:
    with server(says(b"HTTP/1.1 %d Xx\r\nContent-Length: 0\r\nX-Two: B\r\n\r\n" % status)) as address:
        answer = client(address).send("GET", f"http://{address}/")
    assert (answer.status, answer.headers["x-two"], answer.body) == (status, "B", b"")


@pytest.mark.parametrize("body", [b"<!doctype html><title>Log in</title>", b"", b'{"cut": ', b"\xff\xfe"])
def test_what_is_not_json_is_named(body: bytes) -> None:
    with pytest.raises(Retry, match="not JSON"):
        Received(200, {}, body).json()


# S7 ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/",
        "http://localhost/",
        "http://127.1/",
        "http://0x7f000001/",
        "http://2130706433/",
        "http://0177.0.0.1/",
        "http://0/",
        "http://①②⑦.0.0.1/",
        "http://[::1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://[64:ff9b::7f00:1]/",
        "http://[2002:7f00:1::]/",
        "http://169.254.169.254/latest/meta-data",
        "http://10.0.0.1/",
        "http://100.64.0.1/",
        "http://224.0.0.1/",
        "http://8.8.8.8:22/",
        "http://127.0.0.1:80\\@example.com/",
        "http://user:pw@example.com/",
        "file:///etc/passwd",
        "ftp://example.com/",
        "example.com",
        "",
    ],
)
def test_no_way_inside(url: str, client: Callable[..., Wire], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "create_connection", lambda *_: pytest.fail("a socket was opened"))
    with pytest.raises((Pause, Retry)) as caught:
        client().send("GET", url)
    assert isinstance(caught.value, Pause) or caught.value.effect is False


def test_one_private_address_among_public_ones_is_enough(
    client: Callable[..., Wire], monkeypatch: pytest.MonkeyPatch
) -> None:
    both = [(2, 1, 6, "", ("93.184.216.34", 443)), (2, 1, 6, "", ("10.0.0.5", 443))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: both)
    with pytest.raises(Pause, match="not on the public internet"):
        client().send("GET", "https://crm.example.com/")


@pytest.mark.parametrize("address", ["1.1.1.1", "2606:4700::1111"])
def test_public_addresses_are_public(address: str) -> None:
    assert public(address)


def test_redirects_lead_only_to_named_domains(client: Callable[..., Wire]) -> None:
    with server(says(OK)) as target:
        moved = says(f"HTTP/1.1 307 Moved\r\nLocation: http://{target}/new\r\nContent-Length: 0\r\n\r\n".encode())
        with server(moved) as address:
            strict = client(address)
            assert strict.send("POST", f"http://{address}/", json={}).status == 307
            with follower(address, target) as lenient:
                assert lenient.send("POST", f"http://{address}/", json={}).status == 200


@contextmanager
def follower(*allow: str) -> Iterator[Wire]:
    made = Wire(allow=allow, follow=("127.0.0.1",))
    yield made
    made.close()


def test_characters_that_cannot_be_sent_do_not_show_the_token(client: Callable[..., Wire]) -> None:
    with server(says(OK)) as address:
        for bad in ("ключ", "a\r\nb"):
            with pytest.raises(Pause) as caught:
                client(address).send("GET", f"http://{address}/", headers={"Authorization": bad})
            assert bad not in str(caught.value)


# budget ───────────────────────────────────────────────────────────────────────────────────────────


class Ticks:
    """A stopwatch the test turns by sleeping."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def test_the_budget_holds_in_every_window() -> None:
    gate = Gate((5, 0.3))
    times: list[float] = []
    lock = threading.Lock()

    def work() -> None:
        for _ in range(3):
            gate.enter(10)
            with lock:
                times.append(time.monotonic())

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    times.sort()
    assert len(times) == 24
    assert all(later - first > 0.25 for first, later in zip(times, times[5:], strict=False))


def test_no_call_inside_the_window_that_was_asked_for() -> None:
    ticks = Ticks()
    gate = Gate(clock=ticks, sleep=ticks.sleep)
    gate.shut(3.0)
    gate.enter(patience=5)
    assert ticks.now >= 103
    gate.shut(3 * 86400.0)
    with pytest.raises(Retry) as caught:
        gate.enter(patience=5)
    assert caught.value.after == pytest.approx(3 * 86400, abs=1)
    assert caught.value.effect is False


def test_refusals_without_a_time_double_the_wait() -> None:
    gate = Gate(clock=Ticks())
    assert [gate.shut(None) for _ in range(4)] == [1, 2, 4, 8]
    assert gate.shut(0.0) == 16
    gate.opened()
    assert gate.shut(None) == 1


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("7", 7), ("0", 0), ("Thu, 01 Jan 2026 00:02:00 GMT", 120), ("Thu, 01 Jan 1970 00:00:00 GMT", 0), ("soon", None)],
)
def test_retry_after_in_every_form(text: str, seconds: float | None) -> None:
    assert retry_after(Received(429, {"retry-after": text, "date": "Thu, 01 Jan 2026 00:00:00 GMT"}, b"")) == seconds


def test_a_429_shuts_the_gate_of_this_account_only(client: Callable[..., Wire]) -> None:
    busy = b"HTTP/1.1 429 Slow\r\nRetry-After: 60\r\nContent-Length: 4\r\n\r\nslow"
    with server(says(busy)) as address:
        first, second = client(address), client(address)
        assert first.send("GET", f"http://{address}/").status == 429
        with pytest.raises(Retry) as caught:
            first.send("GET", f"http://{address}/")
        assert caught.value.after == pytest.approx(60, abs=1)
        assert second.send("GET", f"http://{address}/").status == 429


def test_connections_are_kept_and_shared_by_threads(client: Callable[..., Wire]) -> None:
    opened = 0

    def count(conn: socket.socket) -> None:
        nonlocal opened
        opened += 1
        says(OK)(conn)

    with server(count) as address:
        one = client(address)
        threads = [
            threading.Thread(target=lambda: [one.send("GET", f"http://{address}/") for _ in range(10)])
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert opened <= 8


def test_an_idle_connection_is_not_trusted(client: Callable[..., Wire], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sockets, "IDLE_SECONDS", 0.0)
    opened: list[int] = []
    with server(lambda conn: (opened.append(1), says(OK)(conn))[1]) as address:
        one = client(address)
        one.send("GET", f"http://{address}/")
        one.send("GET", f"http://{address}/")
    assert len(opened) == 2
