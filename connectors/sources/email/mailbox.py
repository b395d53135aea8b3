"""The mailbox: what is new by UID, never by flags, and without changing a thing in it.

Guarantees: the cursor never passes a mail that was not returned; when the server numbers its mails anew (UIDVALIDITY)
all of them are read again and known ones are told apart by their delivery id. Polling by UNSEEN would lose what
another program opens first, and `UID FETCH n:*` always answers with the last mail: numbers below n are dropped here.
"""

from __future__ import annotations

import json
import re
import ssl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from select import select
from typing import Any

from imapclient import IMAPClient
from imapclient.exceptions import IMAPClientAbortError, IMAPClientError, LoginError

from connectors.contract import Polled, Raw
from connectors.errors import Pause, Retry

BATCH = 20  # mails a step
STEP_BYTES = 25 * 2**20  # and no more than this in all
WHOLE = 25 * 2**20  # a mail above it comes without its attachments
TEXT_PART = 512 * 2**10  # bytes taken of each text part of such a mail
IDLE = 540.0  # seconds; RFC 2177 allows 29 minutes, routers forget quiet connections after 10
TEMPORARY = re.compile(
    r"\[(?:UNAVAILABLE|INUSE|LIMIT|SERVERBUG|OVERQUOTA)\]|too many|try again|temporar|bandwidth", re.IGNORECASE
)
"""A refused login that means "not now" (RFC 5530 codes, and what Dovecot and Gmail write; over Gmail's daily quota it
is "Account exceeded command or bandwidth limits")."""


@dataclass(frozen=True, slots=True)
class Account:
    """Where the mailbox is. `security` is tls, starttls or none; `since` leaves older mails out."""

    host: str
    port: int
    user: str
    password: str
    folder: str = "INBOX"
    security: str = "tls"
    since: date | None = None


@dataclass(frozen=True, slots=True)
class Cursor:
    """Up to where the folder was read: valid only for one numbering of it."""

    uidvalidity: int = 0
    uidnext: int = 1

    @classmethod
    def load(cls, text: str) -> Cursor:
        told = json.loads(text) if text else {}
        return cls(int(told.get("uidvalidity", 0)), int(told.get("uidnext", 1)))

    def dump(self) -> str:
        return json.dumps({"uidvalidity": self.uidvalidity, "uidnext": self.uidnext})


def poll(account: Account, cursor: str) -> Polled:
    """The next mails after `cursor`. Raises `Retry` on trouble of net or server, `Pause` when the login is refused."""
    with _opened(account) as (client, folder):
        at = _here(folder, Cursor.load(cursor))
        uids = _after(client, at, account.since)
        sizes = client.fetch(uids[:BATCH], ["RFC822.SIZE"]) if uids else {}
        step = _fitting(uids[:BATCH], sizes)
        messages = _fetched(client, step, sizes)
        last = Cursor(at.uidvalidity, step[-1] + 1 if step else at.uidnext)
        return Polled(messages, last.dump(), more=len(uids) > len(step))


def wait(account: Account, cursor: str, seconds: float) -> bool:
    """Block until the server announces something or the time is over. Always true: the caller looks."""
    with _opened(account) as (client, folder):
        at = _here(folder, Cursor.load(cursor))
        if int(folder.get(b"UIDNEXT", 0)) > at.uidnext and _after(client, at, account.since):
            return True
        if client.has_capability("IDLE"):
            client.idle()
            if _spoke(client, min(seconds, IDLE)):
                client.idle_done()
        else:
            select([client.socket()], [], [], min(seconds, IDLE))  # a server may speak up, or hang up
    return True


def _spoke(client: IMAPClient, seconds: float) -> bool:
    """Wait for a line of the server. False when it came in two packets: imaplib takes half a line for the end of the
    session, and half a line is news enough to look."""
    try:
        client.idle_check(timeout=seconds)
    except IMAPClientAbortError as error:
        if "unterminated line" not in str(error):
            raise
        return False
    return True


