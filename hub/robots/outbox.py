"""Letters leave the house, each once: written down before they are sent, and looked for before they are sent again.

A letter carries its own id, by which a carrier knows a repeat. If we died while one was under way, the carrier is asked
whether it has it; a carrier that cannot tell gets no second one: the letter is `unknown`, and a person looks.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy import or_, select, update

from connectors.errors import ConnectorError, Retry
from hub.clock import MINUTE, SECOND, Clock
from hub.model import letter
from hub.model.robots import IS_LEAVING
from hub.store.engine import Store

log = logging.getLogger("leadhub.robots")

NEW, SENDING, SENT, UNKNOWN, REFUSED = "new", "sending", "sent", "unknown", "refused"
LEASE = 2 * MINUTE
TRIES = 8


@dataclass(frozen=True, slots=True)
class Letter:
    """What a carrier is given: our id, the same for every try, the channel, and the body (`to`, `text`, ...)."""

    id: str
    channel: str
    body: Mapping[str, Any]


class Carrier(Protocol):
    """Takes letters of one channel to their readers."""

    def send(self, letter: Letter) -> str:
        """The provider's id of it. Raises `Retry(effect=False)` when it certainly was not sent, `Retry(effect=True)`
        when nobody knows, and any other `ConnectorError` when it never will be."""

    def find(self, letter: Letter) -> str | None:
        """The provider's id of a letter that may have been sent; "" when it certainly was not, None when there is no
        way to know."""


@dataclass(frozen=True, slots=True)
class _Taken:
    """A letter that is ours for a while."""

    row: Any
    lease: str


class Outbox:
    """All letters that are due. Any number of them may work, in any number of processes."""

    def __init__(self, store: Store, clock: Clock, carriers: Mapping[str, Carrier]) -> None:
        self._store, self._clock, self._carriers = store, clock, carriers

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
        carrier, told = self._carriers[row.channel], Letter(row.id, row.channel, row.body)
        if row.state == SENDING:  # whoever had it is gone
            found = carrier.find(told)
            if found is None:
                self._write(taken, UNKNOWN, why="We stopped while it was being sent, and its carrier cannot tell")
                return
            if found:
                self._write(taken, SENT, provider_id=found)
                return
        try:
            self._write(taken, SENT, provider_id=carrier.send(told))
        except Retry as error:
            self._again(taken, told, error)
        except ConnectorError as error:
            self._write(taken, REFUSED, why=str(error))

    def _again(self, taken: _Taken, told: Letter, error: Retry) -> None:
        """Not sent: later. Nobody knows: ask, and send no second one while there is doubt."""
        row = taken.row
        found = self._carriers[row.channel].find(told) if error.effect else ""
        if found is None:
            self._write(taken, UNKNOWN, why=str(error))
        elif found:
            self._write(taken, SENT, provider_id=found)
        elif row.attempts + 1 >= TRIES:
            self._write(taken, REFUSED, why=str(error))
        else:
            wait = round((error.after or 2**row.attempts * 15) * SECOND)
            self._write(taken, NEW, why=str(error), due_at=self._clock.now() + wait)

    def _write(self, taken: _Taken, state: str, **values: Any) -> None:
        """What became of it, unless somebody else has taken it over meanwhile."""
        with self._store.write() as conn:
            done = {"state": state, "lease": "", "lease_until": None, "at": self._clock.now(), **values}
            mine = (letter.c.id == taken.row.id) & (letter.c.lease == taken.lease)
            conn.execute(update(letter).where(mine).values(done))
        log.info("letter %s channel=%s", state, taken.row.channel)
