"""What is compared: identifiers, names, firms and towns of one arrival or of one contact, in one compact form.

An identifier is written `kind:value`: `p:+79161234567` a number, `m:ivan@mail.test` a mailbox by its key,
`v:...` a browser, `telegram:1234` and its like an account. Times are whole seconds. Everything here can be made
anew from the stored inquiries, so a form that is no longer understood is no loss.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import orjson

from hub.identity.given import groups
from hub.identity.names import Name, fold_surname

if TYPE_CHECKING:
    from hub.identity.places import Places

NAMES_KEPT = 5
IDS_KEPT = 24
WORDS_KEPT = 4

PERSONAL, SHARED, WEAK = 2, 1, 0


@dataclass(slots=True)
class Tie:
    """How one identifier belongs to somebody: strength, times seen, first and last time, whether it is verified."""

    strength: int
    times: int = 1
    first: int = 0
    last: int = 0
    verified: bool = False

    def also(self, other: Tie) -> None:
        """The same identifier seen once more, or on the other side of a merge."""
        self.strength = (
            min(self.strength, other.strength)
            if SHARED in (self.strength, other.strength)
            else max(self.strength, other.strength)
        )
        self.times += other.times
        self.first, self.last = min(self.first, other.first), max(self.last, other.last)
        self.verified = self.verified or other.verified


@dataclass(slots=True)
class Facts:
    """One side of a comparison. `ids` by `kind:value`; `firms` are name keys, `domains` own mail domains.

    `found` are its places once somebody asked for them (`hub.identity.places`); what is absorbed makes them anew.
    """

    ids: dict[str, Tie] = field(default_factory=dict)
    names: list[Name] = field(default_factory=list)
    firms: list[str] = field(default_factory=list)
    domains: list[str] = field(default_factory=list)
    towns: list[str] = field(default_factory=list)
    at: int = 0
    said: dict[str, Any] = field(default_factory=dict)
    found: Places | None = field(default=None, compare=False, repr=False)

    def of(self, kind: str) -> list[str]:
        """Values of one kind of identifier."""
        mark = kind + ":"
        size = len(mark)
        return [place[size:] for place in self.ids if place[:size] == mark]

    @property
    def reachable(self) -> bool:
        """Whether there is more than a browser."""
        return any(not place.startswith("v:") for place in self.ids)

    def tells(self, other: Facts) -> bool:
        """Whether we know something that the other side does not and by which somebody is found."""
        held = other.ids
        return (
            any(p not in held or SHARED in (held[p].strength, tie.strength) for p, tie in self.ids.items())
            or _added(other.names, self.names) is not other.names
            or not (set(other.firms).issuperset(self.firms) and set(other.domains).issuperset(self.domains))
        )

    def absorb(self, other: Facts) -> None:
        """All that the other side knows is ours too; the oldest names and identifiers give way when it is too much."""
        for place, tie in other.ids.items():
            held = self.ids.get(place)
            if held is None:
                self.ids[place] = Tie(tie.strength, tie.times, tie.first, tie.last, tie.verified)
            else:
                held.also(tie)
        if len(self.ids) > IDS_KEPT:
            newest = sorted(self.ids.items(), key=lambda pair: (pair[1].strength, pair[1].last), reverse=True)
            self.ids = dict(newest[:IDS_KEPT])
        self.names = _added(self.names, other.names)
        self.firms = _merged(self.firms, other.firms)
        self.domains = _merged(self.domains, other.domains)
        self.towns = _merged(self.towns, other.towns)
        self.at = max(self.at, other.at)
        self.found = None


def _merged(held: list[str], more: list[str]) -> list[str]:
    if not more:
        return held
    news = [one for one in more if one not in held]
    return (held + news)[-WORDS_KEPT:] if news else held


def _signature(name: Name) -> tuple[object, ...]:
    return name.given, name.surname, name.middle[:1]


def _added(held: list[Name], more: list[Name]) -> list[Name]:
    if not more:
        return held
    seen = {_signature(name) for name in held}
    news = [name for name in more if (name.given or name.surname) and _signature(name) not in seen]
    if not news:
        return held
    both = held + news
    both.sort(key=_said, reverse=True)
    return both[:NAMES_KEPT]


def _said(name: Name) -> int:
    """How much a name says: whole words before initials, both names before one."""
    return (len(name.first) > 1) * 2 + (len(name.last) > 1) * 2 + bool(name.middle)


# ── as stored ────────────────────────────────────────────────────────────────────────────────────


def dumped(facts: Facts) -> str:
    """Facts as one line of JSON."""
    row: list[Any] = [
        {p: [t.strength, t.times, t.first, t.last - t.first, int(t.verified)] for p, t in facts.ids.items()},
        [[n.first, n.last, n.middle, "g" if "guessed" in n.flags else ""] for n in facts.names],
        facts.firms,
        facts.domains,
        facts.towns,
        facts.at,
        facts.said,
    ]
    return orjson.dumps(row).decode()


def loaded(text: str) -> Facts:
    """The other way; what was written by no version of ours raises ValueError."""
    ids, names, firms, domains, towns, at, said = orjson.loads(text)
    return Facts(
        {p: Tie(s, n, first, first + more, bool(v)) for p, (s, n, first, more, v) in ids.items()},
        [stored_name(*one) for one in names],
        firms,
        domains,
        towns,
        at,
        said,
    )


@lru_cache(maxsize=1 << 13)
def stored_name(first: str, last: str, middle: str, mark: str) -> Name:
    """A name whose words are known already."""
    flags = ("guessed",) if mark else ()
    return Name(first, last, middle, "", "", "", flags, groups(first), fold_surname(last))
