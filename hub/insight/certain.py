"""Exact tests for small counts: how probable is it that so few came by chance? No approximations, no libraries.

`few_of` is the lower tail of the binomial distribution (Clopper and Pearson 1934). `fewer_than_others` is the lower
tail of the conditional distribution in one or several 2×2 tables (Fisher 1934; several tables: the exact version of the
test of Mantel and Haenszel 1959): a person with few wins is compared with colleagues within each campaign, so that
nobody is blamed for the leads they were given. `certain` corrects for looking at many at once (Holm 1979).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import exp, lgamma, log, log1p
from typing import TypeVar

Key = TypeVar("Key")
Table = tuple[int, int, int, int]
"""Own wins, own tries, wins of the others, tries of the others."""


def few_of(wins: int, tries: int, share: float) -> float:
    """Probability of at most so many wins in so many tries when each is won with this probability."""
    return min(1.0, sum(exp(_choose(tries, n) + n * log(share) + (tries - n) * log1p(-share)) for n in range(wins + 1)))


def _choose(n: int, k: int) -> float:
    """Logarithm of the number of ways to choose k of n."""
    return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)


def fewer_than_others(tables: Sequence[Table]) -> float:
    """Probability of at most so many own wins, over all tables together, were wins dealt out without regard to who."""
    mine, total = 0, [1.0]
    for wins, tries, other_wins, other_tries in tables:
        if tries and other_tries:
            mine += wins - max(0, wins + other_wins - other_tries)
            total = _convolved(total, _dealt(tries, other_tries, wins + other_wins))
    return min(1.0, sum(total[: mine + 1]))


def _dealt(mine: int, others: int, wins: int) -> list[float]:
    """Probabilities of the fewest possible own wins, one more, and so on."""
    ways = _choose(mine + others, wins)
    fewest, most = max(0, wins - others), min(mine, wins)
    return [exp(_choose(mine, n) + _choose(others, wins - n) - ways) for n in range(fewest, most + 1)]


def _convolved(one: Sequence[float], other: Sequence[float]) -> list[float]:
    made = [0.0] * (len(one) + len(other) - 1)
    for place, left in enumerate(one):
        for step, right in enumerate(other):
            made[place + step] += left * right
    return made


def certain(chances: Mapping[Key, float], at_most: float) -> list[Key]:
    """Those that are no chance, least probable first; in `at_most` of cases there is a false one among them."""
    ordered = sorted(chances, key=lambda key: (chances[key], str(key)))
    found = []
    for place, key in enumerate(ordered):
        if chances[key] > at_most / (len(ordered) - place):
            break
        found.append(key)
    return found
