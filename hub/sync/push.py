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
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import Connection, bindparam, or_, select, update

from connectors.contract import Done, Failed, Lost, Op, Outcome, Record
from connectors.errors import Conflict, ConnectorError, Missing, Pause, Refuse, Retry
from hub.clock import HOUR, MINUTE, SECOND, Clock
from hub.model import journal, link
from hub.store.engine import Store
from hub.sync import records
from hub.sync.account import SEEN_PLACE, Account, Accounts
from hub.sync.observe import Observer, Sighting
from hub.sync.plan import ABSENT
from hub.sync.split import NotPlaced

log = logging.getLogger("leadhub.push")

BATCH = 400
LEASE = 3 * MINUTE
BACKOFF = (5 * SECOND, 30 * SECOND, 2 * MINUTE, 10 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR)
OUTAGE = 10 * MINUTE
"""The longest wait while the CRM as a whole is away: nobody's lead waits for hours after it is back."""
ALONE = 2
"""From this attempt on a record travels alone, so that one that breaks the CRM does not hold up its batch."""
PARALLEL = 4
REFUSED = "@refused"


@dataclass
class Parcel:
    """One link on its way: what it was when leased, the hub's values, the operation, and what comes of it."""

    row: Any
    flat: records.Flat
    op: Op | None = None
    state: str = ""
    code: str = ""
    why: str = ""
    due_at: int | None = None
    dirty: int = 0
    base: dict[str, Any] = field(default_factory=dict)
    raw: dict[str, Any] = field(default_factory=dict)
    sent: dict[str, Any] = field(default_factory=dict)
    remote_id: str | None = None
    attempts: int = 0
    lookups: int = 0
    contact: Parcel | None = None
    first: bool = False

    def __post_init__(self) -> None:
        row = self.row
        self.state, self.remote_id, self.attempts, self.lookups = row.state, row.remote_id, row.attempts, row.lookups
        self.base, self.raw, self.sent = dict(row.base), dict(row.raw), dict(row.sent)
        self.dirty = row.dirty

    @property
    def marker(self) -> str:
        return str(self.flat.get("hub_id") or self.row.record_id)


