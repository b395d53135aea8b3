"""The processes of one hub: a web server, the work beside it, and what happens when one of them dies.

`serve` stays in front: it runs the web server, starts the working processes, starts them again when they
die, and takes all of them along when it ends.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Protocol

from hub.config import Config
from hub.memory import settle
from hub.ports import claim

PR_SET_PDEATHSIG = 1
SOCKETS = 16 * 1024
HEADROOM = 64 * 1024  # a body a little too large is refused by the application, which says so in the sender's words
PARENT = "LEADHUB_PARENT"
AGAIN_S = 0.3
POLITE = 10
"""The work gives way to the web server when both want the same core: senders wait for their answer, rows can wait."""
QUEUES = ("flow", "push", "pull", "poll")


def die_with_parent() -> None:
    """Ask the kernel to kill this process when the one that started it is gone (Linux). A kill loses nothing, and
    whoever starts the hub again finds neither a taken port nor a second set of workers."""
    parent = os.environ.get(PARENT)
    if sys.platform != "linux" or not parent:
        return
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != int(parent):
        sys.exit("The process that started this one is gone")


def environment(config: Config) -> Mapping[str, str]:
    """What a child process needs to open the same hub."""
    return {
        **os.environ,
        PARENT: str(os.getpid()),
        "LEADHUB_FOLDER": str(config.folder),
        "LEADHUB_DATABASE_URL": config.database_url,
        "LEADHUB_REDIS_URL": config.redis_url,
        "LEADHUB_PUBLIC_URL": config.public_url,
        "LEADHUB_LOCALE": config.locale,
        "LEADHUB_REGION": config.region,
        "LEADHUB_ALLOWED_HOSTS": ",".join(config.allowed_hosts),
    }


class Server(Protocol):
    """A web server; `serve` blocks until it is told to stop."""

    def serve(self) -> None: ...


class Child:
    """A working process that is started again when it dies."""

    def __init__(self, arguments: Sequence[str], config: Config) -> None:
        self._command = [sys.executable, "-m", "hub.cli", *arguments]
        self._environment = environment(config)
        self._stopping = threading.Event()
        self._process = self._start()
        self._thread = threading.Thread(target=self._guard, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End it politely, and for good."""
        self._stopping.set()
        self._process.terminate()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()

    def _start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(self._command, env=self._environment)  # noqa: S603 - our own command

    def _guard(self) -> None:
        while True:
            self._process.wait()
            if self._stopping.wait(AGAIN_S):
                return
            self._process = self._start()


def children(config: Config, workers: int) -> list[Child]:
    """With Redis `workers` processes for each busy queue and one for each other; without, one with threads."""
    if not config.redis_url:
        return [Child(["work", "--threads", str(max(1, workers))], config)]
    copies = {"flow": workers, "push": workers}
    return [Child(["worker", name], config) for name in QUEUES for _copy in range(max(1, copies.get(name, 1)))]


def web_server(config: Config, processes: int = 1) -> Server:
    """The web server with the hub's settings.

    Granian's backpressure counts connections: what is open and idle must not shut out everybody else.
    """
    from granian import Granian
    from granian.constants import Interfaces
    from granian.http import HTTP1Settings
    from granian.log import LogLevels

    _allow_sockets()
    return Granian(
        "workers.web:make",
        factory=True,
        address=config.host,
        port=config.port,
        interface=Interfaces.RSGI,
        workers=processes,
        backpressure=SOCKETS,
        backlog=2048,
        http1_settings=HTTP1Settings(header_read_timeout=15_000, max_buffer_size=64 * 1024),
        websockets=False,
        log_access=False,
        log_level=LogLevels.error,
        respawn_failed_workers=True,
        respawn_interval=0.2,
        workers_kill_timeout=10,
    )


def _allow_sockets() -> None:
    """As many open files as the system lets us have: 1024, the usual start, is two browsers and a slow loris."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = SOCKETS + 1024 if hard == resource.RLIM_INFINITY else min(hard, SOCKETS + 1024)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def serve(config: Config, workers: int = 1, web_processes: int = 1) -> None:
    """Run the web server and the work until interrupted. SQLite allows one web process (see hub.store). Raises `Taken`
    when another program listens at this address."""
    claim(config.host, config.port)
    os.environ.update(environment(config))
    working = children(config, workers)
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        single = config.database_url.startswith("sqlite")
        web_server(config, 1 if single else web_processes).serve()
    finally:
        for child in working:
            child.stop()


def alone(folder: Path) -> IO[bytes]:
    """Wait until no other process works in this folder; as long as the answer is open, none starts to. The kernel
    takes the lock back from a process that dies."""
    lock = (folder / "work.lock").open("wb")
    fcntl.flock(lock, fcntl.LOCK_EX)
    return lock


def work(config: Config, threads: int) -> None:
    """Be the embedded working process until told to stop. What a killed one had leased is due again at once."""
    from hub.app import open_hub
    from hub.store.leases import free
    from workers.bell import Ear
    from workers.embedded import EmbeddedRunner

    die_with_parent()
    os.nice(POLITE)
    hub = open_hub(config)
    lock = alone(config.folder) if hub.store.is_sqlite else None
    if lock:
        free(hub.store, hub.clock.now())
    runner = EmbeddedRunner(hub, threads, Ear(config.folder) if lock else None)
    done = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: done.set())
    settle()
    runner.start()
    done.wait()
    runner.stop()
    hub.close()
    if lock:
        lock.close()


def be_worker(config: Config, queue: str) -> None:
    """Be an RQ worker of one queue."""
    from hub.app import open_hub
    from workers.fleet import Doorbell, turns_in, work

    die_with_parent()
    bell = Doorbell(config.redis_url)
    hub = open_hub(config, ring=bell, turns=turns_in(config.redis_url))
    settle()
    work(hub, queue, config.redis_url)


def folder_of(given: str) -> Path:
    """The data folder: given, or LEADHUB_FOLDER, or ./data."""
    return Path(given or os.environ.get("LEADHUB_FOLDER", "data")).resolve()
