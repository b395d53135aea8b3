"""Our notes and tasks on their way to a CRM: after the records, in its batches, each exactly once.

A note waits for its card. Before a call it is `sending`; a call whose answer was lost, or whose worker died, leaves it
`uncertain`: what hangs on the card is read, when nothing of ours can still be on the way, before it is said again.
Where the CRM cannot list that, a person is asked instead. What the CRM refuses is parked with its reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, bindparam, or_, select, update

from connectors.contract import Activity, Done, Failed, Lost, Op, Outcome
from connectors.errors import ConnectorError, Missing, Pause, Refuse, Retry, Unsupported
from hub.clock import MINUTE, SECOND, Clock, instant
from hub.model import deal, hanging, link
from hub.store.engine import Store
from hub.store.many import run_many
from hub.sync import owners
from hub.sync.account import Account
from hub.sync.answers import OUTAGE
from hub.sync.foreign import guarded
from hub.sync.parcel import BACKOFF, settled_after
from hub.sync.unsaid import IN_DOUBT

LEASE = 3 * MINUTE
AGAIN = 20 * SECOND
"""How long a note waits for its card before it is looked at again."""
GOING = ("new", "sending", "uncertain")
_DUE = (
    (hanging.c.connection_id == bindparam("b_connection"))
    & hanging.c.state.in_(GOING)
    & (hanging.c.due_at <= bindparam("b_now"))
    & or_(hanging.c.lease == "", hanging.c.lease_until <= bindparam("b_now"))
)
ANY_DUE = select(hanging.c.id).where(_DUE).limit(1)
DUE = (
    select(hanging)
    .where(_DUE)
    .order_by(hanging.c.due_at, hanging.c.id)
    .limit(bindparam("b_size"))
    .with_for_update(skip_locked=True)
)
LEASED = (
    update(hanging)
    .where(hanging.c.id == bindparam("b_id"))
    .values({name: bindparam(name) for name in ("state", "lease", "lease_until", "due_at")})
)
SETTLED = (
    update(hanging)
    .where(hanging.c.id == bindparam("b_id"), hanging.c.lease == bindparam("b_lease"))
    .values(
        {"lease": "", "lease_until": None}
        | {
            name: bindparam(name)
            for name in ("state", "remote_kind", "remote_id", "due_at", "attempts", "code", "why", "since")
        }
    )
)


@dataclass
class Copy:
    """One note or task of one CRM, the card it hangs on over there (kind, ref), and what comes of it."""

    row: Any
    place: tuple[str, str] | None = None
    state: str = ""
    ref: str | None = None
    due_at: int = 0
    until: int = 0  # the end of the lease
    attempts: int = 0
    code: str = ""
    why: str = ""
    pause: Pause | None = None


class Hung:
    """Carries the notes and tasks of one hub. Any number may run; rows are leased one by one."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock

    def step(self, account: Account) -> int:
        """What is due, in calls of the vendor's size; answers how many arrived. Raises Pause when the account wants
        a person, after everything is settled."""
        if not account.crm.note_kind:
            return 0
        lease, arrived = self._clock.new_id(), 0
        while copies := self._take(account, lease):
            self._carry(account, copies)
            self._settle(account, copies, lease)
            arrived += sum(one.state == "there" for one in copies)
            if paused := next((one.pause for one in copies if one.pause), None):
                raise paused
        return arrived

    def _carry(self, account: Account, copies: Sequence[Copy]) -> None:
        """No call is begun when the lease could end before it does."""
        ready, size = self._looked_up(account, copies), max(1, account.crm.facts.batch)
        for start in range(0, len(ready), size):
            if self._clock.now() + account.longest_request * SECOND > ready[start].until:
                for one in ready[start:]:
                    one.state, one.due_at = "new", self._clock.now()
                return
            self._send(account, ready[start : start + size])

    # ── rows ─────────────────────────────────────────────────────────────────────────────────────

    def _take(self, account: Account, lease: str) -> list[Copy]:
        """Lease what is due; those to be sent are written down as such in the same commit."""
        now = self._clock.now()
        which = {"b_connection": account.id, "b_now": now, "b_size": max(50, account.crm.facts.batch)}
        with self._store.read() as conn:
            if conn.execute(ANY_DUE, which).first() is None:
                return []
        with self._store.write() as conn:
            copies = [Copy(row, state=row.state, attempts=row.attempts) for row in conn.execute(DUE, which)]
            _find_places(conn, account, copies)
            until = now + max(LEASE, round(3 * account.longest_request * SECOND))
            run_many(conn, LEASED, [_leased(one, lease, now, until) for one in copies])
        return [one for one in copies if one.place is not None]

    def _settle(self, account: Account, copies: Sequence[Copy], lease: str) -> None:
        with self._store.write() as conn:
            run_many(conn, SETTLED, [self._row(account, one, lease) for one in copies])

    def _row(self, account: Account, one: Copy, lease: str) -> dict[str, Any]:
        same = (one.state, one.code) == (one.row.state, one.row.code)
        return {
            "b_id": one.row.id, "b_lease": lease, "state": one.state, "remote_id": one.ref,
            "remote_kind": _kind(account, one.row) if one.ref else one.row.remote_kind, "due_at": one.due_at,
            "attempts": one.attempts, "code": one.code, "why": one.why,
            "since": one.row.since if same else self._clock.now(),
        }  # fmt: skip

    # ── calls ────────────────────────────────────────────────────────────────────────────────────

    def _looked_up(self, account: Account, copies: Sequence[Copy]) -> list[Copy]:
        """Those that certainly are not there. What hangs on one card is read once for all of its notes."""
        seen: dict[tuple[str, str, str], list[tuple[str, str]]] = {}
        for one in copies:
            if one.state == "uncertain":
                self._look_up(account, one, seen)
        return [one for one in copies if one.state == "sending"]

    def _look_up(self, account: Account, one: Copy, seen: dict[tuple[str, str, str], list[tuple[str, str]]]) -> None:
        assert one.place is not None  # noqa: S101 - only what has a place is looked up
        where = (_kind(account, one.row), *one.place)
        try:
            if not account.crm.facts.hanging:
                raise Unsupported("notes are not listed")
            if where not in seen:
                seen[where] = _there(account, *where)
        except Unsupported:
            one.state, one.code = "parked", IN_DOUBT
            one.why = "The answer was lost, and this CRM cannot be asked whether the note is there: look at the card"
            return
        except ConnectorError as error:
            self._failed(one, error, "uncertain")
            return
        with self._store.read() as conn:
            taken = _known(conn, account, where[0], [ref for ref, _text in seen[where]])
        wanted = plain(one.row.text)
        one.ref = next((ref for ref, text in seen[where] if text == wanted and ref not in taken), None)
        seen[where] = [(ref, text) for ref, text in seen[where] if ref != one.ref]
        one.state = "there" if one.ref else "sending"
        one.code, one.why = "", ""

    def _send(self, account: Account, copies: Sequence[Copy]) -> None:
        ops: list[Op] = []
        going: list[Copy] = []
        for one in copies:
            try:
                ops.append(guarded(_op, account, one))
            except ConnectorError as error:
                self._failed(one, error, "new")
            else:
                going.append(one)
        for one, outcome in zip(going, _write(account, ops), strict=True):
            self._judge(account, one, outcome)

    def _judge(self, account: Account, one: Copy, outcome: Outcome) -> None:
        if isinstance(outcome, Done):
            one.state, one.ref, one.code, one.why = "there", outcome.record.ref, "", ""
        elif isinstance(outcome, Lost):
            one.state, one.due_at = "uncertain", self._clock.now() + settled_after(account)
            one.attempts += 1
            one.code, one.why = "unknown_outcome", outcome.reason
        else:
            self._failed(one, outcome.error, "new")

    def _failed(self, one: Copy, error: Exception, state: str) -> None:
        """Nothing came of it, for certain: again later, or a person has to look."""
        one.attempts = min(one.attempts + 1, len(BACKOFF))
        after = getattr(error, "after", None)
        waits = isinstance(error, Retry | Pause)
        wait = BACKOFF[one.attempts - 1] if after is None else round(after * SECOND)
        wait = min(wait, OUTAGE) if waits and after is None else wait
        one.pause = error if isinstance(error, Pause) else None
        one.state, one.due_at = state, self._clock.now() + max(SECOND, wait)
        if isinstance(error, Refuse | Missing) or (one.attempts >= len(BACKOFF) and not waits):
            one.state = "parked"
        one.code, one.why = error.code if isinstance(error, ConnectorError) else "refused", str(error)
        if (one.state, state) == ("parked", "uncertain"):
            one.code = IN_DOUBT


