"""Given names: which names a spelling, a nickname or a foreign form may stand for."""

from __future__ import annotations

from hub.identity.data import given_names
from hub.identity.text import skeleton


def _read_groups() -> dict[str, tuple[str, ...]]:
    """Skeleton of every spelling → the names it may stand for; a group is called by its head."""
    groups: dict[str, set[str]] = {}
    for block in (given_names.RUSSIAN, given_names.ENGLISH, given_names.EUROPEAN):
        for line in block.strip().splitlines():
            head, *others = line.split()
            for spelling in (head, *others):
                groups.setdefault(skeleton(spelling), set()).add(skeleton(head))
    return {spelling: tuple(sorted(heads)) for spelling, heads in groups.items()}


GROUPS = _read_groups()
INITIALS: dict[str, frozenset[str]] = {}
for _spelling, _heads in GROUPS.items():
    for _head in _heads:
        INITIALS[_head] = INITIALS.get(_head, frozenset()) | {_spelling[0]}


def known(word: str) -> bool:
    """Whether somebody may be called that."""
    return skeleton(word) in GROUPS


def groups(first: str) -> tuple[str, ...]:
    """Names a first name may stand for: Саша → aleksandr, aleksandra; an unknown one stands for itself."""
    word = skeleton(first)
    return GROUPS.get(word) or ((word,) if word else ())


def initials(names: tuple[str, ...]) -> set[str]:
    """First letters under which the names may be abbreviated: Tina signs as T. or, being Christina, as C."""
    return {letter for name in names for letter in INITIALS.get(name, name[:1])}
