"""Carriers: each against the other side – a mail server that runs, gateways played by the rules they publish."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
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
from tests.office import Office, open_office

AT = datetime(2026, 2, 1, 9, 30, tzinfo=UTC)
ID = "0CHD2JPT1S0123456789ABCDEF"


def letter(channel: str, **body: Any) -> Letter:
    return Letter(ID, channel, body, AT)


@pytest.mark.parametrize("name", registry.names("carriers"))
def test_every_carrier_is_explained_and_named_like_its_folder(name: str) -> None:
    made = registry.carrier(name)
    assert made.name == name
    assert made.carries in ("email", "sms", "messenger", "webhook", "audience")
    assert f"**Evidence: {made.evidence}" in (guide := registry.readme("carriers", name)) or "How we know" in guide
    assert not [one.name for one in made.form if one.secret and one.default]


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


@pytest.mark.parametrize(
    ("rcpt", "data", "error", "effect", "arrived"),
    [
        ("550 5.1.1 no such user anna@client.test", "250 OK", Refuse, None, 0),
        ("450 4.2.1 come later", "250 OK", Retry, False, 0),
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


def test_a_refused_login_pauses_and_a_server_that_is_away_is_tried_again(office: Office) -> None:
    with pytest.raises(Pause, match="refuses the login"):
        smtp(office, "wrong").check()
    with pytest.raises(Retry) as met:
        smtp(office, host="127.0.0.1", port="1").send(letter("email", to="a@client.test", text="x"))
    assert not met.value.effect
    assert office.mails == []


@pytest.mark.parametrize("to", ["почта@клиент.test", "anna@client.test"])
def test_addresses_of_all_letters(office: Office, to: str) -> None:
    smtp(office).send(letter("email", to=to, subject="x", text="y"))
    assert to in str(message_from_bytes(office.mails[0], policy=default)["To"])


# ── gateways ─────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Answered:
    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Far:
    """The `Http` of a carrier, answered by a function of (address, body)."""

    answer: Callable[[str, Any], tuple[int, Any]]
    calls: list[tuple[str, Any, Mapping[str, str]]] = field(default_factory=list)

    def send(
        self, method: str, url: str, *, headers: Mapping[str, str] | None = None,
        params: Sequence[tuple[str, str]] | None = None, json: Any = None, data: bytes | None = None,
        timeout: float = 30.0,
    ) -> Answered:  # fmt: skip
        told = json if json is not None else data
        self.calls.append((url, told, dict(headers or {})))
        status, said = self.answer(url, told)
        return Answered(status, said if isinstance(said, bytes) else globals()["json"].dumps(said).encode())


class Gateway:
    """smsc.ru as it describes itself: knows messages by (id, phone), once taken."""

    def __init__(self) -> None:
        self.taken: dict[tuple[str, str], str] = {}
        self.wrong: dict[str, Any] = {}

    def __call__(self, url: str, body: bytes) -> tuple[int, Any]:
        told = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        if (told["login"], told["psw"]) != ("desk", "right"):
            return 200, {"error": "authorise error", "error_code": 2}
        if self.wrong:
            return 200, self.wrong
        if url.endswith("status.php"):
            known = (told["id"], told["phone"]) in self.taken
            return 200, {"status": 1} if known else {"error": "message not found", "error_code": 3}
        if url.endswith("balance.php"):
            return 200, {"balance": "12.50"}
        assert 1 <= int(told["id"]) < 2**31
        self.taken[told["id"], told["phones"]] = told["mes"]
        return 200, {"id": int(told["id"]), "cnt": 1}


def sms(gateway: Any, password: str = "right") -> Smsc:
    return Smsc({"login": "desk"}, {"password": password}, Far(gateway))


def test_an_sms_is_found_by_a_number_of_ours() -> None:
    gateway = Gateway()
    carrier, told = sms(gateway), letter("sms", to="+79123456789", text="Ждём вас в 10:00")
    assert carrier.find(told) == ""
    sent = carrier.send(told)
    assert list(gateway.taken.values()) == ["Ждём вас в 10:00"]
    assert carrier.find(told) == sent
    assert carrier.check() == "desk: balance 12.50"
    assert all("right" not in url for url, _body, _headers in carrier.http.calls)  # type: ignore[union-attr]


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


@pytest.mark.parametrize(
    "address",
    ["http://127.0.0.1:6379/", "http://169.254.169.254/latest/meta-data", "https://[::1]/", "http://localhost/",
     "https://[::ffff:10.0.0.1]/", "ftp://far.test/", "https://user:pw@far.test/", "file:///etc/passwd", "http://10.1.2.3/"],
)  # fmt: skip
def test_webhooks_never_reach_inside(address: str) -> None:
    with pytest.raises(Refuse):
        Hook({}, {"secret": SECRET}, Wire()).send(letter("webhook", to=address))


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_c2hvcnQ=", "not base64!"])
def test_a_weak_secret_is_none(secret: str) -> None:
    with pytest.raises(Pause, match="24 bytes"):
        Hook({}, {"secret": secret}).check()


HASH = "a" * 64


def audience(answer: Any) -> MetaAudience:
    return MetaAudience({"audiences": "Warm = 2384; Bought=77"}, {"token": "t0ken"}, Far(answer))


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
