"""Takes a sync run back: what nobody touched since is as it was before, on both sides; the rest is listed.

A run wrote hub values of records, here or over there; the values from before are restored here and travel to the CRM
like anybody's edit. Cards the run made go to the CRM's bin where programs may put them there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, func, select, update

from connectors.errors import ConnectorError
from hub.clock import Clock
from hub.funnel import moves
from hub.model import journal, link, sync_write
from hub.store.engine import Store
from hub.store.notes import PERSON, mark_dirty, note
from hub.sync import employer, holder
from hub.sync.account import Account, Accounts
from hub.sync.apply import Applier, Sighting
from hub.sync.observe import before_image

GONE = ("tombstoned", "history")


@dataclass(frozen=True, slots=True)
class Run:
    """One sync run: when it began, and how many records it changed here, changed there, and made."""

    id: str
    at: int
    here: int
    there: int
    made: int


@dataclass
class Undone:
    """What was restored, and what was not and why; one sentence each."""

    done: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)


def runs(conn: Connection, connection_id: str, limit: int = 20) -> list[Run]:
    """The newest runs of a connection that changed something."""
    mine = sync_write.c.connection_id == connection_id
    begun = func.min(sync_write.c.at).label("at")
    counts = [func.count().filter(sync_write.c.side == side).label(side) for side in ("hub", "crm")]
    query = select(sync_write.c.run, begun, *counts).where(mine).group_by(sync_write.c.run)
    found = {row.run: Run(row.run, row.at, row.hub, row.crm, 0) for row in conn.execute(query)}
    made = select(link.c.run, func.min(link.c.since).label("at"), func.count().label("made"))
    for row in conn.execute(made.where(link.c.connection_id == connection_id, link.c.run != "").group_by(link.c.run)):
        known = found.get(row.run, Run(row.run, row.at, 0, 0, 0))
        found[row.run] = Run(known.id, known.at, known.here, known.there, row.made)
    return sorted(found.values(), key=lambda run: run.at, reverse=True)[:limit]


class Undo:
    """Takes runs back."""

    def __init__(self, store: Store, clock: Clock, accounts: Accounts) -> None:
        self._store, self._clock, self._accounts = store, clock, accounts
        self._applier = Applier(clock)

    def undo(self, run: str, actor: str) -> Undone:
        """Everything of one run, the newest change first. Raises `KeyError` for a run nobody knows."""
        told = Undone()
        with self._store.read() as conn:
            writes = list(conn.execute(select(sync_write).where(sync_write.c.run == run).order_by(*_NEWEST)))
            made = list(conn.execute(select(link).where(link.c.run == run, link.c.state.not_in(GONE))))
        if not writes and not made:
            raise KeyError(run)
        account = self._accounts.get((writes or made)[0].connection_id)
        if account is None:
            told.left.append("The connection is off or paused: switch it on first")
            return told
        again = self._clock.new_id()
        for one in writes:
            with self._store.write() as conn:
                self._restore(conn, account, one, again, actor, told)
        for row in made:
            self._unmake(account, row, actor, told)
        return told

    def _restore(self, conn: Connection, account: Account, one: Any, run: str, actor: str, told: Undone) -> None:
        """Fields that still have the value the run gave them get the one from before."""
        name = f"{one.role} {one.record_id}"
        flat = employer.flats(conn, account, one.role, [one.record_id]).get(one.record_id)
        if flat is None:
            told.left.append(f"{name}: is not there any more")
            return
        row = _Where(one.connection_id, one.role, one.record_id)
        if one.role in holder.TABLES:
            holder.fill(conn, self._clock, account, {one.record_id: flat}, [(row, None)])
            flat |= {
                field_: ref for field_, ref in one.after.items() if field_ == employer.EMPLOYER
            }  # nobody moves that
        slots = {slot.hub: slot for slot in account.faces[one.role].slots}
        same = {f for f, value in one.after.items() if f in slots and slots[f].same(flat.get(f), value)}
        back = {
            f: one.before.get(f) for f in one.after if f in same and not slots[f].same(flat.get(f), one.before.get(f))
        }
        told.left += [f"{name}: {f} was changed since" for f in one.after if f not in same]
        if employer.EMPLOYER in back and not back[employer.EMPLOYER]:
            told.left.append(f"{name}: its company has to be taken off by hand")
            del back[employer.EMPLOYER]
        if not back:
            return
        sighting = Sighting("linked", flat, {}, {})
        self._applier.apply(conn, account, row, back, sighting, actor)
        person = str(back.get(holder.PERSON) or "")
        if person and (why := holder.take(conn, self._clock, account, row, person)):
            sighting.code, sighting.why = holder.BUSY, why
        if sighting.code:
            told.left.append(f"{name}: {sighting.why}")
            return
        conn.execute(sync_write.insert().values({**before_image(self._clock, row, "hub", flat, back), "run": run}))
        note(conn, self._clock, one.role, one.record_id, "undone", actor, {"run": one.run, "fields": sorted(back)})
        mark_dirty(conn, self._clock, [one.record_id], PERSON)
        told.done.append(f"{name}: {', '.join(sorted(back))}")

    def _unmake(self, account: Account, row: Any, actor: str, told: Undone) -> None:
        """A record that the run made: over there it goes to the bin, here its lead is closed."""
        name = f"{row.role} {row.record_id}"
        with self._store.read() as conn:
            came = (journal.c.subject_id == row.record_id) & (journal.c.what == "imported")
            imported = conn.execute(select(journal.c.id).where(came)).first() is not None
        if imported:
            self._let_go(row, actor, told, f"{name}: came from the CRM")
            self._close(row, actor, told)
            return
        if not account.crm.facts.delete:
            told.left.append(f"{name}: was made in the CRM as {row.remote_id}; remove it there")
            return
        try:
            (there,) = account.crm.get(row.remote_kind, [row.remote_id])
            seen = account.seen(there, row.role) if there is not None else {}
            if any(row.raw.get(field_, value) != value for field_, value in seen.items()):
                told.left.append(f"{name}: {row.remote_id} was changed in the CRM since")
                return
            account.crm.delete(row.remote_kind, [row.remote_id])
        except ConnectorError as error:
            told.left.append(f"{name}: {error}")
            return
        self._let_go(row, actor, told, f"{name}: removed from the CRM")

    def _let_go(self, row: Any, actor: str, told: Undone, sentence: str) -> None:
        gone = {"state": "tombstoned", "code": "undone", "why": "Its sync run was undone", "dirty": 0}
        with self._store.write() as conn:
            conn.execute(update(link).where(link.c.id == row.id).values(**gone, since=self._clock.now()))
            note(conn, self._clock, row.role, row.record_id, "undone", actor, {"run": row.run, "ref": row.remote_id})
        told.done.append(sentence)

    def _close(self, row: Any, actor: str, told: Undone) -> None:
        if row.role == "lead":
            try:
                with self._store.write() as conn:
                    moves.reject_lead(conn, self._clock, row.record_id, "Import undone", actor)
            except moves.NotPossible as error:
                told.left.append(f"{row.role} {row.record_id}: {error}")


@dataclass(frozen=True, slots=True)
class _Where:
    """As much of a link as a change here needs."""

    connection_id: str
    role: str
    record_id: str


_NEWEST: Sequence[Any] = (sync_write.c.at.desc(), sync_write.c.id.desc())
