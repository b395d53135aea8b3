"""Strict weighted rotation: while shares stand, everybody has always been given within one lead of the exact share.

Each turn everybody's credit grows by the own weight, and whoever gets the lead pays the sum of all weights. Of
those with credit it is the turn of the one who would be the first to fall a whole lead behind. (To choose the
richest, as smooth round robin does, lets people with small shares fall up to a lead and a quarter behind: seen
with seven people.) Credits are rows, so the order survives restarts and can be replayed. What somebody was owed
when shares changed, or people came and went, is carried over, but never more than one lead.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(slots=True)
class Turn:
    """One person's place in a pool; changed by `take`."""

    member_id: str
    weight: int
    credit: int
    given: int


def take(turns: Sequence[Turn]) -> Turn | None:
    """Whose turn it is, with the credits moved on; None when nobody takes part. Ties go by credit, then member id."""
    taking = sorted((turn for turn in turns if turn.weight > 0), key=lambda turn: turn.member_id)
    if not taking:
        return None
    total = sum(turn.weight for turn in taking)
    _settle(taking, total)
    for turn in taking:
        turn.credit += turn.weight
    owed = [turn for turn in taking if turn.credit > 0]
    chosen = min(owed, key=lambda turn: (_patience(turn, total), -turn.credit, turn.member_id))
    chosen.credit -= total
    chosen.given += 1
    return chosen


def _patience(turn: Turn, total: int) -> int:
    """Turns this person can still wait before a whole lead is owed."""
    return -((turn.credit - total) // turn.weight)


def _settle(taking: Sequence[Turn], total: int) -> None:
    """Credits of other shares or other people, fitted to this round: nobody a lead ahead, all add up to nothing."""
    if sum(turn.credit for turn in taking) == 0 and all(abs(turn.credit) < total for turn in taking):
        return
    for turn in taking:
        turn.credit = max(1 - total, min(total - 1, turn.credit))
    share, rest = divmod(sum(turn.credit for turn in taking), len(taking))
    for place, turn in enumerate(taking):
        turn.credit -= share + (place < rest)
