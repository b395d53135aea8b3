"""Records that exist in the CRM only: whose they are, and the hub's record of each.

A record that carries one of our markers is never a stranger: it is our own create whose answer was lost, and is linked.
A card is matched to a contact by its link, by phone and by e-mail; exactly one match links, several wait for a person,
none makes a new one. Nothing is matched that stands on a stage the placement does not know.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import Connection, or_, select, update

from connectors.contract import Record
from connectors.errors import ConnectorError
from hub.clock import HOUR, Clock
from hub.funnel.moves import NEXT_STEP
from hub.model import contact, deal, lead, link, match_key, stage
from hub.store.engine import Store
from hub.store.notes import REST, note, point_at
from hub.sync import employer, holder
from hub.sync.account import SEEN_PLACE, Account
from hub.sync.apply import Applier
from hub.sync.born import born, named
from hub.sync.observe import Observer, is_gone
from hub.sync.plan import ABSENT
from hub.sync.reading import read_each
from hub.sync.split import Spot, There
from hub.sync.theirs import linked_refs, personal_keys, values_of
from hub.sync.unowned import Unowned, member_here, stand_in_here

WELCOME = "import"
"""The connection's config says under `strangers` whether cards made by people in the CRM get a record here."""


APART = ("outside", "later")
HUNG_ON: Mapping[str, Callable[[Connection, str, Sequence[str], int], None]] = {
    "company": employer.wake,
    "contact": holder.wake,
}
"""What hangs on a record of ours hears of it when its card is found."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """Records without a link here, the contacts they hang on (as read; "" when there is none), and of deals made of our
    leads which lead that was."""

    kind: str = ""
    records: tuple[Record, ...] = ()
    contacts: Mapping[str, Record] = field(default_factory=dict)
    born: Mapping[str, str] = field(default_factory=dict)

    def person_of(self, account: Account, record: Record) -> Record | None:
        """The contact a card hangs on, where it could be read."""
        return self.contacts.get(next(iter(record.links.get(account.crm.contact_kind, ())), ""))


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an unknown record is to the hub: `what` in adopt, later, link, create, ambiguous, outside."""

    what: str
    role: str = ""
    spot: Spot | None = None
    record_id: str = ""
    contact_id: str = ""
    why: str = ""
    final: str = ""


