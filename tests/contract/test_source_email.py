"""Mail: the contract of sources, and reading real mailboxes (pymap always, Dovecot where it is installed)."""

from __future__ import annotations

import imaplib
import json
import shutil
import smtplib
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread, Timer

import pytest
from imapclient import IMAPClient
from imapclient.exceptions import IMAPClientAbortError, IMAPClientError, LoginError

from connectors.contract import DraftKind, Polled, Raw
from connectors.errors import Pause, Retry
from connectors.sources.email import Email, mailbox
from connectors.sources.email.sandbox import Mailbox, start_dovecot, start_mailbox
from connectors.testing.source import SourceContract


class TestEmail(SourceContract):
    source = Email


@pytest.fixture(scope="module", params=["pymap", "dovecot"])
def server(request: pytest.FixtureRequest) -> Iterator[Mailbox]:
    if request.param == "dovecot" and shutil.which("dovecot") is None:
        pytest.skip("Dovecot is not installed (apt install dovecot-imapd)")
    # Not pytest's own folder: a session that starts beside this one closes that to other users, such as Dovecot's.
    with TemporaryDirectory() as folder:
        box = start_mailbox() if request.param == "pymap" else start_dovecot(Path(folder))
        yield box
        box.stop()


@pytest.fixture
def box(server: Mailbox) -> Mailbox:
    """The server with an empty inbox."""
    with server.login() as session:
        if int(session.select("INBOX")[1][0] or b"0"):
            session.store("1:*", "+FLAGS", "\\Deleted")
            session.expunge()
    return server


class Patient(Email):
    """Asks again as the hub does: pymap 0.36 now and then hangs up inside a FETCH (1 of some 300 here)."""

    def poll(self, cursor: str) -> Polled:
        for _ in range(2):
            with suppress(Retry):
                return super().poll(cursor)
        return super().poll(cursor)


def source(box: Mailbox, **settings: str) -> Email:
    return Patient({**box.settings, **settings}, box.secrets)


def mail(subject: str, text: str = "hello", number: int | None = None) -> bytes:
    own = f"Message-ID: <{number}@example.com>\n" if number is not None else ""
    return f"From: Anna <anna@example.com>\nSubject: {subject}\n{own}\n{text}\n".encode()


def subjects(opened: Email, messages: tuple[Raw, ...]) -> list[str]:
    return [opened.parse(raw)[0].subject for raw in messages]


def caught_up(opened: Email) -> str:
    """A cursor behind everything that is there."""
    step = opened.poll("")
    while step.more:
        step = opened.poll(step.cursor)
    return step.cursor


def test_gives_every_mail_once_oldest_first(box: Mailbox) -> None:
    opened = source(box)
    cursor = caught_up(opened)
    for number in range(3):
        box.deliver(mail(f"mail {number}"))
    step = opened.poll(cursor)
    assert subjects(opened, step.messages) == ["mail 0", "mail 1", "mail 2"]
    assert subjects(opened, opened.poll(cursor).messages) == ["mail 0", "mail 1", "mail 2"]
    # n:* always holds the last mail; it must not come again.
    assert opened.poll(step.cursor) == Polled((), step.cursor)


def test_a_batch_never_moves_ahead_of_what_it_gave(box: Mailbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mailbox, "BATCH", 2)
    opened = source(box)
    cursor = caught_up(opened)
    for number in range(5):
        box.deliver(mail(str(number)))
    seen: list[str] = []
    for more in (True, True, False):
        step = opened.poll(cursor)
        seen += subjects(opened, step.messages)
        assert step.more is more
        cursor = step.cursor
    assert seen == ["0", "1", "2", "3", "4"]


def test_changes_nothing_and_ignores_what_others_have_read(box: Mailbox) -> None:
    opened = source(box)
    cursor = caught_up(opened)
    box.deliver(mail("read elsewhere"))
    session = box.login()
    session.select("INBOX")
    session.store("1:*", "+FLAGS", "\\Seen")
    box.deliver(mail("untouched"))
    assert subjects(opened, opened.poll(cursor).messages) == ["read elsewhere", "untouched"]
    session.select("INBOX")
    assert session.search(None, "UNSEEN")[1] == [b"2"]
    session.logout()


