"""Reading whole lists, and where a scan of changes stands.

BottleCRM lists nothing by time of change and orders by random ids, so a change is found by reading everything. A page
begins before the end of the last one: as long as both share a record nothing was pushed out between them. What is
found is told in order of time, piece by piece.

Converted and deleted leads are in no list, only in the account's feed: it is read when the list holds other leads than
at the end of the last scan, and for as long after that as a change may come late.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from connectors.contract import Answer, digest
from connectors.crms.bottlecrm.api import ACCOUNTS, CONTACTS, DEALS, LEADS, Api, Params, Row, now
from connectors.crms.bottlecrm.shape import BEGINNING, stamp
from connectors.errors import Retry

LIST = 500
OVERLAP = 25
TRIES = 3
Key = tuple[datetime, str]
_LISTS = {
    LEADS: (("open_leads", "open_leads", "leads_count"), ("close_leads", "close_leads", "leads_count")),
    DEALS: (("", "opportunities", "opportunities_count"),),
    CONTACTS: (("", "results", "count"),),
    ACCOUNTS: (
        ("active_accounts", "open_accounts", "open_accounts_count"),
        ("closed_accounts", "close_accounts", "close_accounts_count"),
    ),
}


@dataclass(frozen=True, slots=True)
class Scan:
    """`since` bounds the whole scan, `start` is the remote time it began at, `low` the last record told. `listed`
    stands for the leads that were in the list at the end of the last scan; the feed is read `until` that time."""

    since: datetime
    start: datetime | None = None
    low: Key = (BEGINNING, "")
    listed: str = ""
    until: datetime = BEGINNING

    @classmethod
    def read(cls, cursor: str) -> Scan:
        """From a cursor: "", an instant and "<instant>~<listed>~<until>" begin a scan, anything else goes on with
        one."""
        head, *rest = cursor.split("|")
        since, *known = head.split("~")
        begun = cls(datetime.fromisoformat(since) if since else BEGINNING)
        if known:
            begun = replace(begun, listed=known[0], until=datetime.fromisoformat(known[1]))
        if not rest:
            return begun
        return replace(begun, start=datetime.fromisoformat(rest[0]), low=(datetime.fromisoformat(rest[1]), rest[2]))

    def text(self, start: datetime, low: Key) -> str:
        """The cursor of a scan that is under way."""
        return "|".join((self._head(), written(start), written(low[0]), low[1]))

    def end(self, behind: timedelta) -> str:
        """The cursor of the next scan: `behind` before this one began, never back."""
        return replace(self, since=max(self.since, (self.start or BEGINNING) - behind))._head()

    def with_list(self, start: datetime, refs: Iterable[str], late: timedelta) -> Scan:
        """At its end, knowing which leads are in the list now."""
        listed = digest(*sorted(refs))
        same = listed == self.listed
        return replace(self, start=start, listed=listed, until=self.until if same else start + late)

    @property
    def feed_is_due(self) -> bool:
        """Whether leads may have left the list. Before the first scan nothing of ours had."""
        return self.since != BEGINNING and (self.start or BEGINNING) <= self.until

    def _head(self) -> str:
        since = written(self.since)
        return f"{since}~{self.listed}~{written(self.until)}" if self.listed else since


def written(at: datetime) -> str:
    """Text whose order is that of time."""
    return at.isoformat(timespec="microseconds")


def key(row: Row) -> Key:
    """Place of a row in a scan."""
    return stamp(row), str(row["id"])


def everything(api: Api, kind: str, params: Params = ()) -> tuple[list[Row], datetime]:
    """All records of a kind, and the remote time the reading began at."""
    for _ in range(TRIES):
        if (read := _once(api, kind, params)) is not None:
            return read
    raise Retry(f"BottleCRM's {kind} change faster than they can be listed", after=30.0)


def _once(api: Api, kind: str, params: Params) -> tuple[list[Row], datetime] | None:
    """One pass; None when something slipped by."""
    found: dict[str, Row] = {}
    offset, began = 0, None
    while True:
        told, answer = api.read(f"{kind}/", [*params, ("limit", str(LIST)), ("offset", str(offset))])
        began = began or now(answer)
        lists = [_part(told, *names) for names in _LISTS[kind]]
        if offset and any(rows and rows[0]["id"] not in found for rows, _ in lists):
            return None
        found |= {str(row["id"]): row for rows, _ in lists for row in rows}
        if all(offset + LIST >= count for _, count in lists):
            return list(found.values()), began
        offset += LIST - OVERLAP


def _part(told: Row, under: str, name: str, count: str) -> tuple[list[Row], int]:
    inside = told.get(under) if under else told
    rows = inside.get(name) if isinstance(inside, dict) else None
    if not isinstance(inside, dict) or not isinstance(rows, list) or not isinstance(inside.get(count), int):
        raise Retry("BottleCRM's answer holds no list")
    if not all(isinstance(row, dict) and row.get("id") for row in rows):
        raise Retry("BottleCRM's list holds something that is no record")
    return rows, int(inside[count])


def lately(api: Api, since: datetime) -> tuple[dict[str, Row], Answer]:
    """The last entries about leads in the account's feed (50 at most), newest per lead: converted and deleted leads
    are in no list."""
    told, answer = api.read("activities/", [("entity_type", "Lead"), ("limit", "50")])
    rows = told.get("activities")
    if not isinstance(rows, list):
        raise Retry("BottleCRM's answer holds no activities")
    fresh = [row for row in rows if isinstance(row, dict) and _at(row) >= since and row.get("entity_id")]
    return {str(row["entity_id"]): row for row in reversed(fresh)}, answer


def _at(row: Row) -> datetime:
    return stamp({"updated_at": row.get("timestamp")})


def earliest(rows: Sequence[Row]) -> datetime:
    """When the oldest of these was made."""
    return min(stamp({"created_at": row.get("created_at")}) for row in rows)
