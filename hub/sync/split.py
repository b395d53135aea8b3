"""Where a lead and a deal live in a CRM that has only one kind of card.

A placement translates (block, direction, stage) of the hub to (pipeline, stage) over there and back. It is
a table, made when the CRM was set up and kept with the connection; two blocks in one pipeline and two
pipelines differ only in what stands in it. One stage over there may close both a lead and a deal (amoCRM
has a single "lost"): then the role of the link decides.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Spot = tuple[str, str, str]
"""block, direction id, stage key"""


class NotPlaced(ValueError):
    """The CRM has no stage for this one; says which, so that the admin can set the connection up again."""


@dataclass(frozen=True)
class Placement:
    """The table of one connection. `rows` are (block, direction, stage, pipeline, remote stage)."""

    strategy: str
    rows: tuple[tuple[str, str, str, str, str], ...]
    _there: dict[Spot, tuple[str, str]] = field(init=False, repr=False, compare=False)
    _here: dict[tuple[str, str], dict[str, Spot]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        there: dict[Spot, tuple[str, str]] = {}
        here: dict[tuple[str, str], dict[str, Spot]] = {}
        for block, direction, stage, pipeline, remote in self.rows:
            there.setdefault((block, direction, stage), (pipeline, remote))
            here.setdefault((pipeline, remote), {}).setdefault(block, (block, direction, stage))
        object.__setattr__(self, "_there", there)
        object.__setattr__(self, "_here", here)

    def place(self, spot: Spot) -> tuple[str, str]:
        """(pipeline, stage) over there."""
        try:
            return self._there[spot]
        except KeyError:
            raise NotPlaced(
                f"The CRM has no stage for {spot[0]} stage “{spot[2]}”: set the connection up again"
            ) from None

    def unplace(self, pipeline: Any, stage: Any, role: str) -> Spot | None:
        """Where a card stands in the hub's terms; None for a stage that is not ours to understand."""
        spots = self._here.get((str(pipeline), str(stage)))
        if not spots:
            return None
        return spots.get(role) or next(iter(spots.values()))


def read_placement(config: Mapping[str, Any]) -> Placement | None:
    """The placement kept in a connection's config; None before it was set up."""
    kept = config.get("placement")
    if not kept:
        return None
    return Placement(str(kept["strategy"]), tuple(tuple(map(str, row)) for row in kept["rows"]))  # type: ignore[misc]


def placement_json(strategy: str, rows: Iterable[Sequence[str]]) -> dict[str, Any]:
    """How a placement is kept."""
    return {"strategy": strategy, "rows": [list(row) for row in rows]}
