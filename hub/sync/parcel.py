"""One link on its way to a CRM: what it becomes when it is prepared, sent and doubted. Pure.

A parcel starts as the leased row and the hub's values and ends as the row's next values. Nothing here reads
or writes anything; `now` is handed in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from connectors.contract import Op
from connectors.errors import Pause, Unreadable
from hub.clock import HOUR, MINUTE, SECOND
from hub.identity.cards import HERE
from hub.sync import holder, records
from hub.sync.account import Account
from hub.sync.apply import Sighting
from hub.sync.causes import PASSING, STAYS, WHY_STAYS
from hub.sync.employer import EMPLOYER, SEEN
from hub.sync.foreign import guarded
from hub.sync.plan import OLDER, in_room
from hub.sync.split import NotPlaced
from hub.sync.untaken import ANY, refused

BACKOFF = (5 * SECOND, 30 * SECOND, 2 * MINUTE, 10 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR)
MOMENT, PATIENCE = 300, 3 * SECOND
"""How soon a record is looked at again whose company is being made this moment, and for how long that is believed."""
TIES = {EMPLOYER: SEEN, holder.PERSON: holder.SEEN}
APART = "refuse_together"
"""The cause of a contact that was refused together with its card: the next time each goes by itself."""


@dataclass
class Parcel:
    """One link: what it was when leased, the hub's values, the operation, and what comes of it."""

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
    company: Parcel | None = None  # of the contact, or of the contact that a card hangs on
    lead: Parcel | None = None  # the lead this deal was, where leads are records of their own
    idle: bool = False  # it stays in the hub under this placement
    first: bool = False
    remark: tuple[str, str] = ("", "")  # code and why that stay when the write has succeeded
    before: dict[str, Any] = field(default_factory=dict)  # hub values both sides had, of the fields being written
    pause: Pause | None = None

    def __post_init__(self) -> None:
        row = self.row
        self.state, self.remote_id, self.attempts, self.lookups = row.state, row.remote_id, row.attempts, row.lookups
        self.base, self.raw, self.sent = dict(row.base), dict(row.raw), dict(row.sent)
        self.dirty = row.dirty
        if row.state == "linked":  # what waits for a person outlives a worker that stops before it has looked
            self.code, self.why = row.code, row.why

    @property
    def marker(self) -> str:
        """The hub's id that the record carries over there."""
        return str(self.flat.get("hub_id") or self.row.record_id)

    @property
    def remote_kind(self) -> str:
        """What it is over there."""
        return self.op.kind if self.op else str(self.row.remote_kind)

    @property
    def goes(self) -> bool:
        """Whether there is something to do for this link right now."""
        if self.idle:
            return False
        return self.row.state in ("linked", "uncertain") or (self.state == "sending" and self.op is not None)

    @property
    def travellers(self) -> list[Parcel]:
        """Itself and the contact that goes in the same call."""
        return [self, self.contact] if self.contact is not None and self.op is not None and self.op.includes else [self]

    def hold(self) -> None:
        """Two hub records never share one remote record: this one waits for a person to merge them."""
        self.state, self.code = "held", "same_remote"
        self.why = f"The CRM answered with record {self.remote_id}, which belongs to another record here: merge them"
        self.remote_id, self.lookups = None, 0


# ── preparing ────────────────────────────────────────────────────────────────────────────────────


def prepare(account: Account, parcels: Sequence[Parcel], now: int) -> None:
    """Operations for what is new; what was left in the middle of sending becomes uncertain."""
    carried: set[int] = set()
    for parcel in sorted(parcels, key=lambda p: p.row.role == "contact"):
        doubtful = parcel.row.state in ("sending", "uncertain")  # also of what stays here: it may have been made
        if not doubtful and not account.kind(parcel.row.role):
            parcel.idle, parcel.dirty = True, -parcel.row.dirty
            if parcel.state == "linked" and parcel.code in PASSING:
                parcel.code, parcel.why = STAYS, WHY_STAYS
        elif parcel.row.state == "sending":
            doubt(account, parcel, "the worker that sent it stopped", now)
        elif parcel.row.state == "new" and id(parcel) not in carried:
            _prepare_new(account, parcel, carried, now)


