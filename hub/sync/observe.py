"""What a CRM shows now, applied to the hub: fields, stages, conversions, deletions. Inside the caller's transaction.

A sighting changes the hub only where the CRM changed since we last agreed. A card that a person dragged over
the border converts its lead; dragged to a closing stage it closes it. Whatever a change replaced stands in
the record's timeline.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, func, select, update

from connectors.contract import Person, Record
from hub.clock import Clock
from hub.funnel import moves
from hub.identity.keys import Key
from hub.identity.normalize import normalise
from hub.model import contact, contact_point, deal, lead, link, match_key, member
from hub.store.notes import REST, note
from hub.sync import records
from hub.sync.account import Account
from hub.sync.plan import Agreed, Memory, reconcile

COLUMNS: Mapping[str, tuple[Any, frozenset[str]]] = {
    "contact": (
        contact,
        frozenset({"name", "first_name", "last_name", "middle_name", "company", "position", "language"}),
    ),
    "lead": (lead, frozenset({"title", "temperature"})),
    "deal": (deal, frozenset({"title", "amount", "currency"})),
}  # fmt: skip
FEW = 10
"""So many deletions at once are believed without asking."""
LISTS = {"phones": "phone", "emails": "email"}


@dataclass
class Sighting:
    """A link after the CRM's record was looked at. `push` are hub values the CRM still has to be told."""

    state: str
    flat: records.Flat
    base: dict[str, Any]
    raw: dict[str, Any]
    push: dict[str, Any] = field(default_factory=dict)
    code: str = ""
    why: str = ""
    changed: bool = False


