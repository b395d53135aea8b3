"""Codecs of words: text, html, url, email, phone, bool.

Guarantees: a text is stored in NFC with LF line ends and without outer spaces; the same text in another
writing is no change. Phones and e-mails become the form the hub matches on, and never by guessing a country.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Hashable
from dataclasses import dataclass
from functools import lru_cache
from random import Random
from typing import ClassVar
from urllib.parse import urlsplit

import phonenumbers
from email_validator import EmailNotValidError, validate_email

from connectors.contract import Value
from mappings.codecs.base import Choices, Codec, Kept, fold, is_number, words

_UNFIT = re.compile("[\x00\ud800-\udfff]")
_TAG = re.compile(r"<[^>]*>")
_BREAK = re.compile(r"(?i)<br\s*/?>|</p\s*>|</div\s*>|</li\s*>")
_PHONES = re.compile(r"\s*(?:[,;/\n]|\bили\b|\bor\b)\s*")


def plain(text: str) -> str:
    """The one form of a text in the hub."""
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    if not text.isascii():
        text = unicodedata.normalize("NFC", text)
    return text.strip()


def as_text(raw: Value) -> str | Kept:
    """Text of a scalar; `Kept` for a list, an object, and signs no database takes."""
    if isinstance(raw, str):
        return Kept(raw, "holds signs that are no text (NUL or half of a pair)") if _UNFIT.search(raw) else raw
    if isinstance(raw, bool):
        return "true" if raw else "false"
    return str(raw) if is_number(raw) else Kept(raw, "is a list or an object where one text is expected")


@dataclass(frozen=True, slots=True)
class Text(Codec):
    """Free text, one line or many."""

    max_length: int = 0

    name: ClassVar[str] = "text"
    about: ClassVar[str] = "free text; longer than `max_length` is not sent"
    takes: ClassVar[frozenset[str]] = frozenset({"text", "select", "phone", "email", "number", "user"})

    def read(self, raw: Value) -> Value:
        text = as_text(raw)
        return text if isinstance(text, Kept) else plain(text) or None

    def write(self, hub: Value) -> Value:
        text = as_text(hub)
        if isinstance(text, str) and 0 < self.max_length < len(text):
            return Kept(hub, f"is {len(text)} signs long, the CRM takes {self.max_length}")
        return text

    def key(self, hub: Value) -> Hashable:
        text = as_text(hub)
        return repr(hub) if isinstance(text, Kept) else plain(text) or None

    def hub_example(self, chance: Random) -> Value:
        return chance.choice((words(chance), words(chance, 40), f"{words(chance)}\n{words(chance)}"))

    def raw_example(self, chance: Random) -> Value:
        text = words(chance)
        return chance.choice((text, f"  {text}\r\n", unicodedata.normalize("NFD", text), 7, 1.5, True, [text], "\x00"))


@dataclass(frozen=True, slots=True)
class Html(Text):
    """Rich text of the CRM, plain text here. CRMs re-format markup at will, so only the words count."""

    name: ClassVar[str] = "html"
    about: ClassVar[str] = "rich text there, plain text here"
    takes: ClassVar[frozenset[str]] = frozenset({"text"})

    def read(self, raw: Value) -> Value:
        text = as_text(raw)
        if isinstance(text, Kept):
            return text
        bare = html.unescape(_TAG.sub("", _BREAK.sub("\n", text))).replace("\xa0", " ")
        return "\n".join(line.strip() for line in plain(bare).split("\n")) or None

    def write(self, hub: Value) -> Value:
        text = Text.write(self, hub)
        return text if isinstance(text, Kept) else html.escape(plain(text), quote=False).replace("\n", "<br>")

    def key(self, hub: Value) -> Hashable:
        lines = plain(str(hub)).replace("\xa0", " ").split("\n")
        return "\n".join(line.strip() for line in lines)

    def raw_example(self, chance: Random) -> Value:
        return f"<p>{html.escape(words(chance))}&nbsp;</p><div>{words(chance)}</div>"


@dataclass(frozen=True, slots=True)
class Url(Codec):
    """A web address. Names and passwords inside it are masked: they belong to nobody's record."""

    name: ClassVar[str] = "url"
    about: ClassVar[str] = "web address, http or https"
    takes: ClassVar[frozenset[str]] = frozenset({"text"})

    def read(self, raw: Value) -> Value:
        text = str(raw).strip()
        try:
            parts = urlsplit(text if "//" in text else f"https://{text}")
        except ValueError:
            return Kept(raw, "is no web address")
        if parts.scheme not in ("http", "https") or "." not in parts.netloc or re.search(r"\s", text):
            return Kept(raw, "is no web address")
        return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()

    def write(self, hub: Value) -> Value:
        return str(hub)

    def hub_example(self, chance: Random) -> Value:
        return f"https://shop{chance.randint(1, 99)}.example.com/{chance.choice(('', 'p', 'a?b=c#d', 'кухни'))}"

    def raw_example(self, chance: Random) -> Value:
        return chance.choice(
            (" example.com/p ", "http://u:p@example.com/", "javascript:alert(1)", "here", "http://[", 5)
        )


