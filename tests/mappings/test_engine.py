"""A record goes through a mapping and comes back; what nobody changed is never written."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mappings import Mapping, load, shipped

OWNERS = {"owners": {"7": 504141, "8": 504142}, "loss_reasons": {"expensive": 31}}

RAW_LEAD: dict[str, Any] = {
    "name": "Заявка с сайта ",
    "price": 1200,
    "responsible_user_id": 504141,
    "loss_reason_id": None,
    "tags": ["b", "a"],
    "created_at": 1779868801,
    "HUB_ID": "01J0",
    "UTM_SOURCE": "ads",
    "THEIRS": "not mapped",
}
RAW_CONTACT: dict[str, Any] = {
    "name": "Анна Лебедева",
    "PHONE": [{"value": "8 (999) 123-45-67", "enum_code": "MOB"}, {"value": "спросить Анну", "enum_code": "WORK"}],
    "EMAIL": [{"value": "Anna@Example.com", "enum_code": "PRIV"}],
}


AMOCRM = load(shipped("amocrm"), OWNERS)


@pytest.fixture
def amocrm() -> Mapping:
    return AMOCRM


def test_a_lead_of_amocrm_is_read(amocrm: Mapping) -> None:
    assert amocrm.inbound("lead", RAW_LEAD) == {
        "title": "Заявка с сайта",
        "owner": "7",
        "tags": ["b", "a"],
        "amount": "1200",
        "reject_reason": None,
    }


def test_a_contact_of_amocrm_is_read_and_its_odd_phone_is_told(amocrm: Mapping) -> None:
    seen = amocrm.read("contact", RAW_CONTACT)
    assert seen.values == {"name": "Анна Лебедева", "phones": ["+79991234567"], "emails": ["anna@example.com"]}
    assert seen.kept["phones"].raw == [{"value": "спросить Анну", "enum_code": "WORK"}]


def test_a_new_contact_is_written_as_amocrm_documents_it(amocrm: Mapping) -> None:
    hub = {
        "first_name": "Jane",
        "phones": ["+79123456789"],
        "emails": ["jane@example.com"],
        "hub_id": "01J0",
        "position": "",
    }
    assert amocrm.outbound("contact", hub, {}) == {
        "first_name": "Jane",
        "PHONE": [{"value": "+79123456789", "enum_code": "WORK"}],
        "EMAIL": [{"value": "jane@example.com", "enum_code": "WORK"}],
        "HUB_ID": "01J0",
    }


@pytest.mark.parametrize(("kind", "raw"), [("lead", RAW_LEAD), ("deal", RAW_LEAD), ("contact", RAW_CONTACT)])
def test_what_was_read_is_not_written(amocrm: Mapping, kind: str, raw: dict[str, Any]) -> None:
    assert amocrm.outbound(kind, amocrm.inbound(kind, raw), raw) == {}


def test_exactly_the_differing_fields_are_written(amocrm: Mapping) -> None:
    hub = {**amocrm.inbound("lead", RAW_LEAD), "owner": "8", "amount": "1500.00"}
    assert amocrm.outbound("lead", hub, RAW_LEAD) == {"responsible_user_id": 504142, "price": 1500}


def test_a_rounded_amount_is_not_written_twice(amocrm: Mapping) -> None:
    assert amocrm.outbound("lead", {"amount": "1500.40"}, {"price": 1500}) == {}


def test_no_amount_is_zero_in_amocrm(amocrm: Mapping) -> None:
    assert amocrm.inbound("lead", {"price": 0}) == {"amount": None}
    assert amocrm.outbound("lead", {"amount": None}, {"price": 1200}) == {"price": 0}
    assert amocrm.outbound("lead", {"amount": None}, {"price": 0}) == {}


def test_a_field_that_is_missing_says_nothing(amocrm: Mapping) -> None:
    assert amocrm.inbound("lead", {"name": "x"}) == {"title": "x"}
    assert amocrm.outbound("lead", {"title": "x"}, {"name": "x", "price": 5}) == {}


def test_a_blank_clears_and_blank_over_blank_is_no_change(amocrm: Mapping) -> None:
    assert amocrm.outbound("contact", {"position": None}, {"POSITION": "chief"}) == {"POSITION": None}
    assert amocrm.outbound("contact", {"position": "", "phones": []}, {"POSITION": None}) == {}


def test_a_tag_of_spaces_is_none(amocrm: Mapping) -> None:
    assert amocrm.outbound("lead", {"tags": [" ", "a", "a"]}, {}) == {"tags": ["a"]}


def test_first_touch_is_written_once(amocrm: Mapping) -> None:
    assert amocrm.outbound("lead", {"utm_source": "mail"}, {}) == {"UTM_SOURCE": "mail"}
    assert amocrm.outbound("lead", {"utm_source": "mail"}, {"UTM_SOURCE": "edited there"}) == {}
    assert "utm_source" not in amocrm.inbound("lead", RAW_LEAD)


def test_an_option_nobody_mapped_is_neither_read_nor_overwritten(amocrm: Mapping) -> None:
    raw = {"responsible_user_id": 999}
    assert amocrm.inbound("lead", raw) == {}
    written = amocrm.write("lead", {"owner": "7"}, raw)
    assert written.values == {}
    assert written.kept["owner"].raw == 999


def test_a_value_the_crm_cannot_hold_is_told(amocrm: Mapping) -> None:
    written = amocrm.write("lead", {"owner": "unknown", "title": "x"}, {})
    assert written.values == {"name": "x"}
    assert "owner" in written.kept


def test_sales_people_own_the_money_of_a_deal(amocrm: Mapping) -> None:
    assert amocrm.outbound("deal", {"amount": "1", "title": "x"}, {}) == {"name": "x"}
    assert amocrm.inbound("deal", {"price": 5}) == {"amount": "5"}


def test_equality_is_that_of_the_line(amocrm: Mapping) -> None:
    assert amocrm.same("lead", "amount", "1200.00", "1200")
    assert amocrm.same("contact", "emails", ["A@example.com", "b@example.com"], ["b@example.com", "a@example.com"])
    assert amocrm.same("lead", "qualified_at", "2026-01-01T10:00:00.9+00:00", "2026-01-01T13:00:00+03:00")
    assert not amocrm.same("lead", "title", "a", "A")
    assert not amocrm.same("lead", "not mapped", "a", "b")


def test_lines_are_found_with_their_policy(amocrm: Mapping) -> None:
    line = amocrm.line("contact", "phones")
    assert line is not None
    assert (line.crm, line.policy, line.direction) == ("PHONE", "union", "both")
    source = amocrm.line("lead", "source")
    assert source is not None
    assert (source.policy, source.direction, source.once) == ("hub", "out", True)
    assert amocrm.line("lead", "currency") is None


def test_the_version_is_that_of_the_meaning() -> None:
    text = shipped("amocrm")
    assert load(text).version == load(f"# a comment\n\n{text}").version
    assert load(text).version != load(text, OWNERS).version
    assert load(text).version != load(text.replace('"POSITION"', '"POST"')).version


VALUES = st.none() | st.text(max_size=20) | st.integers() | st.lists(st.text(max_size=12), max_size=3)


@given(raw=st.dictionaries(st.sampled_from([*RAW_LEAD, *RAW_CONTACT]), VALUES))
def test_any_record_comes_back_unwritten(raw: dict[str, Any]) -> None:
    for kind in ("lead", "contact"):
        assert AMOCRM.outbound(kind, AMOCRM.inbound(kind, raw), raw) == {}


@given(
    hub=st.fixed_dictionaries(
        {},
        optional={
            "title": st.text(),
            "tags": st.lists(st.text(max_size=9)),
            "amount": st.decimals(0, 10**9, places=2).map(str),
        },
    )
)
def test_what_was_written_is_not_written_again(hub: dict[str, Any]) -> None:
    sent = AMOCRM.outbound("lead", hub, {})
    assert AMOCRM.outbound("lead", hub, sent) == {}
