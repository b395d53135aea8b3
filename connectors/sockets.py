"""Sockets that lead only where they may, and that end on time.

Guarantees: a name is resolved once, every address it has is checked, and the connection goes to a checked address
while host name and certificate check stay those of the name; an answer is read within the request's time-out
as a whole, however slowly its bytes drip.
"""

from __future__ import annotations

import functools
import http.client
import io
import ipaddress
import socket
import threading
import time
from collections.abc import Collection
from typing import Any

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import NameResolutionError, NewConnectionError

from connectors.errors import Pause

CONNECT_SECONDS = 5.0
IDLE_SECONDS = 20.0  # below the keep-alive of every server we know: a request is not sent into a closing socket
PORTS = frozenset({80, 443, 8443})

# Networks that carry private IPv4 addresses in disguise; `is_global` calls them public.
_DISGUISES = tuple(ipaddress.ip_network(n) for n in ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32"))


def public(address: str) -> bool:
    """Whether an IP address (as text) belongs to the public internet."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped:
        ip = ip.ipv4_mapped
    return (
        ip.is_global and not ip.is_multicast and not any(ip in net for net in _DISGUISES if net.version == ip.version)
    )


class Guard:
    """Opens sockets to permitted addresses only, and remembers per thread whether bytes have left."""

    def __init__(self, allow: Collection[str]) -> None:
        self.allow = frozenset(pair.lower() for pair in allow)
        self.thread = threading.local()

    def addresses(self, host: str, port: int) -> list[str]:
        found = list(dict.fromkeys(str(a[4][0]) for a in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)))
        if f"{host.strip('[]').lower()}:{port}" in self.allow:
            return found
        if port not in PORTS:
            raise Pause(f"Port {port} is not allowed for {host}: use 80, 443 or 8443, or allow {host}:{port}")
        if not all(public(address) for address in found):
            raise Pause(f"{host} is not on the public internet: allow {host}:{port} if that is meant")
        return found

    def open(self, conn: HTTPConnection, timeout: float) -> socket.socket:
        """Resolve once, check every address, connect to one that was checked."""
        host = conn._dns_host
        try:
            found = self.addresses(host, conn.port)[:3]
        except (socket.gaierror, UnicodeError) as error:
            raise NameResolutionError(host, conn, socket.gaierror(str(error))) from None
        for address in found:
            try:
                sock = socket.create_connection((address, conn.port), max(1.0, timeout / len(found)))
            except OSError:
                continue
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            return sock
        raise NewConnectionError(conn, "nobody answers")


class Timed(io.RawIOBase):
    """Reads a socket until a moment: a peer that drips one byte a second does not hold a thread for hours."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._raw = sock.makefile("rb", buffering=0)
        self._end = time.monotonic() + (sock.gettimeout() or 30.0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._sock.settimeout(max(0.001, self._end - time.monotonic()))
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class TimedSocket:
    """What `http.client` asks of the socket it reads an answer from."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    def makefile(self, *_: object) -> io.BufferedReader:
        return io.BufferedReader(Timed(self._sock), 65536)


class _Response(http.client.HTTPResponse):
    def __init__(self, sock: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(TimedSocket(sock), *args, **kwargs)  # type: ignore[arg-type]


class Guarded(HTTPConnection):
    response_class = _Response

    def __init__(self, *args: Any, guard: Guard, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._guard = guard
        self._used = time.monotonic()
        self._held: list[bytes] | None = None

    def _new_conn(self) -> socket.socket:
        timeout = self.timeout
        return self._guard.open(self, timeout if isinstance(timeout, int | float) else CONNECT_SECONDS)

    def request(self, *args: Any, **kwargs: Any) -> None:
        """Head and body leave together: one packet and one system call instead of two."""
        self._held = []
        try:
            super().request(*args, **kwargs)
            whole = b"".join(self._held)
        finally:
            self._held = None
        self.send(whole)

    def send(self, data: Any) -> None:
        if self._held is not None:
            self._held.append(bytes(data))
            return
        if self.sock is None:
            self.connect()
        self._guard.thread.sent = True
        self._used = time.monotonic()
        super().send(data)

    @property
    def is_connected(self) -> bool:
        return time.monotonic() - self._used < IDLE_SECONDS and super().is_connected


class GuardedTLS(Guarded, HTTPSConnection):
    pass


class Pools(urllib3.PoolManager):
    guard: Guard

    def _new_pool(self, scheme: str, host: str, port: int, request_context: Any = None) -> Any:
        pool = super()._new_pool(scheme, host, port, request_context)
        cls = GuardedTLS if scheme == "https" else Guarded
        pool.ConnectionCls = functools.partial(cls, guard=self.guard)  # type: ignore[assignment]
        return pool
