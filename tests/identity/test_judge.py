"""Who is joined and who is not: the guards, late bridges, and what people have said."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.contract import Handle, Person
from hub.identity.arrival import Setting, facts_of
from hub.identity.facts import Facts, dumped, loaded
from hub.identity.judge import Verdict, pair
from hub.identity.normalize import normalise
from hub.identity.register import Register
from hub.identity.rules import DAY_S, Rules

NOW = 1_770_000_000
MOBILE, OTHER, DESK = "+79161234507", "+79267654308", "+74951234567"
MAIL, INFO = "anna.serova@pochta.test", "info@firma.test"
ACCOUNT = (Handle("telegram", "771", attested=True),)


def came(name: str = "", at: int = NOW, text: str = "", **more: Any) -> Facts:
    person = Person(name=name, **more)
    return facts_of(normalise(person, "RU"), Setting(at, "RU", text))


def register(*people: Facts, rules: Rules | None = None) -> Register:
    """Contacts 1, 2, ... as these arrivals made them, in a base of a thousand."""
    made = Register(rules or Rules())
    for number, facts in enumerate(people, 1):
        made.add(number, facts)
    made.size = 1000
    return made


def who(made: Register, newcomer: Facts) -> int:
    return made.resolve(newcomer).found


ANNA = came("Анна Серова", phones=(MOBILE,), emails=(MAIL,))


@given(st.permutations(range(30)))
def test_half_a_number_beside_a_first_name_that_many_have_says_nothing(order: list[int]) -> None:
    """In a big base such a place would be ever longer; whose last name is the same there as well is found by that."""
    lasts = [first + second for first in ("Бар", "Вол", "Гус", "Дуб", "Ель", "Жук") for second in "гдзкл"]
    everybody = [came(f"Анна {lasts[n]}ова", phones=(f"+7916123{n + 10:02}{n:02}",)) for n in order]
    made = register(*everybody)
    assert max(map(len, made.traces.values())) == made.rules.fuzzy_crowd
    slip = came("Анна Баргова", phones=("+79161231009",))
    assert who(made, slip) == order.index(0) + 1
    assert len(made.resolve(slip).candidates) <= made.rules.fuzzy_crowd


@pytest.mark.parametrize("tie", [{"phones": (MOBILE,)}, {"emails": (MAIL,)}])
@pytest.mark.parametrize(("name", "joined"), [("Anna Serova", 1), ("Аня", 1), ("", 1), ("Олег Литвин", 0), ("Олег", 0)])
def test_a_number_or_a_mailbox_joins_unless_the_names_object(tie: dict[str, Any], name: str, joined: int) -> None:
    assert who(register(ANNA), came(name, **tie)) == joined


def test_a_name_alone_never_joins() -> None:
    assert who(register(ANNA), came("Анна Серова")) == 0
    assert register(ANNA).resolve(came("Анна Серова")).asks == ()


@pytest.mark.parametrize("tie", [{"phones": (DESK,)}, {"emails": (INFO,)}])
@pytest.mark.parametrize(("name", "joined"), [("Анна Серова", 1), ("Олег Литвин", 0), ("Анна Литвин", 0)])
def test_a_desk_joins_by_the_whole_name_only(tie: dict[str, Any], name: str, joined: int) -> None:
    assert who(register(came("Анна Серова", **tie)), came(name, NOW + DAY_S * 40, **tie)) == joined


def test_a_desk_without_a_name_is_its_latest_user_for_some_days() -> None:
    made = register(came(phones=(DESK,)))
    assert who(made, came(phones=(DESK,), at=NOW + 200 * DAY_S)) == 0


def test_an_account_outweighs_names() -> None:
    assert who(register(came("Анна Серова", handles=ACCOUNT)), came("Олег", handles=ACCOUNT)) == 1


def test_a_number_that_was_silent_for_long_has_a_new_owner() -> None:
    later = came("Олег Литвин", NOW + 300 * DAY_S, phones=(MOBILE,))
    verdict = register(ANNA).resolve(later)
    assert (verdict.found, verdict.candidates[0].guard) == (0, "recycled")


def test_two_names_for_one_number_within_days_are_asked_about() -> None:
    assert register(ANNA).resolve(came("Олег", NOW + DAY_S, phones=(MOBILE,))).asks == (1,)


@pytest.mark.parametrize("digit", ["8", "1"])
def test_a_slip_in_the_number_joins_beside_a_last_name(digit: str) -> None:
    slip = MOBILE[:-1] + digit
    assert who(register(ANNA), came("Серова Анна", phones=(slip,))) == 1
    assert who(register(ANNA), came(phones=(slip,))) == 0


def test_neighbours_in_a_series_of_numbers_are_not_one() -> None:
    made = register(came("Лицо", phones=("+79160000010",)))
    assert who(made, came("Лицо", phones=("+79160000011",))) == 0


# ── late bridges ─────────────────────────────────────────────────────────────────────────────────

HALVES = (came("Анна Серова", phones=(MOBILE,)), came("Аня", handles=ACCOUNT))
BRIDGE = came("Анна", handles=ACCOUNT, text=f"мой номер {MOBILE}")


def bridged(rules: Rules | None = None, apart: bool = False) -> Verdict:
    made = register(*HALVES, rules=rules)
    if apart:
        made.apart.add(pair(1, 2))
    return made.resolve(BRIDGE)


def test_a_late_bridge_makes_two_contacts_one() -> None:
    verdict = bridged()
    assert {verdict.found, *verdict.merges} == {1, 2}


def test_what_somebody_told_apart_stays_apart() -> None:
    verdict = bridged(apart=True)
    assert verdict.found
    assert (verdict.merges, verdict.asks) == ((), ())


def test_in_strict_mode_typed_numbers_are_asked_about() -> None:
    verdict = bridged(Rules(strict=True))
    assert verdict.found == 2
    assert verdict.merges == ()
    assert verdict.asks == (1,)


def test_in_strict_mode_verified_ones_still_join() -> None:
    vouched = came("Анна", phones=(MOBILE,), attested_phones=(MOBILE,), handles=ACCOUNT)
    made = register(
        came("Анна Серова", phones=(MOBILE,), attested_phones=(MOBILE,)), HALVES[1], rules=Rules(strict=True)
    )
    verdict = made.resolve(vouched)
    assert {verdict.found, *verdict.merges} == {1, 2}


def test_a_bridge_between_two_names_is_none() -> None:
    made = register(came("Анна Серова", phones=(MOBILE,)), came("Олег Литвин", phones=(OTHER,)))
    assert made.resolve(came(phones=(MOBILE, OTHER))).merges == ()


def test_a_merged_register_finds_by_what_both_knew() -> None:
    made = register(*HALVES)
    made.merge(1, 2)
    assert who(made, came(handles=ACCOUNT)) == who(made, came(phones=(MOBILE,))) == 1
    assert made.size == 999
    assert 2 not in {number for there in made.traces.values() for number in there}


# ── as stored ────────────────────────────────────────────────────────────────────────────────────

TEXT = st.text(max_size=20)


@given(TEXT, TEXT, TEXT, st.integers(0, 2**40))
def test_facts_survive_the_store(name: str, phone: str, mail: str, at: int) -> None:
    facts = came(name, at, phones=(phone, MOBILE), emails=(mail,), company=mail)
    back = loaded(dumped(facts))
    assert (back.ids, back.firms, back.domains, back.towns, back.at) == (
        facts.ids, facts.firms, facts.domains, facts.towns, facts.at,
    )  # fmt: skip
    assert [(n.given, n.surname, n.middle) for n in back.names] == [(n.given, n.surname, n.middle) for n in facts.names]


@given(st.lists(st.sampled_from([ANNA, *HALVES, BRIDGE, came("Олег", phones=(MOBILE,))]), max_size=6))
def test_whoever_comes_again_is_found_again(people: list[Facts]) -> None:
    made = register()
    for number, facts in enumerate(people, 1):
        verdict = made.resolve(facts)
        for loser in verdict.merges:
            made.merge(verdict.found, loser)
        made.add(verdict.found or number, replace(facts, ids=dict(facts.ids)))
        assert made.resolve(facts).found
