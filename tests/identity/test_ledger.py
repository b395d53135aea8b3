"""The register in the database: few statements for many people, and no person twice when workers meet."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Connection, event, func, select

from connectors.contract import Person
from hub.clock import Clock, FixedClock
from hub.identity.arrival import Setting, facts_of
from hub.identity.facts import Facts
from hub.identity.ledger import Ledger, Overtaken
from hub.identity.normalize import normalise
from hub.identity.places import number_of
from hub.identity.rules import Rules
from hub.model import profile, term, trace
from hub.store.engine import Store, open_store
from hub.store.migrate import migrate
from tests.servers import Stack, fresh_database

NOW = 1_770_000_000
MOST = 12
"""Statements of one batch, however many people are in it."""
CLOCK = Clock()


def came(name: str = "", phone: str = "", mail: str = "") -> Facts:
    person = Person(name=name, phones=(phone,) if phone else (), emails=(mail,) if mail else ())
    return facts_of(normalise(person, "RU"), Setting(NOW, "RU"))


def crowd(size: int) -> list[Facts]:
    names = ("Анна Серова", "Олег Литвин", "Ольга Кравец", "Пётр Данилин")
    return [came(names[n % 4], f"+7916{n * 7919 % 10**7:07}", f"box{n}@pochta{n}.test") for n in range(size)]


@contextmanager
def opened(url: str) -> Iterator[Store]:
    store = open_store(url, url)
    try:
        migrate(store)
        yield store
    finally:
        store.close()


@pytest.fixture
def store(stack: Stack) -> Iterator[Store]:
    with opened(stack.database_url) as made:
        yield made


def arrive(ledger: Ledger, facts: Facts) -> str:
    """Decide on one newcomer and learn: the contact that was found or made."""
    found = ledger.register.resolve(facts).found
    contact_id = ledger.ids[found] if found else CLOCK.new_id()
    ledger.learn(contact_id, facts)
    return contact_id


def batch(conn: Connection, newcomers: list[Facts]) -> list[str]:
    ledger = Ledger(conn, Rules())
    ledger.read(newcomers)
    contacts = [arrive(ledger, facts) for facts in newcomers]
    ledger.write()
    return contacts


def test_whoever_owns_a_key_and_stands_at_no_place_is_met_with_all_that_is_known(store: Store) -> None:
    """Their places were crowded when they came. Taken for somebody without a profile they lost it, and a merge left
    half of them behind."""
    with store.write() as conn:
        known, again = came("Анна Серова", "+79161234567", "box@pochta.test"), came("Анна Серова", "+79161234567")
        contact, other = batch(conn, [known, came("Олег Литвин", "+79167654321")])
        conn.execute(trace.delete())
        ledger = Ledger(conn, Rules())
        ledger.read([again])
        assert not ledger.knows(contact, "phone", "+79161234567")
        ledger.meet([contact])
        assert ledger.knows(contact, "phone", "+79161234567")
        assert arrive(ledger, again) == contact
        ledger.write()
        ledger = Ledger(conn, Rules())
        ledger.read([], [contact, other])
        assert ledger.knows(contact, "email", "box@pochta.test"), "what was known before stays known"
        ledger.register.merge(ledger.number(other), ledger.number(contact))
        ledger.write()
        assert list(conn.execute(select(profile.c.contact_id)).scalars()) == [other]


@pytest.mark.parametrize("size", [1, 600])
def test_a_batch_takes_few_statements_however_big_it_is(store: Store, size: int) -> None:
    told: list[str] = []
    event.listen(store.hub, "before_cursor_execute", lambda *given: told.append(given[2]))
    for _ in range(2):  # new people, then people who are known
        told.clear()
        with store.write() as conn:
            batch(conn, crowd(size))
        assert 5 < len(told) <= MOST, told


def test_who_was_written_is_found(store: Store) -> None:
    with store.write() as conn:
        first = batch(conn, crowd(50))
    with store.write() as conn:
        again = batch(conn, crowd(50))
        many = conn.execute(select(func.count()).select_from(profile)).scalar()
        counted = conn.execute(select(term.c.n).where(term.c.token == "#")).scalar()
    assert first == again
    assert len(set(first)) == many == counted == 50


def test_contacts_of_one_millisecond_have_numbers_of_their_own() -> None:
    clock = FixedClock()
    numbers = [number_of(clock.new_id()) for _ in range(20_000)]
    assert numbers == sorted(set(numbers))


def test_who_is_known_better_is_found_by_the_new_places_only_once(store: Store) -> None:
    """Places that were written are not written again: a crowd that takes no more would grow by them."""
    with store.write() as conn:
        batch(conn, [came("Анна Серова", "+79161234507")])
        before = set(conn.execute(select(trace.c.place)).scalars())
    with store.write() as conn:
        ledger = Ledger(conn, Rules())
        ledger.read([better := came("Анна Серова", "+79161234507", "anna.s@pochta.test")])
        arrive(ledger, better)
        added = {place for place, _ in ledger.register.added}
        ledger.write()
    assert added
    assert not added & before


# ── two workers ──────────────────────────────────────────────────────────────────────────────────

SPELT: dict[str, tuple[Facts, Facts]] = {
    "one digit off": (came("Анна Серова", "+79161234507"), came("Серова Анна", "+79161234508")),
    "one letter off": (came("Анна Серова", "", "annaserova@pochta.test"), came("Anna", "", "annaserovb@pochta.test")),
}


@pytest.mark.parametrize("how", SPELT)
def test_the_second_of_two_workers_is_told(postgres_url: str, how: str) -> None:
    """Both read before one of them wrote, and no identifier is the same: only the fuzzy places are."""
    first, second = SPELT[how]
    with fresh_database(postgres_url) as url, opened(url) as store:
        slow = store.hub.connect()
        with slow, slow.begin():
            late = Ledger(slow, Rules())
            late.read([second])
            with store.write() as conn:
                batch(conn, [first])
            arrive(late, second)
            with pytest.raises(Overtaken):
                late.write()
        with store.write() as conn:
            assert batch(conn, [second]) == batch(conn, [first])


def test_strangers_who_came_meanwhile_are_none_of_our_business(postgres_url: str) -> None:
    with fresh_database(postgres_url) as url, opened(url) as store:
        slow = store.hub.connect()
        with slow, slow.begin():
            late = Ledger(slow, Rules())
            late.read([one := came("Анна Серова", "+79161234507")])
            with store.write() as conn:
                batch(conn, [came("Анна Литвин", "+79501234507")])  # the same last digits and first name
            arrive(late, one)
            late.write()
        assert people(store) == 2


def people(store: Store) -> Any:
    with store.read() as conn:
        return conn.execute(select(func.count()).select_from(profile)).scalar()
