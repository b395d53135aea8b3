"""Answers of a Typeform response together with the questions they answer."""

from __future__ import annotations

import re
from typing import Any

from connectors.contract import Consent, Value
from connectors.reading import flatten, text

_PERSONAL = ("phone_number", "email")


class Answers:
    """Answers with the questions they belong to; a question missing from the definition has only its ref."""

    def __init__(self, answers: list[dict[str, Any]], fields: list[dict[str, Any]]) -> None:
        self.answers = answers
        self.titles = {text(one.get("id")): _title(text(one.get("title"))) for one in fields}

    def of(self, kind: str) -> tuple[str, ...]:
        """The filled answers of one type."""
        return tuple(text(_value(one)) for one in self.answers if one.get("type") == kind and _value(one))

    def fields(self) -> dict[str, Value]:
        """Everything but phones and e-mails, by ref; a ref that comes twice gets a number."""
        found: dict[str, Value] = {}
        for answer in self.answers:
            if answer.get("type") not in _PERSONAL:
                ref = _ref(answer)
                found[f"{ref}.{len(found)}" if ref in found else ref] = _value(answer)
        return flatten(found)

    def text(self) -> str:
        """Questions and answers in order, a line each."""
        return "\n".join(f"{self._title(one)}: {text(_value(one))}" for one in self.answers)

    def consent(self) -> Consent | None:
        """The first question of kind "legal"."""
        asked = [one for one in self.answers if as_object(one.get("field")).get("type") == "legal"]
        return Consent(_value(asked[0]) is True, self._title(asked[0])) if asked else None

    def _title(self, answer: dict[str, Any]) -> str:
        return self.titles.get(text(as_object(answer.get("field")).get("id"))) or _ref(answer)


def _ref(answer: dict[str, Any]) -> str:
    field = as_object(answer.get("field"))
    return text(field.get("ref")) or text(field.get("id")) or text(answer.get("type")) or "answer"


def _title(told: str) -> str:
    r"""Titles carry line breaks, written as `\n` too, and Markdown stars."""
    return re.sub(r"(\\n|\s|\*)+", " ", told).strip()


def _value(answer: dict[str, Any]) -> Value:
    """The value stands under the name of its type; choices are objects with labels and a free "other"."""
    value = answer.get(text(answer.get("type")))
    if not isinstance(value, dict):
        return value
    labels = value.get("labels") if isinstance(value.get("labels"), list) else [value.get("label")]
    chosen = [one for one in [*(labels or []), value.get("other")] if one]
    return (chosen if "labels" in value else text(chosen)) if chosen else value


def as_object(value: Value) -> dict[str, Any]:
    """The value, or {} where it is not an object."""
    return value if isinstance(value, dict) else {}


def as_objects(value: Value) -> list[dict[str, Any]]:
    """The objects of a list, [] where it is none."""
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
