"""Who gets where: every route for every role, sessions, CSRF, limits, headers, and parameters nobody would type."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import update
from werkzeug.routing import Rule

from hub.funnel.moves import convert_lead, give_lead
from hub.model import member
from tests.web.world import PASSWORD, World, log_in, open_world, press, token

ROLES = ("", "dora", "sue", "sam", "ada")
"""Nobody, lead desk, sales without a record of their own, sales who own the record, admin."""

OPEN, LOGIN, NOTHING, ANY = "open", "login", "nothing", "any"
EVERYBODY = (OPEN,) * 5
STAFF = (LOGIN, OPEN, OPEN, OPEN, OPEN)
OWN = (LOGIN, OPEN, NOTHING, OPEN, OPEN)
DEALS = (LOGIN, NOTHING, OPEN, OPEN, OPEN)
OWN_DEALS = (LOGIN, NOTHING, NOTHING, OPEN, OPEN)

MATRIX = {
    "static": EVERYBODY, "health.health": EVERYBODY,
    "inbound.receive": EVERYBODY, "inbound.hosted_form": EVERYBODY, "inbound.thanks": EVERYBODY,
    "access.home": EVERYBODY, "access.login": EVERYBODY, "access.enter": EVERYBODY, "access.logout": EVERYBODY,
    "access.choose_language": EVERYBODY,
    "answering.show": (NOTHING,) * 5, "answering.press": (NOTHING,) * 5,
    "profile.show": STAFF, "profile.mail": STAFF, "profile.bot": (LOGIN,) + (NOTHING,) * 4, "profile.drop": STAFF,
    "inbox.desk": STAFF, "inbox.rows": STAFF, "board.show": STAFF,
    "card.show": OWN, "acts.press": OWN,
    "deals.listing": DEALS, "deals.show": OWN_DEALS, "deals.press": OWN_DEALS,
    "dealing.back": OWN_DEALS, "dealing.go_back": OWN_DEALS, "dealing.check": OWN_DEALS, "dealing.new": DEALS,
    "dealing.make": DEALS,
}  # fmt: skip
"""Endpoint -> what each of ROLES meets there."""
ROOMS = {"admin": (LOGIN, NOTHING, NOTHING, NOTHING, ANY), "first": (NOTHING,) * 5}
"""Blueprint -> the same for all its routes: admin pages are for admins, the first-run page is for nobody afterwards."""


@pytest.fixture(scope="module")
def crossed(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A world in which Sam owns a lead and a deal. Requests go without CSRF tokens: those have a test of their own."""
    world = open_world(built, tmp_path_factory.mktemp("crossed"))
    with world.hub.store.write() as conn:
        for name in ("Ivan Petrov", "John Smith"):
            give_lead(conn, world.hub.clock, world.leads[name], world.members["sam"], "hub")
        world.leads["deal"] = convert_lead(conn, world.hub.clock, world.leads["John Smith"], "hub")
    world.app.config["WTF_CSRF_ENABLED"] = False
    yield world
    world.close()


@pytest.fixture(scope="module")
def cookies(crossed: World) -> dict[str, str]:
    """One session per role, kept by the test because logging out takes the browser's."""
    found = {"": ""}
    for login in filter(None, ROLES):
        answer = log_in(crossed.visitor(), login)
        found[login] = re.match(r"leadhub=([^;]+)", answer.headers["Set-Cookie"])[1]  # type: ignore[index]
    return found


def routes(world: World) -> list[tuple[Rule, str]]:
    return [
        (rule, method)
        for rule in sorted(world.app.url_map.iter_rules(), key=lambda rule: (rule.rule, rule.endpoint))
        for method in sorted(rule.methods or ())
        if method in ("GET", "POST")
    ]


def address_of(world: World, rule: Rule) -> str:
    """An address of this route that leads to a record of Sam's where it leads to a record."""
    live = world.hub.connections.by_id(world.form)
    assert live is not None
    values = {
        "filename": "desk.css", "token": live.row.token, "lead_id": world.leads["Ivan Petrov"],
        "deal_id": world.leads["deal"], "act": "stage",
    }  # fmt: skip
    for name in rule.arguments - set(values):
        values[name] = world.leads["Ivan Petrov"]
    with world.app.test_request_context():
        built: Any = world.app.url_map.bind("localhost").build(rule.endpoint, {n: values[n] for n in rule.arguments})
    return str(built)


def met(world: World, cookie: str, method: str, address: str) -> tuple[str, int]:
    """What somebody meets at an address: login, nothing, or an open door (also with a complaint behind it)."""
    client = world.app.test_client()
    if cookie:
        client.set_cookie("leadhub", cookie)
    with client.open(address, method=method) as answer:
        if answer.status_code == 302 and str(answer.location).startswith("/login"):
            return LOGIN, 302
        return (NOTHING if answer.status_code == 404 else OPEN), answer.status_code


