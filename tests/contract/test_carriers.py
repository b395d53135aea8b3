"""Carriers: each against the other side – a mail server that runs, gateways played by the rules they publish."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from email import message_from_bytes
from email.policy import default
from typing import Any
from urllib.parse import parse_qs

import pytest
from standardwebhooks import Webhook

from connectors import registry
from connectors.carriers.hook import Hook
from connectors.carriers.meta_audience import MetaAudience
from connectors.carriers.smsc import Smsc
from connectors.carriers.smtp import Smtp
from connectors.contract import Letter
from connectors.errors import Missing, Pause, Refuse, Retry
from connectors.http import Wire
from connectors.sources.telegram import Telegram
from connectors.sources.telegram.sandbox import TOKEN, bot_of, create_sandbox
from connectors.sources.telegram.sandbox import send as push_from
from connectors.testing.carrier import AT, CarrierContract, CarrierRig, Far
from connectors.testing.carrier import letter as numbered
from tests.office import Office, open_office

ID = "0CHD2JPT1S0123456789ABCDEF"


def letter(channel: str, **body: Any) -> Letter:
    return Letter(ID, channel, body, AT)


def test_every_carrier_has_its_suite() -> None:
    suites = (one for one in globals().values() if isinstance(one, type) and issubclass(one, CarrierContract))
    assert {one.of.name for one in suites if one is not CarrierContract} >= set(registry.names("carriers"))


# ── mail ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def office() -> Iterator[Office]:
    with open_office() as made:
        yield made


def smtp(office: Office, password: str = "right", **more: str) -> Smtp:
    told = {"host": "127.0.0.1", "port": str(office.port), "security": "none", "user": "desk"}
    return Smtp({**told, "sender": "hello@firm.test", "sender_name": "Фирма", **more}, {"password": password})


def test_a_mail_arrives_with_an_id_of_ours(office: Office) -> None:
    text = "Добрый день!\n.\n..точка\nFrom the desk"
    told = letter("email", to="anna@client.test", subject="Ваш заказ\r\nBcc: all@client.test", text=text)
    carrier = smtp(office)
    assert carrier.send(told) == f"<{ID}@firm.test>"
    [raw] = office.mails
    mail = message_from_bytes(raw, policy=default)
    assert (mail["Message-ID"], mail["X-Lead-Hub"]) == (f"<{ID}@firm.test>", ID)
    assert mail["Subject"] == "Ваш заказ Bcc: all@client.test"
    assert mail["Bcc"] is None
    assert mail.get_content().replace("\r\n", "\n").rstrip("\n") == text
    assert "Фирма" in str(mail["From"])
    assert carrier.find(told) is None
    assert "hello@firm.test" in carrier.check()


class TestSmtp(CarrierContract):
    of = Smtp
    test_nothing_reaches_inside = None  # a mail server of the house may stand inside

    @pytest.fixture
    def rig(self, office: Office) -> CarrierRig:
        carrier = smtp(office)

        def fail(what: str) -> None:
            carrier.settings = {**carrier.settings, "port": "1" if what == "away" else str(office.port)}
            office.rcpt = "450 4.2.1 come later" if what == "busy" else "250 OK"
            office.rcpts = {"nobody@client.test": "550 5.1.1 no such user nobody@client.test"}
            office.data = "" if what in ("lost", "html", "500") else "250 OK"

        fail("")
        return CarrierRig(
            carrier,
            lambda n: numbered(n, "email", to=f"anna{n}@client.test", subject="Hello", text="Hello"),
            numbered(9, "email", to="nobody@client.test", text="Hello"),
            smtp(office, "another-secret"),
            lambda: len(office.mails),
            fail,
            waits=None,
        )


@pytest.mark.parametrize(
    ("rcpt", "data", "error", "effect", "arrived"),
    [
        ("550 5.1.1 no such user anna@client.test", "250 OK", Refuse, None, 0),
        ("450 4.2.1 come later", "250 OK", Retry, False, 0),
        ("452 4.2.2 mailbox full", "250 OK", Retry, False, 0),
        ("552 5.2.2 mailbox full", "250 OK", Retry, False, 0),
        ("250 OK", "552 5.2.2 over quota", Retry, False, 1),
        ("552 5.2.3 too large", "250 OK", Refuse, None, 0),
        ("250 OK", "554 5.7.1 spam", Refuse, None, 1),
        ("250 OK", "451 4.3.0 come later", Retry, False, 1),
        ("250 OK", "", Retry, True, 1),
    ],
)
def test_what_a_server_says_is_told_apart(
    office: Office, rcpt: str, data: str, error: type[Exception], effect: bool | None, arrived: int
) -> None:
    office.rcpt, office.data = rcpt, data
    with pytest.raises(error) as met:
        smtp(office).send(letter("email", to="anna@client.test", subject="Hello", text="Hello"))
    assert getattr(met.value, "effect", None) == effect
    assert "anna" not in str(met.value)
    assert len(office.mails) == arrived


@pytest.mark.parametrize("to", ["почта@клиент.test", "anna@client.test"])
def test_addresses_of_all_letters(office: Office, to: str) -> None:
    smtp(office).send(letter("email", to=to, subject="x", text="y"))
    assert to in str(message_from_bytes(office.mails[0], policy=default)["To"])


# ── gateways ─────────────────────────────────────────────────────────────────────────────────────


NOBODY, PASSWORD = "+79000000000", "s3same-0pen"


class Gateway:
    """smsc.ru as it describes itself: knows messages by (id, phone), once taken."""

    def __init__(self) -> None:
        self.taken: dict[tuple[str, str], str] = {}
        self.wrong: dict[str, Any] = {}

    def __call__(self, url: str, body: bytes) -> tuple[int, Any]:
        told = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        if (told["login"], told["psw"]) != ("desk", PASSWORD):
            return 200, {"error": "authorise error", "error_code": 2}
        if self.wrong:
            return 200, self.wrong
        if url.endswith("status.php"):
            known = (told["id"], told["phone"]) in self.taken
            return 200, {"status": 1} if known else {"error": "message not found", "error_code": 3}
        if url.endswith("balance.php"):
            return 200, {"balance": "12.50"}
        if told["phones"] == NOBODY:
            return 200, {"error": "no such number", "error_code": 7}
        assert 1 <= int(told["id"]) < 2**31
        self.taken[told["id"], told["phones"]] = told["mes"]
        return 200, {"id": int(told["id"]), "cnt": 1}


def sms(gateway: Any, password: str = PASSWORD) -> Smsc:
    return Smsc({"login": "desk"}, {"password": password}, Far(gateway))


class TestSmsc(CarrierContract):
    of = Smsc

    @pytest.fixture
    def rig(self) -> CarrierRig:
        gateway = Gateway()
        far = Far(gateway)

        def inside(address: str) -> tuple[Smsc, Letter]:
            return Smsc({"login": "desk", "base": address}, {"password": PASSWORD}, Wire()), numbered(
                1, "sms", to="+79123456789", text="x"
            )

        return CarrierRig(
            Smsc({"login": "desk"}, {"password": PASSWORD}, far),
            lambda n: numbered(n, "sms", to=f"+7912345678{n}", text="x"),
            numbered(9, "sms", to=NOBODY, text="x"),
            Smsc({"login": "desk"}, {"password": "another-secret"}, far),
            lambda: len(gateway.taken),
            lambda what: setattr(far, "fault", what),
            inside,
        )


def test_an_sms_is_found_by_a_number_of_ours() -> None:
    gateway = Gateway()
    carrier, told = sms(gateway), letter("sms", to="+79123456789", text="Ждём вас в 10:00")
    assert carrier.find(told) == ""
    sent = carrier.send(told)
    assert list(gateway.taken.values()) == ["Ждём вас в 10:00"]
    assert carrier.find(told) == sent
    assert carrier.check() == "desk: balance 12.50"
    assert all(PASSWORD not in url for url, _body, _headers in carrier.http.calls)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("code", "error"), [(2, Pause), (3, Pause), (4, Retry), (6, Refuse), (7, Refuse), (8, Refuse), (9, Retry)]
)
def test_what_the_gateway_refuses(code: int, error: type[Exception]) -> None:
    gateway = Gateway()
    gateway.wrong = {"error": "no", "error_code": code}
    with pytest.raises(error):
        sms(gateway).send(letter("sms", to="+79123456789", text="x"))


@pytest.mark.parametrize(("status", "said"), [(502, {}), (200, {"cnt": 1})])
def test_an_answer_nobody_understands_is_perhaps_sent(status: int, said: Any) -> None:
    with pytest.raises(Retry) as met:
        sms(lambda _url, _body: (status, said)).send(letter("sms", to="+79123456789", text="x"))
    assert met.value.effect


SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


class TestHook(CarrierContract):
    of = Hook

    @pytest.fixture
    def rig(self) -> CarrierRig:
        known: set[str] = set()

        def answer(url: str, _body: bytes) -> tuple[int, Any]:
            if url.endswith("/gone"):
                return 410, b""
            known.add(far.calls[-1][2]["webhook-id"])
            return 204, b""

        far = Far(answer)
        return CarrierRig(
            Hook({}, {"secret": SECRET}, far),
            lambda n: numbered(n, "webhook", to=f"https://far.test/in/{n}"),
            numbered(9, "webhook", to="https://far.test/gone"),
            Hook({}, {"secret": "whsec_c2hvcnQ="}, far),
            lambda: len(known),
            lambda what: setattr(far, "fault", what),
            lambda address: (Hook({}, {"secret": SECRET}, Wire()), numbered(1, "webhook", to=address)),
        )


def test_a_webhook_is_signed_as_the_standard_wants_it() -> None:
    far = Far(lambda _url, _body: (204, b""))
    told = Letter(ID, "webhook", {"to": "https://far.test/in", "robot": "R", "name": "Анна"}, datetime.now(UTC))
    carrier = Hook({}, {"secret": SECRET}, far)
    assert carrier.send(told) == ID
    [(url, body, headers)] = far.calls
    assert url == "https://far.test/in"
    assert Webhook(SECRET).verify(body, dict(headers))["data"] == {"robot": "R", "name": "Анна"}
    assert headers["webhook-id"] == ID
    assert carrier.find(told) == "", "the receiver knows repeats by our id"


@pytest.mark.parametrize(("status", "error"), [(410, Refuse), (404, Refuse), (429, Retry), (500, Retry), (302, Retry)])
def test_what_a_receiver_answers(status: int, error: type[Exception]) -> None:
    carrier = Hook({}, {"secret": SECRET}, Far(lambda _url, _body: (status, b"")))
    with pytest.raises(error):
        carrier.send(letter("webhook", to="https://far.test/in"))


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_c2hvcnQ=", "not base64!"])
def test_a_weak_secret_is_none(secret: str) -> None:
    with pytest.raises(Pause, match="24 bytes"):
        Hook({}, {"secret": secret}).check()


HASH = "a" * 64


def audience(answer: Any) -> MetaAudience:
    return MetaAudience({"audiences": "Warm = 2384; Bought=77"}, {"token": "t0ken"}, Far(answer))


class TestMetaAudience(CarrierContract):
    of = MetaAudience

    @pytest.fixture
    def rig(self) -> CarrierRig:
        members: set[str] = set()

        def answer(_url: str, body: Any) -> tuple[int, Any]:
            if far.calls[-1][2]["Authorization"] != "Bearer t0ken":
                return 400, {"error": {"code": 190}}
            members.update(row[0] for row in (body or {}).get("payload", {}).get("data", ()))
            return 200, {"session_id": str(len(far.calls)), "name": "Warm"}

        far, settings = Far(answer), {"audiences": "Warm = 2384"}

        def told(n: int, to: str = "warm") -> Letter:
            return numbered(n, "audience", to=to, email=f"{n:064x}")

        return CarrierRig(
            MetaAudience(settings, {"token": "t0ken"}, far),
            told,
            told(9, "Cold"),
            MetaAudience(settings, {"token": "another-secret"}, far),
            lambda: len(members),
            lambda what: setattr(far, "fault", what),
            lambda address: (MetaAudience({**settings, "base": address}, {"token": "t0ken"}, Wire()), told(1)),
        )


def test_only_hashes_leave_for_an_audience() -> None:
    carrier = audience(lambda _url, _body: (200, {"session_id": "9", "num_received": 1, "name": "Warm"}))
    assert carrier.send(letter("audience", to="warm", email=HASH, phone="b" * 64)) == "9"
    [(url, body, headers)] = carrier.http.calls  # type: ignore[union-attr]
    assert re.fullmatch(r"https://graph\.facebook\.com/v\d+\.0/2384/users", url)
    assert body == {"payload": {"schema": ["EMAIL_SHA256", "PHONE_SHA256"], "data": [[HASH, "b" * 64]]}}
    assert headers["Authorization"] == "Bearer t0ken"
    for bad in ({"email": "anna@client.test"}, {"phone": "79123456789"}, {}):
        with pytest.raises(Refuse, match="hashed"):
            carrier.send(letter("audience", to="Warm", **bad))
    with pytest.raises(Refuse, match="No audience"):
        carrier.send(letter("audience", to="Cold", email=HASH))
    assert len(carrier.http.calls) == 1  # type: ignore[union-attr]
    assert carrier.check() == "Audiences: Warm, Warm"


@pytest.mark.parametrize(
    ("status", "code", "error"),
    [(400, 190, Pause), (403, 200, Pause), (400, 17, Retry), (500, 2, Retry), (404, 803, Missing), (400, 100, Refuse)],
)
def test_what_meta_refuses(status: int, code: int, error: type[Exception]) -> None:
    with pytest.raises(error):
        audience(lambda _u, _b: (status, {"error": {"code": code}})).send(letter("audience", to="warm", email=HASH))


# ── a bot that answers ───────────────────────────────────────────────────────────────────────────


class TestTelegram(CarrierContract):
    of = Telegram

    @pytest.fixture
    def rig(self) -> CarrierRig:
        app = create_sandbox()
        bot = bot_of(app)
        push_from(app, "hello")
        [who] = bot.chats

        def answer(url: str, body: Any) -> tuple[int, Any]:
            said = app.test_client().post(url.removeprefix("https://api.telegram.org"), json=body)
            return said.status_code, said.data

        def fail(what: str) -> None:
            far.fault, bot.limited = ("", 30) if what == "busy" else (what, 0)

        def inside(address: str) -> tuple[Telegram, Letter]:
            return Telegram({"base": address}, {"token": TOKEN}, Wire()), numbered(1, "messenger", to="7", text="x")

        far = Far(answer)
        return CarrierRig(
            Telegram({}, {"token": TOKEN}, far),
            lambda n: numbered(n, "messenger", to=str(who), text=f"Lead {n}"),
            numbered(9, "messenger", to="987654321", text="x"),
            Telegram({}, {"token": "654321:another-secret"}, far),
            lambda: sum(len(told) for told in bot.chats.values()),
            fail,
            inside,
        )
