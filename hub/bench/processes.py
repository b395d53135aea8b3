"""Processes of a bench: started, watched for CPU and memory, and never left behind (Linux: read from /proc)."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
PATIENCE_S = 300.0


def wait_until(true: Callable[[], object], seconds: float = PATIENCE_S, every: float = 0.02) -> None:
    """Return when `true()` is; TimeoutError when it is not within `seconds`."""
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            raise TimeoutError(f"not within {seconds:g} s")
        time.sleep(every)


def listens(port: int) -> bool:
    """Whether somebody takes connections on this loopback port."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
        return True
    return False


def listens_at(door: Path) -> bool:
    """Whether somebody takes connections on this unix socket."""
    with suppress(OSError), socket.socket(socket.AF_UNIX) as probe:
        probe.connect(str(door))
        return True
    return False


def accepts(port: int, request: bytes) -> bool:
    """Whether one whole request is answered with 200."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 10) as wire:
        wire.sendall(request)
        return wire.recv(65536)[9:12] == b"200"
    return False


def running(
    module: str, *arguments: str, log: Path, env: Mapping[str, str] | None = None
) -> AbstractContextManager[subprocess.Popen[bytes]]:
    """`python -m module arguments...`, see `running_program`."""
    return running_program([sys.executable, "-m", module, *arguments], log=log, env=env)


@contextmanager
def running_program(
    command: Sequence[str], *, log: Path, env: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A program in a group of its own until the block ends; what it prints goes to `log`."""
    with log.open("ab") as out:
        process = subprocess.Popen(  # noqa: S603 - our own command
            command, env={**os.environ, **(env or {})}, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
            start_new_session=True,
        )  # fmt: skip
    try:
        yield process
    finally:
        process.terminate()
        try:
            with suppress(subprocess.TimeoutExpired):
                process.wait(15)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def tree(pid: int) -> list[int]:
    """A process and everything below it."""
    found = [pid]
    with suppress(OSError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            for child in (thread / "children").read_text().split():
                found += tree(int(child))
    return found


def cpu_s(pid: int) -> float:
    """CPU seconds of a process and everything below it, its ended children included."""
    return own_cpu_s(tree(pid))


def own_cpu_s(pids: Sequence[int]) -> float:
    """CPU seconds of these processes and of their ended children."""
    total = 0
    for one in pids:
        with suppress(OSError):
            # proc(5): fields 14-17 are user and system ticks, own and of children that were waited for
            total += sum(map(int, Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()[11:15]))
    return total / TICKS


def pss_mib(pid: int) -> dict[str, float]:
    """Proportional memory of a tree in MiB, by "pid command"."""
    found = {}
    for one in tree(pid):
        with suppress(OSError):
            lines = Path(f"/proc/{one}/smaps_rollup").read_text().splitlines()
            size = next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
            found[f"{one} {command_of(one)}"] = round(size / 1024, 1)
    return found


def command_of(pid: int) -> str:
    """The last words of a command line, enough to tell ours apart."""
    with suppress(OSError):
        return " ".join(Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ").split()[2:4])
    return ""


@contextmanager
def frozen(pids: Sequence[int]) -> Iterator[None]:
    """Keep processes from running meanwhile."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
