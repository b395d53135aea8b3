"""Telegram: the contract of sources, and polling against the stand-in (offsets, two readers, limits, both ways in)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from threading import Thread
from typing import Any

import pytest
from flask import Flask

from connectors.contract import DraftKind, Raw
from connectors.errors import Pause, Retry, Unreadable
from connectors.sources.telegram import Telegram
from connectors.sources.telegram.sandbox import TOKEN, bot_of, create_sandbox, push, redeliver, send
from connectors.testing.source import SourceContract

RECEIVED = datetime(2026, 2, 1, 9, 30, tzinfo=UTC)


class TestTelegram(SourceContract):
    source = Telegram
    signs_body = False


@dataclass(frozen=True)
class Answered:
    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Wire:
    """The stand-in behind the `Http` of the contract. `broken` loses the answer after the server has worked."""

    app: Flask
    broken: bool = False
    calls: list[dict[str, Any]] = field(default_factory=list)

    def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        params: Sequence[tuple[str, str]] | None = None,
        json: Any = None,
        data: bytes | None = None,
        timeout: float = 30.0,
    ) -> Answered:
        path = url.removeprefix("https://api.telegram.org")
        self.calls.append({"path": path, "body": json, "timeout": timeout})
        answer = self.app.test_client().open(path, method=method, json=json)
        if self.broken:
            raise Retry(f"no answer from {url}", effect=True)
        told = {"date": "Sun, 01 Feb 2026 09:30:00 GMT", **{k.lower(): v for k, v in answer.headers}}
        return Answered(answer.status_code, told, answer.data)


@pytest.fixture
def app() -> Flask:
    return create_sandbox()


@pytest.fixture
def wire(app: Flask) -> Wire:
    return Wire(app)


def connected(wire: Wire, token: str = TOKEN, **settings: str) -> Telegram:
    return Telegram(settings, {"token": token, "secret_token": "s3cret"}, wire)


def texts(source: Telegram, messages: Sequence[Raw]) -> list[str]:
    return [draft.text for raw in messages for draft in source.parse(raw)]


def test_polls_in_order_and_confirms_only_what_was_saved(app: Flask, wire: Wire) -> None:
    source = connected(wire)
    for number in range(3):
        send(app, f"message {number}")
    first = source.poll("")
    assert texts(source, first.messages) == ["message 0", "message 1", "message 2"]
    # The cursor was lost before it was saved: the same updates come again, under the same delivery ids.
    again = source.poll("")
    assert [source.delivery(raw) for raw in again.messages] == [source.delivery(raw) for raw in first.messages]
    assert source.poll(first.cursor).messages == ()
    assert bot_of(app).updates == []


def test_an_answer_that_got_lost_loses_nothing(app: Flask, wire: Wire) -> None:
    source = connected(wire)
    send(app, "first")
    cursor = source.poll("").cursor
    send(app, "second")
    wire.broken = True
    with pytest.raises(Retry):
        source.poll(cursor)
    wire.broken = False
    assert texts(source, source.poll(cursor).messages) == ["second"]


def test_a_hundred_at_a_time(app: Flask, wire: Wire) -> None:
    source = connected(wire)
    for number in range(130):
        send(app, str(number))
    first = source.poll("")
    second = source.poll(first.cursor)
    assert (len(first.messages), first.more, len(second.messages), second.more) == (100, True, 30, False)
    assert texts(source, [*first.messages, *second.messages]) == [str(number) for number in range(130)]


def test_ids_that_start_anew_are_followed_and_are_new_deliveries(app: Flask, wire: Wire) -> None:
    source = connected(wire)
    send(app, "before", at=1760000000)
    before = source.poll("")
    source.poll(before.cursor)
    bot_of(app).next_id = 1
    send(app, "after", at=1769000000)
    after = source.poll(before.cursor)
    assert texts(source, after.messages) == ["after"]
    assert after.cursor == "2"
    assert source.poll(after.cursor).messages == ()


def test_the_same_id_after_a_restart_is_another_delivery(app: Flask, wire: Wire) -> None:
    source = connected(wire)
    send(app, "before", at=1760000000)
    before = source.poll("").messages[0]
    bot_of(app).updates.clear()
    bot_of(app).next_id = 700001
    send(app, "after", at=1769000000)
    assert source.delivery(before) != source.delivery(source.poll("").messages[0])


def test_waiting_ends_when_somebody_writes(app: Flask, wire: Wire) -> None:
    source = connected(wire)
    waiting = Thread(target=source.wait, args=("", 20.0), daemon=True)
    waiting.start()
    while bot_of(app).pollers == 0:
        waiting.join(0.01)
    send(app, "hello")
    waiting.join(5)
    assert not waiting.is_alive()
    assert texts(source, source.poll("").messages) == ["hello"]
    assert wire.calls[0]["timeout"] > wire.calls[0]["body"]["timeout"]


def test_another_reader_is_named(app: Flask, wire: Wire) -> None:
    bot_of(app).rival = True
    with pytest.raises(Retry, match="another program") as told:
        connected(wire).poll("")
    assert told.value.after


def test_a_webhook_pauses_polling(app: Flask, wire: Wire) -> None:
    app.test_client().post(f"/bot{TOKEN}/setWebhook", json={"url": "https://other.example.com/"})
    with pytest.raises(Pause, match="deleteWebhook"):
        connected(wire).poll("")
    with pytest.raises(Pause, match="has a webhook"):
        connected(wire).check()


def test_a_limit_is_waited_for(app: Flask, wire: Wire) -> None:
    bot_of(app).limited = 17
    with pytest.raises(Retry) as told:
        connected(wire).poll("")
    assert told.value.after == 17.0


@pytest.mark.parametrize("token", ["123456:wrong", "", "123456:a/../b", "123456:a b"])
def test_a_wrong_token_pauses(wire: Wire, token: str) -> None:
    with pytest.raises(Pause, match="token"):
        connected(wire, token).check()


def test_no_error_shows_the_token(app: Flask, wire: Wire) -> None:
    wire.broken = True
    for call in (lambda s: s.poll(""), lambda s: s.check(), lambda s: s.wait("", 0)):
        with pytest.raises(Retry) as told:
            call(connected(wire))
        assert TOKEN.partition(":")[2] not in str(told.value)
        assert told.value.__cause__ is None
        assert told.value.effect


def test_check_names_the_bot(app: Flask, wire: Wire) -> None:
    send(app, "hello")
    assert connected(wire).check() == "@sandbox_bot (Sandbox), 1 updates waiting"


def test_pushed_and_polled_are_the_same_inquiry() -> None:
    taken: list[Raw] = []
    status = 503

    def deliver(url: str, body: bytes, headers: Mapping[str, str]) -> int:
        taken.append(Raw(body, RECEIVED, {name.lower(): value for name, value in headers.items()}))
        return status

    app = create_sandbox(deliver=deliver)
    polled = connected(Wire(app))
    send(app, "hello")
    by_poll = polled.poll("").messages[0]
    hook = {"url": "https://hub.example.com/in/1", "secret_token": "s3cret"}
    app.test_client().post(f"/bot{TOKEN}/setWebhook", json=hook)
    pushed = connected(Wire(app), receive="webhook")
    assert redeliver(app) == 0  # 503: Telegram keeps it
    status = 200
    assert redeliver(app) == 1
    pushed.verify(taken[-1])
    assert pushed.parse(taken[-1]) == polled.parse(by_poll)
    assert pushed.delivery(taken[-1]) == polled.delivery(by_poll)
    assert pushed.poll("9").messages == ()
    assert pushed.wait("9", 1) is False
    assert "has a webhook" not in pushed.check()
    assert pushed.accepted(taken[-1], "r-1").body == b""


def test_a_chat_that_fails_does_not_stop_the_others() -> None:
    seen: list[int] = []

    def deliver(url: str, body: bytes, headers: Mapping[str, str]) -> int:
        who = json.loads(body)["message"]["from"]["id"]
        seen.append(who)
        return 500 if who == 1 else 200

    app = create_sandbox(deliver=deliver)
    app.test_client().post(f"/bot{TOKEN}/setWebhook", json={"url": "https://hub.example.com/in/1"})
    for who in (1, 1, 2):
        send(app, "hello", who=who)
    assert [update["message"]["from"]["id"] for update in bot_of(app).updates] == [1, 1]
    assert "500" in bot_of(app).last_error
    assert 2 in seen


def test_an_album_is_one_inquiry(app: Flask, wire: Wire) -> None:
    source = connected(wire)
    for number in range(10):
        send(app, media_group_id="g1", photo=[{"file_id": str(number), "file_size": 10}])
    keys = {draft.key for raw in source.poll("").messages for draft in source.parse(raw)}
    assert len(keys) == 1


@pytest.mark.parametrize("kind", ["pre_checkout_query", "chat_join_request"])
def test_kinds_we_do_not_know_are_parked(app: Flask, wire: Wire, kind: str) -> None:
    source = connected(wire)
    push(app, {kind: {"id": 1, "from": {"id": 5}}})
    with pytest.raises(Unreadable, match=kind):
        source.parse(source.poll("").messages[0])


def test_pinned_messages_are_notes(app: Flask, wire: Wire) -> None:
    source = connected(wire)
    send(app, pinned_message={"message_id": 1})
    (draft,) = source.parse(source.poll("").messages[0])
    assert (draft.kind, draft.fields) == (DraftKind.NOTE, {"pinned_message": {"message_id": 1}})
