"""The bad inputs every form meets (phones, e-mails, names), each by its number in our catalogue, with its verdict."""

from __future__ import annotations

from typing import Any

import pytest

from connectors.contract import Handle, Person
from hub.identity.emails import emails
from hub.identity.keys import Key, Strength, keys
from hub.identity.names import compatible, name
from hub.identity.normalize import dig, normalise
from hub.identity.phones import Line, phones

# case, text, region, [(e164 or "", extension, flag or "")]
PHONES = [
    (51, "8 (999) 123-45-67", "RU", [("+79991234567", "", "")]),
    (51, "9991234567", "RU", [("+79991234567", "", "")]),
    (52, "8 (999) 123-45-67", "", [("", "", "no_country")]),
    (52, "79991234567", "", [("+79991234567", "", "no_country")]),
    (53, "8 999 123-45-67, +7 495 123-45-68", "RU", [("+79991234567", "", ""), ("+74951234568", "", "")]),
    (53, "8 999 123-45-67/8 999 123-45-68", "RU", [("+79991234567", "", ""), ("+79991234568", "", "")]),
    (53, "8 999 123-45-67 8 999 123-45-68", "RU", [("+79991234567", "", ""), ("+79991234568", "", "")]),
    (53, "8 999 123-45-67 или 8 999 123-45-68", "RU", [("+79991234567", "", ""), ("+79991234568", "", "")]),
    (54, "+1 212 555 0123 ext. 45", "", [("+12125550123", "45", "")]),
    (54, "+1 212 555 0123 x45", "", [("+12125550123", "45", "")]),
    (54, "8 495 123-45-68 (доб. 12)", "RU", [("+74951234568", "12", "")]),
    (54, "tel:+1-212-555-0123;ext=45", "", [("+12125550123", "45", "")]),
    (55, "٠٥٠ ١٢٣ ٤٥٦٧", "AE", [("+971501234567", "", "")]),
    (55, "８９９９１２３４５６７", "RU", [("+79991234567", "", "")]),
    (56, "call me after 6", "RU", [("", "", "text")]),
    (57, "+0000000", "RU", [("", "", "fake")]),
    (57, "1234567890", "US", [("", "", "fake")]),
    (57, "+7 900 000-00-00", "RU", [("+79000000000", "", "fake")]),
    (58, "8-800-555-35-35", "RU", [("+78005553535", "", "")]),
    (59, "tel:+79991234567", "", [("+79991234567", "", "")]),
    (59, "0049 171 1234567", "RU", [("+491711234567", "", "")]),
    (59, "011 44 20 7946 0958", "US", [("+442079460958", "", "")]),
    (60, "7.9991E+10", "RU", [("", "", "damaged")]),
    (60, "7.9991234567E+10", "RU", [("+79991234567", "", "")]),
    (61, "00491711234567", "DE", [("+491711234567", "", "")]),
    (62, "011 15-2345-6789", "AR", [("+5491123456789", "", "")]),
    (62, "+54 9 11 2345-6789", "", [("+5491123456789", "", "")]),
    (22, 79991234567, "RU", [("+79991234567", "", "")]),
    (22, 79991234567.0, "RU", [("+79991234567", "", "")]),
    (53, "030/12345678", "DE", [("+493012345678", "", "")]),
    (51, "8 999 123-45-67", "US", [("+79991234567", "", "guessed")]),
    (51, "+8 999 123-45-67", "RU", [("+79991234567", "", "guessed")]),
    (56, "Иван 8-999-123-45-67 звонить после 18", "RU", [("+79991234567", "", "")]),
    (58, "1-800-FLOWERS", "US", [("+18003569377", "", "")]),
    (62, "+55 11 8765-4321", "", [("+5511987654321", "", "guessed")]),
]


@pytest.mark.parametrize(("case", "text", "region", "expected"), PHONES)
def test_phone(case: int, text: Any, region: str, expected: list[tuple[str, str, str]]) -> None:
    found = phones(text, region)
    assert [(p.e164, p.ext) for p in found] == [(e164, ext) for e164, ext, _ in expected]
    for phone, (_, _, flag) in zip(found, expected, strict=True):
        assert flag in phone.flags if flag else not phone.flags
        assert phone.raw


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("+79991234567", Line.MOBILE),
        ("+74951234568", Line.FIXED),
        ("+78005553535", Line.TOLL_FREE),
        ("112", Line.SHORT),
        ("+12125550123", Line.UNKNOWN),
    ],
)
def test_58_line_is_typed(text: str, line: Line) -> None:
    assert phones(text, "RU")[0].line is line