class Observer:
    """Applies what was seen. Holds no state of its own."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def see(
        self, conn: Connection, account: Account, pairs: Sequence[tuple[Any, Record | None]]
    ) -> dict[str, Sighting]:
        """Link rows with what the CRM shows of each (None: positively absent); answers sightings by link id."""
        flats: dict[tuple[str, str], records.Flat] = {}
        for role in ("contact", "lead", "deal"):
            ids = [row.record_id for row, _record in pairs if row.role == role]
            flats.update({(role, key): flat for key, flat in records.load(conn, role, ids).items()})
        gone = [row for row, record in pairs if record is None or record.deleted]
        doubt = _mass_deletion(conn, account, len(gone))
        return {
            row.id: self._one(conn, account, row, record, flats.get((row.role, row.record_id), {}), doubt)
            for row, record in pairs
        }

    def _one(
        self, conn: Connection, account: Account, row: Any, record: Record | None, flat: records.Flat, doubt: str
    ) -> Sighting:
        if record is None or record.deleted:
            if doubt:
                return Sighting("held", flat, dict(row.base), dict(row.raw), code="vanished", why=doubt)
            return self._gone(conn, account, row, flat)
        memory = Memory(row.base, row.raw, row.sent)
        agreed = reconcile(account.faces[row.role].slots, memory, flat, account.seen(record, row.role))
        sighting = Sighting("linked", {**flat, **agreed.hub}, agreed.base, agreed.raw, agreed.push)
        self._tell(conn, account, row, agreed, flat)
        if agreed.hub:
            sighting.changed = True
            self._apply(conn, account, row, agreed, sighting)
            if sighting.code:
                _keep_place(sighting, flat)
        return sighting

    def _gone(self, conn: Connection, account: Account, row: Any, flat: records.Flat) -> Sighting:
        note(conn, self._clock, row.role, row.record_id, "deleted_in_crm", f"crm:{account.id}", {"ref": row.remote_id})
        why = "The record was deleted in the CRM; it stays here and is not made again"
        return Sighting("tombstoned", flat, dict(row.base), dict(row.raw), code="deleted_in_crm", why=why, changed=True)

    def _tell(self, conn: Connection, account: Account, row: Any, agreed: Agreed, flat: records.Flat) -> None:
        actor = f"crm:{account.id}"
        for name, value in agreed.hub.items():
            if name != records.PLACE:
                facts = {"field": name, "from": flat.get(name), "to": value}
                note(conn, self._clock, row.role, row.record_id, "field", actor, facts)
        for conflict in agreed.conflicts:
            facts = {"field": conflict.field, "hub": conflict.hub, "crm": conflict.crm, "winner": conflict.winner}
            note(conn, self._clock, row.role, row.record_id, "conflict", actor, facts)

    # ── applying ─────────────────────────────────────────────────────────────────────────────────

    def _apply(self, conn: Connection, account: Account, row: Any, agreed: Agreed, sighting: Sighting) -> None:
        self._columns(conn, row, agreed.hub)
        if row.role == "contact":
            self._points(conn, account, row.record_id, agreed.hub)
        if "owner" in agreed.hub:
            self._owner(conn, row, agreed.hub["owner"])
        if records.PLACE in agreed.hub:
            self._place(conn, account, row, agreed, sighting)
        self._mark_others(conn, account, row.record_id)

    def _columns(self, conn: Connection, row: Any, news: Mapping[str, Any]) -> None:
        table, known = COLUMNS[row.role]
        values = {name: "" if value is None else str(value) for name, value in news.items() if name in known}
        if values:
            values["version"] = table.c.version + 1
            conn.execute(update(table).where(table.c.id == row.record_id).values(**values))

    def _points(self, conn: Connection, account: Account, contact_id: str, news: Mapping[str, Any]) -> None:
        """Phones and e-mails as a person left them over there: new ones are added, removed ones go."""
        for name, kind in LISTS.items():
            if name not in news:
                continue
            wanted = [str(value) for value in news[name] or []]
            mine = (contact_point.c.contact_id == contact_id) & (contact_point.c.kind == kind)
            rows = {row.value: row for row in conn.execute(select(contact_point).where(mine))}
            gone = [value for value, row in rows.items() if value not in wanted and records.usable(row)]
            if gone:
                conn.execute(contact_point.delete().where(mine, contact_point.c.value.in_(gone)))
                places = (match_key.c.contact_id == contact_id) & match_key.c.value.in_(gone)
                conn.execute(match_key.delete().where(places, match_key.c.kind == kind))
            doubted = [value for value in wanted if value in rows and not records.usable(rows[value])]
            for value in doubted:
                flags = [flag for flag in rows[value].flags if flag not in records.UNFIT]
                conn.execute(update(contact_point).where(mine, contact_point.c.value == value).values(flags=flags))
            self._add_points(conn, account, contact_id, kind, [value for value in wanted if value not in rows])

    def _add_points(
        self, conn: Connection, account: Account, contact_id: str, kind: str, values: Sequence[str]
    ) -> None:
        """Kept exactly as the mapping read them: another spelling here would look like an edit of ours."""
        now = self._clock.now()
        for value in values:
            typed = Person(phones=(value,)) if kind == "phone" else Person(emails=(value,))
            known = normalise(typed, account.live.row.region)
            told = [*(p.flags for p in known.phones), *(e.flags for e in known.emails)]
            flags = [flag for one in told for flag in one if flag not in records.UNFIT]
            row = {"contact_id": contact_id, "kind": kind, "value": value, "raw": value, "ext": ""}
            conn.execute(contact_point.insert().values(**row, flags=flags, attested=False, first_seen_at=now))
            self._claim(conn, known.keys, contact_id)

    def _claim(self, conn: Connection, keys: Sequence[Key], contact_id: str) -> None:
        """A free personal key is this contact's from now on."""
        for key in keys:
            place = (match_key.c.kind == key.kind) & (match_key.c.value == key.value)
            if key.strength == "personal" and not conn.execute(select(match_key.c.kind).where(place)).first():
                row = {"kind": key.kind, "value": key.value, "contact_id": contact_id, "seen_at": self._clock.now()}
                conn.execute(match_key.insert().values(row))

    def _owner(self, conn: Connection, row: Any, owner: Any) -> None:
        """A person of the CRM who is nobody here changes nothing: an open lead keeps its owner."""
        if not owner or conn.execute(select(member.c.id).where(member.c.id == str(owner))).first() is None:
            return
        table = lead if row.role == "lead" else deal
        conn.execute(update(table).where(table.c.id == row.record_id).values(owner_id=str(owner)))

    def _place(self, conn: Connection, account: Account, row: Any, agreed: Agreed, sighting: Sighting) -> None:
        block, _direction, key = agreed.hub[records.PLACE]
        actor = f"crm:{account.id}"
        reason = str(sighting.flat.get("reject_reason") or "")
        act = MOVES.get((row.role, block))
        try:
            if act is None:
                raise moves.NotPossible("not_here", "This stage has no meaning for this record")
            act(conn, self._clock, row, key, actor, reason, agreed, sighting)
        except moves.NotPossible as error:
            # The hub keeps its own view and shows the difference; nothing is moved back behind a person's back.
            sighting.state, sighting.code, sighting.why = "linked", error.code, str(error)
            facts = {"code": error.code, "why": str(error), "to": key}
            note(conn, self._clock, row.role, row.record_id, "not_followed", actor, facts)

    def _mark_others(self, conn: Connection, account: Account, record_id: str) -> None:
        """Other CRMs that hold this record have news to get."""
        others = (link.c.record_id == record_id) & (link.c.connection_id != account.id) & (link.c.state == "linked")
        conn.execute(update(link).where(others).values(dirty=link.c.dirty + 1, lane=REST, due_at=self._clock.now()))