def _prepare_new(account: Account, parcel: Parcel, carried: set[int], now: int) -> None:
    """A card goes with its new contact where the vendor has one call for both, else after it."""
    if parcel.flat.get("merged_into"):  # it was merged before it had a card
        parcel.state, parcel.code, parcel.dirty = "tombstoned", HERE, -parcel.row.dirty
        parcel.why = "Merged into another contact here before it had a card of its own"
        return
    if _comes_soon(parcel.company, now):
        parcel.due_at = now + MOMENT
        return
    links: dict[str, tuple[str, ...]] = {}
    for kind, other in ((account.crm.contact_kind, parcel.contact), (account.kind("lead"), parcel.lead)):
        if other is None or not kind:
            continue
        if other.remote_id and (other.row.seen_at is None and not other.row.raw):
            parcel.due_at = now if other.flat else now + SECOND  # nobody has read it yet: it may be gone
            return
        if other.remote_id:
            links[kind] = (other.remote_id,)
        elif other is parcel.contact and _can_travel_along(account, other, carried):
            carried.add(id(other))
            create(account, other)
            create(account, parcel, (other.op,) if other.op else (), links)
            return
        elif other.state in ("new", "sending", "uncertain"):
            parcel.state, parcel.due_at = "new", now + SECOND  # what it hangs on is on the way
            return
    create(account, parcel, (), links)


def _comes_soon(firm: Parcel | None, now: int) -> bool:
    """Whether another batch is just making the company: to be tied to it afterwards costs four calls."""
    if firm is None or firm.row.state not in ("new", "sending") or firm.row.attempts or firm.row.lookups:
        return False
    leased = bool(firm.row.lease) and firm.row.lease_until is not None and firm.row.lease_until > now
    return leased and now - firm.row.since < PATIENCE


def _can_travel_along(account: Account, contact: Parcel, carried: set[int]) -> bool:
    ready = contact.state == "new" and bool(contact.flat) and id(contact) not in carried and contact.row.code != APART
    return ready and bool(account.crm.facts.compound) and bool(account.crm.contact_kind)


def create(
    account: Account, parcel: Parcel, includes: tuple[Op, ...] = (), links: Mapping[str, tuple[str, ...]] | None = None
) -> None:
    """The operation that makes this record over there; `parked` when its stage has no place there."""
    wish = {name: value for name, value in parcel.flat.items() if value not in ("", None, [])}
    wish |= {s.hub: in_room(wish[s.hub], (), s.room) for s in account.faces[parcel.row.role].slots if s.hub in wish}
    values = _values(account, parcel, wish, {})
    if values is not None:
        parcel.state, parcel.first = "sending", True
        parcel.sent = account.remembered(parcel.row.role, values, {})
        kind = account.kind(parcel.row.role)
        parcel.op = Op(kind, values, marker=parcel.marker, includes=includes, links=links or {})


def change(account: Account, parcel: Parcel, seen: Sighting, now: int, allowed: bool = True) -> bool:
    """Take over what was seen; answers whether the CRM still has to be told something (then `op` says what). What is
    not `allowed` now stays to be told."""
    parcel.base, parcel.raw, parcel.flat = seen.base, seen.raw, seen.flat
    parcel.state, parcel.dirty = seen.state, -parcel.row.dirty
    parcel.code, parcel.why, parcel.due_at = seen.code, seen.why, now
    parcel.remark, parcel.sent = (seen.code, seen.why), given_up(account, parcel.row.sent, now)
    if seen.remote_id is not None:
        parcel.remote_id = seen.remote_id
    if seen.again:
        parcel.dirty += 1
    marker = account.crm.facts.marker_field
    stray = seen.stray and marker not in refused(seen.base)
    if seen.state != "linked" or seen.again or not (seen.push or stray) or not account.kind(parcel.row.role):
        return False
    values = _values(account, parcel, seen.push, seen.raw)
    if values is not None and stray:
        values[marker] = parcel.marker
    if values is not None:
        parcel.base = {**parcel.base, **_there_already(account, parcel, seen.push, values)}
    ties = _ties(seen.push, seen.base)
    links = {kind: (ties[name],) for name, kind in _hung_on(account).items() if name in ties}
    if values is None or not (values or links) or not allowed:
        parcel.dirty = 0 if values is not None and (values or links) else parcel.dirty
        return False
    parcel.before = {name: seen.base.get(name) for name in seen.push}
    parcel.sent, parcel.dirty = {**parcel.sent, **account.remembered(parcel.row.role, values, seen.raw)}, 0
    version = seen.version if account.crm.facts.conditional_write else ""
    parcel.sent |= {TIES[name]: ref for name, ref in ties.items()}
    parcel.op = Op(account.kind(parcel.row.role), values, parcel.remote_id, parcel.marker, version, links)
    return True


