"""No leads: where an admin wants none, an inquiry that may cross the border is a deal in the commit that opens it.

A policy, not a placement: the inquiry is recognised, routed and counted like any other, its lead is converted at once,
and a CRM hears of the deal alone. What the border holds back stays a lead, and the journal says what is missing. The
policy is a CRM connection's (config `intake`: `no_leads`, for the directions whose deals it has) or a direction's
(setting `no_leads`: {"directions": [...]}).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, delete, select, update

from hub.clock import Clock
from hub.funnel.border import NotQualified, cross
from hub.model import direction, link, setting
from hub.store.engine import inserting
from hub.store.notes import note
from hub.told import Unusable

NO_LEADS = "no_leads"
SAID = select(setting.c.value).where(setting.c.name == NO_LEADS)
"""The policy's name: in a CRM connection's config under `intake`, and of the setting that lists directions."""
ACTOR = "hub"


def directions_without_leads(conn: Connection, crms: Iterable[Any]) -> frozenset[str]:
    """Ids of the directions in which inquiries become deals at once. `crms`: rows of the CRM connections."""
    return chosen(conn).union(*(wanted_by(row) for row in crms))


def chosen(conn: Connection) -> frozenset[str]:
    """Ids of the directions for which an admin said so."""
    said = conn.execute(SAID).scalar() or {}
    return frozenset(str(one) for one in said.get("directions", ()))


def wanted_by(crm: Any) -> frozenset[str]:
    """Ids of the directions in which this CRM's set-up wants no leads. `crm`: the connection's row."""
    if crm.config.get("intake") != NO_LEADS or crm.state != "active":
        return frozenset()
    rows = (crm.config.get("placement") or {}).get("rows", ())
    return frozenset(str(line[1]) for line in rows if line[0] == "deal")


def choose(conn: Connection, clock: Clock, actor: str, direction_id: str, straight: bool) -> bool:
    """From the next inquiry on leads of this direction are deals at once, or (`straight` False) leads again unless a
    CRM wants none. Answers whether that is news; raises `Unusable` for a direction that is none."""
    if conn.execute(select(direction.c.id).where(direction.c.id == direction_id).with_for_update()).first() is None:
        raise Unusable({"direction": "is not here any more"})
    conn.execute(inserting(conn, setting).values(name=NO_LEADS, value={}).on_conflict_do_nothing())
    conn.execute(SAID.with_for_update())
    before = chosen(conn)
    after = before | {direction_id} if straight else before - {direction_id}
    if after == before:
        return False
    conn.execute(update(setting).where(setting.c.name == NO_LEADS).values(value={"directions": sorted(after)}))
    note(conn, clock, "direction", direction_id, NO_LEADS, actor, {"straight": straight})
    return True


def convert_at_once(conn: Connection, clock: Clock, leads: Sequence[str]) -> None:
    """These leads were just opened: each becomes a deal, and no CRM is told that it was a lead."""
    for lead_id in leads:
        try:
            cross(conn, clock, lead_id, ACTOR)
        except NotQualified as error:
            facts = {"action": NO_LEADS, "phase": "", "pool": "", "missing": list(error.missing)}
            note(conn, clock, "lead", lead_id, "target_waits", ACTOR, facts)
        else:
            unsaid = (link.c.role == "lead") & (link.c.state == "new") & link.c.remote_id.is_(None)
            conn.execute(delete(link).where(link.c.record_id == lead_id, unsaid))
