"""Whether an address is free to listen at. Servers that share one by the kernel's leave would answer by turns."""

from __future__ import annotations

import socket

from hub.clock import Clock

PATIENCE_S = 5.0
"""So long the web processes of a hub that was killed may go on holding its address."""


class Taken(RuntimeError):
    """Another program listens there."""


def claim(host: str, port: int, patience_s: float = PATIENCE_S) -> None:
    """Return when nobody listens at this address. Raises `Taken` when somebody goes on to, with what to do."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    clock = Clock()
    end = clock.monotonic() + patience_s
    while True:
        try:
            socket.create_server((host, port), family=family).close()
            return
        except OSError as error:
            if clock.monotonic() >= end:
                raise Taken(f"{host}:{port} cannot be used ({error.strerror}): choose another --port") from None
        clock.sleep(0.1)
