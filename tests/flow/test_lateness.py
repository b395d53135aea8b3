"""Up to when a CRM has been read is said by its own clock, and late is what is overdue by ours."""

from __future__ import annotations

from sqlalchemy import update

from hub.clock import MINUTE, SECOND
from hub.model import connection, pull_state
from hub.sync.health import health
from hub.sync.lateness import LATE, ReadUpTo
from hub.sync.match import welcome_all
from tests.flow.scene import Scene, scene
from tests.flow.test_sync_faults import ANNA
from tests.servers import Stack


def read(made: Scene) -> ReadUpTo:
    with made.hub.store.read() as conn:
        (one,) = health(conn)
    return one.read


def seconds_behind(made: Scene) -> float:
    at = read(made).at
    assert at is not None
    return (made.clock.now() - at) / SECOND


def late(made: Scene) -> bool:
    return read(made).is_late(made.clock.now())


def test_each_scan_that_comes_to_its_end_moves_it(play: Scene) -> None:
    assert read(play) == ReadUpTo(), "nothing was read yet"
    play.post(**ANNA)
    play.settle()
    assert 0 <= seconds_behind(play) < 2
    play.advance(LATE / SECOND + 20)
    assert not late(play)
    play.advance(60)
    assert late(play)
    assert seconds_behind(play) > LATE / SECOND
    play.pull()
    assert not late(play)


def test_a_scan_that_breaks_off_again_and_again_is_late(small: Scene) -> None:
    small.settle()
    before, kind = read(small).at, pull_state.c.kind
    small.crm.fail("503", 1, method="GET", path="/api/v4/contacts")
    small.pull()
    assert read(small).at == before, "it did not come to its end"
    small.advance(LATE / SECOND + MINUTE / SECOND)
    fresh = {"read_at": small.clock.now(), "due_at": small.clock.now()}
    with small.hub.store.write() as conn:
        conn.execute(update(pull_state).where(kind == "leads").values(fresh))
        conn.execute(update(pull_state).where(kind == "contacts").values(due_at=small.clock.now() + MINUTE))
    assert late(small), "also while the next try is not due yet"


def test_the_kind_that_is_furthest_behind_speaks_for_all(small: Scene) -> None:
    small.settle()
    behind = small.clock.now() - LATE - MINUTE
    with small.hub.store.write() as conn:
        conn.execute(update(pull_state).where(pull_state.c.kind == "contacts").values(read_at=behind, due_at=behind))
    assert read(small).at == behind
    assert late(small)
    with small.hub.store.write() as conn:
        conn.execute(update(pull_state).where(pull_state.c.kind == "contacts").values(read_at=None))
    assert read(small) == ReadUpTo(), "contacts were never read whole"


def test_two_clocks_that_differ_make_no_alarm(embedded: Stack) -> None:
    with scene(embedded) as made:
        made.crm.clock = lambda: made.clock.now() / 1000 - 3600
        made.settle()
        assert seconds_behind(made) > 3590
        assert not late(made), "scans are done when they are due"
        made.advance(LATE / SECOND + 60)
        assert late(made)


def test_who_reads_nothing_is_not_late(small: Scene) -> None:
    small.settle()
    small.advance(3600)
    assert late(small)
    with small.hub.store.write() as conn:
        conn.execute(update(connection).where(connection.c.id == small.crm_id).values(state="paused"))
    assert not late(small)


def test_reading_everything_anew_begins_anew(small: Scene) -> None:
    small.settle()
    account = small.hub.accounts.get(small.crm_id)
    assert account is not None
    welcome_all(small.hub.store, small.clock, account, "member:x")
    assert read(small) == ReadUpTo()
    small.hub.connections.forget()
    small.pull()
    assert read(small).at is not None
