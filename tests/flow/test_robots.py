"""Robots with everything they reach, on both stacks: each trigger, each action through a carrier that calls somebody,
a death between commit and sending, and the sets that ship, switched on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from email import message_from_bytes
from email.policy import default
from typing import Any

import pytest
from flask import Flask, jsonify, request
from sqlalchemy import insert, select, update

from connectors.carriers.smtp import Smtp
from connectors.contract import Letter
from connectors.sources.telegram.sandbox import TOKEN, bot_of, create_sandbox
from connectors.testing.sandbox.server import serving
from hub.clock import DAY, HOUR
from hub.funnel.evidence import show
from hub.funnel.moves import convert_lead, move_deal, move_lead
from hub.model import contact, contact_point, deadline, deal, inquiry, journal, lead, letter, robot, signal, task
from hub.robots.defaults import SETS, add_set
from hub.robots.dry import first_week, would_touch
from hub.robots.outbox import LEASE
from hub.robots.parked import parked, send_again
from hub.robots.run import add, read_robots
from hub.store.notes import note
from tests.funnel.desk import Desk
from tests.office import Office, open_office
from tests.servers import Stack
from tests.whole import Whole, whole_hub

WHSEC = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
CLIENT = 81001


@dataclass
class Town:
    """A hub and everybody its letters go to: an office for mail, a bot, and one server for all gateways."""

    whole: Whole
    desk: Desk
    office: Office
    bot: Flask
    calls: list[tuple[str, Any]] = field(default_factory=list)
    address: str = ""

    def robot(self, *actions: dict[str, Any], **more: Any) -> str:
        values = {"name": "R", "block": "lead", "trigger": {"on": "stage", "stage": "warm"}, **more}
        with self.desk.store.write() as conn:
            return add(conn, self.desk.clock, {**values, "actions": list(actions)})

    def client(self, consent: bool = True) -> str:
        """Anna, who can be reached on every channel."""
        who = self.desk.contact(name="Anna Berg", first_name="Anna")
        points = {"email": "anna@client.test", "phone": "+79123456789", "telegram": str(CLIENT)}
        with self.desk.store.write() as conn:
            for kind, value in points.items():
                row = {"contact_id": who, "kind": kind, "value": value, "raw": "", "first_seen_at": 1}
                conn.execute(insert(contact_point).values(row))
            told = {
                "id": self.desk.clock.new_id(),
                "event_id": "e",
                "connection_id": "c",
                "key": "k",
                "contact_id": who,
            }
            conn.execute(insert(inquiry).values(**told, received_at=1, consent={"given": consent}))
        bot_of(self.bot).chats.setdefault(CLIENT, [])
        return who

    def noon(self) -> None:
        self.desk.clock.advance((36 * HOUR - self.desk.clock.now() % DAY) / 1000)

    def texts(self) -> list[str]:
        return [row.text for row in self.desk.rows(task)]


@pytest.fixture
def town(stack: Stack) -> Iterator[Town]:
    bot, far, calls = create_sandbox(), Flask("far"), []

    @far.post("/<path:path>")
    def call(path: str) -> Any:
        calls.append((path, request.get_json(silent=True) or request.form.to_dict()))
        return jsonify(id=1, cnt=1, session_id="7")

    with serving(bot) as telegram, serving(far) as address, open_office() as office:
        allowed = tuple(one.removeprefix("http://") for one in (telegram, address))
        with whole_hub(stack.folder, stack, allowed_hosts=allowed) as whole:
            mail = {"host": "127.0.0.1", "port": str(office.port), "security": "none", "sender": "hub@firm.test"}
            whole.connect("smtp", "carrier", user="desk", password="right", **mail)
            whole.connect("smsc", "carrier", login="desk", password="p", base=address)
            whole.connect("hook", "carrier", secret=WHSEC)
            whole.connect("meta_audience", "carrier", token="t", audiences="Warm = 77", base=f"{address}/graph")
            whole.connect("telegram", token=TOKEN, base=telegram)
            yield Town(whole, Desk(whole.hub.store, whole.clock, whole.hub.timers), office, bot, calls, address)


def test_every_action_reaches_whom_it_is_for_once(town: Town) -> None:
    desk = town.desk
    town.robot(
        {"do": "task", "text": "Call {name}"},
        {"do": "message", "channel": "email", "subject": "Hello", "text": "Dear {first_name}"},
        {"do": "message", "channel": "email", "subject": "Hello", "text": "Your {company}"},
        {"do": "message", "channel": "sms", "text": "Dear {first_name}, by SMS"},
        {"do": "message", "channel": "messenger", "text": "Dear {first_name}, in the bot"},
        {"do": "webhook", "address": f"{town.address}/hook"},
        {"do": "webhook", "address": "http://169.254.169.254/latest"},
        {"do": "audience", "name": "Warm"},
        {"do": "field", "field": "title", "value": "{name} is warm"},
        {"do": "signal", "text": "{name} is warm"},
        {"do": "owner", "member": desk.id_of("Ivan")},
        {"do": "stage", "stage": "hot"},
    )
    who = town.client()
    town.noon()
    lead_id = desk.open(who, owner_id=desk.id_of("Olga"))
    desk.do(move_lead, lead_id, "warm", "crm:x")
    for _ in range(3):
        desk.wait(60)
    [raw] = town.office.mails
    assert message_from_bytes(raw, policy=default).get_content().strip() == "Dear Anna"
    assert [one["text"] for one in bot_of(town.bot).chats[CLIENT]] == ["Dear Anna, in the bot"]
    told = {path: body for path, body in town.calls}
    assert sorted(path for path, _body in town.calls) == ["graph/77/users", "hook", "sys/send.php"]
    assert told["sys/send.php"]["mes"] == "Dear Anna, by SMS"
    assert told["hook"]["data"]["name"] == "Anna Berg"
    assert "anna@client.test" not in str(told["graph/77/users"])
    assert town.texts() == ["Call Anna Berg"]
    row = desk.lead(lead_id)
    assert (row.stage, row.title, row.owner_id) == ("hot", "Anna Berg is warm", desk.id_of("Ivan"))
    assert [one.facts["text"] for one in desk.rows(signal)] == ["Anna Berg is warm"]
    states = sorted((one.channel, one.state) for one in desk.rows(letter))
    assert states == [
        ("audience", "sent"), ("email", "sent"), ("messenger", "sent"), ("sms", "sent"), ("webhook", "refused"),
        ("webhook", "sent"),
    ]  # fmt: skip
    with desk.store.read() as conn:
        [waits] = parked(conn, desk.clock.now())
    assert "public internet" in waits.why
    [line] = desk.rows(journal, journal.c.what == "robot")
    assert "{company}" in str(line.facts["left"]), "a message with an empty place never leaves"
    assert "running" in {one.state for one in desk.rows(deadline)}, "a robot's letter is no work"


def test_every_trigger_and_delay(town: Town) -> None:
    desk = town.desk
    say = lambda text: {"do": "task", "text": text}  # noqa: E731
    town.robot(say("opened"), trigger={"on": "opened"}, name="a")
    town.robot(say("field"), trigger={"on": "field", "field": "amount"}, name="b")
    town.robot(say("client"), trigger={"on": "client", "event": "message"}, name="c")
    town.robot(say("at ten"), delay={"ms": 0, "at": "10:00"}, name="f")
    town.robot(say("never"), conditions=[{"field": "stage", "op": "is", "value": "cold"}], name="g")
    town.noon()
    lead_id = desk.open()
    desk.timers.step()
    assert town.texts() == ["opened"]
    desk.do(note_field, lead_id)
    desk.do(show, lead_id, "message", "source:x", "in")
    desk.do(move_lead, lead_id, "warm", "crm:x")
    assert town.texts() == ["opened", "field", "client"]
    desk.do(show, lead_id, "call", "member:x")  # no clock moves its next step meanwhile
    town.robot(say("before"), trigger={"on": "time", "before_ms": HOUR // 2}, name="d")
    town.robot(say("after"), trigger={"on": "time", "after_ms": HOUR}, name="e")
    with desk.store.write() as conn:
        conn.execute(update(lead).values(next_step="call_back", next_step_at=desk.clock.now() + HOUR))
    for minutes, found in ((29, 0), (32, 1), (50, 1), (32, 2)):
        desk.wait(60 * minutes)
        assert len({"before", "after"} & set(town.texts())) == found, (minutes, town.texts())
    assert "at ten" not in town.texts()
    desk.wait(24 * 3600)
    assert town.texts().count("at ten") == 1
    assert "never" not in town.texts()


def note_field(conn: Any, clock: Any, lead_id: str) -> None:
    """A person changed a field in the CRM, as pull writes it."""
    note(conn, clock, "lead", lead_id, "field", "crm:x", {"field": "amount", "from": "", "to": "5"})


class Killed(BaseException):
    """The process is gone."""


def test_killed_between_commit_and_answer_there_is_no_second_mail(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = town.desk
    town.robot({"do": "message", "channel": "email", "subject": "Hello", "text": "Dear {first_name}"})
    who = town.client()
    town.noon()
    lead_id, really = desk.open(who), Smtp.send

    def dies(self: Smtp, told: Letter) -> str:
        really(self, told)
        raise Killed

    monkeypatch.setattr(Smtp, "send", dies)
    with pytest.raises(Killed):
        desk.do(move_lead, lead_id, "warm", "crm:x")
    monkeypatch.setattr(Smtp, "send", really)
    for _ in range(3):
        desk.wait(LEASE / 1000 + 1)
    [row] = desk.rows(letter)
    assert (row.state, len(town.office.mails)) == ("unknown", 1)
    with desk.store.write() as conn:
        assert [one.id for one in parked(conn, desk.clock.now())] == [row.id]
        assert send_again(conn, desk.clock, "member:x", row.id) == 1
    desk.wait(1)
    ids = [message_from_bytes(raw)["Message-ID"] for raw in town.office.mails]
    assert ids == [f"<{row.id}@firm.test>"] * 2, "on a person's word, and its reader can tell"


def test_a_way_that_may_not_send_waits_and_goes_on(town: Town) -> None:
    desk = town.desk
    town.robot({"do": "message", "channel": "sms", "text": "Dear {first_name}"})
    who = town.client()
    town.noon()
    [sms] = [one for one in town.whole.hub.outbox._carriers.live() if one.row.connector == "smsc"]  # type: ignore[attr-defined]
    town.whole.change(sms, state="paused")
    desk.do(move_lead, desk.open(who), "warm", "crm:x")
    desk.wait(20 * 60)
    assert town.calls == []
    with desk.store.read() as conn:
        assert [one.state for one in parked(conn, desk.clock.now())] == ["new"], "a person sees it wait"
    town.whole.change(sms, state="active")
    desk.wait(1)
    assert [path for path, _body in town.calls] == ["sys/send.php"]


def test_the_sets_that_ship_act_when_they_are_switched_on(town: Town) -> None:
    desk = town.desk
    with desk.store.write() as conn:
        for name in SETS:
            add_set(conn, desk.clock, name)
        conn.execute(update(robot).values(active=True))
    town.noon()
    first, second = desk.open(town.client()), desk.open(title="Second")
    desk.timers.step()
    assert sum("check the contact data" in one for one in town.texts()) == 2
    desk.do(move_lead, first, "hot", "member:x")
    assert any(one.startswith("Agree on a meeting") for one in town.texts())
    deal_id = desk.do(convert_lead, first, "member:x")
    with desk.store.read() as conn:
        [late] = [one for one in read_robots(conn) if one.name.startswith("Payment late")]
        assert (would_touch(conn, late, desk.clock), first_week(conn, late, desk.clock)) == ([], [])
    desk.do(move_deal, deal_id, "offer_sent", "crm:x")
    for _ in range(5):
        desk.wait(24 * 3600)
    assert sum("the payment is late" in one for one in town.texts()) == 1
    assert sum("next step is overdue" in one for one in town.texts()) >= 1
    assert any("nothing happened for two days" in str(one.facts.get("text")) for one in desk.rows(signal))
    for _ in range(4):
        desk.wait(24 * 3600)
    assert sum("no payment for a week" in str(one.facts.get("text")) for one in desk.rows(signal)) == 1
    desk.do(paid, deal_id)
    assert [one.state for one in desk.rows(deal)] == ["won"]
    assert desk.lead(second).state == "open"
    with desk.store.read() as conn:
        assert conn.execute(select(robot.c.name).where(robot.c.held != "")).all() == []
        assert conn.execute(select(contact.c.id)).first() is not None


def paid(conn: Any, clock: Any, deal_id: str) -> None:
    """The shop says that it was paid."""
    note(conn, clock, "deal", deal_id, "paid", "source:shop")


def test_robots_that_set_each_other_off_are_held(town: Town) -> None:
    desk = town.desk
    town.robot({"do": "stage", "stage": "hot"}, name="There")
    town.robot({"do": "stage", "stage": "warm"}, name="Back", trigger={"on": "stage", "stage": "hot"})
    desk.do(move_lead, desk.open(), "warm", "crm:x")
    for _ in range(10):
        desk.wait(1)
    [held] = desk.rows(robot, robot.c.held != "")
    assert "“There”" in held.held
    assert len(desk.rows(signal)) == 1