def _ties(wish: Mapping[str, Any], base: Mapping[str, Any]) -> dict[str, str]:
    """On what a record shall hang from now on, by hub field; what the CRM refused to tie is not said again."""
    never = refused(base)
    found = {name: str(wish[name]) for name in TIES if wish.get(name)}
    return {name: ref for name, ref in found.items() if never.get(TIES[name], (None,))[0] != ref}


def _hung_on(account: Account) -> dict[str, str]:
    """Hub field → kind of what is named there."""
    kinds = {EMPLOYER: account.kind("company"), holder.PERSON: account.crm.contact_kind}
    return {name: kind for name, kind in kinds.items() if kind}


def _there_already(
    account: Account, parcel: Parcel, wish: Mapping[str, Any], values: Mapping[str, Any]
) -> dict[str, Any]:
    """Wishes that need no telling, because the CRM holds them: both sides agree on those."""
    never = refused(parcel.base)
    slots = account.faces[parcel.row.role].slots
    told = {*TIES, *(slot.hub for slot in slots if slot.crm in values or slot.crm in never)}
    if account.faces[parcel.row.role].place[1] in values:
        told.add(records.PLACE)
    return {name: value for name, value in wish.items() if name not in told}


def given_up(account: Account, sent: Mapping[str, Any], now: int) -> dict[str, Any]:
    """Writes that nobody confirmed and that may still arrive: what is left of `sent` when it is replaced."""
    older = [one for one in sent.get(OLDER, ()) if one[0] > now]
    last = {name: value for name, value in sent.items() if name != OLDER}
    if last:
        older.append([now + round(account.longest_request * SECOND), last])
    return {OLDER: older} if older else {}


def _values(
    account: Account, parcel: Parcel, wish: Mapping[str, Any], before: Mapping[str, Any]
) -> dict[str, Any] | None:
    try:
        values = guarded(account.written, parcel.row.role, wish, before)
    except Unreadable as error:
        placed = not isinstance(error.__cause__, NotPlaced)
        parcel.state, parcel.code = "parked", "unreadable" if placed else "not_placed"
        parcel.why = str(error) if placed else str(error.__cause__)
        return None
    for name, (value, _why) in refused(parcel.base).items():
        if name in values and value in (ANY, values[name]):
            del values[name]  # another value than the refused one is tried
    return values


# ── doubting ─────────────────────────────────────────────────────────────────────────────────────


def doubt(account: Account, parcel: Parcel, reason: str, now: int) -> None:
    """We may have done it. Creates wait until nothing of ours can still be on the way; updates are read again."""
    parcel.attempts += 1
    if parcel.remote_id and parcel.attempts >= len(BACKOFF):
        parcel.state = "parked"
    elif parcel.remote_id:
        parcel.state, parcel.due_at = "linked", now + BACKOFF[parcel.attempts - 1]
    else:
        wait = BACKOFF[0] if account.crm.facts.upsert else settled_after(account)
        parcel.state, parcel.due_at, parcel.lookups = "uncertain", now + wait, 0
    blame(parcel, "unknown_outcome", reason)


def blame(parcel: Parcel, code: str, why: str) -> None:
    """The cause that is shown. One that waits for a person is not hidden behind one that passes by itself."""
    standing, told = parcel.remark if parcel.remark[0] else (parcel.row.code, parcel.row.why)
    passes = parcel.state == "parked" or standing in PASSING
    parcel.code, parcel.why = (code, why) if passes else (standing, told)


def settled_after(account: Account) -> int:
    """After so long nothing of ours can still be on the way, and the CRM's look-up finds what was done."""
    lag = 0.0 if account.crm.facts.marker_lookup == "strong" else account.lag
    return round((account.longest_request + lag) * SECOND)
