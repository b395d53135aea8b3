"""The accepting end over HTTP: what each sender is answered, what is kept, and how far it got."""

from __future__ import annotations

import base64
import gzip
import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.event import listens_for
from sqlalchemy.exc import OperationalError
from werkzeug.test import TestResponse

from connectors import registry
from connectors.contract import Source
from connectors.reading import sign_base64
from hub.app import create_app
from hub.intake.quarantine import replay_cause
from hub.model import connection, event, event_work, inquiry, journal, lead, look_again, match_key
from hub.store.groupcommit import NotStored
from tests.whole import FORM, JSON, Whole, whole_hub

HTML = {"Accept": "text/html,application/xhtml+xml"}
PLAIN = b"name=Anna+Serova&phone=%2B79161234507"
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.fixture
def whole(tmp_path: Path) -> Iterator[Whole]:
    with whole_hub(tmp_path) as made:
        yield made


def signed(whole: Whole, body: bytes = b'{"type":"lead","data":{"id":"7","name":"Anna"}}') -> dict[str, Any]:
    """Headers of a Standard Webhooks message with a good signature, and its body."""
    stamp = str(whole.clock.now() // 1000)
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    proof = sign_base64(key, f"msg_1.{stamp}.".encode() + body)
    headers = {"webhook-id": "msg_1", "webhook-timestamp": stamp, "webhook-signature": f"v1,{proof}"}
    return {"body": body, "kind": JSON, "headers": headers}


def state(whole: Whole, answer: TestResponse) -> str:
    """What GET /in/<receipt> says of an answered message."""
    receipt = answer.headers.get("X-Receipt") or answer.get_json()["receipt"]
    told = whole.client.get(f"/in/{receipt}")
    assert told.status_code == 200
    return str(told.get_json()["state"])


# ── what each sender wants to hear ───────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("connector", "values", "body", "kind", "answer"),
    [
        ("tilda", {}, PLAIN, FORM, b"ok"),
        ("webhook", {}, PLAIN, FORM, rb'\{"receipt":"[0-9A-Z]{26}"\}'),
        ("webhook", {"answer": "thank you"}, b'{"a":"b"}', JSON, b"thank you"),
        ("webform", {}, b'{"name":"Anna"}', JSON, rb'\{"receipt":"[0-9A-Z]{26}"\}'),
    ],
)
def test_every_sender_gets_the_receipt_it_understands(
    whole: Whole, connector: str, values: dict[str, str], body: bytes, kind: str, answer: bytes
) -> None:
    told = whole.post(whole.connect(connector, **values), body, kind)
    assert told.status_code == 200
    assert re.fullmatch(answer, told.data)
    [row] = whole.rows(event)
    assert (row.body, row.verdict, row.id) == (body, "ok", told.headers["X-Receipt"])


def test_a_signed_message_is_taken(whole: Whole) -> None:
    answer = whole.post(whole.connect("standard_webhooks", secret=SECRET), **signed(whole))
    assert answer.status_code == 200
    whole.flow()
    assert (state(whole, answer), whole.count(lead)) == ("done", 1)


@pytest.mark.parametrize("method", ["GET", "POST", "HEAD", "OPTIONS"])
def test_an_unknown_address_is_404_and_keeps_nothing(whole: Whole, method: str) -> None:
    assert whole.client.open("/in/nobody", method=method, data=b"a=b").status_code == 404
    assert whole.count(event) == 0


# ── who cannot prove who he is ───────────────────────────────────────────────────────────────────


def test_unverified_is_401_and_waits(whole: Whole) -> None:
    live = whole.connect("standard_webhooks", secret=SECRET)
    answer = whole.post(live, b'{"data":{"name":"Anna"}}', JSON)
    assert (answer.status_code, answer.get_json()["error"]) == (401, "unverified")
    assert state(whole, answer) == "received"
    whole.flow()
    assert (state(whole, answer), whole.count(lead), whole.count(event)) == ("quarantined", 0, 1)


@pytest.mark.parametrize("connector", registry.names("sources"))
def test_garbage_without_proof_is_never_a_fault(whole: Whole, connector: str) -> None:
    live = whole.connect(connector, **{s.name: "x" for s in registry.source(connector).form if s.required})
    for body in (b"\xff\xfe{", b"[1]", b"x" * 100, b"[" * 100_000, b'{"update_id":[]}', b'{"a":1}\x00'):
        for kind in (JSON, FORM, "text/plain", ""):
            assert whole.post(live, body, kind).status_code < 500


