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
BIN_EVERY = 3600  # hooks tell of deletions at once, and whoever writes reads first; this is for hooks that got lost
TRIES = 9  # for a server that shuffles records of one second; then what is skipped waits for the daily audit


@dataclass(frozen=True, slots=True)
class Scan:
    """`low` is the lower bound of the next page, `since` of the whole scan, `start` the remote time it began at.

    `seen` records of the second `low` are read, `last` was the last of them; `binned` is when the bin was looked into.
    Times in unix seconds.
    """

    low: int
    since: int
    start: int = 0
    seen: int = 0
    last: str = ""
    tries: int = 0
    binned: int = 0

    @classmethod
    def read(cls, cursor: str) -> Scan:
        """From a cursor: "", "<seconds>" and "<seconds>:<bin>" begin a scan, anything else goes on with one."""
        parts = [*(cursor or "0").split(":")]
        if len(parts) <= 2:
            return cls(int(parts[0]), int(parts[0]), binned=int(parts[1]) if parts[1:] else 0)
        low, since, start, seen, last, tries, *binned = parts
        return cls(int(low), int(since), int(start), int(seen), last, int(tries), int(binned[0]) if binned else 0)

    @property
    def bin_is_due(self) -> bool:
        """Whether to look into the bin after this scan."""
        return self.start - self.binned >= BIN_EVERY

    def done(self, behind: int, with_bin: bool) -> str:
        """The cursor of the next scan: `behind` seconds before this one began, never back. The second scan of all
        looks into the bin once more: the first may have taken hours."""
        mark = max(self.since, self.start - behind)
        if not with_bin:
            return str(mark)
        looked = self.start if self.since else self.start - BIN_EVERY
        return f"{mark}:{looked if self.bin_is_due else self.binned}"

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
            return Scan(newest, self.since, self.start, binned=self.binned)
        number, size = self.page
        return replace(self, seen=(number - 1) * size + len(refs), last=refs[-1])
