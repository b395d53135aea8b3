"""What two scans in a row both show is looked at once.

Scans overlap by what a CRM's index may lag, a minute and more, so that each change of a busy time is shown two or three
times. A record that was applied when the CRM's own clock was past the unit of time it was changed in, and past what a
change may come late, cannot have changed since and carry the same change time: it is passed over. Remembered by this
process alone, for as long as scans show it; whoever remembers nothing looks once more.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from connectors.contract import Changes, Record
from hub.sync.account import Account
from hub.sync.observe import is_gone

MARGIN_S = 1.0
"""Between the clock that writes a CRM's answers and the one that stamps its records."""


@dataclass
class _Place:
    """One kind of one account: the change times of settled records in the last scan and in this one."""

    account: Account
    before: dict[str, datetime] = field(default_factory=dict)
    now: dict[str, datetime] = field(default_factory=dict)


class Overlap:
    """Change times of settled records, by account and kind. An account that was set up anew begins with none."""

    def __init__(self) -> None:
        self._places: dict[tuple[str, str], _Place] = {}

    def news(self, account: Account, kind: str, page: Changes) -> list[Record]:
        """The records of a page that have to be looked at."""
        place = self._place(account, kind)
        news = []
        for record in page.records:
            known = place.now.get(record.ref) or place.before.get(record.ref)
            if known is None or known != record.updated_at or is_gone(record):
                news.append(record)
            else:
                place.now[record.ref] = known
        return news

    def applied(self, account: Account, kind: str, page: Changes, refs: Collection[str], took: int) -> None:
        """These records of a page stand in the hub as they are, and nothing of ours is on its way to them. The page
        was read within the `took` ms before its `at`."""
        place = self._place(account, kind)
        if page.at is not None:
            facts = account.crm.facts
            late = facts.lag if facts.late is None else facts.late
            settled = page.at - timedelta(seconds=facts.precision + late + MARGIN_S, milliseconds=took)
            for record in page.records:
                if record.ref in refs and record.updated_at is not None and record.updated_at <= settled:
                    place.now[record.ref] = record.updated_at
        if not page.more:
            place.before, place.now = place.now, {}

    def _place(self, account: Account, kind: str) -> _Place:
        held = self._places.get((account.id, kind))
        if held is None or held.account is not account:
            held = self._places[account.id, kind] = _Place(account)
        return held
