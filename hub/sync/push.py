"""What the hub has to tell a CRM travels in batches, fresh leads first.

Every step leases links, writes down what it is about to send, sends, and records the answers. A link in
`sending` whose worker died, or whose answer was lost, is `uncertain`: its marker is looked up, after the
longest time a request of ours can live plus the CRM's index lag, before anything is created again.
An update reads the record first, so that a person's edit over there is seen and not overwritten.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue

from connectors.contract import Failed, Lost, Outcome, Record
from connectors.errors import ConnectorError, Pause, Retry, Unreadable
from connectors.turns import lane
from hub.clock import SECOND, Clock
from hub.store.engine import Store
from hub.sync.account import ROLES, Account, Accounts
from hub.sync.answers import judge, looked_up, stumble
from hub.sync.brake import pulled
from hub.sync.companies import tie
from hub.sync.foreign import guarded
from hub.sync.hung import Hung
from hub.sync.known import ask_first
from hub.sync.ledger import Ledger
from hub.sync.observe import Observer
from hub.sync.parcel import BACKOFF, Parcel
from hub.sync.reading import absence_in_doubt, read_each

log = logging.getLogger("leadhub.push")

BATCH = 400
ALONE = 2
"""From this attempt on a record travels alone, so that one that breaks the CRM does not hold up its batch."""
PARALLEL = 4
DEEP = 16
"""Links in a batch for each call that may be in flight: the last calls of a batch leave the other lines empty."""
TOGETHER = 32
APART_S = 0.01
"""So many answers share a commit, unless one is so long in coming: a commit costs as much as five of them."""
Call = Future[Sequence[Outcome]]
Answers = Iterable[tuple[Sequence[Parcel], Sequence[Outcome]]]


class Pusher:
    """Carries one hub's changes to its CRMs. Any number may run; links are leased one by one."""

    def __init__(
        self, store: Store, clock: Clock, accounts: Accounts, ring: Callable[[str], None] = lambda _name: None
    ) -> None:
        self._store, self._clock, self._accounts, self._ring = store, clock, accounts, ring
        self._pools: dict[tuple[str, int], ThreadPoolExecutor] = {}
        self._hung = Hung(store, clock)

    def drain(self, connection_id: str, most: int = 1_000_000) -> int:
        """Push until nothing is due, notes after their cards; answers how many of both were handled. All of it is one
        sync run."""
        return self._drain(connection_id, most) + self._hang(connection_id)

    def _hang(self, connection_id: str) -> int:
        account = self._accounts.get(connection_id)
        try:
            return self._hung.step(account) if account is not None else 0
        except Pause as error:
            self._accounts.pause(connection_id, error)
            return 0

    def _drain(self, connection_id: str, most: int) -> int:
        """With a backlog two batches are on the way: while one travels, the other is written down."""
        run, beside = self._clock.new_id(), list[Future[int]]()
        with ThreadPoolExecutor(1, "push") as pool:

            def full() -> None:
                beside.append(pool.submit(self._rest, connection_id, most, run))

            done = self.step(connection_id, self._size(connection_id), run, full)
            done += self._rest(connection_id, most, run) if done else 0
        return done + sum(rest.result() for rest in beside)

    def _rest(self, connection_id: str, most: int, run: str) -> int:
        total = 0
        while total < most and (done := self.step(connection_id, self._size(connection_id), run)):
            total += done
        return total

    def _size(self, connection_id: str) -> int:
        """Links of a batch."""
        account = self._accounts.get(connection_id)
        return max(BATCH, DEEP * _flight(account)) if account else BATCH

    def close(self) -> None:
        """Let the calls in flight end and go."""
        for pool in self._pools.values():
            pool.shutdown()

    def _pool(self, account: Account) -> ThreadPoolExecutor:
        """As many threads as the account takes calls at once, kept: making one costs as much as a small call."""
        flight = _flight(account)
        place = (account.id, flight)
        return self._pools.get(place) or self._pools.setdefault(place, ThreadPoolExecutor(flight, "call"))

    def step(
        self, connection_id: str, size: int = BATCH, run: str = "", full: Callable[[], None] = lambda: None
    ) -> int:
        """One batch of one connection; answers how many links were looked at, 0 when there is no use in going on.
        `full` is called before a batch travels that has all it may take: there is probably more."""
        account = self._accounts.get(connection_id)
        if account is None:
            return 0
        ledger = Ledger(self._store, self._clock, account, run)
        try:
            pulled(self._store, self._clock, account)
        except Pause as error:
            self._accounts.pause(connection_id, error)
            return 0
        parcels = ledger.take(size)
        if ledger.looked_at >= size:
            full()
        try:
            _Carrier(self._store, account, ledger, self._clock, self._pool(account)).carry(parcels)
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

    store: Store
    account: Account
    ledger: Ledger
    clock: Clock
    pool: ThreadPoolExecutor

    def carry(self, parcels: Sequence[Parcel]) -> None:
        """Companies first, then what hangs on them. Raises Pause when the account wants a person, Retry when it wants
        time."""
        firms = [p for p in parcels if p.row.role == "company"]
        rest = [p for p in parcels if p.row.role != "company"]
        if firms:
            self._carry(firms)
        tie(self.account, rest)
        self._carry(rest)

    def _carry(self, parcels: Sequence[Parcel]) -> None:
        """Create, look up, update."""
        self._send(self._unknown([p for p in parcels if p.row.state == "new"]))
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

    def _unknown(self, parcels: Sequence[Parcel]) -> list[Parcel]:
        """Those that have to be made: while the mirror of the CRM's contacts is not whole, the CRM is asked first."""
        settled = ask_first(self.store, self.account, parcels, self.clock.now(), self.ledger.prolong)
        self.ledger.settle(settled)
        return [p for p in parcels if not any(p is one for one in settled)]

    def _look_up(self, parcels: Sequence[Parcel]) -> None:
        """By marker, one by one; one that cannot be looked for is asked for again later."""
        for parcel in parcels:
            try:
                found = self._find(parcel)
            except (Pause, Retry):
                raise
            except ConnectorError as error:
                stumble(parcel, error, self.clock.now())
            else:
                looked_up(self.account, parcel, found, self.clock.now())
        self.ledger.settle(parcels)

    def _find(self, parcel: Parcel) -> Sequence[Record]:
        kind = self.account.kind(parcel.row.role) or parcel.row.remote_kind
        return guarded(self.account.crm.find, kind, {"marker": parcel.marker})

    def _update(self, parcels: Sequence[Parcel], role: str) -> None:
        """Read, reconcile, apply what people did over there, send what is left to say."""
        if not parcels:
            return
        kind, refs = self.account.kind(role), [p.remote_id or "" for p in parcels]
        read = read_each(self.account, kind, refs)
        doubt = absence_in_doubt(self.store, self.account, kind, refs, read)
        stumbled = []
        for parcel, one in zip(parcels, read, strict=True):
            if isinstance(one, ConnectorError):
                stumble(parcel, one, self.clock.now())
                stumbled.append(parcel)
        self.ledger.settle(stumbled)
        good = [(p, one) for p, one in zip(parcels, read, strict=True) if not isinstance(one, ConnectorError)]
        if good:
            mine, records = [p for p, _one in good], [one for _p, one in good]
            self._send(self.ledger.reconcile(Observer(self.clock), mine, records, doubt))

    # ── calls ────────────────────────────────────────────────────────────────────────────────────

    def _write(self, parcels: Sequence[Parcel]) -> Answers:
        """Calls of the vendor's size, several in flight; what comes back at the same moment comes as one."""
        chunks = self._chunks(parcels)
        if len(chunks) <= 1 or _flight(self.account) == 1:
            for chunk in chunks:
                yield chunk, self._call(chunk)
            return
        answered: SimpleQueue[Call] = SimpleQueue()
        calls = {self.pool.submit(self._call, chunk): chunk for chunk in chunks}
        for call in calls:
            call.add_done_callback(answered.put)
        try:
            while calls:
                ready = _gathered(answered, len(calls))
                yield from _together([(calls.pop(call), call) for call in ready])
        finally:
            wait(calls)

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
            with lane(min(p.row.lane for p in chunk)):
                outcomes = guarded(self.account.crm.write, [p.op for p in chunk if p.op])
        except Pause as error:
            return [Failed(error)] * len(chunk)
        except Unreadable as error:
            return self._halved(chunk, error)
        if len(outcomes) != len(chunk):
            return [Lost("The answers cannot be told apart")] * len(chunk)
        return outcomes

    def _halved(self, chunk: Sequence[Parcel], error: Unreadable) -> Sequence[Outcome]:
        """One bad record broke a whole call. Changes are said again by halves until it is alone; what was to be made
        may have been made, so that waits until it can be looked for."""
        if len(chunk) == 1 or any(p.op is not None and p.op.ref is None for p in chunk):
            return [Lost(str(error))] * len(chunk)
        middle = len(chunk) // 2
        return [*self._call(chunk[:middle]), *self._call(chunk[middle:])]


def _flight(account: Account) -> int:
    """Calls of this account at once."""
    return int(account.live.row.config.get("parallel", PARALLEL))


def _gathered(answered: SimpleQueue[Call], left: int) -> list[Call]:
    """The next answer, and those that come right behind it."""
    ready = [answered.get()]
    with suppress(Empty):
        while len(ready) < min(TOGETHER, left):
            ready.append(answered.get(timeout=APART_S))
    return ready


def _together(ready: Sequence[tuple[list[Parcel], Call]]) -> Answers:
    """Answers that share a commit. An error of the account is raised after them."""
    good = [(chunk, call.result()) for chunk, call in ready if call.exception() is None]
    if good:
        yield [p for chunk, _outcomes in good for p in chunk], [one for _chunk, outcomes in good for one in outcomes]
    for _chunk, call in ready:
        call.result()
