"""One view for everything that is pushed to us, and the public form pages.

The view reads raw bytes within limits, hands them to `hub.intake.accept` and sends the answer the sender
expects. It decides nothing and never answers 500 to a form post: our own trouble is a 503 with Retry-After.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from flask import Blueprint, Response, abort, current_app, redirect, render_template, request
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.exceptions import InternalServerError, RequestEntityTooLarge
from werkzeug.wrappers import Response as WerkzeugResponse

from connectors.contract import Raw, Reply, Source
from hub.clock import instant
from hub.intake.accept import HEADERS_KEPT, Accepted, Begun, Refused
from hub.intake.connections import Live
from hub.model import event, event_work, inquiry
from hub.store.groupcommit import NotStored

bp = Blueprint("inbound", __name__)

RATIO = 20
PARTS = 1000
LATER = "leadhub.later"
"""A server that can wait without a thread leaves a list here. The view then answers at once, with nothing that counts,
and adds (ticket, answer): the answer is asked for, and sent, when the ticket is done."""
RETRY_AFTER = "5"
A_MINUTE = "60"
FORM_TYPES = ("application/x-www-form-urlencoded", "multipart/form-data")


@bp.route("/in/<token>", methods=["GET", "HEAD", "POST", "OPTIONS"], provide_automatic_options=False)
def receive(token: str) -> WerkzeugResponse:
    """Take a message in (POST, or GET with data where the connection allows it), or tell a receipt's state (GET)."""
    hub = current_app.extensions["hub"]
    try:
        live = hub.connections.by_token(token)
        if live is not None:
            return _with_cors(_asked(hub, live), live)
        return _state_of(token) if request.method == "GET" else _error(404, "unknown", "There is no such address")
    except (NotStored, SQLAlchemyError):
        return _come_again()


def _asked(hub: Any, live: Live) -> WerkzeugResponse:
    if request.method == "OPTIONS":
        return Response(status=200)
    if request.method == "HEAD" or (
        request.method == "GET" and not (request.query_string and live.row.config.get("get"))
    ):
        return _greet(live)
    try:
        raw = _raw(hub, live)
        begun = hub.intake.begin(live, raw, request.remote_addr or "")
    except Refused as refused:
        return _refusal(refused)
    if isinstance(begun, Reply):
        return _answer(live, raw, begun)
    later = request.environ.get(LATER)
    if later is None:
        begun.ticket.wait()
        return _finished(hub, live, raw, begun)
    later.append((begun.ticket, lambda: _with_cors(_finished(hub, live, raw, begun), live)))
    return Response(status=202)


def _finished(hub: Any, live: Live, raw: Raw, begun: Begun) -> WerkzeugResponse:
    """The answer, now that the disk has spoken. Needs no request any more."""
    try:
        taken = begun.finish()
    except Refused as refused:
        return _refusal(refused)
    except NotStored:
        return _come_again()
    if isinstance(taken, Accepted):
        hub.ring("flow")
    return _answer(live, raw, taken)


def _refusal(refused: Refused) -> WerkzeugResponse:
    answer = _error(refused.status, refused.code, str(refused), **refused.extra)
    if refused.status == 429:
        answer.headers["Retry-After"] = A_MINUTE
    return answer


@bp.errorhandler(InternalServerError)
def _come_again(error: InternalServerError | None = None) -> WerkzeugResponse:
    """Our own trouble, whatever it is: the sender keeps the message and comes again. Flask has logged a fault."""
    if error is not None and request.endpoint != f"{bp.name}.{receive.__name__}":
        return error.get_response()
    answer = _error(503, "not_stored", "Not stored, send it again later")
    answer.headers["Retry-After"] = RETRY_AFTER
    return answer


def _greet(live: Live) -> WerkzeugResponse:
    """Senders probe an address before they use it; a browser that opens it by hand is told what it is for."""
    if isinstance(live.connector, Source) and (shaken := live.source.reply(_probe())):
        return _reply(shaken)
    if request.method == "HEAD":
        return Response(status=200)
    if not request.query_string:
        return Response("This address takes inquiries by POST.\n", content_type="text/plain")
    answer = _error(405, "post_here", "This address takes inquiries by POST")
    answer.headers["Allow"] = "POST, OPTIONS, HEAD"
    return answer


def _probe() -> Raw:
    hub = current_app.extensions["hub"]
    return Raw(b"", instant(hub.clock.now()), _headers(), request.method, request.path, _query())


def _query() -> str:
    """As it stood on the wire, byte for byte."""
    return request.query_string.decode("latin-1")


# ── reading ──────────────────────────────────────────────────────────────────────────────────────


def _raw(hub: Any, live: Live) -> Raw:
    """The message within its limits; raises Refused with 400, 413 or 431."""
    headers = _headers()
    if sum(len(name) + len(value) for name, value in headers.items()) > HEADERS_KEPT:
        raise Refused(431, "headers_too_large", "More than 16 KiB of headers")
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    limit = hub.config.file_limit if kind == "multipart/form-data" or live.row.kind == "crm" else hub.config.form_limit
    if isinstance(live.connector, Source) and not live.source.browser and live.source.pull:
        limit = hub.config.file_limit
    body = _body(limit, headers)
    query = _query()
    if not body and not query:
        raise Refused(400, "empty", "The body is empty")
    if kind == "multipart/form-data":
        _check_parts(body)
    return Raw(body, instant(hub.clock.now()), headers, request.method, request.path, query)