@lru_cache(maxsize=65536)
def read_email(text: str) -> str | None:
    """An address as the hub matches it (lower case, Unicode domain), None when it is none."""
    text = text.strip().rstrip(".").removeprefix("mailto:")
    found = re.fullmatch(r"[^<>\n]*<([^<>\s]+)>", text)
    try:
        seen = validate_email(
            found[1] if found else text,
            check_deliverability=False,
            globally_deliverable=False,
            test_environment=True,  # names such as .test and .local are addresses inside a house
            strict=True,
        )
    except EmailNotValidError:
        return None
    return seen.normalized.lower() if "." in seen.domain else None


@dataclass(frozen=True, slots=True)
class Email(Codec):
    """One e-mail address."""

    name: ClassVar[str] = "email"
    about: ClassVar[str] = "one e-mail address"
    takes: ClassVar[frozenset[str]] = frozenset({"email", "text"})

    def read(self, raw: Value) -> Value:
        return read_email(str(raw)) or Kept(raw, "is no e-mail address")

    def write(self, hub: Value) -> Value:
        return str(hub)

    def key(self, hub: Value) -> Hashable:
        return str(hub).strip().lower()

    def hub_example(self, chance: Random) -> Value:
        who = chance.choice(("anna", "o.neil", "a+b", "иван"))
        return f"{who}{chance.randint(0, 99)}@{chance.choice(('example.com', 'пример.example'))}"

    def raw_example(self, chance: Random) -> Value:
        return chance.choice(("Anna <A.Lee@Example.COM>", " mailto:x@example.com ", "a@b", "a@x\nBcc: y", "none", 3))


@lru_cache(maxsize=65536)
def read_phones(text: str, region: str = "") -> tuple[str, ...]:
    """Numbers in E.164 of a text that holds nothing but numbers; empty when any part of it is none."""
    found = tuple(_phone(part, region) for part in _PHONES.split(text.strip()) if part)
    return tuple(dict.fromkeys(number for number in found if number)) if all(found) else ()


def _phone(text: str, region: str) -> str:
    # 00 is how most of the world dials abroad (ITU-T E.164), and no national number begins with it.
    text = "+" + text.lstrip()[2:] if text.lstrip().startswith("00") else text
    try:
        number = phonenumbers.parse(text, region or None)
    except phonenumbers.NumberParseException:
        return ""
    # Numbers of ranges newer than the tables are only "possible": believed when the country was written.
    sure = phonenumbers.is_valid_number(number) or (
        text.lstrip().startswith("+") and phonenumbers.is_possible_number(number)
    )
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164) if sure else ""


@dataclass(frozen=True, slots=True)
class Phone(Codec):
    """One phone number. A number without country code is read only where `region` is declared."""

    region: str = ""

    name: ClassVar[str] = "phone"
    about: ClassVar[str] = "one phone number, E.164 here; `region` (RU, KZ ...) reads national numbers"
    takes: ClassVar[frozenset[str]] = frozenset({"phone", "text"})

    def read(self, raw: Value) -> Value:
        found = read_phones(str(raw), self.region)
        return found[0] if len(found) == 1 else Kept(raw, "is not exactly one phone number we can read")

    def write(self, hub: Value) -> Value:
        return str(hub)

    def hub_example(self, chance: Random) -> Value:
        return f"+7912{chance.randint(0, 9999999):07}"

    def raw_example(self, chance: Random) -> Value:
        return chance.choice(
            ("8 (912) 123-45-67", "+1 212 555 0123", "tel:+79121234567", "after 6", "7.9E+10", 79121234567)
        )


@dataclass(frozen=True, slots=True)
class Bool(Codec):
    """Yes or no. Words outside the two lists are kept, not guessed."""

    yes: Choices = ("true", "1", "yes", "y", "on", "да")
    no: Choices = ("false", "0", "no", "n", "off", "нет")
    words: bool = False

    name: ClassVar[str] = "bool"
    about: ClassVar[str] = "yes or no by the word lists `yes` and `no`; `words` writes the first word of each"
    makes: ClassVar[str] = "bool"
    takes: ClassVar[frozenset[str]] = frozenset({"bool", "text", "select"})

    def read(self, raw: Value) -> Value:
        if isinstance(raw, bool):
            return raw
        word = fold(str(raw))
        if any(word == fold(known) for known in self.yes):
            return True
        return False if any(word == fold(known) for known in self.no) else Kept(raw, "is neither a declared yes nor no")

    def write(self, hub: Value) -> Value:
        if not isinstance(hub, bool):
            return Kept(hub, "is neither yes nor no")
        return (self.yes if hub else self.no)[0] if self.words else hub

    def hub_example(self, chance: Random) -> Value:
        return chance.random() < 0.5

    def raw_example(self, chance: Random) -> Value:
        return chance.choice((True, False, 0, 1, "Нет", " ON ", "maybe", [1], *self.yes, *self.no))
