"""A custom field of the CRM that a company ties to a field of its own: filled by the form, changed on both sides."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest
from sqlalchemy import update

from connectors.contract import Op
from hub.cli_sandbox import rehearsable
from hub.funnel import moves
from hub.funnel.own import own_fields
from hub.model import connection, lead
from hub.store.notes import mark_dirty
from hub.store.own import keep
from hub.web.admin.mapping import account_fields
from mappings import BadMapping, check, load, shipped
from tests.flow.far import Far, far
from tests.real.stage import ANNA
from tests.servers import Stack
from tests.whole import JSON, whole_hub

SPELLED = {
    "amocrm": "HUB_BUDGET", "bitrix24": "UF_CRM_HUB_BUDGET", "bottlecrm": "hub_budget", "espocrm": "hubBudget",
    "hubspot": "hub_budget", "odoo": "x_hub_budget", "pipedrive": "HUB_BUDGET", "salesforce": "HUB_BUDGET__c",
    "twenty": "hub_budget", "zoho": "HUB_BUDGET",
}  # fmt: skip
"""A field that the set-up makes, in each CRM's spelling."""


def line(crm: str, name: str) -> str:
    there = SPELLED[crm]
    for spell in (str.upper, str.lower, str.title):
        there = there.replace(spell("budget"), spell(name))
    return f'x_{name} = {{ crm = "{there}", codec = "text" }}\n'


def mapping_of(crm: str) -> str:
    """The shipped mapping with lines that an admin gave it before the CRM was set up."""
    text = shipped(crm).replace("[contact]\n", "[contact]\n" + line(crm, "rank"))
    more = "".join(line(crm, name) for name in ("budget", "rooms", "floor"))
    text = text.replace("[lead]\n", "[lead]\n" + more)
    return text if 'like = "lead"' in text else text.replace("[deal]\n", "[deal]\n" + more)


def saved(there: Far, text: str) -> None:
    """The admin page takes this text; raises `BadMapping` where it would not."""
    crm = there.sign_in()
    check(text, remote=account_fields(crm, crm.describe(), load(text)))


def furnish(there: Far, text: str, **told: str) -> None:
    """An admin saves this mapping and sets the CRM up; somebody fills a form in."""
    saved(there, text)
    with there.made.hub.store.write() as conn:
        conn.execute(update(connection).where(connection.c.id == there.made.crm_id).values(mapping=text))
    there.made.hub.connections.forget()
    there.begin(**told)
    saved(there, text)


@pytest.fixture
def there(request: pytest.FixtureRequest, embedded: Stack, monkeypatch: pytest.MonkeyPatch) -> Iterator[Far]:
    crm = getattr(request, "param", "bottlecrm")
    with far(embedded, crm, monkeypatch) as made:
        furnish(made, mapping_of(crm), Budget="100-200")
        yield made


@pytest.mark.parametrize("there", SPELLED, indirect=True)
def test_what_a_form_asked_stands_in_the_field_and_follows_both_sides(there: Far) -> None:
    made = there.made
    assert made.lead().own["x_budget"] == "100-200"
    assert there.told("lead")["x_budget"] == "100-200"
    there.write("lead", x_budget="300")
    there.write("contact", x_rank="gold")
    made.settle(2)
    assert (made.lead().own["x_budget"], made.contact().own) == ("300", {"x_rank": "gold"})
    with made.hub.store.write() as conn:
        moves.convert_lead(conn, made.clock, made.lead().id, "member:" + made.members["vera"])
    made.settle(3)
    assert (made.deal().own["x_budget"], there.told("deal")["x_budget"]) == ("300", "300")
    there.write("deal", x_budget="500")
    made.settle(2)
    assert made.deal().own["x_budget"] == "500"


