"""What a process keeps of routing is used only while it is the same, whoever changed it and in whatever way."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import delete, insert, update
from sqlalchemy.exc import IntegrityError

from hub.clock import HOUR
from hub.model import absence, calendar, member, pool, rotation, rule, seat, setting
from hub.routing.giving import Giving
from hub.routing.kept import Kept
from hub.routing.rotation import POOL
from tests.funnel.desk import Desk
from tests.servers import Stack
from tests.whole import whole_hub


@pytest.fixture
def desk(stack: Stack) -> Iterator[Desk]:
    with whole_hub(stack.folder, stack) as whole:
        yield Desk(whole.hub.store, whole.clock, None)  # type: ignore[arg-type]


def changes(desk: Desk) -> dict[str, Any]:
    """Everything that people may do to routing, by the way it is written."""
    olga, at = desk.id_of("Olga"), desk.clock.now()
    away = {"id": "a", "member_id": olga, "begin": at, "end": at + HOUR, "why": "ill"}
    return {
        "a rule changes": update(rule).values(name="Other"),
        "a pool comes": insert(pool).values(name=POOL, day_limit=5),
        "a pool changes": update(pool).values(offer=True),
        "a pool goes": delete(pool),
        "hours come": insert(calendar).values(id="c", name="c", week=[[["09:00", "18:00"]]] * 7),
        "a seat comes": insert(seat).values(member_id=olga, calendar_id="c", skills=["language:de"]),
        "a seat changes": update(seat).values(open_limit=3),
        "hours change": update(calendar).values(zone="Europe/Moscow"),
        "somebody is away": insert(absence).values(away),
        "somebody is back": delete(absence),
        "a share changes": update(rotation).where(rotation.c.member_id == olga).values(weight=3),
        "a share goes": delete(rotation).where(rotation.c.member_id == olga),
        "a share comes": insert(rotation).values(pool=POOL, member_id=olga, weight=1, credit=0, given=0),
        "somebody is switched off": update(member).where(member.c.id == olga).values(active=False),
        "the last resort comes": insert(setting).values(name="last_resort", value={"member": olga}),
        "the last resort changes": update(setting).where(setting.c.name == "last_resort").values(value={}),
        "the last resort goes": delete(setting).where(setting.c.name == "last_resort"),
        "a rule goes": delete(rule),
    }


def test_every_change_is_seen_by_the_next_batch(desk: Desk) -> None:
    kept = Kept()
    with desk.store.read() as conn:
        house = kept.read(conn, desk.clock.now())
    for what, statement in changes(desk).items():
        with desk.store.write() as conn:
            conn.execute(statement)
        with desk.store.read() as conn:
            seen, fresh = kept.read(conn, desk.clock.now()), Kept().read(conn, desk.clock.now())
        assert seen is not house, what
        assert (seen.staff.pools, seen.staff.last_resort) == (fresh.staff.pools, fresh.staff.last_resort), what
        assert [str(one) for one in seen.rules.rules] == [str(one) for one in fresh.rules.rules], what
        house = seen


def test_a_lead_changes_nothing_that_is_kept(desk: Desk) -> None:
    kept = Kept()
    with desk.store.write() as conn:
        house = kept.read(conn, desk.clock.now())
        giving = Giving(conn, desk.clock.now(), kept=kept)
        giving.give("x", giving.route({}, "main"), {}, "who", desk.clock.now())
        giving.write(desk.clock)
        conn.execute(update(member).values(locale="ru"))
    with desk.store.read() as conn:
        assert kept.read(conn, desk.clock.now()) is house
        assert all(one.load.open == 0 for one in house.staff.people.values())
        assert all(not one.turns for one in house.staff.pools.values())


def test_what_was_rolled_back_leaves_what_is_kept(desk: Desk) -> None:
    kept = Kept()
    with desk.store.read() as conn:
        house = kept.read(conn, desk.clock.now())
    with pytest.raises(IntegrityError), desk.store.write() as conn:
        conn.execute(update(rule).values(name="Never", direction_id=None))
    with desk.store.read() as conn:
        assert kept.read(conn, desk.clock.now()) is house