def since(account: Account, moment: datetime) -> Sequence[Raw]:
    """Everything that arrived on the day of `moment` or later."""
    with _opened(account) as (client, _):
        uids = sorted(client.search(["SINCE", moment.astimezone(UTC).date()]))
        batches = [uids[i : i + BATCH] for i in range(0, len(uids), BATCH)]
        return [raw for batch in batches for raw in _fetched(client, batch, client.fetch(batch, ["RFC822.SIZE"]))]


def check(account: Account) -> str:
    """A sentence that names the mailbox."""
    with _opened(account) as (client, folder):
        way = "new mail is announced" if client.has_capability("IDLE") else "new mail is looked for"
        return f"{account.user} at {account.host}: {account.folder} holds {folder.get(b'EXISTS', 0)} mails, {way}"


# ── the connection ───────────────────────────────────────────────────────────────────────────────


@contextmanager
def _opened(account: Account) -> Iterator[tuple[IMAPClient, Mapping[bytes, Any]]]:
    """A session with the folder open for reading only. Nothing of the mail or the password is in an error."""
    where = f"{account.host}:{account.port}"
    try:
        client = _connected(account)
    except (OSError, IMAPClientError) as error:
        raise Retry(
            f"The mailbox at {where} cannot be reached ({type(error).__name__}): check address and port"
        ) from error
    try:
        _log_in(client, account)
        yield client, _selected(client, account.folder)
    except (OSError, IMAPClientError) as error:
        raise Retry(f"The mailbox at {where} broke off ({type(error).__name__})") from error
    finally:
        client.shutdown()


def _connected(account: Account) -> IMAPClient:
    tls = ssl.create_default_context()
    direct = account.security == "tls"
    client = IMAPClient(account.host, account.port, ssl=direct, ssl_context=tls if direct else None, timeout=30.0)
    client.normalise_times = False
    if account.security == "starttls":
        client.starttls(tls)
    return client


def _log_in(client: IMAPClient, account: Account) -> None:
    try:
        client.login(account.user, account.password)
    except UnicodeEncodeError:
        raise Pause(f"IMAP takes only ASCII letters in user and password: change those of {account.host}") from None
    except LoginError as error:
        if TEMPORARY.search(str(error)):
            raise Retry(f"{account.host} takes no login at the moment") from None
        raise Pause(
            f"{account.host} refuses the login of {account.user}: check the password; "
            "Gmail, Yandex and Mail.ru want an app password and IMAP switched on"
        ) from None


def _selected(client: IMAPClient, folder: str) -> Mapping[bytes, Any]:
    if not client.folder_exists(folder):
        raise Pause(f"The mailbox has no folder {folder}: choose another, or create it")
    found: Mapping[bytes, Any] = client.select_folder(folder, readonly=True)
    return found


# ── what is new ──────────────────────────────────────────────────────────────────────────────────


def _here(folder: Mapping[bytes, Any], cursor: Cursor) -> Cursor:
    """The cursor, or the start of the folder when its numbers are not the ones the cursor counted."""
    validity = int(folder[b"UIDVALIDITY"])
    return cursor if cursor.uidvalidity == validity else Cursor(validity)


def _after(client: IMAPClient, at: Cursor, oldest: date | None) -> list[int]:
    wanted: list[Any] = ["UID", f"{at.uidnext}:*", *(["SINCE", oldest] if oldest else [])]
    return sorted(uid for uid in client.search(wanted) if uid >= at.uidnext)


def _fitting(uids: Sequence[int], sizes: Mapping[int, Mapping[bytes, Any]]) -> list[int]:
    """As many of the next mails as one step may hold, at least one."""
    step: list[int] = []
    total = 0
    for uid in uids:
        total += min(int(sizes.get(uid, {}).get(b"RFC822.SIZE", 0)), WHOLE)
        if step and total > STEP_BYTES:
            break
        step.append(uid)
    return step