def test_bytes_and_arrival_come_as_the_server_has_them(box: Mailbox) -> None:
    opened = source(box)
    cursor = caught_up(opened)
    foreign = "From: вера@example.com\nSubject: смета\n\nтекст\n".encode("koi8-r")
    box.deliver(foreign)
    (raw,) = opened.poll(cursor).messages
    assert raw.body == foreign.replace(b"\n", b"\r\n")
    assert raw.method == "IMAP"
    assert raw.received_at.tzinfo is UTC
    assert abs(raw.received_at.timestamp() - time.time()) < 60


def test_other_numbers_mean_reading_all_of_it_again_as_known_deliveries(box: Mailbox) -> None:
    opened = source(box)
    for number in range(3):
        box.deliver(mail(f"mail {number}", number=number))
    before = opened.poll("")
    told = json.loads(before.cursor)
    renumbered = json.dumps({"uidvalidity": told["uidvalidity"] + 1, "uidnext": 100000})
    after = opened.poll(renumbered)
    assert json.loads(after.cursor) == told
    assert [opened.delivery(raw) for raw in after.messages] == [opened.delivery(raw) for raw in before.messages]


def test_a_folder_made_anew_is_read_from_its_start(box: Mailbox) -> None:
    """Delete and create for real: the server restarts its UIDs at 1 under another UIDVALIDITY."""
    session = box.login()
    session.create("Leads")
    opened = source(box, folder="Leads")
    box.deliver(mail("old", number=1), "Leads")
    box.deliver(mail("kept", number=2), "Leads")
    first = opened.poll("")
    session.delete("Leads")
    time.sleep(1.1)  # Dovecot takes the second of creation as UIDVALIDITY
    session.create("Leads")
    box.deliver(mail("kept", number=2), "Leads")
    box.deliver(mail("new", number=3), "Leads")
    second = opened.poll(first.cursor)
    assert subjects(opened, second.messages) == ["kept", "new"]
    assert opened.delivery(second.messages[0]) == opened.delivery(first.messages[1])
    session.delete("Leads")
    session.logout()


def test_one_message_id_is_one_delivery_only_with_one_body(box: Mailbox) -> None:
    opened = source(box)
    cursor = caught_up(opened)
    box.deliver(b"Delivered-To: sales@hub.test\n" + mail("same", number=7))
    box.deliver(b"Delivered-To: info@hub.test\n" + mail("same", number=7))
    box.deliver(mail("same", "another text", number=7))
    first, second, third = (opened.delivery(raw) for raw in opened.poll(cursor).messages)
    assert first == second != third


@pytest.mark.timeout(60)
def test_waiting_ends_with_a_new_mail(box: Mailbox) -> None:
    opened = source(box)
    cursor = caught_up(opened)
    late = Timer(0.5, box.deliver, [mail("awaited")])
    late.start()
    began = time.monotonic()
    assert opened.wait(cursor, 30.0)
    assert 0.4 < time.monotonic() - began < 15
    late.join()
    assert subjects(opened, opened.poll(cursor).messages) == ["awaited"]


def test_waiting_ends_at_once_when_something_is_there(box: Mailbox) -> None:
    opened = source(box)
    cursor = caught_up(opened)
    box.deliver(mail("there"))
    began = time.monotonic()
    assert opened.wait(cursor, 30.0)
    assert time.monotonic() - began < 15


@pytest.mark.parametrize(("told", "half"), [("unterminated line: b'* 1 FETCH ('", True), ("EOF", False)])
def test_half_a_line_is_news_and_a_session_that_ended_is_none(
    box: Mailbox, monkeypatch: pytest.MonkeyPatch, told: str, half: bool
) -> None:
    """A line of the server may come in two packets, which imaplib takes for the end of the session."""

    def check(_client: IMAPClient, timeout: float | None = None) -> None:
        raise IMAPClientAbortError(f"socket error: {told}")

    opened = source(box)
    cursor = caught_up(opened)
    monkeypatch.setattr(IMAPClient, "idle_check", check)
    if half:
        assert opened.wait(cursor, 30.0)
    else:
        with pytest.raises(Retry, match="broke off"):
            opened.wait(cursor, 30.0)


def test_waiting_ends_with_its_time(box: Mailbox) -> None:
    opened = source(box)
    cursor = caught_up(opened)
    began = time.monotonic()
    assert opened.wait(cursor, 0.5)
    assert 0.4 < time.monotonic() - began < 15


