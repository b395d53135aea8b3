"""Letters leave the house, each once: written down before they are sent, and looked for before they are sent again.

A letter carries its own id, by which a carrier knows a repeat. If we died while one was under way, or its answer got
lost, its lease runs out first, so that nothing of it is on its way any more; then the carrier is asked whether it has
it. A carrier that cannot tell gets no second one: the letter is `unknown`, and a person looks.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, or_, select, update

from connectors.contract import Letter
from connectors.errors import ConnectorError, Pause, Retry
from hub.clock import MINUTE, SECOND, Clock, instant
from hub.model import letter
from hub.model.robots import IS_LEAVING
from hub.robots.ways import Way
from hub.store.engine import Store

log = logging.getLogger("leadhub.robots")

NEW, SENDING, SENT, UNKNOWN, REFUSED = "new", "sending", "sent", "unknown", "refused"
LEASE = 2 * MINUTE
TRIES = 8
STOPPED = "We stopped while it was being sent, and its carrier cannot tell"
WAITS = "There is no way out for it: connect one, or switch it on again"


@dataclass(frozen=True, slots=True)
class _Taken:
    """A letter that is ours for a while."""

    row: Any
    lease: str


class Outbox:
    """All letters that are due. Any number of them may work, in any number of processes."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        carriers: Mapping[str, Way],
        sent: Callable[[Connection, Clock, Any, str], None] = lambda _conn, _clock, _row, _provider_id: None,
    ) -> None:
        """`sent` is told of each letter that left, in the transaction that says so."""
        self._store, self._clock, self._carriers, self._sent = store, clock, carriers, sent

    def step(self) -> int:
        """Everything that is due; answers how many letters there were."""
        count = 0
        while (taken := self._take()) is not None:
            self._carry(taken)
            count += 1
        return count

    def _take(self) -> _Taken | None:
        """The next letter, ours for a while: its row as it was before, and our lease."""
        now, lease = self._clock.now(), self._clock.new_id()
        overdue = (letter.c.state == SENDING) & (letter.c.lease_until <= now)
        due = or_((letter.c.state == NEW) & (letter.c.due_at <= now), overdue)
        mine = IS_LEAVING & due & letter.c.channel.in_(sorted(self._carriers))
        with self._store.read() as conn:
            if conn.execute(select(letter.c.id).where(mine).limit(1)).first() is None:
                return None
        with self._store.write() as conn:
            order = select(letter).where(mine).order_by(letter.c.due_at, letter.c.id).limit(1)
            row = conn.execute(order.with_for_update(skip_locked=True)).one_or_none()
            if row is not None:
                taken = {"state": SENDING, "lease": lease, "lease_until": now + LEASE, "attempts": row.attempts + 1}
                conn.execute(update(letter).where(letter.c.id == row.id).values(taken))
        return None if row is None else _Taken(row, lease)

    def _carry(self, taken: _Taken) -> None:
        row = taken.row
        told = Letter(row.id, row.channel, row.body, instant(self._clock.now()))
        doubtful = row.state == SENDING  # whoever had it is gone, or was never answered
        try:
            carrier = self._carriers[row.channel]
            found = carrier.find(told) if doubtful else ""
            doubtful = doubtful and found != ""
            if found is None:
                self._write(taken, UNKNOWN, why=row.why or STOPPED)
                return
            self._write(taken, SENT, provider_id=found or carrier.send(told))
        except Retry as error:
            self._again(taken, error, doubtful)
        except (Pause, KeyError) as error:
            self._put_back(taken, WAITS if isinstance(error, KeyError) else str(error), doubtful)
        except ConnectorError as error:
            self._write(taken, REFUSED, why=str(error))

    def _again(self, taken: _Taken, error: Retry, doubtful: bool) -> None:
        """Not sent: later. Nobody knows: once its lease is over it is asked after."""
        row = taken.row
        if row.attempts + 1 >= TRIES:
            self._write(taken, UNKNOWN if error.effect or doubtful else REFUSED, why=str(error))
        elif error.effect or doubtful:
            self._write(taken, SENDING, why=str(error), lease_until=self._clock.now() + LEASE)
        else:
            wait = round((error.after or 2**row.attempts * 15) * SECOND)
            self._write(taken, NEW, why=str(error), due_at=self._clock.now() + wait)

    def _put_back(self, taken: _Taken, why: str, doubtful: bool) -> None:
        """Nothing leaves there before a person acts: as it was, and no try of its own."""
        now, row = self._clock.now(), taken.row
        later = {"lease_until": now + LEASE} if doubtful else {"due_at": now + LEASE}
        self._write(taken, SENDING if doubtful else NEW, why=why, attempts=row.attempts, **later)

    def _write(self, taken: _Taken, state: str, **values: Any) -> None:
        """What became of it, unless somebody else has taken it over meanwhile."""
        with self._store.write() as conn:
            done = {"state": state, "lease": "", "lease_until": None, "at": self._clock.now(), **values}
            mine = (letter.c.id == taken.row.id) & (letter.c.lease == taken.lease)
            if conn.execute(update(letter).where(mine).values(done)).rowcount and state == SENT:
                self._sent(conn, self._clock, taken.row, str(values["provider_id"]))
        log.info("letter %s channel=%s", state, taken.row.channel)
