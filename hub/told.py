"""Sentences that rooms say: as text they are English; a page can still translate one with values in it, also after it
was stored."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any


class Told(str):
    """`text` is what is translated, with places like `%(text)s`; `values` is what was typed. A value that is itself a
    `Told` is translated, too."""

    __slots__ = ("text", "values")
    text: str
    values: Mapping[str, str]

    def __new__(cls, text: str, /, **values: str) -> Told:
        made = super().__new__(cls, text % values)
        made.text, made.values = text, values
        return made


def together(sentences: Sequence[Told]) -> Told:
    """Several sentences as one; "" for none."""
    whole = sentences[0] if sentences else Told("")
    for one in sentences[1:]:
        whole = Told("%(first)s; %(then)s", first=whole, then=one)
    return whole


def kept(sentence: str) -> str:
    """A sentence as it is stored, to be told again in whichever language it is read; "" for none."""
    return json.dumps(_plain(sentence), ensure_ascii=False) if isinstance(sentence, Told) and sentence else sentence


def _plain(sentence: str) -> Any:
    if not isinstance(sentence, Told):
        return str(sentence)
    return {"text": sentence.text, "values": {name: _plain(one) for name, one in sentence.values.items()}}


def again(stored: str) -> str:
    """What `kept` stored; what was stored as plain English before stays that."""
    try:
        found = json.loads(stored)
    except ValueError:
        return stored
    return _told(found) if isinstance(found, dict) and found.keys() == {"text", "values"} else stored


def _told(found: Any) -> str:
    if not isinstance(found, dict):
        return str(found)
    return Told(found["text"], **{name: _told(one) for name, one in found["values"].items()})


class Unusable(ValueError):
    """What was typed cannot be used; `fields` says which and why."""

    def __init__(self, fields: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{name}: {why}" for name, why in fields.items()))
        self.fields = dict(fields)
