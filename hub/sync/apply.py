"""What was agreed to change in the hub, done: columns, phones, owners, stages. Inside the caller's transaction.

A card that a person dragged over the border converts its lead; dragged back it was none; dragged to a closing
stage it closes. A move that is not possible here is not made, and its code says why.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, select, update

from connectors.contract import Person
from hub.clock import Clock
from hub.funnel import moves
from hub.funnel.own import is_own
from hub.identity.employers import COMPANY, learn, unite
from hub.identity.firms import read_firm
from hub.identity.keys import Key
from hub.identity.merging import relearn
from hub.identity.normalize import Known, normalise
from hub.identity.shown import enter
from hub.model import company, contact, contact_point, deal, lead, link, match_key, member
from hub.store.notes import REST, mark_dirty, note
from hub.store.own import keep
from hub.sync import employer, records
from hub.sync.account import Account
from hub.sync.suspects import sharers, suspect

SHARED = ("title", "amount", "currency", "tags")
COLUMNS: Mapping[str, tuple[Any, Mapping[str, str]]] = {
    "contact": (
        contact,
        {name: name for name in ("name", "first_name", "last_name", "middle_name", "company", "position", "language")},
    ),
    "lead": (lead, {name: name for name in (*SHARED, "temperature")} | {"reject_reason": "reason"}),
    "deal": (deal, {name: name for name in SHARED} | {"reject_reason": "reason"}),
}
"""Which hub field stands in which column."""
LISTS = {"phones": "phone", "emails": "email"}
WORDS = ("tags", *LISTS)
"""Columns that hold several words."""


@dataclass
class Sighting:
    """A link after the CRM's record was looked at. `push` are hub values the CRM still has to be told.

    `remote_id` is the record it stands for from now on, None when that stays, "" for none; `again` asks for one more
    look; `stray` says that it carries the id of another record of ours; `heir` is the record here that goes on with the
    card, where it went over the border.
    """

    state: str
    flat: records.Flat
    base: dict[str, Any]
    raw: dict[str, Any]
    push: dict[str, Any] = field(default_factory=dict)
    code: str = ""
    why: str = ""
    remote_id: str | None = None
    again: bool = False
    version: str = ""
    stray: bool = False
    heir: str = ""


class Applier:
    """Writes hub values that came from a CRM. Holds no state of its own."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def apply(
        self, conn: Connection, account: Account, row: Any, news: Mapping[str, Any], sighting: Sighting, actor: str = ""
    ) -> None:
        """Hub values by field; a stage that cannot be followed leaves its code in the sighting."""
        if row.role == "company":
            self._company(conn, account, row, news, sighting)
            _keep_own(conn, row, news)
            self._mark_others(conn, account, row.record_id)
            return
        self._columns(conn, account.id, row, news)
        _keep_own(conn, row, news)
        if employer.EMPLOYER in news:
            ref = str(news[employer.EMPLOYER] or "")
            employer.take(conn, self._clock, account, row.record_id, ref)
            sighting.again |= not ref  # what the company's card had said instead is the contact's own word again
        if row.role == "contact":
            self._points(conn, account, row.record_id, news)
        if "owner" in news:
            self._owner(conn, row, news["owner"])
        if records.PLACE in news:
            self._place(conn, account, row, news[records.PLACE], sighting, actor or f"crm:{account.id}")
        self._mark_others(conn, account, row.record_id)

    def _columns(self, conn: Connection, account_id: str, row: Any, news: Mapping[str, Any]) -> None:
        table, known = COLUMNS[row.role]
        if row.role == "contact":
            told = {known[name]: _text(value) for name, value in news.items() if name in known}
            enter(conn, row.record_id, told, f"crm:{account_id}", self._clock.now())
            return
        values = {known[name]: _plain(name, value) for name, value in news.items() if name in known}
        if row.role == "lead" and values.get("reason") == "":  # why it was closed is part of the decision, and stays
            del values["reason"]
            mark_dirty(conn, self._clock, [row.record_id], REST)
        if values:
            values["version"] = table.c.version + 1
            conn.execute(update(table).where(table.c.id == row.record_id).values(**values))
        if row.role == "lead" and "temperature" in news:
            deals = conn.execute(select(deal.c.id).where(deal.c.lead_id == row.record_id)).scalars()
            mark_dirty(conn, self._clock, [str(one) for one in deals], REST)
        if row.role == "deal" and "temperature" in news:  # how warm the client is stands with the lead it was
            lead_id = conn.execute(select(deal.c.lead_id).where(deal.c.id == row.record_id)).scalar()
            warm = _text(news["temperature"])
            conn.execute(update(lead).where(lead.c.id == lead_id).values(temperature=warm))
            mark_dirty(conn, self._clock, [str(lead_id)], REST)

    def _company(
        self, conn: Connection, account: Account, row: Any, news: Mapping[str, Any], sighting: Sighting
    ) -> None:
        """What people entered over there. One that nobody here had read yet may be a company that we know: then the
        two meet for the first time, and nothing counts as agreed."""
        told = {name: _plain(name, value) for name, value in news.items() if name in COMPANY}
        held = conn.execute(select(company).where(company.c.id == row.record_id)).one()._mapping
        firm = read_firm({**held, **told})
        conn.execute(update(company).where(company.c.id == held["id"]).values(**told, key=firm.name))
        other = learn(conn, held["id"], firm)
        if other and not held["name"]:
            card = employer.ties(conn, account.id, [other]).get(other)
            if card is None or (card.state == "new" and not card.remote_id and not card.lease):
                unite(conn, self._clock, other, held["id"], f"crm:{account.id}")
                sighting.base, sighting.raw, sighting.push, sighting.again = {}, {}, {}, True

    def _points(self, conn: Connection, account: Account, contact_id: str, news: Mapping[str, Any]) -> None:
        """Phones and e-mails as a person left them over there: new ones are added, removed ones go."""
        for name, kind in LISTS.items():
            if name not in news:
                continue
            wanted = list(dict.fromkeys(str(value) for value in news[name] or []))
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
            self.add_points(conn, account, contact_id, kind, [value for value in wanted if value not in rows])
            relearn(conn, contact_id, [key for value in gone for key in _known(account, kind, value).keys])

    def add_new(self, conn: Connection, account: Account, contact_id: str, kind: str, values: Sequence[str]) -> bool:
        """Those of these numbers or addresses that the contact has not; answers whether there were any."""
        mine = (contact_point.c.contact_id == contact_id) & (contact_point.c.kind == kind)
        held = set(conn.execute(select(contact_point.c.value).where(mine)).scalars())
        news = [value for value in dict.fromkeys(values) if value not in held]
        self.add_points(conn, account, contact_id, kind, news)
        if news:
            relearn(conn, contact_id)
        return bool(news)

    def add_points(self, conn: Connection, account: Account, contact_id: str, kind: str, values: Sequence[str]) -> None:
        """Kept exactly as the mapping read them: another spelling here would look like an edit of ours."""
        now = self._clock.now()
        for value in values:
            known = _known(account, kind, value)
            told = [*(p.flags for p in known.phones), *(e.flags for e in known.emails)]
            flags = [flag for one in told for flag in one if flag not in records.UNFIT]
            row = {"contact_id": contact_id, "kind": kind, "value": value, "raw": value, "ext": ""}
            conn.execute(contact_point.insert().values(**row, flags=flags, attested=False, first_seen_at=now))
            self._claim(conn, known.keys, contact_id)
        if values:
            suspect(conn, self._clock, account, contact_id, sharers(conn, contact_id))

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

    def _place(
        self, conn: Connection, account: Account, row: Any, spot: Sequence[str], sighting: Sighting, actor: str
    ) -> None:
        block, _direction, key = spot
        move = _Move(conn, self._clock, row, key, actor, str(sighting.flat.get("reject_reason") or ""), sighting)
        try:
            if (row.role, block) not in MOVES:
                raise moves.NotPossible("not_here", "This stage has no meaning for this record")
            MOVES[row.role, block](move)
        except moves.NotPossible as error:
            # The hub keeps its own view and shows the difference; nothing is moved back behind a person's back.
            sighting.state, sighting.code, sighting.why = "linked", error.code, str(error)
            facts = {"code": error.code, "why": str(error), "to": key}
            note(conn, self._clock, row.role, row.record_id, "not_followed", actor, facts)

    def _mark_others(self, conn: Connection, account: Account, record_id: str) -> None:
        """Other CRMs that hold this record have news to get."""
        others = (link.c.record_id == record_id) & (link.c.connection_id != account.id) & (link.c.state == "linked")
        conn.execute(update(link).where(others).values(dirty=link.c.dirty + 1, lane=REST, due_at=self._clock.now()))