def test_beyond_the_limit_unverified_messages_are_429(tmp_path: Path) -> None:
    with whole_hub(tmp_path, quarantine_per_minute=3) as whole:
        live = whole.connect("standard_webhooks", secret=SECRET)
        answers = [whole.post(live, f'{{"n":{n}}}', JSON) for n in range(5)]
        assert [answer.status_code for answer in answers] == [401, 401, 401, 429, 429]
        assert answers[-1].headers["Retry-After"] == "60"
        assert whole.count(event) == 3
        assert whole.post(live, **signed(whole)).status_code == 200, "who can prove it is not held up by who cannot"


def test_a_replay_works_once_the_secret_is_right(whole: Whole) -> None:
    live = whole.connect("standard_webhooks", secret="whsec_bWlzdHlwZWQ=")
    answer = whole.post(live, **signed(whole))
    assert answer.status_code == 401
    whole.flow()
    whole.set_secret(live, secret=SECRET)
    whole.clock.advance(3600)
    with whole.hub.store.write() as conn:
        assert replay_cause(conn, whole.clock, "member:x", live.id, "unverified") == 1
    whole.flow()
    assert (state(whole, answer), whole.count(lead)) == ("done", 1)


def test_a_redelivery_after_the_secret_was_put_right_is_taken(whole: Whole) -> None:
    """The id of an unverified message is not spent: the sender's next try is the same message, now with proof."""
    live = whole.connect("standard_webhooks", secret="whsec_bWlzdHlwZWQ=")
    assert whole.post(live, **signed(whole)).status_code == 401
    whole.set_secret(live, secret=SECRET)
    assert whole.post(live, **signed(whole)).status_code == 200
    whole.flow()
    assert whole.count(lead) == 1


def test_a_stranger_cannot_spend_the_key_of_a_sender(whole: Whole) -> None:
    live = whole.connect("webhook", check="token", secret="s3cret")
    stolen = {"Idempotency-Key": "order-7"}
    assert whole.post(live, b"name=Mallory", headers=stolen).status_code == 401
    good = whole.post(live, b"name=Anna", headers={**stolen, "X-Webhook-Secret": "s3cret"})
    assert good.status_code == 200
    assert {row.verdict for row in whole.rows(event)} == {"unverified", "ok"}


# ── the same message again ───────────────────────────────────────────────────────────────────────


def test_one_idempotency_key_is_one_message(whole: Whole) -> None:
    live, key = whole.connect("webhook"), {"Idempotency-Key": "k1"}
    first, again = (whole.post(live, PLAIN, headers=key) for _ in range(2))
    assert first.data == again.data
    other = whole.post(live, b"name=Other", headers=key)
    assert (other.status_code, other.get_json()["error"]) == (422, "idempotency_conflict")
    assert whole.post(live, PLAIN, headers={"Idempotency-Key": "k" * 256}).status_code == 400
    assert whole.post(live, PLAIN, headers={"Idempotency-Key": "k" * 255}).status_code == 200
    assert whole.count(event) == 2


def test_one_id_of_the_sender_is_one_message(whole: Whole) -> None:
    live = whole.connect("standard_webhooks", secret=SECRET)
    first, again = (whole.post(live, **signed(whole)) for _ in range(2))
    assert first.data == again.data
    assert whole.count(event) == 1


def test_two_connections_do_not_share_keys(whole: Whole) -> None:
    answers = [whole.post(whole.connect("webhook"), PLAIN, headers={"Idempotency-Key": "k"}) for _ in range(2)]
    assert answers[0].data != answers[1].data
    assert whole.count(event) == 2


# ── how far a message got ────────────────────────────────────────────────────────────────────────


def test_a_receipt_tells_how_far_the_message_got(whole: Whole) -> None:
    live = whole.connect("webhook")
    done, parked, set_apart = (whole.post(live, b, k) for b, k in ((PLAIN, FORM), (b"[]", JSON), (b"zz=1", FORM)))
    assert {state(whole, answer) for answer in (done, parked, set_apart)} == {"received"}
    whole.flow()
    assert [state(whole, answer) for answer in (done, parked, set_apart)] == ["done", "parked", "quarantined"]
    told = whole.client.get(f"/in/{done.headers['X-Receipt']}").get_json()
    assert (told["inquiries"], told["received_at"]) == (["new_lead"], "2026-02-02T02:40:00+00:00")
    assert not re.search("Anna|Serova|7916", json.dumps(told)), "a receipt tells nothing about anybody"


