"""No leads in a direction: ticked on its page, and where a CRM's set-up says so the page names it."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select, update

from connectors import registry
from hub import setup
from hub.intake.straight import chosen, directions_without_leads
from hub.model import connection, deal, direction, journal
from tests.web.world import World, press

TICKED = 'name="straight" value="yes" checked'


def main(world: World) -> str:
    with world.hub.store.read() as conn:
        return str(conn.execute(select(direction.c.id)).scalar_one())


def page(world: World) -> str:
    return str(world.admin.get("/admin/directions").get_data(as_text=True))


def tick(world: World, place: str, **typed: str) -> Any:
    return press(world.admin, f"/admin/directions/{place}/straight", **typed)


def test_a_ticked_direction_makes_the_next_inquiry_a_deal(world: World) -> None:
    assert TICKED not in page(world)
    for _press in range(2):
        assert tick(world, main(world), straight="yes").status_code == 303
    assert TICKED in page(world)
    world.send(name="Vera Lind", phone="+1 202 555 0177", message="A house")
    world.process()
    with world.hub.store.read() as conn:
        (lead_id,) = conn.execute(select(deal.c.lead_id)).scalars()
        lines = conn.execute(select(journal.c.actor).where(journal.c.what == "no_leads")).scalars().all()
    assert lead_id == world.leads["Vera Lind"], "leads that were open stay leads"
    assert lines == [f"member:{world.members['ada']}"]
    tick(world, main(world))
    assert TICKED not in page(world)
    with world.hub.store.read() as conn:
        assert chosen(conn) == frozenset()


def test_a_direction_that_is_gone_is_not_ticked(world: World) -> None:
    tick(world, world.form, straight="yes")
    assert "is not here any more" in page(world)
    with world.hub.store.read() as conn:
        assert chosen(conn) == frozenset()


@pytest.mark.parametrize("state", ["active", "off"])
def test_a_crm_that_wants_no_leads_is_named(world: World, state: str) -> None:
    form, place = {"address": "https://acme.test/x", "token": "t"}, main(world)
    placed = {"strategy": "held", "rows": [["deal", place, "created", "p", "1"]]}
    with world.hub.store.write() as conn:
        setup.add_connection(conn, world.hub.clock, world.hub.vault, registry.crm("amocrm"), "Our CRM", form)
        config = {"intake": "no_leads", "placement": placed}
        conn.execute(update(connection).where(connection.c.kind == "crm").values(config=config, state=state))
    told = page(world)
    assert ("wants no leads here" in told) is ("Our CRM</a>" in told) is (state == "active")
    assert TICKED not in told, "that is the CRM's doing, not the tick's"
    with world.hub.store.read() as conn:
        crms = list(conn.execute(select(connection).where(connection.c.kind == "crm")))
        assert (place in directions_without_leads(conn, crms)) is (state == "active")
