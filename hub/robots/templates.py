"""Texts with places to fill: `{name}`, or `{name|dear client}` with what to say when nothing is known.

A text with a place that would stay empty is never filled: `Unfilled` names the place instead.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from hub.told import Told

PLACE = re.compile(r"\{([a-z_]+)(?:\|([^{}]*))?\}")
BROKEN = re.compile(r"[{}]")


class Unfilled(ValueError):
    """Nothing is known for these places, or they are no places; the text must not leave."""


def names_in(text: str) -> tuple[str, ...]:
    """Names of the places, in order."""
    return tuple(match[1] for match in PLACE.finditer(text))


def fill(text: str, values: Mapping[str, str]) -> str:
    """The text with every place filled. What is put in is never looked at for places again."""
    left = BROKEN.search(PLACE.sub("", text))
    if left:
        brace = "“%(text)s” has a brace that is no place: write {name} or {name|instead}"
        raise Unfilled(Told(brace, text=text[:60]))
    empty = [match[1] for match in PLACE.finditer(text) if not (values.get(match[1], "").strip() or match[2])]
    if empty:
        names = ", ".join(f"{{{name}}}" for name in dict.fromkeys(empty))
        raise Unfilled(Told("nothing is known for %(names)s", names=names))
    return PLACE.sub(lambda match: values.get(match[1], "").strip() or str(match[2]), text)
