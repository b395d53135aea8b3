"""JSON as senders really write it: any charset, numbers no database holds, keys twice, brackets without end."""

from __future__ import annotations

import json
import math
import re
from typing import Any

from connectors.contract import Value
from connectors.reading.body import MAX_DEPTH, MAX_JSON_KEYS, BadBody, Body, decode, is_utf8, scrub

# The closing quote is optional, so that a body of escaped quotes cannot make the scan quadratic.
_STRINGS = re.compile(rb'("(?:[^"\\]++|\\.)*+"?)', re.DOTALL)
_BRACKETS = re.compile(r'"(?:[^"\\]++|\\.)*+"?|[\[{]|[\]}]', re.DOTALL)
_LONG = re.compile(r"[0-9](?:[0-9]{15}|[eE][-+]?[0-9])")  # numbers that have to be looked at one by one
_SAFE = 2**53  # past it a JavaScript receiver and SQLite's JSON functions lose digits of ids


def as_json(body: bytes, charset: str = "") -> Body:
    """The body as a JSON value; raises `BadBody` with the place where it stops being JSON."""
    flags: set[str] = set()
    value = loads(_text(body, charset, flags), flags)
    return Body(value, flags=tuple(sorted(flags)))


def loads(text: str, flags: set[str] | None = None) -> Value:
    """A JSON text as a value that every database stores; what had to be changed is added to `flags`."""
    flags = set() if flags is None else flags
    _check_depth(text)
    # Nearly every message is plain; a hook for each of its numbers and texts would cost three times the parsing.
    reading = _Reading(flags, escapes="\\u" in text)
    numbers: dict[str, Any] = (
        {"parse_int": reading.integer, "parse_float": reading.fraction} if _LONG.search(text) else {}
    )
    try:
        value = json.loads(text, object_pairs_hook=reading.pairs, parse_constant=reading.constant, **numbers)
    except json.JSONDecodeError as error:
        raise _bad(text, error) from None
    return reading.scrub(value)


class _Reading:
    """The hooks of one `loads`: what they notice goes to `flags`. Only escapes can still hide what cannot be stored."""

    def __init__(self, flags: set[str], escapes: bool) -> None:
        self.flags = flags
        self.escapes = escapes
        self.keys = 0

    def pairs(self, pairs: list[tuple[str, Any]]) -> dict[str, Value]:
        self.keys += len(pairs)
        if self.keys > MAX_JSON_KEYS:
            raise BadBody(f"more than {MAX_JSON_KEYS} keys in one message", "too_many_keys")
        plain = dict(pairs)
        if len(plain) == len(pairs) and not self.escapes:
            return plain
        found: dict[str, list[Value]] = {}
        for key, value in pairs:
            found.setdefault(self.scrub(key), []).append(self.scrub(value))
        if len(found) < len(pairs):
            self.flags.add("duplicate_keys")
        return {key: values if len(values) > 1 else values[0] for key, values in found.items()}

    def scrub(self, value: Any) -> Any:
        if not self.escapes:
            return value
        if isinstance(value, str):
            return scrub(value, self.flags)
        return [self.scrub(one) for one in value] if isinstance(value, list) else value

    def integer(self, digits: str) -> int | str:
        if len(digits) < 17 and abs(int(digits)) < _SAFE:
            return int(digits)
        self.flags.add("big_number")
        return digits

    def fraction(self, digits: str) -> float | str:
        number = float(digits)
        if math.isfinite(number) and abs(number) < _SAFE:
            return number
        self.flags.add("big_number")
        return digits

    def constant(self, word: str) -> str:
        self.flags.add("not_a_number")
        return word


def _text(body: bytes, charset: str, flags: set[str]) -> str:
    encoding = json.detect_encoding(body)
    if encoding == "utf-8" and is_utf8(body):
        return scrub(body.decode(), flags)
    if encoding.startswith("utf-8"):
        return "".join(decode(_STRINGS.split(body.removeprefix(b"\xef\xbb\xbf")), charset, flags))
    try:
        text = body.decode(encoding)
    except UnicodeDecodeError:
        raise BadBody(f"looks like {encoding} and is not", "bad_json") from None
    flags.add(f"charset:{encoding}")
    return text


def _check_depth(text: str) -> None:
    """The parser recurses for each bracket: 100,000 of them would end the process' stack."""
    if text.count("[") + text.count("{") <= MAX_DEPTH:
        return
    depth = 0
    for found in _BRACKETS.finditer(text):
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(found[0], 0)
        if depth > MAX_DEPTH:
            raise BadBody(f"JSON nested deeper than {MAX_DEPTH} levels", "too_deep")


def _bad(text: str, error: json.JSONDecodeError) -> BadBody:
    """Names the place, never the content: the message goes to logs."""
    if error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated string"):
        return BadBody(
            f"JSON breaks off after {len(text)} characters: the sender or the network cut it", "truncated_json"
        )
    return BadBody(f"not JSON: {error.msg} (line {error.lineno}, column {error.colno})", "bad_json")
