"""The contacts as the resolver sees them: who is where, what is known of whom, and how common names are.

A register is plain memory. The whole of it is the base of a stream that is run for itself; in the hub it holds what
one batch needs, read before and written after (`hub.identity.ledger`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from hub.identity.facts import Facts
from hub.identity.judge import Pair, Verdict, judge
from hub.identity.names import Name, turned
from hub.identity.places import Places, places
from hub.identity.rules import Rules
from hub.identity.weigh import World, acquainted


@dataclass(slots=True)
class Register:
    """Contacts by number, and what has changed since the register was filled: `touched` contacts, `moved` places."""

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
    moved: set[int] = field(default_factory=set)
    grown: int = 0

    # ── asking ───────────────────────────────────────────────────────────────────────────────────

    def resolve(self, mine: Facts) -> Verdict:
        """Who the newcomer is. Changes nothing."""
        return self.compare(mine, self.near(mine))

    def near(self, mine: Facts) -> dict[int, Facts]:
        """Whom the newcomer may be: the candidates who have more in common with them than a piece of a number."""
        return self.acquaintances(mine, self.shortlist(places(mine)))

    def acquaintances(self, mine: Facts, candidates: Iterable[int]) -> dict[int, Facts]:
        """Those of some candidates, all of them known, who have more in common with the newcomer."""
        return acquainted(mine, ((number, self.people[number]) for number in candidates), self.rules)

    def stands_still(self, found: Places, candidates: Iterable[int]) -> bool:
        """Whether nothing has changed at these places, and nothing of what is known of these candidates."""
        moved = self.moved
        return moved.isdisjoint(found.exact) and moved.isdisjoint(found.fuzzy) and self.touched.isdisjoint(candidates)

    def compare(self, mine: Facts, others: Mapping[int, Facts]) -> Verdict:
        """Which of these the newcomer is. Changes nothing."""
        return judge(mine, others, self._world(mine, places(mine)), self.rules, self.apart)

    def shortlist(self, found: Places) -> list[int]:
        """The candidates of whom something is known."""
        return [number for number in self.candidates(found) if number in self.people]

    def candidates(self, found: Places) -> list[int]:
        """Everybody with an identifier in common, then those few with the most fuzzy keys in common."""
        exact = dict.fromkeys(n for there in self._at(found.exact, self.rules.crowd) for n in there)
        hits: dict[int, int] = {}
        for there in self._at(found.fuzzy, self.rules.fuzzy_crowd):
            for n in there:
                hits[n] = hits.get(n, 0) + 1
        near = sorted((-hits[n], -n) for n in hits if n not in exact)[: self.rules.fuzzy_candidates]
        return [*exact, *(-n for _, n in near)]

    def _at(self, found: Iterable[int], crowd: int) -> list[list[int]]:
        """Who is at these places; where there is a crowd, nobody."""
        held = map(self.traces.get, found)
        return [there for there in held if there and len(there) < crowd]

    def _world(self, mine: Facts, found: Places) -> World:
        holders = {name: len(self.traces.get(place, ())) for place, name in found.exact.items() if name}
        return World(self.size, self.common, holders, frozenset(self.shared & mine.ids.keys()))

    # ── changing ─────────────────────────────────────────────────────────────────────────────────

    def add(self, number: int, mine: Facts) -> None:
        """The newcomer becomes a new contact, or is known better."""
        self.touched.add(number)
        held = self.people.get(number)
        if held is None:
            self._add_new(number, mine)
        elif mine.tells(held):
            counted, traced = set(_tokens(held)), set(places(held).all())
            held.absorb(mine)
            self._count(set(_tokens(held)) - counted)
            self._trace(number, places(held), lambda place: place not in traced)
        else:
            before = held.found
            held.absorb(mine)
            held.found = before

    def stand(self, number: int, found: Container[int]) -> None:
        """Somebody we know stands at those of their places that are among these, where there is room."""
        self._trace(number, places(self.people[number]), found.__contains__)

    def _add_new(self, number: int, mine: Facts) -> None:
        self.people[number] = held = Facts(at=mine.at)
        self.size += 1
        self.grown += 1
        held.absorb(mine)
        if held == mine:
            held.found = places(mine)
        self._count(set(_tokens(held)))
        self._trace(number, places(held), lambda _place: True)

    def _count(self, tokens: Iterable[str]) -> None:
        for token in tokens:
            self.common[token] += 1
            self.counted[token] += 1

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

    def _trace(self, number: int, found: Places, wanted: Callable[[int], bool]) -> None:
        for some, crowd in ((found.exact, self.rules.crowd), (found.fuzzy, self.rules.fuzzy_crowd)):
            for place in filter(wanted, some):
                there = self.traces.setdefault(place, [])
                if number not in there and len(there) < crowd:
                    there.append(number)
                    self._note(place, number, gone=False)

    def _note(self, place: int, number: int, gone: bool) -> None:
        self.moved.add(place)
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
