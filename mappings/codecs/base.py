"""What every codec is: a pair of pure functions between a CRM's value and the hub's value, and their equality.

Guarantees: nothing is guessed. What cannot be read comes back as `Kept`, with the value as it was and the
reason; what cannot be written comes back as `Kept` too, and then nothing is sent.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from random import Random
from typing import ClassVar

from connectors.contract import Value

Choices = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Kept:
    """A value that stays as it was. `why` is one sentence; `value` is the part that could be read (of a list)."""

    raw: Value
    why: str
    value: Value = None


def blank(value: Value) -> bool:
    """None, empty text, and empty list or dict say nothing; 0 and False do."""
    return value is None or value == "" or value == [] or value == {}


def is_number(value: Value) -> bool:
    """A JSON number; `bool` is none, although Python says so."""
    return isinstance(value, int | float) and not isinstance(value, bool)


@dataclass(frozen=True, slots=True)
class Codec:
    """A named pair of functions. Fields of a subclass are the arguments of a mapping line.

    `makes` is the type of the hub's value (text, list, decimal, bool, date, instant, "" for any); `takes` are the types
    of CRM fields it fits (`connectors.contract.Field.type`), empty for any. `ordered` values know max and min,
    `many` values know union. `one_way` names the only direction a line with it may have.
    """

    name: ClassVar[str]
    about: ClassVar[str]
    makes: ClassVar[str] = "text"
    takes: ClassVar[frozenset[str]] = frozenset()
    ordered: ClassVar[bool] = False
    many: ClassVar[bool] = False
    one_way: ClassVar[str] = ""
    choices: ClassVar[Mapping[str, Choices]] = {}
    needs: ClassVar[Choices] = ()

    def into(self, raw: Value) -> Value:
        """The hub's value of what the CRM shows; None for a blank, `Kept` for what cannot be read."""
        if raw is None or raw == "" or raw == []:
            return None
        return self.read(raw)

    def out(self, hub: Value) -> Value:
        """What to send for a hub value; None clears, `Kept` when this CRM field cannot hold it."""
        if hub is None or hub == "" or hub == []:
            return None
        return self.write(hub)

    def put(self, hub: Value, before: Value) -> Value:
        """`out`, knowing what the CRM holds now: lists keep the parts we did not change or understand."""
        return self.out(hub)

    def same(self, a: Value, b: Value) -> bool:
        """Whether two hub values mean the same here."""
        return a == b or self._form(a) == self._form(b)

    def _form(self, hub: Value) -> Hashable:
        if hub is None or hub == "" or hub == []:
            return None
        return self.key(hub)

    def read(self, raw: Value) -> Value:
        """`into` of a value that is not blank."""
        raise NotImplementedError

    def write(self, hub: Value) -> Value:
        """`out` of a value that is not blank."""
        raise NotImplementedError

    def key(self, hub: Value) -> Hashable:
        """Comparable form of a hub value that is not blank."""
        return str(hub)

    def hub_example(self, chance: Random) -> Value:
        """One possible hub value, for the lens laws."""
        raise NotImplementedError

    def raw_example(self, chance: Random) -> Value:
        """One value as people and CRMs write it, readable or not."""
        return self.out(self.hub_example(chance))

    def hub_examples(self, chance: Random) -> Iterator[Value]:
        """Endless hub values."""
        while True:
            yield self.hub_example(chance)

    def raw_examples(self, chance: Random) -> Iterator[Value]:
        """Endless CRM values."""
        while True:
            yield self.raw_example(chance)


_WORDS = (
    "Anna",
    "Пётр",
    "Nguyễn",
    "price",
    "two words",
    "кухня",
    "O'Neil",
    "a,b;c",
    "<b>",
    "{{x}}",
    "🙂",
    "é",
    "0",
    "N/A",
)


def words(chance: Random, most: int = 4) -> str:
    """A text as it may stand in a field."""
    return " ".join(chance.choice(_WORDS) for _ in range(chance.randint(1, most)))


def fold(text: str) -> str:
    """A word for comparing: one case, ё as е, single spaces."""
    return re.sub(r"\s+", " ", text).strip().casefold().replace("ё", "е")
