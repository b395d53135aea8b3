"""Workers of one hub in processes of their own that all begin at the same moment."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from hub.app import open_hub
from hub.clock import Clock
from hub.config import load_config


class Racers:
    """The processes, each with its end of a pipe."""

    def __init__(self, pipes: list[Connection]) -> None:
        self._pipes = pipes

    def race(self) -> list[int]:
        """Each takes one event as soon as it can; answers how many events each has done."""
        for pipe in self._pipes:
            pipe.send(True)
        return [pipe.recv() for pipe in self._pipes]


@contextmanager
def racers(many: int, folder: Path, **settings: Any) -> Iterator[Racers]:
    """So many workers of the hub in `folder`, ended with the block."""
    apart = multiprocessing.get_context("forkserver")  # imports the hub once, for all of them
    apart.set_forkserver_preload([__name__])
    line = apart.Barrier(many)
    pairs = [apart.Pipe() for _ in range(many)]
    started = [apart.Process(target=_race, args=(theirs, line, folder, settings), daemon=True) for _, theirs in pairs]
    for process in started:
        process.start()
    try:
        for ours, _ in pairs:
            ours.recv()  # it is open
        yield Racers([ours for ours, _ in pairs])
    finally:
        for ours, _ in pairs:
            ours.send(False)
        for process, (ours, theirs) in zip(started, pairs, strict=True):
            process.join(30)
            process.kill()
            process.join()
            process.close()
            ours.close()
            theirs.close()


def _race(pipe: Connection, line: Any, folder: Path, settings: Mapping[str, Any]) -> None:
    hub = open_hub(load_config(folder, env={}, **settings), Clock())
    pipe.send(0)
    while pipe.recv():
        line.wait(60)
        pipe.send(hub.flow.step(1).events)
    hub.close()