class Strangers:
    """Meets records without a link. `meet` reads (and may call the CRM), `welcome` writes, in the caller's commit."""

    def __init__(self, store: Store, clock: Clock, observer: Observer) -> None:
        self._store, self._clock, self._observer = store, clock, observer
        self._applier, self._unowned = Applier(clock), Unowned(clock)

    # ── meeting ──────────────────────────────────────────────────────────────────────────────────

    def meet(self, account: Account, kind: str, records: Sequence[Record], everybody: bool = False) -> Unknown:
        """Those of these records that have no link here and are worth a look, with their contacts."""
        there = [one for one in records if not is_gone(one) and not one.merged_into and one.kind == kind]
        if not there:
            return Unknown()
        with self._store.read() as conn:
            known = linked_refs(conn, account, kind, [one.ref for one in there])
        strange = [one for one in there if one.ref not in known]
        if not everybody and account.live.row.config.get("strangers") != WELCOME:
            strange = [one for one in strange if _marker(account, one) or named(account, one)]
        if not strange:
            return Unknown()
        contacts = self._contacts_of(account, kind, strange)
        return Unknown(kind, tuple(strange), contacts, born(self._store, account, kind, strange))

    def _contacts_of(self, account: Account, kind: str, strange: Sequence[Record]) -> dict[str, Record]:
        """The contacts of cards, read in one go; the first of each card."""
        person = account.crm.contact_kind
        if kind in (person, account.crm.company_kind) or not person:
            return {}
        refs = list(dict.fromkeys(one.links[person][0] for one in strange if one.links.get(person)))
        read = read_each(account, person, refs)
        found = zip(refs, read, strict=True)
        return {ref: one for ref, one in found if one is not None and not isinstance(one, ConnectorError)}

    def in_scope(self, conn: Connection, account: Account, unknown: Unknown) -> Unknown:
        """Those of them that would get a record here."""
        records = [one for one in unknown.records if self.judge(conn, account, unknown, one).what not in APART]
        return replace(unknown, records=tuple(records))

    def judge(self, conn: Connection, account: Account, unknown: Unknown, record: Record) -> Verdict:
        """Whose record this is."""
        if marker := _marker(account, record):
            mine = self._by_marker(conn, account, unknown.kind, marker)
            if mine is not None:
                return mine
        if record.ref in unknown.born:
            return Verdict("later", "lead", why="the lead it was made of is looked at")
        if unknown.kind == account.crm.contact_kind:
            return Verdict("outside", "contact", why="contacts come with their cards")
        if unknown.kind == account.crm.company_kind:
            return Verdict("outside", "company", why="companies come with their contacts")
        spot = _spot(account, unknown.kind, record)
        if spot is None:
            return Verdict("outside", why="stands on a stage that is none of ours")
        person = unknown.person_of(account, record)
        owners = list(dict.fromkeys(holder.living(conn, one) for one in self._owners_of(conn, account, person)))
        if len(owners) > 1:
            return Verdict("ambiguous", spot[0], spot, why="its phone and e-mail belong to different contacts here")
        verdict = self._among_leads(conn, account, spot, owners[0] if owners else "")
        return replace(verdict, final=_final(conn, spot))

    def _among_leads(self, conn: Connection, account: Account, spot: Spot, contact_id: str) -> Verdict:
        """An open lead of the same person is this card, unless it has a card of its own."""
        same = (lead.c.contact_id == contact_id) & (lead.c.direction_id == spot[1]) & (lead.c.state == "open")
        open_card = contact_id and spot[0] == "lead" and not _final(conn, spot)
        found = conn.execute(select(lead.c.id).where(same)).scalar() if open_card else None
        if not found:
            return Verdict("create", spot[0], spot, contact_id=contact_id)
        mine = (link.c.record_id == found) & (link.c.connection_id == account.id) & (link.c.role == "lead")
        held = conn.execute(select(link.c.state, link.c.remote_id).where(mine)).first()
        if held is None or (held.state == "new" and held.remote_id is None):
            return Verdict("link", "lead", spot, str(found), contact_id)
        return Verdict("ambiguous", "lead", spot, why="this person has another open lead with a card of its own")

    def _by_marker(self, conn: Connection, account: Account, kind: str, marker: str) -> Verdict | None:
        """The link that waits for this record; "outside" when its record has another card, or none any more."""
        deals = select(deal.c.id).where(deal.c.lead_id == marker)
        mine = (link.c.connection_id == account.id) & or_(link.c.record_id == marker, link.c.record_id.in_(deals))
        rows = conn.execute(select(link).where(mine)).all()
        rows = [row for row in rows if kind in (account.kind(row.role), row.remote_kind)]
        if not rows:
            return None
        waiting = [row for row in rows if row.remote_id is None and row.state in ("uncertain", "sending", "new")]
        now = self._clock.now()
        free = [row for row in waiting if not (row.lease and row.lease_until and row.lease_until > now)]
        if free and free[0].state == "uncertain":
            return Verdict("adopt", free[0].role, record_id=free[0].id)
        if any(row.dirty for row in waiting):
            return Verdict("later", waiting[0].role, why="its answer is on the way")
        return Verdict("outside", rows[0].role, why="one of ours")

    def _owners_of(self, conn: Connection, account: Account, person: Record | None) -> list[str]:
        """Contacts here that this person of theirs may be: the linked one, the marked one, or those by its keys."""
        if person is None:
            return []
        mine = (link.c.connection_id == account.id) & (link.c.role == "contact")
        linked = conn.execute(select(link.c.record_id).where(mine, link.c.remote_id == person.ref)).scalar()
        if linked:
            return [str(linked)]
        marked = conn.execute(select(contact.c.id).where(contact.c.id == _marker(account, person))).scalar()
        if marked:
            return [str(marked)]
        found = [
            conn.execute(
                select(match_key.c.contact_id).where(match_key.c.kind == kind, match_key.c.value == value)
            ).scalar()
            for kind, value in personal_keys(account, person)
        ]
        return list(dict.fromkeys(str(one) for one in found if one))

    # ── welcoming ────────────────────────────────────────────────────────────────────────────────

    def welcome(self, conn: Connection, account: Account, unknown: Unknown, run: str) -> int:
        """Write down what each of them is; answers how many are ours from now on. Where an admin has not asked for
        strangers, only our own creates are taken in."""
        if not unknown.records:
            return 0
        known = linked_refs(conn, account, unknown.kind, [one.ref for one in unknown.records])
        return sum(
            self._welcome(conn, account, unknown, record, run) for record in unknown.records if record.ref not in known
        )

    def _welcome(self, conn: Connection, account: Account, unknown: Unknown, record: Record, run: str) -> bool:
        verdict = self.judge(conn, account, unknown, record)
        wanted = account.live.row.config.get("strangers") == WELCOME
        if verdict.what == "later":  # a person may have edited it since: this page will not show it again
            of = unknown.born.get(record.ref)
            kind, ref = (account.crm.lead_kind, of) if of else (record.kind, record.ref)
            point_at(conn, self._clock, {(account.id, kind, ref): 1})
        if verdict.what in ("outside", "later") or (verdict.what != "adopt" and not wanted):
            return False
        if verdict.what == "adopt":
            known = {
                "state": "linked", "remote_id": record.ref, "remote_kind": record.kind, "lease": "", "lookups": 0,
                "lease_until": None, "due_at": self._clock.now(), "code": "", "why": "", "attempts": 0, "run": run,
                "dirty": link.c.dirty + 1, "base": _sent_base(account, conn, verdict.record_id),
                "raw": link.c.sent, "sent": {},
            }  # fmt: skip
            mine = update(link).where(link.c.id == verdict.record_id).values(known)
            found = conn.execute(mine.returning(link.c.role, link.c.record_id)).one()
            if found.role in HUNG_ON:
                HUNG_ON[found.role](conn, account.id, [found.record_id], self._clock.now())
            return True
        if verdict.what == "ambiguous":
            held = {"state": "held", "code": "ambiguous", "why": f"It was made in the CRM, and {verdict.why}"}
            self._link(conn, account, verdict.role, "", record, run, held)
            return True
        contact_id = self._contact(conn, account, unknown, record, verdict.contact_id, run)
        record_id = verdict.record_id or self._card(conn, account, verdict, contact_id, record, unknown)
        self._link(conn, account, verdict.role, record_id, record, run, {})
        return True

    def _contact(
        self, conn: Connection, account: Account, unknown: Unknown, record: Record, contact_id: str, run: str
    ) -> str:
        """The card's person: known, or made from theirs; with a link where they have one that is free."""
        person = unknown.person_of(account, record)
        now, made = self._clock.now(), not contact_id
        if made:
            contact_id = self._clock.new_id()
            told = values_of(account, person or record, "contact" if person else "lead")
            name = told.get("name" if person else "title")
            conn.execute(
                contact.insert().values(id=contact_id, name=str(name or ""), version=1, created_at=now, updated_at=now)
            )
            note(conn, self._clock, "contact", contact_id, "imported", f"crm:{account.id}", {"ref": record.ref})
        if person is not None and not _has_link(conn, account, "contact", contact_id, person):
            self._link(conn, account, "contact", contact_id, person, run, {})
        return contact_id

    def _card(
        self, conn: Connection, account: Account, verdict: Verdict, contact_id: str, record: Record, unknown: Unknown
    ) -> str:
        """A lead or a deal on the stage on which the card stands; everything else is read into it afterwards."""
        assert verdict.spot is not None  # noqa: S101 - "create" has one
        block, direction_id, key = verdict.spot
        now, card_id = self._clock.now(), self._clock.new_id()
        final = _final(conn, verdict.spot)
        begins, why = now, dict[str, Any]()
        owner = member_here(conn, values_of(account, record, block).get("owner")) or stand_in_here(conn, account)
        if not owner and block == "lead" and not final:
            told = values_of(account, unknown.person_of(account, record), "contact")
            owner, begins, why = self._unowned.give(conn, account, card_id, (contact_id, direction_id), told)
        values = {
            "id": card_id, "contact_id": contact_id, "direction_id": direction_id, "stage": key,
            "owner_id": owner or self._unowned.last(conn, contact_id), "title": "", "version": 1,
            "opened_at": now, "active_at": now, "closed_at": now if final else None, "state": final or "open",
        }  # fmt: skip
        if block == "lead":
            step = {"next_step": "call_back", "next_step_at": begins + NEXT_STEP.get("call_back", HOUR)}
            more = {"source": account.live.row.connector, "reason": "Closed in the CRM" if final else ""}
            conn.execute(lead.insert().values({**values, **step, **more}))
        else:
            conn.execute(deal.insert().values({**values, "amount": "", "currency": ""}))
        facts = {"ref": record.ref, **({"route": why} if why else {})}
        note(conn, self._clock, block, card_id, "imported", f"crm:{account.id}", facts)
        return card_id

    def _link(
        self,
        conn: Connection,
        account: Account,
        role: str,
        record_id: str,
        record: Record,
        run: str,
        more: Mapping[str, Any],
    ) -> None:
        """A link to a record of theirs, which is read into the hub at once. Without a base nothing is overwritten."""
        now, link_id = self._clock.now(), self._clock.new_id()
        row = {
            "id": link_id, "connection_id": account.id, "role": role, "record_id": record_id or link_id,
            "remote_kind": record.kind, "remote_id": record.ref, "state": "linked", "base": {}, "raw": {}, "sent": {},
            "dirty": 1, "lane": REST, "due_at": now, "since": now, "run": run, **more,
        }  # fmt: skip
        if role == "lead" and record_id:  # an open lead that was about to be made over there
            mine = (link.c.record_id == record_id) & (link.c.connection_id == account.id) & (link.c.role == role)
            conn.execute(link.delete().where(mine, link.c.remote_id.is_(None)))
        conn.execute(link.insert().values(row))
        if row["state"] == "linked":
            made = conn.execute(select(link).where(link.c.id == link_id)).one()
            seen = self._observer.see(conn, account, [(made, record)], run)[link_id]
            memory = {"base": seen.base, "raw": seen.raw, "state": seen.state, "code": seen.code, "why": seen.why}
            conn.execute(update(link).where(link.c.id == link_id).values(memory))


