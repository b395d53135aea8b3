"""What a CRM shows now, compared with what both sides agreed on, and applied to the hub. In the caller's transaction.

A sighting changes the hub only where the CRM changed since we last agreed. What a change replaced stands in the
record's timeline, and what a run changed is kept with the values from before. A record that cannot be read
concerns nobody but itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, func, select, update

from connectors.contract import Record
from connectors.errors import Unreadable
from hub.clock import HOUR, SECOND, Clock, millis
from hub.identity import cards
from hub.identity.employers import unite
from hub.identity.mirror import forget
from hub.model import contact, link, sync_write
from hub.store.notes import note
from hub.sync import employer, holder, records
from hub.sync.account import ROLES, Account
from hub.sync.apply import Applier, Sighting
from hub.sync.causes import UNREAD, give_cause
from hub.sync.converted import follow_conversion
from hub.sync.fight import FIGHT
from hub.sync.foreign import guarded
from hub.sync.holder import living
from hub.sync.joined import Followed, follow, read_second
from hub.sync.plan import ASKED, OLDER, Agreed, Memory, reconcile
from hub.sync.suspects import sharers, suspect
from hub.sync.untaken import refused

FEW = 10
"""So many deletions in an hour are believed without asking."""
SKEW_S = 120.0
"""Two clocks may differ by this much before anybody's edit counts as the later one."""
WHY_GIVEN = "The CRM merged the contact's own card into this one: one card, there and here"


