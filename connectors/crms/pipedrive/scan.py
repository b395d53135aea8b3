"""Where a scan of changes stands, as text the hub keeps.

v2 pages by an opaque cursor that remembers the last row's change time and id, so rows that move hide none; when it
is refused (a scan taken up again after days), the scan goes on from the last change time seen. v1 pages by position,
where a row that changes pulls an unread one over the border of the page: so the next page is asked for by the last
change time, and only a second that holds more than a page is read by position, with pages that overlap. As long as
the last row seen is on the next page nothing has slipped by; otherwise that second is read again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

TRIES = 9
ARCHIVE_EVERY = 3600  # hooks tell of archived leads at once, and whoever writes reads first; this is for lost hooks


@dataclass(frozen=True, slots=True)
class Scan:
    """`low` is the lower bound of the next page, `since` of the whole scan, `start` the remote time it began at.

    v2: `place` is the vendor's cursor of a run that began at `low`, `newest` the last change time seen.
    v1: `seen` rows of the second `low` are read, and `place` was the last of them; `looked` is when the archive was
    looked into. Times in unix seconds.
    """

    low: int
    since: int
    start: int = 0
    newest: int = 0
    seen: int = 0
    tries: int = 0
    place: str = ""
    looked: int = 0

    @classmethod
    def read(cls, cursor: str) -> Scan:
        """From a cursor: "", "<seconds>" and "<seconds>:<archive>" begin a scan, anything else goes on with one."""
        parts = (cursor or "0").split(":", 6)
        if len(parts) <= 2:
            return cls(int(parts[0]), int(parts[0]), looked=int(parts[1]) if parts[1:] else 0)
        low, since, start, newest, seen, tries = map(int, parts[:6])
        looked, slash, place = parts[6].partition("/")
        if not slash or not looked.isdecimal():  # a scan that began before the archive was asked for hourly
            return cls(low, since, start, newest, seen, tries, parts[6])
        return cls(low, since, start, newest, seen, tries, place, int(looked))

    def text(self) -> str:
        """The cursor of a scan that is under way."""
        numbers = (self.low, self.since, self.start, self.newest, self.seen, self.tries)
        return ":".join([*map(str, numbers), f"{self.looked}/{self.place}"])

    def begun(self, now: int) -> Scan:
        """With the time of its first answer."""
        return replace(self, start=self.start or now)

    def end(self, behind: float) -> str:
        """The watermark after the last page: `behind` seconds before the scan began, never back."""
        return str(max(self.since, self.start - int(behind)))

    # ── the archive ──────────────────────────────────────────────────────────────────────────────

    @property
    def archive_is_due(self) -> bool:
        """Whether to look into the archive after this scan."""
        return self.start - self.looked >= ARCHIVE_EVERY

    def end_with_archive(self, behind: float) -> str:
        """As `end`. The second scan of all looks into the archive once more: the first may have taken hours."""
        looked = self.start if self.since else 0
        return f"{self.end(behind)}:{looked if self.archive_is_due else self.looked}"

    def archived_since(self, behind: float) -> int:
        """How far to look back in the archive."""
        return min(self.since, self.looked - int(behind)) if self.looked else self.since

    # ── v2 ───────────────────────────────────────────────────────────────────────────────────────

    def after(self, place: str, newest: int) -> Scan:
        """After a page that is not the last."""
        return replace(self, place=place, newest=max(newest, self.newest))

    def refused(self) -> Scan:
        """Without the vendor's cursor, from the last change time seen."""
        return replace(self, low=max(self.low, self.newest), place="", tries=self.tries + 1)

    # ── v1 ───────────────────────────────────────────────────────────────────────────────────────

    def position(self, page: int) -> int:
        """Where the next page begins: some rows before the first unread one."""
        return max(0, self.seen - page // 5)

    def slipped(self, refs: Sequence[str]) -> bool:
        """Whether the page does not hold the last row seen."""
        return bool(self.seen) and self.place not in refs and self.tries < TRIES

    def again(self) -> Scan:
        """This second from its beginning."""
        return replace(self, seen=0, place="", tries=self.tries + 1)

    def onward(self, newest: int, refs: Sequence[str], page: int) -> Scan:
        """After a page that is not the last; `newest` is the change time it ends with."""
        if newest > self.low:
            return Scan(newest, self.since, self.start, looked=self.looked)
        return replace(self, seen=self.position(page) + len(refs), place=refs[-1])
