"""The hosted form and the embed script in a real browser, read by the source they post to; with and without script."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import jinja2
import pytest

from connectors.contract import Draft, DraftKind, Raw
from connectors.sources.webform import WebForm

WEB = Path(__file__).parents[2] / "hub/web"
CONSENT = "Согласен на обработку данных"
FORM: dict[str, Any] = {
    "title": "Замер <кухни>",
    "name": "kitchen",
    "fields": [
        {"name": "name", "label": "Имя", "type": "text", "required": True},
        {"name": "phone", "label": "Телефон", "type": "tel"},
        {"name": "room", "label": "Комната", "type": "select", "options": ["кухня", "зал"]},
        {"name": "message", "label": "Вопрос", "type": "textarea"},
    ],
    "consent_text": CONSENT,
    "consent_version": "2026-01",
    "language": "ru",
}


def page(form: dict[str, Any]) -> str:
    folder = jinja2.FileSystemLoader(WEB / "templates")
    rooms = jinja2.Environment(loader=folder, autoescape=True, undefined=jinja2.ChainableUndefined)
    return rooms.get_template("hosted_form.html").render(form=form, url_for=lambda _, filename: f"/static/{filename}")


class Site(ThreadingHTTPServer):
    """A page with the form, and an inbox whose answers a test chooses."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Door)
        self.form = FORM
        self.answers: list[int] = []
        self.inbox: list[Raw] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def drafts(self) -> list[Draft]:
        return [draft for raw in self.inbox for draft in WebForm({"least_ms": "0"}, {}).parse(raw)]


class _Door(BaseHTTPRequestHandler):
    server: Site

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path.startswith("/static/"):
            return self._send(
                200, (WEB / path[1:]).read_bytes(), "text/javascript" if path.endswith("js") else "text/css"
            )
        return self._send(200, page({**self.server.form, "address": "/in/test"}).encode(), "text/html; charset=utf-8")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        status = self.server.answers.pop(0) if self.server.answers else 200
        if status == 200:
            self.server.inbox.append(Raw(body, datetime.now(UTC), headers))
        self._send(status, b"{}", "application/json")

    def _send(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def site() -> Iterator[Site]:
    server = Site()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def browser(chromium: Any) -> Any:
    return chromium


def fill(tab: Any, name: str) -> None:
    tab.fill("[name=name]", name)
    tab.fill("[name=phone]", "+7 900 555-05-01")
    tab.select_option("[name=room]", "зал")
    tab.check("[name=consent]")
    tab.click("button")


def test_the_script_tells_where_the_visitor_came_from(site: Site, browser: Any) -> None:
    tab = browser.new_page()
    tab.goto(f"{site.address}/?utm_source=vk&gclid=c1", referer="https://search.example.test/q")
    tab.goto(f"{site.address}/again?utm_source=mail&utm_medium=letter")
    fill(tab, "Зоя")
    tab.wait_for_selector("[data-thanks]:not([hidden])")
    [draft] = site.drafts()
    assert (draft.kind, draft.form, draft.person.name) == (DraftKind.INQUIRY, "kitchen", "Зоя")
    assert draft.key
    assert draft.person.phones == ("+7 900 555-05-01",)
    assert draft.person.handles[0].kind == "visitor"
    assert draft.fields == {"room": "зал"}
    assert draft.first_touch is not None
    assert draft.first_touch.utm == {"source": "vk"}
    assert draft.first_touch.click_ids == {"gclid": "c1"}
    assert draft.first_touch.referrer.startswith("https://search.example.test/")
    assert draft.touch.utm == {"source": "mail", "medium": "letter"}
    assert draft.consent is not None
    assert (draft.consent.given, draft.consent.text, draft.consent.version) == (True, CONSENT, "2026-01")
    tab.close()


def test_what_could_not_be_sent_goes_later_under_the_same_id(site: Site, browser: Any) -> None:
    site.answers = [503]
    tab = browser.new_page()
    tab.goto(site.address)
    fill(tab, "Лев")
    tab.wait_for_function("JSON.parse(localStorage.lh_outbox).length === 1")
    kept = tab.evaluate("JSON.parse(localStorage.lh_outbox)[0].body.submission_id")
    tab.goto(site.address)  # closes the page in the middle of its attempts
    tab.wait_for_function("JSON.parse(localStorage.lh_outbox).length === 0", timeout=15000)
    assert {draft.key for draft in site.drafts()} == {kept}
    tab.close()


def test_a_double_click_sends_once_and_two_forms_send_twice(site: Site, browser: Any) -> None:
    tab = browser.new_page()
    tab.goto(site.address)
    tab.evaluate(
        "document.querySelector('button')"
        ".addEventListener('click', e => setTimeout(() => e.target.click(), 0), {once: true})"
    )
    fill(tab, "Раз")
    tab.wait_for_selector("[data-thanks]:not([hidden])")
    fill(tab, "Два")
    tab.wait_for_function("JSON.parse(localStorage.lh_outbox).length === 0")
    found = site.drafts()
    assert [draft.person.name for draft in found] == ["Раз", "Два"]
    assert len({draft.key for draft in found}) == 2
    tab.close()


def test_files_go_as_multipart_with_everything_else(site: Site, browser: Any, tmp_path: Path) -> None:
    (tmp_path / "план.txt").write_text("план")
    site.form = {**FORM, "fields": [*FORM["fields"], {"name": "plan", "label": "План", "type": "file"}]}
    tab = browser.new_page()
    tab.goto(f"{site.address}/?utm_source=ok")
    tab.set_input_files("[name=plan]", tmp_path / "план.txt")
    fill(tab, "Ия")
    tab.wait_for_selector("[data-thanks]:not([hidden])")
    [draft] = site.drafts()
    assert [(one.name, one.size) for one in draft.files] == [("план.txt", 8)]
    assert draft.key
    assert draft.touch.utm == {"source": "ok"}
    assert draft.consent is not None
    assert draft.consent.given
    tab.close()


def test_the_form_posts_without_any_script(site: Site, browser: Any) -> None:
    context = browser.new_context(java_script_enabled=False)
    tab = context.new_page()
    tab.goto(f"{site.address}/?utm_source=vk")
    fill(tab, "Без скрипта")
    tab.wait_for_url("**/in/test")
    [draft] = site.drafts()
    assert (draft.key, draft.kind, draft.form) == (None, DraftKind.INQUIRY, "kitchen")
    assert draft.person.name == "Без скрипта"
    assert draft.touch.utm == {"source": "vk"}
    assert draft.consent is not None
    assert (draft.consent.given, draft.consent.text) == (True, CONSENT)
    context.close()


def test_the_page_escapes_and_speaks_its_language() -> None:
    html = page({**FORM, "address": "/in/test"})
    assert "Замер &lt;кухни&gt;" in html
    assert "Отправить" in html
    assert "Send" in page({**FORM, "language": "en"})
    assert "Send" in page({**FORM, "language": "fr"})
    assert "consent" not in page({**FORM, "consent_text": ""}).replace("data-consent", "")


def test_the_script_stays_small() -> None:
    assert len((WEB / "static/leadform.js").read_text("utf-8").splitlines()) < 150, "it loads on other people's pages"
