"""I13, I12: looks at every write of a link while it happens. A worker writes rows that it holds a lease on, or takes
them while they are free; what a list showed is written to no row that somebody holds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Connection

from hub.clock import FixedClock
from hub.sync.ledger import Ledger
from hub.sync.parcel import Parcel
from hub.sync.pull import Puller


class Fence:
    """One world's watch. `wrong` has a line for every write that was not the writer's to do."""

    def __init__(self, clock: FixedClock) -> None:
        self._clock = clock
        self._kept: dict[str, set[str]] = defaultdict(set)
        self._before: dict[str, tuple[str, int | None]] = {}
        self.wrong: list[str] = []

    def look(self, conn: Connection) -> None:
        """Who holds what, when a transaction begins."""
        raw: Any = conn.connection.dbapi_connection
        rows = raw.execute("SELECT id, lease, lease_until FROM link WHERE lease <> ''")
        self._before = {row[0]: (row[1], row[2]) for row in rows}

    def worker(self, lease: str, parcels: Sequence[Parcel], keep: Sequence[Parcel]) -> None:
        for one in (parcel.row.id for parcel in parcels):
            mine = self._before.get(one, ("", None))[0] == lease
            if not mine and (one in self._kept[lease] or self._is_held(*self._before.get(one, ("", None)))):
                self.wrong.append(f"I13 link {one} was written by a worker whose lease is gone")
        self._kept[lease] |= {parcel.row.id for parcel in keep}

    def reader(self, rows: Sequence[Any]) -> None:
        held = [row.id for row in rows if self._is_held(row.lease, row.lease_until)]
        self.wrong += [f"I12 link {one} was written from a list while a worker held it" for one in held]

    def _is_held(self, lease: str, until: int | None) -> bool:
        return bool(lease) and until is not None and until > self._clock.now()


def _watched(save: Callable[..., Any], tell: Callable[..., None]) -> Callable[..., Any]:
    def told(self: Any, conn: Connection, *args: Any, **more: Any) -> Any:
        fence = self._store.__dict__.get("fence")
        if fence is not None:
            tell(fence, self, *args, **more)
        return save(self, conn, *args, **more)

    return told


Ledger._save = _watched(  # type: ignore[method-assign]
    Ledger._save, lambda fence, ledger, parcels, keep=(): fence.worker(ledger.lease, parcels, keep)
)
Puller._save = _watched(Puller._save, lambda fence, _puller, rows, *_rest: fence.reader(rows))  # type: ignore[method-assign]
