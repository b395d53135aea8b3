"""OAuth: an admin goes to the vendor's page, agrees, and comes back with a code that becomes tokens.

The state in between is in the admin's own session: a code that somebody else was given opens nothing here.
"""

from __future__ import annotations

import hmac
import secrets
from typing import Any
from urllib.parse import urlsplit

from flask import Blueprint, redirect, request, session, url_for
from flask_babel import gettext as _
from sqlalchemy import update
from werkzeug.wrappers import Response

from connectors.errors import ConnectorError
from connectors.oauth import Bearer, Grant, Granting
from hub.intake.connections import Live
from hub.model import connection
from hub.store.notes import note
from hub.web.admin.frame import actor, done, failed, hub, row_of

KEPT = "consent"


def add_to(bp: Blueprint) -> None:
    """The pages of this room."""
    bp.add_url_rule("/connections/<key:connection_id>/connect", "connect", leave)
    bp.add_url_rule("/oauth", "oauth", come_back)


def grant_of(live: Live | None) -> Grant | None:
    """How this connection asks for tokens; None where it has a token of its own or no OAuth at all."""
    if live is None or not isinstance(live.connector, Granting):
        return None
    grant: Grant | None = live.connector.grant(hub().redirect_uri)
    return grant if grant and grant.authorize and grant.client_id else None


def leave(connection_id: str) -> Response:
    """To the vendor's page."""
    grant = grant_of(hub().connections.by_id(connection_id))
    if grant is None:
        return failed(_("Enter the app's id and secret first."), "connection", connection_id=connection_id)
    state = secrets.token_urlsafe(24)
    session[KEPT] = [state, connection_id]
    return redirect(grant.consent(state))


def come_back() -> Response:
    """With a code, or with the reason why not."""
    state, connection_id = session.pop(KEPT, ["", ""])
    if not state or not hmac.compare_digest(state, request.args.get("state", "")):
        return failed(_("This answer belongs to no question of yours: press Connect again."), "connections")
    live = hub().connections.by_id(connection_id)
    grant, code = grant_of(live), request.args.get("code", "")
    if live is None or grant is None or not code:
        why = request.args.get("error_description") or request.args.get("error") or _("no code came back")
        return failed(_("Not connected: %(why)s", why=why), "connection", connection_id=connection_id)
    try:
        found = _connected(live, grant, code)
    except ConnectorError as error:
        return failed(_("Not connected: %(why)s", why=str(error)), "connection", connection_id=connection_id)
    return done(_("Connected. %(found)s", found=found), "connection", connection_id=connection_id)


def _connected(live: Live, grant: Grant, code: str) -> str:
    """Change the code for tokens, keep them, and see whether they work."""
    http: Any = live.connector.http
    plain = http.plain if isinstance(http, Bearer) else http
    tokens = grant.exchange(plain, code, hub().clock.now() / 1000)
    hub().tokens(live.id).save(tokens)
    address = _allowed(live, tokens.address or request.args.get("referer", ""))
    with hub().store.write() as conn:
        row = row_of(conn, live.id)
        settings = {**row.settings, **({"address": address} if address else {})}
        values = {"settings": settings, "state": "active", "why": ""}
        conn.execute(update(connection).where(connection.c.id == live.id).values(values))
        note(conn, hub().clock, "connection", live.id, "connected", actor(), {})
    hub().connections.forget()
    now = hub().connections.by_id(live.id)
    found = now.connector.check() if now else ""
    return found if isinstance(found, str) else found.name


def _allowed(live: Live, told: str) -> str:
    """Where the account lives, if the vendor told us and it is one of the vendor's own domains."""
    if not told or not any(one.name == "address" for one in live.connector.form):
        return ""
    host = urlsplit(told if "://" in told else f"https://{told}").hostname or ""
    known = getattr(live.connector, "hosts", ())
    return f"https://{host}" if any(host == one or host.endswith(f".{one}") for one in known) else ""


def offered(live: Live | None) -> str:
    """Where the button leads, "" where there is none."""
    return url_for("admin.connect", connection_id=live.id) if live and grant_of(live) else ""