def plain(text: str) -> str:
    """Words as they compare: CRMs keep spaces and line ends in their own way."""
    return " ".join(text.split())


def _write(account: Account, ops: Sequence[Op]) -> Sequence[Outcome]:
    try:
        outcomes = guarded(account.crm.write, ops) if ops else []
    except (Pause, Retry) as error:
        lost = isinstance(error, Retry) and error.effect
        return [Lost(str(error)) if lost else Failed(error)] * len(ops)
    except ConnectorError as error:
        return [Lost(str(error))] * len(ops)
    return outcomes if len(outcomes) == len(ops) else [Lost("The answers cannot be told apart")] * len(ops)


def _op(account: Account, one: Copy) -> Op:
    """The note in the CRM's words. A task for a CRM without tasks is a note that says until when."""
    row, kind = one.row, _kind(account, one.row)
    assert one.place is not None  # noqa: S101 - only what has a place is sent
    config = account.live.row.config
    by = owners.known(config).get(str(row.member_id)) or str(config.get(owners.THERE) or "")
    at, what = (instant(row.until_at) if row.until_at else None), row.what
    text = row.text
    if what == "task" and kind != account.crm.task_kind:
        what, text = "note", f"{text} ({at:%Y-%m-%d %H:%M} UTC)" if at else text
    values = account.crm.worded(Activity(what, text, at or instant(row.since), by))
    return Op(kind, values, links={one.place[0]: (one.place[1],)})


