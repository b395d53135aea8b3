"""Conversion: which share of leads became deals, and of deals sales. By cohort: what became of the leads that came in a
span, whenever it happened. By period: what happened in a span, to whichever lead.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, and_, func, or_, select

from hub.clock import DAY
from hub.model import conversion, deal, journal, lead

RIPE = 14 * DAY
"""A lead that is still open counts as not converted after so long; before, it does not count."""
COHORT, PERIOD = "cohort", "period"


@dataclass(frozen=True, slots=True)
class Journey:
    """One lead's way: from where, with whom, and what became of it. `seller` is the owner of its deal."""

    source: str
    campaign: str
    direction: str
    person: str
    converted: bool
    seller: str = ""
    closed: bool = False
    won: bool = False
    lost_at: str = ""
    """The stage on which the deal was lost."""
    counts: bool = True
    """Whether it belongs to the leads of the span; by period, a lead that came earlier does not."""


@dataclass(frozen=True, slots=True)
class Rate:
    """Counts of one source, campaign, direction or person."""

    leads: int
    converted: int
    closed: int
    won: int

    @property
    def percent(self) -> float:
        """Leads that became deals, in percent with one decimal: 20 of 100 are 20.0."""
        return round(100 * self.converted / self.leads, 1) if self.leads else 0.0

    @property
    def won_percent(self) -> float:
        """Closed deals that were won."""
        return round(100 * self.won / self.closed, 1) if self.closed else 0.0


BY: Mapping[str, Callable[[Journey], str]] = {
    "source": lambda one: one.source,
    "campaign": lambda one: f"{one.source} · {one.campaign}" if one.campaign else "",
    "direction": lambda one: one.direction,
    "person": lambda one: one.person,
    "seller": lambda one: one.seller,
}


def rates(journeys: Iterable[Journey], by: str) -> dict[str, Rate]:
    """Counts by source, campaign, direction, person (of the lead) or seller (of the deal)."""
    found: dict[str, list[int]] = {}
    for one in journeys:
        if name := BY[by](one):
            held = found.setdefault(name, [0, 0, 0, 0])
            for place, counted in enumerate((one.counts, one.converted, one.closed, one.won)):
                held[place] += counted
    return {name: Rate(*held) for name, held in sorted(found.items())}


def overall(journeys: Sequence[Journey]) -> Rate:
    """All of them together."""
    return Rate(
        sum(one.counts for one in journeys), sum(one.converted for one in journeys),
        sum(one.closed for one in journeys), sum(one.won for one in journeys),
    )  # fmt: skip


def read_journeys(conn: Connection, since: int, until: int, now: int, how: str = COHORT) -> list[Journey]:
    """All leads of a span, by cohort or by period."""
    turned = conversion.c.state == "done"
    joined = lead.join(conversion, and_(conversion.c.lead_id == lead.c.id, turned), isouter=True)
    joined = joined.join(deal, deal.c.id == conversion.c.deal_id, isouter=True)
    came = (lead.c.opened_at >= since) & (lead.c.opened_at < until)
    happened = [(column >= since) & (column < until) for column in (conversion.c.at, deal.c.closed_at)]
    span = came if how == COHORT else or_(came, *happened)
    columns = (
        lead.c.source, lead.c.touch, lead.c.direction_id, lead.c.owner_id, lead.c.state, lead.c.opened_at,
        conversion.c.at.label("turned_at"), deal.c.id.label("deal_id"), deal.c.owner_id.label("seller"),
        deal.c.state.label("deal_state"), deal.c.closed_at.label("deal_closed_at"),
    )  # fmt: skip
    rows = list(conn.execute(select(*columns).select_from(joined).where(span)))
    lost = _lost_at(conn, [row.deal_id for row in rows if row.deal_state == "lost"])
    made = (_journey(row, since, until, now, how, lost) for row in rows)
    return [one for one in made if one.counts or one.converted or one.closed]


def _journey(row: Any, since: int, until: int, now: int, how: str, lost: Mapping[str, str]) -> Journey:
    def within(at: int | None) -> bool:
        return at is not None and (how == COHORT or since <= at < until)

    ripe = row.state != "open" or now - row.opened_at >= RIPE
    return Journey(
        row.source, str(((row.touch or {}).get("utm") or {}).get("campaign") or ""), row.direction_id,
        row.owner_id or "", within(row.turned_at), row.seller or "",
        row.deal_state in ("won", "lost") and within(row.deal_closed_at),
        row.deal_state == "won" and within(row.deal_closed_at), lost.get(row.deal_id, ""),
        since <= row.opened_at < until and (ripe or how == PERIOD),
    )  # fmt: skip


def _lost_at(conn: Connection, deal_ids: Sequence[str]) -> dict[str, str]:
    """From which stage each of these deals was lost."""
    found: dict[str, str] = {}
    for start in range(0, len(deal_ids), 400):
        some = journal.c.subject_id.in_(deal_ids[start : start + 400]) & (journal.c.what == "moved")
        for row in conn.execute(select(journal.c.subject_id, journal.c.facts).where(some).order_by(journal.c.id)):
            found[row.subject_id] = str(row.facts.get("from", ""))
    return found


def wasted_ms(conn: Connection, source: str, since: int, until: int) -> int:
    """Time that calls and meetings with rejected leads of a source took, as far as evidence tells how long."""
    mine = (lead.c.source == source) & (lead.c.state == "rejected") & (lead.c.opened_at >= since)
    place = journal.join(lead, lead.c.id == journal.c.subject_id)
    lines = select(journal.c.facts).select_from(place).where(mine, lead.c.opened_at < until)
    talked = lines.where(journal.c.what.in_(("call", "meeting")))
    return sum(int(row.facts.get("ms") or 0) for row in conn.execute(talked))


def untouched_status(conn: Connection, since: int, most: int = 200) -> list[Any]:
    """Leads whose status people changed although nobody had shown evidence of work: (lead id, actor, at)."""
    shown = journal.alias()
    work = select(shown.c.id).where(
        shown.c.subject_id == lead.c.id, shown.c.what.in_(("call", "message", "mail", "meeting"))
    )
    changed = (journal.c.what.in_(("moved", "taken"))) & journal.c.actor.like("member:%")
    place = lead.join(journal, journal.c.subject_id == lead.c.id)
    first = select(lead.c.id, journal.c.actor, func.min(journal.c.at).label("at")).select_from(place)
    mine = first.where(lead.c.state == "open", lead.c.opened_at >= since, changed, ~work.exists())
    return list(conn.execute(mine.group_by(lead.c.id, journal.c.actor).order_by(func.min(journal.c.at)).limit(most)))