WORDS = [
    ("bool", "", "да", True, False, False),
    ("bool", ', yes = ["Agreed"], no = ["Refused"], words = true', "agreed", "Agreed", "Refused", False),
    ("joined", ', by = ";"', "oak; ash", "oak;ash", "elm", ["elm"]),
    ("number", ', decimal = ","', "3 500,5", 3500.5, 7, "7"),
    ("date", ', order = "dmy"', "1.12.2026", "01.12.2026", "05.01.2027", "2027-01-05"),
    ("number", "", "a few", None, 7, "7"),
]
"""Codec, its arguments, what somebody typed into the form, how the CRM shows it, what people put there, and what it is
here."""


@pytest.mark.parametrize(("codec", "told", "typed", "shown", "put", "here"), WORDS)
def test_words_of_a_form_fill_fields_of_other_types(
    embedded: Stack, monkeypatch: pytest.MonkeyPatch, codec: str, told: str, typed: str, shown: Any, put: Any, here: Any
) -> None:
    tied = f'x_budget = {{ crm = "hub_budget", codec = "{codec}"{told} }}\n'
    with far(embedded, "bottlecrm", monkeypatch) as far_:
        furnish(far_, shipped("bottlecrm").replace("[lead]\n", "[lead]\n" + tied), Budget=typed)
        made, card = far_.made, far_.record("lead")
        assert (made.lead().own["x_budget"], card.values.get("hub_budget")) == (typed, shown)
        sent = len(far_.sent)
        with made.hub.store.write() as conn:
            mark_dirty(conn, made.clock, [made.lead().id])
        made.settle(2)
        assert len(far_.sent) == sent, "both sides mean the same"
        far_.person.write([Op(card.kind, {"hub_budget": put}, card.ref)])
        made.settle(2)
        assert made.lead().own["x_budget"] == here


def test_where_nobody_can_make_such_a_field_the_mapping_is_refused(
    embedded: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    [name] = set(rehearsable()) - set(SPELLED)
    with far(embedded, name, monkeypatch) as made:
        saved(made, shipped(name))
        text = shipped(name).replace("[lead]\n", '[lead]\nx_budget = { crm = "hub_budget", codec = "text" }\n')
        with pytest.raises(BadMapping, match="has no field hub_budget"):
            saved(made, text)


def test_what_is_asked_later_is_added_and_changes_nothing(there: Far) -> None:
    made = there.made
    made.post(**{**ANNA, "submission_id": "s-2"}, Budget="7", Rooms="3")
    made.settle(2)
    assert made.lead().own == {"x_budget": "100-200", "x_rooms": "3"}
    assert there.record("lead").values["hub_rooms"] == "3"
    with made.hub.store.write() as conn:
        moves.convert_lead(conn, made.clock, made.lead().id, "member:x")
    made.settle(3)
    made.post(**{**ANNA, "submission_id": "s-3"}, Floor="9")
    made.settle(3)
    assert made.deal().own == {"x_budget": "100-200", "x_rooms": "3", "x_floor": "9"}
    assert there.record("deal").values["hub_floor"] == "9"


def test_two_that_write_at_once_both_find_theirs(stack: Stack) -> None:
    with whole_hub(stack.folder, stack) as made:
        made.post(made.connect("webhook"), json.dumps(ANNA), JSON)
        made.flow()
        [one] = made.rows(lead)

        def second() -> None:
            with made.hub.store.write() as conn:
                keep(conn, lead, one.id, {"x_rooms": "3"})

        with ThreadPoolExecutor(1) as pool, made.hub.store.write() as conn:
            keep(conn, lead, one.id, {"x_budget": "7"})
            other = pool.submit(second)
            with suppress(TimeoutError):
                other.result(0.3)
        other.result()
        assert made.rows(lead)[0].own == {**one.own, "x_budget": "7", "x_rooms": "3"}


def test_names_of_own_fields() -> None:
    told = own_fields({"Ваш бюджет, €": "5", "Rooms": 3, "Files": ["a"], "Empty": "", "…": "x", "Long": "y" * 2000})
    assert told == {"x_ваш_бюджет": "5", "x_rooms": 3, "x_long": "y" * 1000}
    assert len(own_fields({f"f{n}": "v" for n in range(99)})) == 50
