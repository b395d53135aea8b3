"""A mailbox by IMAP: every mail of a person becomes an inquiry, robots and newsletters wait in quarantine.

Guarantees: nothing in the mailbox is changed (not even "read"), no mail is passed over, one that comes twice or lies
in two mailboxes is known by Message-ID and body, and nothing a mail points at is ever loaded.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

from connectors.contract import Draft, Evidence, Polled, Raw, Setting, Source
from connectors.errors import Pause
from connectors.sources.email import letters, mailbox

PUBLIC = frozenset(
    {"gmail.com", "googlemail.com", "yandex.ru", "ya.ru", "mail.ru", "bk.ru", "inbox.ru", "list.ru", "rambler.ru"}
    | {"outlook.com", "hotmail.com", "live.com", "yahoo.com", "icloud.com", "me.com", "gmx.de", "gmx.net", "web.de"}
    | {"proton.me", "protonmail.com"}
)
"""Domains that say nothing about who is a colleague."""


class Email(Source):
    """One folder of one mailbox."""

    name = "email"
    title = "Mailbox (IMAP)"
    evidence = Evidence.REAL
    source = "https://www.rfc-editor.org/rfc/rfc9051"
    push = False
    pull = True
    form = (
        Setting("host", "IMAP server", required=True, help="imap.gmail.com, imap.yandex.ru, imap.mail.ru …"),
        Setting("port", "Port", default="993"),
        Setting("security", "Encryption", default="tls", help="tls, starttls, or none (only inside one machine)"),
        Setting("user", "User", required=True, help="mostly the whole address"),
        Setting("password", "Password", secret=True, required=True, help="an app password where the provider has them"),
        Setting("folder", "Folder", default="INBOX"),
        Setting("way", "What the folder holds", default="in", help="in: what people write; out: what we sent, as work"),
        Setting("since", "Nothing older than", help="YYYY-MM-DD; empty reads the whole folder"),
        Setting(
            "own", "Colleagues", help="domains or addresses whose forwarded mails are leads; else the user's domain"
        ),
        Setting("forms", "Forms and portals", help="wordpress@shop.test = Name, Phone; noreply@portal.test = Client"),
    )

    def delivery(self, raw: Raw) -> str | None:
        return letters.key(raw.body)

    def parse(self, raw: Raw) -> Sequence[Draft]:
        return letters.sent(raw) if self.settings.get("way") == "out" else (letters.draft(raw, self._desk),)

    def poll(self, cursor: str) -> Polled:
        return mailbox.poll(self._account, cursor)

    def wait(self, cursor: str, seconds: float) -> bool:
        return mailbox.wait(self._account, cursor, seconds)

    def backfill(self, since: datetime) -> Sequence[Raw]:
        return mailbox.since(self._account, since)

    def check(self) -> str:
        return mailbox.check(self._account)

    @property
    def _account(self) -> mailbox.Account:
        told = self.settings
        try:
            since = date.fromisoformat(told["since"]) if told.get("since") else None
            port = int(told.get("port") or 993)
        except ValueError:
            raise Pause(
                "Mailbox: the port is a number and the date looks like 2026-01-31; correct the settings"
            ) from None
        return mailbox.Account(
            host=told.get("host", ""),
            port=port,
            user=told.get("user", ""),
            password=self.secrets.get("password", ""),
            folder=told.get("folder") or "INBOX",
            security=told.get("security") or "tls",
            since=since,
        )

    @property
    def _desk(self) -> letters.Desk:
        own = self.settings.get("own", "").replace(",", " ").lower().split()
        domain = self.settings.get("user", "").lower().rpartition("@")[2]
        forms = [line.partition("=") for line in self.settings.get("forms", "").split(";") if line.strip()]
        return letters.Desk(
            colleagues=frozenset(own or {domain} - PUBLIC - {""}),
            forms=tuple((who.strip().lower(), _names(lines)) for who, _, lines in forms),
        )


def _names(lines: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in lines.split(",") if name.strip())
