"""The tasks on threads of this process, no Redis: what a small installation runs.

Threads sleep until a doorbell rings or the sweeper's interval is over. The web process rings over a socket (`bell`);
whoever cannot (a command line that changes something) rings by changing the database: SQLite's `data_version` says so
for the price of reading one number.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial

from sqlalchemy import Engine

from hub.app import Hub
from workers.bell import Ear
from workers.outermost import survive
from workers.tasks import EVERY, TASKS, WAIT_S, connections, is_polled, poll_one, rest

LOOK_S = 0.04
SELDOM_S = 1.0
"""Between two looks at a database's version: without a bell, and where a bell rings for nearly everything."""
NEW_SOURCES_S = 2.0
FAULT_PAUSE_S = 1.0


class EmbeddedRunner:
    """Runs all tasks of a hub until stopped. `hub.ring` wakes the right thread."""

    def __init__(self, hub: Hub, threads: int = 1, ear: Ear | None = None) -> None:
        self._hub = hub
        self._ear = ear if ear and ear.works else None
        self._bells = {name: threading.Event() for name in TASKS}
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._copies = {"flow": max(1, threads), "push": max(1, threads), "pull": 1, "time": 1}
        hub.ring = self.ring

    def ring(self, name: str) -> None:
        """There is work of this name."""
        self._bells[name].set()

    def start(self) -> None:
        """Start all threads."""
        for name, copies in self._copies.items():
            for number in range(copies):
                self._spawn(f"{name}-{number}", self._work, name)
        self._spawn("poll", self._watch_sources)
        if self._ear:
            self._spawn("hear", self._hear, self._ear)
        if self._hub.store.is_sqlite:
            self._spawn("listen-inbox", self._listen, self._hub.store.inbox, "flow")
            self._spawn("listen-hub", self._listen, self._hub.store.hub, "push")

    def stop(self) -> None:
        """Let every thread finish its step."""
        self._stop.set()
        for bell in self._bells.values():
            bell.set()
        if self._ear:
            self._ear.close()
        for thread in self._threads:
            thread.join(WAIT_S + 10)

    def _spawn(self, name: str, target: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=target, args=args, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _work(self, name: str) -> None:
        """One task for ever: when rung, and every few seconds without."""
        bell, wait = self._bells[name], EVERY[name]
        while not self._stop.is_set():
            bell.wait(wait)
            bell.clear()
            if not self._stop.is_set():
                wait = self._run(name)

    def _run(self, name: str) -> float:
        """One round; answers after how many seconds to look again."""
        waits = [EVERY[name]]

        def round_of() -> None:
            TASKS[name](self._hub)
            waits.append(rest(self._hub, name))

        if not survive(name, round_of):
            self._stop.wait(FAULT_PAUSE_S)
        return waits[-1]

    def _watch_sources(self) -> None:
        """One thread per source that has to be asked; started when the connection appears."""
        watched: dict[str, threading.Thread] = {}
        while not self._stop.wait(NEW_SOURCES_S):
            survive("poll", partial(self._start_watches, watched))

    def _start_watches(self, watched: dict[str, threading.Thread]) -> None:
        for one in connections(self._hub, "source"):
            alive = one in watched and watched[one].is_alive()
            if not alive and is_polled(self._hub, one):
                watched[one] = threading.Thread(target=self._watch, args=(one,), name=f"poll-{one}", daemon=True)
                watched[one].start()

    def _watch(self, connection_id: str) -> None:
        survive("poll", partial(poll_one, self._hub, connection_id, WAIT_S))

    def _hear(self, ear: Ear) -> None:
        """Pass on what other processes of this machine ring."""
        while not self._stop.is_set():
            name = ear.hear()
            if name in self._bells:
                self.ring(name)

    def _listen(self, engine: Engine, name: str) -> None:
        """Ring when another connection changed this SQLite file."""
        raw = engine.raw_connection()
        try:
            seen = -1
            while not self._stop.wait(SELDOM_S if self._ear else LOOK_S):
                cursor = raw.cursor()
                version = cursor.execute("PRAGMA data_version").fetchone()[0]
                cursor.close()
                if version != seen:
                    seen = version
                    self.ring(name)
        finally:
            raw.close()
