"""Where to look for candidates: exact and fuzzy keys of facts, each a number of 63 bits.

A fuzzy key is equal for two records that differ in one slip: one wrong digit leaves one half of a number whole,
one wrong letter one end of a mailbox. Keys are only looked up for equality, so looking takes O(log n). What a key
found is compared value by value afterwards: two keys that share a number by chance cost a comparison, no more.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b

from hub.identity.facts import SHARED, Facts
from hub.identity.names import Name

MASK = (1 << 63) - 1
SHORT_LOCAL = 5


@dataclass(frozen=True, slots=True)
class Places:
    """Looked up in this order: exact ones by identifier, then the fuzzy ones."""

    exact: dict[int, str]
    fuzzy: tuple[int, ...]

    def all(self) -> list[int]:
        return [*self.exact, *self.fuzzy]


def place_of(text: str) -> int:
    """The number of a key; the same everywhere and for ever."""
    return int.from_bytes(blake2b(text.encode("utf-8", "replace"), digest_size=8).digest()) & MASK


def number_of(contact_id: str) -> int:
    """The number of a contact: 42 bits of the time in its id and 21 of chance, so that it grows with age."""
    try:
        raw = int(contact_id, 32) if len(contact_id) == 26 else 0
    except ValueError:
        raw = 0
    return raw >> 61 & MASK if raw else place_of(contact_id)


def places(facts: Facts) -> Places:
    """All keys of somebody; remembered until the facts become others."""
    if facts.found is None:
        facts.found = _places(facts)
    return facts.found


def _places(facts: Facts) -> Places:
    exact = {place_of(one): one for one in facts.ids}
    full = next((f"{n.surname} {n.given[0]}" for n in facts.names if n.surname and n.given and len(n.first) > 1), "")
    if full:
        # Of the two dozen who may be listed under a desk's number, this one is found by name.
        exact.update((place_of(f"{p}|{full}"), "") for p, tie in facts.ids.items() if tie.strength == SHARED)
    fuzzy = dict.fromkeys(map(place_of, _fuzzy(facts)))
    return Places(exact, tuple(p for p in fuzzy if p not in exact))


def _fuzzy(facts: Facts) -> list[str]:
    tokens = _tokens(facts.names)
    found: list[str] = []
    for number in facts.of("p"):
        found += _halves(number, tokens)
    for mailbox in facts.of("m"):
        found += _ends(mailbox, tokens)
    for name in facts.names[:2] if facts.firms or facts.domains else ():
        if name.surname and name.given and len(name.first) > 1:
            found += [f"c|{firm}|{name.surname}|{name.given[0]}" for firm in (*facts.firms, *facts.domains)]
    return found


def _tokens(names: list[Name]) -> list[str]:
    """What a fuzzy key holds of a name: the given names and the beginning of the last name."""
    tokens: dict[str, None] = {}
    for name in names[:2]:
        if len(name.first) > 1:
            tokens.update(dict.fromkeys(name.given[:2]))
        if len(name.last) > 3:
            tokens[name.surname[:4]] = None
    return list(tokens)[:3]


def _halves(number: str, tokens: list[str]) -> list[str]:
    digits = number[1:]
    head, tail = digits[-10:-5], digits[-5:]
    found = [f"9|{digits[-9:]}"]
    for token in tokens:
        found += (f"h|{head}|{token}", f"t|{tail}|{token}")
    return found


def _ends(mailbox: str, tokens: list[str]) -> list[str]:
    local = mailbox.rpartition("@")[0]
    if len(local) < SHORT_LOCAL:
        return []
    half = len(local) // 2
    found = [f"l|{local}"]
    for token in tokens[:2]:
        found += (f"b|{local[:half]}|{token}", f"e|{local[-half:]}|{token}")
    return found
