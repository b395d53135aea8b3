"""Complaints about what was typed: as text they are English; a page can still translate one with values in it."""

from __future__ import annotations

from collections.abc import Mapping


class Told(str):
    """`text` is what is translated, with places like `%(text)s`; `values` is what was typed."""

    __slots__ = ("text", "values")
    text: str
    values: Mapping[str, str]

    def __new__(cls, text: str, /, **values: str) -> Told:
        made = super().__new__(cls, text % values)
        made.text, made.values = text, values
        return made


class Unusable(ValueError):
    """What was typed cannot be used; `fields` says which and why."""

    def __init__(self, fields: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{name}: {why}" for name, why in fields.items()))
        self.fields = dict(fields)
