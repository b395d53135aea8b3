"""Leads to companies: by tax number, own domain, telling name; false friends stay apart, people can put it right."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from connectors.contract import Person
from hub.identity.employers import employer, not_there
from hub.identity.firms import Choice, Firm, choose, firm_of, is_telling, registered, tax_number
from hub.identity.merging import CannotMerge, Merge, undo
from hub.identity.normalize import normalise
from hub.identity.review import join
from hub.model import company, company_key, contact, inquiry
from tests.servers import Stack
from tests.whole import JSON, Whole, whole_hub

SBER, OTHER = "7707083893", "7736050003"


@pytest.mark.parametrize(
    ("domain", "own"),
    [
        ("romashka.ru", "romashka.ru"),
        ("mail.spb.romashka.ru", "romashka.ru"),
        ("sales.firma.co.uk", "firma.co.uk"),
        ("co.uk", ""),
        ("firma.github.io", "firma.github.io"),
        ("github.io", ""),
        ("xn--80ak6aa92e.xn--p1ai", "xn--80ak6aa92e.xn--p1ai"),
        ("mx.firma.test", "firma.test"),
        ("corp.gmail.com", ""),
    ],
)
def test_what_somebody_registered(domain: str, own: str) -> None:
    assert registered(domain) == own


@pytest.mark.parametrize(
    "mail", ["a.serova@gmail.com", "serova@mail.ru", "s@yandex.ru", "x@mailinator.com", "i@example.com"]
)
def test_free_mail_is_nobodys_domain(mail: str) -> None:
    assert firm_of(normalise(Person(emails=(mail,))), {}, "").keys == ()


@pytest.mark.parametrize(
    ("text", "number"),
    [
        (SBER, [f"ru-inn:{SBER}"]),
        ("7707 083 893", [f"ru-inn:{SBER}"]),
        ("1027700132195", ["ru-ogrn:1027700132195"]),
        ("DE 136 695 976", ["eu-vat:DE136695976"]),
        ("7707083894", []),
        ("0000000000", []),
        ("x" * 10_000, []),
        ("\ud800", []),
    ],
)
def test_a_tax_number_has_right_check_digits(text: str, number: list[str]) -> None:
    assert list(tax_number(text)) == number


@pytest.mark.parametrize(
    ("fields", "text"),
    [({"INN": SBER}, ""), ({"ИНН компании": int(SBER)}, ""), ({}, f"Реквизиты: ИНН {SBER}, КПП 773601001"),
     ({"vat": "", "company_inn": SBER}, "")],
)  # fmt: skip
def test_a_tax_number_is_found_in_fields_and_text(fields: dict[str, Any], text: str) -> None:
    assert firm_of(normalise(Person()), fields, text).taxes == (f"ru-inn:{SBER}",)


def test_a_number_that_nobody_calls_a_tax_number_is_none() -> None:
    assert firm_of(normalise(Person()), {"winner": SBER, "order": SBER}, f"заказ {SBER}").taxes == ()


@pytest.mark.parametrize(
    ("name", "telling"),
    [
        ("ООО «Ромашка»", False), ("Стройсервис", False), ("ИП Кравцовский Олег", False), ("Лес", False),
        ("Мир окон", False), ("ПАО «Металлоинвест»", True), ("Vega Kontor-Hansa GmbH", True), ("", False),
    ],
)  # fmt: skip
def test_which_names_tell_a_firm(name: str, telling: bool) -> None:
    firm = firm_of(normalise(Person(company=name, name="x")), {}, "")
    assert is_telling(firm.text, firm.name) is telling


# ── choosing ─────────────────────────────────────────────────────────────────────────────────────

TAX, DOMAIN, NAME = ("tax", "ru-inn:1"), ("domain", "a.test"), ("name", "metalloinvest")


def firm(*taxes: str, domains: tuple[str, ...] = (), name: str = "") -> Firm:
    return Firm("text", name, bool(name), domains, taxes)


@pytest.mark.parametrize(
    ("newcomer", "theirs", "found"),
    [
        (firm("ru-inn:1", domains=("b.test",)), {TAX, DOMAIN}, Choice("c", TAX)),
        (firm(domains=("a.test",)), {TAX, DOMAIN}, Choice("c", DOMAIN)),
        (firm("ru-inn:2", domains=("a.test",)), {TAX, DOMAIN}, Choice(new=True)),
        (firm("ru-ogrn:5", domains=("a.test",)), {TAX, DOMAIN}, Choice("c", DOMAIN)),
        (firm(name="metalloinvest"), {NAME, DOMAIN}, Choice("c", NAME)),
        (firm(name="metalloinvest", domains=("b.test",)), {NAME, DOMAIN}, Choice(new=True, retire=NAME)),
        (firm("ru-inn:2", name="metalloinvest"), {NAME, TAX}, Choice(new=True, retire=NAME)),
        (firm(name="metalloinvest"), {("names", "metalloinvest")}, Choice()),
        (firm(), {TAX}, Choice()),
    ],
)
def test_the_strongest_key_decides_unless_a_stronger_one_objects(newcomer: Firm, theirs: Any, found: Choice) -> None:
    assert choose(newcomer, dict.fromkeys(theirs, "c"), {"c": theirs}) == found


# ── on a hub ─────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def real(stack: Stack) -> Iterator[Whole]:
    with whole_hub(stack.folder, stack) as made:
        yield made


def says(whole: Whole, live: Any, **fields: Any) -> None:
    assert whole.post(live, json.dumps(fields), JSON).status_code == 200
    whole.flow()


def employers(whole: Whole) -> dict[str, str]:
    """Name of each living contact's company."""
    names = {row.id: row.name for row in whole.rows(company)}
    return {row.name: names.get(row.company_id, "") for row in whole.rows(contact) if row.merged_into is None}


