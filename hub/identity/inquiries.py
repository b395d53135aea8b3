"""Same inquiry or a new one? A month of silence or another named product makes a new one. Pure.

When in doubt a new inquiry: two leads of one person are seen by the desk, a swallowed one is not.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from hub.identity.rules import DAY_S
from hub.identity.text import bare

WORD = re.compile(r"[^\W\d_]{3,}")
SIGNATURE = re.compile(r"\n-- ?\n|\n--\s|\n_{5,}")
ADDRESS = re.compile(r"\S+@\S+|https?:\S+")
STEM, TOPIC = 5, 3
WELL_KNOWN = 6
SAME_TALK_S = 2 * DAY_S
SEEN, STRAY = 3, 0.3


@dataclass(slots=True)
class Running:
    """One inquiry of a person: its id, when it was last heard of, and the product it is about ("" if not said).

    `told` says that a form, an ad or a tracked number named the product; `words` wait for that.
    """

    id: str
    last: int
    product: str = ""
    told: bool = False
    words: list[str] = field(default_factory=list)
    topic: frozenset[str] = frozenset()


@dataclass(slots=True)
class Products:
    """Which words go with which product, learnt from the messages of inquiries whose form or ad named it."""

    votes: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    heard: Counter[str] = field(default_factory=Counter)
    openings: dict[str, list[int]] = field(default_factory=lambda: defaultdict(lambda: [0, 0]))

    def learn(self, inquiry: Running, text: str, first: bool) -> None:
        """A message of an inquiry, its first or a later one; its words count once the product is told."""
        inquiry.words += stems(text)
        for stem in stems(text):
            self.openings[stem][first] += 1
        inquiry.topic |= self.topic(text)
        if inquiry.told:
            self.heard[inquiry.product] += bool(inquiry.words)
            for stem in inquiry.words:
                self.votes[stem[:STEM]][inquiry.product] += 1
            inquiry.words = []

    def topic(self, text: str) -> frozenset[str]:
        """What a message is about, by its less common words; nothing if it is not how inquiries begin."""
        words = stems(text)
        if not any(self._opens(stem) for stem in words):
            return frozenset()
        return frozenset(stem for stem in words if not self._common(stem))

    def _opens(self, stem: str) -> bool:
        later, first = self.openings.get(stem, (0, 0))
        return first >= 5 and first >= 4 * later

    def _common(self, stem: str) -> bool:
        """Whether a word goes with every product."""
        votes = self.votes.get(stem)
        return (
            votes is not None
            and votes.total() > 5
            and len(votes) > 2
            and not _speaks(votes.most_common(1)[0][1], votes.total())
        )

    def strange(self, product: str, topic: frozenset[str]) -> bool:
        """Whether nobody who asked for this well-known product ever used such words."""
        used = any(self.votes[stem].get(product) for stem in topic if stem in self.votes)
        return bool(topic) and self.heard[product] >= WELL_KNOWN and not used

    def about(self, inquiry: Running) -> str:
        """The product of an inquiry as far as is known by now: its words may have been learnt since."""
        return inquiry.product or self.named(inquiry.words)

    def named(self, words: Iterable[str]) -> str:
        """The product that words name, "" when they go with none or with several."""
        found: Counter[str] = Counter()
        for stem in words:
            if stem in self.votes:
                votes = self.votes[stem]
                product, most = votes.most_common(1)[0]
                found[product] += _speaks(most, votes.total())
        product, weight = found.most_common(1)[0] if found else ("", 0)
        return product if weight else ""


def _speaks(most: int, total: int) -> int:
    """How much a word says for its product; few hearings have to be all alike."""
    return most if total >= SEEN and total - most <= (total - SEEN + 1) * STRAY else 0


def stems(text: str) -> dict[str, None]:
    """Beginnings of the words of a message, without its signature and addresses."""
    plain = ADDRESS.sub(" ", bare(SIGNATURE.split(text[:1000], maxsplit=1)[0]))
    return dict.fromkeys(word.casefold()[:STEM] for word in WORD.findall(plain))


def joined(ours: list[Running], theirs: list[Running], silence_days: float) -> list[Running]:
    """The inquiries of two contacts that are one person, in order; the last of each are one unless products differ."""
    every = sorted([*ours, *theirs], key=lambda one: one.last)
    if not (ours and theirs):
        return every
    a, b = ours[-1], theirs[-1]
    apart = abs(a.last - b.last) > silence_days * DAY_S or (a.product and b.product and a.product != b.product)
    if apart:
        return every
    older, newer = (a, b) if a.last <= b.last else (b, a)
    newer.product, newer.told = newer.product or older.product, newer.told or older.told
    newer.topic, newer.words = newer.topic | older.topic, older.words + newer.words
    return [one for one in every if one is not older]


def continues(
    running: list[Running], product: str, topic: frozenset[str], at: int, silence_days: float, products: Products
) -> Running | None:
    """The inquiry that an arrival of this person belongs to, None if it is a new one.

    Who begins anew with words that have nothing in common with the last beginning asks for something else.
    """
    newest = running[-1] if running else None
    if newest is None or at - newest.last > silence_days * DAY_S:
        return None
    newest.product = products.about(newest)
    if product and newest.product:
        return newest if newest.product == product else None
    if at - newest.last <= SAME_TALK_S:
        return newest
    anew = bool(topic and newest.topic) and not _heads(topic) & _heads(newest.topic)
    strange = (product and products.strange(product, newest.topic)) or (
        newest.product and products.strange(newest.product, topic)
    )
    return None if anew or strange else newest


def _heads(topic: frozenset[str]) -> set[str]:
    return {stem[:TOPIC] for stem in topic}
