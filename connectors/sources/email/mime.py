"""A mail as a flat list of parts: what to read, what came attached, how it is labelled.

Nothing is fetched, nothing is run, and a mail built to hurt (thousands of headers or parts, endless nesting) is
described as too big instead of being worked through.
"""

from __future__ import annotations

import quopri
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from email import message_from_bytes
from email.message import Message
from email.utils import getaddresses
from typing import Any

from connectors.reading.body import guess, scrub
from connectors.sources.email.charsets import decode, decode_header, from_base64

MAX_HEADERS, MAX_HEADER_BYTES = 1000, 512_000
MAX_PARTS, MAX_DEPTH = 500, 30
MAX_SUBJECT = 10_000  # characters; the longest honest one in 60 captured mails had 200
BROKEN = (ValueError, TypeError, LookupError, AttributeError)
"""What Python's mail parser raises on parameters built against the rules."""


@dataclass(frozen=True, slots=True)
class Part:
    """One leaf of the mail. `body` is decoded from its transfer encoding; `skipped` is the size of a body left out."""

    type: str
    name: str = ""
    charset: str = ""
    attached: bool = False
    body: bytes = b""
    clean: bool = True
    params: dict[str, str] = field(default_factory=dict)
    inner: Message | None = None
    branch: tuple[int, ...] = ()  # ids of the multipart/alternative parts it stands in
    skipped: int = 0


@dataclass(frozen=True, slots=True)
class Mail:
    """A parsed mail. `too_big` says which limit it broke; parts are then missing."""

    message: Message
    type: str
    parts: tuple[Part, ...] = ()
    too_big: str = ""

    def header(self, name: str) -> str:
        """First header of that name, decoded; "" when absent."""
        return decode_header(raw_header(self.message, name))

    def has(self, name: str) -> bool:
        return self.message.get(name) is not None

    def addresses(self, *names: str) -> list[tuple[str, str]]:
        """(display name, address) of every address in these headers; only those with an @."""
        return [pair for name in names for pair in addresses(raw_header(self.message, name))]


def parse(raw: bytes) -> Mail:
    """Never raises. `raw` may start with an mbox "From " line or a byte order mark."""
    raw = raw.removeprefix(b"\xef\xbb\xbf").lstrip(b"\r\n")
    head = header_block(raw)
    if len(head) > MAX_HEADER_BYTES or head.count(b"\n") > MAX_HEADERS * 4:
        return Mail(message_from_bytes(head[:64_000]), "", too_big="more headers than a mail has")
    try:
        message = message_from_bytes(raw)
        parts = tuple(_leaves(message))
    except RecursionError:
        return Mail(message_from_bytes(head), "", too_big="parts within parts without end")
    except _TooBig as limit:
        return Mail(message_from_bytes(head), "", too_big=str(limit))
    hint = _hint(head)
    if hint:
        parts = tuple(part if part.charset else replace(part, charset=hint, clean=False) for part in parts)
    long = len(raw_header(message, "subject")) > MAX_SUBJECT
    return Mail(message, _type(message), parts, "a subject longer than a mail has" if long else "")


def opened(part: Part) -> Mail | None:
    """The mail inside a message/rfc822 part; None for every other part and for one built to hurt."""
    if part.inner is None:
        return None
    try:
        return Mail(part.inner, _type(part.inner), tuple(_leaves(part.inner)))
    except (RecursionError, _TooBig):
        return None


def header_block(raw: bytes) -> bytes:
    """The bytes up to the first empty line."""
    end = re.search(rb"\r?\n\r?\n", raw)
    return raw[: end.end()] if end else raw


def raw_header(message: Message, name: str) -> str:
    """As it stands in the mail; Python's own accessor loses 8-bit bytes."""
    return next((str(value) for key, value in message.raw_items() if key.lower() == name.lower()), "")


def addresses(value: str) -> list[tuple[str, str]]:
    """(display name, address) pairs of an address header. Names are decoded after splitting: they may hold commas."""
    value = re.sub(r"\?=(?=<)", "?= ", re.sub(r"\r?\n(?=[ \t])", "", value))[:20_000]
    found = [(decode_header(name), _address(address)) for name, address in getaddresses([value])]
    if not any("@" in address for _, address in found) and "=?" in value:
        found = getaddresses([decode_header(value)])  # some programs encode the address together with the name
    return [(name.strip("\"' "), address) for name, address in found if re.fullmatch(r"[^\s@<>]+@[^\s@<>]+", address)]