def test_colleagues_meet_in_their_company(real: Whole) -> None:
    live = real.connect("webhook")
    says(real, live, name="Анна Серова", email="anna@forest.test", company="ООО «Лесной край»", message="Забор")
    says(real, live, name="Олег Литвин", email="oleg@spb.forest.test", message="Калитка")
    says(real, live, name="Инна Ким", email="inna.kim@gmail.com", company="Лесной край", message="Ворота")
    says(real, live, name="Пётр Зонов", email="zonov-p@gmail.com", message="Столбы")
    firm = "ООО «Лесной край»"
    assert employers(real) == {"Анна Серова": firm, "Олег Литвин": firm, "Инна Ким": firm, "Пётр Зонов": ""}
    told = {
        row.text: [fact["by"] for fact in row.why if isinstance(fact, dict) and "company" in fact.get("result", "")]
        for row in real.rows(inquiry)
    }
    assert told == {"Забор": [""], "Калитка": ["domain"], "Ворота": ["name"], "Столбы": []}


def test_two_firms_of_one_name_stay_two(real: Whole) -> None:
    live = real.connect("webhook")
    says(real, live, name="Анна Серова", email="a-serova@gmail.com", company="Ромашка", inn=SBER, message="Забор")
    says(real, live, name="Олег Литвин", email="o-litvin@gmail.com", company="Ромашка", inn=OTHER, message="Забор")
    says(real, live, name="Инна Ким", email="inna.kim@gmail.com", company="Ромашка", message="Забор")
    assert real.count(company) == 2
    ids = {row.name: row.company_id for row in real.rows(contact)}
    assert ids["Анна Серова"] != ids["Олег Литвин"]
    assert ids["Инна Ким"] is None


def test_a_telling_name_that_two_firms_have_is_retired(real: Whole) -> None:
    live = real.connect("webhook")
    says(real, live, name="Анна Серова", email="anna@one.test", company="Металлоинвест", message="Забор")
    says(real, live, name="Олег Литвин", email="oleg@two.test", company="Металлоинвест", message="Забор")
    says(real, live, name="Инна Ким", email="inna.kim@gmail.com", company="Металлоинвест", message="Забор")
    assert real.count(company) == 2
    assert {row.name: bool(row.company_id) for row in real.rows(contact)}["Инна Ким"] is False
    assert {row.kind for row in real.rows(company_key)} == {"domain", "names"}


def test_somebody_said_not_this_company(real: Whole) -> None:
    live = real.connect("webhook")
    says(real, live, name="Анна Серова", email="anna@tower.test", company="Лесной край", message="Забор")
    says(real, live, name="Олег Литвин", email="oleg@tower.test", message="Калитка")
    [oleg] = [row.id for row in real.rows(contact) if row.name == "Олег Литвин"]
    with real.hub.store.write() as conn:
        row, keys = employer(conn, oleg)
        assert (row.name, ("domain", "tower.test") in keys) == ("Лесной край", True)
        not_there(conn, oleg, "member:m", real.hub.clock.new_id(), real.hub.clock.now(), shared=True)
        with pytest.raises(CannotMerge, match="no company"):
            not_there(conn, oleg, "member:m", real.hub.clock.new_id(), real.hub.clock.now())
    says(real, live, name="Олег Литвин", email="oleg@tower.test", company="Лесной край", message="Ещё")
    says(real, live, name="Инна Ким", email="inna@tower.test", message="Ворота")
    assert employers(real) == {"Анна Серова": "Лесной край", "Олег Литвин": "", "Инна Ким": ""}


def test_a_merge_brings_the_company_and_an_undo_takes_it_back(real: Whole) -> None:
    live = real.connect("webhook")
    says(real, live, name="Анна Серова", phone="+79161234507", message="Забор")
    says(real, live, name="Анна Серова", email="anna@forest.test", message="Калитка")
    before = {row.id: row.company_id for row in real.rows(contact)}
    first, second = sorted(before, key=lambda one: before[one] or "")
    with real.hub.store.write() as conn:
        merge_id = join(conn, Merge(real.hub.clock.new_id(), first, second, real.hub.clock.now(), "member:m"))
    assert {row.company_id for row in real.rows(contact) if row.merged_into is None} == {before[second]}
    with real.hub.store.write() as conn:
        undo(conn, merge_id, "member:m", real.hub.clock.now())
    assert {row.id: row.company_id for row in real.rows(contact)} == before


def test_workers_who_meet_one_new_company_make_one(real: Whole) -> None:
    live = real.connect("webhook")
    for number in range(12):
        body = {"name": f"Person {'ABCDEFGHIJKL'[number]}", "email": f"p{number}@forest.test", "message": "A fence"}
        assert real.post(live, json.dumps(body), JSON).status_code == 200
    workers = [threading.Thread(target=real.flow) for _ in range(3)]
    for one in workers:
        one.start()
    for one in workers:
        one.join()
    real.flow()
    assert real.count(contact) == 12
    assert real.count(company) == 1
    assert {row.company_id for row in real.rows(contact)} == {row.id for row in real.rows(company)}