class Pusher:
    """Carries one hub's changes to its CRMs. Any number may run; links are leased one by one."""

    def __init__(
        self, store: Store, clock: Clock, accounts: Accounts, ring: Callable[[str], None] = lambda _name: None
    ) -> None:
        self._store, self._clock, self._accounts, self._ring = store, clock, accounts, ring
        self._observer = Observer(clock)

    def drain(self, connection_id: str, most: int = 1_000_000) -> int:
        """Push until nothing is due; answers how many links were handled."""
        total = 0
        while total < most and (done := self.step(connection_id)):
            total += done
        return total

    def step(self, connection_id: str, size: int = BATCH) -> int:
        """One batch of one connection."""
        account = self._accounts.get(connection_id)
        if account is None:
            return 0
        lease = self._clock.new_id()
        parcels = self._take(account, lease, size)
        try:
            self._carry(account, parcels, lease)
        except Pause as error:
            log.warning("connection paused connection=%s code=%s", connection_id, error.code)
            self._release(parcels, lease)
            self._accounts.pause(connection_id, error)
        except Retry as error:
            self._release(parcels, lease, after=error.after)
            return 0
        return len(parcels)

    def _carry(self, account: Account, parcels: Sequence[Parcel], lease: str) -> None:
        unsure = [p for p in parcels if p.row.state == "uncertain"]
        known = [p for p in parcels if p.row.state == "linked"]
        fresh = [p for p in parcels if p.row.state == "new"]
        self._send(account, fresh, lease)
        self._look_up(account, unsure, lease)
        self._update(account, known, lease)

    # ── taking ───────────────────────────────────────────────────────────────────────────────────

    def _take(self, account: Account, lease: str, size: int) -> list[Parcel]:
        """Lease due links and write down what the new ones are about to send, in one commit."""
        now = self._clock.now()
        due = (
            (link.c.connection_id == account.id)
            & (link.c.dirty > 0)
            & link.c.state.in_(("new", "sending", "uncertain", "linked"))
            & (link.c.due_at <= now)
            & or_(link.c.lease == "", link.c.lease_until <= now)
        )
        with self._store.read() as conn:
            if conn.execute(select(link.c.id).where(due).limit(1)).first() is None:
                return []
        with self._store.write() as conn:
            order = (link.c.lane, link.c.due_at, link.c.role.desc())
            rows = list(
                conn.execute(select(link).where(due).order_by(*order).limit(size).with_for_update(skip_locked=True))
            )
            parcels = self._parcels(conn, account, rows)
            self._prepare(account, parcels, now)
            going = [p for p in parcels if self._goes(p)]
            self._save(conn, parcels, lease, now + LEASE, keep=going)
        return going

    @staticmethod
    def _goes(parcel: Parcel) -> bool:
        """Whether there is something to do for this link right now."""
        if parcel.row.state in ("linked", "uncertain"):
            return True
        return parcel.state == "sending" and parcel.op is not None

    def _parcels(self, conn: Connection, account: Account, rows: Sequence[Any]) -> list[Parcel]:
        flats: dict[tuple[str, str], records.Flat] = {}
        for role in ("contact", "lead", "deal"):
            ids = [row.record_id for row in rows if row.role == role]
            flats.update({(role, key): flat for key, flat in records.load(conn, role, ids).items()})
        parcels = {
            (row.role, row.record_id): Parcel(row, flats[row.role, row.record_id])
            for row in rows
            if (row.role, row.record_id) in flats
        }
        self._join_contacts(conn, account, parcels)
        return list(parcels.values())

    def _join_contacts(self, conn: Connection, account: Account, parcels: dict[tuple[str, str], Parcel]) -> None:
        """A card needs its contact: in the same batch, already there, or still to be fetched."""
        cards = [p for p in parcels.values() if p.row.role != "contact"]
        missing = sorted({p.flat["contact"] for p in cards if ("contact", p.flat["contact"]) not in parcels})
        mine = (link.c.connection_id == account.id) & (link.c.role == "contact")
        elsewhere = {}
        for start in range(0, len(missing), 400):
            found = conn.execute(select(link).where(mine, link.c.record_id.in_(missing[start : start + 400])))
            elsewhere.update({row.record_id: row for row in found})
        for card in cards:
            contact_id = card.flat["contact"]
            card.contact = parcels.get(("contact", contact_id))
            if card.contact is None and contact_id in elsewhere:
                card.contact = Parcel(elsewhere[contact_id], {})

    def _prepare(self, account: Account, parcels: Sequence[Parcel], now: int) -> None:
        """Operations for what is new; what was left in the middle of sending becomes uncertain."""
        compound = account.crm.facts.compound > 0
        carried: set[int] = set()
        for parcel in sorted(parcels, key=lambda p: p.row.role == "contact"):
            if parcel.row.state == "sending":
                self._doubt(account, parcel, "the worker that sent it stopped")
            elif parcel.row.state == "new" and id(parcel) not in carried:
                self._prepare_new(account, parcel, compound, carried, now)

    def _prepare_new(self, account: Account, parcel: Parcel, compound: bool, carried: set[int], now: int) -> None:
        contact = parcel.contact
        includes: tuple[Op, ...] = ()
        links: dict[str, tuple[str, ...]] = {}
        if contact is not None and contact.remote_id:
            links = {account.crm.contact_kind: (contact.remote_id,)}
        elif (
            contact is not None and contact.state == "new" and compound and contact.flat and id(contact) not in carried
        ):
            self._new_op(account, contact, (), {})
            carried.add(id(contact))
            includes = (contact.op,) if contact.op else ()
        elif contact is not None and contact.state in ("new", "sending", "uncertain"):
            parcel.state, parcel.due_at = "new", now + SECOND  # its contact is on the way
            return
        self._new_op(account, parcel, includes, links)

    def _new_op(
        self, account: Account, parcel: Parcel, includes: tuple[Op, ...], links: dict[str, tuple[str, ...]]
    ) -> None:
        role = parcel.row.role
        wish = {name: value for name, value in parcel.flat.items() if value not in ("", None, [])}
        try:
            values = account.written(role, wish, {})
        except NotPlaced as error:
            parcel.state, parcel.code, parcel.why = "parked", "not_placed", str(error)
            return
        for name in parcel.base.get(REFUSED, ()):
            values.pop(name, None)
        parcel.state, parcel.first = "sending", True
        parcel.sent = _remembered(account, values)
        parcel.op = Op(account.kind(role), values, marker=parcel.marker, includes=includes, links=links)

    # ── sending ──────────────────────────────────────────────────────────────────────────────────

    def _send(self, account: Account, parcels: Sequence[Parcel], lease: str) -> None:
        carried = {id(p.contact) for p in parcels if p.op and p.op.includes}
        heads = [p for p in parcels if id(p) not in carried]
        for chunk, outcomes in self._write(account, heads):
            done: list[Parcel] = []
            for parcel, outcome in zip(chunk, outcomes, strict=True):
                done += self._judge(account, parcel, outcome)
            self._finish(account, done, lease)

    def _write(self, account: Account, parcels: Sequence[Parcel]) -> Iterable[tuple[list[Parcel], Sequence[Outcome]]]:
        """Calls of the vendor's size, several in flight; answers are handled as they come."""
        facts = account.crm.facts
        size = max(1, facts.compound if any(p.op and p.op.includes for p in parcels) else facts.batch)
        size = min(size, int(account.live.row.config.get("per_call", size)))
        together = [p for p in parcels if p.attempts < ALONE]
        chunks = [together[start : start + size] for start in range(0, len(together), size)]
        chunks += [[p] for p in parcels if p.attempts >= ALONE]
        flight = int(account.live.row.config.get("parallel", PARALLEL))
        if len(chunks) <= 1 or flight == 1:
            for chunk in chunks:
                yield chunk, account.crm.write([p.op for p in chunk if p.op])
            return
        with ThreadPoolExecutor(min(flight, len(chunks)), "push") as pool:
            calls = {pool.submit(account.crm.write, [p.op for p in chunk if p.op]): chunk for chunk in chunks}
            while calls:
                ready, _ = wait(calls, return_when=FIRST_COMPLETED)
                yield from _answered([(calls.pop(call), call) for call in ready])

    def _judge(self, account: Account, parcel: Parcel, outcome: Outcome) -> list[Parcel]:
        """What an answer means for a link (and for the contact that travelled with it)."""
        fellow = parcel.contact if parcel.op and parcel.op.includes else None
        if isinstance(outcome, Done):
            self._arrived(account, parcel, outcome.record, outcome.echoed)
            if fellow is not None and outcome.includes:
                self._arrived(account, fellow, outcome.includes[0], outcome.echoed)
        elif isinstance(outcome, Lost):
            for one in filter(None, (parcel, fellow)):
                self._doubt(account, one, outcome.reason)
        else:
            for one in filter(None, (parcel, fellow)):
                self._failed(account, one, outcome)
        return [parcel] + ([fellow] if fellow is not None else [])

    def _arrived(self, account: Account, parcel: Parcel, record: Record, echoed: bool) -> None:
        """Both sides agree on what was sent; the CRM's own spelling of it is learnt at the next look."""
        slots = account.slots[parcel.row.role]
        seen = account.seen(record, parcel.row.role) if echoed else parcel.sent
        refused = parcel.base.get(REFUSED)
        parcel.raw = {**parcel.raw, **seen}
        known = (
            parcel.flat if parcel.op is not None else {slot.hub: slot.into(parcel.sent.get(slot.crm)) for slot in slots}
        )
        pushed = {
            slot.hub: known[slot.hub]
            for slot in slots
            if slot.crm in parcel.sent and known.get(slot.hub, ABSENT) is not ABSENT
        }
        parcel.base = {**parcel.base, **pushed, **({REFUSED: refused} if refused else {})}
        parcel.sent = {}
        parcel.remote_id = record.ref
        parcel.state, parcel.code, parcel.why, parcel.attempts = "linked", "", "", 0
        parcel.due_at = self._clock.now()
        parcel.dirty = -parcel.row.dirty

    def _doubt(self, account: Account, parcel: Parcel, reason: str) -> None:
        """We may have done it. Creates wait until nothing of ours can still be on the way; updates are read again."""
        now = self._clock.now()
        parcel.code, parcel.why = "unknown_outcome", reason
        parcel.attempts += 1
        if parcel.remote_id and parcel.attempts >= len(BACKOFF):
            parcel.state = "parked"
        elif parcel.remote_id:
            parcel.state, parcel.due_at = "linked", now + BACKOFF[parcel.attempts - 1]
        else:
            wait = account.longest_request + account.lag
            parcel.state, parcel.due_at, parcel.lookups = "uncertain", now + round(wait * SECOND), 0

    def _failed(self, account: Account, parcel: Parcel, outcome: Failed) -> None:
        error, now = outcome.error, self._clock.now()
        known = bool(parcel.remote_id)
        parcel.code = error.code if isinstance(error, ConnectorError) else "refused"
        parcel.why = str(error)
        parcel.sent = parcel.sent if known else {}
        parcel.state = "linked" if known else "new"
        if isinstance(error, Retry):
            parcel.due_at = now + _wait(error, parcel)
        elif isinstance(error, Refuse) and self._leave_out(parcel, error):
            parcel.due_at = now
        elif isinstance(error, Conflict) and error.ref and not known:
            parcel.state, parcel.due_at, parcel.lookups = "uncertain", now, 0
        else:
            self._again_or_park(parcel, error, now)

    @staticmethod
    def _again_or_park(parcel: Parcel, error: Exception, now: int) -> None:
        parcel.attempts += 1
        if isinstance(error, Refuse | Missing) or parcel.attempts >= len(BACKOFF):
            parcel.state = "parked"
        else:
            parcel.due_at = now + BACKOFF[parcel.attempts - 1]

    @staticmethod
    def _leave_out(parcel: Parcel, error: Refuse) -> bool:
        """A lead is never refused because one field is bad: the named fields stay behind, the rest goes again."""
        op = parcel.op
        bad = [name for name in error.fields if op is not None and name in op.values]
        already = parcel.base.get(REFUSED, [])
        news = [name for name in bad if name not in already]
        if not news or (op is not None and len(news) >= len(op.values)):
            return False
        parcel.base = {**parcel.base, REFUSED: [*already, *news]}
        return True

    # ── looking up what may exist ────────────────────────────────────────────────────────────────

    def _look_up(self, account: Account, parcels: Sequence[Parcel], lease: str) -> None:
        for parcel in parcels:
            kind = account.kind(parcel.row.role)
            found = account.crm.find(kind, {"marker": parcel.marker})
            facts, now = account.crm.facts, self._clock.now()
            if found:
                parcel.first = True
                parcel.raw = parcel.raw or parcel.sent
                self._arrived(account, parcel, replace(found[0], values={}), echoed=False)
                parcel.dirty = 0 - parcel.row.dirty + 1  # look once more: it may differ from what we meant
            elif parcel.lookups == 0 and facts.marker_lookup != "strong":
                parcel.lookups, parcel.due_at = 1, now + round(account.lag * SECOND)
            elif parcel.attempts >= len(BACKOFF):
                parcel.state, parcel.lookups = "parked", 0
            else:
                parcel.state, parcel.due_at, parcel.lookups, parcel.sent = "new", now, 0, {}
        self._finish(account, parcels, lease)

    # ── updating ─────────────────────────────────────────────────────────────────────────────────

    def _update(self, account: Account, parcels: Sequence[Parcel], lease: str) -> None:
        """Read, reconcile, apply what people did over there, send what is left to say."""
        for role in ("contact", "lead", "deal"):
            mine = [p for p in parcels if p.row.role == role]
            if not mine:
                continue
            read = account.crm.get(account.kind(role), [p.remote_id or "" for p in mine])
            sending = self._reconcile(account, mine, read, lease)
            for chunk, outcomes in self._write(account, sending) if sending else ():
                for parcel, outcome in zip(chunk, outcomes, strict=True):
                    self._judge(account, parcel, outcome)
                self._finish(account, chunk, lease)

    def _reconcile(
        self, account: Account, parcels: Sequence[Parcel], read: Sequence[Record | None], lease: str
    ) -> list[Parcel]:
        """Apply what was read and write down what will be sent, in one commit; answers what has to be sent."""
        sending = []
        with self._store.write() as conn:
            held = self._held(conn, parcels, lease)
            mine = [(p, record) for p, record in zip(parcels, read, strict=True) if p.row.id in held]
            sightings = self._observer.see(conn, account, [(p.row, record) for p, record in mine])
            for parcel, _record in mine:
                if self._to_send(account, parcel, sightings[parcel.row.id]):
                    sending.append(parcel)
            self._save(conn, [p for p, _record in mine], lease, self._clock.now() + LEASE, keep=sending)
        return sending

    def _to_send(self, account: Account, parcel: Parcel, sighting: Sighting) -> bool:
        parcel.base, parcel.raw, parcel.flat = sighting.base, sighting.raw, sighting.flat
        parcel.state, parcel.dirty = sighting.state, -parcel.row.dirty
        parcel.sent, parcel.code, parcel.why, parcel.due_at = {}, sighting.code, sighting.why, self._clock.now()
        if sighting.state != "linked" or not sighting.push:
            return False
        try:
            values = account.written(parcel.row.role, sighting.push, sighting.raw)
        except NotPlaced as error:
            parcel.state, parcel.code, parcel.why = "parked", "not_placed", str(error)
            return False
        for name in parcel.base.get(REFUSED, ()):
            values.pop(name, None)
        if not values:
            return False
        parcel.sent, parcel.dirty = _remembered(account, values), 0
        parcel.op = Op(account.kind(parcel.row.role), values, ref=parcel.remote_id, marker=parcel.marker)
        return True

    # ── writing down ─────────────────────────────────────────────────────────────────────────────

    def _held(self, conn: Connection, parcels: Sequence[Parcel], lease: str) -> set[str]:
        """Which of these are still ours (fencing), their rows locked."""
        ids = [p.row.id for p in parcels]
        mine = select(link.c.id).where(link.c.id.in_(ids), link.c.lease == lease).with_for_update()
        return {row.id for row in conn.execute(mine)}

    def _finish(self, account: Account, parcels: Sequence[Parcel], lease: str) -> None:
        if not parcels:
            return
        with self._store.write() as conn:
            held = self._held(conn, parcels, lease)
            mine = [p for p in parcels if p.row.id in held]
            self._keep_apart(conn, account, mine)
            self._save(conn, mine)
            self._tell(conn, account, mine)

    def _keep_apart(self, conn: Connection, account: Account, parcels: Sequence[Parcel]) -> None:
        """Two hub records never share one remote record: the second is held for a person to merge."""
        claims: dict[tuple[str, str], Parcel] = {}
        for parcel in parcels:
            place = (parcel.row.role, parcel.remote_id or "")
            if parcel.remote_id and claims.setdefault(place, parcel) is not parcel:
                _hold(parcel)
        refs = [ref for _role, ref in claims]
        for start in range(0, len(refs), 400):
            taken = select(link).where(
                link.c.connection_id == account.id, link.c.remote_id.in_(refs[start : start + 400])
            )
            for row in conn.execute(taken):
                mine = claims.get((row.role, row.remote_id))
                if mine is not None and mine.row.id != row.id:
                    _hold(mine)

    def _save(
        self, conn: Connection, parcels: Sequence[Parcel], lease: str = "", until: int = 0, keep: Sequence[Parcel] = ()
    ) -> None:
        """Only those in `keep` stay leased. Dirt that came meanwhile stays."""
        kept = {id(p) for p in keep}
        rows = [
            {
                "b_id": p.row.id, "state": p.state, "code": p.code, "why": p.why, "base": p.base, "raw": p.raw,
                "sent": p.sent, "remote_id": p.remote_id, "b_done": min(p.dirty, 0),
                "attempts": p.attempts, "lookups": p.lookups,
                "lease": lease if id(p) in kept else "",
                "lease_until": until if id(p) in kept else None,
                "due_at": p.due_at if p.due_at is not None else p.row.due_at,
                "remote_kind": p.op.kind if p.op else p.row.remote_kind,
            }
            for p in parcels
        ]  # fmt: skip
        if rows:
            cleaner = {"dirty": link.c.dirty + bindparam("b_done")}
            conn.execute(update(link).where(link.c.id == bindparam("b_id")).values(cleaner), rows)

    def _tell(self, conn: Connection, account: Account, parcels: Sequence[Parcel]) -> None:
        """The timeline says when a record reached the CRM, and when it did not."""
        lines = [
            {
                "id": self._clock.new_id(), "at": self._clock.now(),
                "subject": p.row.role, "subject_id": p.row.record_id,
                "what": "in_crm" if p.state == "linked" else p.state, "actor": "hub",
                "facts": {"connection": account.id, "ref": p.remote_id, "code": p.code, "why": p.why},
            }
            for p in parcels
            if (p.state == "linked" and p.first) or p.state in ("parked", "held", "uncertain")
        ]  # fmt: skip
        if lines:
            conn.execute(journal.insert(), lines)

    def _release(self, parcels: Sequence[Parcel], lease: str, after: float | None = None) -> None:
        """Give leases back untouched; what was in the middle of sending is for the sweeper to doubt."""
        ids = [p.row.id for p in parcels]
        if not ids:
            return
        due_at = self._clock.now() + (round(after * SECOND) if after else BACKOFF[0])
        with self._store.write() as conn:
            conn.execute(
                update(link)
                .where(link.c.id.in_(ids), link.c.lease == lease)
                .values(lease="", lease_until=None, due_at=due_at)
            )