def test_a_mail_above_the_limit_comes_without_its_attachment(box: Mailbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mailbox, "WHOLE", 20_000)
    opened = source(box)
    cursor = caught_up(opened)
    head = "From: Anna <anna@example.com>\nSubject: plans\nMIME-Version: 1.0\n"
    head += 'Content-Type: multipart/mixed; boundary="b"\n\n'
    text = "--b\nContent-Type: text/plain; charset=koi8-r\nContent-Transfer-Encoding: 8bit\n\nпланы квартиры\n"
    file = (
        '--b\nContent-Type: application/pdf; name="plan.pdf"\nContent-Transfer-Encoding: base64\n\n' + "QUJD\n" * 9000
    )
    box.deliver((head + text + file + "--b--\n").encode("koi8-r"))
    box.deliver(("From: Oleg <oleg@example.com>\nSubject: long\n\n" + "line\n" * 9000).encode())
    plans, long = opened.poll(cursor).messages
    (draft,) = opened.parse(plans)
    assert (draft.kind, draft.text) == (DraftKind.INQUIRY, "планы квартиры")
    assert [(file.name, bool(file.skipped)) for file in draft.files] == [("plan.pdf", True)]
    assert draft.files[0].size > 40_000
    assert len(plans.body) < 2_000
    assert opened.parse(long)[0].text.startswith("line\nline")


def test_mails_older_than_the_set_day_are_left_out(box: Mailbox) -> None:
    session = box.login()
    old = imaplib.Time2Internaldate(datetime.now(UTC) - timedelta(days=9))
    session.append("INBOX", "", old, mail("old").replace(b"\n", b"\r\n"))
    session.logout()
    box.deliver(mail("new"))
    day = datetime.now(UTC) - timedelta(days=3)
    opened = source(box, since=day.date().isoformat())
    assert subjects(opened, opened.poll("").messages) == ["new"]
    assert subjects(opened, tuple(source(box).backfill(day))) == ["new"]


