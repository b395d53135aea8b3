"""Junk takes several signs: what a form writes by itself is none, and a lead is not refused lightly."""

from __future__ import annotations

import pytest

from connectors.contract import Person
from hub.identity.junk import is_junk, signs
from hub.identity.normalize import normalise


def junk(text: str, **person: str) -> bool:
    one = Person(
        name=person.get("name", ""), phones=tuple(filter(None, [person.get("phone")])),
        emails=tuple(filter(None, [person.get("email")])),
    )  # fmt: skip
    return is_junk(signs(normalise(one, "RU"), text, "", one.phones, one.emails))


@pytest.mark.parametrize("text", ["Message 5", "message", "Lead form", "заявка", "Name", "Связи", "1 2 3"])
@pytest.mark.parametrize("person", [{}, {"name": "Nora Feld"}, {"phone": "+79161234507"}])
def test_a_forms_own_words_are_no_test(text: str, person: dict[str, str]) -> None:
    assert not junk(text, email="person5@example.com", **person)


@pytest.mark.parametrize("text", ["test", "Тест", "Test message 5", "тестовая заявка", "проверка формы"])
def test_a_test_says_so(text: str) -> None:
    assert junk(text, email="person5@example.com")
    assert junk(text, name="Тест")
    assert not junk(text, name="Nora Feld", email="nora@pochta.test"), "one sign is not enough"
