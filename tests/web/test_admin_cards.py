"""Second cards in a CRM on the attention page: seen with the person's name, answered once, and then gone from there."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import insert, select, update

from connectors import registry
from hub import setup
from hub.identity.cards import AGAIN, BY_HAND, DUE, KEPT, SECOND
from hub.model import contact, journal, lead, link
from tests.web.world import World, press


def crm(world: World, name: str) -> str:
    form = {one.name: one.default or "https://acme.test/x" for one in registry.crm(name).form}
    with world.hub.store.write() as conn:
        return setup.add_connection(conn, world.hub.clock, world.hub.vault, registry.crm(name), "Our CRM", form)


def person(world: World, name: str) -> str:
    with world.hub.store.read() as conn:
        mine = select(lead.c.contact_id).where(lead.c.id == world.leads[name])
        return str(conn.execute(mine).scalar_one())


def card(world: World, connection_id: str, contact_id: str, remote: str | None, state: str, code: str = "") -> str:
    made = world.hub.clock.new_id()
    with world.hub.store.write() as conn:
        conn.execute(insert(link).values(
            id=made, connection_id=connection_id, role="contact", record_id=contact_id, remote_kind="contact",
            remote_id=remote, state=state, base={}, raw={}, sent={}, remote_version="", mapping_version="", dirty=0,
            lane=2, lease="", attempts=0, lookups=0, code=code, why="", since=world.hub.clock.now(), run="",
        ))  # fmt: skip
    return made


@pytest.fixture
def two(world: World) -> dict[str, str]:
    """Ivan is one contact with two cards: Maria was merged into him."""
    ours, theirs = person(world, "Ivan Petrov"), person(world, "Maria Schmidt")
    connection_id = crm(world, "bitrix24")
    card(world, connection_id, ours, "71", "linked")
    second = card(world, connection_id, theirs, "72", "history", SECOND)
    with world.hub.store.write() as conn:
        conn.execute(update(contact).where(contact.c.id == theirs).values(merged_into=ours))
    return {"connection": connection_id, "second": second, "theirs": theirs}


def page(world: World) -> str:
    return str(world.admin.get("/admin/attention").get_data(as_text=True))


def row(world: World, link_id: str) -> Any:
    with world.hub.store.read() as conn:
        return conn.execute(select(link).where(link.c.id == link_id)).one()


@pytest.mark.parametrize(("what", "code"), [("merge", DUE), ("leave", KEPT)])
def test_a_second_card_is_answered_once(world: World, two: dict[str, str], what: str, code: str) -> None:
    told = page(world)
    assert "Kept in step: 71. Second: 72" in told
    assert "<td>Ivan Petrov</td>" in told
    for _press in range(2):
        assert press(world.admin, f"/admin/attention/cards/{two['second']}/{what}", sure="yes").status_code == 303
    assert row(world, two["second"]).code == code
    with world.hub.store.read() as conn:
        mine = journal.c.subject_id == two["theirs"]
        lines = conn.execute(select(journal.c.actor).where(mine, journal.c.what == code)).scalars().all()
    assert lines == [f"member:{world.members['ada']}"]
    assert "One person, two cards" not in page(world)


def test_where_the_crm_cannot_merge_only_leaving_is_offered(world: World, two: dict[str, str]) -> None:
    assert f"{two['second']}/merge" in page(world)
    with world.hub.store.write() as conn:
        conn.execute(update(link).where(link.c.id == two["second"]).values(code=BY_HAND))
    told = page(world)
    assert "Merge the two cards there by hand." in told
    assert f"{two['second']}/merge" not in told
    other = card(world, crm(world, "amocrm"), person(world, "John Smith"), "9", "history", SECOND)
    assert f"{other}/leave" in page(world)
    assert f"{other}/merge" not in page(world)
    for asked, code in ((two["second"], BY_HAND), (other, SECOND)):
        press(world.admin, f"/admin/attention/cards/{asked}/merge", sure="yes")
        assert row(world, asked).code == code, "whoever asks all the same is refused"
        assert "This CRM cannot merge the two cards from here" in page(world)


def test_a_card_that_was_merged_away_is_made_anew_on_a_word(world: World) -> None:
    made = card(world, crm(world, "bitrix24"), person(world, "John Smith"), None, "held", AGAIN)
    told = page(world)
    assert "They were merged there, and are two people again here." in told
    assert f"links/{made}" not in told, "it stands there once"
    press(world.admin, f"/admin/attention/cards/{made}/again")
    assert (row(world, made).state, row(world, made).code) == ("uncertain", "")
    press(world.admin, f"/admin/attention/cards/{made}/again")
    assert "John Smith" not in page(world)


def test_what_is_no_answer_is_refused(world: World, two: dict[str, str]) -> None:
    assert press(world.admin, f"/admin/attention/cards/{two['second']}/eat").status_code == 404
    assert press(world.visitor("sam"), f"/admin/attention/cards/{two['second']}/merge").status_code in (403, 404)
    assert row(world, two["second"]).code == SECOND
