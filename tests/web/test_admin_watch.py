"""What a head watches, and robots: pages that say what is so, and buttons that do it once."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Table, insert, select

from hub.funnel.moves import convert_lead
from hub.funnel.signals import tell
from hub.model import deal, lead, question, robot
from tests.web.world import World, press


def rows(world: World, table: Table, *where: Any) -> list[Any]:
    with world.hub.store.read() as conn:
        return list(conn.execute(select(table).where(*where)))


def page(world: World, path: str) -> str:
    answer = world.admin.get(f"/admin/{path}")
    assert answer.status_code == 200, path
    return str(answer.get_data(as_text=True))


def test_everything_is_on_one_page(world: World) -> None:
    with world.hub.store.write() as conn:
        tell(conn, world.hub.clock, "x", "", {"text": "Nobody called <b>Ivan</b>"})
        lead_id = conn.execute(select(lead.c.id).where(lead.c.state == "open")).scalars().first()
        convert_lead(conn, world.hub.clock, str(lead_id), "member:x")
    told = page(world, "watch")
    assert "Nobody called &lt;b&gt;Ivan" in told
    assert "leads crossed" in told
    assert "Nothing is asked before the border yet." in told


def test_the_usual_questions_are_asked_with_one_press(world: World) -> None:
    for _press in range(2):
        press(world.admin, "/admin/questions/usual")
    assert len(rows(world, question)) == 5
    assert "Nothing is asked" not in page(world, "watch")


def stray(world: World) -> str:
    some = rows(world, lead)[0]
    deal_id = world.hub.clock.new_id()
    with world.hub.store.write() as conn:
        conn.execute(
            insert(deal).values(
                id=deal_id, contact_id=some.contact_id, direction_id=some.direction_id, stage="created", state="open",
                owner_id=some.owner_id, title="Made by hand", opened_at=1, active_at=1,
            )
        )  # fmt: skip
    return deal_id


def test_a_stray_deal_is_accepted(world: World) -> None:
    deal_id = stray(world)
    assert "Made by hand" in page(world, "watch")
    press(world.admin, f"/admin/watch/deals/{deal_id}/accept")
    assert "Made by hand" not in page(world, "watch")
    assert rows(world, deal, deal.c.id == deal_id)[0].state == "open"


def test_a_set_of_robots_comes_switched_off_and_is_tried_dry(world: World) -> None:
    press(world.admin, "/admin/robots/sets", set="lead_states")
    made = rows(world, robot)
    assert len(made) == 5
    assert not any(row.active for row in made)
    for row in made:
        assert "It would touch these now" in page(world, f"robots/{row.id}/dry")
    press(world.admin, f"/admin/robots/{made[0].id}", do="on")
    assert [row.id for row in rows(world, robot, robot.c.active)] == [made[0].id]


@pytest.mark.parametrize("path", ["robots/sets", "robots/0000000000000000000000000A"])
def test_what_is_no_button_is_refused(world: World, path: str) -> None:
    assert press(world.admin, f"/admin/{path}", do="explode", set="none").status_code == 400


@pytest.mark.parametrize("path", ["watch", "robots"])
def test_only_admins_see_it(world: World, path: str) -> None:
    assert world.visitor("dora").get(f"/admin/{path}").status_code in (302, 303, 403, 404)
