"""Where a lead and a deal live in a CRM, and how their stages are told there and back.

A placement is a table, made when the CRM was set up and kept with the connection: each row says which stage over
there stands for a stage of ours. Five strategies read it:

* `two_blocks`, `two_pipelines`: one kind of card; the stage (or the pipeline) tells the block;
* `flag`: one kind of card; values of the record tell the block, whatever its stage;
* `native`: leads are records of their own; the kind tells the block;
* `held`: leads stay in the hub, only deals have rows.

There and back is the same place, also where tables overlap: of several stages of ours that share one over there the
one the hub is in stays, of several over there that mean one of ours the one the card is in stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

Spot = tuple[str, str, str]
"""block, direction id, stage key"""
Row = tuple[str, str, str, str, str]
"""block, direction id, stage key, pipeline, remote stage"""
STRATEGIES = ("native", "flag", "two_blocks", "two_pipelines", "held")


class There(NamedTuple):
    """Where a record stands over there. `block` is what its flag says, "" where the strategy has none."""

    pipeline: str
    stage: str
    block: str = ""


class NotPlaced(ValueError):
    """The CRM has no stage for this one; says which, so that the admin can set the connection up again."""


@dataclass(frozen=True)
class Placement:
    """The table of one connection. Of rows for one stage, and for one place, the first stands for the others."""

    strategy: str
    rows: tuple[Row, ...]
    _there: dict[Spot, list[There]] = field(init=False, repr=False, compare=False)
    _here: dict[tuple[str, str], dict[str, list[Spot]]] = field(init=False, repr=False, compare=False)
    _first: dict[tuple[str, str], Spot] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        there: dict[Spot, list[There]] = {}
        here: dict[tuple[str, str], dict[str, list[Spot]]] = {}
        first: dict[tuple[str, str], Spot] = {}
        for block, direction, stage, pipeline, remote in self.rows:
            spot = (block, direction, stage)
            there.setdefault(spot, []).append(There(pipeline, remote, block if self.strategy == "flag" else ""))
            here.setdefault((pipeline, remote), {}).setdefault(block, []).append(spot)
            first.setdefault((block, direction), spot)
        object.__setattr__(self, "_there", there)
        object.__setattr__(self, "_here", here)
        object.__setattr__(self, "_first", first)

    @property
    def one_object(self) -> bool:
        """Whether lead and deal are one record over there, which keeps its id when it is converted."""
        return self.strategy in ("two_blocks", "two_pipelines", "flag")

    def knows(self, spot: Spot) -> bool:
        """Whether this stage has a place over there."""
        return spot in self._there

    def place(self, spot: Spot, now: There | None = None) -> There:
        """Where this stage stands over there; the place `now` if it means the same. Raises `NotPlaced`."""
        places = self._there.get(spot)
        if not places:
            raise NotPlaced(f"The CRM has no stage for {spot[0]} stage “{spot[2]}”: set the connection up again")
        return now if now in places else places[0]

    def unplace(self, there: There, role: str, now: Spot | None = None) -> Spot | None:
        """Where a record stands in the hub's terms, the spot `now` if that is there too; None for a stage that is
        not ours to understand. `role` is what the record was to us so far."""
        blocks = self._here.get((there.pipeline, there.stage))
        if blocks is None:
            return None
        spots = blocks.get(there.block or role)
        if spots is None and there.block:  # somebody changed the flag alone: the block begins
            return self._first.get((there.block, next(iter(blocks.values()))[0][1]))
        if spots is None:
            spots = None if self.strategy == "native" else next(iter(blocks.values()))
        if not spots:
            return None
        if now in spots:
            return now
        return next((spot for spot in spots if now and spot[1] == now[1]), spots[0])

    def same(self, one: Any, other: Any) -> bool:
        """Whether two spots cannot be told apart over there."""
        a, b = tuple(one or ()), tuple(other or ())
        if a == b:
            return True
        if len(a) != 3 or len(b) != 3 or a[0] != b[0]:
            return False
        return any(place in self._there.get(b, ()) for place in self._there.get(a, ()))


def read_placement(config: Mapping[str, Any]) -> Placement | None:
    """The placement kept in a connection's config; None before it was set up."""
    kept = config.get("placement")
    if not kept:
        return None
    return Placement(str(kept["strategy"]), tuple(tuple(map(str, row)) for row in kept["rows"]))  # type: ignore[misc]


def placement_json(strategy: str, rows: Iterable[Sequence[str]]) -> dict[str, Any]:
    """How a placement is kept."""
    return {"strategy": strategy, "rows": [list(row) for row in rows]}