def _body(limit: int, headers: dict[str, str]) -> bytes:
    request.max_content_length = limit
    try:
        body = request.get_data(cache=True)
    except RequestEntityTooLarge:
        raise Refused(413, "too_large", f"More than {limit // 1024} KiB") from None
    if headers.get("content-encoding", "").strip().lower() in ("gzip", "x-gzip"):
        del headers["content-encoding"]
        return _unpacked(body, limit)
    return body


def _unpacked(body: bytes, limit: int) -> bytes:
    """A packed body may not grow more than twentyfold. It may consist of several gzip members (RFC 1952, 2.2)."""
    most = min(limit, RATIO * max(len(body), 1024))
    plain, rest = b"", body
    while rest:
        unpacker = zlib.decompressobj(wbits=31)
        try:
            plain += unpacker.decompress(rest, most + 1 - len(plain))
        except zlib.error:
            raise Refused(400, "bad_gzip", "The body says it is gzip and is not") from None
        if len(plain) > most:
            raise Refused(413, "too_large", "The packed body grows too large")
        if not unpacker.eof:
            raise Refused(400, "bad_gzip", "The packed body breaks off")
        rest = unpacker.unused_data.lstrip(b"\0")
    return plain


def _check_parts(body: bytes) -> None:
    boundary = request.mimetype_params.get("boundary", "")
    mark = b"--" + boundary.encode("latin-1", "replace")
    if not boundary or mark not in body:
        raise Refused(400, "no_boundary", "The multipart body does not contain its boundary")
    if body.count(mark) > PARTS + 1:
        raise Refused(413, "too_many_parts", f"More than {PARTS} parts")


def _headers() -> dict[str, str]:
    found = {
        name[5:].replace("_", "-").lower(): value for name, value in request.environ.items() if name[:5] == "HTTP_"
    }
    for name in ("CONTENT_TYPE", "CONTENT_LENGTH"):
        if value := request.environ.get(name):
            found[name.replace("_", "-").lower()] = str(value)
    return found


# ── answering ────────────────────────────────────────────────────────────────────────────────────


def _answer(live: Live, raw: Raw, taken: Accepted | Reply) -> WerkzeugResponse:
    if isinstance(taken, Reply):
        return _reply(taken)
    if live.source.browser and _plain_form(raw):
        return redirect(live.row.settings.get("thanks_url") or f"/f/{quote(live.row.token)}/thanks", 303)
    answer = _reply(taken.reply)
    answer.headers["X-Receipt"] = taken.receipt
    return answer


def _plain_form(raw: Raw) -> bool:
    """A form posted without script: the visitor's browser shows our answer."""
    kind = raw.header("content-type").partition(";")[0].strip().lower()
    return kind in FORM_TYPES and "text/html" in raw.header("accept")


def _reply(reply: Reply) -> Response:
    return Response(reply.body, reply.status, content_type=reply.content_type)


def _error(status: int, code: str, message: str, **extra: str) -> Response:
    return _json({"error": code, "message": message, **extra}, status)


def _json(value: Mapping[str, Any], status: int = 200) -> Response:
    return Response(json.dumps(value), status, content_type="application/json")


def _with_cors(answer: WerkzeugResponse, live: Live) -> WerkzeugResponse:
    """Browsers on the customer's own site may post and read the receipt; credentials are never asked for."""
    if isinstance(live.connector, Source) and live.source.browser:
        answer.headers["Access-Control-Allow-Origin"] = live.row.config.get("origin", "*")
        answer.headers["Access-Control-Allow-Methods"] = "POST, OPTIONS"
        answer.headers["Access-Control-Allow-Headers"] = "Content-Type, Idempotency-Key"
        answer.headers["Access-Control-Expose-Headers"] = "X-Receipt"
        answer.headers["Access-Control-Max-Age"] = "600"
    return answer


# ── receipts ─────────────────────────────────────────────────────────────────────────────────────


def _state_of(receipt: str) -> WerkzeugResponse:
    """How far a message got: received, working, done, parked or quarantined. Says nothing about anybody."""
    found = receipt_state(current_app.extensions["hub"].store, receipt)
    return _json(found) if found else _error(404, "unknown", "There is no such receipt")


def receipt_state(store: Any, receipt: str) -> Mapping[str, Any] | None:
    """State of an event by its id; None if there is none."""
    with store.read_inbox() as conn:
        row = conn.execute(select(event.c.received_at).where(event.c.id == receipt)).one_or_none()
    if row is None:
        return None
    with store.read() as conn:
        work = conn.execute(
            select(event_work.c.state, event_work.c.code).where(event_work.c.event_id == receipt)
        ).one_or_none()
        inquiries = [
            decision
            for (decision,) in conn.execute(
                select(inquiry.c.decision).where(inquiry.c.event_id == receipt).order_by(inquiry.c.position)
            )
        ]
    state = {"taken": "working", "waiting": "working"}.get(work.state, work.state) if work else "received"
    return {
        "receipt": receipt,
        "received_at": instant(row.received_at).isoformat(),
        "state": state,
        "code": work.code if work else "",
        "inquiries": inquiries,
    }


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