def _kind(account: Account, row: Any) -> str:
    return account.crm.task_kind if row.what == "task" and account.crm.task_kind else account.crm.note_kind


def _there(account: Account, kind: str, card: str, ref: str) -> list[tuple[str, str]]:
    """What hangs on a card: refs and words."""
    found = guarded(account.crm.find, kind, {card: ref})
    told = [(one.ref, guarded(account.crm.activity, one)) for one in found]
    return [(ref, plain(one.text)) for ref, one in told if one is not None]


def _known(conn: Connection, account: Account, kind: str, refs: Sequence[str]) -> set[str]:
    """Those that are somebody's already."""
    mine = (hanging.c.connection_id == account.id) & (hanging.c.remote_kind == kind)
    return set(conn.execute(select(hanging.c.remote_id).where(mine, hanging.c.remote_id.in_(refs))).scalars())


def _leased(one: Copy, lease: str, now: int, until: int) -> dict[str, Any]:
    """A call that was on its way when its worker died is in doubt; what has no card yet waits for it."""
    row, kept = one.row, one.place is not None
    if kept:
        one.state, one.until = ("sending" if row.state == "new" else "uncertain"), until
        one.due_at = row.due_at
    return {
        "b_id": row.id, "state": one.state, "lease": lease if kept else "", "lease_until": until if kept else None,
        "due_at": row.due_at if kept else now + AGAIN,
    }  # fmt: skip


def _find_places(conn: Connection, account: Account, copies: Sequence[Copy]) -> None:
    """The cards over there; that of a lead that became a deal is the deal's where it is one card."""
    places = _cards(conn, account, {one.row.subject_id for one in copies})
    lost = {one.row.subject_id for one in copies} - places.keys()
    later = select(deal.c.lead_id, deal.c.id).where(deal.c.lead_id.in_(lost), deal.c.state != "reverted")
    deals = {row.id: row.lead_id for row in conn.execute(later)} if lost else {}
    places |= {deals[deal_id]: place for deal_id, place in _cards(conn, account, set(deals)).items()}
    for one in copies:
        one.place = places.get(one.row.subject_id)


def _cards(conn: Connection, account: Account, ids: set[str]) -> dict[str, tuple[str, str]]:
    mine = (link.c.connection_id == account.id) & (link.c.state == "linked") & link.c.remote_id.is_not(None)
    asked = select(link.c.record_id, link.c.remote_kind, link.c.remote_id).where(mine, link.c.record_id.in_(ids))
    return {row.record_id: (row.remote_kind, row.remote_id) for row in conn.execute(asked)} if ids else {}
