"""Where a scan of changes stands, as text the hub keeps.

Pages go by the last row's change time and id, which EspoCRM sorts by, and never by position: a record that changes
while we read moves to the end and pulls no unread one over the border of a page.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

PAGE = 200


@dataclass(frozen=True, slots=True)
class Scan:
    """`since` is the lower bound of the whole scan, `start` the remote time it began at; `at` and `ref` are of the
    last row read. Times in unix seconds."""

    since: int
    start: int = 0
    at: int = 0
    ref: str = ""

    @classmethod
    def read(cls, cursor: str) -> Scan:
        """From a cursor: "" and "<seconds>" begin a scan, anything else goes on with one."""
        since, *rest = (cursor or "0").split(":", 3)
        return cls(int(since), int(rest[0]), int(rest[1]), rest[2]) if rest else cls(int(since))

    def after(self, start: int, at: int, ref: str) -> str:
        """The cursor after a page that is not the last."""
        return f"{self.since}:{self.start or start}:{at}:{ref}"

    def end(self, start: int, behind: float) -> str:
        """The watermark after the last page: `behind` seconds before the scan began, never back."""
        return str(max(self.since, (self.start or start) - int(behind)))

    def params(self, page: int) -> list[tuple[str, str]]:
        """What to ask for."""
        order = [("orderBy", "modifiedAt"), ("order", "asc"), ("maxSize", str(page))]
        if not self.ref:
            return [*order, *(_after("where[0]", self.since - 1) if self.since else [])]
        return [
            *order,
            ("where[0][type]", "or"),
            *_after("where[0][value][0]", self.at),
            ("where[0][value][1][type]", "and"),
            *_where("where[0][value][1][value][0]", "equals", "modifiedAt", text(self.at)),
            *_where("where[0][value][1][value][1]", "greaterThan", "id", self.ref),
        ]


def _after(place: str, seconds: int) -> list[tuple[str, str]]:
    return _where(place, "greaterThan", "modifiedAt", text(seconds))


def _where(place: str, kind: str, name: str, value: str) -> list[tuple[str, str]]:
    return [(f"{place}[type]", kind), (f"{place}[attribute]", name), (f"{place}[value]", value)]


def text(seconds: int) -> str:
    """Unix seconds as EspoCRM writes a moment."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")
