"""How far two names agree, in words: given name, last name, middle name, each same, near, open or other.

The verdict is the same as `names.compatible`; here it comes with its parts, because a rare last name says more than
a common one and initials say little.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from hub.identity.given import known
from hub.identity.names import (
    Name,
    given_agrees,
    is_initial,
    middle_agrees,
    surname_agrees,
    turned,
)


class Agree(IntEnum):
    """How one part of two names agrees. OPEN: one side does not say."""

    OTHER = -1
    OPEN = 0
    INITIAL = 1
    NEAR = 2
    SAME = 3


@dataclass(frozen=True, slots=True)
class Likeness:
    """Two names side by side. `token` and `family` are what agreed, to be looked up among the common ones."""

    given: Agree = Agree.OPEN
    surname: Agree = Agree.OPEN
    middle: Agree = Agree.OPEN
    token: str = ""
    family: str = ""

    @property
    def compatible(self) -> bool | None:
        """True: they agree; False: two people; None: the names do not say."""
        if self.given is Agree.OTHER or (self.surname is Agree.OTHER and self.given < Agree.NEAR):
            return False
        if self.surname >= Agree.NEAR and self.middle is Agree.OTHER:
            return False
        if self.surname is Agree.OTHER or self.given < Agree.NEAR:
            return None
        return True

    @property
    def full(self) -> bool:
        """First and last name both agree, at least by letter."""
        return (self.given >= Agree.NEAR and self.surname >= Agree.INITIAL) or (
            self.surname >= Agree.NEAR and self.given is Agree.INITIAL
        )


NOTHING = Likeness()


def likeness(a: Name, b: Name) -> Likeness:
    """Compare two names in the reading that agrees most: a guessed order may be the other way round."""
    best = _side_by_side(a, b)
    for x, y in ((a, b), (b, a)):
        if "guessed" in x.flags and _rank(best) < 5:
            other = _side_by_side(turned(x), y)
            best = other if _rank(other) > _rank(best) else best
    return best


def closest(mine: Sequence[Name], theirs: Sequence[Name]) -> Likeness:
    """The most agreeing pair of two people's names."""
    found: Likeness | None = None
    for a in mine:
        for b in theirs:
            each = likeness(a, b)
            if found is None or _rank(each) > _rank(found):
                found = each
    return found or NOTHING


def _rank(one: Likeness) -> int:
    verdict = one.compatible
    base = 0 if verdict is None else 10 if verdict else -10
    return base + one.given + one.surname + one.middle


def _side_by_side(a: Name, b: Name) -> Likeness:
    given, token = _given(a, b)
    surname = _surname(a, b)
    middle = middle_agrees(a, b)
    return Likeness(
        given,
        surname,
        Agree.OPEN if middle is None else Agree.SAME if middle else Agree.OTHER,
        token,
        a.surname if surname is Agree.SAME else "",
    )


def _given(a: Name, b: Name) -> tuple[Agree, str]:
    if not (a.given and b.given):
        return Agree.OPEN, ""
    verdict = given_agrees(a, b)
    if verdict is False:
        return Agree.OTHER, ""
    if verdict is None or is_initial(a) or is_initial(b):
        return (Agree.INITIAL if is_initial(a) or is_initial(b) else Agree.NEAR), ""
    common = [one for one in a.given if one in b.given]
    return (Agree.SAME, common[0]) if common else (Agree.NEAR, "")


def _surname(a: Name, b: Name) -> Agree:
    verdict = surname_agrees(a, b)
    if verdict is None:
        return Agree.INITIAL if a.surname and b.surname else Agree.OPEN
    if not verdict:
        return Agree.OTHER
    return Agree.SAME if a.surname == b.surname else Agree.NEAR


def speaks(name: Name) -> bool:
    """Whether a name tells people apart at all: a first name that somebody may have, or a last name."""
    return bool(name.surname) or known(name.first) or len(name.first) > 1