def _known(account: Account, kind: str, value: str) -> Known:
    typed = Person(phones=(value,)) if kind == "phone" else Person(emails=(value,))
    return normalise(typed, account.live.row.region)


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _keep_own(conn: Connection, row: Any, news: Mapping[str, Any]) -> None:
    """Fields that a company adds itself."""
    table = company if row.role == "company" else COLUMNS[row.role][0]
    keep(conn, table, row.record_id, {name: value for name, value in news.items() if is_own(name)})


def _plain(name: str, value: Any) -> Any:
    return [str(one) for one in value or ()] if name in WORDS else _text(value)


# ── stages ───────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class _Move:
    """A record that stands on another stage over there."""

    conn: Connection
    clock: Clock
    row: Any
    key: str
    actor: str
    reason: str
    sighting: Sighting

    def hand_over(self, record_id: str) -> None:
        """The link of the record that goes on remembers what was seen; this one is history, unless it is that link."""
        mine = (link.c.record_id == record_id) & (link.c.connection_id == self.row.connection_id)
        if self.row.id in self.conn.execute(select(link.c.id).where(mine)).scalars():
            return  # the card was made for a deal that had been a lead: one link has served both
        seen = {"base": self.sighting.base, "raw": self.sighting.raw, "sent": {}}
        self.conn.execute(update(link).where(mine).values(seen))
        self.sighting.state, self.sighting.push, self.sighting.heir = "history", {}, record_id