class Observer:
    """Applies what was seen. Holds no state of its own."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._applier = Applier(clock)

    def see(
        self,
        conn: Connection,
        account: Account,
        pairs: Sequence[tuple[Any, Record | None]],
        run: str = "",
        doubt: str = "",
    ) -> dict[str, Sighting]:
        """Link rows with what the CRM shows of each (None: positively absent); answers sightings by link id.

        `run` is the sync run this belongs to; `doubt` says why absences of this reading prove nothing.
        """
        followed = follow(conn, self._clock, account, pairs)
        flats: dict[tuple[str, str], records.Flat] = {}
        for role in ROLES:
            mine = [(row, record) for row, record in pairs if row.role == role]
            found = employer.flats(conn, account, role, [row.record_id for row, _record in mine])
            if role in holder.TABLES and found:
                holder.fill(conn, self._clock, account, found, mine)
                employer.fill(conn, account, found, mine)
            flats.update({(role, key): flat for key, flat in found.items()})
        gone = sum(is_gone(record) for _row, record in pairs)
        doubt = doubt or mass_deletion(conn, self._clock.now(), account, gone)
        writes: list[dict[str, Any]] = []
        seen = {}
        for row, record in pairs:
            flat = flats.get((row.role, row.record_id), {})
            seen[row.id] = (
                Sighting("tombstoned", flat, {}, {}, code=cards.THERE, why=WHY_GIVEN, remote_id="")
                if row.id in followed.given
                else self._one(conn, account, row, record, flat, doubt, writes, followed)
            )
        if writes:
            conn.execute(sync_write.insert(), [{**one, "run": run} for one in writes])
        return seen

    def _one(
        self,
        conn: Connection,
        account: Account,
        row: Any,
        record: Record | None,
        flat: records.Flat,
        doubt: str,
        writes: list[dict[str, Any]],
        followed: Followed,
    ) -> Sighting:
        if record is None or is_gone(record):
            if doubt:
                return Sighting("held", flat, dict(row.base), dict(row.raw), code="vanished", why=doubt)
            return self._gone(conn, account, row, flat)
        if record.merged_into or record.ref != row.remote_id:
            into = record.merged_into or record.ref
            return self._merged(conn, account, row, into, flat, followed.other(conn, account, row, into))
        if flat.get("merged_into"):
            return read_second(conn, self._clock, account, row, record, flat)
        if employer.stands_in(account, row, record):
            employer.dismiss(conn, self._clock, account.id, row.record_id)
            why = "Made for a deal whose contact has no company"
            return Sighting("history", flat, {}, {}, code="stands_in", why=why)
        try:
            agreed = guarded(self._compare, account, row, record, flat)
        except Unreadable as error:
            return Sighting("linked", flat, dict(row.base), dict(row.raw), code="unreadable", why=str(error))
        sighting = Sighting(
            "linked", {**flat, **agreed.hub}, agreed.base, agreed.raw, agreed.push, version=record.version,
            stray=_stray(conn, account, row, record),
        )  # fmt: skip
        self._tell(conn, account, row, agreed, flat, sighting)
        if agreed.hub:
            self._follow(conn, account, row, agreed.hub, flat, sighting)
            writes.append(before_image(self._clock, row, "hub", flat, agreed.hub))
        if account.native and row.role == "lead" and (refs := record.links.get(account.crm.deal_kind)):
            follow_conversion(conn, self._clock, account, row, refs[0], sighting)
        return sighting

    def _follow(
        self,
        conn: Connection,
        account: Account,
        row: Any,
        news: Mapping[str, Any],
        flat: records.Flat,
        sighting: Sighting,
    ) -> None:
        """What people did over there, done here; what cannot be followed stays as it was."""
        self._applier.apply(conn, account, row, news, sighting)
        if records.PLACE in news and sighting.code and sighting.state == "linked":
            _keep(records.PLACE, sighting, flat)
        if holder.PERSON not in news:
            return
        why = holder.take(conn, self._clock, account, row, str(sighting.flat[holder.PERSON]))
        if not why:
            sighting.again |= account.names_company(row.role)  # it may get the company of whom it hangs on now
            return
        _keep(holder.PERSON, sighting, flat)
        if sighting.heir:  # the record that goes on with the card shows it, at its next look
            heir = (link.c.record_id == sighting.heir) & (link.c.connection_id == account.id)
            conn.execute(update(link).where(heir).values(base=sighting.base))
        elif not sighting.code:
            sighting.code, sighting.why = holder.BUSY, why

    def _compare(self, account: Account, row: Any, record: Record, flat: records.Flat) -> Agreed:
        seen = account.seen(record, row.role)
        now = self._clock.now()
        older = [values for until, values in row.sent.get(OLDER, ()) if until > now]
        quiet = bool(row.base) and not row.dirty
        base = row.base
        if row.role == "contact" and account.kind("company"):
            base = employer.believed(seen, base, row, record.links.get(account.kind("company"), ()))
        seen = employer.remembered(holder.agreed(seen, row.raw, record.links.get(account.crm.contact_kind, ())), row)
        memory = Memory(base, _raw(row, seen), row.sent, older, _newer(account, row, record, now), quiet)
        left = {*row.base.get(FIGHT, ()), *employer.instead(flat)}
        if account.native and row.role == "lead" and record.links.get(account.crm.deal_kind):
            left.add(records.PLACE)  # a converted lead stands on a stage of the CRM's own, and stays there
        slots = account.faces[row.role].slots
        agreed = reconcile([one for one in slots if one.hub not in left] if left else slots, memory, flat, seen)
        if not account.kind(row.role):
            agreed.push.clear()  # a card whose lead stays here is only read
        return agreed

    # ── records that are not there any more ──────────────────────────────────────────────────────

    def _gone(self, conn: Connection, account: Account, row: Any, flat: records.Flat) -> Sighting:
        named = row.role != "company" or flat.get("name")
        if row.seen_at is None and not row.raw:  # the mirror knew it, and it was gone before anybody read it
            forget(conn, [(account.id, row.remote_id)])
            if named:
                return Sighting("new", flat, {}, {}, remote_id="", again=True)
        if not named and not row.raw:  # known by nothing but that it was there
            employer.dismiss(conn, self._clock, account.id, row.record_id)
        if row.role == "contact":
            conn.execute(update(link).where(link.c.id == row.id).values(code="deleted_in_crm"))
            suspect(conn, self._clock, account, row.record_id, sharers(conn, row.record_id))
        note(conn, self._clock, row.role, row.record_id, "deleted_in_crm", f"crm:{account.id}", {"ref": row.remote_id})
        why = "The record was deleted in the CRM; it stays here and is not made again"
        return Sighting("tombstoned", flat, dict(row.base), dict(row.raw), code="deleted_in_crm", why=why)

    def _merged(
        self, conn: Connection, account: Account, row: Any, into: str, flat: records.Flat, other: Any
    ) -> Sighting:
        """Two records over there became one. The link follows, unless the other one has its record here."""
        actor = f"crm:{account.id}"
        facts = {"ref": row.remote_id, "into": into, "record": other.record_id if other else ""}
        note(conn, self._clock, row.role, row.record_id, "merged_in_crm", actor, facts)
        if other is None:
            # the one that is left never was seen with a company
            raw = {name: one for name, one in row.raw.items() if row.role != "contact" or name != employer.SEEN}
            return Sighting("linked", flat, dict(row.base), raw, remote_id=into, again=True, code=row.code, why=row.why)
        conn.execute(update(link).where(link.c.id == other.id).values(dirty=link.c.dirty + 1, due_at=self._clock.now()))
        unsaid = {name: flat.get(name) for name, agreed in row.base.items() if name in flat and flat[name] != agreed}
        if unsaid:
            note(conn, self._clock, row.role, row.record_id, "unsaid", actor, {"values": unsaid})
        if row.role == "company":
            unite(conn, self._clock, employer.going_on(conn, other.record_id), row.record_id, actor)
            why = f"The CRM merged it into {into}: one company, there and here"
            return Sighting("tombstoned", flat, dict(row.base), dict(row.raw), code=cards.THERE, why=why)
        if row.role == "contact" and living(conn, row.record_id) == living(conn, other.record_id):
            why = f"The CRM merged it into {into}: one contact, there and here"
            return Sighting("tombstoned", flat, dict(row.base), dict(row.raw), code=cards.THERE, why=why)
        why = f"The CRM merged it into {into}, which is another record here: merge the two here as well"
        return Sighting("tombstoned", flat, dict(row.base), dict(row.raw), code="merged_in_crm", why=why)

    # ── telling ──────────────────────────────────────────────────────────────────────────────────

    def _tell(
        self, conn: Connection, account: Account, row: Any, agreed: Agreed, flat: records.Flat, sighting: Sighting
    ) -> None:
        """Lines in the timeline; what waits for a person stands in the link as well."""
        actor = f"crm:{account.id}"
        for name, value in agreed.hub.items():
            if name not in (records.PLACE, employer.EMPLOYER, holder.PERSON):
                facts = {"field": name, "from": flat.get(name), "to": value}
                note(conn, self._clock, row.role, row.record_id, "field", actor, facts)
        known = row.base.get(ASKED, {})
        asked = {one.field: [one.hub, one.crm] for one in agreed.conflicts if one.winner == "ask"}
        asked |= _fought(account, row, agreed, flat)
        for conflict in agreed.conflicts:
            if known.get(conflict.field) != [conflict.hub, conflict.crm]:
                facts = {"field": conflict.field, "hub": conflict.hub, "crm": conflict.crm, "winner": conflict.winner}
                note(conn, self._clock, row.role, row.record_id, "conflict", actor, facts)
        unread = _unread(account, row, agreed)
        sighting.base |= {ASKED: asked, UNREAD: unread}
        for name in (ASKED, UNREAD):
            if not sighting.base[name]:
                del sighting.base[name]
        give_cause(account, row, agreed, sighting)


def _stray(conn: Connection, account: Account, row: Any, record: Record) -> bool:
    """Whether a card that is looked after carries the id of another contact of ours: cards that were merged over there
    keep one of both, and whoever looks for that contact's card would take this one for it."""
    field = account.crm.facts.marker_field
    marker = str(record.values.get(field) or "") if field and row.dirty and row.role == "contact" else ""
    if marker in ("", row.record_id):
        return False
    return conn.execute(select(contact.c.id).where(contact.c.id == marker)).first() is not None