# case, text, [(address, key, flag or "")]
EMAILS = [
    (64, " IVAN@Mail.RU. ", [("IVAN@mail.ru", "ivan@mail.ru", "free")]),
    (64, "mailto:ivan@firm.test?subject=hi", [("ivan@firm.test", "ivan@firm.test", "")]),
    (65, "Иван <ivan@firm.test>", [("ivan@firm.test", "ivan@firm.test", "")]),
    (65, "<a@firm.test>, b@firm.test", [("a@firm.test", "a@firm.test", ""), ("b@firm.test", "b@firm.test", "")]),
    (66, "ivan@почта.рф", [("ivan@xn--80a1acny.xn--p1ai", "ivan@xn--80a1acny.xn--p1ai", "")]),
    (66, "ivan@xn--80a1acny.xn--p1ai", [("ivan@xn--80a1acny.xn--p1ai", "ivan@xn--80a1acny.xn--p1ai", "")]),
    (67, "I.Pet+promo@googlemail.com", [("I.Pet+promo@googlemail.com", "ipet@gmail.com", "free")]),
    (67, "i.petrov@ya.ru", [("i.petrov@ya.ru", "i-petrov@yandex.ru", "free")]),
    (67, "ivan@bk.ru", [("ivan@bk.ru", "ivan@bk.ru", "free")]),
    (68, "a@b", [("", "", "bad")]),
    (68, "a..b@firm.test", [("", "", "bad")]),
    (68, '"a b"@firm.test', [('"a b"@firm.test', '"a b"@firm.test', "quoted")]),
    (68, "a@[192.0.2.1]", [("a@[192.0.2.1]", "a@[192.0.2.1]", "literal")]),
    (69, "a@firm.test\nBcc: b@firm.test", [("", "", "injection")]),
    (69, "a@firm.test%0aBcc:b@firm.test", [("", "", "injection")]),
    (69, "a@firm.test\r\nbcc:b@firm.test", [("", "", "injection")]),
    (70, "a" * 65 + "@firm.test", [("", "", "bad")]),
    (71, "ivan@mailinator.com", [("ivan@mailinator.com", "ivan@mailinator.com", "disposable")]),
    (72, "info@firm.test", [("info@firm.test", "info@firm.test", "role")]),
    (73, "test@test.com", [("test@test.com", "test@test.com", "fake")]),
    (73, "ivan@example.com", [("ivan@example.com", "ivan@example.com", "fake")]),
    (28, "ivаn@gmail.com", [("ivan@gmail.com", "ivan@gmail.com", "lookalike")]),
    (28, "iv\u200ban@firm.test", [("ivan@firm.test", "ivan@firm.test", "")]),
    (28, "иван@почта.рф", [("иван@xn--80a1acny.xn--p1ai", "иван@xn--80a1acny.xn--p1ai", "")]),
    (56, "позвоните", [("", "", "bad")]),
]


@pytest.mark.parametrize(("case", "text", "expected"), EMAILS)
def test_email(case: int, text: str, expected: list[tuple[str, str, str]]) -> None:
    found = emails(text)
    assert [(e.address, e.key) for e in found] == [(address, key) for address, key, _ in expected]
    for email, (_, _, flag) in zip(found, expected, strict=True):
        assert flag in email.flags if flag else not email.flags


def test_67_tag_is_kept() -> None:
    assert emails("ivan+promo@firm.test")[0].tag == "promo"


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("ivan@gmial.com", "gmail.com"),
        ("ivan@gmail.con", "gmail.com"),
        ("ivan@gmail", "gmail.com"),
        ("ivan@yandx.ru", "yandex.ru"),
        ("шмфт@пьфшд.сщь", "gmail.com"),
        ("ivan@gmx.com", ""),
        ("ivan@firm.test", ""),
    ],
)
def test_typo_gives_a_second_key(text: str, hint: str) -> None:
    email = emails(text)[0]
    assert (email.hint, email.repaired) == (hint, f"ivan@{hint}" if hint else "")
    found = keys(emails=[email])
    if hint:
        assert found[-1] == Key("email", f"ivan@{hint}", Strength.WEAK)