# ── small questions ──────────────────────────────────────────────────────────────────────────────


def _marker(account: Account, record: Record) -> str:
    return str(record.values.get(account.crm.facts.marker_field) or "") if account.crm.facts.marker_field else ""


def _spot(account: Account, kind: str, record: Record) -> Spot | None:
    """Where a card stands in the hub's terms; a closing stage of both blocks counts as a deal's."""
    roles = [role for role in ("deal", "lead") if account.kind(role) == kind]
    for role in roles:
        seen = account.seen(record, role).get(SEEN_PLACE)
        spot = account.placement.unplace(There(*seen), role) if seen else None
        if spot is not None:
            return spot
    return None


def _final(conn: Connection, spot: Spot) -> str:
    block, direction_id, key = spot
    place = (stage.c.direction_id == direction_id) & (stage.c.block == block) & (stage.c.key == key)
    return str(conn.execute(select(stage.c.final).where(place)).scalar() or "")


def _has_link(conn: Connection, account: Account, role: str, record_id: str, person: Record) -> bool:
    mine = (link.c.connection_id == account.id) & (link.c.role == role)
    either = or_(link.c.record_id == record_id, link.c.remote_id == person.ref)
    return conn.execute(select(link.c.id).where(mine, either)).first() is not None


def _sent_base(account: Account, conn: Connection, link_id: str) -> dict[str, Any]:
    """What both sides agreed on when our own create is found: what was sent."""
    row = conn.execute(select(link.c.role, link.c.sent, link.c.base).where(link.c.id == link_id)).one()
    slots: Iterable[Any] = account.faces[row.role].slots
    told = {slot.hub: slot.into(row.sent[slot.crm]) for slot in slots if slot.crm in row.sent}
    return {**row.base, **{name: value for name, value in told.items() if value is not ABSENT}}
