"""A complaint with values in it, which a page can still translate: as text it is English, with everything filled in."""

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
