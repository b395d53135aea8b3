"""Pools: members with their shares, off hours, overflow, and beside each what does not do what was hoped."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, abort, render_template, request
from flask_babel import gettext as _
from sqlalchemy import Connection, select
from werkzeug.wrappers import Response

from hub.clock import MINUTE
from hub.model import member
from hub.routing import pools
from hub.routing.check import pool_complaints
from hub.routing.reading import read_floor
from hub.routing.rotation import POOL
from hub.routing.shifts import LIMITS
from hub.told import Unusable
from hub.web.admin.frame import actor, done, failed, hub, sentence, told, words
from hub.web.desk.shown import typed

TYPED = ("calendar_id", "off_hours", "duty_id", "overflow", "offer", "own_first", "skills", "seen_minutes", *LIMITS)
SHARE = "share-"


def add_to(bp: Blueprint) -> None:
    """The pages of this room."""
    bp.add_url_rule("/pools", "pools", show)
    bp.add_url_rule("/pools", "add_pool", add, methods=["POST"])
    bp.add_url_rule("/pools/<name>", "pool", edit)
    bp.add_url_rule("/pools/<name>", "keep_pool", keep, methods=["POST"])
    bp.add_url_rule("/pools/<name>/remove", "remove_pool", remove, methods=["POST"])


def off_hours_words() -> dict[str, str]:
    """What a pool does with a lead off hours, in the reader's language."""
    return {
        "hold": _("it waits: the turn is among those who begin first"), "duty": _("the person on duty gets it"),
        "give": _("it is given out all the same"),
    }  # fmt: skip


def show() -> str:
    """All pools with their members."""
    with hub().store.read() as conn:
        people = names_of(conn)
        rows = [(name, *pools.pool_of(conn, name), complaints(conn, name)) for name in pools.pool_names(conn)]
        plans = pools.read_known(conn).plans
    return render_template("admin/pools.html", rows=rows, people=people, plans=plans, off_hours=off_hours_words())


def names_of(conn: Connection) -> dict[str, str]:
    """Everybody by id, also those who left."""
    return {str(row.id): str(row.name) for row in conn.execute(select(member.c.id, member.c.name))}


def complaints(conn: Connection, name: str) -> list[str]:
    """Sentences about one pool, people by their names."""
    floor = read_floor(conn, hub().clock.now(), lock=False)
    if name not in floor.pools:
        return [_("Nobody is in it yet: its leads go on as if it were empty.")]
    return [told(one) for one in pool_complaints(floor, name, names_of(conn))]


def add() -> Response:
    """A new pool, empty until somebody is put into it."""
    try:
        with hub().store.write() as conn:
            name = pools.read_name(typed("name"), pools.pool_names(conn))
            pools.keep_pool(conn, hub().clock, actor(), name, pools.DEFAULTS, {})
    except Unusable as error:
        return failed(sentence(error), "pools")
    return done(_("Added. Put people into it."), "pool", name=name)


def edit(name: str) -> str:
    """One pool as it is."""
    with hub().store.read() as conn:
        row, shares = _there(conn, name)
        return _page(conn, name, typed_of(row), {one: str(share) for one, share in shares.items()}, {})


def _there(conn: Connection, name: str) -> tuple[dict[str, Any], dict[str, int]]:
    if name not in pools.pool_names(conn):
        abort(404)
    return pools.pool_of(conn, name)


def typed_of(row: Mapping[str, Any]) -> dict[str, str]:
    """A row as the fields of the form show it."""
    values = {one: str(row[one] or "") for one in (*LIMITS, "calendar_id", "off_hours", "duty_id", "overflow")}
    values |= {one: "yes" if row[one] else "" for one in ("offer", "own_first")}
    values["seen_minutes"] = str(row["seen_within_ms"] // MINUTE or "")
    return {**values, "skills": ", ".join(row["skills"])}


def typed_pool() -> tuple[dict[str, str], dict[str, str]]:
    """(fields, shares by member) as they were typed into the form."""
    shares = {key.removeprefix(SHARE): typed(key) for key in request.form if key.startswith(SHARE)}
    return {name: typed(name, 500) for name in TYPED}, shares


def keep(name: str) -> Response | tuple[str, int]:
    """A pool as it was typed."""
    values, shares = typed_pool()
    try:
        with hub().store.write() as conn:
            _there(conn, name)
            row, read = pools.read_typed_pool(name, values, shares, pools.read_known(conn))
            pools.keep_pool(conn, hub().clock, actor(), name, row, read)
    except Unusable as error:
        with hub().store.read() as conn:
            return _page(conn, name, values, shares, words(error)), 422
    return done(_("Saved."), "pool", name=name)


def remove(name: str) -> Response:
    """Away with a pool that nothing leads to."""
    try:
        with hub().store.write() as conn:
            _there(conn, name)
            pools.remove_pool(conn, hub().clock, actor(), name)
    except Unusable as error:
        return failed(sentence(error), "pool", name=name)
    return done(_("Removed."), "pools")


def _page(
    conn: Connection, name: str, values: Mapping[str, str], shares: Mapping[str, str], wrong: Mapping[str, str]
) -> str:
    return render_template(
        "admin/pool.html", name=name, values=values, shares=shares, wrong=wrong, known=pools.read_known(conn),
        off_hours=off_hours_words(), complaints=complaints(conn, name), stays=name == POOL,
    )  # fmt: skip
