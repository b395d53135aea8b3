"""Events become inquiries and leads, in small batches, each batch one transaction.

Taking events out of the log and deciding on them are two commits: first the event is leased (a row in
event_work), then it is understood outside any transaction, then everything it means is written together
with its verdict, if the lease is still ours. A kill anywhere leaves either nothing or an expired lease,
and the next worker does the same again with the same result.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import BindParameter, Connection, bindparam, case, func, or_, select, update
from sqlalchemy.exc import IntegrityError, OperationalError

from connectors.contract import DraftKind, Hint, Raw
from connectors.errors import ConnectorError, Retry, Unreadable, Unverified
from hub.clock import MINUTE, SECOND, Clock
from hub.funnel.policy import Decision
from hub.identity.junk import is_junk
from hub.intake.book import Book, Collision
from hub.intake.connections import Connections, Live
from hub.intake.decide import decide
from hub.intake.drafts import Understood, raw_of, understand
from hub.intake.quarantine import NO_OWNER, TRUSTED
from hub.model import event, event_work, inbox_reader
from hub.model.intake import UNDECIDED
from hub.notices.pressed import take
from hub.routing.floor import NobodyThere
from hub.routing.kept import Kept
from hub.store.engine import Store, add_unless_there
from hub.store.lists import among
from hub.store.many import add_many, run_many
from hub.store.notes import point_at
from mappings import Inbound, default_inbound, load_inbound

log = logging.getLogger("leadhub.intake")

BATCH = 256
"""What a batch asks and writes whatever its size (some seventy statements, two commits) is a tenth of a lead at 128."""
LEASE = 60 * SECOND
TRIES = 8
COLLISIONS = 6
BACKOFF = (5 * SECOND, 30 * SECOND, 2 * MINUTE, 10 * MINUTE, 30 * MINUTE, 120 * MINUTE, 300 * MINUTE)


_NOW: BindParameter[int] = bindparam("b_now")
_EXPIRED = (event_work.c.state == "taken") & (event_work.c.lease_until <= _NOW)
_WAITED = (event_work.c.state == "waiting") & (event_work.c.due_at <= _NOW)
DUE = (
    select(event_work.c.event_id, event_work.c.code)
    .where(UNDECIDED, or_(_EXPIRED, _WAITED))
    .limit(bindparam("b_size"))
    .with_for_update(skip_locked=True)
)
"""Events that were left behind."""
ANY_DUE = select(event_work.c.event_id).where(UNDECIDED, or_(_EXPIRED, _WAITED)).limit(1)
READ_TO = select(inbox_reader.c.seq).where(inbox_reader.c.name == "flow")
ANY_NEW = select(event.c.seq).where(event.c.seq > bindparam("b_seq")).limit(1)
NEW = select(event).where(event.c.seq > bindparam("b_seq")).order_by(event.c.seq).limit(bindparam("b_size"))
HELD = select(func.count(event_work.c.event_id)).where(
    among(event_work.c.event_id), event_work.c.lease == bindparam("b_lease")
)
JUDGED = (
    update(event_work)
    .where(event_work.c.event_id == bindparam("b_id"))
    .values({"lease": "", "lease_until": None} | {n: bindparam(n) for n in ("state", "code", "why", "due_at", "at")})
)


class LeaseLost(Exception):
    """Somebody else took these events over: our decisions are void."""


@dataclass
class _Verdict:
    """What becomes of one event."""

    row: Any
    state: str = "done"
    code: str = ""
    why: str = ""
    due_at: int | None = None
    understood: Sequence[Understood] = ()
    hints: Sequence[Hint] = ()


@dataclass
class Outcome:
    """What one batch did."""

    events: int = 0
    hints: int = 0
    decisions: Counter[Decision] = field(default_factory=Counter)


class Flow:
    """The way of events through the hub. Any number of them may run, in any number of processes."""

    def __init__(
        self, store: Store, clock: Clock, connections: Connections, ring: Callable[[str], None] = lambda _name: None
    ) -> None:
        self._store, self._clock, self._connections, self._ring = store, clock, connections, ring
        self._mappings: dict[tuple[str, str], Inbound] = {}
        self._kept = Kept()

    def drain(self, most: int = 1_000_000) -> Outcome:
        """Process until nothing is due (or `most` events are done)."""
        total = Outcome()
        while total.events < most:
            done = self.step()
            if not done.events:
                break
            total.events += done.events
            total.decisions += done.decisions
        return total

    def step(self, size: int = BATCH) -> Outcome:
        """One batch: lease, understand, decide, write."""
        lease = self._clock.new_id()
        rows = self._take(lease, size)
        if not rows:
            return Outcome()
        outcome = self.handle(rows, lease)
        if outcome.hints:
            self._ring("pull")
        if outcome.decisions[Decision.NEW_LEAD] or outcome.decisions[Decision.JOINED]:
            self._ring("push")
        return outcome

    def handle(self, rows: Sequence[Any], lease: str) -> Outcome:
        """Understand and write leased events. A fault in one of many is looked for by halves."""
        verdicts: list[_Verdict] = []
        try:
            verdicts = [self._understand(row) for row in rows]
            return self._write(verdicts, lease)
        except LeaseLost:
            log.warning("lease lost events=%d", len(rows))
            return Outcome()
        except NobodyThere as error:
            return self._write([_waiting(v, NO_OWNER, str(error), self._clock.now() + MINUTE) for v in verdicts], lease)
        except (IntegrityError, ValueError, TypeError, KeyError, AttributeError, IndexError, RecursionError) as error:
            return self._halve(rows, lease, error)

    def _halve(self, rows: Sequence[Any], lease: str, error: Exception) -> Outcome:
        if len(rows) == 1:
            log.exception("event parked event=%s", rows[0].id)
            parked = _Verdict(
                rows[0], "parked", "fault", f"{type(error).__name__} while deciding: report this, then replay"
            )
            return self._write([parked], lease)
        half = len(rows) // 2
        first, second = self.handle(rows[:half], lease), self.handle(rows[half:], lease)
        return Outcome(first.events + second.events, first.hints + second.hints, first.decisions + second.decisions)

    # ── taking ───────────────────────────────────────────────────────────────────────────────────

    def _take(self, lease: str, size: int) -> list[Any]:
        """Lease due events: first those that were left behind, then new ones from the log."""
        now = self._clock.now()
        if not self._anything_due(now):
            return []
        with self._store.write() as conn:
            rows = self._left_behind(conn, now, lease, size)
            if len(rows) < size:
                rows += self._fresh(conn, now, lease, size - len(rows))
        return rows

    def _anything_due(self, now: int) -> bool:
        """A look without a writing transaction, so that an idle hub does not touch the disk."""
        with self._store.read() as conn:
            seq = conn.execute(READ_TO).scalar() or 0
            waiting = conn.execute(ANY_DUE, {"b_now": now}).first()
        if waiting:
            return True
        with self._store.read_inbox() as conn:
            return conn.execute(ANY_NEW, {"b_seq": seq}).first() is not None

    def _left_behind(self, conn: Connection, now: int, lease: str, size: int) -> list[Any]:
        due = list(conn.execute(DUE, {"b_now": now, "b_size": size}))
        ids = [row.event_id for row in due]
        if not ids:
            return []
        conn.execute(
            update(event_work)
            .where(event_work.c.event_id.in_(ids))
            .values(state="taken", lease=lease, lease_until=now + LEASE, attempts=event_work.c.attempts + 1)
        )
        with self._store.read_inbox() as inbox:
            read = select(*_with_trust([row.event_id for row in due if row.code == TRUSTED]))
            return list(inbox.execute(read.where(event.c.id.in_(ids)).order_by(event.c.seq)))

    def _fresh(self, conn: Connection, now: int, lease: str, size: int) -> list[Any]:
        mine = READ_TO.with_for_update()
        seq = conn.execute(mine).scalar()
        if seq is None:
            add_unless_there(conn, inbox_reader, {"name": "flow", "seq": 0})
            seq = conn.execute(mine).scalar_one()
        with self._store.read_inbox() as inbox:
            rows = list(inbox.execute(NEW, {"b_seq": seq, "b_size": size}))
        if rows:
            add_many(conn, event_work, [_taken(row, now, lease) for row in rows])
            conn.execute(update(inbox_reader).where(inbox_reader.c.name == "flow").values(seq=rows[-1].seq))
        return rows

    # ── understanding ────────────────────────────────────────────────────────────────────────────

    def _understand(self, row: Any) -> _Verdict:
        """Parse one event; every way it can fail has its own future."""
        verdict = _Verdict(row)
        live = self._connections.by_id(row.connection_id)
        if live is None:
            return _set(verdict, "quarantined", "no_connection", "Its connection was deleted")
        raw = raw_of(row)
        try:
            if live.row.kind == "crm":
                verdict.hints = self._hints(row, raw, live)
            elif row.verdict in ("ok", "unverified", TRUSTED):
                verdict.understood = self._read(row, raw, live)
            else:
                _set(verdict, "quarantined", row.verdict, row.why)
        except Unverified as error:
            _set(verdict, "quarantined", "unverified", str(error))
        except Unreadable as error:
            _set(verdict, "parked", "unreadable", str(error))
        except Retry as error:
            after = max(error.after or 0, BACKOFF[0] / SECOND)
            _waiting(verdict, _retry_code(row), str(error), self._clock.now() + round(after * SECOND))
        except ConnectorError as error:
            _set(verdict, "parked", error.code, str(error))
        return verdict

    def _hints(self, row: Any, raw: Raw, live: Live) -> tuple[Hint, ...]:
        """What a hook points at; one that proved nothing is asked again, as in `_read`."""
        if row.verdict == "unverified":
            live.crm.verify(raw)
        return tuple(live.crm.touched(raw))

    def _read(self, row: Any, raw: Raw, live: Live) -> Sequence[Understood]:
        """The inquiries of one event; what was unverified is asked again, the secret may be right by now."""
        if row.verdict == "unverified":
            live.source.verify(raw)
        understood = understand(row, live.source.resolve(raw), live, self._mapping(live))
        return _rescued(understood) if row.verdict == TRUSTED else understood

    def _mapping(self, live: Live) -> Inbound:
        place = (live.id, live.row.mapping)
        if place not in self._mappings:
            own = live.row.mapping
            self._mappings[place] = load_inbound(own, default_inbound()) if own else default_inbound()
        return self._mappings[place]

    # ── writing ──────────────────────────────────────────────────────────────────────────────────

    def _write(self, verdicts: Sequence[_Verdict], lease: str) -> Outcome:
        """All verdicts in one transaction; decided anew when another worker wrote a key we wanted."""
        for _attempt in range(COLLISIONS - 1):
            try:
                return self._decide_and_write(verdicts, lease)
            except (Collision, IntegrityError) as error:
                log.info("collision, deciding anew: %s", type(error).__name__)
            except OperationalError as error:
                if not _deadlock(error):
                    raise
        return self._decide_and_write(verdicts, lease)

    def _decide_and_write(self, verdicts: Sequence[_Verdict], lease: str) -> Outcome:
        outcome = Outcome(events=len(verdicts), hints=sum(len(verdict.hints) for verdict in verdicts))
        with self._store.write() as conn:
            self._hold_lease(conn, verdicts, lease)
            said = [self._by_others(conn, verdict) for verdict in verdicts]
            if batch := [one for some in said for one in some]:
                book = Book(conn, batch, self._clock.now(), self._kept)
                for verdict, some in zip(verdicts, said, strict=True):
                    decided = [decide(book, one, self._clock) for one in some]
                    outcome.decisions.update(decided)
                    _judge(verdict, decided)
                book.write(self._clock)
            self._look_again(conn, verdicts)
            self._record(conn, verdicts)
        return outcome

    def _by_others(self, conn: Connection, verdict: _Verdict) -> Sequence[Understood]:
        """What clients said: what colleagues press and write is dealt with at once."""
        return [one for one in verdict.understood if not take(conn, self._clock, one)]

    def _look_again(self, conn: Connection, verdicts: Sequence[_Verdict]) -> None:
        """What hooks pointed at: one row per record, however often it was pointed at."""
        hints = ((v.row.connection_id, hint.kind, hint.ref) for v in verdicts for hint in v.hints)
        point_at(conn, self._clock, Counter(hints))

    def _hold_lease(self, conn: Connection, verdicts: Sequence[_Verdict], lease: str) -> None:
        """Fencing: who took too long finds another lease here and gives up."""
        ids = [verdict.row.id for verdict in verdicts]
        if conn.execute(HELD, {"wanted": ids, "b_lease": lease}).scalar() != len(ids):
            raise LeaseLost

    def _record(self, conn: Connection, verdicts: Sequence[_Verdict]) -> None:
        now = self._clock.now()
        rows = [
            {"b_id": v.row.id, "state": v.state, "code": v.code, "why": v.why, "due_at": v.due_at, "at": now}
            for v in verdicts
        ]
        run_many(conn, JUDGED, rows)


NOTHING = "No name, contact data or message was understood: map its fields"
JUNK = "It looks like a test or an offer, and nobody here knows its sender: take it in if it is an inquiry"


def _judge(verdict: _Verdict, decided: Sequence[Decision]) -> None:
    """An event whose inquiries were all set apart needs attention itself."""
    if verdict.state == "done" and decided and all(d is Decision.QUARANTINED for d in decided):
        draft = verdict.understood[0].draft
        junk = draft.kind is DraftKind.INQUIRY and is_junk(verdict.understood[0].junk)
        code = "set_apart" if draft.kind is DraftKind.QUARANTINE else "junk" if junk else "nothing_understood"
        _set(verdict, "quarantined", code, draft.why or (JUNK if junk else NOTHING))


def _taken(row: Any, now: int, lease: str) -> Mapping[str, Any]:
    return {
        "event_id": row.id, "seq": row.seq, "connection_id": row.connection_id, "state": "taken", "lease": lease,
        "lease_until": now + LEASE, "attempts": 1, "due_at": now, "code": "", "why": "", "at": now,
    }  # fmt: skip


def _with_trust(ids: Sequence[str]) -> list[Any]:
    """The columns of an event; the verdict of those that an admin vouched for is theirs."""
    verdict = case((event.c.id.in_(ids), TRUSTED), else_=event.c.verdict).label("verdict")
    return [verdict if column is event.c.verdict else column for column in event.c]


def _retry_code(row: Any) -> str:
    return TRUSTED if row.verdict == TRUSTED else "retry"


def _rescued(understood: Sequence[Understood]) -> Sequence[Understood]:
    """What was set apart is an inquiry once an admin says so."""
    return [
        replace(one, draft=replace(one.draft, kind=DraftKind.INQUIRY), junk={})
        if one.draft.kind is DraftKind.QUARANTINE
        else replace(one, junk={})
        for one in understood
    ]


def _set(verdict: _Verdict, state: str, code: str, why: str) -> _Verdict:
    verdict.state, verdict.code, verdict.why = state, code, why
    return verdict


def _waiting(verdict: _Verdict, code: str, why: str, due_at: int) -> _Verdict:
    verdict.due_at, verdict.understood = due_at, ()
    return _set(verdict, "waiting", code, why)


def _deadlock(error: OperationalError) -> bool:
    """PostgreSQL broke a ring of waiting transactions and chose ours."""
    return getattr(error.orig, "sqlstate", "") in ("40P01", "40001")