def test_every_route_meets_every_role_as_written(crossed: World, cookies: dict[str, str]) -> None:
    wrong = []
    for rule, method in routes(crossed):
        row = MATRIX.get(rule.endpoint) or ROOMS.get(rule.endpoint.partition(".")[0])
        assert row, f"{rule.endpoint} ({rule.rule}) has no row in MATRIX"
        for login, expected in zip(ROLES, row, strict=True):
            found, status = met(crossed, cookies[login], method, address_of(crossed, rule))
            if status >= 500 or (expected != ANY and found != expected) or (expected == ANY and found == LOGIN):
                wrong.append(f"{method} {rule.rule} {login or 'nobody'}: {found} ({status}), expected {expected}")
    assert wrong == []


def test_rows_of_the_matrix_are_routes(still: World) -> None:
    assert set(MATRIX) - {rule.endpoint for rule in still.app.url_map.iter_rules()} == set()


# ── CSRF ─────────────────────────────────────────────────────────────────────────────────────────


def test_no_form_of_ours_is_taken_without_its_token(world: World) -> None:
    client = world.visitor("ada")
    for rule, method in routes(world):
        if method == "POST" and not rule.endpoint.startswith(("inbound.", "deals.", "first.")):
            address = address_of(_with_deal(world), rule)
            assert client.post(address).status_code in (400, 403), rule.rule


def _with_deal(world: World) -> World:
    world.leads.setdefault("deal", world.leads["Ivan Petrov"])
    return world


def test_a_token_of_another_session_is_none(world: World) -> None:
    foreign = token(world.visitor("dan").get("/board").get_data(as_text=True))
    answer = world.visitor("dora").post(f"/leads/{world.leads['Ivan Petrov']}/take", data={"csrf_token": foreign})
    assert answer.status_code == 400


# ── sessions and logins ──────────────────────────────────────────────────────────────────────────


def test_the_session_cookie_is_out_of_reach_of_scripts_and_other_sites(still: World) -> None:
    cookie = log_in(still.visitor(), "dora").headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    assert "Secure" not in cookie


def test_under_https_the_cookie_stays_there(built: Path, tmp_path: Path) -> None:
    world = open_world(built, tmp_path, public_url="https://hub.example.com")
    client = world.visitor()
    page = client.get("/login", base_url="https://hub.example.com")
    assert "Secure" in page.headers["Set-Cookie"]
    assert page.headers["Strict-Transport-Security"] == "max-age=31536000"
    world.close()


def test_login_begins_a_new_session(still: World) -> None:
    client = still.visitor()
    with client.session_transaction() as before:
        before["planted"] = "by somebody else"
    log_in(client, "dora")
    with client.session_transaction() as after:
        assert "planted" not in after


@pytest.mark.parametrize("values", [{"active": False}, {"password_hash": "another"}], ids=["switched off", "password"])
def test_a_session_ends_with_the_member(world: World, values: dict[str, object]) -> None:
    client = world.visitor("dora")
    with world.hub.store.write() as conn:
        conn.execute(update(member).where(member.c.login == "dora").values(**values))
    assert client.get("/desk").location == "/login?next=/desk"
    assert client.get("/desk/rows", headers={"HX-Request": "true"}).headers["HX-Redirect"] == "/login"


def test_sessions_of_another_hub_are_worth_nothing(still: World, world: World) -> None:
    world.app.secret_key = b"another hub's key"
    cookie = log_in(world.visitor(), "ada").headers["Set-Cookie"]
    client = still.visitor()
    client.set_cookie("leadhub", cookie.partition("=")[2].partition(";")[0])
    assert client.get("/desk").status_code == 302


def test_logging_out_logs_out(still: World) -> None:
    client = still.visitor("dora")
    assert press(client, "/logout").location == "/login"
    assert client.get("/desk").status_code == 302


