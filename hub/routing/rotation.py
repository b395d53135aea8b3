"""Strict weighted round robin: over any stretch everybody is within one lead of the exact share.

The smooth form: each turn everybody's credit grows by the own weight, the richest gets the lead and pays
the sum of all weights. Credits are rows, so the order survives restarts and can be replayed.
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
    """Whose turn it is, with the credits moved on; None when nobody takes part. Ties go by member id."""
    taking = [turn for turn in turns if turn.weight > 0]
    if not taking:
        return None
    for turn in taking:
        turn.credit += turn.weight
    chosen = max(taking, key=lambda turn: (turn.credit, turn.member_id))
    chosen.credit -= sum(turn.weight for turn in taking)
    chosen.given += 1
    return chosen