# ── browsers ─────────────────────────────────────────────────────────────────────────────────────


def test_a_browser_on_a_foreign_site_may_post(whole: Whole) -> None:
    address = f"/in/{whole.connect('webform').row.token}"
    asked = whole.client.options(address, headers={"Origin": "https://shop.test"})
    assert asked.status_code == 200
    for answer in (asked, whole.client.post(address, data=PLAIN, content_type=FORM), whole.client.post(address)):
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert "Idempotency-Key" in answer.headers["Access-Control-Allow-Headers"]
        assert "Access-Control-Allow-Credentials" not in answer.headers


def test_an_origin_that_was_set_is_the_only_one(whole: Whole) -> None:
    live = whole.connect("webform", config={"origin": "https://shop.test"})
    assert whole.post(live, PLAIN).headers["Access-Control-Allow-Origin"] == "https://shop.test"


@pytest.mark.parametrize("connector", ["webhook", "tilda", "standard_webhooks"])
def test_servers_need_no_cors(whole: Whole, connector: str) -> None:
    live = whole.connect(connector, **({"secret": SECRET} if connector == "standard_webhooks" else {}))
    for answer in (whole.client.options(f"/in/{live.row.token}"), whole.post(live, PLAIN)):
        assert not [name for name, _ in answer.headers if name.startswith("Access-Control")]


def test_a_form_without_script_ends_on_a_page(whole: Whole) -> None:
    live = whole.connect("webform")
    answer = whole.post(live, PLAIN, headers=HTML)
    assert (answer.status_code, answer.location) == (303, f"/f/{live.row.token}/thanks")
    assert whole.client.get(answer.location).status_code == 200
    whole.change(live, settings={"thanks_url": "https://shop.test/thanks"})
    assert whole.post(live, PLAIN, headers=HTML).location == "https://shop.test/thanks"
    assert whole.post(live, b'{"name":"Anna"}', JSON, headers=HTML).status_code == 200, "a script reads the receipt"
    assert whole.count(event) == 3


# ── knocking ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("connector", ["webform", "webhook", "tilda", "standard_webhooks"])
def test_a_look_at_the_address_is_200_and_keeps_nothing(whole: Whole, connector: str) -> None:
    live = whole.connect(connector, **({"secret": SECRET} if connector == "standard_webhooks" else {}))
    address = f"/in/{live.row.token}"
    assert [whole.client.open(address, method=m).status_code for m in ("HEAD", "OPTIONS", "GET")] == [200, 200, 200]
    assert whole.client.head(f"{address}?a=b").status_code == 200
    assert whole.count(event) == 0


@pytest.mark.parametrize(("connector", "ping"), [("tilda", b"test=test"), ("webhook", b"test=test")])
def test_a_ping_is_answered_and_not_kept(whole: Whole, connector: str, ping: bytes) -> None:
    assert whole.post(whole.connect(connector), ping).status_code == 200
    assert whole.count(event) == 0


def test_a_lead_by_get_only_where_it_is_allowed(whole: Whole) -> None:
    closed, opened = whole.connect("webhook"), whole.connect("webhook", config={"get": True})
    refused = whole.client.get(f"/in/{closed.row.token}?name=Anna")
    assert (refused.status_code, "POST" in refused.headers["Allow"]) == (405, True)
    assert whole.client.get(f"/in/{opened.row.token}?name=Anna").status_code == 200
    assert whole.client.head(f"/in/{opened.row.token}?name=Anna").status_code == 200
    whole.flow()
    assert (whole.count(event), whole.rows(lead)[0].title) == (1, "Anna")


def test_a_query_that_is_no_text_is_no_fault(whole: Whole) -> None:
    address = f"/in/{whole.connect('webhook').row.token}"
    assert whole.client.get(address, query_string=b"name=\xff\xfe".decode("latin-1")).status_code == 405
    assert whole.client.get(address, environ_overrides={"QUERY_STRING": "name=\xff"}).status_code == 405


# ── limits ───────────────────────────────────────────────────────────────────────────────────────

KIB, MIB = 1024, 1024 * 1024
MULTIPART = "multipart/form-data; boundary=xx"
PART = b'--xx\r\nContent-Disposition: form-data; name="a"\r\n\r\n%b\r\n'


def parts(count: int, content: bytes = b"1") -> bytes:
    return PART % content * count + b"--xx--\r\n"


