"""What a CRM answered, and what becomes of the link: arrived, doubted, found again, refused. Pure.

Guarantees: certain success links, a lost answer doubts, and only a certain failure is tried again. A field that the
CRM refuses stays behind and is listed; the rest of the record goes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from connectors.contract import Done, Lost, Outcome, Record
from connectors.errors import Conflict, ConnectorError, Missing, Pause, Refuse, Retry
from hub.clock import MINUTE, SECOND
from hub.sync import holder
from hub.sync.account import Account
from hub.sync.employer import SEEN as COMPANY
from hub.sync.parcel import APART, BACKOFF, TIES, Parcel, blame, doubt, settled_after
from hub.sync.plan import ABSENT, ASKED, OLDER, REFUSED
from hub.sync.untaken import left_out, refused

OUTAGE = 10 * MINUTE
"""The longest wait while the CRM as a whole is away: nobody's lead waits for hours after it is back."""


def judge(account: Account, parcel: Parcel, outcome: Outcome, now: int) -> list[Parcel]:
    """What an answer means for a link and for the contact that travelled with it; answers both."""
    going = parcel.travellers
    if isinstance(outcome, Done):
        _hangs_on(account, parcel, outcome.includes)
        for one, record in zip(going, (outcome.record, *outcome.includes), strict=False):
            arrive(account, one, record, outcome.echoed, now)
    elif isinstance(outcome, Lost):
        for one in going:
            doubt(account, one, outcome.reason, now)
    elif isinstance(outcome.error, Refuse) and len(going) > 1:
        for one in going:
            _refused_together(one, outcome.error, now)
    else:
        for one in going:
            _failed(one, outcome.error, now, alone=one is parcel)
    return going


def _hangs_on(account: Account, parcel: Parcel, along: Sequence[Record]) -> None:
    """A new card hangs on the contact that was named, or that came along."""
    links = parcel.op.links if parcel.op is not None and parcel.op.ref is None else {}
    ref = next((one.ref for one in along), "") or next(iter(links.get(account.crm.contact_kind, ())), "")
    if ref and parcel.row.role in holder.TABLES:
        parcel.flat, parcel.sent = {**parcel.flat, holder.PERSON: ref}, {**parcel.sent, holder.SEEN: ref}


def arrive(account: Account, parcel: Parcel, record: Record, echoed: bool, now: int) -> None:
    """Both sides agree on what was sent; the CRM's own spelling of it is learnt at the next look."""
    told = parcel.op is not None  # else it was found again: what was sent is all we know
    agreed = {}
    for slot in account.faces[parcel.row.role].slots:
        if slot.crm in parcel.sent:
            whole = told and not slot.room
            value = parcel.flat.get(slot.hub, ABSENT) if whole else slot.into(parcel.sent[slot.crm])
            if value is not ABSENT:
                agreed[slot.hub] = value
    never = {name: told for name, told in refused(parcel.base).items() if name not in parcel.sent}
    parcel.base = {name: value for name, value in parcel.base.items() if name != REFUSED}
    parcel.base |= {**agreed, **({REFUSED: never} if never else {})}
    hung = {name: parcel.sent[name] for name in TIES.values() if name in parcel.sent}
    seen = hung | _shown(account, parcel, record) if echoed else _plain(parcel.sent)
    parcel.raw = {**parcel.raw, **seen}
    parcel.sent, parcel.remote_id = {name: parcel.sent[name] for name in (OLDER,) if name in parcel.sent}, record.ref
    parcel.state, parcel.attempts = "linked", 0
    parcel.code, parcel.why = parcel.remark if parcel.remark[0] not in ("", "left_out") else left_out(parcel.base)
    parcel.due_at, parcel.dirty = now, -parcel.row.dirty


def _shown(account: Account, parcel: Parcel, record: Record) -> dict[str, Any]:
    """What the answer shows; of a field that a person here has to decide their edit stays news until then."""
    asked = {slot.crm for slot in account.faces[parcel.row.role].slots if slot.hub in parcel.base.get(ASKED, {})}
    seen = account.seen(record, parcel.row.role)
    return {name: value for name, value in seen.items() if name in parcel.sent or name not in asked}


def _plain(sent: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in sent.items() if name != OLDER}


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
        parcel.lookups, parcel.due_at = 1, now + settled_after(account)
    elif parcel.lookups == (1 if facts.upsert else 0) and facts.marker_lookup != "strong":
        parcel.lookups, parcel.due_at = parcel.lookups + 1, now + round(account.lag * SECOND)
    elif parcel.attempts >= len(BACKOFF):
        parcel.state, parcel.lookups = "parked", 0
    else:
        parcel.state, parcel.due_at, parcel.lookups, parcel.sent = "new", now, 0, {}


def stumble(parcel: Parcel, error: ConnectorError, now: int) -> None:
    """It could not be read or looked for: later again, and after so many times a person has to look."""
    parcel.attempts += 1
    if parcel.attempts >= len(BACKOFF):
        parcel.state = "parked"
    else:
        parcel.due_at = now + BACKOFF[parcel.attempts - 1]
    blame(parcel, error.code, str(error))


# ── nothing happened over there, for certain ─────────────────────────────────────────────────────


def _failed(parcel: Parcel, error: Exception, now: int, alone: bool) -> None:
    """`alone` is False for a contact that travelled along: what the CRM named is not its record."""
    known = bool(parcel.remote_id)
    parcel.due_at, parcel.sent = now, parcel.sent if known else {}
    parcel.state = "linked" if known else "new"
    if isinstance(error, Pause):
        parcel.pause = error
    elif isinstance(error, Retry):
        parcel.due_at = now + _wait(error, parcel)
    elif isinstance(error, Conflict) and error.ref and not known:
        _there_already(parcel, error.ref if alone else "")
    elif not (isinstance(error, Refuse) and _leave_out(parcel, error)):
        _again_or_park(parcel, error, now)
    blame(parcel, error.code if isinstance(error, ConnectorError) else "refused", str(error))


def _there_already(parcel: Parcel, ref: str) -> None:
    """The CRM says which record it is. Mostly its marker is found there; if not, its word is taken: the record is
    read before anything is written to it, and belongs to nobody else here."""
    parcel.attempts += 1
    parcel.lookups = 0
    if parcel.attempts > 1 and ref:
        parcel.state, parcel.remote_id, parcel.base, parcel.raw, parcel.dirty = "linked", ref, {}, {}, 0
    else:
        parcel.state = "uncertain"


def _refused_together(parcel: Parcel, error: Refuse, now: int) -> None:
    """A card and its contact were refused in one call. The next time each goes by itself, the contact first: so the
    one that is to blame is found, and the lead arrives whatever its contact holds."""
    _leave_out(parcel, error)
    parcel.state, parcel.due_at, parcel.sent = "new", now, {}
    parcel.code, parcel.why = APART, str(error)


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
    already = refused(parcel.base)
    news = {name: [values[name], why] for name, why in error.fields.items() if name in values}
    if not error.fields and COMPANY in parcel.sent and parcel.remote_id:  # a company that is gone holds nobody up
        news = {COMPANY: [parcel.sent[COMPANY], str(error)]}
        if already.get(COMPANY, [None])[0] == parcel.sent[COMPANY]:
            return False
    if not news or (len(news) >= len(values) and not parcel.remote_id):
        return False
    parcel.base = {**parcel.base, REFUSED: {**already, **news}}
    return True
