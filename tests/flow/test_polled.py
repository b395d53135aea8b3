"""Channels that have to be asked: a bot by getUpdates and a real mailbox by IMAP, with everything that dies between."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import EmailMessage
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event as engine_event
from sqlalchemy import select

from connectors.crms.amocrm.sandbox import serving
from connectors.sources.email.sandbox import Mailbox, start_mailbox
from connectors.sources.telegram import sandbox as telegram
from hub.app import open_hub
from hub.intake.accept import Intake
from hub.model import contact, event, event_work, inquiry, lead, poll_cursor, pull_state
from hub.store.groupcommit import Inbox, NotStored
from tests.flow.scene import Scene, configured, connect, scene, timed_wires
from tests.servers import Stack
from workers.tasks import poll_one


class Killed(BaseException):
    """The worker is gone."""


@dataclass
class Asked:
    """A hub with one source that has to be asked."""

    scene: Scene
    source_id: str

    def poll(self) -> int:
        """The next look, a few seconds later."""
        self.scene.advance(6)
        stored = poll_one(self.scene.hub, self.source_id)
        self.scene.hub.flow.drain()
        return stored

    def events(self) -> int:
        with self.scene.hub.store.read_inbox() as conn:
            return len(list(conn.execute(select(event.c.seq).where(event.c.connection_id == self.source_id))))

    def cursor(self) -> str:
        with self.scene.hub.store.read_inbox() as conn:
            return str(conn.execute(select(poll_cursor.c.cursor)).scalar() or "")


@pytest.fixture
def app() -> Flask:
    return telegram.create_sandbox()


@contextmanager
def asking(stack: Stack, name: str, values: dict[str, str], allowed: str) -> Iterator[Asked]:
    with scene(stack, set_up=False) as made:
        made.hub.config = configured(stack, made.address, allowed=(allowed,))
        made.hub.http = timed_wires(made.clock, made.hub.config)
        made.hub.__dict__.pop("connections", None)
        yield Asked(made, connect(made, "source", name, values, region="RU"))


@pytest.fixture
def bot(stack: Stack, app: Flask) -> Iterator[Asked]:
    with serving(app) as address:
        values = {"token": telegram.TOKEN, "base": address}
        with asking(stack, "telegram", values, address.removeprefix("http://")) as made:
            yield made


@pytest.fixture(scope="module")
def box() -> Iterator[Mailbox]:
    mailbox = start_mailbox(smtp=False)
    yield mailbox
    mailbox.stop()


@pytest.fixture
def mail(stack: Stack, box: Mailbox) -> Iterator[Asked]:
    session = box.login()
    session.select("INBOX")
    session.store("1:*", "+FLAGS", "\\Deleted") if int(session.select("INBOX")[1][0] or 0) else None
    session.expunge()
    session.logout()
    with asking(stack, "email", {**box.settings, **box.secrets}, f"{box.host}:{box.port}") as made:
        yield made


def letter(number: int, text: str, sender: str = "Anna Peters <anna@peters.test>", **headers: str) -> bytes:
    """A mail; header names are written with _ for -."""
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = sender, "sales@hub.test", "Two windows"
    mail["Message-ID"], mail["Date"] = f"<m{number}@peters.test>", "Mon, 02 Feb 2026 10:00:00 +0000"
    for name, value in headers.items():
        mail[name.replace("_", "-")] = value
    mail.set_content(text)
    return mail.as_bytes()


# ── a bot ────────────────────────────────────────────────────────────────────────────────────────


def test_messages_of_one_chat_are_one_lead(bot: Asked, app: Flask) -> None:
    telegram.send(app, "Good day, how much are two windows?")
    assert bot.poll() == 1
    telegram.send(app, "And a door?")
    telegram.send(app, "Hello from somebody else", who=5002, name="Boris")
    assert bot.poll() == 2
    made = bot.scene
    assert len(made.rows(lead)) == len(made.rows(contact)) == 2
    (anna,) = (row for row in made.rows(lead) if "Anna" in row.title)
    assert anna.inquiries == 2
    assert sorted(row.decision for row in made.rows(inquiry)) == ["joined", "new_lead", "new_lead"]
    assert bot.poll() == 0


def test_a_poller_killed_before_the_commit_asks_again(bot: Asked, app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Intake.store_polled
    telegram.send(app, "Good day")

    def last(*_arguments: Any) -> Any:
        monkeypatch.setattr(Intake, "store_polled", real)
        raise Killed

    monkeypatch.setattr(Intake, "store_polled", last)
    with pytest.raises(Killed):
        bot.poll()
    assert (bot.events(), bot.cursor()) == (0, "")
    bot.scene.advance(190)
    bot.poll()
    assert bot.events() == len(bot.scene.rows(lead)) == 1


def test_a_poller_killed_after_the_commit_stores_nothing_twice(
    bot: Asked, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Intake.store_polled
    telegram.send(app, "Good day")

    def last(*arguments: Any) -> Any:
        monkeypatch.setattr(Intake, "store_polled", real)
        real(*arguments)
        raise Killed

    monkeypatch.setattr(Intake, "store_polled", last)
    with pytest.raises(Killed):
        bot.poll()
    assert bot.events() == 1
    assert bot.cursor() != ""
    bot.scene.advance(190)
    bot.poll()
    assert bot.events() == len(bot.scene.rows(lead)) == 1


@pytest.mark.parametrize("table", ["event", "poll_cursor"])
def test_message_and_cursor_are_kept_together_or_not_at_all(bot: Asked, app: Flask, table: str) -> None:
    telegram.send(app, "Good day")

    def spoil(_conn: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, _many: bool) -> Any:
        bad = statement.startswith(("INSERT INTO " + table, "UPDATE " + table))
        return ("SELECT no_such_column", ()) if bad else (statement, parameters)

    inbox = bot.scene.hub.store.inbox
    engine_event.listen(inbox, "before_cursor_execute", spoil, retval=True)
    with pytest.raises(NotStored):
        bot.poll()
    engine_event.remove(inbox, "before_cursor_execute", spoil)
    assert (bot.events(), bot.cursor()) == (0, "")
    bot.poll()
    assert bot.events() == 1


def test_a_lost_cursor_gives_the_same_messages_and_no_new_leads(bot: Asked, app: Flask) -> None:
    for text in ("Good day", "Are you there?"):
        telegram.send(app, text)
    bot.poll()
    with bot.scene.hub.store.inbox.begin() as conn:
        conn.execute(poll_cursor.delete())
    assert bot.poll() == 0
    assert (bot.events(), len(bot.scene.rows(lead))) == (2, 1)


def test_of_two_pollers_at_once_one_takes_the_source(bot: Asked, app: Flask) -> None:
    """Two hubs on one database; the bot's server tells two programs that ask at once to stop."""
    telegram.send(app, "Good day")
    bot.scene.advance(6)
    others = [open_hub(bot.scene.hub.config, bot.scene.clock) for _process in range(4)]
    for one in others:
        one.http = bot.scene.hub.http
    with ThreadPoolExecutor(4) as pool:
        stored = list(pool.map(lambda one: poll_one(one, bot.source_id), others))
    for one in others:
        one.close()
    assert sorted(stored) == [0, 0, 0, 1]
    assert bot.events() == 1
    assert telegram.bot_of(app).pollers == 1


