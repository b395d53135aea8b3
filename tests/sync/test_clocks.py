"""Clocks that are wrong: ours jumps in the middle of the work, the CRM's is minutes off. Nothing is passed over and
nothing is made twice; what waits for a moment waits no longer than the jump."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from sqlalchemy import update

from hub.clock import HOUR, MINUTE, SECOND, FixedClock
from hub.model import connection, lead
from tests.sync.scenes import Scene, card, leads, links, retitle, settled, world_rows
from tests.sync.schedules import FULL
from tests.sync.world import CRM_ID, World

PLAYED = ("two_blocks", "strong", "no_bin", "native")
JUMPS = (-HOUR, HOUR, -10 * MINUTE, 10 * MINUTE, -SECOND, SECOND)
"""Set by hand, set right again, a second that came twice or was left out."""


@dataclass
class TwoClocks(FixedClock):
    """Ours, and the one that is right: both pass at the same pace, and ours jumps."""

    right: FixedClock = field(default_factory=FixedClock)

    def advance(self, seconds: float) -> None:
        super().advance(seconds)
        self.right.advance(seconds)


class Jumping(World):
    """A schedule in which the hub's clock is set, whatever runs."""

    clock: TwoClocks

    def __post_init__(self) -> None:
        super().__post_init__()
        self.crm.clock, self.brake = self.clock.right, 0
        with self.store.write() as conn:
            config = {**self.account.live.row.config, "brake": 0}
            conn.execute(update(connection).where(connection.c.id == CRM_ID).values(config=config))
        self.places.forget()

    def act(self) -> None:
        if self.chance.random() < 0.05:
            self.jump(self.chance.choice(JUMPS))
        super().act()

    def jump(self, ms: int) -> None:
        """Requests under way end when they would have ended: their deadlines follow no wall clock."""
        self.say(f"jump {ms}")
        self.clock.at += ms
        self.counts["jumps"] += 1
        for worker in self.workers:
            worker.since += ms
        self.late = [(due + ms, late) for due, late in self.late]

    def inquire(self, conn: Any) -> None:
        """Leads are enough here: what comes in is stamped once, and waits for no clock."""
        self.new_lead(conn)

    def watch_cursor(self) -> None:
        ours, self.clock = self.clock, self.clock.right  # type: ignore[assignment]
        super().watch_cursor()
        self.clock = ours

    def settle(self) -> None:
        self.clock.advance(max(0, self.clock.right.at - self.clock.at) / 1000 + HOUR / 1000)
        super().settle()


@pytest.fixture
def jumping(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], World]:
    monkeypatch.setattr("tests.sync.world.FixedClock", TwoClocks)

    def played(seed: int) -> World:
        world = Jumping(random.Random(seed), PLAYED[seed % len(PLAYED)], 20)
        world.play()
        return world

    return played


def test_whatever_our_clock_does_both_sides_agree(jumping: Callable[[int], World]) -> None:
    """A jump can end a lease while its holder is in a call; then two workers may say the same (I17), to no effect."""
    worlds = [jumping(seed) for seed in range(400 if FULL else 40)]
    told = [(seed, one) for seed, world in enumerate(worlds) for one in (*world.wrong, *world.crm.wrong)]
    told = [(seed, one) for seed, one in told if not one.startswith("I17")]
    assert told == []
    assert sum(world.counts["jumps"] for world in worlds) > len(worlds) / 2


@pytest.mark.parametrize("jump", JUMPS)
def test_after_a_jump_fresh_leads_and_hooks_wait_for_nothing(scene: Scene, jump: int) -> None:
    """A poll that stands an hour ahead is made up for by hooks meanwhile, and comes back when its time is there."""
    world = scene()
    (mine,) = leads(world)
    world.clock.at += jump
    with world.store.write() as conn:
        world.new_lead(conn)
    world.pusher.drain(CRM_ID)
    assert {row.state for row in links(world)} == {"linked"}
    assert len(world.crm.live("cards")) == 2
    retitle(world, mine, "Said after the jump")
    world.pusher.drain(CRM_ID)
    assert card(world).values["title"] == "Said after the jump"
    world.clock.advance(max(0, -jump) / 1000)
    world.crm.edit(card(world), title="Theirs")
    settled(world)
    assert next(row.title for row in world_rows(world, lead) if row.id == mine) == "Theirs"


@pytest.mark.parametrize("off", [-10 * MINUTE, 10 * MINUTE])
def test_a_crm_whose_clock_is_wrong_is_followed_all_the_same(scene: Scene, off: int) -> None:
    world = scene()
    theirs = FixedClock(at=world.clock.at + off)
    world.crm.clock = theirs
    (mine,) = leads(world)
    for number in range(5):
        world.crm.edit(card(world), title=f"Title {number}")
        theirs.advance(121)
        settled(world, 1)
        assert world_rows(world, lead, id=mine)[0].title == f"Title {number}"
    before = world.crm.writes
    settled(world)
    assert world.crm.writes == before
    assert len(world.crm.live("cards")) == 1