def test_a_mail_deleted_while_we_fetch_is_left_out(box: Mailbox, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = source(box)
    cursor = caught_up(opened)
    box.deliver(mail("stays"))
    real = mailbox._after
    monkeypatch.setattr(mailbox, "_after", lambda *given: [*real(*given), 4_000_000])
    step = opened.poll(cursor)
    assert subjects(opened, step.messages) == ["stays"]


def test_check_names_the_account(box: Mailbox) -> None:
    box.deliver(mail("one"))
    assert source(box).check() == "sales@hub.test at 127.0.0.1: INBOX holds 1 mails, new mail is announced"


def test_a_refused_login_pauses_and_names_no_secret(box: Mailbox) -> None:
    with pytest.raises(Pause, match="password") as told:
        Email(box.settings, {"password": "not-this-one"}).poll("")
    assert "not-this-one" not in str(told.value)


@pytest.mark.parametrize(
    ("said", "then"),
    [
        ("[UNAVAILABLE] Temporary authentication failure.", Retry),
        ("[ALERT] Account exceeded command or bandwidth limits. (Failure)", Retry),
        ("[OVERQUOTA] Not now", Retry),
        ("[AUTHENTICATIONFAILED] no", Pause),
    ],
)
def test_a_login_refused_for_now_is_retried(
    box: Mailbox, monkeypatch: pytest.MonkeyPatch, said: str, then: type[Exception]
) -> None:
    def refuse(*_: object) -> None:
        raise LoginError(said)

    monkeypatch.setattr(mailbox.IMAPClient, "login", refuse)
    with pytest.raises(then):
        source(box).poll("")


def test_a_mailbox_that_takes_nothing_more_is_read_to_its_end(box: Mailbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full mailbox refuses every write, also a flag: there is none."""

    def full(*_: object, **_more: object) -> None:
        raise IMAPClientError("[OVERQUOTA] Quota exceeded (mailbox for user is full)")

    opened = source(box)
    cursor = caught_up(opened)
    box.deliver(mail("last"))
    for name in ("append", "copy", "move", "add_flags", "set_flags", "remove_flags", "delete_messages", "expunge"):
        monkeypatch.setattr(mailbox.IMAPClient, name, full)
    assert len(opened.poll(cursor).messages) == 1


def test_a_password_imap_cannot_carry_pauses(box: Mailbox) -> None:
    with pytest.raises(Pause, match="ASCII"):
        Email(box.settings, {"password": "пароль"}).poll("")


def test_a_server_without_idle_is_waited_for_by_the_clock(box: Mailbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mailbox.IMAPClient, "has_capability", lambda *_: False)
    opened = source(box)
    cursor = caught_up(opened)
    began = time.monotonic()
    assert opened.wait(cursor, 0.5)
    assert 0.4 < time.monotonic() - began < 15
    assert "looked for" in opened.check()


def test_a_big_mail_deleted_meanwhile_is_asked_for_again(box: Mailbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mailbox, "WHOLE", -1)
    opened = source(box)
    cursor = caught_up(opened)
    real = mailbox._after
    monkeypatch.setattr(mailbox, "_after", lambda *given: [*real(*given), 4_000_000])
    with pytest.raises(Retry, match="does not give it"):
        opened.poll(cursor)


def test_a_missing_folder_pauses(box: Mailbox) -> None:
    with pytest.raises(Pause, match="no folder Nowhere"):
        source(box, folder="Nowhere").poll("")


@pytest.mark.parametrize("settings", [{"port": "none"}, {"since": "yesterday"}])
def test_settings_nobody_can_read_pause(settings: dict[str, str]) -> None:
    with pytest.raises(Pause, match="correct the settings"):
        Email({"host": "127.0.0.1", **settings}, {}).poll("")


def test_a_server_that_is_away_is_retried() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        settings = {"host": "127.0.0.1", "port": str(taken.getsockname()[1]), "user": "u", "security": "none"}
        with pytest.raises(Retry, match="cannot be reached"):
            Email(settings, {"password": "p"}).poll("")


@pytest.mark.parametrize("after", ["SEARCH", "BODY.PEEK[]"])
def test_a_connection_that_breaks_gives_nothing_and_loses_nothing(box: Mailbox, after: str) -> None:
    opened = source(box)
    cursor = caught_up(opened)
    for number in range(3):
        box.deliver(mail(f"mail {number}", "x" * 20_000))
    way = cut(box.port, lambda sent: after.encode() in sent, allowed=10_000)
    with way as port, pytest.raises(Retry, match="broke off"):
        Email({**box.settings, "port": str(port)}, box.secrets).poll(cursor)
    assert subjects(opened, opened.poll(cursor).messages) == ["mail 0", "mail 1", "mail 2"]


@pytest.mark.parametrize("server", ["pymap"], indirect=True)  # Dovecot's mail is filed by IMAP alone
def test_what_the_smtp_door_takes_is_filed(box: Mailbox) -> None:
    opened = source(box)
    cursor = caught_up(opened)
    with smtplib.SMTP(box.host, box.smtp_port) as door:
        door.sendmail("anna@example.com", [box.user], mail("by SMTP").replace(b"\n", b"\r\n"))
    assert subjects(opened, opened.poll(cursor).messages) == ["by SMTP"]


class cut:
    """A way to the server that ends `allowed` bytes of answers after the command that `when` is true for."""

    def __init__(self, port: int, when: Callable[[bytes], bool], allowed: int) -> None:
        self.port, self.when, self.left = port, when, allowed
        self.reached = False
        self.door = socket.create_server(("127.0.0.1", 0))

    def __enter__(self) -> int:
        Thread(target=self._serve, daemon=True).start()
        return int(self.door.getsockname()[1])

    def __exit__(self, *_: object) -> None:
        self.door.close()

    def _serve(self) -> None:
        with suppress(OSError):
            near, _ = self.door.accept()
            far = socket.create_connection(("127.0.0.1", self.port))
            Thread(target=self._up, args=(near, far), daemon=True).start()
            self._down(near, far)

    def _up(self, near: socket.socket, far: socket.socket) -> None:
        with suppress(OSError):
            while sent := near.recv(65536):
                self.reached = self.reached or self.when(sent)
                far.sendall(sent)

    def _down(self, near: socket.socket, far: socket.socket) -> None:
        while got := far.recv(4096):
            if self.reached:
                self.left -= len(got)
            if self.left <= 0 or (self.reached and b"SEARCH" in got):
                break
            near.sendall(got)
        for line in (near, far):
            line.shutdown(socket.SHUT_RDWR)
            line.close()
