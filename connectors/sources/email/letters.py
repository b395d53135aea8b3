"""A mail to a draft. Pure: the same bytes always give the same draft, and no mail is too broken for one.

What is no inquiry (robots, spam, our own mails, mails nobody can read) is quarantined with its reason, never dropped.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from connectors.contract import Draft, DraftKind, File, Person, Raw, digest
from connectors.sources.email import bodies, mime, quotes, robots
from connectors.sources.email.mime import Mail

MAX_THREAD = 50
TOKEN = re.compile(r"\[(L-[0-9A-Z]{8})\]")
"""Our mark in the subject of mails we answer with: survives programs that drop References."""
PAIR = re.compile(r"^[^\S\n]*(?P<name>[^:\n]{1,60}?)[^\S\n]*:[^\S\n]*(?P<value>\S.*)$", re.MULTILINE)
KEPT = ("to", "cc", "reply-to", "list-unsubscribe", "organization")


@dataclass(frozen=True, slots=True)
class Desk:
    """What the connection knows: whose forwards are a lead's (addresses or domains of colleagues), and which senders
    are forms or portals, with the names of the lines that each of their mails must have."""

    colleagues: frozenset[str] = frozenset()
    forms: tuple[tuple[str, tuple[str, ...]], ...] = ()

    def is_colleague(self, address: str) -> bool:
        return address.lower() in self.colleagues or address.lower().rpartition("@")[2] in self.colleagues

    def lines_of(self, address: str) -> tuple[str, ...] | None:
        """Names of the lines a form's mail must have; None for people."""
        return dict(self.forms).get(address.lower())


@dataclass(frozen=True, slots=True)
class _Read:
    """What is known of a mail before it is judged."""

    mail: Mail
    text: str
    sender: tuple[str, str]
    subject: str
    flags: tuple[str, ...]


def key(raw: bytes) -> str:
    """Message-ID and a digest of the body: neither alone tells two mails apart. Cheap, and blind to the headers
    that differ when one mail comes into two mailboxes."""
    head = mime.header_block(raw)
    body = b"\n".join(line.rstrip() for line in raw[len(head) :].splitlines()).rstrip()
    found = re.search(rb"(?im)^message-id:\s*<?([^\s<>]+)", head)
    if found:
        return f"{found[1].decode('ascii', 'replace')[:300]}:{digest(body)}"
    marks = re.findall(rb"(?im)^(?:from|date|subject):.*$", head)
    return f"no-id:{digest(body, *sorted(mark.rstrip() for mark in marks))}"


