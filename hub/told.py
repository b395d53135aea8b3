"""Complaints about what was typed: as text they are English; a page can still translate one with values in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


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


class Unusable(ValueError):
    """What was typed cannot be used; `fields` says which and why."""

    def __init__(self, fields: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{name}: {why}" for name, why in fields.items()))
        self.fields = dict(fields)
