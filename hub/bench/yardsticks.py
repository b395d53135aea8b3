"""What the same machine gives in the same minute without us: absolute numbers move, ratios hold."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from connectors.testing.ports import free_port
from hub.bench.load import Order, send
from hub.bench.processes import cpu_s, listens, running, wait_until


def fsync_per_s(folder: Path, seconds: float) -> int:
    """Appends of 600 bytes a second, each made durable with fdatasync, on the disk of `folder`."""
    name = folder / "fsync"
    times = 0
    with name.open("ab", buffering=0) as file:
        begin = time.monotonic()
        while time.monotonic() - begin < seconds:
            file.write(b"x" * 600)
            os.fdatasync(file.fileno())
            times += 1
        took = time.monotonic() - begin
    name.unlink()
    return round(times / took)


@dataclass(frozen=True, slots=True)
class Bare:
    """A running endpoint that stores nothing."""

    port: int
    pid: int

    def cpu_ms(self, seconds: float) -> float:
        """CPU milliseconds of one bare request."""
        send(Order(self.port, "/in/bare", seconds=min(seconds, 1.0)))
        before = cpu_s(self.pid)
        report = send(Order(self.port, "/in/bare", seconds=seconds))
        return (cpu_s(self.pid) - before) * 1000 / max(report.ok, 1)


@contextmanager
def bare(folder: Path) -> Iterator[Bare]:
    """Serve the bare endpoint."""
    port = free_port()
    folder.mkdir(parents=True, exist_ok=True)
    with running("hub.bench.bare", str(folder), str(port), log=folder / "bare.log") as process:
        wait_until(lambda: listens(port))
        yield Bare(port, process.pid)
