"""Conversion per channel, campaign, direction and person, by cohort or by period; alarms with the likely cause and the
test that makes them certain.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import Blueprint, render_template
from flask_babel import gettext as _
from sqlalchemy import Connection, select

from hub.clock import DAY, HOUR
from hub.insight.alarms import FALSE_SELLING, FALSE_STREAM, HIGH, LOW, alarms
from hub.insight.conversion import COHORT, PERIOD, overall, rates, read_journeys, wasted_ms
from hub.model import direction
from hub.web.admin.frame import hub
from hub.web.admin.pools import names_of
from hub.web.desk.shown import typed

SPANS = (7, 30, 90, 365)
USUAL = 30


def add_to(bp: Blueprint) -> None:
    """The page of this room."""
    bp.add_url_rule("/conversion", "conversion", show)


def dimensions() -> Sequence[tuple[str, str]]:
    """What conversion is told by."""
    return (
        ("source", _("Channel")), ("campaign", _("Campaign")), ("direction", _("Direction")),
        ("person", _("Responsible")), ("seller", _("Seller")),
    )  # fmt: skip


def show() -> str:
    """Rates of a span, and what is certain about the leads of the same span."""
    days = next((one for one in SPANS if typed("days") == str(one)), USUAL)
    how = PERIOD if typed("how") == PERIOD else COHORT
    now = hub().clock.now()
    since = now - days * DAY
    with hub().store.read() as conn:
        cohort = read_journeys(conn, since, now + 1, now)
        shown = cohort if how == COHORT else read_journeys(conn, since, now + 1, now, how)
        tables = [(by, title, rates(shown, by)) for by, title in dimensions()]
        return render_template(
            "admin/conversion.html", days=days, spans=SPANS, how=how, total=overall(shown), tables=tables,
            alarms=[(one, proof_of(one)) for one in alarms(cohort)], names=called(conn), low=LOW, high=HIGH,
            wasted=_wasted(conn, list(tables[0][2]), since, now),
        )  # fmt: skip


def called(conn: Connection) -> dict[str, str]:
    """Names of people and directions by id."""
    places = {str(row.id): str(row.name) for row in conn.execute(select(direction.c.id, direction.c.name))}
    return {**names_of(conn), **places}


def _wasted(conn: Connection, sources: Sequence[str], since: int, now: int) -> dict[str, float]:
    """Hours of calls and meetings with leads that were rejected, by source."""
    return {one: round(wasted_ms(conn, one, since, now + 1) / HOUR, 1) for one in sources}


def proof_of(alarm: Any) -> str:
    """How an alarm was made certain, in the reader's language."""
    chance = f"{alarm.chance:.2g}"
    if alarm.kind == "stream":
        text = _("Exact binomial tail against five percent, and Fisher's exact stratified test against the other "
                 "streams in the same hands; corrected for everything looked at (Holm): a false alarm in %(most)s %% "
                 "of months at the most. Probability of chance: %(chance)s.",
                 most=round(100 * FALSE_STREAM), chance=chance)  # fmt: skip
        return str(text)
    text = _("Fisher's exact stratified test against colleagues within the same campaigns; corrected for everything "
             "looked at (Holm): a false alarm in %(most)s %% of months at the most. Probability of chance: "
             "%(chance)s.", most=round(100 * FALSE_SELLING), chance=chance)  # fmt: skip
    return str(text)
