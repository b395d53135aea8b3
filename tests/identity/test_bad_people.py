"""Bad input about people, by its number in our catalogue, through the whole resolver: it changes flags only."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from connectors.contract import Person
from hub.identity.normalize import Known, normalise
from hub.identity.stream import Stream

Row = dict[str, Any]
GIVEN = ("Иван", "Пётр", "Анна", "Мария", "Олег", "Юрий", "Елена", "Ольга", "Роман", "Павел")
SYLLABLES = tuple(a + b for a in "бвгджзклмнпрст" for b in "аоиуя")


def named(number: int) -> str:
    """A different person for every number below 300,000."""
    a, b, c = number % 70, number // 70 % 70, number // 4900
    return f"{GIVEN[number % 10]} {(SYLLABLES[a] + SYLLABLES[b] + SYLLABLES[c]).title()}дзе"


def event(number: int, **values: Any) -> Row:
    at = datetime(2026, 3, 1) + timedelta(minutes=number)
    return {"event_id": f"e{number}", "ts": f"{at.isoformat()}Z", "channel": "web_form", "site_country": "RU", **values}


def groups(rows: list[Row]) -> int:
    return len({row["cluster_id"] for row in Stream().run(rows)})


# ── what nobody can be known by ──────────────────────────────────────────────────────────────────

NOBODYS: list[tuple[int, str, Row]] = [
    (57, "a fake number", {"phones": ["+7 900 000-00-00"]}),
    (57, "a number counted up", {"phones": ["1234567890"]}),
    (60, "a number damaged by a spreadsheet", {"phones": ["7.9991E+10"]}),
    (56, "a sentence for a number", {"phones": ["call me after 6"]}),
    (58, "a hotline", {"phones": ["8-800-555-35-35"]}),
    (68, "no mailbox at all", {"emails": ["a@b"]}),
    (69, "a header injected", {"emails": ["a@firm.test\nBcc: b@firm.test"]}),
    (72, "a firm's mailbox", {"emails": ["info@firm.test"]}),
    (73, "a test mailbox", {"emails": ["test@test.com"]}),
]


@pytest.mark.parametrize(("case", "what", "tie"), NOBODYS, ids=[f"{case} {what}" for case, what, _ in NOBODYS])
def test_nobody_is_known_by_it(case: int, what: str, tie: Row) -> None:
    rows = [event(n, name=named(n), message="Сколько стоит забор?", **tie) for n in range(120)]
    assert groups(rows) == 120


def test_57_ten_thousand_with_one_placeholder_cost_what_one_costs() -> None:
    stream = Stream()
    made = stream.run(event(n, name=named(n), phones=["+7 900 000-00-00"], message="Забор") for n in range(10_000))
    assert len({row["cluster_id"] for row in made}) == 10_000
    shared = [place for place, there in stream.register.traces.items() if len(there) > stream.rules.crowd]
    assert shared == [], "no place that everybody stands at"


# ── noise ────────────────────────────────────────────────────────────────────────────────────────

PLAIN: Row = {"name": "Мария Ковач", "phones": ("+79161234507",), "emails": ("kovach@pochta.test",)}
NOISE: list[tuple[int, str, Row]] = [
    (28, "right to left", {"name": "\u202eМария\u202c Ковач\u200f", "emails": ("\u200ekovach@pochta.test",)}),
    (28, "zero width", {"name": "Ма\u200bрия Ко\ufeffвач", "emails": ("ko\u200bvach@pochta.test",)}),
    (28, "homoglyphs", {"name": "Mapия Koвaч", "emails": ("kоvаch@pochta.test",)}),
    (29, "emoji", {"name": "🌸Мария🌸 Ковач 👩‍👩‍👧"}),
    (30, "decomposed", {"name": "Мари\u044f Ковач"}),
    (10, "a lone surrogate", {"name": "Мария\ud800 Ковач", "emails": ("kovach@pochta.test\udfff",)}),
    (11, "a NUL", {"name": "Мария\x00 Ковач"}),
    (51, "as people write it", {"phones": ("8 (916) 123-45-07",)}),
    (55, "full-width digits", {"phones": ("８９１６１２３４５０７",)}),
    (59, "a link", {"phones": ("tel:+79161234507",)}),
    (64, "capitals, spaces, a dot", {"emails": (" KOVACH@Pochta.Test. ",)}),
    (64, "mailto", {"emails": ("mailto:kovach@pochta.test",)}),
    (65, "with a name", {"emails": ("Мария <kovach@pochta.test>",)}),
    (67, "a tag", {"emails": ("kovach+forms@pochta.test",)}),
    (74, "last name first, in capitals", {"name": "КОВАЧ МАРИЯ"}),
]  # fmt: skip


def known(**values: Any) -> Known:
    return normalise(Person(**{**PLAIN, **values}), "RU")


@pytest.mark.parametrize(("case", "what", "noise"), NOISE, ids=[f"{case} {what}" for case, what, _ in NOISE])
def test_noise_leaves_the_keys_alone(case: int, what: str, noise: Row) -> None:
    assert known(**noise).keys == known().keys
    assert known(**noise).name.key == known().name.key
    clean, noisy = (
        {**PLAIN, "phones": list(one["phones"]), "emails": list(one["emails"])} for one in (PLAIN, PLAIN | noise)
    )
    assert groups([event(1, **clean, message="Забор"), event(2, **noisy, message="Ворота")]) == 1


@pytest.mark.parametrize("field", ["name", "first_name", "last_name", "middle_name", "company", "position"])
def test_31_a_megabyte_in_a_field_hides_no_contact(field: str) -> None:
    person = known(**{field: "Ковач " * 170_000})
    assert person.keys == known().keys


@pytest.mark.parametrize("field", ["phones", "emails"])
def test_31_a_megabyte_beside_a_contact_hides_it_not(field: str) -> None:
    assert set(known(**{field: (PLAIN[field][0], "x" * 1_000_000)}).keys) == set(known().keys)
