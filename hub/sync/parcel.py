"""One link on its way to a CRM: what it becomes when it is prepared, answered, doubted or refused. Pure.

A parcel starts as the leased row and the hub's values and ends as the row's next values. Nothing here reads
or writes anything; `now` is handed in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from connectors.contract import Done, Failed, Lost, Op, Outcome, Record
from connectors.errors import Conflict, ConnectorError, Missing, Pause, Refuse, Retry, Unreadable
from hub.clock import HOUR, MINUTE, SECOND
from hub.sync import records
from hub.sync.account import Account
from hub.sync.apply import Sighting
from hub.sync.foreign import guarded
from hub.sync.observe import OLDER
from hub.sync.plan import ABSENT
from hub.sync.split import NotPlaced

BACKOFF = (5 * SECOND, 30 * SECOND, 2 * MINUTE, 10 * MINUTE, 30 * MINUTE, 2 * HOUR, 5 * HOUR, 10 * HOUR)
OUTAGE = 10 * MINUTE
"""The longest wait while the CRM as a whole is away: nobody's lead waits for hours after it is back."""
REFUSED = "@refused"
"""Under this name a link's base lists the CRM's fields that took our value never."""


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

    @property
    def marker(self) -> str:
        """The hub's id that the record carries over there."""
        return str(self.flat.get("hub_id") or self.row.record_id)

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
        if not account.kind(parcel.row.role):
            parcel.idle, parcel.dirty = True, -parcel.row.dirty
        elif parcel.row.state == "sending":
            doubt(account, parcel, "the worker that sent it stopped", now)
        elif parcel.row.state == "new" and id(parcel) not in carried:
            _prepare_new(account, parcel, carried, now)


def _prepare_new(account: Account, parcel: Parcel, carried: set[int], now: int) -> None:
    """A card goes with its new contact where the vendor has one call for both, else after it."""
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


def _can_travel_along(account: Account, contact: Parcel, carried: set[int]) -> bool:
    ready = contact.state == "new" and bool(contact.flat) and id(contact) not in carried
    return ready and bool(account.crm.facts.compound) and bool(account.crm.contact_kind)


def create(
    account: Account, parcel: Parcel, includes: tuple[Op, ...] = (), links: Mapping[str, tuple[str, ...]] | None = None
) -> None:
    """The operation that makes this record over there; `parked` when its stage has no place there."""
    wish = {name: value for name, value in parcel.flat.items() if value not in ("", None, [])}
    values = _values(account, parcel, wish, {})
    if values is not None:
        parcel.state, parcel.first = "sending", True
        parcel.sent = account.remembered(parcel.row.role, values, {})
        kind = account.kind(parcel.row.role)
        parcel.op = Op(kind, values, marker=parcel.marker, includes=includes, links=links or {})


def change(account: Account, parcel: Parcel, seen: Sighting, now: int) -> bool:
    """Take over what was seen; answers whether the CRM still has to be told something (then `op` says what)."""
    parcel.base, parcel.raw, parcel.flat = seen.base, seen.raw, seen.flat
    parcel.state, parcel.dirty = seen.state, -parcel.row.dirty
    parcel.code, parcel.why, parcel.due_at = seen.code, seen.why, now
    parcel.remark, parcel.sent = (seen.code, seen.why), given_up(account, parcel.row.sent, now)
    if seen.remote_id is not None:
        parcel.remote_id = seen.remote_id
    if seen.again:
        parcel.dirty += 1
    if seen.state != "linked" or seen.again or not seen.push or not account.kind(parcel.row.role):
        return False
    values = _values(account, parcel, seen.push, seen.raw)
    if values is not None:
        parcel.base = {**parcel.base, **_there_already(account, parcel, seen.push, values)}
    if not values:
        return False
    parcel.before = {name: seen.base.get(name) for name in seen.push}
    parcel.sent, parcel.dirty = {**parcel.sent, **account.remembered(parcel.row.role, values, seen.raw)}, 0
    version = seen.version if account.crm.facts.conditional_write else ""
    parcel.op = Op(account.kind(parcel.row.role), values, parcel.remote_id, parcel.marker, version)
    return True


def _there_already(
    account: Account, parcel: Parcel, wish: Mapping[str, Any], values: Mapping[str, Any]
) -> dict[str, Any]:
    """Wishes that need no telling, because the CRM holds them: both sides agree on those."""
    refused = parcel.base.get(REFUSED, ())
    slots = account.faces[parcel.row.role].slots
    told = {slot.hub for slot in slots if slot.crm in values or slot.crm in refused}
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
    for name in parcel.base.get(REFUSED, ()):
        values.pop(name, None)
    return values


# ── answers ──────────────────────────────────────────────────────────────────────────────────────


def judge(account: Account, parcel: Parcel, outcome: Outcome, now: int) -> list[Parcel]:
    """What an answer means for a link and for the contact that travelled with it; answers both."""
    going = parcel.travellers
    if isinstance(outcome, Done):
        for one, record in zip(going, (outcome.record, *outcome.includes), strict=False):
            arrive(account, one, record, outcome.echoed, now)
    elif isinstance(outcome, Lost):
        for one in going:
            doubt(account, one, outcome.reason, now)
    else:
        for one in going:
            _failed(one, outcome, now)
    return going


