"""Where a scan of changes stands, as text the hub keeps.

Records are asked for by (change time, id) of the last one seen, never by page number: a record that changes while we
read only moves onward, so none is passed over. Several pages travel in one batch, each beginning with the record
the page before ended with; a page that does not begin so is not believed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from connectors.crms.bitrix24.calls import Command, Ref

PAGE = 50
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Scan:
    """`since` is the lower bound of the scan, `start` the remote time it began at, `low` and `last` the change time
    and id of the last record seen. Times in unix seconds."""

    since: int
    start: int = 0
    low: int = 0
    last: int = 0

    @classmethod
    def read(cls, cursor: str) -> Scan:
        """From a cursor: "" and "<seconds>" begin a scan, anything else goes on with one."""
        parts = [int(part) for part in (cursor or "0").split(":")]
        return cls(*parts)

    def text(self) -> str:
        """The cursor of a scan that is under way."""
        return f"{self.since}:{self.start}:{self.low}:{self.last}"

    @property
    def routine(self) -> bool:
        """Whether this is the first page of a later scan, when little is to be expected."""
        return bool(self.since) and not self.last

    def first(self) -> dict[str, Any]:
        """Filter of the next page."""
        if not self.last:
            return {">=updatedTime": iso(self.since)} if self.since else {}
        return after(iso(self.low), self.last)


def after(time: Any, number: Any, *, same: bool = False) -> dict[str, Any]:
    """Filter of everything after (or from) a place in the order."""
    later = {"logic": "OR", "0": {">updatedTime": time}, "1": {">=id" if same else ">id": number}}
    return {">=updatedTime": time, "0": later}


def listing(kind: int, where: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters of one page of records, oldest change first, without the costly count."""
    order = {"updatedTime": "ASC", "id": "ASC"}
    return {"entityTypeId": kind, "filter": where, "order": order, "start": -1, "useOriginalUfNames": "Y"}


def chain(kind: int, where: Mapping[str, Any], pages: int) -> dict[str, Command]:
    """Pages of one batch, each from the last record of the one before; past the end they are refused, cheaply."""
    found = {"p0": Command("crm.item.list", listing(kind, where))}
    for n in range(1, pages):
        row = (f"p{n - 1}", "items", PAGE - 1)
        place = after(Ref(row[0], (*row[1:], "updatedTime")), Ref(row[0], (*row[1:], "id")), same=True)
        found[f"p{n}"] = Command("crm.item.list", listing(kind, place))
    return found


def joined(pages: Sequence[Sequence[Row]]) -> tuple[list[Row], bool]:
    """The records of pages that follow each other, and whether there may be more behind them."""
    rows: list[Row] = list(pages[0])
    full = len(rows) >= PAGE
    for page in pages[1:]:
        if not full or not page or page[0].get("id") != rows[-1].get("id"):
            break
        rows += page[1:]
        full = len(page) >= PAGE
    return rows, full


def iso(seconds: int) -> str:
    """A moment as filters want it."""
    return datetime.fromtimestamp(seconds, UTC).isoformat()
