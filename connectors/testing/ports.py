"""Loopback ports for servers that must be told theirs before they start.

A port the kernel picks (port 0) may be given to any outgoing connection between our look and the server's start.
These lie below the ports any system hands out by itself (Linux from 32768, macOS and Windows from 49152), so nobody
comes by one by chance; drawn at random, two test runs beside each other do not meet.
"""

from __future__ import annotations

import secrets
import socket
from contextlib import suppress

FIRST, PAST = 12_000, 32_000
TRIES = 100


def free_port() -> int:
    """A loopback TCP port that nobody listens on; OSError when none of a hundred was free."""
    for _ in range(TRIES):
        with socket.socket() as probe, suppress(OSError):
            probe.setsockopt(
                socket.SOL_SOCKET, socket.SO_REUSEADDR, 1
            )  # as servers do: a line just closed is no hindrance
            probe.bind(("127.0.0.1", FIRST + secrets.randbelow(PAST - FIRST)))
            return int(probe.getsockname()[1])
    raise OSError(f"no free port between {FIRST} and {PAST} in {TRIES} tries")
