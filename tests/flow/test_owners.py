"""People of one side whom the other does not know: somebody stands in, each is listed once, naming them is enough."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import update

from hub.model import connection, deal, journal, lead, member
from hub.store.notes import mark_dirty
from hub.sync import owners
from hub.sync.health import health
from tests.flow.scene import Scene
from tests.flow.test_sync_faults import ANNA


@pytest.fixture
def strange(small: Scene) -> Scene:
    """Vera has a user there, Oleg has none any more, and Vera's user stands in."""
    users = owners.known(_config(small))
    configure(small, tables={"owners": {small.members["vera"]: users[small.members["vera"]]}})
    configure(small, owner_there=users[small.members["vera"]])
    small.post(**ANNA)
    small.hub.flow.drain()
    give(small, "oleg")
    return small


def _config(made: Scene) -> dict[str, Any]:
    return dict(made.row(connection, id=made.crm_id).config)


def configure(made: Scene, **more: Any) -> None:
    config = {**_config(made), **more}
    with made.hub.store.write() as conn:
        conn.execute(update(connection).where(connection.c.id == made.crm_id).values(config=config))
    made.hub.connections.forget()


def give(made: Scene, name: str) -> None:
    with made.hub.store.write() as conn:
        conn.execute(update(lead).values(owner_id=made.members[name]))
        mark_dirty(conn, made.clock, [made.lead().id])


def listed(made: Scene) -> list[tuple[str, int, str]]:
    with made.hub.store.read() as conn:
        (one,) = health(conn)
    return [(trouble.code, trouble.count, trouble.action) for trouble in one.troubles]


def say(made: Scene, **names: str) -> int:
    with made.hub.store.write() as conn:
        news = {made.members[name]: user for name, user in names.items()}
        count = owners.say(conn, made.clock, "member:admin", made.crm_id, news)
    made.hub.connections.forget()
    return count


def user_of(made: Scene, name: str) -> str:
    """The user there with this colleague's address."""
    (login,) = [row.login for row in made.rows(member) if row.id == made.members[name]]
    live = made.hub.connections.by_id(made.crm_id)
    assert live is not None
    return next(user.ref for user in live.crm.describe().users if user.email == login)


def test_set_up_knows_who_is_who_and_who_stands_in(small: Scene) -> None:
    config = _config(small)
    assert owners.known(config) == {small.members[name]: user_of(small, name) for name in ("vera", "oleg")}
    assert config["owner_there"] in owners.known(config).values()
    assert listed(small) == []


def test_a_colleague_without_a_user_is_stood_in_for_listed_once_and_named_later(strange: Scene) -> None:
    strange.settle()
    vera = user_of(strange, "vera")
    assert str(strange.card()["responsible_user_id"]) == vera
    assert strange.lead().owner_id == strange.members["oleg"], "whom the stand-in answers for is no edit here"
    assert listed(strange) == [("owner_not_there", 1, "map")]
    before = strange.writes()
    strange.settle()
    assert strange.writes() == before
    assert say(strange, oleg=user_of(strange, "oleg")) == 1
    strange.settle()
    assert str(strange.card()["responsible_user_id"]) == user_of(strange, "oleg")
    assert strange.lead().owner_id == strange.members["oleg"]
    assert listed(strange) == []
    assert len(strange.rows(journal, what="owners")) == 1


def test_a_lead_that_is_handed_to_a_colleague_without_a_user_goes_to_the_stand_in(strange: Scene) -> None:
    oleg = user_of(strange, "oleg")
    say(strange, oleg=oleg)
    strange.settle()
    assert str(strange.card()["responsible_user_id"]) == oleg
    with strange.hub.store.write() as conn:
        extra = {name: getattr(row, name) for row in strange.rows(member)[:1] for name in member.columns.keys()}  # noqa: SIM118
        conn.execute(member.insert().values({**extra, "id": "m-new", "login": "new@peters.test", "name": "New"}))
        conn.execute(update(lead).values(owner_id="m-new"))
        mark_dirty(conn, strange.clock, [strange.lead().id])
    strange.settle()
    assert str(strange.card()["responsible_user_id"]) == user_of(strange, "vera")
    assert strange.lead().owner_id == "m-new"
    assert listed(strange) == [("owner_not_there", 1, "map")]


def test_a_user_who_is_nobody_here_takes_no_lead_away_until_they_are_named(strange: Scene) -> None:
    give(strange, "vera")
    strange.settle()
    oleg = user_of(strange, "oleg")
    strange.crm.edit("leads", strange.card()["id"], responsible_user_id=int(oleg))
    strange.settle()
    assert strange.lead().owner_id == strange.members["vera"]
    assert listed(strange) == [("owner_not_here", 1, "map")]
    assert say(strange, oleg=oleg) == 1
    strange.settle()
    assert strange.lead().owner_id == strange.members["oleg"]
    assert listed(strange) == []
    assert not strange.rows(deal)