def _mass_deletion(conn: Connection, account: Account, gone: int) -> str:
    """Why so many deletions at once wait for a person, "" for few: mostly a permission was lost, not the records."""
    if gone <= FEW:
        return ""
    mine = (link.c.connection_id == account.id) & (link.c.state == "linked")
    total = conn.execute(select(func.count()).where(mine)).scalar() or 0
    if gone <= total // 10:
        return ""
    return f"{gone} of {total} records vanished at once: check the CRM's permissions, then confirm or restore"


def _keep_place(sighting: Sighting, flat: records.Flat) -> None:
    """A move that was not followed is no agreement: each side stands where it stood until one of them moves."""
    sighting.base[records.PLACE] = sighting.flat[records.PLACE] = flat[records.PLACE]


def _lead_in_lead_block(
    conn: Connection, clock: Clock, row: Any, key: str, actor: str, reason: str, agreed: Agreed, sighting: Sighting
) -> None:
    stage_final = moves.final_of(conn, row.record_id, "lead", key)
    state = conn.execute(select(lead.c.state).where(lead.c.id == row.record_id)).scalar()
    if stage_final == "rejected":
        moves.reject_lead(conn, clock, row.record_id, reason or "Closed in the CRM", actor)
    elif state == "rejected":
        moves.reopen_lead(conn, clock, row.record_id, key, actor)
    else:
        moves.move_lead(conn, clock, row.record_id, key, actor)


def _lead_over_the_border(
    conn: Connection, clock: Clock, row: Any, key: str, actor: str, reason: str, agreed: Agreed, sighting: Sighting
) -> None:
    if conn.execute(select(lead.c.state).where(lead.c.id == row.record_id)).scalar() == "rejected":
        moves.reopen_lead(conn, clock, row.record_id, moves.first_stage(conn, row.record_id), actor)
    deal_id = moves.convert_lead(conn, clock, row.record_id, actor)
    moves.move_deal(conn, clock, deal_id, key, actor, reason)
    mine = (link.c.record_id == deal_id) & (link.c.connection_id == row.connection_id)
    conn.execute(update(link).where(mine).values(base=agreed.base, raw=agreed.raw, sent={}))
    sighting.state, sighting.push = "history", {}


def _deal_in_deal_block(
    conn: Connection, clock: Clock, row: Any, key: str, actor: str, reason: str, agreed: Agreed, sighting: Sighting
) -> None:
    moves.move_deal(conn, clock, row.record_id, key, actor, reason)


def _deal_back_over_the_border(
    conn: Connection, clock: Clock, row: Any, key: str, actor: str, reason: str, agreed: Agreed, sighting: Sighting
) -> None:
    lead_id = moves.revert_conversion(conn, clock, row.record_id, key, actor)
    mine = (link.c.record_id == lead_id) & (link.c.connection_id == row.connection_id)
    conn.execute(update(link).where(mine).values(base=agreed.base, raw=agreed.raw, sent={}))
    sighting.state, sighting.push = "history", {}


MOVES: Mapping[tuple[str, str], Callable[..., None]] = {
    ("lead", "lead"): _lead_in_lead_block,
    ("lead", "deal"): _lead_over_the_border,
    ("deal", "deal"): _deal_in_deal_block,
    ("deal", "lead"): _deal_back_over_the_border,
}
