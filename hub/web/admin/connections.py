"""Connections: the list, the catalogue, adding one with a try before saving, its address, its states."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from flask import Blueprint, abort, render_template, request
from flask_babel import get_locale
from flask_babel import gettext as _
from phonenumbers import SUPPORTED_REGIONS
from sqlalchemy import Connection, select, update
from werkzeug.wrappers import Response

from connectors import registry
from connectors.registry import Connector
from hub import setup
from hub.clock import DAY
from hub.intake import quarantine
from hub.model import connection, event, journal, member
from hub.store.notes import note
from hub.told import Unusable
from hub.web.admin import consent, wired
from hub.web.admin.frame import actor, done, failed, hub, row_of, words
from hub.web.admin.guide import evidence, guide
from hub.web.desk.shown import plain

RECENT = 20_000
"""Events looked at for the figures of the list: its cost does not grow with the hub's age."""
MOST_PER_MINUTE = 100_000


def add_to(bp: Blueprint) -> None:
    """The pages of this room."""
    bp.add_url_rule("/connections", "connections", everything)
    bp.add_url_rule("/connections/new", "catalogue", catalogue)
    bp.add_url_rule("/connections/new/<kind>/<name>", "add_connection", new, methods=["GET", "POST"])
    bp.add_url_rule("/connections/<key:connection_id>", "connection", one, methods=["GET", "POST"])
    bp.add_url_rule("/connections/<key:connection_id>/state", "connection_state", switch, methods=["POST"])
    bp.add_url_rule("/connections/<key:connection_id>/address", "connection_address", new_address, methods=["POST"])


# ── the list ─────────────────────────────────────────────────────────────────────────────────────


def everything() -> str:
    """All connections with how they are."""
    store = hub().store
    with store.read() as conn:
        rows = list(conn.execute(select(connection).order_by(connection.c.kind.desc(), connection.c.name)))
        waiting: Counter[str] = Counter()
        for cause in quarantine.causes(conn):
            waiting[cause.connection_id] += cause.count
    last, today = recent_figures(store, hub().clock.now())
    titles = {(kind, row["name"]): row["title"] for kind in registry.KINDS for row in registry.listing()
              if row["kind"] == kind}  # fmt: skip
    return render_template(
        "admin/connections.html", rows=rows, waiting=waiting, last=last, today=today, titles=titles, recent=RECENT
    )


def recent_figures(store: Any, now: int) -> tuple[dict[str, int], Counter[str]]:
    """When each connection last received something, and how much in a day; over the last events only."""
    newest = select(event.c.connection_id, event.c.received_at).order_by(event.c.seq.desc()).limit(RECENT)
    last: dict[str, int] = {}
    today: Counter[str] = Counter()
    with store.read_inbox() as conn:
        for connection_id, at in conn.execute(newest):
            last[connection_id] = max(at, last.get(connection_id, 0))
            today[connection_id] += at > now - DAY
    return last, today


# ── adding ───────────────────────────────────────────────────────────────────────────────────────


def catalogue() -> str:
    """What can be connected."""
    return render_template("admin/catalogue.html", rows=registry.listing(), evidence=evidence())


def new(kind: str, name: str) -> str | tuple[str, int] | Response:
    """The form of a connector beside its guide. Nothing is stored before it is saved."""
    connector = _connector(kind, name)
    if request.method == "GET":
        return _form_page(connector, kind, wired.Filled({one.name: one.default for one in connector.form}, {}), {})
    filled = wired.read(hub(), _whose(kind, name), connector.form, request.form, {})
    told, wrong = _judged(kind, connector, filled)
    if wrong or told is None or request.form.get("do") == "try":
        return _form_page(connector, kind, filled, wrong, told), 422 if wrong or (told and not told[0]) else 200
    try:
        connection_id = _insert(connector, filled)
    except Unusable as error:
        return _form_page(connector, kind, filled, words(error)), 422
    hub().connections.forget()
    target = "setup" if kind == "crm" else "connection"
    return done(_("Connected. %(found)s", found=told[1]), target, connection_id=connection_id)


def _judged(
    kind: str, connector: type[Connector], filled: wired.Filled
) -> tuple[tuple[bool, str] | None, dict[str, str]]:
    """(outcome of the try, complaints by field). A failed try asks once more before it saves."""
    wrong = wired.complaints(hub(), connector.form, filled) | _common_complaints()
    if wrong:
        return None, wrong
    told = wired.attempt(hub(), kind, connector, filled)
    if not told[0] and not request.form.get("untested"):
        return told, {"": told[1]}
    return told, {}


