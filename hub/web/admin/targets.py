"""Target actions per direction: which consultation, meeting, showing or stage makes a lead a deal, and whose then."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, abort, render_template, request
from flask_babel import gettext as _
from sqlalchemy import Connection
from werkzeug.wrappers import Response

from hub.funnel.directions import directions
from hub.funnel.targets import ACTIONS, PHASES, STAGE, Target, drop_targets, read_targets, set_targets, targets_of
from hub.routing.pools import pool_names
from hub.web.admin.frame import actor, done, hub
from hub.web.desk import words

GUARDED, FORCED = "guard", "force"


@dataclass(frozen=True, slots=True)
class Choice:
    """One thing that may convert: its action and phase, and what it is called ("" for an action that `words` know)."""

    action: str
    phase: str
    name: str = ""

    @property
    def field(self) -> str:
        """What its answer is called in the form."""
        return f"{self.action}-{self.phase}"

    @property
    def title(self) -> str:
        """In the reader's language."""
        if self.action == STAGE:
            return str(_("moved to “%(stage)s”", stage=self.name))
        return f"{words.TARGETS[self.action]}: {words.PHASES[self.phase]}"


@dataclass(frozen=True, slots=True)
class Place:
    """A direction, or ("") all of them: its choices, what is chosen, and whether that is a list of its own."""

    id: str
    name: str
    choices: Sequence[Choice]
    chosen: dict[tuple[str, str], Target]
    own: bool


def add_to(bp: Blueprint) -> None:
    """The page of this room."""
    bp.add_url_rule("/targets", "targets", show)
    bp.add_url_rule("/targets", "keep_targets", keep, methods=["POST"])


def show() -> str:
    """The list for all directions, then each direction."""
    with hub().store.read() as conn:
        return render_template("admin/targets.html", places=_places(conn), pools=pool_names(conn))


def _places(conn: Connection) -> list[Place]:
    kept, all_stages, found = read_targets(conn), dict[str, str](), []
    for one, stages in directions(conn):
        mine = {str(row.key): str(row.name) for row in stages if row.block == "lead" and not row.final}
        all_stages = {**mine, **all_stages}
        found.append(_place(conn, str(one.id), str(one.name), mine, one.id in kept))
    return [_place(conn, "", str(_("In every direction")), all_stages, True), *found]


def _place(conn: Connection, key: str, name: str, stages: dict[str, str], own: bool) -> Place:
    choices = [Choice(action, phase) for action in ACTIONS for phase in PHASES]
    choices += [Choice(STAGE, phase, title) for phase, title in stages.items()]
    chosen = {(one.action, one.phase): one for one in targets_of(conn, key)}
    return Place(key, name, choices, chosen, own)


def keep() -> Response:
    """The list of one direction or of all; or the direction goes by the list for all again."""
    with hub().store.write() as conn:
        pools = pool_names(conn)
        place = next((one for one in _places(conn) if one.id == request.form.get("direction", "")), None)
        if place is None:
            abort(404)
        if place.id and request.form.get("do") == "drop":
            drop_targets(conn, hub().clock, place.id, actor())
        else:
            wanted = [found for one in place.choices if (found := _typed(one, pools))]
            set_targets(conn, hub().clock, place.id, wanted, actor())
    return done(_("Saved."), "targets")


def _typed(one: Choice, pools: Sequence[Any]) -> Target | None:
    how, pool = request.form.get(one.field, ""), request.form.get(f"pool-{one.field}", "")
    if how not in (GUARDED, FORCED):
        return None
    return Target(one.action, one.phase, how == GUARDED, pool if pool in pools else "")