def _wait(error: Retry, parcel: Parcel) -> int:
    """The account's trouble and not this record's: it is never parked for it. What the CRM asked for is obeyed."""
    if error.after is not None:
        return round(error.after * SECOND)
    parcel.attempts = min(parcel.attempts + 1, len(BACKOFF) - 1)
    return min(BACKOFF[parcel.attempts - 1], OUTAGE)


def _answered(
    ready: Sequence[tuple[list[Parcel], Future[Sequence[Outcome]]]],
) -> Iterable[tuple[list[Parcel], Sequence[Outcome]]]:
    """What came back at the same moment, as one: it shares a commit. An error of the account is raised after that."""
    good = [(chunk, call.result()) for chunk, call in ready if call.exception() is None]
    if good:
        yield [p for chunk, _outcomes in good for p in chunk], [one for _chunk, outcomes in good for one in outcomes]
    for _chunk, call in ready:
        call.result()


def _remembered(account: Account, values: dict[str, Any]) -> dict[str, Any]:
    """Sent values in the form in which they will be seen again."""
    kept = {
        name: value
        for name, value in values.items()
        if name not in (account.crm.pipeline_field, account.crm.stage_field)
    }
    if account.crm.stage_field in values:
        kept[SEEN_PLACE] = [str(values.get(account.crm.pipeline_field, "")), str(values[account.crm.stage_field])]
    return kept


def _hold(parcel: Parcel) -> None:
    parcel.state, parcel.code = "held", "same_remote"
    parcel.why = f"The CRM answered with record {parcel.remote_id}, which belongs to another record here: merge them"
    parcel.remote_id, parcel.lookups = None, 0