def _lead_in_lead_block(move: _Move) -> None:
    lead_id = move.row.record_id
    stage_final = moves.final_of(move.conn, lead_id, "lead", move.key)
    state = move.conn.execute(select(lead.c.state).where(lead.c.id == lead_id)).scalar()
    if stage_final == "rejected":
        moves.reject_lead(move.conn, move.clock, lead_id, move.reason or "Closed in the CRM", move.actor)
    elif state in moves.WITHOUT_DEAL:
        moves.reopen_lead(move.conn, move.clock, lead_id, move.key, move.actor)
    else:
        moves.move_lead(move.conn, move.clock, lead_id, move.key, move.actor)


def _lead_over_the_border(move: _Move) -> None:
    deal_id = convert(move.conn, move.clock, move.row.record_id, move.actor)
    moves.move_deal(move.conn, move.clock, deal_id, move.key, move.actor, move.reason)
    move.hand_over(deal_id)


def convert(conn: Connection, clock: Clock, lead_id: str, actor: str) -> str:
    """A lead that is a deal over there, also one that was closed here without a deal; answers the deal's id."""
    _wanted_again(conn, clock, lead_id, actor)
    return moves.convert_lead(conn, clock, lead_id, actor)


def convert_into(conn: Connection, clock: Clock, lead_id: str, deal_id: str, actor: str) -> None:
    """The same, where it became a deal over there that had come here already."""
    _wanted_again(conn, clock, lead_id, actor)
    moves.convert_into(conn, clock, lead_id, deal_id, actor)


def _wanted_again(conn: Connection, clock: Clock, lead_id: str, actor: str) -> None:
    if conn.execute(select(lead.c.state).where(lead.c.id == lead_id)).scalar() in moves.WITHOUT_DEAL:
        moves.reopen_lead(conn, clock, lead_id, moves.first_stage(conn, lead_id), actor)


def _deal_in_deal_block(move: _Move) -> None:
    moves.move_deal(move.conn, move.clock, move.row.record_id, move.key, move.actor, move.reason)


def _deal_back_over_the_border(move: _Move) -> None:
    deal_id = move.row.record_id
    was = move.conn.execute(select(deal.c.lead_id).where(deal.c.id == deal_id)).scalar()
    rejected = bool(was) and moves.final_of(move.conn, str(was), "lead", move.key) == "rejected"
    key = moves.first_stage(move.conn, str(was)) if rejected else move.key
    lead_id = moves.revert_conversion(move.conn, move.clock, deal_id, key, move.actor)
    if rejected:
        moves.reject_lead(move.conn, move.clock, lead_id, move.reason or "Closed in the CRM", move.actor)
    move.hand_over(lead_id)


MOVES: Mapping[tuple[str, str], Callable[[_Move], None]] = {
    ("lead", "lead"): _lead_in_lead_block,
    ("lead", "deal"): _lead_over_the_border,
    ("deal", "deal"): _deal_in_deal_block,
    ("deal", "lead"): _deal_back_over_the_border,
}
