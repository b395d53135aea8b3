"""What a contact shows: a rule per field over raw facts, whatever the order; merged, taken apart, decided anew."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.contract import Handle, Person
from hub.identity.merging import Merge, undo
from hub.identity.names import name
from hub.identity.review import join
from hub.identity.shown import enter, redecide
from hub.identity.survivorship import (
    COLUMNS,
    DEFAULTS,
    ENTERED,
    FIELDS,
    PARTS,
    BadPolicy,
    Said,
    decide,
    entered,
    held,
    needs_all,
    policy_of,
    settle,
    together,
    typed,
)
from hub.model import contact, inquiry, link, setting
from hub.sync.apply import Applier, Sighting
from tests.servers import Stack
from tests.whole import JSON, Whole, whole_hub

Row = dict[str, Any]
RULES = ("trusted", "newest", "longest")


def said(at: int, person: Person) -> Said:
    return typed(person, name(person.name, person.first_name, person.last_name, person.middle_name), at)


def form(at: int, **fields: Any) -> Said:
    return said(at, Person(**fields))


def shown(*facts: Said, **policy: str) -> dict[str, str]:
    return dict(decide(together(*facts), policy_of(policy)).values)


def blank(**values: Any) -> Row:
    return {**dict.fromkeys(COLUMNS, ""), "basis": {}, "created_at": 0, **values}


# ── one rule per field ───────────────────────────────────────────────────────────────────────────

ACCOUNT = (Handle("telegram", "771", attested=True),)


@pytest.mark.parametrize(
    ("rule", "company"),
    [("trusted", "Ромашка"), ("newest", "Botanic Friends"), ("longest", "Botanic Friends")],
)
def test_each_rule_has_its_own_answer(rule: str, company: str) -> None:
    facts = (form(1, company="Ромашка-2000"), form(2, company="Ромашка"))
    profile = form(3, company="Botanic Friends", handles=ACCOUNT)
    assert shown(*facts, profile, company=rule)["company"] == company


def test_the_fullest_name_is_shown_whole() -> None:
    facts = (form(1, name="Анна"), form(2, name="Серова Анна Петровна"), form(3, name="Аня Серова"))
    told = shown(*facts)
    assert (told["last_name"], told["first_name"], told["middle_name"]) == ("Серова", "Анна", "Петровна")
    assert told["name_key"]


@pytest.mark.parametrize("rule", RULES)
def test_a_placeholder_never_hides_a_name(rule: str) -> None:
    assert shown(form(1, name="Анна"), form(9, name="Клиент"), name=rule)["name"] == "Анна"


@pytest.mark.parametrize("rule", RULES)
def test_what_a_person_entered_outranks_what_was_typed(rule: str) -> None:
    typed_later = form(9, name="Анна Сергеевна Серова-Литвинова", company="Весьма длинное имя фирмы", position="Шеф")
    policy = dict.fromkeys(DEFAULTS, rule)
    told = shown(typed_later, {"company": [entered("company", "ООО Лес", "crm:1", 2)]}, **policy)
    assert told["company"] == "ООО Лес"
    assert told["position"] == "Шеф"
    married = {"last_name": [entered("last_name", "Кравец", "member:m", 3)]}
    told = shown(typed_later, married, **policy)
    assert told["last_name"] == "Кравец"
    assert told["name"] == "Анна Сергеевна Кравец"
    assert told["first_name"] == "Анна"


def test_a_whole_name_takes_the_place_of_parts_entered_before() -> None:
    part = {"last_name": [entered("last_name", "Кравец", "crm:1", 3)]}
    whole = {"name": [entered("name", "Инна Лисова", "crm:2", 4)]}
    assert shown(form(9, name="Анна Серова"), part, whole)["last_name"] == "Лисова"


def test_a_cleared_field_waits_for_what_is_said_later() -> None:
    cleared = {"company": [entered("company", "", "crm:1", 5)]}
    assert shown(form(1, company="Ромашка"), cleared)["company"] == ""
    assert shown(form(1, company="Ромашка"), cleared, form(6, company="Лютик"))["company"] == "Лютик"


def test_a_policy_nobody_knows_is_named() -> None:
    with pytest.raises(BadPolicy, match="rules are"):
        policy_of({"company": "loudest"})
    with pytest.raises(BadPolicy, match="fields are"):
        policy_of({"shoe_size": "newest"})


# ── for any facts ────────────────────────────────────────────────────────────────────────────────

WORDS = st.sampled_from(["", "Анна", "Anna Serova", "Серова Анна Петровна", "Олег", "Клиент", "x"])
FIRMS = st.sampled_from(["", "Лес", "ООО «Лес и поле»", "Forest"])
PEOPLE = st.builds(
    Person, name=WORDS, company=FIRMS, position=FIRMS, language=st.sampled_from(["", "ru", "en"]),
    handles=st.sampled_from([(), ACCOUNT]),
)  # fmt: skip
TYPED = st.builds(said, st.integers(1, 9), PEOPLE)
EDITS = st.builds(
    lambda field, text, by, at: {field: [entered(field, text, by, at)]},
    st.sampled_from(FIELDS), st.one_of(WORDS, FIRMS), st.sampled_from(["crm:1", "member:m"]), st.integers(1, 9),
)  # fmt: skip
POLICIES = st.fixed_dictionaries({field: st.sampled_from(RULES) for field in DEFAULTS})


@given(st.lists(st.one_of(TYPED, EDITS), max_size=6), st.randoms(use_true_random=False), POLICIES)
def test_the_order_of_arrival_means_nothing(facts: list[Said], chance: Any, policy: dict[str, str]) -> None:
    mixed = list(facts)
    chance.shuffle(mixed)
    assert decide(together(*facts), policy) == decide(together(*mixed), policy)


@given(st.lists(PEOPLE, min_size=1, max_size=6), POLICIES)
def test_one_by_one_gives_what_all_together_give(people: list[Person], policy: dict[str, str]) -> None:
    facts, row = [said(at, one) for at, one in enumerate(people)], blank()
    for one in facts:
        row |= settle(row, one, policy)
    whole = decide(together(*facts), policy).values
    assert {field: row[field] for field in whole} == dict(whole)
    assert not needs_all(row)


@given(st.lists(st.one_of(TYPED, EDITS), max_size=5), TYPED, POLICIES)
def test_nothing_that_was_typed_empties_a_field(facts: list[Said], more: Said, policy: dict[str, str]) -> None:
    row = blank()
    for one in facts:
        row |= settle(row, one, policy)
    after = row | settle(row, more, policy)
    assert [field for field in ("name", "company", "position", "language") if row[field] and not after[field]] == []


@given(st.lists(st.one_of(TYPED, EDITS), max_size=5), POLICIES)
def test_deciding_twice_changes_nothing(facts: list[Said], policy: dict[str, str]) -> None:
    row = blank()
    row |= settle(row, together(*facts), policy)
    assert settle(row, held(row), policy) == {}
    assert settle(row, together(*facts), policy) == {}


@given(st.sampled_from(["Лес", "Анна"]), TYPED)
def test_what_stood_here_before_reasons_were_kept_stays(text: str, more: Said) -> None:
    row = blank(company=text, name=text)
    assert settle(row, more, DEFAULTS).keys() & {"company", "name"} == set()


# ── on a hub ─────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def real(stack: Stack) -> Iterator[Whole]:
    with whole_hub(stack.folder, stack) as made:
        yield made


def says(whole: Whole, live: Any, **fields: Any) -> None:
    assert whole.post(live, json.dumps(fields), JSON).status_code == 200
    whole.flow()


def people(whole: Whole) -> list[Row]:
    rows = [dict(row._mapping) for row in whole.rows(contact) if row.merged_into is None]
    return sorted(rows, key=lambda row: str(row["id"]))


def fields(rows: Sequence[Row]) -> list[Row]:
    return [{key: value for key, value in row.items() if key not in ("version", "updated_at")} for row in rows]


def decided_anew(whole: Whole) -> int:
    with whole.hub.store.write() as conn:
        return len(redecide(conn, [row["id"] for row in people(whole)], whole.hub.clock.now()))


def told(whole: Whole, contact_id: str, **values: str) -> None:
    with whole.hub.store.write() as conn:
        enter(conn, contact_id, values, "member:m", whole.hub.clock.now())


PHONE, MAIL = "+79161234507", "serova-a@pochta.test"


def test_intake_shows_the_fuller_name_and_what_people_entered_stays(real: Whole) -> None:
    live = real.connect("webhook")
    says(real, live, name="Анна", phone=PHONE, message="Забор")
    says(real, live, name="Анна Петровна Серова", phone=PHONE, message="И калитка")
    [one] = people(real)
    assert one["name"] == "Анна Петровна Серова"
    told(real, one["id"], last_name="Кравец", position="Шеф")
    says(real, live, name="Анна Петровна Серова-Волконская", phone=PHONE, message="И ворота")
    [one] = people(real)
    assert (one["name"], one["last_name"], one["position"]) == ("Анна Петровна Кравец", "Кравец", "Шеф")
    assert one["basis"]["position"][0] == ENTERED
    assert decided_anew(real) == 0


def test_what_somebody_edits_in_a_crm_stays_and_other_crms_hear_of_it(real: Whole) -> None:
    live = real.connect("webhook")
    says(real, live, name="Анна Серова", company="Лес", phone=PHONE, message="Забор")
    [one] = people(real)
    where: Any = SimpleNamespace(role="contact", record_id=one["id"])
    crm: Any = SimpleNamespace(id="crm1")
    with real.hub.store.write() as conn:
        made = {"role": "contact", "record_id": one["id"], "state": "linked", "due_at": 1, "since": 1, "dirty": 0}
        conn.execute(link.insert(), [{"id": n, "connection_id": f"crm{n}", **made} for n in "12"])
        news = {"company": "ООО Лес и поле", "last_name": "Кравец"}
        Applier(real.hub.clock).apply(conn, crm, where, news, Sighting("linked", {}, {}, {}))
    assert {row.id: row.dirty for row in real.rows(link)} == {"1": 0, "2": 1}
    says(real, live, name="Анна Петровна Серова", company="Лесной край", phone=PHONE, message="Калитка")
    [one] = people(real)
    assert (one["company"], one["name"]) == ("ООО Лес и поле", "Анна Петровна Кравец")
    assert decided_anew(real) == 0


def test_a_correction_takes_the_place_of_what_was_said(real: Whole) -> None:
    live = real.connect("webhook", id_field="id")
    says(real, live, id="7", name="Анна Петровна Серова", phone=PHONE, message="Забор")
    says(real, live, id="7", name="Анна Серова", phone=PHONE, message="Забор, опечатка")
    assert real.count(inquiry) == 1
    assert people(real)[0]["name"] == "Анна Серова"


def test_a_merge_decides_from_the_facts_of_both_and_an_undo_puts_each_back(real: Whole) -> None:
    live = real.connect("webhook")
    says(real, live, name="Анна", phone=PHONE, message="Забор")
    says(real, live, name="Анна Серова", email=MAIL, message="Калитка")
    first, second = people(real)
    told(real, second["id"], company="ООО Лес")
    before = fields(people(real))
    with real.hub.store.write() as conn:
        merge = Merge(real.hub.clock.new_id(), first["id"], second["id"], real.hub.clock.now(), "member:m")
        merge_id = join(conn, merge)
    [one] = people(real)
    assert (one["id"], one["name"], one["company"]) == (first["id"], "Анна Серова", "ООО Лес")
    with real.hub.store.write() as conn:
        undo(conn, merge_id, "member:m", real.hub.clock.now())
    assert fields(people(real)) == before
    assert decided_anew(real) == 0


def test_a_new_policy_decides_anew_and_the_crms_hear_of_it(real: Whole) -> None:
    live = real.connect("webhook")
    says(real, live, name="Анна Петровна Серова", phone=PHONE, message="Забор")
    says(real, live, name="Аня Серова", phone=PHONE, message="Калитка")
    [one] = people(real)
    assert one["name"] == "Анна Петровна Серова"
    with real.hub.store.write() as conn:
        conn.execute(setting.insert().values(name="survivorship", value={"name": "newest"}))
        made = {"id": "l1", "connection_id": live.id, "role": "contact", "record_id": one["id"], "state": "linked"}
        conn.execute(link.insert().values(**made, due_at=1, since=1, dirty=0))
        [change] = redecide(conn, [one["id"]], 5, dry=True)
    assert change.after["name"] == "Аня Серова"
    assert people(real) == [one], "a dry run changes nothing"
    assert decided_anew(real) == 1
    assert people(real)[0]["name"] == "Аня Серова"
    assert [row.dirty for row in real.rows(link)] == [1]
    assert decided_anew(real) == 0


def test_a_policy_that_cannot_be_read_holds_no_lead_up(real: Whole) -> None:
    with real.hub.store.write() as conn:
        conn.execute(setting.insert().values(name="survivorship", value={"name": "loudest"}))
    says(real, real.connect("webhook"), name="Анна", phone=PHONE, message="Забор")
    assert real.count(inquiry) == 1
    assert people(real)[0]["name"] == "Анна"


def test_parts_of_names_are_no_typed_fields() -> None:
    assert not form(1, first_name="Анна", last_name="Серова").keys() & set(PARTS)
