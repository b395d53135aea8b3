"""What reading a body gives: fields, files and flags, or a `BadBody` that says what is wrong with it."""

from __future__ import annotations

import codecs
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import cast

import chardet

from connectors.contract import File, Value
from connectors.errors import Unreadable

MAX_KEYS = 10_000  # of a form; PHP senders stop at 1,000 by themselves (max_input_vars)
MAX_JSON_KEYS = 100_000  # an array of 500 leads with 200 fields each
MAX_PARTS = 1000
MAX_DEPTH = 64

# What browsers and CMS plugins really send beside UTF-8. Measured on short Russian and Western words: chardet free
# to choose among all it knows was right 28 times of 34, kept to these four 43 of 45.
_GUESSED = ("windows-1251", "windows-1252", "koi8-r", "ibm866")

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")  # PostgreSQL refuses NUL, every UTF-8 encoder half a pair
_ALIAS = re.compile(r"^(?:x-)?(?:win|cp)[-_]?(?=\d)")
_ALL_BYTES = bytes(range(256))


class BadBody(Unreadable):
    """Nobody can read this body; `code` is a short word for counters ("truncated_json")."""

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self._code = code

    @property
    def code(self) -> str:
        return self._code


@dataclass(frozen=True, slots=True)
class Body:
    """`value` as it was sent: an object for every form, any JSON value for JSON. Names of files stand in it too."""

    value: Value
    files: tuple[File, ...] = ()
    flags: tuple[str, ...] = ()

    @property
    def fields(self) -> dict[str, Value]:
        """The value where it is an object; `BadBody` where it is a list, a text or a number."""
        if not isinstance(self.value, dict):
            raise BadBody(f"expected an object with fields, got {_kind(self.value)}", "not_an_object")
        return cast("dict[str, Value]", self.value)

    def flagged(self, flag: str) -> Body:
        """The same with one more flag."""
        return replace(self, flags=tuple(sorted({*self.flags, flag})))


def _kind(value: Value) -> str:
    names = {list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")


def scrub(text: str, flags: set[str]) -> str:
    """`text` without the characters no database stores; each becomes U+FFFD."""
    clean = _UNSTORABLE.sub("\ufffd", text)
    if clean is not text and clean != text:
        flags.add("unstorable_character")
    return clean


def decode(pieces: Sequence[bytes], declared: str, flags: set[str]) -> list[str]:
    """Each piece as text: strict UTF-8, else the declared charset, else one guess for all that is not UTF-8."""
    foreign = {piece for piece in pieces if not is_utf8(piece)}
    if not foreign:
        return [scrub(piece.decode(), flags) for piece in pieces]
    charset = codec(declared) or guess(b" ".join(piece for piece in pieces if piece in foreign))
    flags.add(f"charset:{charset}")
    if any(not piece.isascii() and piece not in foreign for piece in pieces):
        flags.add("mixed_charset")
    return [scrub(_decode(piece, charset if piece in foreign else "utf-8"), flags) for piece in pieces]


def codec(name: str) -> str:
    """Python's name of a declared charset that leaves ASCII alone; "" for UTF-8, unknown and unsafe ones."""
    name = _ALIAS.sub("cp", name.strip().lower())
    try:
        known = codecs.lookup(name).name
        plain = _ALL_BYTES.decode(known, "replace")[:128] == _ALL_BYTES[:128].decode("ascii")
    except (LookupError, ValueError):
        return ""
    return known if plain and known != "utf-8" and known != "ascii" else ""


def guess(data: bytes) -> str:
    """The most likely one-byte charset of text that is not UTF-8."""
    found = chardet.detect(data, include_encodings=_GUESSED)["encoding"]
    return codec(found or "") or "cp1251"


def _decode(piece: bytes, charset: str) -> str:
    return piece.decode(charset, "replace")


def is_utf8(piece: bytes) -> bool:
    """Whether these bytes are text in UTF-8."""
    try:
        piece.decode()
    except UnicodeDecodeError:
        return False
    return True
