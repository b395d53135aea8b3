"""Strict weighted rotation: while shares stand, everybody has always been given within one lead of the exact share.

With each turn everybody who takes part is owed their part of a lead, and whoever gets the lead pays a whole one. Of
those who are owed something it is the turn of the one who would be the first to fall a whole lead behind. (To choose
the richest, as smooth round robin does, lets people with small shares fall up to a lead and a quarter behind: seen
with seven people.) Credits are rows, so the order survives restarts and can be replayed from the ledger.

Who is away, full or lacks the skill takes no part in that turn: nothing is owed, credit stays as it is. When those who
take part change with every lead, no rule that does not know the future keeps everybody within one lead (k people who
drop out one after the other are up to ln k behind); then the bound holds from one change to the next.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

POOL = "desk"
"""The pool every lead goes to until an admin makes others."""
LEAD = 200_000_000
"""One lead in stored credit."""
MOST = 4 * LEAD
"""More than that nobody can be owed but by a broken row; keeps credit within 32 bits."""


@dataclass(slots=True)
class Turn:
    """One person's place in a pool; changed by `take`. Credit in parts of `LEAD`."""

    member_id: str
    weight: int
    credit: int
    given: int


class Lineup:
    """Those who take part, with what each is owed a turn. Made once for as long as they stay the same.

    Counted in whole parts of the sum of shares, because a bound of one lead is missed by the least rounding: stored
    credit is fine enough to find the exact part again.
    """

    def __init__(self, turns: Sequence[Turn]) -> None:
        taking = sorted((turn for turn in turns if turn.weight > 0), key=lambda turn: turn.member_id)
        self.shares = {turn.member_id: turn.weight for turn in taking}
        self.parts = [(turn, turn.weight) for turn in taking]
        self._total = sum(self.shares.values())

    def take(self, without: str = "") -> Turn | None:
        """Whose turn it is, with the credits moved on; None when nobody takes part. Ties go by credit, then id.
        `without` is a member who takes no part in this one turn."""
        total = self._total - self.shares.get(without, 0)
        if not total:
            return None
        chosen, least, most = None, 0, 0
        finer = LEAD // 4 // total or 1
        lead, half = total * finer, total * finer // 2
        for turn, weight in self.parts:
            if turn.member_id != without:
                part = weight * finer
                owed = (turn.credit * lead + LEAD // 2) // LEAD + part
                turn.credit = (owed * LEAD + half) // lead
                if owed > 0:
                    patience = (lead - owed) // -part  # turns until a whole lead is owed, with the sign turned
                    if chosen is None or patience > least or (patience == least and owed > most):
                        chosen, least, most = turn, patience, owed
        chosen = chosen or self._richest(without)
        pay(chosen)
        return chosen

    def _richest(self, without: str) -> Turn:
        """Nobody is owed anything: what was owed to others stays with them while they are away."""
        return max((turn for turn, _weight in self.parts if turn.member_id != without), key=lambda turn: turn.credit)


def pay(turn: Turn) -> None:
    """This person was given a lead."""
    turn.credit = max(-MOST, min(MOST, turn.credit - LEAD))
    turn.given += 1


def hand(holder: Turn, taker: Turn) -> None:
    """A lead that was offered to all went to another one than the one whose turn it was."""
    holder.credit, holder.given = holder.credit + LEAD, holder.given - 1
    pay(taker)


def take(turns: Sequence[Turn]) -> Turn | None:
    """The same for a single turn."""
    return Lineup(turns).take()
