"""The rows behind parcels: leased, written down before anything is sent, and settled with the answers.

Every write here is fenced: rows whose lease has gone to another worker are left alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import BindParameter, Connection, bindparam, or_, select, update

from connectors.contract import Record
from hub.clock import MINUTE, SECOND, Clock
from hub.identity.cards import HERE
from hub.identity.employers import unite
from hub.model import deal, journal, link, sync_write
from hub.model.links import DUE
from hub.store.engine import Store
from hub.store.lists import among, pair_among
from hub.store.many import add_many, run_many
from hub.store.notes import PERSON, REST, point_at
from hub.sync import brake, companies, fight, holder, records
from hub.sync.account import ROLES, Account
from hub.sync.apply import Sighting
from hub.sync.employer import going_on
from hub.sync.holder import living
from hub.sync.joined import unify
from hub.sync.known import bound
from hub.sync.observe import Observer, before_image
from hub.sync.parcel import Parcel, change, prepare

_NOW: BindParameter[int] = bindparam("b_now")
_DUE = (
    (link.c.connection_id == bindparam("b_connection"))
    & DUE
    & (link.c.due_at <= _NOW)
    & or_(link.c.lease == "", link.c.lease_until <= _NOW)
)
ANY_DUE = select(link.c.lane).where(_DUE).order_by(link.c.lane).limit(1)
NEXT_DUE = (
    select(link)
    .where(_DUE, link.c.lane <= bindparam("b_lane"))
    .order_by(link.c.lane, link.c.due_at, link.c.role.desc())
    .limit(bindparam("b_size"))
    .with_for_update(skip_locked=True)
)
OF_RECORDS = select(link).where(
    link.c.connection_id == bindparam("b_connection"), link.c.role == bindparam("b_role"), among(link.c.record_id)
)
THERE = select(link.c.id, link.c.role, link.c.remote_id, link.c.record_id, link.c.state).where(
    link.c.connection_id == bindparam("b_connection"), pair_among(link.c.remote_kind, link.c.remote_id)
)
STANDS_FOR = {"lead": "deal", "deal": "lead"}
STILL_OURS = select(link.c.id).where(among(link.c.id), link.c.lease == bindparam("b_lease")).with_for_update()
_ONE = update(link).where(link.c.id == bindparam("b_id"))
_SAID = {
    "state",
    "code",
    "why",
    "sent",
    "attempts",
    "lookups",
    "lease",
    "lease_until",
    "due_at",
    "remote_kind",
    "since",
}
ABOUT_TO_SEND = _ONE.values({"dirty": link.c.dirty + bindparam("b_done"), **{name: bindparam(name) for name in _SAID}})
SETTLED = ABOUT_TO_SEND.values(
    {"run": bindparam("b_run"), **{name: bindparam(name) for name in ("base", "raw", "remote_id", "seen_at")}}
)

LEASE = 3 * MINUTE
"""How long a batch may take; longer where a single request of the account can live longer than a third of it."""


class Ledger:
    """What one worker has leased of one connection, under one lease."""

    def __init__(self, store: Store, clock: Clock, account: Account, run: str = "") -> None:
        self._store, self._clock, self._account = store, clock, account
        self.lease = clock.new_id()
        self.run = run or self.lease
        self._length = max(LEASE, round(3 * account.longest_request * SECOND))
        self.until = 0
        self.looked_at = 0

    def take(self, size: int) -> list[Parcel]:
        """Lease due links and write down what the new ones are about to send, in one commit."""
        now = self._clock.now()
        which = {"b_connection": self._account.id, "b_now": now}
        with self._store.read() as conn:
            first = conn.execute(ANY_DUE, which).first()
        if first is None:
            return []
        with self._store.write() as conn:
            most = {"b_size": self._portion(first.lane, size), "b_lane": PERSON if first.lane < REST else REST}
            rows = bound(conn, self._account, list(conn.execute(NEXT_DUE, {**which, **most})), now)
            rows = companies.found_there(conn, self._account, rows, now)
            self.looked_at, self.until = len(rows), now + self._length
            parcels = self._parcels(conn, rows)
            prepare(self._account, parcels, now)
            going = [p for p in parcels if p.goes]
            self._save(conn, parcels, keep=going)
        return going

    def _portion(self, lane: int, size: int) -> int:
        """How many to take: at least one call full. Of what can wait so many full calls as the account takes in a
        quarter of a second (a read and a write each), so that a fresh lead never stands behind more than that."""
        facts = self._account.crm.facts
        most = max(size, facts.batch)
        if lane < REST or self._account.live.row.config.get("unlimited"):
            return most
        calls, seconds = facts.budget
        return min(most, facts.batch * max(1, int(calls / seconds / 4)))

    def _wake(self, conn: Connection, asleep: Sequence[Parcel]) -> None:
        """Contacts that nobody needed so far (their leads stay in the hub) and that a card needs now."""
        ids = [p.row.id for p in asleep]
        if ids:
            values = {"dirty": 1, "due_at": self._clock.now()}
            conn.execute(update(link).where(link.c.id.in_(ids), link.c.dirty == 0).values(values))

    def _parcels(self, conn: Connection, rows: Sequence[Any]) -> list[Parcel]:
        flats: dict[tuple[str, str], records.Flat] = {}
        for role in ROLES:
            ids = [row.record_id for row in rows if row.role == role]
            loaded = records.load(conn, role, ids).items()
            flats.update({(role, key): self._account.meant(role, flat) for key, flat in loaded})
        parcels = {
            (row.role, row.record_id): Parcel(row, flats[row.role, row.record_id])
            for row in rows
            if (row.role, row.record_id) in flats
        }
        self._without_record(conn, [row for row in rows if (row.role, row.record_id) not in flats])
        self._join_contacts(conn, parcels)
        if self._account.native:
            self._join_leads(conn, parcels)
        return companies.join(conn, self._clock, self._account, self._wanted(conn, parcels))

    def _without_record(self, conn: Connection, rows: Sequence[Any]) -> None:
        """A stranger that was held is looked at again; a link whose record is gone here has nothing to say."""
        for row in rows:
            if row.record_id == row.id and row.remote_id:
                conn.execute(link.delete().where(link.c.id == row.id))
                point_at(conn, self._clock, {(row.connection_id, row.remote_kind, row.remote_id): 1})
            else:
                gone = {
                    "state": "parked",
                    "dirty": 0,
                    "code": "no_record",
                    "why": "The hub has no such record any more",
                }
                conn.execute(update(link).where(link.c.id == row.id).values({**gone, "since": self._clock.now()}))

    def _wanted(self, conn: Connection, parcels: dict[tuple[str, str], Parcel]) -> list[Parcel]:
        """Where leads stay in the hub, a contact goes when a deal needs it and not before."""
        if self._account.placement.strategy != "held":
            return list(parcels.values())
        needed = {id(p.contact) for p in parcels.values() if p.row.role == "deal"}
        idle = [p for p in parcels.values() if p.row.role == "contact" and p.row.state == "new" and id(p) not in needed]
        deals = select(deal.c.contact_id).where(deal.c.contact_id.in_([p.row.record_id for p in idle]))
        needed_later = set(conn.execute(deals).scalars()) if idle else set()
        rest = [p.row.id for p in idle if p.row.record_id not in needed_later]
        if rest:
            conn.execute(update(link).where(link.c.id.in_(rest)).values(dirty=0))
        return [p for p in parcels.values() if p.row.id not in set(rest)]

    def _join_contacts(self, conn: Connection, parcels: dict[tuple[str, str], Parcel]) -> None:
        """A card needs its contact: in the same batch, already there, or still to be fetched."""
        cards = [p for p in parcels.values() if p.row.role in ("lead", "deal") and p.row.state == "new"]
        elsewhere = self._elsewhere(conn, parcels, "contact", [p.flat["contact"] for p in cards])
        asleep = [p for p in elsewhere.values() if p.row.state == "new"]
        self._wake(conn, asleep)
        if self._account.crm.facts.compound:
            self._bring(conn, parcels, asleep)
        for card in cards:
            contact_id = card.flat["contact"]
            card.contact = parcels.get(("contact", contact_id)) or elsewhere.get(contact_id)

    def _bring(self, conn: Connection, parcels: dict[tuple[str, str], Parcel], asleep: Sequence[Parcel]) -> None:
        """Contacts that go in one call with a card of this batch, although the batch ended before their turn."""
        free = or_(link.c.lease == "", link.c.lease_until <= self._clock.now())
        ids = [p.row.id for p in asleep]
        mine = select(link).where(link.c.id.in_(ids), link.c.state == "new", free)
        rows = list(conn.execute(mine.with_for_update(skip_locked=True))) if ids else []
        rows = bound(conn, self._account, rows, self._clock.now())
        flats = records.load(conn, "contact", [row.record_id for row in rows])
        parcels.update(
            {
                ("contact", row.record_id): Parcel(row, self._account.meant("contact", flats[row.record_id]))
                for row in rows
                if row.record_id in flats
            }
        )

    def _join_leads(self, conn: Connection, parcels: dict[tuple[str, str], Parcel]) -> None:
        """A deal that is still to be made is made of its lead."""
        deals = [p for p in parcels.values() if p.row.role == "deal" and p.row.state == "new" and p.flat.get("lead")]
        elsewhere = self._elsewhere(conn, parcels, "lead", [p.flat["lead"] for p in deals])
        for parcel in deals:
            lead_id = parcel.flat["lead"]
            parcel.lead = parcels.get(("lead", lead_id)) or elsewhere.get(lead_id)

    def _elsewhere(
        self, conn: Connection, parcels: dict[tuple[str, str], Parcel], role: str, ids: Sequence[str]
    ) -> dict[str, Parcel]:
        """Links of these records that are not in the batch, by record id."""
        missing = sorted({one for one in ids if (role, one) not in parcels})
        asked = {"b_connection": self._account.id, "b_role": role, "wanted": missing}
        rows = conn.execute(OF_RECORDS, asked) if missing else ()
        return {row.record_id: Parcel(row, {}) for row in rows}

    def reconcile(
        self, observer: Observer, parcels: Sequence[Parcel], read: Sequence[Record | None], doubt: str = ""
    ) -> list[Parcel]:
        """Apply what was read and write down what will be sent, in one commit; answers what has to be sent.

        `doubt` says why absences in what was read prove nothing."""
        with self._store.write() as conn:
            held = self._held(conn, parcels)
            mine = [(p, record) for p, record in zip(parcels, read, strict=True) if p.row.id in held]
            seen = observer.see(conn, self._account, [(p.row, record) for p, record in mine], self.run, doubt)
            now = self._clock.now()
            sending = self._say(conn, [(p, seen[p.row.id]) for p, _record in mine], now)
            self.until = now + self._length
            self._save(conn, [p for p, _record in mine], keep=sending)
            images = [before_image(self._clock, p.row, "crm", p.before, seen[p.row.id].push) for p in sending]
            if images:
                conn.execute(sync_write.insert(), [{**one, "run": self.run} for one in images])
        return sending

    def _say(self, conn: Connection, seen: Sequence[tuple[Parcel, Sighting]], now: int) -> list[Parcel]:
        """Those that have something to say; what the hourly brake has no room for stays due."""
        fight.stop(conn, now, [(parcel.row, sighting) for parcel, sighting in seen])
        room = brake.room(conn, self._clock, self._account)
        sending: list[Parcel] = []
        for parcel, sighting in seen:
            if change(self._account, parcel, sighting, now, room is None or len(sending) < room):
                sending.append(parcel)
        return sending

    def settle(self, parcels: Sequence[Parcel]) -> None:
        """Write the answers down and give the leases back."""
        if not parcels:
            return
        with self._store.write() as conn:
            held = self._held(conn, parcels)
            mine = [p for p in parcels if p.row.id in held]
            self._keep_apart(conn, mine)
            self._save(conn, mine)
            self._tell(conn, mine)

    def prolong(self) -> None:
        """Work that takes long goes on under the same lease; one that has ended is not taken up again."""
        now = self._clock.now()
        if not self.until - self._length // 2 < now < self.until:
            return
        until = now + self._length
        mine = (link.c.connection_id == self._account.id) & (link.c.lease == self.lease)
        with self._store.write() as conn:
            conn.execute(update(link).where(mine).values(lease_until=until))
            in_time = self._clock.now() < self.until  # the rows are locked now; before, nobody else could take them
        if in_time:
            self.until = until

    def release(self, parcels: Sequence[Parcel], due_at: int) -> None:
        """Give leases back untouched; what was in the middle of sending is for the next worker to doubt."""
        mine = link.c.id.in_([p.row.id for p in parcels]) & (link.c.lease == self.lease)
        with self._store.write() as conn:
            conn.execute(update(link).where(mine).values(lease="", lease_until=None, due_at=due_at))

    def _held(self, conn: Connection, parcels: Sequence[Parcel]) -> set[str]:
        """Which of these are still ours, their rows locked."""
        asked = {"b_lease": self.lease, "wanted": [p.row.id for p in parcels]}
        return set(conn.execute(STILL_OURS, asked).scalars())

    def _keep_apart(self, conn: Connection, parcels: Sequence[Parcel]) -> None:
        """No remote record gets two of our links of one role, and no card that just arrived has another record's."""
        claims: dict[tuple[str, str], Parcel] = {}
        for parcel in parcels:
            place = (parcel.row.role, parcel.remote_id or "")
            if parcel.remote_id and claims.setdefault(place, parcel) is not parcel:
                parcel.hold()
        places = [(one.remote_kind, ref) for (_role, ref), one in claims.items()]
        for row in conn.execute(THERE, {"b_connection": self._account.id, "wanted": places}) if places else ():
            mine = claims.get((row.role, row.remote_id))
            if mine is not None and mine.row.id != row.id:
                self._two_of_one(conn, mine, row.record_id)
            other = claims.get((STANDS_FOR.get(row.role, ""), row.remote_id))
            if other is not None and other.row.remote_id is None and row.state == "linked":
                other.hold()  # people merged a card of another record of ours into it before it was found

    def _two_of_one(self, conn: Connection, parcel: Parcel, other: str) -> None:
        """A card of ours whose answer was lost, and on which somebody hung another one before it was found again: that
        made a second company or contact of it here."""
        mine, clock = parcel.row.record_id, self._clock
        came = (journal.c.subject_id == other) & (journal.c.what == "imported") & (journal.c.subject == "contact")
        if parcel.row.role == "company":
            unite(conn, clock, going_on(conn, other), mine, f"crm:{self._account.id}")
        elif parcel.row.role == "contact" and conn.execute(select(journal.c.id).where(came)).first() is not None:
            unify(conn, clock, self._account, living(conn, other), mine)
            if living(conn, mine) == mine:
                parcel.hold()
                return
        else:
            parcel.hold()
            return
        parcel.state, parcel.code, parcel.remote_id, parcel.dirty = "tombstoned", HERE, None, -parcel.row.dirty
        parcel.why = "Two records here had one card over there: they are one"

    def _save(self, conn: Connection, parcels: Sequence[Parcel], keep: Sequence[Parcel] = ()) -> None:
        """Only those in `keep` stay leased. Dirt that came meanwhile stays. What a new card is about to say is all
        that is written of it before it is sent; its memory is written with the answer."""
        kept, now = {id(p) for p in keep}, self._clock.now()
        holder.pass_on(conn, self._account, [(p.row, p) for p in parcels], now, self.lease)
        rows = [self._row(p, id(p) in kept, now) for p in parcels]
        short = [row for p, row in zip(parcels, rows, strict=True) if id(p) in kept and p.row.state == "new"]
        for row in short:
            for name in ("base", "raw", "remote_id", "seen_at", "b_run"):
                del row[name]
        if short:
            run_many(conn, ABOUT_TO_SEND, short)
        if len(short) < len(rows):
            run_many(conn, SETTLED, [row for row in rows if "base" in row])

    def _row(self, p: Parcel, stays: bool, now: int) -> dict[str, Any]:
        same = (p.state, p.code) == (p.row.state, p.row.code)
        handed = p.state == "history" and p.row.role in ("lead", "deal")  # with its dirt, to the link that goes on
        return {
            "b_id": p.row.id, "state": p.state, "code": p.code, "why": p.why, "base": p.base, "raw": p.raw,
            "sent": p.sent, "remote_id": p.remote_id or None, "b_done": 0 if handed else min(p.dirty, 0),
            "attempts": p.attempts, "lookups": p.lookups,
            "lease": self.lease if stays else "", "lease_until": self.until if stays else None,
            "due_at": p.due_at if p.due_at is not None else p.row.due_at,
            "remote_kind": p.remote_kind,
            "since": p.row.since if same else now, "seen_at": now,
            "b_run": self.run if p.first and p.state == "linked" else p.row.run,
        }  # fmt: skip

    def _tell(self, conn: Connection, parcels: Sequence[Parcel]) -> None:
        """The timeline says when a record reached the CRM, and when it did not."""
        lines = [
            {
                "id": self._clock.new_id(), "at": self._clock.now(),
                "subject": p.row.role, "subject_id": p.row.record_id,
                "what": "in_crm" if p.state == "linked" else p.state, "actor": "hub",
                "facts": {"connection": self._account.id, "ref": p.remote_id, "code": p.code, "why": p.why},
            }
            for p in parcels
            if (p.state == "linked" and p.first) or p.state in ("parked", "held", "uncertain")
        ]  # fmt: skip
        add_many(conn, journal, lines)
