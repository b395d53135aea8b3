"""Who is looking: login, logout, language, and the roles that pages ask for.

A session names the member and a proof made from the password hash, so it ends the moment the member is
switched off or gets another password. Wrong logins are counted per account and per address.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from flask import Blueprint, Flask, abort, current_app, redirect, render_template, request, session, url_for
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from flask_login import LoginManager, current_user, login_user, logout_user
from sqlalchemy import select, update
from werkzeug.wrappers import Response

from connectors.contract import digest
from hub.model import member
from hub.web.desk.tongue import _

bp = Blueprint("access", __name__)

LANGUAGES = {"en": "English", "ru": "Русский"}
LOGINS = "5 per minute"
LONGEST = 500


@dataclass(frozen=True, slots=True)
class Who:
    """The member behind this request; `role` is "" for somebody who has not logged in."""

    id: str = ""
    name: str = ""
    role: str = ""
    locale: str = ""
    proof: str = ""

    @property
    def is_authenticated(self) -> bool:
        return bool(self.id)

    @property
    def is_active(self) -> bool:
        return bool(self.id)

    @property
    def is_anonymous(self) -> bool:
        return not self.id

    def get_id(self) -> str:
        """What the session keeps."""
        return f"{self.id}.{self.proof}"


def whoami() -> Who:
    """The member behind the running request."""
    who: Who = current_user._get_current_object()
    return who


def guard(blueprint: Blueprint, *roles: str) -> None:
    """Every page of this blueprint is for these roles: strangers are sent to the login, others find nothing."""

    def check() -> Response | None:
        who = whoami()
        if not who.id:
            return stranger()
        if who.role not in roles:
            abort(404)
        return None

    blueprint.before_request(check)


def stranger() -> Response:
    """Send somebody without a session to the login and back afterwards."""
    to = url_for("access.login", next=request.full_path.rstrip("?") if request.method == "GET" else None)
    if request.headers.get("HX-Request"):
        return Response(status=401, headers={"HX-Redirect": url_for("access.login")})
    return redirect(to)


def language() -> str:
    """The member's language, else what the browser asks for, else the hub's."""
    known = tuple(LANGUAGES)
    fallback = current_app.extensions["hub"].config.locale
    chosen = whoami().locale or session.get("language") or request.accept_languages.best_match(known) or fallback
    return chosen if chosen in known else "en"


# ── wiring ───────────────────────────────────────────────────────────────────────────────────────


def init_app(app: Flask) -> None:
    """Sessions of this application."""
    manager = LoginManager()
    manager.anonymous_user = Who
    manager.user_loader(_load)
    manager.unauthorized_handler(stranger)
    manager.init_app(app)
    app.context_processor(lambda: {"me": whoami(), "languages": LANGUAGES, "language": language})


def limit_logins(app: Flask) -> None:
    """Five wrong passwords a minute, per account and per address; right ones cost nothing."""
    limiter = Limiter(get_remote_address, app=app, storage_uri="memory://")
    enter: Any = app.view_functions["access.enter"]
    for key in (get_remote_address, _account):
        enter = limiter.limit(LOGINS, key_func=key, deduct_when=_was_wrong)(enter)
    app.view_functions["access.enter"] = enter


def _account() -> str:
    return "account:" + request.form.get("login", "").strip().lower()[:LONGEST]


def _was_wrong(response: Any) -> bool:
    return bool(response.status_code == 401)


def _load(kept: str) -> Who | None:
    member_id, _dot, proof = kept.partition(".")
    who = _find(member.c.id == member_id)
    return who if who is not None and who.proof == proof else None


def _find(place: Any) -> Who | None:
    with current_app.extensions["hub"].store.read() as conn:
        row = conn.execute(select(member).where(place, member.c.active)).one_or_none()
    return None if row is None else _who(row)


def _who(row: Any) -> Who:
    return Who(row.id, row.name, row.role, row.locale, digest("session", row.password_hash)[:16])


# ── pages ────────────────────────────────────────────────────────────────────────────────────────


@bp.get("/")
def home() -> Response:
    """The desk, for everybody who works here."""
    return redirect(url_for("inbox.desk"))


@bp.get("/login")
def login() -> str | Response:
    """The login page."""
    return redirect(_next()) if whoami().id else render_template("login.html", wrong="", next=_next())


@bp.post("/login")
def enter() -> tuple[str, int] | Response:
    """Check a password; a new session begins."""
    who = _verified(request.form.get("login", ""), request.form.get("password", ""))
    if who is None:
        return render_template("login.html", wrong=_("Login or password is wrong."), next=_next()), 401
    to = _next()
    _begin(who)
    return redirect(to, 303)


def start_session(member_id: str) -> None:
    """Log a member in who has just been made."""
    who = _find(member.c.id == member_id)
    if who is not None:
        _begin(who)


def _begin(who: Who) -> None:
    """A new session; what an older one held is gone."""
    session.clear()
    login_user(who)
    session.permanent = True


@bp.post("/logout")
def logout() -> Response:
    """End the session."""
    logout_user()
    session.clear()
    return redirect(url_for("access.login"), 303)


@bp.post("/language")
def choose_language() -> Response:
    """Another language, kept with the member or, before the login, with the session."""
    wanted = request.form.get("language", "")
    if wanted not in LANGUAGES:
        abort(400)
    who = whoami()
    if who.id:
        with current_app.extensions["hub"].store.write() as conn:
            conn.execute(update(member).where(member.c.id == who.id).values(locale=wanted))
    else:
        session["language"] = wanted
    return redirect(_next(), 303)


def _verified(typed: str, password: str) -> Who | None:
    """The active member with this login and password. An unknown login takes as long as a wrong password."""
    with current_app.extensions["hub"].store.read() as conn:
        login_is = member.c.login == typed.replace("\0", "").strip().lower()[:LONGEST]
        row = conn.execute(select(member).where(login_is, member.c.active)).one_or_none()
    try:
        _hasher().verify(row.password_hash if row else _nobodys_hash(), password[:LONGEST])
    except (VerificationError, InvalidHashError):
        return None
    return _who(row) if row else None


@cache
def _hasher() -> PasswordHasher:
    return PasswordHasher()


@cache
def _nobodys_hash() -> str:
    return _hasher().hash("nobody has this password")


def _next() -> str:
    """Where to go afterwards: a page of ours or the desk, never another site."""
    to = request.values.get("next", "")
    ours = to.startswith("/") and to[1:2] not in ("/", "\\") and to.isprintable()
    return to if ours else url_for("inbox.desk")
