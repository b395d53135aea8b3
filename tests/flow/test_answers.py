"""Owners are told of their leads in the bot and by mail, and answer from there: the real flow on both stacks.

No CRM is connected but in one test, where it is down: everything here works without one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.policy import default
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import insert, select, update

from connectors.crms.amocrm.sandbox import create_sandbox as amocrm_sandbox
from connectors.sources.telegram.sandbox import TOKEN, bot_of, create_sandbox, press, send
from connectors.testing.sandbox.server import serving
from hub.clock import DAY, HOUR, MINUTE
from hub.funnel.questions import add_defaults
from hub.model import deadline, deal, journal, lead, letter, member, pool, reach
from hub.notices.seals import WEEK, Asked, BadToken, Seals
from hub.routing.rotation import POOL
from tests.office import Office, open_office
from tests.servers import Stack
from tests.web.world import log_in, token
from tests.whole import Whole, whole_hub
from workers.tasks import poll_one, time

OLGA, IVAN, STRANGER = 5001, 5002, 5009
ADDRESSES = re.compile(r"/answer/(\S+)")


@dataclass
class Play:
    """A hub whose bot and mail server are real conversations away."""

    whole: Whole
    bot: Flask
    office: Office
    form: Any = None
    connection: str = ""
    ids: dict[str, str] = field(default_factory=dict)

    def step(self) -> None:
        """What workers do in a few seconds: ask the bot, understand, tell."""
        self.whole.clock.advance(6)
        poll_one(self.whole.hub, self.connection)
        self.whole.flow()
        time(self.whole.hub)

    def link(self, login: str, account: int) -> None:
        client = self.whole.hub and self.browser(login)
        page = client.get("/me").get_data(as_text=True)
        data = {"csrf_token": token(page)}
        page = client.post(f"/me/bot/{self.connection}", data=data).get_data(as_text=True)
        code = re.search(r"https://t\.me/sandbox_bot\?start=([\w-]+)", page)
        assert code, page
        assert len(code[1]) <= 64
        send(self.bot, f"/start {code[1]}", who=account, name=login.title())
        self.step()

    def browser(self, login: str = "") -> Any:
        client = self.whole.client.application.test_client()
        if login:
            assert log_in(client, login, "long enough").status_code == 303
        return client

    def inquiry(self, name: str = "Anna") -> Any:
        """A lead comes in; answers its row."""
        self.whole.post(self.form, f"name={name}&phone=%2B7912345{len(self.rows(lead)):04}&message=Windows")
        self.step()
        return self.rows(lead)[-1]

    def give(self, lead_id: str, who: str) -> None:
        from hub.funnel.moves import give_lead

        with self.whole.hub.store.write() as conn:
            give_lead(conn, self.whole.clock, lead_id, self.ids[who], "hub")
        self.step()

    def rows(self, table: Any, *where: Any) -> Any:
        return self.whole.rows(table, *where)

    def lead(self, lead_id: str) -> Any:
        return self.rows(lead, lead.c.id == lead_id)[0]

    def owner(self, lead_id: str) -> str:
        held = self.lead(lead_id).owner_id
        return next(name for name, one in self.ids.items() if one == held)

    def last(self, account: int) -> dict[str, Any]:
        """The newest message of the bot to this account."""
        return dict(bot_of(self.bot).chats[account][-1])

    def news(self, account: int, name: str) -> dict[str, Any]:
        """What the bot told this account last of the lead with this name."""
        return next(dict(one) for one in reversed(bot_of(self.bot).chats[account]) if name in one["text"])

    def press(self, account: int, act: str, message: dict[str, Any] | None = None) -> str:
        """Press the button of this act; answers what the bot said."""
        under = message or self.last(account)
        data = next(one["callback_data"] for one in buttons(under) if one["callback_data"].startswith(act))
        press(self.bot, data, under, who=account)
        self.step()
        return bot_of(self.bot).told[-1]

    def told(self, lead_id: str) -> list[str]:
        return [row.what for row in self.rows(journal, journal.c.subject_id == lead_id)]


def buttons(message: dict[str, Any]) -> list[dict[str, str]]:
    return [one for row in (message.get("reply_markup") or {}).get("inline_keyboard", []) for one in row]


@contextmanager
def opened(stack: Stack, *hosts: str) -> Iterator[Play]:
    bot = create_sandbox()
    with serving(bot) as address, open_office() as office:
        allowed = tuple(one.removeprefix("http://") for one in (address, *hosts))
        with whole_hub(stack.folder, stack, allowed_hosts=allowed, public_url="https://hub.test") as whole:
            made = Play(whole, bot, office)
            made.connection = whole.connect("telegram", token=TOKEN, base=address).id
            whole.connect(
                "smtp", "carrier", host="127.0.0.1", port=str(office.port), security="none", user="desk",
                password="right", sender="hub@firm.test",
            )  # fmt: skip
            made.form = whole.connect("webform", least_ms="0")
            made.ids = {row.login: row.id for row in whole.rows(member)}
            yield made


@pytest.fixture
def play(stack: Stack) -> Iterator[Play]:
    with opened(stack) as made:
        yield made


@pytest.fixture
def told(play: Play) -> Play:
    """Both owners are linked to the bot."""
    play.link("olga", OLGA)
    play.link("ivan", IVAN)
    return play


# ── linking ──────────────────────────────────────────────────────────────────────────────────────


def test_an_account_is_linked_once_by_a_code_from_the_own_page(play: Play) -> None:
    play.link("olga", OLGA)
    assert "Olga" in play.last(OLGA)["text"]
    [row] = play.rows(reach)
    assert (row.member_id, row.address, row.code) == (play.ids["olga"], str(OLGA), "")
    sent = bot_of(play.bot)
    send(play.bot, "/start link-AAAAAAAAAAAAAAAAAAAAAAAA", who=STRANGER)
    play.step()
    assert "too old" in play.last(STRANGER)["text"]
    assert play.rows(lead) == [], "whoever tries a code is no client"
    send(play.bot, "/start spring", who=STRANGER)
    play.step()
    assert len(play.rows(lead)) == 1, "a campaign's link is an inquiry"
    assert len(sent.chats[OLGA]) == 1 + sum(row.owner_id == play.ids["olga"] for row in play.rows(lead))


def test_a_code_is_good_once_and_for_a_quarter_of_an_hour(play: Play) -> None:
    client = play.browser("ivan")
    data = {"csrf_token": token(client.get("/me").get_data(as_text=True))}
    codes = []
    for _ in range(2):
        page = client.post(f"/me/bot/{play.connection}", data=data).get_data(as_text=True)
        codes += re.findall(r"start=([\w-]+)", page)
    assert len(set(codes)) == 2, page
    send(play.bot, f"/start {codes[0]}", who=STRANGER)
    play.step()
    assert play.rows(reach, reach.c.address != "") == [], "a newer code took its place"
    play.whole.clock.advance(16 * 60)
    send(play.bot, f"/start {codes[1]}", who=IVAN)
    play.step()
    assert play.rows(reach, reach.c.address != "") == []
    play.link("ivan", IVAN)
    play.link("olga", IVAN)
    [row] = play.rows(reach, reach.c.address != "")
    assert row.member_id == play.ids["olga"], "one account belongs to one member"


# ── the bot ──────────────────────────────────────────────────────────────────────────────────────


def test_the_owner_is_told_once_and_accepts(told: Play) -> None:
    row = told.inquiry()
    account = OLGA if told.owner(row.id) == "olga" else IVAN
    other = IVAN if account == OLGA else OLGA
    message = told.last(account)
    assert "Anna" in message["text"]
    assert f"https://hub.test/leads/{row.id}" in message["text"]
    assert [one["callback_data"].partition(":")[0] for one in buttons(message)] == [
        "accept", "decline", "later", "qualify", "note",
    ]  # fmt: skip
    told.step()
    assert len(bot_of(told.bot).chats[account]) == 2
    assert len(bot_of(told.bot).chats[other]) == 1, "the other one hears nothing"
    assert told.press(account, "accept") == "Accepted."
    assert told.lead(row.id).taken_by == row.owner_id
    assert "— Accepted." in told.last(account)["text"]
    assert "accept" not in str(buttons(told.last(account)))
    assert told.press(account, "accept", message) == "Accepted."
    assert told.told(row.id).count("taken") == 1, "twice is once"
    assert {one.state for one in told.rows(deadline, deadline.c.lead_id == row.id)} <= {"running"}, (
        "no evidence of work"
    )
    assert len(told.rows(lead)) == 1, "no press opens a lead"


def test_declining_gives_it_on_and_ends_the_say(told: Play) -> None:
    row = told.inquiry()
    first, second = (OLGA, IVAN) if told.owner(row.id) == "olga" else (IVAN, OLGA)
    message = told.last(first)
    assert told.press(first, "decline") == "Given on."
    assert told.lead(row.id).owner_id != row.owner_id
    assert "Anna" in told.last(second)["text"], "the next one is told"
    assert buttons(told.last(first)) == []
    assert told.press(first, "accept", message) == "This lead is not with you any more."
    assert told.press(first, "decline", message) == "This lead is not with you any more."
    assert told.told(row.id).count("declined") == 1
    assert told.lead(row.id).taken_by is None


def test_later_asks_when_and_sets_the_next_step(told: Play) -> None:
    row = told.inquiry()
    account = OLGA if told.owner(row.id) == "olga" else IVAN
    assert told.press(account, "later") == "When?"
    assert [one["text"] for one in buttons(told.last(account))] == ["In an hour", "Tomorrow", "In three days", "Back"]
    assert told.press(account, "later:" + row.id + ":1d") == "Postponed."
    found = told.lead(row.id)
    assert found.next_step == "call_back"
    assert found.next_step_at == (told.whole.clock.now() // DAY + 1) * DAY + 9 * HOUR
    assert len(buttons(told.last(account))) == 5
    assert "postponed" in told.told(row.id)


def test_a_note_is_a_reply(told: Play) -> None:
    row = told.inquiry()
    account = OLGA if told.owner(row.id) == "olga" else IVAN
    message = told.last(account)
    assert "Reply" in told.press(account, "note")
    send(told.bot, "Calls back on Friday", who=account, reply_to_message=message)
    send(told.bot, "and nothing else", who=account)
    told.step()
    [remark] = told.rows(journal, journal.c.what == "remark")
    assert (remark.subject_id, remark.facts["text"]) == (row.id, "Calls back on Friday")
    assert len(told.rows(lead)) == 1, "what a colleague writes is no inquiry"
    assert any("reply to a message" in one["text"] for one in bot_of(told.bot).chats[account])


def test_qualifying_asks_the_border(told: Play) -> None:
    with told.whole.hub.store.write() as conn:
        add_defaults(conn, told.whole.clock)
    row = told.inquiry()
    account = OLGA if told.owner(row.id) == "olga" else IVAN
    assert told.press(account, "qualify").startswith("Not known yet: ")
    assert told.rows(deal) == []
    with told.whole.hub.store.write() as conn:
        from hub.model import question

        conn.execute(update(question).values(active=False))
    assert told.press(account, "qualify") == "It is a deal now."
    assert len(told.rows(deal)) == 1
    assert buttons(told.last(account)) == []


def test_a_lead_offered_to_all_goes_to_whoever_takes_it_first(told: Play) -> None:
    with told.whole.hub.store.write() as conn:
        conn.execute(insert(pool).values(name=POOL, offer=True, off_hours="give", own_first=True))
    lead_id = told.inquiry().id
    first = told.owner(lead_id)
    owner, other = (OLGA, IVAN) if first == "olga" else (IVAN, OLGA)
    assert told.last(owner)["text"].startswith("A lead for whoever takes it first: Anna")
    offer = told.last(other)
    assert offer["text"].startswith("A lead for whoever takes it first: Anna")
    assert [one["text"] for one in buttons(offer)] == ["Accept"]
    asked = told.last(owner)
    assert told.press(other, "accept", offer) == "Accepted."
    taker = "ivan" if first == "olga" else "olga"
    assert (told.owner(lead_id), told.lead(lead_id).taken_by) == (taker, told.ids[taker])
    assert told.press(owner, "accept", asked).endswith("has taken this lead already.")
    assert told.rows(member, member.c.id == told.ids[taker])[0].name in bot_of(told.bot).told[-1]
    assert buttons(told.last(owner)) == []
    assert told.owner(lead_id) == taker
    assert told.told(lead_id).count("taken") == 1


def test_a_lead_that_was_given_on_is_offered_no_more(told: Play) -> None:
    with told.whole.hub.store.write() as conn:
        conn.execute(insert(pool).values(name=POOL, offer=True, off_hours="give", own_first=True))
    lead_id = told.inquiry().id
    first = told.owner(lead_id)
    other, account = ("ivan", OLGA) if first == "olga" else ("olga", IVAN)
    offer = told.last(account)
    told.give(lead_id, other)
    assert told.press(account, "accept", offer) == "This lead is not with you any more."
    assert told.owner(lead_id) == other


def test_owners_answer_while_the_crm_is_down_and_it_hears_of_it_later(stack: Stack) -> None:
    there = amocrm_sandbox(rate=None)
    with serving(there) as address, opened(stack, address) as play:
        play.link("olga", OLGA)
        play.link("ivan", IVAN)
        settings = {"address": address, "token": "sandbox-token"}
        crm = play.whole.connect("amocrm", "crm", config={"unlimited": True}, **settings).id
        hub = play.whole.hub
        hub.provision.apply(crm, hub.provision.plan(crm))
        there.state.faults.order("503", 100_000)
        rows = [play.inquiry(name) for name in ("Anna", "Boris", "Clara")]
        hub.pusher.drain(crm)
        accounts = [OLGA if play.owner(row.id) == "olga" else IVAN for row in rows]
        assert play.press(accounts[0], "accept", play.news(accounts[0], "Anna")) == "Accepted."
        assert play.press(accounts[1], "decline", play.news(accounts[1], "Boris")) == "Given on."
        assert play.press(accounts[2], "later", play.news(accounts[2], "Clara")) == "When?"
        assert play.press(accounts[2], "later:" + rows[2].id + ":1d", play.news(accounts[2], "Clara")) == "Postponed."
        send(play.bot, "Calls back on Friday", who=accounts[0], reply_to_message=play.news(accounts[0], "Anna"))
        play.step()
        hub.pusher.drain(crm)
        assert play.lead(rows[0].id).taken_by == rows[0].owner_id
        assert play.lead(rows[1].id).owner_id != rows[1].owner_id
        assert "remark" in play.told(rows[0].id)
        assert there.state.rows["leads"] == {}, "nothing reached it so far"
        there.state.faults.waiting.clear()
        for _round in range(6):
            play.whole.clock.advance(600)
            hub.pusher.drain(crm)
        cards = {row["name"].partition(" ")[0]: row for row in there.state.rows["leads"].values()}
        assert set(cards) == {"Anna", "Boris", "Clara"}
        assert len(there.state.rows["leads"]) == 3
        assert [row["params"]["text"] for row in there.state.notes] == ["Calls back on Friday"]


def test_what_strangers_press_does_nothing(told: Play) -> None:
    row = told.inquiry()
    first, second = (OLGA, IVAN) if told.owner(row.id) == "olga" else (IVAN, OLGA)
    message = told.last(first)
    elsewhere = {**message, "chat": {"id": second, "type": "private"}}
    assert told.press(second, "decline", elsewhere) == "This lead is not with you any more."
    send(told.bot, "hello", who=STRANGER)
    told.step()
    data = buttons(message)[1]["callback_data"]
    press(told.bot, data, {**message, "chat": {"id": STRANGER, "type": "private"}}, who=STRANGER)
    for junk in ("accept:nothing", "eval:" + row.id, ":::", "later:" + row.id + ":9y", ""):
        press(told.bot, junk, message, who=first)
    told.step()
    assert told.lead(row.id).owner_id == row.owner_id
    assert told.lead(row.id).taken_by is None
    with told.whole.hub.store.write() as conn:
        conn.execute(update(member).where(member.c.id == row.owner_id).values(active=False))
    press(told.bot, data, message, who=first)
    told.step()
    assert "declined" not in told.told(row.id), "who left has no say"


def test_a_press_that_comes_twice_is_one(told: Play) -> None:
    row = told.inquiry()
    account = OLGA if told.owner(row.id) == "olga" else IVAN
    message = told.last(account)
    press(told.bot, f"later:{row.id}:1h", message, who=account)
    again = bot_of(told.bot).updates[-1]
    told.step()
    before = told.lead(row.id).next_step_at
    told.whole.clock.advance(300)
    bot_of(told.bot).updates.append({**again, "update_id": again["update_id"] + 50})
    told.step()
    assert told.lead(row.id).next_step_at == before
    assert told.told(row.id).count("postponed") == 1


def test_a_blocked_bot_is_shown_and_the_lead_stays(told: Play) -> None:
    bot_of(told.bot).blocked_by = {OLGA, IVAN}
    row = told.inquiry()
    [parked] = told.rows(letter, letter.c.state == "refused")
    assert "blocked by the user" in parked.why
    assert told.lead(row.id).state == "open"


# ── mail ─────────────────────────────────────────────────────────────────────────────────────────


def mails(play: Play) -> list[Any]:
    return [message_from_bytes(raw, policy=default) for raw in play.office.mails]


def links(play: Play) -> dict[str, str]:
    """Tokens of the newest mail by their label."""
    text = mails(play)[-1].get_content()
    return {line.partition(":")[0]: ADDRESSES.search(line)[1] for line in text.splitlines() if "/answer/" in line}  # type: ignore[index]


def push_button(play: Play, made: str, **data: str) -> Any:
    client = play.browser()
    page = client.get(f"/answer/{made}")
    assert page.status_code == 200
    return client.post(f"/answer/{made}", data={"csrf_token": token(page.get_data(as_text=True)), **data})


@pytest.fixture
def mailed(play: Play) -> Play:
    """Both owners get mails: each has opened the link that was sent to the address."""
    for login in ("olga", "ivan"):
        client = play.browser(login)
        data = {"csrf_token": token(client.get("/me").get_data(as_text=True)), "address": f"{login}@firm.test"}
        assert client.post("/me/mail", data=data).status_code == 303
        play.step()
        assert play.rows(reach, reach.c.member_id == play.ids[login]) == [], "not before the link was opened"
        made = ADDRESSES.search(mails(play)[-1].get_content())
        assert made
        assert push_button(play, made[1]).status_code == 200
    return play


def test_a_mail_has_a_link_for_each_answer_and_opening_it_changes_nothing(mailed: Play) -> None:
    row = mailed.inquiry()
    assert mails(mailed)[-1]["To"] == f"{mailed.owner(row.id)}@firm.test"
    found = links(mailed)
    assert list(found) == ["Accept", "Decline", "Later", "Qualify", "Note"]
    assert not any("/answer/" in str(one.body) for one in mailed.rows(letter)), "no link stands in the database"
    client = mailed.browser()
    before = [mailed.lead(row.id), mailed.told(row.id)]
    for made in found.values():
        assert client.get(f"/answer/{made}").status_code == 200
        assert client.head(f"/answer/{made}").status_code == 200
        assert client.post(f"/answer/{made}").status_code == 400, "only our own form"
    assert [mailed.lead(row.id), mailed.told(row.id)] == before
    for _ in range(2):
        assert "Accepted." in push_button(mailed, found["Accept"]).get_data(as_text=True)
    assert mailed.told(row.id).count("taken") == 1
    push_button(mailed, found["Note"], text="Wants <b>white</b> ones")
    push_button(mailed, found["Note"], text="Wants <b>white</b> ones")
    push_button(mailed, found["Later"], when="3d")
    assert mailed.told(row.id).count("remark") == 1
    assert mailed.lead(row.id).next_step_at > mailed.whole.clock.now() + 2 * DAY
    assert push_button(mailed, found["Later"], when="never").status_code == 409
    assert "Given on." in push_button(mailed, found["Decline"]).get_data(as_text=True)
    assert push_button(mailed, found["Decline"]).status_code == 409, "it is with somebody else now"
    mailed.step()
    assert mails(mailed)[-1]["To"] == f"{mailed.owner(row.id)}@firm.test", "the next one is told"


def test_forged_foreign_and_old_links_open_nothing(mailed: Play) -> None:
    row = mailed.inquiry()
    good, client, clock = links(mailed)["Accept"], mailed.browser(), mailed.whole.clock
    foreign = Seals(b"k" * 32, "https://hub.test").seal(Asked(row.owner_id, row.id, "decline"), clock.now() + DAY)
    head, _dot, tail = good.partition(".")
    for bad in (foreign, good[:-2] + ("aa" if not good.endswith("aa") else "bb"), f"{head[:-3]}xyz.{tail}", "x", "a.b"):
        answer = client.get(f"/answer/{bad}")
        assert answer.status_code == 404
        assert "Anna" not in answer.get_data(as_text=True)
    seals = mailed.whole.hub.seals
    other = next(one for one in mailed.ids.values() if one != row.owner_id)
    for asked in (Asked(other, row.id, "decline"), Asked(row.owner_id, row.id, "erase")):
        made = seals.seal(asked, clock.now() + DAY)
        shown = client.get(f"/answer/{made}")
        if shown.status_code == 200:
            assert push_button(mailed, made).status_code == 409
    assert mailed.lead(row.id).owner_id == row.owner_id
    clock.advance((WEEK + MINUTE) / 1000)
    assert client.get(f"/answer/{good}").status_code == 410
    with pytest.raises(BadToken, match="too old"):
        seals.open(good, clock.now())


def test_a_head_is_told_once_and_once_when_it_is_over(mailed: Play) -> None:
    from hub.funnel.signals import over, tell

    store, clock = mailed.whole.hub.store, mailed.whole.clock
    before = len(mails(mailed))
    with store.write() as conn:
        tell(conn, clock, "conversion:x", mailed.ids["olga"], {"cause": "spring campaign"})
    for _ in range(3):
        mailed.step()
    with store.write() as conn:
        over(conn, clock, ["conversion:x"])
    for _ in range(3):
        mailed.step()
    subjects = [one["Subject"] for one in mails(mailed)[before:]]
    assert subjects == ["Lead hub: spring campaign", "It is over: spring campaign"]
    with store.read() as conn:
        assert conn.execute(select(letter.c.id).where(letter.c.state != "sent")).all() == []
