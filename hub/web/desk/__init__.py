"""The pages where the lead desk and sales work, and what all pages of the hub share: sessions, languages, shields.

`init_app` is the only wiring. What one person may see is decided in `scope` alone; what leads do is decided
in `hub.funnel.moves` alone; here is only what people look at and press.
"""

from __future__ import annotations

from typing import Any

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from flask import Flask
from flask_babel import Babel
from flask_wtf import CSRFProtect
from werkzeug.routing import BaseConverter

from hub.store.secrets import load_key
from hub.web import inbound
from hub.web.desk import access, acts, board, card, dealing, deals, inbox, profile, shield, shown

WEEK = 7 * 24 * 3600


class Key(BaseConverter):
    """An id of `hub.clock` in an address; everything else is simply not found."""

    regex = "[0-9A-Z]{26}"


def init_app(app: Flask, hub: Any) -> None:
    """Add sessions, languages, shields and the desk to the application."""
    _configure(app, hub)
    app.url_map.converters["key"] = Key
    shield.init_app(app, hub)
    access.init_app(app)
    CSRFProtect(app).exempt(inbound.bp)
    Babel(app, locale_selector=access.language)
    shown.init_app(app)
    for part in (access, inbox, card, acts, dealing, deals, board, profile):
        app.register_blueprint(part.bp)
    access.limit_logins(app)


def _configure(app: Flask, hub: Any) -> None:
    secure = hub.config.public_url.startswith("https://")
    app.config.update(
        SECRET_KEY=session_key(load_key(hub.config.folder, hub.config.key)),
        SESSION_COOKIE_NAME="leadhub",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=secure,
        SESSION_REFRESH_EACH_REQUEST=False,
        PERMANENT_SESSION_LIFETIME=WEEK,
        WTF_CSRF_TIME_LIMIT=None,
        BABEL_DEFAULT_LOCALE="en",
        BABEL_DOMAIN="messages;admin",
        # One folder per domain, in the same order: https://python-babel.github.io/flask-babel/#configuration
        BABEL_TRANSLATION_DIRECTORIES="translations;translations",
    )


def session_key(key: bytes) -> bytes:
    """The key that signs sessions: made from the hub's key at every start, stored nowhere."""
    return HKDF(SHA256(), 32, salt=None, info=b"leadhub sessions 1").derive(key)