@pytest.mark.parametrize(
    ("body", "kind", "status", "code"),
    [
        (b"", FORM, 400, "empty"),
        (b" \r\n", JSON, 400, "empty"),
        (b"a=" + b"x" * MIB, FORM, 413, "too_large"),
        (b"a=" + b"x" * (MIB - 2), FORM, 200, ""),
        (parts(1, b"x" * 2 * MIB), MULTIPART, 200, ""),
        (parts(1, b"x" * 10 * MIB), MULTIPART, 413, "too_large"),
        (parts(1001), MULTIPART, 413, "too_many_parts"),
        (parts(1000), MULTIPART, 200, ""),
        (parts(1), "multipart/form-data", 400, "no_boundary"),
        (parts(1), "multipart/form-data; boundary=yy", 400, "no_boundary"),
        (parts(1), "multipart/form-data; Boundary=xx", 200, ""),
        (parts(1), 'multipart/form-data; charset=utf-8; boundary="xx"', 200, ""),
        (b'{"name":"An', JSON, 400, "truncated_json"),
        (b"a=1&" * 20_000, FORM, 400, "too_many_keys"),
    ],
)
def test_what_is_too_much_or_nothing_is_refused_with_its_reason(
    whole: Whole, body: bytes, kind: str, status: int, code: str
) -> None:
    answer = whole.post(whole.connect("webhook"), body, kind)
    assert (answer.status_code, whole.count(event)) == (status, int(status == 200))
    assert status == 200 or answer.get_json()["error"] == code


def test_headers_beyond_16_kib_are_431(whole: Whole) -> None:
    live = whole.connect("webhook")
    assert whole.post(live, PLAIN, headers={"X-Long": "x" * 17 * KIB}).status_code == 431
    assert whole.post(live, PLAIN, headers={"X-Long": "x" * 15 * KIB}).status_code == 200


@pytest.mark.parametrize(
    ("packed", "status"),
    [
        (gzip.compress(PLAIN), 200),
        (gzip.compress(PLAIN[:10]) + gzip.compress(PLAIN[10:]), 200),
        (gzip.compress(b"a=" + b"0" * 100 * KIB), 413),
        (gzip.compress(b"0" * 50 * MIB), 413),
        (gzip.compress(PLAIN)[:-9], 400),
        (PLAIN, 400),
        (gzip.compress(b""), 400),
    ],
    ids=["plain", "in two members", "a small bomb", "a bomb", "cut", "not packed", "nothing"],
)
def test_a_packed_body_is_unpacked_within_its_limits(whole: Whole, packed: bytes, status: int) -> None:
    began = time.process_time()
    answer = whole.post(whole.connect("webhook"), packed, headers={"Content-Encoding": "gzip"})
    assert time.process_time() - began < 5
    assert answer.status_code == status
    assert [row.body for row in whole.rows(event)] == ([PLAIN] if status == 200 else [])


# ── switched off, paused, flooded ────────────────────────────────────────────────────────────────


def test_a_form_that_is_switched_off_keeps_what_comes(whole: Whole) -> None:
    live = whole.connect("webform")
    whole.change(live, state="off")
    page = whole.post(live, PLAIN, headers=HTML)
    assert (page.status_code, whole.client.get(page.location).status_code) == (303, 200)
    assert whole.client.get(f"/f/{live.row.token}").status_code == 404
    whole.flow()
    [work] = whole.rows(event_work)
    assert (work.state, work.code, whole.count(lead)) == ("quarantined", "disabled", 0)


def test_a_paused_connection_accepts(whole: Whole) -> None:
    live = whole.connect("webform")
    whole.change(live, state="paused")
    assert whole.post(live, PLAIN).status_code == 200
    whole.flow()
    assert whole.count(lead) == 1


def test_a_flood_is_kept_and_opens_nothing_until_somebody_looks(tmp_path: Path) -> None:
    with whole_hub(tmp_path, form_per_minute=20) as whole:
        live = whole.connect("webform")
        sent = [whole.post(live, f"name=Bot{n}&phone=%2B7916{n:07}") for n in range(50)]
        assert {answer.status_code for answer in sent} == {200}, "a robot is not told"
        whole.flow()
        states = [row.state for row in whole.rows(event_work)]
        assert (whole.count(event), states.count("done"), states.count("quarantined")) == (50, 10, 40)
        with whole.hub.store.write() as conn:
            assert replay_cause(conn, whole.clock, "member:x", live.id, "flood") == 40
        whole.flow()
        assert whole.count(lead) == 50


