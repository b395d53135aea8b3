"""Weights learnt from what people answered in the review: a proposal, to be looked at before anybody uses it. Pure.

Each answered pair has its evidence in bits. The weights are moved to where the answers are most likely, but a prior
holds each within a bit or two of the shipped one, so a handful of answers moves hardly anything (MAP of a logistic
regression around the shipped weights; the pairs that were asked about are a choice of their own, which the free
constant takes up). Weights that follow from how rare a name is are left alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import exp, log

from hub.identity.rules import Rules

WEIGHTS: Mapping[str, str] = {
    "account": "account", "number": "mobile", "weak_number": "doubtful_number", "shared_number": "fixed_line",
    "mailbox": "mailbox", "weak_mailbox": "repaired_mailbox", "shared_mailbox": "role_mailbox", "browser": "browser",
    "shared_browser": "shared_browser", "near_number": "near_number", "near_mailbox": "near_mailbox",
    "near_domain": "near_mailbox", "same_local_part": "same_local_part", "firm": "company", "domain": "own_domain",
    "town": "city", "other_town": "other_city", "lately": "lately", "given_near": "near_surname",
    "surname_near": "near_surname", "given_initial": "initial", "surname_initial": "initial",
    "given_other": "other_given", "surname_other": "other_surname", "middle_same": "middle",
    "middle_other": "other_middle",
}  # fmt: skip
"""Which weight stands behind a piece of evidence."""
LEAST = 10
"""So many answers of each kind are wanted before anything is learnt, and half as many about a single weight."""
SPREAD = 1.0
"""How far a weight may well be off, in bits, before anybody has answered."""
MOST = 2.0
"""No weight moves further than this."""
ROUNDS = 40
BIT = log(2)


@dataclass(frozen=True, slots=True)
class Answered:
    """One answered pair: its evidence by code, in bits, the score, and what was said."""

    pieces: Mapping[str, float]
    score: float
    same: bool

    @property
    def weights(self) -> Mapping[str, int]:
        """How often each weight stands in the score."""
        return Counter(WEIGHTS[code] for code in self.pieces if code in WEIGHTS)


@dataclass(frozen=True, slots=True)
class Line:
    """One weight: as it is, as it is proposed, and how many same and different pairs say so."""

    name: str
    old: float
    new: float
    same: int
    different: int


@dataclass(frozen=True, slots=True)
class Proposal:
    """`lines` is empty when there are too few answers. Attached are answered pairs whose score reaches the threshold,
    (same, different), before and after; the guards object besides."""

    same: int
    different: int
    lines: tuple[Line, ...] = ()
    before: tuple[int, int] = (0, 0)
    after: tuple[int, int] = (0, 0)

    @property
    def values(self) -> dict[str, float]:
        """The weights that would change, as the setting `identity` takes them."""
        return {line.name: line.new for line in self.lines if line.new != line.old}


def propose(pairs: Sequence[Answered], rules: Rules) -> Proposal:
    """What the answers say about the weights."""
    same = sum(pair.same for pair in pairs)
    short = Proposal(same, len(pairs) - same)
    if min(short.same, short.different) < LEAST:
        return short
    seen = Counter(name for pair in pairs for name in pair.weights)
    names = sorted(name for name, count in seen.items() if count >= LEAST // 2)
    moved = _moved(pairs, names)
    lines = []
    for name in names:
        told = [pair.same for pair in pairs if name in pair.weights]
        old = float(getattr(rules, name))
        lines.append(Line(name, old, round(old + moved[name], 1), sum(told), len(told) - sum(told)))
    deltas = {line.name: line.new - line.old for line in lines}
    before, after = (_attached(pairs, rules.attach, by) for by in ({}, deltas))
    return replace(short, lines=tuple(lines), before=before, after=after)


def _attached(pairs: Sequence[Answered], attach: float, moved: Mapping[str, float]) -> tuple[int, int]:
    reached = [pair.same for pair in pairs if _score(pair, moved) >= attach]
    return sum(reached), len(reached) - sum(reached)


def _score(pair: Answered, moved: Mapping[str, float]) -> float:
    return pair.score + sum(times * moved.get(name, 0.0) for name, times in pair.weights.items())


def _moved(pairs: Sequence[Answered], names: Sequence[str]) -> dict[str, float]:
    """One weight after the other is put where the answers and the prior pull equally."""
    moved = dict.fromkeys(names, 0.0)
    about = {name: [(pair, pair.weights[name]) for pair in pairs if name in pair.weights] for name in names}
    everybody = [(pair, 1) for pair in pairs]
    offset = 0.0
    for _ in range(ROUNDS):
        offset += _step(everybody, moved, offset, 0.0, 1e-3)
        for name in names:
            step = _step(about[name], moved, offset, moved[name], SPREAD**-2)
            moved[name] = max(-MOST, min(MOST, moved[name] + step))
    return moved


def _step(
    about: Sequence[tuple[Answered, int]], moved: Mapping[str, float], offset: float, value: float, prior: float
) -> float:
    """Newton's step for one weight, at most a bit."""
    pull, bend = -value * prior, prior
    for pair, times in about:
        likely = 1 / (1 + exp(-max(-40.0, min(40.0, BIT * (_score(pair, moved) + offset)))))
        pull += BIT * times * (pair.same - likely)
        bend += (BIT * times) ** 2 * likely * (1 - likely)
    return max(-1.0, min(1.0, pull / bend))
