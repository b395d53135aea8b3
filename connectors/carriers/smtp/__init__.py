"""Mail by SMTP: one letter, one recipient, one message whose Message-ID is made from the letter's id.

Guarantees: what the server took is never sent again, and what it certainly did not take is no letter that perhaps left.
Only between the last byte and its answer does nobody know; then there is no second mail. Header fields are one line
whatever the letter says.
"""

from __future__ import annotations

import re
import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from email.errors import MessageError
from email.message import EmailMessage
from email.policy import SMTP as WIRE
from email.policy import SMTPUTF8
from email.utils import format_datetime, formataddr

from connectors.contract import Carrier, Evidence, Letter, Setting
from connectors.errors import ConnectorError, Pause, Refuse, Retry

PATIENCE = 30.0
MARKER = "X-Lead-Hub"
"""The mailbox source knows our own mails by it."""


class Smtp(Carrier):
    """One account at a mail server."""

    name = "smtp"
    title = "Outgoing mail (SMTP)"
    evidence = Evidence.REAL
    source = "https://www.rfc-editor.org/rfc/rfc5321"
    carries = "email"
    form = (
        Setting("host", "SMTP server", required=True, help="smtp.gmail.com, smtp.yandex.ru, smtp.mail.ru …"),
        Setting("port", "Port", default="465"),
        Setting("security", "Encryption", default="tls", help="tls, starttls, or none (only inside one machine)"),
        Setting("user", "User", help="mostly the whole address; empty: no login"),
        Setting("password", "Password", secret=True, help="an app password where the provider has them"),
        Setting("sender", "Sender's address", required=True, help="hello@firm.test"),
        Setting("sender_name", "Sender's name"),
    )

    def send(self, letter: Letter) -> str:
        mail = self._mail(letter)
        with self._session() as server:
            _give(server, self.settings["sender"], str(letter.body["to"]), mail)
        return str(mail["Message-ID"])

    def check(self) -> str:
        with self._session() as server:
            code, _told = server.noop()
        if code >= 400:
            raise Retry(f"{self._where} does not answer as a mail server does", effect=False)
        return f"{self.settings.get('sender', '')} by {self._where}"

    @property
    def _where(self) -> str:
        return f"{self.settings.get('host', '')}:{self.settings.get('port') or 465}"

    def _mail(self, letter: Letter) -> EmailMessage:
        told, sender = letter.body, self.settings.get("sender", "")
        mail = EmailMessage(SMTPUTF8)
        try:
            mail["From"] = formataddr((_line(self.settings.get("sender_name", "")), sender))
            mail["To"] = str(told["to"])
            mail["Subject"] = _line(str(told.get("subject") or ""))
            mail["Date"] = format_datetime(letter.at)
            mail["Message-ID"] = f"<{letter.id}@{sender.rpartition('@')[2]}>"
            mail[MARKER] = letter.id
            mail.set_content(str(told.get("text") or ""))
        except (ValueError, MessageError, IndexError):
            raise Refuse("The address or the subject cannot stand in a mail", {"to": "is no address"}) from None
        return mail

    @contextmanager
    def _session(self) -> Iterator[smtplib.SMTP]:
        """A session that is logged in. Nothing was sent before it is there."""
        server = self._connected()
        try:
            self._log_in(server)
            yield server
        finally:
            server.close()

    def _connected(self) -> smtplib.SMTP:
        tls, security = ssl.create_default_context(), self.settings.get("security") or "tls"
        host, port = self.settings.get("host", ""), self.settings.get("port") or "465"
        if not port.isdecimal():
            raise Pause("Outgoing mail: the port is a number; correct the settings")
        try:
            if security == "tls":
                return smtplib.SMTP_SSL(host, int(port), timeout=PATIENCE, context=tls)
            server = smtplib.SMTP(host, int(port), timeout=PATIENCE)
            if security == "starttls":
                server.starttls(context=tls)
            return server
        except (OSError, smtplib.SMTPException) as error:
            raise Retry(
                f"The mail server {self._where} cannot be reached ({type(error).__name__})", effect=False
            ) from None

    def _log_in(self, server: smtplib.SMTP) -> None:
        user = self.settings.get("user", "")
        try:
            server.ehlo_or_helo_if_needed()
            if user:
                server.login(user, self.secrets.get("password", ""))
        except smtplib.SMTPAuthenticationError as error:
            if error.smtp_code < 500:
                raise Retry(f"{self._where} takes no login at the moment", effect=False) from None
            raise Pause(
                f"{self._where} refuses the login of {user}: check the password; many providers want an app password"
            ) from None
        except (OSError, smtplib.SMTPException, UnicodeError) as error:
            raise Retry(
                f"{self._where} broke off before a mail was sent ({type(error).__name__})", effect=False
            ) from None


def _give(server: smtplib.SMTP, sender: str, to: str, mail: EmailMessage) -> None:
    """Envelope, then the mail; only what follows its last byte can be unknown."""
    foreign = not (sender + to).isascii()
    if foreign and not server.has_extn("smtputf8"):
        raise Refuse("The mail server takes only addresses in Latin letters", {"to": "has other letters"})
    wire = mail.as_bytes(policy=SMTPUTF8 if foreign else WIRE)
    try:
        _agreed(server.mail(sender, ["SMTPUTF8", "BODY=8BITMIME"] if foreign else []), "sender")
        _agreed(server.rcpt(to), "to")
        _agreed(server.docmd("data"), "to", 354)
    except (OSError, smtplib.SMTPException) as error:
        raise Retry(
            f"The mail server broke off before the mail was sent ({type(error).__name__})", effect=False
        ) from None
    try:
        server.send(_stuffed(wire))
        answer = server.getreply()
    except (OSError, smtplib.SMTPException):
        raise Retry("The mail server broke off before it said whether it took the mail", effect=True) from None
    _agreed(answer, "to")


def _agreed(answer: tuple[int, bytes], what: str, wanted: int = 250) -> None:
    """Raise what the server's answer means; its words name the address, so they stay out of the error."""
    code = answer[0]
    if code in (wanted, 251):
        return
    status = re.match(rb"\d\.\d{1,3}\.\d{1,3}", answer[1])
    told = f"{code} {status[0].decode() if status else ''}".strip()
    error: ConnectorError = Refuse(f"The mail server refuses this mail for good ({told})", {what: told})
    full = what == "to" and status is not None and status[0].endswith(b".2.2")
    if code < 500 or full:  # a full mailbox is emptied one day (RFC 3463, 3.3)
        error = Retry(f"The mail server does not take this mail now ({told})", effect=False)
    elif what == "sender":
        error = Pause(f"The mail server does not let this account send from its address ({told})")
    raise error


def _stuffed(wire: bytes) -> bytes:
    """As DATA wants it: a dot at the start of a line is doubled, one alone ends it (RFC 5321, 4.5.2)."""
    body = re.sub(rb"(?m)^\.", b"..", wire)
    return body + (b"" if body.endswith(b"\r\n") else b"\r\n") + b".\r\n"


def _line(text: str) -> str:
    return " ".join(text.split())
