"""The web sources keep the contract of all sources; their fixtures say what each message becomes."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from standardwebhooks.webhooks import Webhook as Reference

from connectors.contract import Raw
from connectors.errors import ConnectorError, Missing, Pause, Retry, Unverified
from connectors.reading import sign_base64, sign_hex
from connectors.sources.standard_webhooks import StandardWebhooks
from connectors.sources.tilda import Tilda
from connectors.sources.typeform import Typeform
from connectors.sources.webform import WebForm
from connectors.sources.webhook import Webhook
from connectors.testing.source import SourceContract

SECRET = "whsec_" + base64.b64encode(b"a-test-key-of-enough-length").decode()
SENT_AT = datetime(2026, 2, 1, 9, 30, tzinfo=UTC)


class TestWebForm(SourceContract):
    source = WebForm


class TestWebhook(SourceContract):
    source = Webhook


class TestTilda(SourceContract):
    source = Tilda


class TestTypeform(SourceContract):
    source = Typeform


class TestStandardWebhooks(SourceContract):
    source = StandardWebhooks


def signed(body: bytes, received_at: datetime = SENT_AT, secret: str = SECRET) -> Raw:
    """A message signed by the reference library."""
    signature = Reference(secret).sign("msg_1", SENT_AT, body.decode())
    headers = {
        "content-type": "application/json",
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(SENT_AT.timestamp())),
        "webhook-signature": signature,
    }
    return Raw(body, received_at, headers)


def test_our_check_agrees_with_the_reference_library() -> None:
    message = signed('{"data":{"name":"Ян"}}'.encode())
    StandardWebhooks({}, {"secret": SECRET}).verify(message)
    with pytest.raises(Unverified):
        StandardWebhooks({}, {"secret": SECRET}).verify(replace(message, body=message.body + b" "))


@pytest.mark.parametrize(("late", "accepted"), [(-301, False), (-300, True), (300, True), (301, False)])
def test_age_is_judged_at_receipt(late: int, accepted: bool) -> None:
    message = signed(b'{"data":{}}', SENT_AT + timedelta(seconds=late))
    source = StandardWebhooks({}, {"secret": SECRET})
    if accepted:
        source.verify(message)
    else:
        with pytest.raises(Unverified):
            source.verify(message)


class Answering:
    """An API of records that always answers with one status."""

    def __init__(self, status: int) -> None:
        self.status, self.headers, self.body = status, {}, b""

    def send(self, *_: object, **__: object) -> Answering:
        return self


@pytest.mark.parametrize(
    ("status", "error"), [(401, Pause), (403, Pause), (404, Missing), (410, Missing), (500, Retry)]
)
def test_a_thin_event_whose_record_cannot_be_read(status: int, error: type[ConnectorError]) -> None:
    source = StandardWebhooks({"url": "https://api.example.test/{id}"}, {"secret": SECRET}, Answering(status))
    with pytest.raises(error):
        source.resolve(signed(b'{"type":"t","data":{"id":"1"}}'))


@pytest.mark.parametrize(
    ("algorithm", "signature"),
    [
        ("sha1", "hex"),
        ("sha256", "hex"),
        ("sha512", "base64"),
        ("sha256", "base64"),
    ],
)
def test_a_webhook_signs_in_any_usual_way(algorithm: str, signature: str) -> None:
    write = sign_hex if signature == "hex" else sign_base64
    settings = {"check": "hmac", "header": "X-Sign", "algorithm": algorithm}
    source = Webhook(settings, {"secret": "k"})
    source.verify(Raw(b"a=1", SENT_AT, {"x-sign": write("k", b"a=1", algorithm)}))
    with pytest.raises(Unverified):
        source.verify(Raw(b"a=2", SENT_AT, {"x-sign": write("k", b"a=1", algorithm)}))


def test_answers_that_senders_want() -> None:
    assert Tilda({}, {}).accepted(Raw(b"", SENT_AT), "r").body == b"ok"
    assert Webhook({"answer": "ok"}, {}).accepted(Raw(b"", SENT_AT), "r").body == b"ok"
    assert b"r-7" in WebForm({}, {}).accepted(Raw(b"", SENT_AT), "r-7").body


def test_a_broken_body_is_refused_only_where_nothing_is_signed() -> None:
    broken = Raw(b'{"a":', SENT_AT, {"content-type": "application/json"})
    assert WebForm({}, {}).refuse(broken) == "truncated_json"
    assert Webhook({}, {}).refuse(broken) == "truncated_json"
    assert Webhook({"check": "token"}, {}).refuse(broken) == ""
    assert Typeform({}, {}).refuse(broken) == ""
