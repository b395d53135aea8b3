"""Form fields find their place by name, nothing is lost, and unknown ones get a sensible proposal."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.contract import Consent, Draft, Person, Touch
from mappings import BadMapping, adopt, apply_inbound, default_inbound, discover, load_inbound, shipped, stamp
from mappings.inbound import TARGETS, normal
from mappings.problems import Stale

NAMES: list[tuple[str, str]] = [
    *((name, "name") for name in ("name", "NAME", "your-name", "Имя", "ФИО:", "Ваше имя *", "имя_2", "Full  Name")),
    *((name, "first_name") for name in ("first_name", "firstName", "First-Name")),
    *((name, "last_name") for name in ("last name", "Фамилия")),
    *((name, "phones") for name in ("phone", "Tel", "телефон", "Ваш телефон*", "your-phone", "mobile", "Phone_2")),
    *(
        (name, "emails")
        for name in ("email", "E-mail", "e_mail:", "почта", "your-email", "Email 3", "form_fields[email]")
    ),
    *((name, "text") for name in ("message", "Comment", "комментарий", "Вопрос:", "your-message")),
    *((name, "company") for name in ("company", "Компания", "организация")),
    *((name, "page") for name in ("page", "URL", "Page.URL")),
    *((name, "referrer") for name in ("referer", "referrer")),
    *((name, "utm_source") for name in ("utm_source", "UTM-Source", "utmsource")),
    *((name, "click_ids") for name in ("gclid", "yclid", "fbclid", "_openstat")),
    *((name, "consent") for name in ("consent", "Согласие на обработку персональных данных")),
    *((name, "city") for name in ("city", "Город")),
]


@pytest.mark.parametrize(("name", "target"), NAMES, ids=[row[0] for row in NAMES])
def test_usual_names_are_known(name: str, target: str) -> None:
    found = default_inbound().target(name)
    assert found is not None
    assert found[0] == target


@pytest.mark.parametrize("name", ["", "***", "123", "utm_custom", "filename", "__proto__"])
def test_other_names_are_not(name: str) -> None:
    assert default_inbound().target(name) is None


def filled(fields: dict[str, Any], **known: Any) -> Draft:
    return apply_inbound(default_inbound(), Draft(fields=fields, **known))


def test_a_form_becomes_a_draft() -> None:
    draft = filled(
        {
            "Ваше имя": " Анна ",
            "Телефон": "8 999 123-45-67",
            "телефон 2": "+1 212 555 0123",
            "E-mail": "anna@example.com",
            "Сообщение": "Сколько стоит?",
            "utm_source": "ads",
            "first_utm_source": "mail",
            "yclid": "77",
            "page": "https://example.com/price",
            "Согласие": "on",
            "Город": "Тверь",
            "Цвет кухни": "белый",
        }
    )
    assert draft == Draft(
        person=Person(name="Анна", phones=("8 999 123-45-67", "+1 212 555 0123"), emails=("anna@example.com",)),
        text="Сколько стоит?",
        first_touch=Touch(utm={"source": "mail"}),
        touch=Touch(page="https://example.com/price", utm={"source": "ads"}, click_ids={"yclid": "77"}),
        consent=Consent(given=True),
        fields={"city": "Тверь", "Цвет кухни": "белый"},
    )


def test_nothing_is_overwritten_and_nothing_is_lost() -> None:
    draft = filled({"name": "Пётр", "message": "b", "comment": "c"}, person=Person(name="Анна"), text="a")
    assert (draft.person.name, draft.text) == ("Анна", "a")
    assert draft.fields == {"name": "Пётр", "message": "b", "comment": "c"}


def test_the_same_again_leaves() -> None:
    assert filled({"name": "Анна", "phone": "1"}, person=Person(name="Анна", phones=("1",))).fields == {}


@pytest.mark.parametrize("value", ["", None, [], {"a": 1}, [["x"]], ["a", {"b": 1}], " ", "\x00", "\ud800"])
def test_a_value_without_text_stays(value: Any) -> None:
    draft = filled({"name": value, "phone": value})
    assert draft.person == Person()
    assert draft.fields == {"name": value, "phone": value}


def test_a_repeated_field_gives_several_phones() -> None:
    assert filled({"phone": ["1", 2]}).person.phones == ("1", "2")
    assert filled({"name": ["a", "b"]}).fields == {"name": ["a", "b"]}


@pytest.mark.parametrize(
    ("value", "person"),
    [
        ("a@example.com", Person(emails=("a@example.com",))),
        ("+7 (999) 123-45-67", Person(phones=("+7 (999) 123-45-67",))),
        ("@anna", Person()),
    ],
)
def test_a_field_for_either_goes_by_its_value(value: str, person: Person) -> None:
    draft = filled({"Контакты": value})
    assert draft.person == person
    assert bool(draft.fields) == (person == Person())


@pytest.mark.parametrize(("value", "given"), [("да", True), ("1", True), (True, True), ("нет", False), ("0", False)])
def test_consent_is_read_by_a_word_list(value: Any, given: bool) -> None:
    assert filled({"consent": value}).consent == Consent(given)


def test_a_consent_nobody_can_read_is_not_guessed() -> None:
    draft = filled({"consent": "ask my lawyer"})
    assert draft.consent is None
    assert draft.fields == {"consent": "ask my lawyer"}


def leaves(draft: Draft) -> set[str]:
    person, touch, first = draft.person, draft.touch, draft.first_touch or Touch()
    texts = (draft.text, draft.subject, draft.form, touch.page, touch.referrer, person.name, person.first_name)
    more = (person.last_name, person.middle_name, person.company, person.position, person.language)
    lists = (person.phones, person.emails, touch.utm.values(), touch.click_ids.values(), first.utm.values())
    return {*texts, *more, *(value for each in lists for value in each)}


@given(fields=st.dictionaries(st.sampled_from([name for name, _ in NAMES]) | st.text(max_size=9), st.text(max_size=9)))
def test_every_value_is_somewhere_and_twice_is_once(fields: dict[str, str]) -> None:
    draft = filled(fields)
    held = leaves(draft) | set(draft.fields.values())
    consents = {value for name, value in fields.items() if (default_inbound().target(name) or ("",))[0] == "consent"}
    assert {value.strip() for value in fields.values()} <= {value.strip() for value in held | consents}
    assert apply_inbound(default_inbound(), draft) == draft


# ── lines of a connection ────────────────────────────────────────────────────────────────────────


def test_lines_of_a_connection_win() -> None:
    own = load_inbound(
        'format = 1\n[inbound]\ncompany.from = ["Название"]\nsubject.from = ["comment"]\nkeep.from = ["phone"]\n',
        default_inbound(),
    )
    draft = apply_inbound(
        own, Draft(fields={"название": "Acme", "Comment": "hi", "phone": "1", "email": "a@example.com"})
    )
    assert (draft.person.company, draft.subject, draft.text) == ("Acme", "hi", "")
    assert draft.person.emails == ("a@example.com",)
    assert draft.fields == {"phone": "1"}


BAD: list[tuple[str, str]] = [
    ('phnes.from = ["tel"]', "line 3, column 1: inbound.phnes: unknown draft field. Did you mean phones?"),
    ('phones = ["tel"]', "a line looks like phones.from ="),
    ("phones.from = [5]", "inbound.phones.from: must be a list of field names"),
    ('phones.form = ["tel"]', "inbound.phones.form: unknown argument"),
    (
        'phones.from = ["tel"]\nname.from = ["Tel"]',
        "line 4, column 1: inbound.name.from: 'Tel' is a name of phones already.",
    ),
    ('phones.from = ["***"]', "'***' has no letters or digits"),
]


@pytest.mark.parametrize(("line", "said"), BAD)
def test_a_bad_line_is_refused_with_reason_and_place(line: str, said: str) -> None:
    with pytest.raises(BadMapping) as refused:
        load_inbound(f"format = 1\n[inbound]\n{line}\n")
    assert said in str(refused.value)


def test_names_are_compared_without_what_does_not_matter() -> None:
    assert normal("  E-Mail_:* ") == normal("e.mail") == "email"
    assert normal("Отчёт") == normal("отчет")


def test_a_number_at_the_end_matters_only_where_a_line_names_it() -> None:
    own = load_inbound('format = 1\n[inbound]\nname.from = ["Input"]\ncity.from = ["Input_2"]\n')
    assert [(own.target(field) or ("",))[0] for field in ("input", "Input 1", "input2", "in")] == [
        "name",
        "name",
        "city",
        "",
    ]


# ── proposals ────────────────────────────────────────────────────────────────────────────────────

GUESSES: list[tuple[str, Any, str]] = [
    ("Контактный телефон менеджера", "", "phones"),
    ("Укажите вашу почта для ответа", "", "emails"),
    ("emial", "", "emails"),
    ("Input", "+7 999 123-45-67", "phones"),
    ("Поле 1", "anna@example.com", "emails"),
    ("Откуда", "https://example.com/a", "page"),
    ("Поле 2", "01.02.2026", "date"),
    ("Поле 3", "1 500,00 ₽", "budget"),
]


@pytest.mark.parametrize(("field", "value", "guess"), GUESSES, ids=[row[0] for row in GUESSES])
def test_an_unknown_field_gets_a_proposal(field: str, value: Any, guess: str) -> None:
    (proposal,) = discover({field: value or None}, default_inbound())
    assert (proposal.field, proposal.guess) == (field, guess)
    assert 0 < proposal.confidence < 1
    assert proposal.why
    assert guess in TARGETS


def test_name_and_value_together_are_surer() -> None:
    fields = {"Ваш основной телефон": "+7 999 123-45-67"}
    assert discover(fields, default_inbound())[0].confidence > 0.95


def test_the_value_corrects_the_name() -> None:
    fields = {"Телефон или что-нибудь": "anna@example.com"}
    assert discover(fields, default_inbound())[0].guess == "emails"


def test_known_and_meaningless_fields_get_none() -> None:
    assert discover({"phone": "1", "Цвет кухни": "белый", "n": 5, "x": {"a": [1]}}, default_inbound()) == []


def test_an_accepted_proposal_becomes_a_line_and_comments_stay() -> None:
    fields = {"Input": "+7 999 123-45-67", "Поле 1": "anna@example.com", "Поле 2": "+7 999 123-45-68"}
    text = 'format = 1\n\n[inbound]\nphones.from = ["hotline"]  # ours\n'
    after = adopt(text, discover(fields, default_inbound()), stamp(text))
    assert "# ours" in after
    draft = apply_inbound(load_inbound(after), Draft(fields={**fields, "hotline": "5"}))
    assert draft.fields == {}
    assert draft.person.phones == ("+7 999 123-45-67", "+7 999 123-45-68", "5")
    with pytest.raises(Stale):
        adopt(after, [], stamp(text))


def test_a_proposal_fits_into_the_shipped_file_and_an_empty_one() -> None:
    (proposal,) = discover({"Input": "+7 999 123-45-67"}, default_inbound())
    for text in (shipped("inbound"), "format = 1\n"):
        assert load_inbound(adopt(text, [proposal])).target("input") == ("phones", "Input")


@given(fields=st.dictionaries(st.text(), st.none() | st.integers() | st.text() | st.lists(st.text())))
def test_discovery_takes_anything(fields: dict[str, Any]) -> None:
    for proposal in discover(fields, default_inbound()):
        assert proposal.guess in TARGETS
