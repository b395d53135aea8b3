"""A batch that takes long keeps its lease, and one that has lost it never believes that it has it still."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

import pytest
from sqlalchemy import Connection

from hub.clock import SECOND
from hub.model import link
from hub.store.engine import Store
from hub.sync.ledger import Ledger
from hub.sync.parcel import PATIENCE
from tests.flow.scene import Scene
from tests.flow.test_whole_way import ANNA


@pytest.fixture
def taken(play: Scene) -> Ledger:
    play.post(**ANNA)
    play.hub.flow.drain()
    account = play.hub.accounts.get(play.crm_id)
    assert account is not None
    ledger = Ledger(play.hub.store, play.clock, account)
    assert ledger.take(10)
    return ledger


def length(play: Scene, ledger: Ledger) -> int:
    return ledger.until - play.clock.now()


def ends(play: Scene, ledger: Ledger) -> set[int | None]:
    return {row.lease_until for row in play.rows(link, lease=ledger.lease)}


def test_it_goes_on_once_half_of_it_is_over(play: Scene, taken: Ledger) -> None:
    first, long = taken.until, length(play, taken)
    taken.prolong()
    assert taken.until == first
    play.clock.advance(0.6 * long / SECOND)
    taken.prolong()
    assert ends(play, taken) == {taken.until} == {play.clock.now() + long}


def test_one_that_has_ended_is_not_taken_up_again(play: Scene, taken: Ledger) -> None:
    first = taken.until
    play.clock.advance(length(play, taken) / SECOND + 1)
    taken.prolong()
    assert ends(play, taken) == {first} == {taken.until}


def test_one_that_ends_while_the_database_lets_us_wait_is_lost(play: Scene, taken: Ledger) -> None:
    class Slow:
        @contextmanager
        def write(self) -> Iterator[Connection]:
            play.clock.advance(long / SECOND)
            with play.hub.store.write() as conn:
                yield conn

    first, long = taken.until, length(play, taken)
    play.clock.advance(0.6 * long / SECOND)
    taken._store = cast(Store, Slow())
    taken.prolong()
    assert taken.until == first, "it would send what another worker may have by now"


def test_who_comes_while_another_batch_makes_their_company_waits_a_moment(play: Scene) -> None:
    account = play.hub.accounts.get(play.crm_id)
    assert account is not None
    play.pull()
    first, second = (Ledger(play.hub.store, play.clock, account) for _one in range(2))
    play.post(name="Anna Serova", phone="+79161234501", company="Windows and Doors Ltd")
    play.hub.flow.drain()
    assert {p.row.role for p in first.take(10)} == {"company", "contact", "lead"}
    play.post(name="Boris Orlov", phone="+79161234502", company="Windows and Doors Ltd")
    play.hub.flow.drain()
    assert second.take(10) == []
    assert second.looked_at == 2
    play.advance(0.3)
    assert second.take(10) == [], "it is still being made"
    play.advance(PATIENCE / SECOND)
    alone = second.take(10)
    assert {p.row.role for p in alone} == {"contact", "lead"}, "the other worker died"
    assert not any(p.op.links for p in alone if p.op)