def test_one_address_cannot_use_up_the_limit_of_a_form(tmp_path: Path) -> None:
    with whole_hub(tmp_path, form_per_minute=200) as whole:
        live = whole.connect("webform")
        for n in range(60):
            whole.post(live, f"name=Bot{n}", environ_base={"REMOTE_ADDR": "203.0.113.7"})
        whole.post(live, PLAIN, environ_base={"REMOTE_ADDR": "203.0.113.8"})
        verdicts = [row.verdict for row in whole.rows(event)]
        assert (verdicts.count("ok"), verdicts[-1]) == (21, "ok")


@pytest.mark.parametrize(("proxies", "passed"), [(0, 10), (1, 30)])
def test_forwarded_addresses_count_only_behind_a_proxy(tmp_path: Path, proxies: int, passed: int) -> None:
    with whole_hub(tmp_path, form_per_minute=100, proxies=proxies) as whole:
        live = whole.connect("webform")
        for n in range(30):
            whole.post(live, f"name=Anna{n}", headers={"X-Forwarded-For": f"198.51.100.{n}"})
        assert [row.verdict for row in whole.rows(event)].count("ok") == passed


# ── our own trouble ──────────────────────────────────────────────────────────────────────────────


def full(*_: object, **__: object) -> None:
    raise NotStored("disk full")


def gone(*_: object, **__: object) -> None:
    raise OperationalError("SELECT", {}, Exception("database is locked"))


def fault(*_: object, **__: object) -> None:
    raise LookupError("a fault of ours")


@pytest.mark.parametrize(
    ("part", "name", "how"),
    [("inbox", "submit", full), ("connections", "by_token", gone), ("intake", "begin", fault)],
)
def test_our_own_trouble_is_503_and_come_again(
    whole: Whole, monkeypatch: pytest.MonkeyPatch, part: str, name: str, how: Callable[..., None]
) -> None:
    live = whole.connect("tilda")
    app = create_app(whole.hub)
    monkeypatch.setattr(getattr(whole.hub, part), name, how)
    answer = app.test_client().post(f"/in/{live.row.token}", data=PLAIN, content_type=FORM)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert b"a fault of ours" not in answer.data


def test_a_full_disk_is_503(whole: Whole) -> None:
    """The database itself says no: the largest number of pages is reached."""
    live = whole.connect("webhook")
    assert whole.post(live, PLAIN).status_code == 200
    with whole.hub.store.inbox.connect() as conn:
        pages = conn.exec_driver_sql("PRAGMA page_count").scalar()
    whole.hub.store.inbox.dispose()

    @listens_for(whole.hub.store.inbox, "connect")
    def limit(raw: Any, _record: Any) -> None:
        raw.execute(f"PRAGMA max_page_count={pages}")

    answer = whole.post(live, b"a=" + b"x" * 500_000)
    assert (answer.status_code, answer.headers["Retry-After"], whole.count(event)) == (503, "5", 1)


# ── secrets ──────────────────────────────────────────────────────────────────────────────────────


def test_what_opens_doors_is_not_stored(whole: Whole) -> None:
    live = whole.connect("webhook", check="token", header="Authorization", secret="s3cret-token")
    headers = {"Authorization": "Bearer s3cret-token", "Cookie": "session=abc", "Proxy-Authorization": "Basic eA=="}
    assert whole.post(live, PLAIN, headers={**headers, "X-Kept": "yes"}).status_code == 200
    [row] = whole.rows(event)
    assert row.headers["x-kept"] == "yes"
    assert not {"authorization", "cookie", "proxy-authorization"} & set(row.headers)
    assert "s3cret" not in json.dumps(dict(row.headers))
    [stored] = whole.rows(connection)
    assert b"s3cret" not in bytes(stored.secrets)


# ── hooks of a CRM ───────────────────────────────────────────────────────────────────────────────


def test_a_hook_of_a_crm_only_says_look_again(whole: Whole) -> None:
    live = whole.connect("amocrm", "crm", address="https://desk.amocrm.test", token="x")
    hook = b"leads%5Bupdate%5D%5B0%5D%5Bid%5D=77&leads%5Bupdate%5D%5B0%5D%5Bstatus_id%5D=5"
    assert [whole.post(live, hook).status_code for _ in range(3)] == [200, 200, 200]
    assert whole.post(live, b"nonsense").status_code == 200
    whole.flow()
    [row] = whole.rows(look_again)
    assert (row.connection_id, row.kind, row.remote_id, row.times) == (live.id, "leads", "77", 3)
    assert (whole.count(lead), whole.count(inquiry)) == (0, 0)


