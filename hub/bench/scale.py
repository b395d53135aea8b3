"""How long the benches measure: minutes for numbers that mean something, moments to see that they run."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scale:
    """Seconds, numbers of leads, and rounds of all benches."""

    rounds: int = 4
    round_s: float = 4.0
    offered_s: float = 10.0
    leads: int = 4000
    rq_leads: int = 2000
    slow_leads: int = 3000
    limited_s: float = 30.0
    warm: int = 200
    idle_s: float = 30.0
    disk_s: float = 1.0


FULL = Scale()
TINY = Scale(1, 0.3, 0.3, 30, 20, 30, 1.5, 10, 0.5, 0.05)


def size_of(name: str) -> Scale:
    """`tiny` or, for anything else, full size."""
    return TINY if name == "tiny" else FULL
