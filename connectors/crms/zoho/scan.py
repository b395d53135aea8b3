"""Where a scan of changes stands, as text the hub keeps.

The cursor is "<second>:<bin>" between scans, and "<second>:<last id>:<since>:<start>:<bin>" within one: pages go on
after the last record seen, by change time and id, so none is skipped when others move. What was deleted is in a list of
its own, which is read now and then at the end of a scan.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime

from connectors.contract import Record
from connectors.crms.zoho.shape import quoted

BIN_EVERY = 3600  # notifications tell of deletions at once, this is for those that got lost


@dataclass(frozen=True, slots=True)
class Scan:
    """`low` is the second to read from and `last` the last id read of it, `since` the lower bound of the whole scan,
    `start` the remote time it began at, `binned` when the bin was read last: unix seconds."""

    low: int
    since: int
    last: str = ""
    start: int = 0
    binned: int = 0

    @classmethod
    def read(cls, cursor: str) -> Scan:
        """From a cursor: "", "<second>" and "<second>:<bin>" begin a scan, anything else goes on with one."""
        parts = (cursor or "0").split(":")
        if len(parts) <= 2:
            return cls(int(parts[0]), int(parts[0]), binned=int(parts[1]) if parts[1:] else 0)
        low, last, since, start, *binned = parts
        return cls(int(low), int(since), last, int(start), int(binned[0]) if binned else 0)

    @property
    def is_routine(self) -> bool:
        """Whether this is the first page of a scan that is not the first of all."""
        return bool(self.since) and not self.last

    @property
    def bin_is_due(self) -> bool:
        """Whether to read the bin at the end of this scan. Before the first one nothing could be missed."""
        return bool(self.since) and self.start - self.binned >= BIN_EVERY

    @property
    def place(self) -> str:
        """The condition of the next page."""
        if not self.low:
            return "(id is not null)"
        stamp = quoted(datetime.fromtimestamp(self.low, UTC).isoformat())
        if not self.last:
            return f"(Modified_Time >= {stamp})"
        return f"((Modified_Time > {stamp}) or ((Modified_Time = {stamp}) and (id > {quoted(self.last)})))"

    def begun(self, at: datetime) -> Scan:
        """With the time of its first answer."""
        return replace(self, start=self.start or int(at.timestamp()))

    def onward(self, record: Record) -> str:
        """The cursor after a page that ends with this record."""
        low = int(record.updated_at.timestamp()) if record.updated_at else self.low
        return _text(low, record.ref, self.since, self.start, self.binned)

    def crowded(self) -> str:
        """The cursor of a scan whose changes are too many for one list: they are queried from its beginning."""
        return _text(self.low, "0", self.since, self.start, self.binned)

    def end(self, lag: float) -> str:
        """The cursor of the next scan: `lag` seconds before this one began, never back."""
        return _text(max(self.since, self.start - int(lag)), self.start if self.bin_is_due else self.binned)

    def binned_since(self, lag: float) -> int:
        """The second from which on to read the bin."""
        return self.binned - int(lag) if self.binned else self.since


def _text(*parts: object) -> str:
    return ":".join(map(str, parts))