def _insert(connector: type[Connector], filled: wired.Filled) -> str:
    typed, common = request.form, _common()
    with hub().store.write() as conn:
        connection_id = setup.add_connection(
            conn, hub().clock, hub().vault, connector, typed.get("name", ""), filled.all, common["region"],
            common["config"],
        )  # fmt: skip
        note(conn, hub().clock, "connection", connection_id, "set_up", actor(), {"connector": connector.name})
    return connection_id


def _common() -> dict[str, Any]:
    limit = request.form.get("per_minute", "").strip()
    return {
        "region": request.form.get("region", "").strip().upper(),
        "config": {"per_minute": int(limit)} if limit else {},
    }


def _common_complaints() -> dict[str, str]:
    wrong = {}
    if request.form.get("region", "").strip().upper() not in {"", *SUPPORTED_REGIONS}:
        wrong["region"] = _("is no country")
    limit = request.form.get("per_minute", "").strip()
    if limit and not (limit.isdecimal() and len(limit) < 7 and 1 <= int(limit) <= MOST_PER_MINUTE):
        wrong["per_minute"] = _("must be a number from 1 to %(most)s", most=MOST_PER_MINUTE)
    return wrong


def _form_page(
    connector: type[Connector],
    kind: str,
    filled: wired.Filled,
    wrong: Mapping[str, str],
    told: tuple[bool, str] | None = None,
    row: Any = None,
    **more: Any,
) -> str:
    typed = request.form
    common = {
        "name": typed.get("name", row.name if row else ""),
        "region": typed.get("region", row.region if row else hub().config.region),
        "per_minute": typed.get("per_minute", row.config.get("per_minute", "") if row else ""),
    }
    return render_template(
        "admin/connection.html" if row else "admin/new.html",
        connector=connector, kind=kind, filled=filled, wrong=wrong, told=told, row=row, common=common,
        sealed=wired.sealed(hub(), _whose(kind, connector.name), filled),
        guide=guide(kind, connector.name, hub().config.public_url), evidence=evidence(), countries=countries(),
        usual=hub().config.form_per_minute, **more,
    )  # fmt: skip


def countries() -> list[tuple[str, str]]:
    """Countries for phone numbers without a code, by name in the reader's language."""
    locale = get_locale()
    names = locale.territories if locale else {}
    known = sorted(((code, names.get(code, code)) for code in SUPPORTED_REGIONS), key=lambda pair: pair[1])
    return [("", _("— none: numbers need their country code")), *known]


def _connector(kind: str, name: str) -> type[Connector]:
    found = wired.connector_of(kind, name)
    if found is None:
        abort(404)
    return found


def _whose(kind: str, name: str) -> str:
    return f"{actor()}/{kind}/{name}"


# ── one connection ───────────────────────────────────────────────────────────────────────────────


def one(connection_id: str) -> str | tuple[str, int] | Response:
    """Its address, state, settings and history; a post saves the settings."""
    with hub().store.read() as conn:
        row = row_of(conn, connection_id)
    connector = _connector(row.kind, row.connector)
    known = wired.stored_secrets(hub(), row)
    if request.method == "GET":
        shown = {one.name: str(row.settings.get(one.name, one.default)) for one in connector.form if not one.secret}
        return _form_page(connector, row.kind, wired.Filled(shown, {}, known), {}, row=row, **_beside(row))
    filled = wired.read(hub(), _whose(row.kind, row.connector), connector.form, request.form, known)
    told, wrong = _judged(row.kind, connector, filled)
    if request.form.get("generation") != str(row.generation):
        wrong = {"": _meanwhile()}
    if wrong or told is None or request.form.get("do") == "try":
        status = 422 if wrong else 200
        return _form_page(connector, row.kind, filled, wrong, told, row, **_beside(row)), status
    if not _save(row, connector, filled):
        return failed(_meanwhile(), "connection", connection_id=connection_id)
    return done(_("Saved. %(found)s", found=told[1]), "connection", connection_id=connection_id)


def _meanwhile() -> str:
    return str(_("Somebody else saved this connection meanwhile. Compare with what is stored now, then save."))


