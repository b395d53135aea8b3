"""What senders and visitors see of the hub under Flask: the door at /in/<token>, and the public form pages."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, abort, current_app, render_template, request
from werkzeug.exceptions import InternalServerError
from werkzeug.wrappers import Response as WerkzeugResponse

from hub.intake.connections import Live
from hub.web.door import Asked, Door, Told, Waiting, come_again, error

bp = Blueprint("inbound", __name__)


@bp.route("/in/<token>", methods=["GET", "HEAD", "POST", "OPTIONS"], provide_automatic_options=False)
def receive(token: str) -> WerkzeugResponse:
    """The door, for a server that gives each request a thread; see `hub.web.door`."""
    told = Door(current_app.extensions["hub"]).ask(_asked())
    if isinstance(told, Waiting):
        told.ticket.wait()
        told = told.finish()
    return _response(told)


def _asked() -> Asked:
    headers = {
        name[5:].replace("_", "-").lower(): value for name, value in request.environ.items() if name[:5] == "HTTP_"
    }
    for name in ("CONTENT_TYPE", "CONTENT_LENGTH"):
        if value := request.environ.get(name):
            headers[name.replace("_", "-").lower()] = str(value)
    query = request.query_string.decode("latin-1")
    return Asked(request.method, request.path, query, headers, request.get_data(), request.remote_addr or "")


def _response(told: Told) -> Response:
    return Response(told.body, told.status, told.headers)


@bp.errorhandler(InternalServerError)
def fault(trouble: InternalServerError) -> WerkzeugResponse:
    """Flask has logged it; at the door the sender keeps the message and comes again."""
    if request.endpoint != f"{bp.name}.{receive.__name__}":
        return trouble.get_response()
    return _response(come_again())


@bp.errorhandler(413)
def too_large(_: Exception) -> WerkzeugResponse:
    """Larger than any message may be; the server's front refuses it before that."""
    limit = int(current_app.config["MAX_CONTENT_LENGTH"])
    return _response(error(413, "too_large", f"More than {limit // 1024} KiB"))


# ── the public form ──────────────────────────────────────────────────────────────────────────────


def _form(token: str, also_off: bool = False) -> Live:
    live: Live | None = current_app.extensions["hub"].connections.by_token(token)
    if live is None or live.row.connector != "webform" or (live.row.state == "off" and not also_off):
        abort(404)
    return live


@bp.get("/f/<token>")
def hosted_form(token: str) -> str:
    """Our own form as a page, for those who have none."""
    live = _form(token)
    settings = live.row.settings
    hub = current_app.extensions["hub"]
    language = settings.get("language") or hub.config.locale
    form = {
        "name": live.row.name,
        "title": settings.get("title") or live.row.name,
        "address": f"{hub.config.public_url}/in/{token}",
        "fields": live.row.config.get("fields") or default_fields(language),
        "consent_text": settings.get("consent_text", ""),
        "consent_version": settings.get("consent_version", ""),
        "language": language,
    }
    return render_template("hosted_form.html", form=form)


@bp.get("/f/<token>/thanks")
def thanks(token: str) -> str:
    """Where a form without script ends; what came to a form that is switched off is kept too."""
    live = _form(token, also_off=True)
    language = live.row.settings.get("language") or current_app.extensions["hub"].config.locale
    return render_template("thanks.html", language=language, name=live.row.name)


LABELS = {
    "en": ("Your name", "Phone", "E-mail", "Message"),
    "ru": ("Как к вам обращаться", "Телефон", "Эл. почта", "Сообщение"),
}


def default_fields(language: str) -> list[dict[str, Any]]:
    """What a form asks before anybody chose: fields as `hosted_form.html` wants them."""
    kinds = (("name", "text"), ("phone", "tel"), ("email", "email"), ("message", "textarea"))
    labels = LABELS.get(language, LABELS["en"])
    return [{"name": name, "type": kind, "label": label} for (name, kind), label in zip(kinds, labels, strict=True)]
