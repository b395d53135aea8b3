"""Who is who in a CRM: our members and its users, who stands in for whom, and who is nobody on the other side.

What `leadhub sync owners` says on the command line. Guarantees: only what was changed on the page is said, so that of
two open pages none takes back what the other said; cards follow by themselves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, render_template, request
from flask_babel import gettext as _
from flask_babel import ngettext
from sqlalchemy import Connection, select
from werkzeug.wrappers import Response

from connectors.errors import ConnectorError
from hub.model import member
from hub.sync import owners
from hub.sync.owners import Nameless
from hub.web.admin.frame import actor, done, failed, hub, row_of

IS, WAS = "is-", "was-"
STANDS = ("there", "here")


@dataclass(frozen=True, slots=True)
class Sides:
    """Both sides of one connection. `members` are rows (id, name, login, active), `users` names by ref; `nameless`
    those whom the other side does not know."""

    members: Sequence[Any]
    users: Mapping[str, str]
    known: Mapping[str, str]
    nameless: Sequence[Nameless]
    stands: Mapping[str, str]


def add_to(bp: Blueprint) -> None:
    """The pages of this room."""
    bp.add_url_rule("/connections/<key:connection_id>/owners", "owners", show)
    bp.add_url_rule("/connections/<key:connection_id>/owners", "say_owners", say, methods=["POST"])
    bp.add_url_rule("/connections/<key:connection_id>/owners/users", "reread_users", reread, methods=["POST"])


def show(connection_id: str) -> str:
    """Everybody of both sides, those in trouble first."""
    with hub().store.read() as conn:
        row = row_of(conn, connection_id, "crm")
        sides = _sides(conn, row)
    colleagues = {one.who: one for one in sides.nameless if one.code == owners.NOT_THERE}
    return render_template(
        "admin/owners.html", row=row, sides=sides, colleagues=colleagues,
        strangers=[one for one in sides.nameless if one.code == owners.NOT_HERE],
        members=sorted(sides.members, key=lambda one: (one.id not in colleagues, one.name.casefold())),
        people=sorted(((one.id, one.name) for one in sides.members), key=lambda one: one[1].casefold()),
        users=sorted(sides.users.items(), key=lambda one: one[1].casefold()),
    )  # fmt: skip


def _sides(conn: Connection, row: Any) -> Sides:
    known, nameless = owners.known(row.config), list(owners.nameless(conn, row))
    there, here = (str(row.config.get(name) or "") for name in (owners.THERE, owners.HERE))
    shown = {*known, here, *(one.who for one in nameless if one.code == owners.NOT_THERE)}
    columns = (member.c.id, member.c.name, member.c.login, member.c.active)
    members = conn.execute(select(*columns).where(member.c.active | member.c.id.in_(shown))).all()
    refs = {*known.values(), there, *(one.who for one in nameless if one.code == owners.NOT_HERE)} - {""}
    users = {ref: ref for ref in refs} | {str(ref): str(name) for ref, name in row.config.get("users", {}).items()}
    return Sides(members, users, known, nameless, {"there": there, "here": here})


def say(connection_id: str) -> Response:
    """What was chosen by hand."""
    with hub().store.write() as conn:
        sides = _sides(conn, row_of(conn, connection_id, "crm"))
        news, stands = _changed()
        if not _usable(sides, news, stands):
            return failed(
                _("Somebody you chose is not there any more: look again."), "owners", connection_id=connection_id
            )
        count = owners.say(conn, hub().clock, actor(), connection_id, news, **stands) if news or stands else 0
    return _followed(count, connection_id)


def _changed() -> tuple[dict[str, str], dict[str, str]]:
    """(user by member, stand-ins) as far as they differ from what the page had shown."""
    typed = request.form
    names = [name.removeprefix(IS) for name in typed if name.startswith(IS)]
    moved = {name: typed[IS + name] for name in names if typed[IS + name] != typed.get(WAS + name)}
    stands = {name: moved.pop(name) for name in STANDS if name in moved}
    return moved, stands


def _usable(sides: Sides, news: Mapping[str, str], stands: Mapping[str, str]) -> bool:
    members, users = {"", *(one.id for one in sides.members)}, {"", *sides.users}
    chosen = {*news.values(), stands.get("there", "")}
    return chosen <= users and {*news, stands.get("here", "")} <= members


def reread(connection_id: str) -> Response:
    """Ask the CRM who its users are."""
    with hub().store.read() as conn:
        row_of(conn, connection_id, "crm")
    try:
        users = hub().connections.by_id(connection_id).crm.describe().users
    except ConnectorError as error:
        return failed(str(error), "owners", connection_id=connection_id)
    with hub().store.write() as conn:
        count = owners.reread(conn, hub().clock, actor(), connection_id, users)
    return _followed(count, connection_id)


def _followed(count: int, connection_id: str) -> Response:
    hub().connections.forget()
    hub().ring("push")
    told = ngettext("Saved. %(num)d card follows.", "Saved. %(num)d cards follow.", count)
    return done(told, "owners", connection_id=connection_id)
