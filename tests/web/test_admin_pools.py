"""Pools: what was typed is what routing sees, what does not do what was hoped is said beside it."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select, update

from hub.clock import MINUTE
from hub.model import direction, journal, member, pool, rotation, rule
from hub.routing.floor import Pool
from hub.routing.reading import read_floor
from tests.web.world import World, press

PLAIN = {"off_hours": "hold", "own_first": "yes"}


def pool_seen(world: World, name: str) -> Pool:
    with world.hub.store.read() as conn:
        return read_floor(conn, world.hub.clock.now(), lock=False).pools[name]


def page(world: World, path: str) -> str:
    answer = world.admin.get(f"/admin/{path}")
    assert answer.status_code == 200, path
    return str(answer.get_data(as_text=True))


def keep(world: World, name: str, **typed: str) -> Any:
    return press(world.admin, f"/admin/pools/{name}", **{**PLAIN, **typed})


def add(world: World, name: str) -> Any:
    return press(world.admin, "/admin/pools", name=name)


def test_a_pool_is_what_routing_sees(world: World) -> None:
    add(world, "Seniors & co")
    sam, sue = world.members["sam"], world.members["sue"]
    shares = {f"share-{sam}": "2", f"share-{sue}": "1"}
    answer = keep(world, "Seniors & co", **shares, off_hours="duty", duty_id=sue, overflow="desk", offer="yes",
                  skills="language, field.size", seen_minutes="15", day_limit="7")  # fmt: skip
    assert answer.status_code == 303
    seen = pool_seen(world, "Seniors & co")
    assert {turn.member_id: turn.weight for turn in seen.turns} == {sam: 2, sue: 1}
    assert (seen.offer, seen.off_hours, seen.duty, seen.overflow) == (True, "duty", sue, "desk")
    assert (seen.own_first, seen.skills, seen.seen_within) == (True, ("language", "field.size"), 15 * MINUTE)
    told = page(world, "pools")
    assert "Seniors &amp; co" in told
    assert "67 %" in told
    keep(world, "Seniors & co", **{f"share-{sam}": "0", f"share-{sue}": "1"}, own_first="")
    assert not pool_seen(world, "Seniors & co").own_first
    assert {turn.member_id: turn.weight for turn in pool_seen(world, "Seniors & co").turns} == {sam: 0, sue: 1}


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"off_hours": "never"}, "is none of hold, duty, give"), ({"off_hours": "duty"}, "choose who is on duty"),
        ({"overflow": "desk"}, "is this pool itself"), ({"overflow": "nowhere"}, "is not here any more"),
        ({"duty_id": "ghost"}, "is not here any more"), ({"skills": "__class__"}, "there is no field “__class__”"),
        ({"seen_minutes": "-5"}, "must be whole minutes"), ({"open_limit": "lots"}, "must be a whole number"),
        ({"calendar_id": "ghost"}, "choose other hours"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_and_what_was_typed_stays(world: World, typed: dict[str, str], said: str) -> None:
    dora = world.members["dora"]
    answer = keep(world, "desk", **{f"share-{dora}": "7"}, **typed)
    told = answer.get_data(as_text=True)
    assert answer.status_code == 422
    assert said in told
    assert f'name="share-{dora}" value="7"' in told
    with world.hub.store.read() as conn:
        assert conn.execute(select(pool)).all() == []
        assert conn.execute(select(rotation.c.weight).where(rotation.c.member_id == dora)).scalar() == 1


def test_a_share_nobody_can_read_is_named(world: World) -> None:
    answer = keep(world, "desk", **{f"share-{world.members['dora']}": "101"})
    assert answer.status_code == 422
    assert "must be between 0 and 100" in answer.get_data(as_text=True)


@pytest.mark.parametrize("name", ["", "a/b", "desk", "x" * 61, ".."])
def test_a_name_that_cannot_be_used_makes_no_pool(world: World, name: str) -> None:
    add(world, name)
    with world.hub.store.read() as conn:
        assert conn.execute(select(pool)).all() == []


def test_an_empty_pool_and_one_that_overflows_into_itself_are_told(world: World) -> None:
    add(world, "Empty")
    assert "Pool “Empty”: has nobody in it" in page(world, "pools/Empty")
    with world.hub.store.write() as conn:
        conn.execute(pool.update().where(pool.c.name == "Empty").values(off_hours="duty", duty_id=world.members["sam"]))
        conn.execute(member.update().where(member.c.id == world.members["sam"]).values(active=False))
    assert "its duty person is gone" in page(world, "pools/Empty")


def test_a_pool_that_something_leads_to_stays(world: World) -> None:
    for name in ("North", "South"):
        add(world, name)
    keep(world, "North", overflow="South")
    with world.hub.store.read() as conn:
        place = conn.execute(select(direction.c.id)).scalar()
    press(world.admin, "/admin/rules", name="Far", direction=str(place), pool="North",
          **{"field-0": "field.city", "op-0": "is", "value-0": "Perm"})  # fmt: skip
    with world.hub.store.read() as conn:
        assert conn.execute(select(rule.c.pool).where(rule.c.name == "Far")).scalar() == "North"
    for name in ("North", "South", "desk"):
        press(world.admin, f"/admin/pools/{name}/remove")
        assert ("and stays" if name == "desk" else "still led to") in page(world, "pools")
    with world.hub.store.read() as conn:
        assert sorted(conn.execute(select(pool.c.name)).scalars()) == ["North", "South"]
    press(world.admin, f"/admin/rules/{_rule(world)}", do="remove")
    press(world.admin, "/admin/pools/North/remove")
    press(world.admin, "/admin/pools/South/remove")
    with world.hub.store.read() as conn:
        assert list(conn.execute(select(pool.c.name))) == []


def _rule(world: World) -> str:
    with world.hub.store.read() as conn:
        return str(conn.execute(select(rule.c.id).where(rule.c.name == "Far")).scalar())


def test_a_rule_does_not_lead_to_a_pool_that_is_not_there(world: World) -> None:
    with world.hub.store.read() as conn:
        place = conn.execute(select(direction.c.id)).scalar()
    press(world.admin, "/admin/rules", name="Far", direction=str(place), pool="nowhere",
          **{"field-0": "page", "op-0": "is", "value-0": "x"})  # fmt: skip
    assert "is not here any more" in page(world, "rules")


def test_every_change_of_a_pool_has_a_name_on_it(world: World) -> None:
    add(world, "North")
    keep(world, "North", **{f"share-{world.members['sam']}": "1"})
    press(world.admin, "/admin/pools/North/remove")
    with world.hub.store.read() as conn:
        lines = conn.execute(select(journal).where(journal.c.subject == "pool").order_by(journal.c.id)).all()
    assert [(line.what, line.subject_id) for line in lines] == [
        ("kept", "North"),
        ("kept", "North"),
        ("removed", "North"),
    ]
    assert {line.actor for line in lines} == {f"member:{world.members['ada']}"}


def test_a_russian_admin_reads_what_is_odd_in_russian_and_by_name(world: World) -> None:
    sam = world.members["sam"]
    add(world, "Запад")
    keep(world, "Запад", **{f"share-{sam}": "1"}, overflow="desk")
    with world.hub.store.write() as conn:
        conn.execute(update(member).where(member.c.login == "ada").values(locale="ru"))
        conn.execute(update(member).where(member.c.id == sam).values(active=False))
        name = conn.execute(select(member.c.name).where(member.c.id == sam)).scalar_one()
    told = page(world, "pools")
    assert f"Пул «Запад»: {name}: участник удалён или отключён и больше не получает лидов" in told
    assert "Пул «Запад»: в нём никого нет; его лиды получает пул «desk»" in told
    assert sam not in told
