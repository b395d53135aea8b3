"""A hundred thousand records wait to be told: a fresh lead stands behind none of them, another CRM does not notice, and
the work needs no more memory than for a few."""

from __future__ import annotations

import threading
import tracemalloc

from sqlalchemy import text

from hub.model import link
from hub.store.notes import REST
from hub.sync.companies import ONE_OF_OURS
from hub.sync.ledger import ANY_DUE, NEXT_DUE
from tests.sync.scenes import Scene, leads, links
from tests.sync.schedules import FULL
from tests.sync.test_two import OTHER, second
from tests.sync.world import CRM_ID, World
from workers.tasks import abreast

FLOOD = 1_000_000 if FULL else 100_000
MOST_MB = 50.0
"""For a batch, whatever waits behind it."""


def flood(world: World) -> None:
    """So many records like the one that is there, changed by a program, each of them with something to say."""
    leads(world)
    (like,) = links(world)
    told = {"id": "'f' || n", "record_id": "'r' || n", "remote_id": "'x' || n", "dirty": "1", "lane": str(REST)}
    columns = [one.name for one in link.c]
    row = ", ".join(told.get(name, name) for name in columns)
    counted = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < :most)"
    copy = f"{counted} INSERT INTO link ({', '.join(columns)}) SELECT {row} FROM c, link WHERE id = :like"
    with world.store.hub.begin() as conn:
        conn.execute(text(copy), {"most": FLOOD, "like": like.id})


def arrive(world: World) -> None:
    """A lead, just now, with everything else waiting since before."""
    world.clock.advance(1)
    with world.store.write() as conn:
        world.new_lead(conn)


def left(world: World, lane: int = REST) -> int:
    waiting = text("SELECT COUNT(*) FROM link WHERE dirty > 0 AND lane = :lane")
    with world.store.read() as conn:
        return int(conn.execute(waiting, {"lane": lane}).scalar_one())


def test_a_fresh_lead_goes_first_and_alone(scene: Scene) -> None:
    world = scene()
    flood(world)
    arrive(world)
    tracemalloc.start()
    world.pusher.step(CRM_ID)
    _now, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(world.crm.live("cards")) == 2
    assert left(world) == FLOOD, "nobody travelled in its batch"
    assert peak / 1e6 < MOST_MB


def test_a_flooded_crm_goes_on_with_a_bounded_batch_and_its_neighbour_is_served(scene: Scene) -> None:
    world = scene()
    other = second(world)
    flood(world)
    arrive(world)
    with world.store.write() as conn:
        moved = text("UPDATE link SET connection_id = :other WHERE state = 'new'")
        conn.execute(moved, {"other": OTHER})
    world.pusher.step(CRM_ID)
    assert FLOOD - left(world) < 1_000, "a batch, not the lot"
    assert world.pusher.drain(OTHER) == 2
    assert len(other.live("cards")) == 1


def test_one_that_is_at_work_for_hours_delays_no_other() -> None:
    """The flooded one ends only after its neighbour was asked three times."""
    asked, enough = list[str](), threading.Event()

    def work(one: str) -> int:
        if one == "flooded":
            return int(enough.wait(30))
        asked.append(one)
        if len(asked) >= 3:
            enough.set()
        return 10

    assert abreast(["flooded", "other"], work) == 1 + 10 * len(asked)
    assert enough.is_set()


def test_work_is_picked_by_index_alone(scene: Scene) -> None:
    """A backfill makes a hundred thousand records due in one instant: nothing is sorted to take the next four hundred,
    and nothing is read through to see that no company is there."""
    values = {"b_connection": CRM_ID, "b_now": 10**13, "b_lane": REST, "b_size": 400}
    with scene().store.read() as conn:
        for asked in (ANY_DUE, NEXT_DUE, ONE_OF_OURS):
            ready = asked.compile(dialect=conn.dialect)
            told = tuple({**ready.construct_params(_check=False), **values}[name] for name in ready.positiontup or ())
            plan = [row.detail for row in conn.exec_driver_sql(f"EXPLAIN QUERY PLAN {ready}", told)]
            assert len(plan) == 1, plan
            assert "USING INDEX ix_link_" in plan[0] or "USING COVERING INDEX ix_link_" in plan[0]
