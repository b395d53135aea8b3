"""What the hub has to tell a CRM travels in batches, fresh leads first.

Every step leases links, writes down what it is about to send, sends, and records the answers. A link in
`sending` whose worker died, or whose answer was lost, is `uncertain`: its marker is looked up, after the
longest time a request of ours can live plus the CRM's index lag, before anything is created again.
An update reads the record first, so that a person's edit over there is seen and not overwritten.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

from connectors.contract import Failed, Outcome
from connectors.errors import Pause, Retry
from hub.clock import SECOND, Clock
from hub.store.engine import Store
from hub.sync.account import ROLES, Account, Accounts
from hub.sync.ledger import Ledger
from hub.sync.observe import Observer
from hub.sync.parcel import BACKOFF, Parcel, judge, looked_up

log = logging.getLogger("leadhub.push")

BATCH = 400
ALONE = 2
"""From this attempt on a record travels alone, so that one that breaks the CRM does not hold up its batch."""
PARALLEL = 4
Answers = Iterable[tuple[Sequence[Parcel], Sequence[Outcome]]]


class Pusher:
    """Carries one hub's changes to its CRMs. Any number may run; links are leased one by one."""

    def __init__(
        self, store: Store, clock: Clock, accounts: Accounts, ring: Callable[[str], None] = lambda _name: None
    ) -> None:
        self._store, self._clock, self._accounts, self._ring = store, clock, accounts, ring

    def drain(self, connection_id: str, most: int = 1_000_000) -> int:
        """Push until nothing is due; answers how many links were handled."""
        total = 0
        while total < most and (done := self.step(connection_id)):
            total += done
        return total

    def step(self, connection_id: str, size: int = BATCH) -> int:
        """One batch of one connection; answers how many links were looked at, 0 when there is no use in going on."""
        account = self._accounts.get(connection_id)
        if account is None:
            return 0
        ledger = Ledger(self._store, self._clock, account)
        parcels = ledger.take(size)
        try:
            _Carrier(account, ledger, self._clock).carry(parcels)
        except Pause as error:
            log.warning("connection paused connection=%s code=%s", connection_id, error.code)
            ledger.release(parcels, self._clock.now())
            self._accounts.pause(connection_id, error)
            return 0
        except Retry as error:
            after = round(error.after * SECOND) if error.after else BACKOFF[0]
            ledger.release(parcels, self._clock.now() + after)
            return 0
        return ledger.looked_at


@dataclass
class _Carrier:
    """One batch on its way."""

    account: Account
    ledger: Ledger
    clock: Clock

    def carry(self, parcels: Sequence[Parcel]) -> None:
        """Create, look up, update. Raises Pause when the account wants a person, Retry when it wants time."""
        self._send([p for p in parcels if p.row.state == "new"])
        self._look_up([p for p in parcels if p.row.state == "uncertain"])
        for role in ROLES:
            self._update([p for p in parcels if p.row.state == "linked" and p.row.role == role], role)

    def _send(self, parcels: Sequence[Parcel]) -> None:
        """Write, and settle the answers as they come."""
        fellows = {id(one) for p in parcels for one in p.travellers[1:]}
        paused: Pause | None = None
        for chunk, outcomes in self._write([p for p in parcels if id(p) not in fellows]):
            now = self.clock.now()
            done = [
                one
                for parcel, outcome in zip(chunk, outcomes, strict=True)
                for one in judge(self.account, parcel, outcome, now)
            ]
            self.ledger.settle(done)
            paused = next((one.pause for one in done if one.pause), paused)
        if paused is not None:
            raise paused

    def _look_up(self, parcels: Sequence[Parcel]) -> None:
        for parcel in parcels:
            found = self.account.crm.find(self.account.kind(parcel.row.role), {"marker": parcel.marker})
            looked_up(self.account, parcel, found, self.clock.now())
        self.ledger.settle(parcels)

    def _update(self, parcels: Sequence[Parcel], role: str) -> None:
        """Read, reconcile, apply what people did over there, send what is left to say."""
        if parcels:
            read = self.account.crm.get(self.account.kind(role), [p.remote_id or "" for p in parcels])
            self._send(self.ledger.reconcile(Observer(self.clock), parcels, read))

    # ── calls ────────────────────────────────────────────────────────────────────────────────────

    def _write(self, parcels: Sequence[Parcel]) -> Answers:
        """Calls of the vendor's size, several in flight; what comes back at the same moment comes as one."""
        chunks = self._chunks(parcels)
        flight = int(self.account.live.row.config.get("parallel", PARALLEL))
        if len(chunks) <= 1 or flight == 1:
            for chunk in chunks:
                yield chunk, self._call(chunk)
            return
        with ThreadPoolExecutor(min(flight, len(chunks)), "push") as pool:
            calls = {pool.submit(self._call, chunk): chunk for chunk in chunks}
            while calls:
                ready, _ = wait(calls, return_when=FIRST_COMPLETED)
                yield from _together([(calls.pop(call), call) for call in ready])

    def _chunks(self, parcels: Sequence[Parcel]) -> list[list[Parcel]]:
        facts = self.account.crm.facts
        size = max(1, facts.compound if any(len(p.travellers) > 1 for p in parcels) else facts.batch)
        size = min(size, int(self.account.live.row.config.get("per_call", size)))
        many = [p for p in parcels if p.attempts < ALONE]
        chunks = [many[start : start + size] for start in range(0, len(many), size)]
        return chunks + [[p] for p in parcels if p.attempts >= ALONE]

    def _call(self, chunk: Sequence[Parcel]) -> Sequence[Outcome]:
        """One call. It is not begun when the lease could end before it does: then it could do things twice."""
        if self.clock.now() + self.account.longest_request * SECOND > self.ledger.until:
            return [Failed(Retry("ran out of time", after=0, effect=False))] * len(chunk)
        try:
            return self.account.crm.write([p.op for p in chunk if p.op])
        except Pause as error:
            return [Failed(error)] * len(chunk)


def _together(ready: Sequence[tuple[list[Parcel], Future[Sequence[Outcome]]]]) -> Answers:
    """Answers that share a commit. An error of the account is raised after them."""
    good = [(chunk, call.result()) for chunk, call in ready if call.exception() is None]
    if good:
        yield [p for chunk, _outcomes in good for p in chunk], [one for _chunk, outcomes in good for one in outcomes]
    for _chunk, call in ready:
        call.result()