def arrive(account: Account, parcel: Parcel, record: Record, echoed: bool, now: int) -> None:
    """Both sides agree on what was sent; the CRM's own spelling of it is learnt at the next look."""
    told = parcel.op is not None  # else it was found again: what was sent is all we know
    agreed = {}
    for slot in account.faces[parcel.row.role].slots:
        if slot.crm in parcel.sent:
            value = parcel.flat.get(slot.hub, ABSENT) if told else slot.into(parcel.sent[slot.crm])
            if value is not ABSENT:
                agreed[slot.hub] = value
    parcel.raw = {**parcel.raw, **(account.seen(record, parcel.row.role) if echoed else _plain(parcel.sent))}
    parcel.base = {**parcel.base, **agreed}
    parcel.sent, parcel.remote_id = {name: parcel.sent[name] for name in (OLDER,) if name in parcel.sent}, record.ref
    parcel.state, parcel.attempts = "linked", 0
    parcel.code, parcel.why = parcel.remark
    parcel.due_at, parcel.dirty = now, -parcel.row.dirty


def _plain(sent: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in sent.items() if name != OLDER}


def doubt(account: Account, parcel: Parcel, reason: str, now: int) -> None:
    """We may have done it. Creates wait until nothing of ours can still be on the way; updates are read again."""
    parcel.code, parcel.why = "unknown_outcome", reason
    parcel.attempts += 1
    if parcel.remote_id and parcel.attempts >= len(BACKOFF):
        parcel.state = "parked"
    elif parcel.remote_id:
        parcel.state, parcel.due_at = "linked", now + BACKOFF[parcel.attempts - 1]
    else:
        wait = BACKOFF[0] if account.crm.facts.upsert else _settled_after(account)
        parcel.state, parcel.due_at, parcel.lookups = "uncertain", now + wait, 0


def _settled_after(account: Account) -> int:
    """After so long nothing of ours can still be on the way, and the CRM's search finds what was done."""
    return round((account.longest_request + account.lag) * SECOND)


def looked_up(account: Account, parcel: Parcel, found: Sequence[Record], now: int) -> None:
    """The marker was looked for: adopt the record, look once more, or know that it was never made.

    Where a marker is unique the first look comes at once: mostly only the answer was lost. What it does not find may
    still be on the way, so nothing is sent again before that is over."""
    facts = account.crm.facts
    early = parcel.lookups == 0 and facts.upsert
    if found:
        parcel.first = True
        arrive(account, parcel, replace(found[0], values={}), False, now)
        parcel.dirty += 1  # look once more: it may differ from what we meant
    elif early:
        parcel.lookups, parcel.due_at = 1, now + _settled_after(account)
    elif parcel.lookups == (1 if facts.upsert else 0) and facts.marker_lookup != "strong":
        parcel.lookups, parcel.due_at = parcel.lookups + 1, now + round(account.lag * SECOND)
    elif parcel.attempts >= len(BACKOFF):
        parcel.state, parcel.lookups = "parked", 0
    else:
        parcel.state, parcel.due_at, parcel.lookups, parcel.sent = "new", now, 0, {}


def stumble(parcel: Parcel, error: ConnectorError, now: int) -> None:
    """It could not be read or looked for: later again, and after so many times a person has to look."""
    parcel.code, parcel.why = error.code, str(error)
    parcel.attempts += 1
    if parcel.attempts >= len(BACKOFF):
        parcel.state = "parked"
    else:
        parcel.due_at = now + BACKOFF[parcel.attempts - 1]


def _failed(parcel: Parcel, outcome: Failed, now: int) -> None:
    """Certainly nothing happened over there."""
    error, known = outcome.error, bool(parcel.remote_id)
    parcel.code = error.code if isinstance(error, ConnectorError) else "refused"
    parcel.why, parcel.due_at = str(error), now
    parcel.sent = parcel.sent if known else {}
    parcel.state = "linked" if known else "new"
    if isinstance(error, Pause):
        parcel.pause = error
    elif isinstance(error, Retry):
        parcel.due_at = now + _wait(error, parcel)
    elif isinstance(error, Conflict) and error.ref and not known:
        parcel.state, parcel.lookups = "uncertain", 0
    elif not (isinstance(error, Refuse) and _leave_out(parcel, error)):
        _again_or_park(parcel, error, now)


def _wait(error: Retry, parcel: Parcel) -> int:
    """The account's trouble and not this record's: it is never parked for it. What the CRM asked for is obeyed."""
    if error.after is not None:
        return round(error.after * SECOND)
    parcel.attempts = min(parcel.attempts + 1, len(BACKOFF) - 1)
    return min(BACKOFF[parcel.attempts - 1], OUTAGE)


def _again_or_park(parcel: Parcel, error: Exception, now: int) -> None:
    parcel.attempts += 1
    if isinstance(error, Refuse | Missing) or parcel.attempts >= len(BACKOFF):
        parcel.state = "parked"
    else:
        parcel.due_at = now + BACKOFF[parcel.attempts - 1]


def _leave_out(parcel: Parcel, error: Refuse) -> bool:
    """A lead is never refused because one field is bad: the named fields stay behind, the rest goes again."""
    values = parcel.op.values if parcel.op is not None else {}
    already = parcel.base.get(REFUSED, [])
    news = [name for name in error.fields if name in values and name not in already]
    if not news or len(news) >= len(values):
        return False
    parcel.base = {**parcel.base, REFUSED: [*already, *news]}
    return True
