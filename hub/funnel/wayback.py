"""The way back from a deal to its lead: exactly as it was while nobody touched it, later by a plan that is shown first.

The plan says what becomes of the lead, what somebody changed since, and what stays. Whoever confirms it confirms this
very plan: when something happens in between, it is shown again. What CRMs hold is `hub.sync.unconvert`'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2s
from typing import Any

from sqlalchemy import Connection, select

from hub.clock import SECOND, Clock
from hub.funnel.moves import NotPossible, first_stage, lock_lead, other_open_lead, revert_conversion
from hub.model import conversion, deal, journal, lead, stage

OF_ITSELF = ("opened", "converted", "forced", "given")
"""Lines that a conversion itself writes."""
OWN = ("title", "amount", "currency", "owner_id")
"""Columns that lead and deal share, and that somebody may have changed in the deal."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What taking a deal back means here. `since` are journal lines written after the conversion, oldest first;
    `owner` is whose the lead was before it was handed over to be converted, "" when it was not."""

    deal: Any
    lead: Any
    before: dict[str, Any]
    since: Sequence[Any]
    stage: str
    owner: str
    possible: bool = True

    @property
    def untouched(self) -> bool:
        """Nobody changed the deal since: taking it back gives exactly the lead that was."""
        moved = self.deal.state != "open" or self.deal.amount != self.before.get("amount", "")
        return not moved and not any(line.subject == "deal" for line in self.since)

    @property
    def columns(self) -> dict[str, Any]:
        """The lead's columns afterwards: as before, with what people changed in the deal since."""
        held = {name: value for name, value in self.before.items() if name not in ("stage", "tags")}
        held |= {"owner_id": self.owner} if self.owner else {}
        edited = {name: getattr(self.deal, name) for name in OWN if getattr(self.deal, name) != self.before.get(name)}
        return {**held, **edited}

    @property
    def stamp(self) -> str:
        """Says whether a plan that was shown is still the same."""
        told = (self.deal.id, self.deal.version, self.deal.state, *(line.id for line in self.since))
        return blake2s("|".join(map(str, told)).encode(), digest_size=8).hexdigest()


def plan_back(conn: Connection, deal_id: str) -> Plan:
    """What would happen; raises `NotPossible` for a deal that has no way back."""
    row = conn.execute(select(deal).where(deal.c.id == deal_id)).one_or_none()
    if row is None:
        raise NotPossible("missing", "There is no such deal")
    done = (conversion.c.deal_id == deal_id) & (conversion.c.state == "done")
    made = conn.execute(select(conversion).where(done)).one_or_none()
    if not row.lead_id or row.state == "reverted" or made is None:
        raise NotPossible("no_lead", "This deal was never a lead, or was taken back already")
    was = conn.execute(select(lead).where(lead.c.id == row.lead_id)).one()
    before = dict(made.before.get("lead") or {})
    where = str(before.get("stage") or "")
    if not _is_there(conn, was.direction_id, where):
        where = first_stage(conn, was.id)
    whose = _whose(conn, row.lead_id, made)
    return Plan(row, was, before, _since(conn, row, made.at), where, whose, not other_open_lead(conn, was))


def _whose(conn: Connection, lead_id: str, made: Any) -> str:
    """Who qualifies a lead hands it over at the same moment: whose it was before, "" when nobody handed it over."""
    given = (journal.c.subject_id == lead_id) & (journal.c.what == "given") & (journal.c.actor == made.by)
    same = (journal.c.at <= made.at) & (journal.c.at > made.at - SECOND)
    line = conn.execute(select(journal.c.facts).where(given, same).order_by(journal.c.id).limit(1)).scalar()
    return str(line["from"]) if line else ""


def _is_there(conn: Connection, direction_id: str, key: str) -> bool:
    place = (stage.c.direction_id == direction_id) & (stage.c.block == "lead") & (stage.c.key == key)
    return conn.execute(select(stage.c.key).where(place, stage.c.final == "")).first() is not None


def _since(conn: Connection, row: Any, at: int) -> Sequence[Any]:
    mine = journal.c.subject_id.in_((row.id, row.lead_id)) & (journal.c.at >= at)
    lines = conn.execute(select(journal).where(mine, journal.c.what.not_in(OF_ITSELF)).order_by(journal.c.id))
    return [line for line in lines if line.at > at or line.subject == "deal"]


def take_back(conn: Connection, clock: Clock, deal_id: str, actor: str, stamp: str = "") -> str:
    """Do it; answers the lead's id. What was touched since needs the `stamp` of the plan that was confirmed."""
    row = conn.execute(select(deal).where(deal.c.id == deal_id).with_for_update()).one_or_none()
    if row is not None and row.lead_id:
        lock_lead(conn, row.lead_id)
    plan = plan_back(conn, deal_id)
    if stamp != plan.stamp and (stamp or not plan.untouched):
        raise NotPossible("plan_changed", "Something happened since this was shown: look at it again")
    return revert_conversion(conn, clock, deal_id, plan.stage, actor, plan.columns)
