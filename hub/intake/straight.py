"""No leads: where an admin wants none, an inquiry that may cross the border is a deal in the commit that opens it.

A policy, not a placement: the inquiry is recognised, routed and counted like any other, its lead is converted at once,
and a CRM hears of the deal alone. What the border holds back stays a lead, and the journal says what is missing. The
policy is a CRM connection's (config `intake`: `no_leads`, for the directions whose deals it has) or a direction's
(setting `no_leads`: {"directions": [...]}).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, delete, select

from hub.clock import Clock
from hub.funnel.border import NotQualified, cross
from hub.model import link, setting
from hub.store.notes import note

NO_LEADS = "no_leads"
SAID = select(setting.c.value).where(setting.c.name == NO_LEADS)
"""The policy's name: in a CRM connection's config under `intake`, and of the setting that lists directions."""
ACTOR = "hub"


def directions_without_leads(conn: Connection, crms: Iterable[Any]) -> frozenset[str]:
    """Ids of the directions in which inquiries become deals at once. `crms`: rows of the CRM connections."""
    said = conn.execute(SAID).scalar() or {}
    found = {str(one) for one in said.get("directions", ())}
    for row in crms:
        if row.config.get("intake") == NO_LEADS and row.state == "active":
            rows = (row.config.get("placement") or {}).get("rows", ())
            found |= {str(line[1]) for line in rows if line[0] == "deal"}
    return frozenset(found)


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
