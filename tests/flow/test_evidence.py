"""Evidence of work that channels report by themselves: what colleagues write elsewhere stops their clocks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from connectors.contract import Polled, Raw
from hub.clock import instant
from hub.model import contact, deadline, journal, lead, thread
from tests.servers import Stack
from tests.whole import Whole, whole_hub

SECRET = {"x-telegram-bot-api-secret-token": "s3cret"}


@pytest.fixture
def whole(stack: Stack) -> Iterator[Whole]:
    with whole_hub(stack.folder, stack) as made:
        yield made


def store(whole: Whole, live: Any, body: bytes, headers: dict[str, str] | None = None) -> None:
    """A message as if it had been polled, and what becomes of it."""
    whole.clock.advance(60)
    raw = Raw(body, instant(whole.clock.now()), headers or {}, "POLL")
    whole.hub.intake.store_polled(live, Polled((raw,), whole.clock.new_id()))
    whole.flow()
    whole.hub.timers.step()


def mail(to: str, **more: str) -> bytes:
    told = {"Message-ID": f"<{to}-{len(more)}@firm.test>", "From": "olga@firm.test", "To": to, "Subject": "Re: Windows",
            **more}  # fmt: skip
    return (
        "\r\n".join(f"{name.replace('_', '-')}: {value}" for name, value in told.items()) + "\r\n\r\nWe come on Monday."
    ).encode()


def running(whole: Whole) -> set[str]:
    """Kinds of clocks that run."""
    return {row.kind for row in whole.rows(deadline, deadline.c.state == "running")}


def touches(whole: Whole) -> list[tuple[str, str]]:
    rows = whole.rows(journal, journal.c.what.in_(["mail", "message", "noted"]))
    return [(row.what, str(row.facts.get("way", ""))) for row in rows]


@pytest.fixture
def opened(whole: Whole) -> Whole:
    """Anna has written: her lead's first touch is awaited."""
    form = whole.connect("webform", least_ms="0")
    whole.post(form, "name=Anna&email=anna%40client.test&message=Windows")
    whole.flow()
    whole.hub.timers.step()
    assert "first_touch" in running(whole)
    return whole


def test_a_mail_in_the_folder_of_sent_ones_is_work(opened: Whole) -> None:
    sent = opened.connect("email", host="h", user="olga@firm.test", password="p", folder="Sent", way="out")
    store(opened, sent, mail("anna@client.test", X_Lead_Hub="robot"))
    store(opened, sent, mail("somebody@else.test"))
    assert "first_touch" in running(opened), "neither a robot's mail nor one to a stranger"
    assert opened.count(contact) == 1
    store(opened, sent, mail("anna@client.test"))
    assert "first_touch" not in running(opened)
    assert touches(opened) == [("mail", "out")]
    store(opened, sent, mail("anna@client.test"))
    assert len(touches(opened)) == 1, "the same mail twice is one"
    assert opened.count(lead) == 1


def test_what_the_owner_of_a_business_account_answers_is_work(whole: Whole) -> None:
    bot = whole.connect("telegram", token="123456:x", receive="webhook", secret_token="s3cret")
    person, chat = {"id": 81001, "is_bot": False, "first_name": "Vera"}, {"id": 81001, "type": "private"}
    wrote = {"message_id": 1, "from": person, "chat": chat, "date": 1769930000, "text": "Do you sell windows?"}
    store(whole, bot, json.dumps({"update_id": 1, "business_message": wrote}).encode(), SECRET)
    assert "first_touch" in running(whole)
    owner = {"id": 70001, "is_bot": False, "first_name": "Olga"}
    answered = {**wrote, "message_id": 2, "from": owner, "text": "We do"}
    store(whole, bot, json.dumps({"update_id": 2, "business_message": answered}).encode(), SECRET)
    assert "first_touch" not in running(whole)
    assert touches(whole) == [("message", "out")]
    assert whole.count(thread) == 1