def _address(text: str) -> str:
    return decode_header(text).strip().removeprefix("mailto:")


def _hint(head: bytes) -> str:
    """The charset of raw 8-bit headers: a mail that does not declare its headers' charset has one for all of it."""
    foreign = b" ".join(line.partition(b":")[2] for line in head.splitlines() if not line.isascii())
    return "" if not foreign or decode(foreign, "utf-8")[1] else guess(foreign)


class _TooBig(Exception):
    pass


def _leaves(
    message: Message, depth: int = 0, branch: tuple[int, ...] = (), count: list[int] | None = None
) -> Iterator[Part]:
    count = [0] if count is None else count
    count[0] += 1
    if depth > MAX_DEPTH:
        raise _TooBig("parts nested deeper than a mail has")
    if count[0] > MAX_PARTS:
        raise _TooBig("more parts than a mail has")
    kind = _type(message)
    payload: Any = message.get_payload()
    if kind.startswith("multipart/") and isinstance(payload, list):
        inside = (*branch, id(message)) if kind == "multipart/alternative" else branch
        for child in payload:
            yield from _leaves(child, depth + 1, inside, count)
    else:
        yield _part(message, kind, branch)


def _part(message: Message, kind: str, branch: tuple[int, ...]) -> Part:
    payload: Any = message.get_payload()
    inner = payload[0] if isinstance(payload, list) and payload and kind == "message/rfc822" else None
    body, clean = _body(message) if isinstance(payload, str) else (b"", True)
    name = _name(message)
    disposition = raw_header(message, "content-disposition").strip().lower()
    skipped = re.match(r"\d+", raw_header(message, "x-lead-hub-skipped").strip())
    return Part(
        # A multipart without its boundary is read as the text it shows.
        type="text/plain" if kind.startswith("multipart/") else kind,
        name=name,
        charset=_param(message, "charset"),
        attached=disposition.startswith("attachment") or (bool(name) and not kind.startswith("text/")),
        body=body,
        clean=clean,
        params={key: _param(message, key) for key in ("format", "delsp", "method", "report-type", "smime-type")},
        inner=inner,
        branch=branch,
        skipped=int(skipped[0]) if skipped else 0,
    )


def _body(message: Message) -> tuple[bytes, bool]:
    """Bytes without their transfer encoding, and whether that was sound."""
    encoding = raw_header(message, "content-transfer-encoding").strip().lower()
    if "uue" in encoding or encoding == "x-uuencode":
        return _stored(message), True
    del message["content-transfer-encoding"]  # else Python decodes base64 too forgivingly and 8-bit text too early
    data = _stored(message)
    if encoding == "base64":
        return from_base64(data)
    if encoding == "quoted-printable":
        return quopri.decodestring(data), True
    return data, encoding in ("", "7bit", "8bit", "binary")


def _stored(message: Message) -> bytes:
    try:
        data: Any = message.get_payload(decode=True)
    except BROKEN:
        return b""
    return data if isinstance(data, bytes) else b""


def _type(message: Message) -> str:
    try:
        return message.get_content_type()
    except BROKEN:
        return "text/plain"


def _param(message: Message, name: str) -> str:
    try:
        value = message.get_param(name, "")
    except BROKEN:
        return ""
    return str(value[2] if isinstance(value, tuple) else value)


def _name(message: Message) -> str:
    try:
        name = message.get_filename("")
    except BROKEN:
        return ""
    shown = decode_header(str(name or ""))
    return re.sub(r"[\x00-\x1f/\\]+", "_", shown)[:255]


def text_of(part: Part) -> tuple[str, bool]:
    """Text of a part in its charset (an HTML page may name it itself), and whether nothing had to be guessed."""
    meta = re.search(rb"<meta[^>]{0,200}charset=[\"']?([\w-]{1,40})", part.body[:4096], re.IGNORECASE)
    text, sure = decode(part.body, part.charset or (meta[1].decode() if meta and part.type == "text/html" else ""))
    return scrub(text.replace("\r\n", "\n"), set()), sure and part.clean
