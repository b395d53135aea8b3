"""Where a scan of changes stands, as text the hub keeps.

Twenty lists what is alive by change time and what was deleted by the time of that, and pages by value. Deletions are
listed now and then only: hooks tell of them at once, this is for those that got lost.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

CHANGED, DELETED = "updatedAt", "deletedAt"
BEGINNING = "1970-01-01T00:00:00.000Z"
BIN_EVERY = timedelta(hours=1)
BIN_OVERLAP = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Scan:
    """`since` is the lower bound of the whole scan, `binned` when deletions were listed last ("" for never), `start`
    the remote time it began at, `token` that of the next page; times as Twenty writes them."""

    since: str
    binned: str = ""
    start: str = ""
    phase: str = CHANGED
    token: str = ""

    @classmethod
    def read(cls, cursor: str) -> Scan:
        """From a cursor: "", an instant and "<instant>|<bin>" begin a scan, anything else goes on with one."""
        parts = (cursor or BEGINNING).split("|")
        if len(parts) == 4:  # a scan that began before deletions were listed hourly
            since, start, phase, token = parts
            return cls(since, since, start, phase, token)
        return cls(*parts)

    @property
    def low(self) -> str:
        """Lower bound of this phase."""
        if self.phase == CHANGED or not self.binned:
            return self.since
        return iso(datetime.fromisoformat(self.binned) - BIN_OVERLAP)

    @property
    def bin_is_due(self) -> bool:
        """Whether to list deletions after this scan. Before the first one nothing could be missed."""
        if self.since == BEGINNING:
            return False
        return not self.binned or datetime.fromisoformat(self.start) - datetime.fromisoformat(self.binned) >= BIN_EVERY

    def begun(self, now: str) -> Scan:
        """With the time of its first answer."""
        return replace(self, start=self.start or now)

    def onward(self, token: str) -> str:
        """The cursor after a page that is not the last of its phase."""
        return _text(replace(self, token=token))

    def into_the_bin(self) -> str:
        """The cursor after the last page of what is alive."""
        return _text(replace(self, phase=DELETED, token=""))

    def end(self, hold: timedelta) -> str:
        """The cursor of the next scan: `hold` before this one began, never back."""
        binned = self.start if self.phase == DELETED else self.binned
        mark = max(self.since, iso(datetime.fromisoformat(self.start) - hold))
        return f"{mark}|{binned}" if binned else mark


def _text(scan: Scan) -> str:
    return "|".join((scan.since, scan.binned, scan.start, scan.phase, scan.token))


def iso(at: datetime) -> str:
    """An instant as Twenty writes it; the order of such texts is that of time."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