# ── whatever comes ───────────────────────────────────────────────────────────────────────────────

TYPES = st.one_of(
    st.sampled_from(
        [FORM, JSON, "text/plain", MULTIPART, "multipart/form-data", "application/x-ndjson", "text/xml", ""]
    ),
    st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=40),
)
NAMES = st.from_regex(r"[A-Za-z][A-Za-z0-9-]{0,20}", fullmatch=True)
VALUES = st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=30)
BODIES = st.one_of(
    st.binary(max_size=300),
    st.lists(st.sampled_from([b"{", b"}", b"[", b'"a"', b":", b",", b"1e999", b"null", b"\\ud800", b"\x00", b"%zz",
                              b"a=b", b"&", b"--xx", b"\r\n", b"name", b"phone=", b"=", b"+7916"]), max_size=20)
    .map(b"".join),
    st.builds(lambda v: json.dumps(v).encode(), st.dictionaries(st.text(max_size=8), st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        max_leaves=8), max_size=5)),
)  # fmt: skip
OWN_HEADERS = st.sampled_from(
    [
        "Accept", "Authorization", "Content-Encoding", "Idempotency-Key", "Referer", "Typeform-Signature",
        "X-Forwarded-For", "X-Telegram-Bot-Api-Secret-Token", "X-Webhook-Secret",
        "webhook-id", "webhook-signature", "webhook-timestamp",
    ]
)  # fmt: skip


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Whole, list[str]]]:
    """A hub with every source that takes pushes, and one that checks a token."""
    with whole_hub(tmp_path_factory.mktemp("crowd"), quarantine_per_minute=1_000_000) as whole:
        found: list[type[Source]] = [cls for cls in registry.sources().values() if cls.push]
        lives = [whole.connect(c.name, **{s.name: "secret" for s in c.form if s.required or s.secret}) for c in found]
        lives += [whole.connect("webform"), whole.connect("webhook", config={"get": True})]
        lives += [whole.connect("webhook", check="hmac", secret="s"), whole.connect("tilda")]
        yield whole, [live.row.token for live in lives]


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_a_form_post_is_never_a_500(crowd: tuple[Whole, list[str]], data: st.DataObject) -> None:
    whole, tokens = crowd
    before = whole.count(event)
    answer = whole.client.open(
        f"/in/{data.draw(st.sampled_from(tokens))}",
        method=data.draw(st.sampled_from(["POST", "POST", "POST", "GET", "HEAD", "OPTIONS"])),
        query_string=data.draw(st.sampled_from(["", "a=b", "name=%FF", "%00=%zz", "utm_source=x&utm_source=y"])),
        data=data.draw(BODIES),
        headers=data.draw(st.dictionaries(NAMES | OWN_HEADERS, VALUES, max_size=4)),
        content_type=data.draw(TYPES),
    )
    assert answer.status_code in (200, 303, 400, 401, 405, 413, 422, 429, 431)
    if answer.status_code == 303 or "X-Receipt" in answer.headers:
        assert answer.status_code == 303 or whole.rows(event, event.c.id == answer.headers["X-Receipt"])
    elif answer.status_code not in (200, 401):
        assert whole.count(event) == before, "what was refused is not stored"


def test_the_crowd_is_understood_by_a_worker(crowd: tuple[Whole, list[str]]) -> None:
    """Runs after the property above: what it stored goes through the hub without a fault of ours."""
    whole, _tokens = crowd
    whole.flow()
    with whole.hub.store.read() as conn:
        found = conn.execute(select(event_work.c.state, event_work.c.code, event_work.c.why)).all()
    assert [row for row in found if row.code == "fault" or row.state not in ("done", "parked", "quarantined")] == []


def test_nothing_of_a_person_is_in_the_way(whole: Whole) -> None:
    """The same person twice through the door is one lead with two inquiries, explained in the journal."""
    live = whole.connect("webform")
    for text in ("first", "second"):
        assert whole.post(live, PLAIN + f"&message={text}".encode()).status_code == 200
    whole.flow()
    [one] = whole.rows(lead)
    assert one.inquiries == 2
    assert {row.what for row in whole.rows(journal, journal.c.subject == "lead")} == {"opened", "joined"}
    assert ("phone", "+79161234507") in {(row.kind, row.value) for row in whole.rows(match_key)}
