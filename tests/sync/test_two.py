"""Two CRMs feed one record of the hub with different truths, and a ring in which they also tell each other: all three
agree in the end, with no more writes than there were changes and sides to tell."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import select

from hub.intake.connections import Live
from hub.model import connection, lead, link
from tests.sync.fake import PROFILES, FakeCRM, Row
from tests.sync.scenes import Scene, retitle, world_rows
from tests.sync.world import CRM_ID, World

OTHER = "crm-2"


@dataclass
class Pair:
    """One hub between two CRMs."""

    world: World
    crms: tuple[FakeCRM, FakeCRM]

    def card(self, which: int) -> Row:
        (found,) = self.crms[which].live("cards")
        return found

    def titles(self) -> set[Any]:
        (here,) = world_rows(self.world, lead)
        return {here.title, self.card(0).values["title"], self.card(1).values["title"]}

    def writes(self) -> int:
        return sum(crm.writes for crm in self.crms)

    def settled(self, rounds: int = 3, *, first: int = 0) -> None:
        """Both are read and told, `first` before the other."""
        order = [CRM_ID, OTHER][:: -1 if first else 1]
        for _round in range(rounds):
            self.world.clock.advance(40)
            for one in order:
                self.world.puller.step(one)
                self.world.pusher.drain(one)
        for one in order:
            self.world.pusher.drain(one)


def second(world: World) -> FakeCRM:
    """Another account of its own beside the first."""
    strategy, facts = PROFILES[world.profile]
    crm = FakeCRM(world.clock, facts, strategy == "native")
    with world.store.write() as conn:
        known = conn.execute(select(connection).where(connection.c.id == CRM_ID)).one()._asdict()
        conn.execute(connection.insert().values({**known, "id": OTHER, "token": "t-2", "name": "Second"}))
        row = conn.execute(select(connection).where(connection.c.id == OTHER)).one()
        for one in conn.execute(select(link).where(link.c.connection_id == CRM_ID)).all():
            conn.execute(link.insert().values({**one._asdict(), "id": world.clock.new_id(), "connection_id": OTHER}))
    world.places.others[OTHER] = Live(row, crm)
    return crm


@pytest.fixture
def pair(scene: Scene) -> Callable[..., Pair]:
    def made(profile: str = "two_blocks") -> Pair:
        world = scene(profile)
        with world.store.write() as conn:
            world.new_lead(conn)
        told = Pair(world, (world.crm, second(world)))
        told.settled()
        assert len(told.titles()) == 1
        return told

    return made


@pytest.mark.parametrize("profile", ["two_blocks", "conditional", "strong"])
@pytest.mark.parametrize("first", [0, 1])
def test_two_truths_at_once_become_one(pair: Callable[..., Pair], first: int, profile: str) -> None:
    both = pair(profile)
    before = both.writes()
    both.crms[0].edit(both.card(0), title="Said in the first")
    both.crms[1].edit(both.card(1), title="Said in the second")
    both.settled(4, first=first)
    [title] = both.titles()
    assert title in ("Said in the first", "Said in the second")
    assert both.writes() - before <= 2 * 2
    calm = both.writes()
    both.settled(4)
    assert both.writes() == calm


@pytest.mark.parametrize("source", ["first", "second", "hub"])
def test_what_one_says_reaches_the_others_once(pair: Callable[..., Pair], source: str) -> None:
    both = pair()
    before = both.writes()
    if source == "hub":
        retitle(both.world, world_rows(both.world, lead)[0].id, "News")
    else:
        which = ("first", "second").index(source)
        both.crms[which].edit(both.card(which), title="News")
    both.settled(4)
    assert both.titles() == {"News"}
    assert both.writes() - before == (2 if source == "hub" else 1), "whoever said it is told nothing"


def ring(both: Pair) -> None:
    """Another program copies titles between the two, at once and both ways."""
    for which in (0, 1):
        mine, theirs = both.crms[which], both.crms[1 - which]
        real = mine.touch

        def touch(row: Row, hint: bool = True, real: Any = real, theirs: FakeCRM = theirs) -> None:
            real(row, hint)
            for other in theirs.live(row.kind):
                if row.kind == "cards" and other.values.get("title") != row.values.get("title"):
                    theirs.edit(other, title=row.values["title"])

        mine.touch = touch  # type: ignore[method-assign]


@pytest.mark.parametrize("changes", [1, 5])
def test_a_ring_of_three_comes_to_rest(pair: Callable[..., Pair], changes: int) -> None:
    both = pair()
    ring(both)
    before = both.writes()
    for number in range(changes):
        both.crms[number % 2].edit(both.card(number % 2), title=f"Turn {number}")
        retitle(both.world, world_rows(both.world, lead)[0].id, f"Ours {number}") if number % 2 else None
        both.settled(1)
    both.settled(4)
    assert len(both.titles()) == 1
    assert both.writes() - before <= 2 * (changes + changes // 2)
    calm = both.writes()
    both.settled(5)
    assert both.writes() == calm
    assert {row.state for row in world_rows(both.world, link)} == {"linked"}