@pytest.fixture(scope="module")
def guessed(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A world whose accounts may be locked for a while."""
    world = open_world(built, tmp_path_factory.mktemp("guessed"))
    yield world
    world.close()


@pytest.mark.parametrize(
    ("login", "password"),
    [("dora", ""), ("dora", PASSWORD + " "), ("dora", "x" * 10_000), ("nobody", PASSWORD), ("", ""), ("\0", "\0"),
     ("' OR 1=1 --", "' OR 1=1 --"), ("x" * 10_000, PASSWORD)],
)  # fmt: skip
def test_wrong_logins(guessed: World, login: str, password: str) -> None:
    client = guessed.visitor(address=f"10.0.{len(login) % 250}.{len(password) % 250}")
    assert log_in(client, login, password).status_code in (401, 429)


def test_five_wrong_passwords_a_minute_per_account(world: World) -> None:
    tries = [log_in(world.visitor(address=f"10.1.0.{n}"), "dora", "wrong").status_code for n in range(6)]
    assert tries == [401] * 5 + [429]
    assert log_in(world.visitor(address="10.1.0.99"), "dora").status_code == 429, "not even with the right one"
    assert log_in(world.visitor(address="10.1.0.99"), "dan").status_code == 303


def test_five_wrong_passwords_a_minute_per_address(world: World) -> None:
    tries = [log_in(world.visitor(address="10.2.0.1"), f"guess{n}", "wrong").status_code for n in range(6)]
    assert tries == [401] * 5 + [429]
    assert log_in(world.visitor(address="10.2.0.2"), "dora").status_code == 303


def test_right_passwords_are_not_counted(world: World) -> None:
    assert [log_in(world.visitor(), "dora").status_code for _n in range(6)] == [303] * 6


@pytest.mark.parametrize(
    "to", ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)", "/\t/evil.example", ""]
)
def test_the_login_leads_to_our_own_pages_only(still: World, to: str) -> None:
    client = still.visitor()
    page = client.get("/login", query_string={"next": to}).get_data(as_text=True)
    answer = client.post("/login", data={"csrf_token": token(page), "login": "dora", "password": PASSWORD, "next": to})
    assert answer.location == "/desk"


# ── headers ──────────────────────────────────────────────────────────────────────────────────────


def test_every_answer_wears_its_shields(crossed: World, cookies: dict[str, str]) -> None:
    unknown = [("/no/such/page", "GET"), ("/desk", "DELETE"), ("/deals", "PATCH")]
    known = [(address_of(crossed, rule), method) for rule, method in routes(crossed)]
    for address, method in known + unknown:
        for cookie in (cookies["ada"], cookies["dora"], ""):
            client = crossed.app.test_client()
            if cookie:
                client.set_cookie("leadhub", cookie)
            with client.open(address, method=method) as answer:
                check_headers(address, answer.headers)


def check_headers(address: str, headers: Any) -> None:
    policy = headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy, address
    assert "unsafe" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    if address.startswith("/f/"):
        assert "frame-ancestors *" in policy
    else:
        assert "frame-ancestors 'none'" in policy, address
    if not address.startswith("/static/"):
        assert headers["Cache-Control"] == "no-store", address
    assert not {"Server", "X-Powered-By"} & set(headers.keys())


INLINE = re.compile(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=|javascript:", re.IGNORECASE)


def test_no_page_holds_scripts_or_styles_of_its_own(crossed: World, cookies: dict[str, str]) -> None:
    client = crossed.app.test_client()
    client.set_cookie("leadhub", cookies["ada"])
    for rule, method in routes(crossed):
        if method == "GET" and rule.endpoint != "static":
            page = client.get(address_of(crossed, rule)).get_data(as_text=True)
            assert not INLINE.findall(page), rule.rule


# ── what nobody would type ───────────────────────────────────────────────────────────────────────

ODD = (
    "-1", "1e9", "'", '"', "'; DROP TABLE lead;--", "%", "\0", b"\xed\xa0\x80", "x" * 10_000,
    "99999999999999.01KGE3H900040SQJHWPWQE0A4X", "0.x", "<script>", "../../etc/passwd", "[]", "🙂",
)  # fmt: skip


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: repr(odd)[:20])
def test_odd_parameters_never_break_a_page(crossed: World, cookies: dict[str, str], odd: str | bytes) -> None:
    for login in ("dora", "ada"):
        client = crossed.app.test_client()
        client.set_cookie("leadhub", cookies[login])
        for path in ("/desk", "/desk/rows", "/board", "/deals", "/login"):
            for name in ("q", "show", "after", "page", "stage", "seen", "next"):
                assert client.get(path, query_string={name: odd}).status_code < 405, (path, name)
        _odd_in_forms(client, crossed, odd)


def _odd_in_forms(client: FlaskClient, world: World, odd: str | bytes) -> None:
    for address, name in (
        (f"/leads/{world.leads['Maria Schmidt']}/stage", "stage"),
        (f"/leads/{world.leads['Maria Schmidt']}/give", "owner"),
        (f"/deals/{world.leads['deal']}/stage", "stage"),
        ("/language", "language"),
    ):
        assert client.post(address, data={name: odd}).status_code in (400, 404, 409), (address, name)


@pytest.mark.parametrize(
    "odd", ["0", "x" * 10_000, "01KGE3H900040SQJHWPWQE0A4-", "%00", "../desk", "01kge3h900040sqjhwpwqe0a4x"]
)
def test_odd_ids_are_not_found(still: World, odd: str) -> None:
    client = still.visitor("ada")
    for path in ("leads", "deals"):
        assert client.get(f"/{path}/{odd}").status_code == 404


def test_error_pages_look_like_ours_and_tell_no_secret(still: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_scope: object, _wanted: object) -> None:
        raise RuntimeError("secret detail")

    client = still.visitor("dora")
    monkeypatch.setattr("hub.web.desk.inbox.read_page", broken)
    monkeypatch.setitem(still.app.config, "PROPAGATE_EXCEPTIONS", False)
    answer = client.get("/desk")
    page = answer.get_data(as_text=True)
    assert answer.status_code == 500
    assert "Something broke on our side" in page
    assert re.search(r"Number of this fault: [0-9A-Z]{26}", page)
    assert "secret detail" not in page
    assert "Traceback" not in page
    assert "Nothing here" in client.get("/nowhere").get_data(as_text=True)
