"""Target actions on a page: what is chosen there makes leads deals, per direction, of whom it says."""

from __future__ import annotations

import html
from typing import Any

from sqlalchemy import insert, select

from hub.funnel.targets import Target, note_target, targets_of
from hub.model import deal, direction, journal, lead, rotation
from tests.web.world import World, press


def main(world: World) -> str:
    with world.hub.store.read() as conn:
        return str(conn.execute(select(direction.c.id)).scalar_one())


def chosen(world: World, place: str) -> tuple[Target, ...]:
    with world.hub.store.read() as conn:
        return targets_of(conn, place)


def state(world: World, name: str) -> str:
    with world.hub.store.read() as conn:
        return str(conn.execute(select(lead.c.state).where(lead.c.id == world.leads[name])).scalar_one())


def keep(world: World, place: str = "", **typed: str) -> Any:
    return press(world.admin, "/admin/targets", direction=place, do="keep", **typed)


def page(world: World) -> str:
    return html.unescape(world.admin.get("/admin/targets").get_data(as_text=True))


def showing(world: World, name: str) -> None:
    with world.hub.store.write() as conn:
        note_target(conn, world.hub.clock, world.leads[name], "showing", "held", "crm:x")
    world.hub.timers.step()


def test_what_is_chosen_makes_the_lead_a_deal_of_whom_it_says(world: World) -> None:
    with world.hub.store.write() as conn:
        seller = world.members["sue"]
        conn.execute(insert(rotation).values(pool="sellers", member_id=seller, weight=1, credit=0, given=0))
    showing(world, "Ivan Petrov")
    assert state(world, "Ivan Petrov") == "open"
    answer = keep(world, **{"showing-held": "force", "pool-showing-held": "sellers", "meeting-held": "guard"})
    assert answer.status_code == 303
    assert chosen(world, main(world)) == (Target("meeting", "held"), Target("showing", "held", False, "sellers"))
    showing(world, "Maria Schmidt")
    assert state(world, "Maria Schmidt") == "converted"
    with world.hub.store.read() as conn:
        assert conn.execute(select(deal.c.owner_id)).scalars().all() == [seller]
        changed = conn.execute(select(journal.c.actor).where(journal.c.subject_id == "targets")).scalars().all()
    assert changed == [f"member:{world.members['ada']}"]
    told = page(world)
    assert told.count('<option value="force" selected>') == 2, "the list for all, and the direction that goes by it"
    assert told.count('<option value="sellers" selected>') == 2


def test_a_direction_has_a_list_of_its_own_until_it_is_dropped(world: World) -> None:
    place = main(world)
    keep(world, **{"meeting-held": "guard"})
    keep(world, place, **{"stage-hot": "guard"})
    assert chosen(world, place) == (Target("stage", "hot"),)
    assert "Go by the list for every direction" in page(world)
    keep(world, place)
    assert chosen(world, place) == (), "a list of its own may be empty"
    press(world.admin, "/admin/targets", direction=place, do="drop")
    assert chosen(world, place) == (Target("meeting", "held"),)
    assert "moved to “Hot”" in page(world)
    assert "moved to “Rejected”" not in page(world)


def test_what_is_not_offered_is_not_kept(world: World) -> None:
    keep(world, **{"lunch-held": "guard", "stage-nowhere": "guard", "meeting-held": "maybe", "showing-held": "guard",
                   "pool-showing-held": "nobody"})  # fmt: skip
    assert chosen(world, "") == (Target("showing", "held"),)
    assert keep(world, "gone", **{"meeting-held": "guard"}).status_code == 404


def test_only_admins_see_it(world: World) -> None:
    assert world.visitor("dora").get("/admin/targets").status_code in (302, 403, 404)