def _raw(row: Any, seen: Mapping[str, Any]) -> dict[str, Any]:
    """What was shown last. What a CRM put where it had refused our value (amoCRM calls a nameless lead "Lead #17") is
    nobody's edit, and counts as known. An id that went as text and is shown as a number is the same."""
    known = {name: seen[name] for name in refused(row.base) if name in seen} | dict(row.raw)
    ids = {name for name, value in known.items() if type(seen.get(name)) is int and str(seen[name]) == value}
    return known | {name: seen[name] for name in ids}


def is_gone(record: Record | None) -> bool:
    """Whether this is evidence of a deletion (a merged record goes on in another one)."""
    return record is None or (record.deleted and not record.merged_into)


def before_image(
    clock: Clock, row: Any, side: str, before: Mapping[str, Any], after: Mapping[str, Any]
) -> dict[str, Any]:
    """A row of sync_write: the values of these fields from before and from now."""
    return {
        "id": clock.new_id(), "at": clock.now(), "connection_id": row.connection_id, "side": side, "role": row.role,
        "record_id": row.record_id, "before": {name: before.get(name) for name in after}, "after": dict(after),
    }  # fmt: skip


def mass_deletion(conn: Connection, now: int, account: Account, gone: int) -> str:
    """Why so many deletions in an hour wait for a person, "" for few: mostly a permission was lost, not records."""
    if not gone:
        return ""
    mine = link.c.connection_id == account.id
    lately = mine & (link.c.code == "deleted_in_crm") & (link.c.since > now - HOUR)
    gone += conn.execute(select(func.count()).where(lately)).scalar() or 0
    if gone <= FEW:
        return ""
    total = conn.execute(select(func.count()).where(mine, link.c.state == "linked")).scalar() or 0
    if gone <= total // 10:
        return ""
    return f"{gone} of {total} records vanished within an hour: check the CRM's permissions, then confirm or restore"


