"""The scorer on any table of people: columns instead of contacts, one row at a time, no labels and no training.

Every field that agrees counts log2(rows / rows with that value) bits, a near one a good half of that, a different
one takes some off, an empty one says nothing. A row joins every group it reaches the threshold with.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import log2

from rapidfuzz.distance import OSA, JaroWinkler

from hub.identity.given import groups
from hub.identity.names import fold_surname
from hub.identity.text import bare, skeleton


class Kind(StrEnum):
    """What a column holds."""

    GIVEN = "given"
    SURNAME = "surname"
    DATE = "date"  # digits in any one order
    ID = "id"  # a number that one person has
    TEXT = "text"
    CODE = "code"  # a house number, a postcode, a state


@dataclass(frozen=True, slots=True)
class Weights:
    """Most bits of an agreement, share of them for a near one, and bits taken off for a difference."""

    most: float
    near: float
    differs: float


WEIGHTS = {
    Kind.GIVEN: Weights(8, 0.6, -2.0),
    Kind.SURNAME: Weights(9, 0.6, -2.0),
    Kind.DATE: Weights(12, 0.6, -2.5),
    Kind.ID: Weights(14, 0.7, -3.0),
    Kind.TEXT: Weights(9, 0.6, -1.0),
    Kind.CODE: Weights(6, 0.4, -1.0),
}
THRESHOLD = 14.0
CROWD = 60
Row = tuple[str, ...]


def groups_of(rows: Sequence[Mapping[str, str]], fields: Mapping[str, Kind], threshold: float = THRESHOLD) -> list[int]:
    """The group of each row, by the number of its first row. `fields`: column → what it holds."""
    kinds = tuple(fields.values())
    plain = [tuple(_plain(row.get(name) or "", kind) for name, kind in fields.items()) for row in rows]
    common = [Counter(values) for values in zip(*plain, strict=True)] if plain else []
    found = _Groups(len(plain))
    places: dict[tuple[object, ...], list[int]] = defaultdict(list)
    for number, row in enumerate(plain):
        keys = dict.fromkeys(_keys(row, kinds))
        for other in dict.fromkeys(n for key in keys if len(places[key]) < CROWD for n in places[key]):
            if _score(row, plain[other], kinds, common, len(plain)) >= threshold:
                found.join(other, number)
        for key in keys:
            places[key].append(number)
    return [found.head(number) for number in range(len(plain))]


class _Groups:
    def __init__(self, size: int) -> None:
        self._into = list(range(size))

    def head(self, number: int) -> int:
        while self._into[number] != number:
            self._into[number] = self._into[self._into[number]]
            number = self._into[number]
        return number

    def join(self, a: int, b: int) -> None:
        first, second = sorted((self.head(a), self.head(b)))
        self._into[second] = first


def _plain(value: str, kind: Kind) -> str:
    text = bare(value[:300])
    if kind is Kind.GIVEN:
        return (groups(text) or ("",))[0]
    if kind is Kind.SURNAME:
        return fold_surname(text)
    if kind is Kind.TEXT:
        return " ".join(skeleton(word) for word in text.split())
    return "".join(c for c in text.casefold() if c.isalnum())


def _keys(row: Row, kinds: Sequence[Kind]) -> Iterator[tuple[object, ...]]:
    """Any two fields that agree, whatever they hold, and ends of long ones: a slip leaves one of them whole."""
    filled = [(i, value) for i, value in enumerate(row) if value and kinds[i] is not Kind.CODE]
    codes = [(i, value) for i, value in enumerate(row) if value and kinds[i] is Kind.CODE and len(value) > 2]
    for at, (i, value) in enumerate(filled):
        if kinds[i] is Kind.ID:
            yield i, value
        for j, other in (*filled[at + 1 :], *codes):
            yield i, j, value, other
            yield i, j, value[:3], other
            yield i, j, value, other[:3]


def _score(a: Row, b: Row, kinds: Sequence[Kind], common: Sequence[Counter[str]], size: int) -> float:
    total = sum(_bits(x, y, kinds[i], common[i], size) for i, (x, y) in enumerate(zip(a, b, strict=True)))
    names = [i for i, kind in enumerate(kinds) if kind in (Kind.GIVEN, Kind.SURNAME)]
    if len(names) == 2 and a[names[0]] and a[names[0]] == b[names[1]] and a[names[1]] == b[names[0]]:
        total += 14.0  # first and last name in each other's column
    return total


def _bits(x: str, y: str, kind: Kind, common: Counter[str], size: int) -> float:
    if not x or not y:
        return 0.0
    weights = WEIGHTS[kind]
    rare = min(weights.most, max(0.5, log2(size / max(common[x], common[y]))))
    if x == y:
        return rare
    return weights.near * rare if _near(x, y, kind) else weights.differs


def _near(x: str, y: str, kind: Kind) -> bool:
    if kind in (Kind.ID, Kind.DATE, Kind.CODE):
        return min(len(x), len(y)) > 2 and (OSA.distance(x, y, score_cutoff=1) <= 1 or _turned(x, y, kind))
    return OSA.distance(x, y, score_cutoff=2) <= 1 + (min(len(x), len(y)) > 6) or JaroWinkler.similarity(x, y) >= 0.92


def _turned(x: str, y: str, kind: Kind) -> bool:
    """Day and month in each other's place."""
    return kind is Kind.DATE and len(x) == len(y) == 8 and x[:4] == y[:4] and x[4:] == y[6:] + y[4:6]