# case, text, first, last, middle, flag or ""
NAMES = [
    (74, "Иванов Иван", "Иван", "Иванов", "", ""),
    (74, "Иванов Иван Иванович", "Иван", "Иванов", "Иванович", ""),
    (74, "Иван Иванович Иванов", "Иван", "Иванов", "Иванович", ""),
    (74, "IVANOV/IVAN MR", "Ivan", "Ivanov", "", ""),
    (74, "Иван", "Иван", "", "", ""),
    (74, "Петрова", "", "Петрова", "", "guessed"),
    (74, "John Ronald Reuel van Tolkien", "John", "van Tolkien", "Ronald Reuel", ""),
    (74, "Иван Петров (ООО «Ромашка»)", "Иван", "Петров", "", "company"),
    (74, "ООО Ромашка", "", "", "", "company"),
    (74, "ИП Иванов Иван Иванович", "Иван", "Иванов", "Иванович", "company"),
    (74, "Иван Петров 8 999 123-45-67", "Иван", "Петров", "", "phone"),
    (74, "Иванов И. И.", "И", "Иванов", "И", ""),
    (74, "Müller, Hans", "Hans", "Müller", "", ""),
    (74, "Bdfy Gtnhjd", "Иван", "Петров", "", "layout"),
    (74, "Мамедов Ахмед Али оглы", "Ахмед", "Мамедов", "Али оглы", ""),
    (75, "Null", "", "", "", "placeholder"),
    (75, "None", "", "", "", "placeholder"),
    (75, "N/A", "", "", "", "placeholder"),
    (75, "0", "", "", "", "placeholder"),
    (75, "Jennifer Null", "Jennifer", "Null", "", ""),
    (28, "\u202eИван\u200b Петров", "Иван", "Петров", "", ""),
    (28, "Ивaн Петpoв", "Иван", "Петров", "", ""),
    (29, "Анна 👩‍👩‍👧 ✨", "Анна", "", "", ""),
]


@pytest.mark.parametrize(("case", "text", "first", "last", "middle", "flag"), NAMES)
def test_name(case: int, text: str, first: str, last: str, middle: str, flag: str) -> None:
    read = name(text)
    assert (read.first, read.last, read.middle) == (first, last, middle)
    assert flag in read.flags if flag else not read.flags
    assert read.full == text


def test_30_nfd_and_nfc_are_one_name() -> None:
    composed, decomposed = name("Андрей Ёлкин"), name("Андрей Ёлкин")
    assert composed == decomposed
    assert composed.full == "Андрей Ёлкин"


def test_31_long_name_is_kept_whole() -> None:
    text = "Иван " * 2000
    assert name(text).full == text.strip()
    assert normalise(Person(name=text), "RU").name.first == "Иван"


@pytest.mark.parametrize(
    "spellings",
    [
        ("Иван Щукин", "Ivan Shchukin", "Schukin Ivan", "ЩУКИН ИВАН", "Иван Щукин ✨"),
        ("Юлия Кузнецова", "Yulia Kuznetsova", "Julia Kuznecova", "Кузнецова Юля", "Iuliia Kuznetsova"),
        ("Дмитрий Трубецкой", "Dmitry Trubetskoy", "Dmitrii Trubetskoi", "Дима Трубецкой"),
        ("Hans Müller", "Hans Mueller"),
    ],
)
def test_habits_of_writing_share_a_key(spellings: tuple[str, ...]) -> None:
    assert len({name(s).key for s in spellings}) == 1


@pytest.mark.parametrize(
    ("a", "b", "verdict"),
    [
        ("Саша Иванов", "Александр Иванов", True),
        ("Sasha Ivanov", "Иванова Александра", True),
        ("Женя", "Yevgeny", True),
        ("Mike Smith", "Michael Smith", True),
        ("Анна Иванова", "Анна Петрова", None),  # marriage
        ("И. Иванов", "Иван Иванов", None),  # or his brother Игорь
        ("Иванов", "Иван Иванов", None),
        ("Mueller Michael", "Michael Mueller", True),
        ("Quentin Marlow", "Marlow Quentin", True),  # neither is in a list: read both ways
        ("Mrs Langstead", "Barbara Langstead", None),
        ("C. Sternmann", "Tina Sternmann", None),
        ("Jorg Lindener", "Jörg", True),
        ("Max", "Maximilian Wolf", True),
        ("Seb", "Sebulon Wolf", None),
        ("Мария", "Марина", False),
        ("", "Иван", None),
        ("Null", "Иван", None),
        ("Марина", "Карина", False),
        ("Яна", "Анна", False),
        ("Иван Иванов", "Пётр Иванов", False),
        ("П. Иванов", "Иван Иванов", False),
        ("Katharina Eichmann", "Jürgen Eichmann", False),
        ("Иванов Иван Петрович", "Иван Сергеевич Иванов", False),
    ],
)
def test_compatible(a: str, b: str, verdict: bool | None) -> None:
    assert compatible(name(a), name(b)) is verdict
    assert compatible(name(b), name(a)) is verdict


