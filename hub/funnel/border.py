"""The border between leads and deals: what is missing before a lead may cross, crossing by force, cards sent back.

Nothing is asked in a direction without questions. Where there are some, an unqualified lead crosses only by force, with
a reason, logged and counted. A card that was dragged over in a CRM is answered at the next step of the timers: moved
back, or taken for a forced crossing, as the setting says.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, func, literal_column, select, update

from hub.clock import Clock
from hub.funnel.evidence import is_work
from hub.funnel.hands import ACTOR
from hub.funnel.moves import NotPossible, convert_lead, first_stage, lock_lead, revert_conversion
from hub.funnel.standing import read_known
from hub.funnel.warmth import Known
from hub.funnel.wayback import plan_back, take_back
from hub.model import conversion, deal, journal, lead, setting
from hub.store.notes import note

SETTING = "border"
BACK, ACCEPT = "back", "accept"


class NotQualified(NotPossible):
    """What is missing, as `missing`: names of questions, `motive`, `touch`."""

    def __init__(self, missing: Sequence[str]) -> None:
        super().__init__("not_qualified", f"Not known yet: {', '.join(missing)}")
        self.missing = tuple(missing)


def missing_of(known: Known) -> tuple[str, ...]:
    """What stands between this lead and the border."""
    if not known.questions:
        return ()
    found = [one.name for one in known.questions if one.required and not known.answers.get(one.name)]
    motives = [one for one in known.questions if one.motive]
    if motives and not any(known.answers.get(one.name) for one in motives):
        found.append("motive")
    if not any(is_work(line) for line in known.lines):
        found.append("touch")
    return tuple(found)


def missing(conn: Connection, lead_id: str) -> tuple[str, ...]:
    """The same for a lead by id."""
    return missing_of(read_known(conn, {lead_id: lock_lead(conn, lead_id)})[lead_id])


def cross(conn: Connection, clock: Clock, lead_id: str, actor: str, force: str = "", deal_stage: str = "") -> str:
    """Make a qualified lead a deal; answers the deal's id. `force` is the reason to do it although something is
    missing. Raises `NotQualified`."""
    row = lock_lead(conn, lead_id)
    lacking = missing(conn, lead_id) if row.state == "open" else ()
    if lacking and not force.strip():
        raise NotQualified(lacking)
    if lacking:
        note(conn, clock, "lead", lead_id, "forced", actor, {"missing": list(lacking), "reason": force.strip()})
    return convert_lead(conn, clock, lead_id, actor, deal_stage)


def policy(conn: Connection) -> str:
    """What becomes of unqualified cards that are dragged over in a CRM: back (the default) or accept."""
    value: Mapping[str, Any] = conn.execute(select(setting.c.value).where(setting.c.name == SETTING)).scalar() or {}
    return ACCEPT if value.get("from_crm") == ACCEPT else BACK


def watch_border(conn: Connection, clock: Clock, lines: Sequence[Any]) -> None:
    """Conversions that did not come through `cross`: checked after the fact, within a step of the timers."""
    for line in lines:
        if line.subject == "lead" and line.what == "converted" and not _was_forced(conn, line):
            row = lock_lead(conn, line.subject_id)
            lacking = missing(conn, row.id) if row.state == "converted" else ()
            if lacking and line.actor.startswith("crm:") and policy(conn) == BACK and _sent_back(conn, clock, line):
                note(conn, clock, "lead", row.id, "sent_back", ACTOR, {"missing": list(lacking), "by": line.actor})
            elif lacking:
                facts = {"missing": list(lacking), "reason": "", "by": line.actor}
                note(conn, clock, "lead", row.id, "forced", line.actor, facts)


def _was_forced(conn: Connection, line: Any) -> bool:
    """Whether this crossing was forced by name; a lead that came back and crosses again is looked at again."""
    mine = (journal.c.subject_id == line.subject_id) & (journal.c.what == "forced")
    since = select(func.max(journal.c.at)).where(
        journal.c.subject_id == line.subject_id, journal.c.what == "reverted", journal.c.at < line.at
    )
    after = conn.execute(since).scalar() or 0
    return (
        conn.execute(select(journal.c.id).where(mine, journal.c.at >= after, journal.c.at <= line.at)).first()
        is not None
    )


def _sent_back(conn: Connection, clock: Clock, line: Any) -> bool:
    """The deal was none; False when the person has another open lead by now, and the deal has to stay."""
    deal_id = str(line.facts.get("deal", ""))
    try:
        take_back(conn, clock, deal_id, ACTOR, plan_back(conn, deal_id).stamp)
    except NotPossible:
        return False
    return True


# ── stray deals ──────────────────────────────────────────────────────────────────────────────────


def strays(conn: Connection, most: int = 200) -> list[Any]:
    """Open deals that never passed the border: without a lead, or forced across, and nobody accepted them."""
    told = select(journal.c.subject_id)
    forced = told.where(journal.c.subject == "lead", journal.c.what == literal_column("'forced'"))
    accepted = told.where(journal.c.subject == "deal", journal.c.what == literal_column("'accepted'"))
    never = deal.c.lead_id.is_(None) | deal.c.lead_id.in_(forced)
    mine = select(deal).where(deal.c.state == "open", never, deal.c.id.not_in(accepted))
    return list(conn.execute(mine.order_by(deal.c.opened_at.desc(), deal.c.id).limit(most)))


def accept(conn: Connection, clock: Clock, deal_id: str, actor: str) -> None:
    """A stray deal is one all the same."""
    note(conn, clock, "deal", deal_id, "accepted", actor, {})


def send_back(conn: Connection, clock: Clock, deal_id: str, actor: str) -> str:
    """A stray deal becomes a lead; answers the lead's id. One that never was a lead gets one first."""
    row = conn.execute(select(deal).where(deal.c.id == deal_id).with_for_update()).one_or_none()
    if row is None or row.state != "open":
        raise NotPossible("missing", "There is no such open deal")
    if not row.lead_id:
        _give_lead(conn, clock, row, actor)
    lead_id = str(conn.execute(select(deal.c.lead_id).where(deal.c.id == deal_id)).scalar())
    return revert_conversion(conn, clock, deal_id, first_stage(conn, lead_id), actor)


def _give_lead(conn: Connection, clock: Clock, row: Any, actor: str) -> None:
    """The lead this deal should have been, converted at the same moment."""
    lead_id, now = clock.new_id(), clock.now()
    conn.execute(
        lead.insert().values(
            id=lead_id, contact_id=row.contact_id, direction_id=row.direction_id, stage="", state="converted",
            owner_id=row.owner_id, title=row.title, source="", opened_at=row.opened_at, active_at=now, closed_at=now,
        )
    )  # fmt: skip
    conn.execute(update(deal).where(deal.c.id == row.id).values(lead_id=lead_id))
    conn.execute(
        conversion.insert().values(
            id=clock.new_id(), lead_id=lead_id, n=1, deal_id=row.id, state="done", by=actor, at=now
        )
    )


def crossings(conn: Connection, since: int) -> dict[str, int]:
    """How many leads crossed since then, how many of them by force, and how many cards were sent back."""
    names = ("converted", "forced", "sent_back")
    counted = journal.c.what.in_([literal_column(f"'{name}'") for name in names])
    mine = (journal.c.subject == "lead") & counted & (journal.c.at >= since)
    rows = conn.execute(select(journal.c.what, func.count()).where(mine).group_by(journal.c.what))
    return {**dict.fromkeys(names, 0), **{str(what): int(n) for what, n in rows}}
