"""People who are one contact here and have two cards in a CRM, and cards to be made anew: what a person answers.

Nothing is done over there at once: the sync reads the answer and makes one call. A second press changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from flask import Blueprint, abort
from flask_babel import gettext as _
from sqlalchemy import Connection, select
from werkzeug.wrappers import Response

from connectors.contract import CRM
from hub.clock import Clock
from hub.identity.cards import AGAIN, BY_HAND, seconds
from hub.intake.quarantine import try_again
from hub.model import contact, link
from hub.sync.holder import living
from hub.sync.joiner import leave, merge_there, primary
from hub.web.admin.frame import PAGE, actor, done, failed, hub

ACTS: dict[str, Callable[[Connection, Clock, str, str], bool | int]] = {
    "merge": merge_there,
    "leave": leave,
    "again": try_again,
}


@dataclass(frozen=True, slots=True)
class Card:
    """A second card, or (`again`) one that shall be made anew. `own` is the card kept in step, "" for none."""

    link_id: str
    connection_id: str
    contact: str
    ref: str
    own: str
    code: str
    since: int
    mergeable: bool = False

    @property
    def again(self) -> bool:
        return self.code == AGAIN


def add_to(bp: Blueprint) -> None:
    """The buttons of this room; it is shown on the page of everything that waits."""
    bp.add_url_rule("/attention/cards/<key:link_id>/<what>", "act_on_card", act, methods=["POST"])


def cards(conn: Connection) -> list[Card]:
    """Those that wait for an answer, the oldest first."""
    asked = (link.c.role == "contact") & (link.c.state == "held") & (link.c.code == AGAIN)
    anew = list(conn.execute(select(link).where(asked).order_by(link.c.since, link.c.id).limit(PAGE)))
    rows = [*seconds(conn, "", limit=PAGE), *anew]
    owners = {row.id: living(conn, row.record_id) for row in rows}
    names = _names(conn, list(owners.values()))
    return [
        Card(
            row.id, row.connection_id, names.get(owners[row.id]) or "—", row.remote_id or "",
            "" if row.code == AGAIN else _own(conn, row), row.code, row.since, _merges(row.connection_id),
        )
        for row in rows
    ]  # fmt: skip


def _names(conn: Connection, ids: Sequence[str]) -> dict[str, str]:
    mine = select(contact.c.id, contact.c.name).where(contact.c.id.in_(ids))
    return {str(row.id): str(row.name) for row in conn.execute(mine)}


def _own(conn: Connection, row: object) -> str:
    own = primary(conn, row)
    return str(own.remote_id) if own is not None else ""


def _merges(connection_id: str) -> bool:
    live = hub().connections.by_id(connection_id)
    return live is not None and isinstance(live.connector, CRM) and live.connector.facts.merge


def _can_merge(link_id: str) -> bool:
    """Whether the card's CRM can merge it; also when the card is gone, which is said otherwise."""
    with hub().store.read() as conn:
        row = conn.execute(select(link.c.connection_id, link.c.code).where(link.c.id == link_id)).one_or_none()
    return row is None or (row.code != BY_HAND and _merges(row.connection_id))


def act(link_id: str, what: str) -> Response:
    """Merge over there, leave as it is, or make anew."""
    if what not in ACTS:
        abort(404)
    if what == "merge" and not _can_merge(link_id):
        return failed(
            _("This CRM cannot merge the two cards from here: merge them there by hand, or leave them."), "attention"
        )
    with hub().store.write() as conn:
        changed = ACTS[what](conn, hub().clock, actor(), link_id)
    hub().ring("push")
    told = {
        "merge": _("The two cards are merged over there soon."),
        "leave": _("Left as it is; what people add to it is still read."),
        "again": _("The card is made anew soon."),
    }
    return done(told[what] if changed else _("This was settled already."), "attention")