def test_swapped_fields_are_put_right() -> None:
    read = name(first="Иванов", last="Иван")
    assert (read.first, read.last, read.flags) == ("Иван", "Иванов", ("swapped",))


@pytest.mark.parametrize(
    ("text", "strength"),
    [
        ("+79991234567", Strength.PERSONAL),
        ("+12125550123", Strength.PERSONAL),
        ("+74951234568", Strength.SHARED),
        ("+78005553535", Strength.SHARED),
        ("+79991234567 доб. 5", Strength.SHARED),
        ("+79991234567890", None),
        ("+79999999999", None),
        ("1234567", None),
        ("112", None),
        ("8 (999) 123-45-67", None),
        ("79991234567", Strength.WEAK),
    ],
)
def test_63_strength_of_a_phone(text: str, strength: Strength | None) -> None:
    assert [k.strength for k in keys(phones=phones(text))] == ([strength] if strength else [])


@pytest.mark.parametrize("text", ["test@test.com", "ivan@example.org", "no@mail.ru", "aaa@gmail.com", "a@b", "нет"])
def test_73_placeholders_give_no_key(text: str) -> None:
    assert keys(emails=emails(text)) == ()


def test_72_role_address_is_shared() -> None:
    assert [k.strength for k in keys(emails=emails("info@firm.test"))] == [Strength.SHARED]


def test_handles_by_lasting_id_only() -> None:
    known = normalise(
        Person(
            handles=(
                Handle("telegram", "1001", "ivan", attested=True),
                Handle("visitor", "v-1"),
                Handle("vk", "0"),
                Handle("phone", "+79991234567"),
            )
        )
    )
    assert known.keys == (
        Key("telegram", "1001", Strength.PERSONAL, True),
        Key("visitor", "v-1", Strength.WEAK, False),
    )


def test_whatsapp_id_is_a_phone() -> None:
    known = normalise(Person(handles=(Handle("whatsapp", "79991234567", attested=True),)))
    assert Key("phone", "+79991234567", Strength.PERSONAL, True) in known.keys


def test_attested_number_needs_no_default_country() -> None:
    known = normalise(Person(phones=("79991234567",), attested_phones=("79991234567",)))
    assert known.keys == (Key("phone", "+79991234567", Strength.PERSONAL, True),)


def test_argentine_mobile_has_one_key_with_and_without_its_nine() -> None:
    values = {k.value for text in ("+54 9 11 2345-6789", "+54 11 2345-6789") for k in keys(phones=phones(text))}
    assert values == {"+541123456789"}


def test_contacts_in_wrong_fields() -> None:
    known = normalise(
        Person(name="Иван 8 999 123-45-67", phones=("ivan@firm.test",), emails=("8 495 123-45-68",)), "RU"
    )
    assert [p.e164 for p in known.phones] == ["+74951234568", "+79991234567"]
    assert [e.address for e in known.emails] == ["ivan@firm.test"]
    assert set(known.flags) == {"email_in_phone", "phone_in_email", "phone_in_name"}


def test_52_number_without_country_asks_for_it() -> None:
    assert normalise(Person(phones=("8 (999) 123-45-67",))).flags == ("asks_country",)


def test_company_key_and_own_domain() -> None:
    spellings = ("ООО «Ромашка»", "Romashka LLC", "РОМАШКА", "Ромашка, ООО")
    known = [normalise(Person(company=s, emails=("ivan@romashka.test", "ivan@gmail.com"))) for s in spellings]
    assert {k.company.key for k in known} == {"romaska"}
    assert known[0].company.domains == ("romashka.test",)
    assert known[0].company.text == "ООО «Ромашка»"


@pytest.mark.parametrize(
    ("text", "numbers", "addresses"),
    [
        ("звоните +7 999 123-45-67 или 8 (495) 123 45 68 доб. 5", ["+79991234567", "+74951234568"], []),
        ("ref 2125550123", [], []),
        ("пишите на ivan@firm.test, спасибо", [], ["ivan@firm.test"]),
        ("ИНН 7707083893, заказ 89991234567", [], []),
        ("встреча 22.11.2026 12:30, бюджет 1 500 000", [], []),
        ("встреча 30.12.2025 14:00", [], []),  # 301 is the code of Ulan-Ude
        ("карта 4276 1234 5678 9010", [], []),
        ("my number is 2125550123", ["+12125550123"], []),
        ("просто вопрос", [], []),
    ],
)
def test_dig(text: str, numbers: list[str], addresses: list[str]) -> None:
    found_phones, found_emails = dig(text, "US" if text.isascii() else "RU")
    assert [p.e164 for p in found_phones] == numbers
    assert [e.address for e in found_emails] == addresses