def draft(raw: Raw, desk: Desk) -> Draft:
    """What this mail is to the desk."""
    mail = mime.parse(raw.body)
    subject = mail.header("subject")[: mime.MAX_SUBJECT // 10]
    text, sure = ("", True) if mail.too_big else bodies.read(mail)
    text, inside = _words(mail, text)
    flags = [name for name, set_ in (("guessed_charset", not sure), ("dmarc_fail", _spoofed(mail))) if set_]
    at, odd = _date(mail, raw.received_at)
    read = _Read(mail, text, _sender(mail), subject, (*flags, *odd))
    kind, why, person, more = _judged(read, desk, inside)
    reply = text if why.startswith("forward") or "forwarded_from" in more else quotes.reply(text)
    return Draft(
        key=key(raw.body),
        kind=kind,
        person=person,
        subject=subject,
        text=reply,
        form=read.sender[1].lower() if desk.lines_of(read.sender[1]) is not None else "",
        occurred_at=at,
        thread=_thread(mail, subject),
        files=_files(mail),
        fields={**_kept(mail), **({"full_text": text} if reply != text else {}), **more},
        flags=read.flags,
        why=why,
    )


def sent(raw: Raw) -> tuple[Draft, ...]:
    """A mail out of the folder of sent ones: evidence of work, known by whom it went to and what it answers. What the
    hub sent itself is nobody's work."""
    mail = mime.parse(raw.body)
    if robots.ours(mail) or mail.too_big:
        return ()
    subject = mail.header("subject")[: mime.MAX_SUBJECT // 10]
    text, _inside = _words(mail, bodies.read(mail)[0])
    to = next(iter(mail.addresses("to", "cc")), ("", ""))
    return (
        Draft(
            key=f"sent:{key(raw.body)}", kind=DraftKind.NOTE, person=_person(to), subject=subject,
            text=quotes.reply(text), occurred_at=_date(mail, raw.received_at)[0], thread=_thread(mail, subject),
            fields=_kept(mail), ours="mail",
        ),
    )  # fmt: skip


# ── whose mail it is ─────────────────────────────────────────────────────────────────────────────

Judged = tuple[DraftKind, str, Person, dict[str, Any]]


def _judged(read: _Read, desk: Desk, inside: Mail | None) -> Judged:
    """Kind, reason, person and further fields. Forms come before the robots' rules: they are robots, and leads."""
    mail, sender = read.mail, read.sender
    lines = desk.lines_of(sender[1])
    if robots.ours(mail):
        return DraftKind.QUARANTINE, "our own mail came back", Person(), {}
    if mail.too_big:
        return DraftKind.QUARANTINE, f"too big to be read: {mail.too_big}", _person(sender), {}
    if lines is not None:
        return _from_form(read, lines)
    why = robots.why_not(mail) or _empty(read)
    if why:
        return DraftKind.QUARANTINE, why, _person(sender), {}
    origin = _origin(read, inside)
    if origin is None:
        return DraftKind.INQUIRY, "", _person(_answer_to(mail, sender, desk)), {}
    return _forwarded(sender, origin, desk)


def _forwarded(sender: tuple[str, str], origin: tuple[str, str], desk: Desk) -> Judged:
    """A colleague passes a lead on: the person is the first sender. Anybody else forwards in his own name."""
    shown = f"{origin[0]} <{origin[1]}>".strip() if origin[1] else ""
    if not desk.is_colleague(sender[1]):
        return DraftKind.INQUIRY, "", _person(sender), {"forwarded_from": shown} if origin[1] else {}
    by = {"forwarded_by": sender[1], "forwarded_from": shown}
    if not origin[1]:
        why = "forwarded by a colleague, and the mail does not say who wrote first"
        return DraftKind.QUARANTINE, why, Person(), by
    return DraftKind.INQUIRY, "", _person(origin), by


def _from_form(read: _Read, lines: tuple[str, ...]) -> Judged:
    found = {match["name"]: match["value"].strip() for match in PAIR.finditer(read.text)}
    missing = [name for name in lines if name not in found]
    back = next(iter(read.mail.addresses("reply-to")), ("", ""))
    person = _person(back if back[1] and back[1] != read.sender[1] else ("", ""))
    if missing:
        why = f"template changed: the form's mail has no line {', '.join(missing)}"
        return DraftKind.QUARANTINE, why, person, found
    return DraftKind.INQUIRY, "", person, found


def _sender(mail: Mail) -> tuple[str, str]:
    """(name, address) of who says to have written; an honest From first."""
    pairs = mail.addresses("from", "sender", "reply-to", "return-path")
    return pairs[0] if pairs else (re.sub(r"<[^>]*>", "", mail.header("from")).strip("\"' ")[:200], "")


def _answer_to(mail: Mail, sender: tuple[str, str], desk: Desk) -> tuple[str, str]:
    """Reply-To in place of a From that is ours or answers to nobody: so do the mails of sites' forms."""
    back = next(iter(mail.addresses("reply-to")), None)
    if back and (robots.NOREPLY.match(sender[1]) or desk.is_colleague(sender[1])):
        return back
    return sender


def _origin(read: _Read, inside: Mail | None) -> tuple[str, str] | None:
    """Who wrote first, of a forwarded mail; ("", "") when it does not say. None: not forwarded."""
    if inside is not None:
        return _sender(inside)
    if quotes.is_forward(read.subject, read.text):
        return quotes.forwarded(read.text) or ("", "")
    return None


def _person(who: tuple[str, str]) -> Person:
    name, address = who
    return Person(name=name if name.lower() != address.lower() else "", emails=(address,) if address else ())


def _empty(read: _Read) -> str:
    if read.text:
        return ""
    nothing = not read.subject and not any(part.attached for part in read.mail.parts)
    return robots.unreadable(read.mail) or ("a mail without a word" if nothing else "")


# ── what it says ─────────────────────────────────────────────────────────────────────────────────


def _words(mail: Mail, text: str) -> tuple[str, Mail | None]:
    """The text, and the mail inside when this one only carries it on."""
    forward = bool(quotes.FORWARD.match(mail.header("subject")))
    inner = [found for part in mail.parts if (found := mime.opened(part)) is not None]
    if mail.type != "multipart/report" and inner and (forward or not text):
        inside = bodies.read(inner[0])[0]
        return "\n\n".join(filter(None, (text, inside))), inner[0]
    return text, None


def _files(mail: Mail) -> tuple[File, ...]:
    carried = [part for part in mail.parts if part.attached or part.name or _foreign(part.type)]
    return tuple(
        File(
            name=part.name or part.type,
            content_type=part.type,
            size=part.skipped or len(part.body),
            skipped="left in the mailbox: too big" if part.skipped else "",
        )
        for part in carried
    )


def _foreign(kind: str) -> bool:
    return not kind.startswith(("text/", "message/", "multipart/"))


def _kept(mail: Mail) -> dict[str, Any]:
    told = {name: mail.header(name)[:2000] for name in KEPT if mail.has(name)}
    links = bodies.contact_links(mail)
    return {**told, **({"links": links} if links else {})}


def _thread(mail: Mail, subject: str) -> tuple[str, ...]:
    """Own Message-ID first, then our token, then the mails it answers, the nearest first."""
    own = re.findall(r"<?([^\s<>]+)>?", mail.header("message-id"))[:1]
    token = TOKEN.findall(subject)
    answered = re.findall(r"<([^\s<>]+@[^\s<>]+)>", mail.header("in-reply-to"))
    references = re.findall(r"<([^\s<>]+)>", mail.header("references"))[::-1]
    ids = dict.fromkeys(one[:300] for one in (*own, *token, *answered, *references))
    return tuple(f"mail:{one}" for one in ids)[:MAX_THREAD]


def _date(mail: Mail, received_at: datetime) -> tuple[datetime, tuple[str, ...]]:
    """When it was written; when that cannot be, when it came, and a flag that says so."""
    try:
        at = parsedate_to_datetime(re.sub(r"\([^)]*\)", "", mail.header("date")))
        at = (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return received_at, ("date_unreadable" if mail.header("date") else "date_missing",)
    if at > received_at + timedelta(days=1):
        return received_at, ("date_in_future",)
    return (at, ()) if at.year >= 1990 else (received_at, ("date_unreadable",))


def _spoofed(mail: Mail) -> bool:
    """By the topmost Authentication-Results only: our own server adds it, the ones below came with the mail."""
    return bool(re.search(r"\bdmarc\s*=\s*fail\b", mail.header("authentication-results"), re.IGNORECASE))
