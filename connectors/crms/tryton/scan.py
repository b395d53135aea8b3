"""Where a scan of changes stands, as text the hub keeps.

A record's last change is `write_date`, or `create_date` while it was never changed. No single order covers both, so a
page is the merger of two sorted readings, cut where the shorter one ends. The next page begins behind the last record
seen, by (time, id): what changes while we read moves to the end and is read again there, and nothing is skipped.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from connectors.crms.tryton.shape import moment

BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
Key = tuple[datetime, int]


@dataclass(frozen=True, slots=True)
class Scan:
    """`since` is the lower bound of the whole scan, `start` the remote time it began at, `low` the last record seen."""

    since: datetime
    start: datetime | None = None
    low: Key | None = None

    @classmethod
    def read(cls, cursor: str) -> Scan:
        """From a cursor: "" and an instant begin a scan, anything else goes on with one."""
        parts = cursor.split("|")
        since = datetime.fromisoformat(parts[0]) if parts[0] else BEGINNING
        if len(parts) == 1:
            return cls(since)
        return cls(since, datetime.fromisoformat(parts[1]), (datetime.fromisoformat(parts[2]), int(parts[3])))

    def text(self, start: datetime, low: Key) -> str:
        """The cursor of a scan that is under way."""
        return "|".join((written(self.since), written(start), written(low[0]), str(low[1])))

    def whole(self) -> list[Any]:
        """Everything changed since, in no order."""
        at = moment(self.since)
        return ["OR", ["write_date", ">=", at], [["write_date", "=", None], ["create_date", ">=", at]]]

    def after(self, field: str) -> list[Any]:
        """What is behind `low`, by one of the two times."""
        at = moment(self.low[0] if self.low else self.since)
        fresh = [["write_date", "=", None]] if field == "create_date" else []
        if self.low is None:
            return [*fresh, [field, ">=", at]]
        return [*fresh, ["OR", [field, ">", at], [[field, "=", at], ["id", ">", self.low[1]]]]]


def written(at: datetime) -> str:
    """Text whose order is that of time."""
    return at.astimezone(UTC).isoformat(timespec="microseconds")
