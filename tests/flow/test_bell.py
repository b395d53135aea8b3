"""The doorbell between processes of one machine: it rings after the commit, and never matters for truth."""

from __future__ import annotations

import threading
from contextlib import closing
from pathlib import Path

from sqlalchemy import text

from hub.store.engine import Store, open_store
from workers.bell import Ear, Finger, ring_when_committed


def opened(folder: Path) -> Store:
    return open_store(f"sqlite:///{folder}/hub.db", f"sqlite:///{folder}/inbox.db")


def ring(folder: Path, name: str) -> None:
    with closing(Finger(folder)) as finger:
        finger(name)


def test_it_rings_when_the_change_can_be_seen_and_not_before(tmp_path: Path) -> None:
    store, other = opened(tmp_path), opened(tmp_path)
    seen: list[tuple[str, int]] = []

    def look(name: str) -> None:
        with other.read() as conn:
            seen.append((name, conn.execute(text("SELECT count(*) FROM note")).scalar() or 0))

    with store.write() as conn:
        conn.execute(text("CREATE TABLE note (word TEXT)"))
    ring_when_committed(store, look)
    with store.write() as conn:
        conn.execute(text("INSERT INTO note VALUES ('kept')"))
    with store.read() as conn:
        conn.execute(text("SELECT * FROM note"))
    assert seen == [("push", 1)]
    with store.inbox.begin() as conn:
        conn.execute(text("CREATE TABLE log (word TEXT)"))
    assert seen[1:] == [("flow", 1)]
    store.close()
    other.close()


def test_what_is_undone_does_not_ring(tmp_path: Path) -> None:
    store, rung = opened(tmp_path), list[str]()
    ring_when_committed(store, rung.append)
    try:
        with store.write() as conn:
            conn.execute(text("CREATE TABLE note (word TEXT)"))
            raise LookupError
    except LookupError:
        pass
    assert rung == []
    store.close()


def test_a_ring_is_heard_by_another_process_and_closing_frees_the_hearer(tmp_path: Path) -> None:
    ear, heard = Ear(tmp_path), list[str]()
    assert ear.works
    ring(tmp_path, "flow")
    assert ear.hear() == "flow"
    hearing = threading.Thread(target=lambda: heard.append(ear.hear()))
    hearing.start()
    ear.close()
    hearing.join(5)
    assert not hearing.is_alive()
    assert heard == [""]
    ring(tmp_path, "flow")  # nobody there: nothing happens


def test_a_bell_left_by_a_killed_process_is_taken_over(tmp_path: Path) -> None:
    killed, second = Ear(tmp_path), Ear(tmp_path)
    assert second.works
    ring(tmp_path, "push")
    assert second.hear() == "push"
    second.close()
    killed.close()


def test_a_folder_too_deep_for_a_socket_has_no_bell(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 120)
    deep.mkdir()
    ear = Ear(deep)
    assert not ear.works
    ring(deep, "flow")
    ear.close()
