"""Where a scan of changes stands, as text the hub keeps.

Search is the only read by change time. It pages by number up to 10,000, and a record that changes meanwhile moves to
the end and pulls an unread one over the border of the page. So no page is asked for by number: the next one begins at
the last change time seen, without the records of that instant that were seen already. An instant that holds more of
them than a filter takes (a bulk edit stamps thousands of records with one millisecond) is read by id, to its end.
Deleted records are in a list of their own, without filter and order, which is read now and then after the search.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

PAGE = 200
MOST_IDS = 100  # values of one NOT_IN filter
BIN_PAGE = 100
BIN_EVERY = 3_600_000  # hooks tell of deletions at once, this is for those that got lost
BIN_OVERLAP = 60_000
TIME, INSTANT, BIN = "time", "instant", "bin"


@dataclass(frozen=True, slots=True)
class Scan:
    """`since` is the lower bound of the whole scan, `start` the remote time it began at, `binned` when the bin was
    read last, `low` the lower bound of the next page: milliseconds. `seen` are ids at `low`, `last` is the last id
    of an instant, or the bin's own page token."""

    since: int = 0
    binned: int = 0
    start: int = 0
    phase: str = TIME
    low: int = 0
    seen: tuple[str, ...] = ()
    last: str = ""

    @classmethod
    def read(cls, cursor: str) -> Scan:
        """From a cursor: "" and "since:binned" begin a scan, anything else goes on with one."""
        parts = (cursor or "0:0").split(":", 6)
        if len(parts) == 2:
            return cls(int(parts[0]), int(parts[1]), low=int(parts[0]))
        since, binned, start, phase, low, seen, last = parts
        return cls(int(since), int(binned), int(start), phase, int(low), tuple(filter(None, seen.split(","))), last)

    def text(self) -> str:
        """The cursor."""
        if not self.start:
            return f"{self.since}:{self.binned}"
        return f"{self.since}:{self.binned}:{self.start}:{self.phase}:{self.low}:{','.join(self.seen)}:{self.last}"

    def body(self, stamp: str, names: Sequence[str]) -> dict[str, Any]:
        """The search for the next page."""
        if self.phase == INSTANT:
            filters: list[dict[str, Any]] = [
                _filter(stamp, "EQ", str(self.low)),
                _filter("hs_object_id", "GT", self.last),
            ]
            sort = "hs_object_id"
        else:
            filters = [_filter(stamp, "GTE", str(self.low))]
            filters += (
                [{"propertyName": "hs_object_id", "operator": "NOT_IN", "values": [*self.seen]}] if self.seen else []
            )
            sort = stamp
        sorts = [{"propertyName": sort, "direction": "ASCENDING"}]
        return {"filterGroups": [{"filters": filters}], "sorts": sorts, "properties": [*names], "limit": PAGE}

    def onward(self, rows: Sequence[tuple[int, str]], more: bool) -> Scan | None:
        """After a page of (change time, id); None when the search has come to its end."""
        if self.phase == INSTANT:
            if more and rows:
                return replace(self, last=rows[-1][1])
            return replace(self, phase=TIME, low=self.low + 1, seen=(), last="")
        if not more or not rows:
            return None
        low = max(self.low, rows[-1][0])
        seen = [ref for at, ref in rows if at == low] + [*(self.seen if low == self.low else ())]
        if len(seen) > MOST_IDS:
            return replace(self, phase=INSTANT, low=low, seen=(), last="0")
        return replace(self, low=low, seen=tuple(seen), last="")

    def searched(self, hold: int) -> Scan:
        """After the search: on to the bin when it is time, else done. `hold` is what may not be visible yet."""
        if not self.since:  # before the first scan nothing could be missed; the next one looks
            return self.done(hold, self.start - BIN_EVERY)
        if self.start - self.binned < BIN_EVERY:
            return self.done(hold, self.binned)
        return replace(self, phase=BIN, seen=(), last="")

    def done(self, hold: int, binned: int) -> Scan:
        """The cursor of the next scan."""
        return Scan(max(self.since, self.start - hold), binned)


def _filter(name: str, operator: str, value: str) -> dict[str, Any]:
    return {"propertyName": name, "operator": operator, "value": value}
