"""Tags beside the stand-in of every CRM that has them: put on and taken off on both sides, carried to the deal."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hub.cli_sandbox import rehearsable
from hub.funnel import moves
from hub.funnel.tags import retag
from hub.model import journal
from hub.sync.holder import TABLES
from mappings import load, shipped
from tests.flow.far import Far, far
from tests.servers import Stack

TAGGED = [name for name in rehearsable() if any(line.hub == "tags" for line in load(shipped(name)).lines)]


@pytest.fixture
def there(request: pytest.FixtureRequest, embedded: Stack, monkeypatch: pytest.MonkeyPatch) -> Iterator[Far]:
    """A CRM with a lead in it, set up as it is best."""
    with far(embedded, request.param, monkeypatch) as made:
        made.begin()
        yield made


def says(far: Far, role: str, typed: str) -> None:
    """A member types the tags of the lead or deal."""
    made = far.made
    with made.hub.store.write() as conn:
        retag(conn, made.clock, role, made.row(TABLES[role]), typed, "member:" + made.members["vera"])


def tags(far: Far, role: str) -> tuple[set[str], set[str]]:
    """Here and there."""
    return set(far.made.row(TABLES[role]).tags), set(far.told(role).get("tags") or ())


def test_every_crm_with_tags_takes_part() -> None:
    assert {"amocrm", "bitrix24", "bottlecrm", "odoo", "pipedrive", "zoho"} == set(TAGGED)


@pytest.mark.parametrize("there", TAGGED, indirect=True)
def test_tags_are_one_set_on_both_sides(there: Far) -> None:
    made = there.made
    says(there, "lead", "VIP, Окна")
    made.settle(2)
    assert tags(there, "lead") == ({"VIP", "Окна"}, {"VIP", "Окна"})
    before = len(there.sent)
    there.write("lead", tags=["Окна", "Balcony"])
    made.settle(2)
    assert tags(there, "lead") == ({"Окна", "Balcony"}, {"Окна", "Balcony"}), "what people took off is off"
    assert there.sent[before:] == []
    there.write("lead", tags=["Окна", "Balcony", "Theirs"])
    says(there, "lead", "Balcony, Ours")
    made.settle(2)
    both = {"Balcony", "Theirs", "Ours"}
    assert tags(there, "lead") == (both, both), "added here and there, taken off here"
    with made.hub.store.write() as conn:
        moves.convert_lead(conn, made.clock, made.lead().id, "member:" + made.members["vera"])
    made.settle(3)
    assert tags(there, "deal") == (both, both)
    says(there, "deal", "Balcony")
    made.settle(2)
    assert tags(there, "deal") == ({"Balcony"}, {"Balcony"})
    said = [(row.what, row.facts.get("to")) for row in made.rows(journal) if row.what == "tagged"]
    assert said[0] == ("tagged", ["VIP", "Окна"])


@pytest.mark.parametrize("there", ["amocrm"], indirect=True)
def test_a_deal_that_is_a_lead_again_keeps_its_tags(there: Far) -> None:
    made = there.made
    says(there, "lead", "VIP")
    with made.hub.store.write() as conn:
        deal_id = moves.convert_lead(conn, made.clock, made.lead().id, "member:x")
    says(there, "deal", "VIP, Later")
    made.settle(3)
    with made.hub.store.write() as conn:
        moves.revert_conversion(conn, made.clock, deal_id, "warm", "member:x")
    made.settle(3)
    assert tags(there, "lead") == ({"VIP", "Later"}, {"VIP", "Later"})
