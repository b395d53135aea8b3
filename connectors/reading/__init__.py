"""Reading what senders post: one reader of bodies for all push sources, pure and tolerant.

`read(raw)` answers a `Body` or raises `BadBody` (an `Unreadable` with a short code). It never guesses what a
field means and never drops one: what cannot be kept as it came is kept as text, and a flag says so.

Flags: `charset:<name>` (not UTF-8, read as <name>), `mixed_charset` (several charsets in one body),
`unstorable_character` (NUL or half a surrogate pair became U+FFFD), `bad_percent` (a % that escapes nothing),
`big_number` (past 2^53, kept as text), `not_a_number` (NaN, Infinity), `duplicate_keys` (all values kept as a
list), `content_type` (the body is not what its Content-Type says), `line_breaks` (multipart with bare LF),
`truncated` (the last part of a multipart body is missing).
"""

from __future__ import annotations

from connectors.contract import Raw
from connectors.reading.body import BadBody, Body
from connectors.reading.forms import multipart, options, urlencoded
from connectors.reading.json import as_json, loads
from connectors.reading.lead import flatten, instant, is_mark, link, text, touch
from connectors.reading.proof import require, same, sign, sign_base64, sign_hex

__all__ = [
    "BadBody",
    "Body",
    "as_json",
    "flatten",
    "instant",
    "is_mark",
    "link",
    "loads",
    "read",
    "refusal",
    "require",
    "same",
    "sign",
    "sign_base64",
    "sign_hex",
    "text",
    "touch",
]

# Codes after which an anonymous body holds nothing to keep: a bot's noise, or a post that a browser never makes.
_WORTHLESS = frozenset(
    {"empty", "truncated_json", "bad_json", "too_many_keys", "too_many_parts", "no_boundary", "bad_multipart"}
)
_FORM = "application/x-www-form-urlencoded"


def read(raw: Raw, charset: str = "") -> Body:
    """The body of `raw` as fields and files. `charset` is what the connection declares for senders that say nothing.

    An empty body falls back to the query string (advertising tools send leads by GET).
    Raises `BadBody`; its `code` is empty, truncated_json, bad_json, too_deep, too_many_keys, too_many_parts,
    no_boundary, bad_multipart or unknown_type.
    """
    if not raw.body.strip():
        if not raw.query:
            raise BadBody("the message is empty", "empty")
        return urlencoded(raw.query.encode("utf-8", "surrogateescape"), charset)
    kind, given = options(raw.header("content-type"))
    charset = given.get("charset", "") or charset
    if kind == "multipart/form-data":
        return multipart(raw.body, given.get("boundary", ""), charset)
    if kind == "application/json" or kind.endswith("+json"):
        return as_json(raw.body, charset)
    return _sniff(raw.body, kind, charset)


def refusal(raw: Raw) -> str:
    """The code to refuse an anonymous message with at the door (`Source.refuse`), "" for everything worth keeping."""
    try:
        read(raw)
    except BadBody as error:
        return error.code if error.code in _WORTHLESS else ""
    return ""


def _sniff(body: bytes, kind: str, charset: str) -> Body:
    """Senders that post JSON as text/plain (SNS, sendBeacon) or under curl's default form type."""
    if _looks_like_json(body):
        try:
            return as_json(body, charset).flagged("content_type")
        except BadBody:
            if kind != _FORM:
                raise
    if kind == _FORM:
        return urlencoded(body, charset)
    if b"=" in body and b"\n" not in body.strip():
        return urlencoded(body, charset).flagged("content_type")
    raise BadBody(f"a body of type {kind[:60] or 'unknown'!r} is neither a form nor JSON", "unknown_type")


def _looks_like_json(body: bytes) -> bool:
    return body.lstrip(b"\xef\xbb\xbf\xff\xfe\x00 \t\r\n")[:1] in (b"{", b"[")
