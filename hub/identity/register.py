"""The contacts as the resolver sees them: who is where, what is known of whom, and how common names are.

A register is plain memory. The whole of it is the base of a stream that is run for itself; in the hub it holds what
one batch needs, read before and written after (`hub.identity.ledger`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from hub.identity.facts import Facts
from hub.identity.judge import Pair, Verdict, judge
from hub.identity.names import Name, turned
from hub.identity.places import Places, places
from hub.identity.rules import Rules
from hub.identity.weigh import World


@dataclass(slots=True)
class Register:
    """Contacts by number, and what has changed since the register was filled."""

    rules: Rules = field(default_factory=Rules)
    people: dict[int, Facts] = field(default_factory=dict)
    traces: dict[int, list[int]] = field(default_factory=dict)
    common: Counter[str] = field(default_factory=Counter)
    size: int = 0
    shared: set[str] = field(default_factory=set)
    apart: set[Pair] = field(default_factory=set)
    added: set[tuple[int, int]] = field(default_factory=set)
    removed: set[tuple[int, int]] = field(default_factory=set)
    touched: set[int] = field(default_factory=set)
    counted: Counter[str] = field(default_factory=Counter)
    grown: int = 0

    # ── asking ───────────────────────────────────────────────────────────────────────────────────

    def resolve(self, mine: Facts) -> Verdict:
        """Who the newcomer is. Changes nothing."""
        found = places(mine)
        numbers = self.shortlist(found)
        others = {number: self.people[number] for number in numbers}
        return judge(mine, others, self._world(mine, found), self.rules, self.apart)

    def shortlist(self, found: Places) -> list[int]:
        """The candidates of whom something is known."""
        return [number for number in self.candidates(found) if number in self.people]

    def candidates(self, found: Places) -> list[int]:
        """Everybody with an identifier in common, then those few with the most fuzzy keys in common."""
        exact = dict.fromkeys(n for place in found.exact for n in self._at(place))
        hits = Counter(n for place in found.fuzzy for n in self._at(place) if n not in exact)
        near = sorted(hits, key=lambda n: (-hits[n], -n))[: self.rules.fuzzy_candidates]
        return [*exact, *near]

    def _at(self, place: int) -> list[int]:
        held = self.traces.get(place, [])
        return held if len(held) < self.rules.crowd else []

    def _world(self, mine: Facts, found: Places) -> World:
        holders = {name: len(self.traces.get(place, ())) for place, name in found.exact.items() if name}
        return World(self.size, self.common, holders, frozenset(self.shared & mine.ids.keys()))

    # ── changing ─────────────────────────────────────────────────────────────────────────────────

    def add(self, number: int, mine: Facts) -> None:
        """The newcomer becomes a new contact, or is known better."""
        held = self.people.get(number)
        before = set(_tokens(held)) if held else set()
        if held is None:
            self.people[number] = held = Facts(at=mine.at)
            self.size += 1
            self.grown += 1
        held.absorb(mine)
        self.touched.add(number)
        for token in set(_tokens(held)) - before:
            self.common[token] += 1
            self.counted[token] += 1
        self._trace(number, held)

    def merge(self, winner: int, loser: int) -> None:
        """Two contacts are one: the loser is gone, all it knew is the winner's."""
        lost = self.people.pop(loser)
        for place in places(lost).all():
            if loser in self.traces.get(place, ()):
                self.traces[place].remove(loser)
            self._note(place, loser, gone=True)
        for token in _tokens(lost):
            self.common[token] -= 1
            self.counted[token] -= 1
        self.size -= 1
        self.grown -= 1
        self.touched.add(loser)
        self.add(winner, lost)

    def _trace(self, number: int, held: Facts) -> None:
        for place in places(held).all():
            there = self.traces.setdefault(place, [])
            if number not in there and len(there) < self.rules.crowd:
                there.append(number)
                self._note(place, number, gone=False)

    def _note(self, place: int, number: int, gone: bool) -> None:
        add, drop = (self.removed, self.added) if gone else (self.added, self.removed)
        if (place, number) in drop:
            drop.discard((place, number))
        else:
            add.add((place, number))


def _tokens(facts: Facts) -> Iterator[str]:
    """Names as they are counted."""
    for name in facts.names[:1]:
        if name.given and len(name.first) > 1:
            yield f"g:{name.given[0]}"
        if len(name.last) > 1:
            yield f"s:{name.surname}"


def tokens(many: Iterable[Facts]) -> set[str]:
    """Everything that may be asked of `common` when these are compared with others."""
    names = [each for facts in many for one in facts.names for each in readings(one)]
    return {f"g:{given}" for one in names for given in one.given} | {f"s:{one.surname}" for one in names}


def readings(one: Name) -> list[Name]:
    """A name, and where its order was a guess the other way to read it."""
    return [one, turned(one)] if "guessed" in one.flags else [one]
