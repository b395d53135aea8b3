"""A member's own page: where they are told of their leads – a messenger account, a mail address.

An account counts once it has sent a code from here, an address once the link that was sent there was opened.
"""

from __future__ import annotations

from typing import Any

from email_validator import EmailNotValidError, validate_email
from flask import Blueprint, abort, current_app, redirect, render_template, request, url_for
from sqlalchemy import Connection, select
from werkzeug.wrappers import Response

from connectors.contract import Source
from connectors.errors import ConnectorError
from hub.intake.connections import Live
from hub.model import connection, reach
from hub.notices.given import post
from hub.notices.reach import MAIL, MESSENGER, Reach, new_code, unlink
from hub.notices.seals import MAIL as SHOW_MAIL
from hub.notices.words import say
from hub.web.desk.access import guard, language, whoami
from hub.web.desk.tongue import _

bp = Blueprint("profile", __name__)
guard(bp, "admin", "lead_desk", "sales")


@bp.get("/me")
def show() -> str:
    """What is linked, and what can be."""
    return _page()


@bp.post("/me/mail")
def mail() -> Response | tuple[str, int]:
    """Send a link to this address; it counts once the link was opened."""
    try:
        typed = request.form.get("address", "").strip()
        address = validate_email(typed, check_deliverability=False, test_environment=True).normalized
    except EmailNotValidError:
        return _page(wrong=_("This is no e-mail address.")), 422
    hub, who = _hub(), whoami()
    one = Reach(who.id, MAIL, "", address, str(language()), who.name)
    told = {"subject": say(one.locale, "confirm"), "text": say(one.locale, "confirm_text"), "acts": [SHOW_MAIL]}
    with hub.store.write() as conn:
        post(conn, hub.clock, f"confirm:{who.id}:{hub.clock.now() // 60_000}", one, told)
    hub.ring("time")
    return redirect(url_for("profile.show", sent="yes"), 303)


@bp.post("/me/bot/<key:connection_id>")
def bot(connection_id: str) -> str | tuple[str, int]:
    """A new code for this bot, as a link that opens the bot with it."""
    hub, live = _hub(), next((one for one in bots() if one.id == connection_id), None)
    if live is None or not isinstance(live.connector, Source):
        abort(404)
    with hub.store.write() as conn:
        code = new_code(conn, hub.clock, whoami().id, live.id)
    try:
        return _page(invited=live.id, link=live.connector.invite(code))
    except ConnectorError as error:
        return _page(wrong=str(error)), 502


@bp.post("/me/unlink")
def drop() -> Response:
    """Told there no more."""
    channel, via = request.form.get("channel", ""), request.form.get("via", "")
    with _hub().store.write() as conn:
        unlink(conn, _hub().clock, whoami().id, channel, via)
    return redirect(url_for("profile.show"), 303)


def _page(wrong: str = "", invited: str = "", link: str = "") -> str:
    with _hub().store.read() as conn:
        linked = {(row.channel, row.connection_id): row.address for row in _linked(conn)}
    return render_template(
        "desk/profile.html", wrong=wrong, invited=invited, link=link, sent=request.args.get("sent") == "yes",
        mail=linked.get((MAIL, ""), ""), bots=[(one, linked.get((MESSENGER, one.id), "")) for one in bots()],
        post=any(one.carrier and one.carrier.carries == MAIL for one in _live()),
    )  # fmt: skip


def _linked(conn: Connection) -> list[Any]:
    return list(conn.execute(select(reach).where(reach.c.member_id == whoami().id, reach.c.address != "")))


def bots() -> list[Live]:
    """Active connections through which colleagues can be told in a messenger."""
    return [one for one in _live() if one.carrier and one.carrier.carries == MESSENGER]


def _live() -> list[Live]:
    active = (connection.c.kind != "crm") & (connection.c.state == "active")
    with _hub().store.read() as conn:
        ids = [row.id for row in conn.execute(select(connection.c.id).where(active).order_by(connection.c.id))]
    return [live for one in ids if (live := _hub().connections.by_id(one)) is not None]


def _hub() -> Any:
    return current_app.extensions["hub"]
