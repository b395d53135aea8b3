"""Why a card was closed, beside CRMs that keep it as a choice (amoCRM, Odoo) or as text: one and the same words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import update

from connectors.contract import Op
from hub.cli_sandbox import rehearsable
from hub.funnel import moves
from hub.model import connection
from hub.sync.choices import reasons
from hub.web.desk.card import suggested
from mappings import load, shipped
from tests.flow.far import Far, far
from tests.servers import Stack

DEAR = "Too expensive"
CHOICES = {"amocrm": ("loss_reason_id", 9001, 9003), "odoo": ("lost_reason_id", 1, 3)}
"""The field, the id of `DEAR`, and that of the next reason that people add."""
FREE = [name for name in rehearsable() if name not in CHOICES and any(
    (one.kind, one.hub, one.direction) == ("deal", "reject_reason", "in") for one in load(shipped(name)).lines
)]  # fmt: skip


@pytest.fixture
def there(request: pytest.FixtureRequest, embedded: Stack, monkeypatch: pytest.MonkeyPatch) -> Iterator[Far]:
    """A CRM with a lead in it."""
    with far(embedded, request.param, monkeypatch) as made:
        made.begin()
        yield made


def test_every_crm_that_tells_a_reason_takes_part() -> None:
    assert {"bitrix24", "bottlecrm", "hubspot", "pipedrive", "tryton", "twenty"} == set(FREE)


def name_of(there: Far) -> str:
    account = there.account
    return str(account.live.row.connector)


def add_reason(there: Far, name: str) -> None:
    """Somebody adds a reason in the CRM's settings."""
    if name_of(there) == "amocrm":
        there.state.loss_reasons[9003] = name
    else:
        there.state.create("crm.lost.reason", {"name": name})


def give(there: Far, role: str, reason: Any) -> None:
    """Somebody over there says why."""
    card = there.record(role)
    field = next(
        one.crm for one in load(shipped(name_of(there))).lines if (one.kind, one.hub) == (role, "reject_reason")
    )
    there.person.write([Op(card.kind, {field: reason}, card.ref)])


@pytest.mark.parametrize("there", CHOICES, indirect=True)
def test_a_reason_that_is_chosen_there_is_its_name_here(there: Far) -> None:
    made, (_field, dear, added) = there.made, CHOICES[name_of(there)]
    give(there, "lead", dear)
    made.settle(2)
    assert (made.lead().reason, made.link("lead").code) == (DEAR, "")
    add_reason(there, "Moved away")
    give(there, "lead", added)
    made.settle(2)
    assert (made.lead().reason, made.link("lead").code) == (DEAR, "unmapped")
    made.hub.auditor.run(made.crm_id)
    made.clock.advance(10)
    made.settle(2)
    assert (made.lead().reason, made.link("lead").code) == ("Moved away", "")


@pytest.mark.parametrize("there", CHOICES, indirect=True)
def test_a_reason_that_is_said_here_is_chosen_there(there: Far) -> None:
    made, (field, dear, _added) = there.made, CHOICES[name_of(there)]
    with made.hub.store.write() as conn:
        moves.reject_lead(conn, made.clock, made.lead().id, DEAR, "member:" + made.members["vera"])
    made.settle(2)
    assert str(there.record("lead").values[field]) == str(dear)


@pytest.mark.parametrize("there", [*CHOICES, *FREE], indirect=True)
def test_why_people_lost_a_deal_is_known_here(there: Far) -> None:
    made = there.made
    with made.hub.store.write() as conn:
        moves.convert_lead(conn, made.clock, made.lead().id, "member:" + made.members["vera"])
    made.settle(4)
    give(there, "deal", CHOICES.get(name_of(there), ("", DEAR))[1])
    made.settle(3)
    assert (made.deal().reason, made.link("deal").code) == (DEAR, "")


@pytest.mark.parametrize("there", ["amocrm"], indirect=True)
def test_the_desk_suggests_what_the_crm_knows(there: Far) -> None:
    hub = there.made.hub
    with hub.store.read() as conn:
        assert reasons(conn) == [DEAR, "Bought elsewhere"]
        assert suggested(conn, [DEAR, "Duplicate"]) == [DEAR, "Bought elsewhere", "Duplicate"]
    with hub.store.write() as conn:
        conn.execute(update(connection).where(connection.c.id == there.made.crm_id).values(mapping="nonsense"))
    with hub.store.read() as conn:
        assert reasons(conn) == []