def _fetched(client: IMAPClient, uids: Sequence[int], sizes: Mapping[int, Mapping[bytes, Any]]) -> tuple[Raw, ...]:
    """The mails in order. One that another program deleted meanwhile is left out; one the server owes is `Retry`."""
    big = {uid for uid in uids if int(sizes.get(uid, {}).get(b"RFC822.SIZE", 0)) > WHOLE}
    small = [uid for uid in uids if uid not in big]
    found = client.fetch(small, ["INTERNALDATE", "BODY.PEEK[]"]) if small else {}
    missing = [uid for uid in small if not found.get(uid, {}).get(b"BODY[]")]
    if missing and set(missing) & set(client.search(["UID", ",".join(map(str, missing))])):
        raise Retry("The mailbox lists a mail and does not give it")
    return tuple(
        _slim(client, uid) if uid in big else _raw(found[uid][b"BODY[]"], found[uid], uid)
        for uid in uids
        if uid not in missing
    )


def _raw(body: bytes, told: Mapping[bytes, Any], uid: int) -> Raw:
    at: datetime = told[b"INTERNALDATE"]
    return Raw(body=body, received_at=at.astimezone(UTC), method="IMAP", path=f"/{uid}")


# ── mails that are too big ───────────────────────────────────────────────────────────────────────


def _slim(client: IMAPClient, uid: int) -> Raw:
    """The mail with its headers and texts as they are; every other part keeps its labels and loses its bytes."""
    told = client.fetch([uid], ["INTERNALDATE", "BODYSTRUCTURE", "BODY.PEEK[HEADER]"]).get(uid, {})
    if b"BODY[HEADER]" not in told:
        raise Retry("The mailbox lists a mail and does not give it")
    head = re.sub(rb"(?im)^content-(?:type|transfer-encoding):.*\r?\n(?:[ \t].*\r?\n)*", b"", told[b"BODY[HEADER]"])
    mark = b"lead-hub-slim"
    lines = [head.rstrip(b"\r\n"), b'Content-Type: multipart/mixed; boundary="' + mark + b'"', b""]
    for number, part in _numbered(told[b"BODYSTRUCTURE"]):
        lines += [b"--" + mark, _slim_part(client, uid, number, part)]
    return _raw(b"\r\n".join([*lines, b"--" + mark + b"--", b""]), told, uid)


def _numbered(structure: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Leaves of a BODYSTRUCTURE with their part numbers (RFC 3501 §6.4.5)."""
    if not structure.is_multipart:
        yield prefix or "1", structure
        return
    for at, part in enumerate(structure[0], 1):
        yield from _numbered(part, f"{prefix}.{at}" if prefix else str(at))


def _slim_part(client: IMAPClient, uid: int, number: str, part: Any) -> bytes:
    is_text = bytes(part[0]).lower() == b"text"
    size = part[6] if isinstance(part[6], int) else 0
    body = f"BODY.PEEK[{number}]<0.{TEXT_PART}>"
    told = client.fetch([uid], [f"BODY.PEEK[{number}.MIME]", *([body] if is_text else [])])[uid]
    labels = told.get(f"BODY[{number}.MIME]".encode(), b"").rstrip(b"\r\n") or _labels(part)
    text = told.get(f"BODY[{number}]<0>".encode(), b"") if is_text else b""
    note = b"" if is_text and size <= TEXT_PART else b"\r\nX-Lead-Hub-Skipped: %d" % size
    return labels + note + b"\r\n\r\n" + text


def _labels(part: Any) -> bytes:
    """MIME headers of a mail of one part: they stand among the mail's own."""
    told = part[2] if isinstance(part[2], tuple) else ()
    pairs = b"".join(b'; %s="%s"' % (told[i], told[i + 1]) for i in range(0, len(told) - 1, 2))
    return b"Content-Type: %s/%s%s\r\nContent-Transfer-Encoding: %s" % (part[0], part[1], pairs, part[5] or b"7bit")