def test_a_refused_token_pauses_the_source_and_says_why(bot: Asked, app: Flask) -> None:
    telegram.bot_of(app).token = "1:another"
    assert bot.poll() == 0
    live = bot.scene.hub.connections.by_id(bot.source_id)
    assert live is not None
    assert live.row.state == "paused"
    assert telegram.TOKEN not in live.row.why


def test_a_source_that_is_busy_is_asked_again_later(bot: Asked, app: Flask) -> None:
    telegram.send(app, "Good day")
    telegram.bot_of(app).limited = 20
    assert bot.poll() == 0
    row = next(row for row in bot.scene.rows(pull_state) if row.connection_id == bot.source_id)
    assert row.lease == ""
    assert row.due_at > bot.scene.clock.now()
    bot.scene.advance(60)
    assert bot.poll() == 1


# ── a mailbox ────────────────────────────────────────────────────────────────────────────────────


def test_a_mail_is_a_lead_and_the_reply_joins_it(mail: Asked, box: Mailbox) -> None:
    box.deliver(letter(1, "How much are two windows?"))
    assert mail.poll() == 1
    box.deliver(letter(2, "I forgot the door.", In_Reply_To="<m1@peters.test>", References="<m1@peters.test>"))
    other = "Anna Peters <a.peters@home.test>"
    box.deliver(letter(3, "From home now.", other, References="<m1@peters.test> <m2@peters.test>"))
    assert mail.poll() == 2
    made = mail.scene
    assert made.lead().inquiries == 3
    assert len(made.rows(contact)) == 1
    assert [row.decision for row in made.rows(inquiry)] == ["new_lead", "joined", "joined"]
    assert mail.poll() == 0


def test_an_automatic_answer_opens_no_lead(mail: Asked, box: Mailbox) -> None:
    box.deliver(letter(1, "I am on holiday.", Auto_Submitted="auto-replied"))
    assert mail.poll() == 1
    made = mail.scene
    assert not made.rows(lead)
    assert [row.state for row in made.rows(event_work)] == ["quarantined"]


def test_a_mail_that_comes_twice_is_one_event(mail: Asked, box: Mailbox) -> None:
    for _copy in range(2):
        box.deliver(letter(1, "How much are two windows?"))
    assert mail.poll() == 1
    with mail.scene.hub.store.inbox.begin() as conn:
        conn.execute(poll_cursor.delete())
    assert mail.poll() == 0
    assert mail.events() == len(mail.scene.rows(inquiry)) == 1


def test_a_mail_poller_killed_around_the_commit_loses_and_doubles_nothing(
    mail: Asked, box: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(1, 4):
        box.deliver(letter(number, f"Window {number}", f"Person <p{number}@peters.test>"))
    real = Inbox.add
    for after in (False, True):

        def last(*arguments: Any, after: bool = after) -> Any:
            monkeypatch.setattr(Inbox, "add", real)
            if after:
                real(*arguments)
            raise Killed

        monkeypatch.setattr(Inbox, "add", last)
        with pytest.raises(Killed):
            mail.poll()
        mail.scene.advance(190)
    mail.poll()
    assert mail.events() == len(mail.scene.rows(lead)) == 3
