"""What protects every answer: headers, error pages that look like ours, and rooms some roles shall not know of.

Runs before everything else, so that an address of the deal block tells a lead desk person exactly what any
unknown address tells: the same status, headers and bytes, whatever the method and even without a CSRF token.
"""

from __future__ import annotations

import logging
from typing import Any

from flask import Flask, abort, current_app, g, render_template, request
from werkzeug.exceptions import HTTPException, InternalServerError
from werkzeug.wrappers import Response

from hub.web.desk.access import Who, whoami
from hub.web.desk.tongue import _

log = logging.getLogger("leadhub.web")

POLICY = "default-src 'self'; base-uri 'none'; object-src 'none'"
PAGES = f"{POLICY}; form-action 'self'; frame-ancestors 'none'"
YEAR = 365 * 24 * 3600
HIDDEN = ("/deals",)
"""Where deals are. Lead desk people get the answer of an address that does not exist."""


def init_app(app: Flask, hub: Any) -> None:
    """Shields for every route of the application."""
    secure = hub.config.public_url.startswith("https://")
    # A form on another page of ours, or embedded elsewhere, posts to the public address and may be led to a thanks
    # page of the customer's site: browsers apply form-action to redirects too.
    forms = f"{POLICY}; connect-src 'self' {hub.config.public_url}; frame-ancestors *"

    def dress(response: Response) -> Response:
        headers = response.headers
        headers["Content-Security-Policy"] = forms if request.path.startswith("/f/") else PAGES
        headers["X-Content-Type-Options"] = "nosniff"
        headers["Referrer-Policy"] = "same-origin"
        if not request.path.startswith("/f/"):
            headers["X-Frame-Options"] = "DENY"
        if secure:
            headers["Strict-Transport-Security"] = f"max-age={YEAR}"
        if request.endpoint != "static":
            headers["Cache-Control"] = "no-store"
        return response

    app.before_request(_hide)
    app.after_request(dress)
    app.register_error_handler(HTTPException, _page)


def _hide() -> None:
    asked = any(request.path == path or request.path.startswith(path + "/") for path in HIDDEN)
    if asked and whoami().role == "lead_desk":
        abort(404)


def _page(error: HTTPException) -> Response | HTTPException:
    """An error as a page. Says what to do; a fault of ours carries a number that stands in the log."""
    code = error.code or 500
    if code < 400:
        return error
    number = _report(error) if isinstance(error, InternalServerError) else ""
    if number:
        g._login_user = Who()  # where Flask-Login keeps the member: a dead database is not asked a second time
    title, advice = _words(code)
    body = render_template("error.html", code=code, title=title, advice=advice, number=number, back="/")
    answer: Response = current_app.make_response((body, code))
    for name, value in error.get_headers():
        if name in ("Allow", "Retry-After"):
            answer.headers[name] = value
    return answer


def _report(error: InternalServerError) -> str:
    number: str = current_app.extensions["hub"].clock.new_id()
    log.error("page failed number=%s fault=%s", number, type(error.original_exception or error).__name__)
    return number


def _words(code: int) -> tuple[str, str]:
    known = {
        400: (_("This did not come from our page"), _("Go back, reload the page and try again.")),
        403: (_("Not allowed"), _("Ask an admin if you need this.")),
        404: (_("Nothing here"), _("The address is wrong, or the page is not for you.")),
        405: (_("This cannot be done here"), _("Go back and use the buttons of the page.")),
        413: (_("Too large"), _("Send less at once.")),
        429: (_("Too many tries"), _("Wait a minute, then try again.")),
        500: (_("Something broke on our side"), _("It has been noted. Try again; if it stays, tell an admin.")),
    }
    return known.get(code) or known[400 if code < 500 else 500]
