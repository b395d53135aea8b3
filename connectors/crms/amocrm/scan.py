"""Where a scan of changes stands, as text the hub keeps.

The next page is asked for by the last change time seen, not by number: a record that changes while we read moves to
the end, and by number it would pull an unread one over the border of the page. Only a second that holds more than a
page (an import, a batch of ours) is read by number, and then pages overlap: as long as the last record seen is on
the next page, nothing between has slipped by, even when some have left that second. Otherwise the second is read
again; it can only shrink.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass, replace

PAGE = 250
OVERLAP = 50
TRIES = 9  # for a server that shuffles records of one second; then what is skipped waits for the daily audit


@dataclass(frozen=True, slots=True)
class Scan:
    """`low` is the lower bound of the next page, `since` of the whole scan, `start` the remote time it began at.

    `seen` records of the second `low` are read, `last` was the last of them. Times in unix seconds.
    """

    low: int
    since: int
    start: int = 0
    seen: int = 0
    last: str = ""
    tries: int = 0

    @classmethod
    def read(cls, cursor: str) -> Scan:
        """From a cursor: "" and "<seconds>" begin a scan, anything else goes on with one."""
        parts = (cursor or "0").split(":")
        if len(parts) == 1:
            return cls(int(parts[0]), int(parts[0]))
        low, since, start, seen, last, tries = parts
        return cls(int(low), int(since), int(start), int(seen), last, int(tries))

    def text(self) -> str:
        """The cursor of a scan that is under way."""
        return ":".join(map(str, astuple(self)))

    @property
    def page(self) -> tuple[int, int]:
        """(number, size) of the page that begins `OVERLAP` records before the first unread one."""
        if not self.seen:
            return 1, PAGE
        target = self.seen - OVERLAP
        before = -(-target // PAGE)
        return before + 1, target // before

    def slipped(self, refs: Sequence[str]) -> bool:
        """Whether the page does not hold the last record seen."""
        return bool(self.seen) and self.last not in refs and self.tries < TRIES

    def again(self) -> Scan:
        """This second from its beginning."""
        return replace(self, seen=0, last="", tries=self.tries + 1)

    def onward(self, newest: int, refs: Sequence[str]) -> Scan:
        """After a page that is not the last; `newest` is the change time it ends with."""
        if newest > self.low:
            return Scan(newest, self.since, self.start)
        number, size = self.page
        return replace(self, seen=(number - 1) * size + len(refs), last=refs[-1])
