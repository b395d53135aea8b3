"""Where a scan of changes stands, as text the hub keeps.

Odoo keeps change times in microseconds and shows whole seconds, and from version 19 on also compares whole seconds:
only bounds on whole seconds mean the same everywhere. So pages go on from the last second seen, which is read again;
a second that holds more than a page (an import, a batch of ours) is read by id instead of by time. A record that
changes meanwhile leaves its second and comes later, and nothing else moves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass, replace
from datetime import UTC, datetime

from connectors.contract import Value
from connectors.crms.odoo.shape import STAMP


@dataclass(frozen=True, slots=True)
class Scan:
    """`low` is the lower bound of the next page, `since` of the whole scan, `start` the remote time it began at, in
    unix seconds. `after` is -1, or the last id read of the crowded second `low`."""

    low: int
    since: int
    start: int = 0
    after: int = -1

    @classmethod
    def read(cls, cursor: str) -> Scan:
        """From a cursor: "" and "<seconds>" begin a scan, anything else goes on with one."""
        parts = [int(part) for part in (cursor or "0").split(":")]
        return cls(parts[0], *parts[1:]) if len(parts) > 1 else cls(parts[0], parts[0])

    def text(self) -> str:
        """The cursor of a scan that is under way."""
        return ":".join(map(str, astuple(self)))

    @property
    def domain(self) -> list[Value]:
        """What the next page asks for."""
        bounds: list[Value] = [["write_date", ">=", _written(self.low)]]
        if self.after >= 0:
            bounds += [["write_date", "<", _written(self.low + 1)], ["id", ">", self.after]]
        return bounds if self.low or self.after >= 0 else []

    @property
    def order(self) -> str:
        """How the next page is ordered."""
        return "id asc" if self.after >= 0 else "write_date asc, id asc"

    def onward(self, newest: int, refs: Sequence[int], more: bool) -> Scan | None:
        """After a page that ends at the second `newest`; None when it was the last one."""
        if self.after >= 0:
            return replace(self, after=refs[-1]) if more else replace(self, low=self.low + 1, after=-1)
        if not more:
            return None
        return replace(self, low=newest) if newest > self.low else replace(self, after=0)


def _written(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime(STAMP)
