"""Drafts of routing: begun from what is live, changed, tried on the inquiries of the last days, published as announced,
taken back. Guarantees: what is published is what was shown, or nothing; nobody overwrites what a colleague changed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from flask import Blueprint, abort, render_template, request
from flask_babel import gettext as _
from sqlalchemy import Connection, select
from werkzeug.wrappers import Response

from hub.funnel.directions import directions
from hub.insight import drafts, redrawn
from hub.model import rule_set
from hub.routing import pools
from hub.routing.rotation import POOL
from hub.routing.rules import FIELDS, UnusableRule
from hub.told import Unusable
from hub.web.admin.frame import actor, done, failed, hub, sentence, told, words
from hub.web.admin.pools import names_of, off_hours_words, typed_of, typed_pool
from hub.web.admin.routing import ACTS, CONDITIONS, field_words, operation_words, typed_rule
from hub.web.desk.shown import typed

Change = Callable[[Connection, Mapping[str, Any]], Mapping[str, Any]]
"""A body of now → the body wanted; raises `Unusable` or `UnusableRule`."""


def add_to(bp: Blueprint) -> None:
    """The pages of this room."""
    place = "/drafts/<key:draft_id>"
    bp.add_url_rule("/drafts", "drafts", show)
    bp.add_url_rule("/drafts", "begin_draft", begin, methods=["POST"])
    bp.add_url_rule(place, "draft", edit)
    bp.add_url_rule(f"{place}/drop", "drop_draft", drop, methods=["POST"])
    bp.add_url_rule(f"{place}/rules", "draft_rule", add_rule, methods=["POST"])
    bp.add_url_rule(f"{place}/rules/<key:rule_id>", "change_draft_rule", change_rule, methods=["POST"])
    bp.add_url_rule(f"{place}/pools", "draft_pool", add_pool, methods=["POST"])
    bp.add_url_rule(f"{place}/pools/<name>", "pool_of_draft", edit_pool)
    bp.add_url_rule(f"{place}/pools/<name>", "keep_pool_of_draft", keep_pool, methods=["POST"])
    bp.add_url_rule(f"{place}/pools/<name>/remove", "remove_pool_of_draft", remove_pool, methods=["POST"])


def show() -> str:
    """Every version, drafts first."""
    with hub().store.read() as conn:
        rows = drafts.versions(conn)
        return render_template("admin/drafts.html", rows=rows, names=names_of(conn))


def begin() -> Response:
    """A draft that is what counts now."""
    with hub().store.write() as conn:
        made = drafts.draft(conn, hub().clock, drafts.read_body(conn), actor(), typed("why"))
    return done(_("A draft of what counts now. It changes nothing until it is published."), "draft", draft_id=made)


def row_of_draft(conn: Connection, draft_id: str) -> Any:
    """The row of something that is still a draft; 404 for all else."""
    mine = (rule_set.c.id == draft_id) & (rule_set.c.state == drafts.DRAFT)
    return conn.execute(select(rule_set).where(mine)).one_or_none() or abort(404)


def edit(draft_id: str) -> str:
    """Rules and pools of a draft."""
    with hub().store.read() as conn:
        row = row_of_draft(conn, draft_id)
        known = {one.id: one.name for one, _stages in directions(conn)}
        return render_template(
            "admin/draft.html", row=row, seen=drafts.stamp(row.body), directions=known, people=names_of(conn),
            complaints=[told(one) for one in drafts.complaints_of(conn, row.body, hub().clock.now())],
            pools=_pools(row.body), fields=FIELDS, operations=operation_words(), field_words=field_words(),
            conditions=CONDITIONS,
        )  # fmt: skip


def _pools(body: Mapping[str, Any]) -> list[str]:
    return sorted({POOL, *redrawn.pools_in(body)}, key=lambda name: (name != POOL, name))


def drop(draft_id: str) -> Response:
    """Away with it."""
    with hub().store.write() as conn:
        row_of_draft(conn, draft_id)
        drafts.drop(conn, hub().clock, draft_id, actor())
    return done(_("The draft is gone."), "drafts")


def _change(draft_id: str, change: Change) -> Response:
    """Change the draft that was seen, or say why not."""
    with hub().store.write() as conn:
        row = row_of_draft(conn, draft_id)
        try:
            body = change(conn, row.body)
        except Unusable as error:
            return failed(sentence(error), "draft", draft_id=draft_id)
        except UnusableRule as error:
            return failed(told(error.why), "draft", draft_id=draft_id)
        kept = drafts.redraft(conn, hub().clock, draft_id, request.form.get("seen", ""), body, actor())
    if not kept:
        return failed(changed_meanwhile(), "draft", draft_id=draft_id)
    return done(_("Saved in the draft."), "draft", draft_id=draft_id)


def changed_meanwhile() -> str:
    """The second of two tabs."""
    return str(_("Somebody changed the draft meanwhile. Nothing was saved; look at it as it is now and try again."))


# ── rules ────────────────────────────────────────────────────────────────────────────────────────


def add_rule(draft_id: str) -> Response:
    """A rule from selects, as on the page of live rules."""
    name, direction, conditions = typed_rule()

    def change(conn: Connection, body: Mapping[str, Any]) -> Mapping[str, Any]:
        if not conditions:
            raise Unusable({"conditions": "are missing: the last rule already takes everything else"})
        if direction not in {one.id for one, _stages in directions(conn)}:
            raise Unusable({"direction": "is not here any more"})
        if typed("pool") not in _pools(body):
            raise Unusable({"pool": "is not here any more"})
        row = {"id": hub().clock.new_id(), "name": name.strip() or "—", "conditions": conditions, "pool": typed("pool")}
        return redrawn.with_rule(body, {**row, "direction_id": direction, "active": True})

    return _change(draft_id, change)


def change_rule(draft_id: str, rule_id: str) -> Response:
    """Move, switch, remove, or lead to another pool."""
    what = request.form.get("do", "")
    if what == "pool":
        return _change(draft_id, lambda _conn, body: _led(body, rule_id))
    if what not in ACTS:
        abort(400)
    return _change(draft_id, lambda _conn, body: redrawn.rule_changed(body, rule_id, what))


def _led(body: Mapping[str, Any], rule_id: str) -> Mapping[str, Any]:
    if typed("pool") not in _pools(body):
        raise Unusable({"pool": "is not here any more"})
    return redrawn.rule_to(body, rule_id, typed("pool"))


# ── pools ────────────────────────────────────────────────────────────────────────────────────────


def add_pool(draft_id: str) -> Response:
    """A new pool, empty until somebody is put into it."""

    def change(_conn: Connection, body: Mapping[str, Any]) -> Mapping[str, Any]:
        return redrawn.with_pool(body, pools.read_name(typed("name"), _pools(body)), pools.DEFAULTS, {})

    return _change(draft_id, change)


def edit_pool(draft_id: str, name: str) -> str:
    """One pool of the draft."""
    with hub().store.read() as conn:
        row = row_of_draft(conn, draft_id)
        if name not in _pools(row.body):
            abort(404)
        told = row.body["pools"].get(name, pools.DEFAULTS)
        shares = {one: str(share) for one, share in row.body["shares"].get(name, {}).items()}
        return _pool_page(conn, row, name, typed_of(told), shares, {})


def _pool_page(
    conn: Connection, row: Any, name: str, values: Mapping[str, str], shares: Mapping[str, str],
    wrong: Mapping[str, str],
) -> str:  # fmt: skip
    return render_template(
        "admin/draft_pool.html", row=row, seen=drafts.stamp(row.body), name=name, values=values, shares=shares,
        wrong=wrong, known=pools.read_known(conn, _pools(row.body)), off_hours=off_hours_words(), stays=name == POOL,
    )  # fmt: skip


def keep_pool(draft_id: str, name: str) -> Response | tuple[str, int]:
    """A pool of the draft as it was typed."""
    values, shares = typed_pool()
    with hub().store.read() as conn:
        row = row_of_draft(conn, draft_id)
        try:
            told, read = pools.read_typed_pool(name, values, shares, pools.read_known(conn, _pools(row.body)))
        except Unusable as error:
            return _pool_page(conn, row, name, values, shares, words(error)), 422
    return _change(draft_id, lambda _conn, body: redrawn.with_pool(body, name, told, read))


def remove_pool(draft_id: str, name: str) -> Response:
    """Away with a pool of the draft that nothing leads to."""

    def change(_conn: Connection, body: Mapping[str, Any]) -> Mapping[str, Any]:
        if name == POOL:
            raise Unusable({"name": "is where leads go that no rule sends elsewhere, and stays"})
        if redrawn.led_to(body, name):
            raise Unusable({"name": "is still led to by a rule or another pool: change those first"})
        return redrawn.without_pool(body, name)

    return _change(draft_id, change)
