"""The first run: while nobody can log in every page leads here, and the token that the start printed opens it.

Guarantees: the token works once; the first admin, the main direction, its rule and the first form appear together
or not at all; once somebody can log in, this page is gone.
"""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Flask, abort, redirect, render_template, request, session, url_for
from flask_babel import force_locale
from flask_babel import gettext as _
from phonenumbers import SUPPORTED_REGIONS
from sqlalchemy import func, select
from werkzeug.wrappers import Response

from connectors import registry
from hub import setup
from hub.model import connection, inquiry
from hub.store.notes import note
from hub.told import Unusable
from hub.web.admin.connections import countries
from hub.web.admin.frame import hub, words
from hub.web.admin.guide import evidence
from hub.web.desk.access import LANGUAGES, language, start_session

OPEN_TO_ALL = ("first", "inbound", "health")
FORM = "webform"

bp = Blueprint("first", __name__)


class WrongToken(Exception):
    """Not the token of this start."""


def init_app(app: Flask, hub: Any) -> None:
    """Lead everybody here while the hub is fresh."""
    fresh = [True]

    def lead_here() -> Response | None:
        if not fresh[0] or request.endpoint == "static" or request.blueprint in OPEN_TO_ALL:
            return None
        with hub.store.read() as conn:
            fresh[0] = setup.is_fresh(conn)
        return redirect(url_for("first.start")) if fresh[0] else None

    app.before_request(lead_here)
    app.register_blueprint(bp)


def add_steps(admin: Blueprint) -> None:
    """The steps after the first page, for the admin who has just been made."""
    admin.add_url_rule("/first/form", "first_form", form)
    admin.add_url_rule("/first/crm", "first_crm", crm)


@bp.get("/start")
def start() -> str | Response:
    """Who you are and what you sell."""
    _only_fresh()
    return _page(request.args.get("token", ""), {})


@bp.post("/start")
def begin() -> str | tuple[str, int] | Response:
    """Make the first admin and everything an inquiry needs; another language only shows the page again."""
    _only_fresh()
    typed = request.form
    if typed.get("switch") in LANGUAGES:
        session["language"] = typed["switch"]
        with force_locale(typed["switch"]):
            return _page(typed.get("token", ""), {})
    wrong = _complaints()
    if wrong:
        return _page(typed.get("token", ""), wrong), 422
    try:
        member_id = _make()
    except WrongToken:
        return _page("", {"token": _("is not the token that the last start printed")}), 403
    except Unusable as error:
        return _page(typed.get("token", ""), words(error)), 422
    start_session(member_id)
    return redirect(url_for("admin.first_form"), 303)


def _only_fresh() -> None:
    with hub().store.read() as conn:
        if not setup.is_fresh(conn):
            abort(404)


def _complaints() -> dict[str, str]:
    typed, wrong = request.form, {}
    for name in ("name", "login", "direction"):
        if not typed.get(name, "").strip():
            wrong[name] = _("is missing")
    if len(typed.get("password", "")) < 8:
        wrong["password"] = _("needs at least 8 characters")
    if typed.get("region", "") not in {"", *SUPPORTED_REGIONS}:
        wrong["region"] = _("is no country")
    return wrong


def _make() -> str:
    """One transaction: a wrong token or a taken login leaves the hub as fresh as it was."""
    typed, clock, locale = request.form, hub().clock, language()
    with hub().store.write() as conn:
        if not setup.use_first_token(conn, typed.get("token", "")):
            raise WrongToken
        member_id = setup.add_member(conn, clock, typed["login"], typed["name"], typed["password"], "admin", locale)
        setup.first_setup(conn, clock, typed["direction"].strip(), locale)
        made = setup.add_connection(
            conn, clock, hub().vault, registry.source(FORM), _("Website form"), {}, typed.get("region", "")
        )
        note(conn, clock, "connection", made, "set_up", f"member:{member_id}", {"connector": FORM})
    return member_id


def _page(token: str, wrong: dict[str, str]) -> str:
    typed = request.form
    values = {
        "name": typed.get("name", ""),
        "login": typed.get("login", ""),
        "direction": typed.get("direction", _("Sales")),
        "region": typed.get("region", hub().config.region or ("RU" if language() == "ru" else "")),
    }
    return render_template("admin/start.html", token=token, wrong=wrong, values=values, countries=countries())


def form() -> str:
    """The first form, ready to be copied into a site."""
    first = select(connection).where(connection.c.connector == FORM).order_by(connection.c.id).limit(1)
    with hub().store.read() as conn:
        row = conn.execute(first).one_or_none()
        arrived = conn.execute(select(func.count()).select_from(inquiry)).scalar() or 0
    public = hub().config.public_url
    return render_template("admin/first_form.html", row=row, public_url=public, arrived=arrived)


def crm() -> str:
    """The CRM, which may wait."""
    rows = [row for row in registry.listing() if row["kind"] == "crm"]
    return render_template("admin/first_crm.html", rows=rows, evidence=evidence())
