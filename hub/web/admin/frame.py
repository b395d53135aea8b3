"""What the admin pages share: the hub behind the request, who acts, answers after a change, times and numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from flask import abort, current_app, flash, redirect, request, url_for
from flask_babel import gettext as _
from sqlalchemy import Connection, select
from werkzeug.wrappers import Response

from hub.model import connection, lead
from hub.told import Unusable
from hub.web.admin.complaints import FIELDS
from hub.web.desk.access import whoami
from hub.web.desk.tongue import retold as retold
from hub.web.desk.tongue import told as told

PAGE = 50
PORTION = 400
MOST_PAGES = 2000


def hub() -> Any:
    """The hub behind this request."""
    return current_app.extensions["hub"]


def actor() -> str:
    """Who acts, as it stands in the journal."""
    return f"member:{whoami().id}"


def page() -> int:
    """The page asked for, from 1; anything that is no page is the first."""
    asked = request.args.get("page", "")
    return min(max(int(asked), 1), MOST_PAGES) if asked.isdecimal() and len(asked) < 7 else 1


def done(message: str, endpoint: str, **values: Any) -> Response:
    """Say what was done and show the page again, so that reloading it does nothing twice."""
    flash(message, "good")
    return redirect(url_for(f"admin.{endpoint}", **values), 303)


def failed(message: str, endpoint: str, **values: Any) -> Response:
    """Say why nothing was done and show the page again."""
    flash(message, "bad")
    return redirect(url_for(f"admin.{endpoint}", **values), 303)


def row_of(conn: Connection, connection_id: str, kind: str = "") -> Any:
    """A connection's row; 404 when there is none (of this kind)."""
    row = conn.execute(select(connection).where(connection.c.id == connection_id)).one_or_none()
    if row is None or (kind and row.kind != kind):
        abort(404)
    return row


def names(conn: Connection) -> Mapping[str, str]:
    """Names of all connections by id."""
    return {row.id: row.name for row in conn.execute(select(connection.c.id, connection.c.name))}


def titles_of(conn: Connection, lead_ids: Sequence[str]) -> dict[str, str]:
    """Titles of these leads by id."""
    found: dict[str, str] = {}
    for start in range(0, len(lead_ids), PORTION):
        some = select(lead.c.id, lead.c.title).where(lead.c.id.in_(lead_ids[start : start + PORTION]))
        found |= {str(row.id): str(row.title) for row in conn.execute(some)}
    return found


def words(error: Unusable) -> dict[str, str]:
    """What cannot be used, by field, in the reader's language."""
    return {name: told(why) for name, why in error.fields.items()}


def sentence(error: Unusable) -> str:
    """The same as one sentence."""
    return "; ".join(f"{_(FIELDS.get(name, name))}: {told(why)}" for name, why in error.fields.items())