def _newer(account: Account, row: Any, record: Record, now: int) -> str:
    """The side that changed later, beyond the doubt of two clocks and the coarser stamp; "" when nobody can tell."""
    if record.updated_at is None or not row.dirty or row.due_at is None or row.due_at > now:
        return ""
    skew = float(account.live.row.config.get("skew_s", SKEW_S))
    apart = row.due_at - millis(record.updated_at)
    if abs(apart) <= (skew + account.crm.facts.precision) * SECOND:
        return ""
    return "hub" if apart > 0 else "crm"


def _unread(account: Account, row: Any, agreed: Agreed) -> list[str]:
    """Fields whose value over there nobody here knows: found now, or found before and still the same."""
    known = row.base.get(UNREAD, ())
    slots = account.faces[row.role].slots if known else ()
    still = [s.hub for s in slots if s.hub in known and agreed.raw.get(s.crm) == row.raw.get(s.crm)]
    return sorted({*agreed.unread, *still} - {"owner"})  # a CRM has users who are nobody here: nothing to repair


def _fought(account: Account, row: Any, agreed: Agreed, flat: records.Flat) -> dict[str, list[Any]]:
    """Fields that two programs fight for: what stands here, and what was last agreed on there."""
    return {name: [flat.get(name), agreed.base.get(name)] for name in row.base.get(FIGHT, ())}


def _keep(name: str, sighting: Sighting, flat: records.Flat) -> None:
    """A move that was not followed is no agreement: each side stands where it stood until one of them moves."""
    sighting.base[name] = sighting.flat[name] = flat.get(name)
