"""The stage: processes, stand-ins, connections, and the people who send and work."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import select

from connectors.contract import Raw
from connectors.crms.amocrm.sandbox import create_sandbox, serving
from connectors.errors import Retry
from connectors.http import Wire
from connectors.sources.email.sandbox import Mailbox, start_mailbox
from connectors.sources.telegram import sandbox as telegram
from hub import setup
from hub.app import Hub, find_connector, open_hub
from hub.clock import SECOND, Clock
from hub.config import load_config
from hub.demo.messages import Message, now, signed_now
from hub.funnel import moves
from hub.model import connection, lead, link, member, pull_state

PASSWORD = "leadhub-demo"  # noqa: S105 - of people who exist only on this stage
PEOPLE = (
    ("anna@demo.test", "Anna Adler", "admin"),
    ("boris@demo.test", "Boris Bern", "sales"),
    ("vera@demo.test", "Vera Vogt", "lead_desk"),
)
START_S = 60.0


@dataclass
class Sent:
    """What was sent. `receipts` are those of acknowledged posts; polled channels are counted by connection."""

    received: int = 0
    refused: int = 0
    handshakes: int = 0
    receipts: list[str] = field(default_factory=list)
    polled: dict[str, int] = field(default_factory=dict)


@dataclass
class Scene:
    """A running hub and everything around it."""

    hub: Hub
    address: str
    crm_address: str
    crm_state: Any
    crm_id: str
    bot: Any
    bot_address: str
    mailbox: Mailbox
    wire: Wire
    tokens: dict[str, tuple[str, str]] = field(default_factory=dict)
    written: int = 0

    @classmethod
    @contextmanager
    def built(cls, folder: Path, port: int, demo_rate: bool) -> Iterator[Scene]:
        """Set everything up in `folder` and start it; all of it ends with the block."""
        with ExitStack() as stack:
            crm_app = create_sandbox(rate=7)
            _hire(crm_app.state)
            crm_address = stack.enter_context(serving(crm_app))
            bot = telegram.create_sandbox()
            bot_address = stack.enter_context(serving(bot))
            mailbox = start_mailbox()
            stack.callback(mailbox.stop)
            allowed = [address.removeprefix("http://") for address in (crm_address, bot_address)]
            hosts = (*allowed, f"{mailbox.host}:{mailbox.port}", f"127.0.0.1:{port}")
            hub = open_hub(load_config(folder, env={}, port=port, allowed_hosts=hosts))
            stack.callback(hub.close)
            crm_id = _furnish(hub, crm_address)
            wire = Wire(allow=hosts)
            scene = cls(hub, hub.config.public_url, crm_address, crm_app.state, crm_id, bot, bot_address, mailbox, wire)
            stack.enter_context(_running(hub, scene.address, wire))
            yield scene

    # ── senders ──────────────────────────────────────────────────────────────────────────────────

    def send_all(self, messages: list[Message]) -> Sent:
        """Every message the way its channel works; connections are made as they are needed."""
        sent = Sent()
        for message in messages:
            self._connection(message)
        self.hub.connections.forget()
        for message in messages:
            sent.received += 1
            {"http": self._post, "mail": self._mail, "bot": self._say}[message.via](message, sent)
        self._say_something(sent)
        return sent

    def somebody_writes(self) -> None:
        """One more inquiry through the site's form."""
        self.written += 1
        text = f"Please call me back about order no. {self.written}"
        body = json.dumps(
            {"name": f"Visitor {self.written}", "phone": f"+1 202 555 {100 + self.written:04d}", "message": text}
        )
        headers = {"content-type": "application/json"}
        message = Message("webhook", Raw(body.encode(), now(), headers))
        self._post(message, Sent())

    def _post(self, message: Message, sent: Sent) -> None:
        """Send, and send again while we are told to come later: as every serious sender does."""
        message = signed_now(message)
        raw, (_connection_id, token) = message.raw, self._connection(message)
        url = f"{self.address}/in/{token}" + (f"?{raw.query}" if raw.query else "")
        keep = {
            k: v for k, v in raw.headers.items() if k not in ("host", "content-length", "connection", "accept-encoding")
        }
        for _try in range(20):
            with suppress(Retry):
                answer = self.wire.send(raw.method, url, headers=keep, data=raw.body)
                if answer.status < 500:
                    break
            Clock().sleep(0.2)
        if answer.status >= 400:
            sent.refused += 1
        elif receipt := answer.headers.get("x-receipt"):
            sent.receipts.append(receipt)
        else:
            sent.handshakes += 1

    def _mail(self, message: Message, sent: Sent) -> None:
        connection_id, _token = self._connection(message)
        self.mailbox.deliver(message.raw.body)
        sent.polled[connection_id] = sent.polled.get(connection_id, 0) + 1

    def _say(self, message: Message, sent: Sent) -> None:
        connection_id, _token = self._connection(message)
        update = json.loads(message.raw.body)
        telegram.push(self.bot, {key: value for key, value in update.items() if key != "update_id"})
        sent.polled[connection_id] = sent.polled.get(connection_id, 0) + 1

    def _say_something(self, sent: Sent) -> None:
        """Two people talk to the bot; each talk is one lead."""
        connection_id, _token = self._connection(Message("telegram", _nothing(), "bot"))
        for name, who, text in TALK:
            telegram.send(self.bot, text, who=who, name=name, at=self.hub.clock.now() // SECOND)
            sent.polled[connection_id] = sent.polled.get(connection_id, 0) + 1
            sent.received += 1

    def _connection(self, message: Message) -> tuple[str, str]:
        """Id and token of the connection for messages of this kind, made when first asked for."""
        values = {**message.settings, **message.secrets}
        if message.via == "mail":
            own = {key: value for key, value in message.settings.items() if key in ("forms", "own")}
            values = {**own, **self.mailbox.settings, **self.mailbox.secrets}
        elif message.via == "bot":
            values = {"token": telegram.TOKEN, "base": self.bot_address}
        elif message.connector == "telegram":
            values = {"token": telegram.TOKEN, "base": self.bot_address, **values, "receive": "webhook"}
        kind = message.via if message.via != "http" else json.dumps(values, sort_keys=True)
        place = f"{message.connector}/{kind}"
        if place not in self.tokens:
            self.tokens[place] = self._made(message.connector, values)
        return self.tokens[place]

    def _made(self, name: str, values: Mapping[str, str]) -> tuple[str, str]:
        hub, connector = self.hub, find_connector("source", name)
        with hub.store.write() as conn:
            made = setup.add_connection(
                conn, hub.clock, hub.vault, connector, connector.title, values, "RU", {"poll_s": 1, "per_minute": 6000}
            )
            return made, str(conn.execute(select(connection.c.token).where(connection.c.id == made)).scalar())

    # ── people ───────────────────────────────────────────────────────────────────────────────────

    def people_work(self) -> None:
        """The desk takes, converts and rejects; somebody in the CRM drags a card over the border."""
        hub = self.hub
        with hub.store.read() as conn:
            anna = str(conn.execute(select(member.c.id).order_by(member.c.created_at).limit(1)).scalar())
            ids = [row.id for row in conn.execute(select(lead.c.id).where(lead.c.state == "open").order_by(lead.c.id))]
        for number, lead_id in enumerate(ids[:3]):
            with hub.store.write() as conn, suppress(moves.NotPossible):
                moves.take_lead(conn, hub.clock, lead_id, anna)
                if number == 1:
                    moves.convert_lead(conn, hub.clock, lead_id, f"member:{anna}")
                if number == 2:
                    moves.reject_lead(conn, hub.clock, lead_id, "Looks for a job", f"member:{anna}")
        if len(ids) > 3:
            self._drag(ids[3])

    def _drag(self, lead_id: str) -> None:
        with self.hub.store.read() as conn:
            card = conn.execute(
                select(link.c.remote_id).where(link.c.record_id == lead_id, link.c.role == "lead")
            ).scalar()
            config = conn.execute(select(connection.c.config).where(connection.c.id == self.crm_id)).scalar() or {}
        spot = next(row for row in config["placement"]["rows"] if row[0] == "deal" and row[2] == "in_work")
        if card:
            self.crm_state.drag_card(int(card), int(spot[4]), int(spot[3]))


TALK = (
    ("Nina", 7001, "Hello! Do you deliver on Saturdays?"),
    ("Oleg", 7002, "Здравствуйте, сколько стоит кухня 3 метра?"),
    ("Nina", 7001, "To the suburbs, I mean"),
)


def _nothing() -> Raw:
    return Raw(b"", now())


def _hire(account: Any) -> None:
    """The same people work in the CRM: the hub knows them by their addresses."""
    for number, (login, name, _role) in zip(list(account.users), PEOPLE, strict=True):
        account.users[number], account.emails[number] = name, login


def _furnish(hub: Hub, crm_address: str) -> str:
    """People, a direction, a rule, and the CRM with its two blocks; answers the CRM connection's id."""
    with hub.store.write() as conn:
        setup.first_setup(conn, hub.clock, "Sales", "en")
        for login, name, role in PEOPLE:
            setup.add_member(conn, hub.clock, login, name, PASSWORD, role)
        crm = find_connector("crm", "amocrm")
        values = {"address": crm_address, "token": "sandbox-token"}
        crm_id = setup.add_connection(conn, hub.clock, hub.vault, crm, "Sandbox CRM", values, "RU", {"poll_s": 2})
    hub.connections.forget()
    hub.provision.apply(crm_id, hub.provision.plan(crm_id))
    Clock().sleep(1)  # the set-up has used up this second's calls of the account
    return crm_id


@contextmanager
def _running(hub: Hub, address: str, wire: Wire) -> Iterator[None]:
    """The hub as its users start it, with its log in the data folder."""
    config = hub.config
    environment = {**os.environ, "LEADHUB_ALLOWED_HOSTS": ",".join(config.allowed_hosts)}
    command = [sys.executable, "-m", "hub.cli", "serve", "--folder", str(config.folder), "--port", str(config.port)]
    with (config.folder / "serve.log").open("wb") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)  # noqa: S603 - our own command
        try:
            _await(address, wire, process)
            _await_lists(hub)
            yield
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()


def _await(address: str, wire: Wire, process: subprocess.Popen[bytes]) -> None:
    end = Clock().monotonic() + START_S
    while Clock().monotonic() < end and process.poll() is None:
        with suppress(Retry):
            if wire.send("GET", f"{address}/health").status == 200:
                return
        Clock().sleep(0.05)
    raise RuntimeError(f"The hub did not start at {address}: is the port free? See serve.log in the data folder")


def _await_lists(hub: Hub) -> None:
    """The CRM has been read to its end once: before that new companies wait half a minute."""
    whole = select(pull_state.c.whole_at).where(pull_state.c.kind == "contacts")
    end = Clock().monotonic() + START_S
    while Clock().monotonic() < end:
        with hub.store.read() as conn:
            if conn.execute(whole).scalar() is not None:
                return
        Clock().sleep(0.1)
    raise RuntimeError("The hub did not read the CRM: see serve.log in the data folder")