def _save(row: Any, connector: type[Connector], filled: wired.Filled) -> bool:
    """Write the form; False when somebody else did while the settings were tried."""
    common = _common()
    kept = {key: value for key, value in row.config.items() if key != "per_minute"}
    values = {
        "name": request.form.get("name", "").strip() or row.name,
        "region": common["region"],
        "config": {**kept, **common["config"]},
    }
    emptied = {one.name: "" for one in connector.form if not (one.secret or one.default or filled.values.get(one.name))}
    seen = (connection.c.id == row.id) & (connection.c.generation == row.generation)
    with hub().store.write() as conn:
        if conn.execute(select(connection.c.id).where(seen).with_for_update()).first() is None:
            return False
        setup.change_connection(conn, hub().vault, row, connector.form, filled.all)
        settings = conn.execute(select(connection.c.settings).where(connection.c.id == row.id)).scalar_one()
        values["settings"] = {name: value for name, value in settings.items() if name not in emptied}
        conn.execute(update(connection).where(connection.c.id == row.id).values(values))
        changed = [name for name, value in values["settings"].items() if row.settings.get(name) != value]
        facts = {"settings": sorted(changed), "secrets": sorted(filled.secrets)}
        note(conn, hub().clock, "connection", row.id, "changed", actor(), facts)
    hub().connections.forget()
    return True


def _beside(row: Any) -> dict[str, Any]:
    public = hub().config.public_url
    with hub().store.read() as conn:
        waiting = [cause for cause in quarantine.causes(conn) if cause.connection_id == row.id]
        lines = _history(conn, row.id)
    return {
        "address": f"{public}/in/{row.token}",
        "page": f"{public}/f/{row.token}",
        "public_url": public,
        "waiting": waiting,
        "history": lines,
        "placed": bool(row.config.get("placement")),
        "connect": consent.offered(hub().connections.by_id(row.id)),
        "redirect_uri": hub().redirect_uri,
    }


def _history(conn: Connection, connection_id: str) -> list[dict[str, Any]]:
    """What was done to it lately and by whom, newest first."""
    query = select(journal).where(journal.c.subject_id == connection_id, journal.c.subject == "connection")
    rows = list(conn.execute(query.order_by(journal.c.at.desc(), journal.c.id.desc()).limit(20)))
    people = {f"member:{row.id}": row.name for row in conn.execute(select(member.c.id, member.c.name))}
    told = history_words()
    return [
        {
            "at": row.at, "who": people.get(row.actor, _("the hub")), "what": told.get(row.what, row.what),
            "more": "; ".join(f"{name}: {plain(value)}" for name, value in row.facts.items() if value),
        }
        for row in rows
    ]  # fmt: skip


def history_words() -> dict[str, str]:
    """What the journal says of a connection, in the reader's language."""
    return {
        "added": _("added"), "set_up": _("entered"), "changed": _("settings changed"), "active": _("resumed"),
        "connected": _("account connected"), "paused": _("paused"), "off": _("switched off"),
        "new_address": _("new address"),
        "mapping": _("mapping changed"), "provisioned": _("step in the CRM"), "applied": _("CRM set up"),
        "undone": _("CRM set-up taken back"), "replayed": _("messages replayed"),
        "trusted": _("message accepted unverified"), "dismissed": _("message dismissed"),
        "owners": _("said who is who"),
    }  # fmt: skip


def switch(connection_id: str) -> Response:
    """Pause, resume, switch off."""
    state = request.form.get("state", "")
    if state not in ("active", "paused", "off"):
        abort(400)
    with hub().store.write() as conn:
        row_of(conn, connection_id)
        setup.change_state(conn, hub().clock, actor(), connection_id, state)
    hub().connections.forget()
    told = {"active": _("It works again."), "paused": _("Paused."), "off": _("Switched off.")}
    return done(told[state], "connection", connection_id=connection_id)


def new_address(connection_id: str) -> Response:
    """Another inbound address, when the old one has got into wrong hands."""
    if request.form.get("sure") != "yes":
        return failed(
            _("Tick the box first: the old address stops at once."), "connection", connection_id=connection_id
        )
    with hub().store.write() as conn:
        row_of(conn, connection_id)
        setup.rotate_token(conn, hub().clock, actor(), connection_id)
    hub().connections.forget()
    return done(_("The address is new: enter it at the sender."), "connection", connection_id=connection_id)
