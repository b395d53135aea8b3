"""Phone numbers as people type them, read into E.164.

Nothing raises and nothing is guessed silently: what cannot be read stays as `raw` with a flag that says why.
Flags: `text` (no number in it), `no_country` (national form and the connection has no default country),
`invalid` (no such number in the numbering plan), `guessed` (read by a fall-back, not as the region writes it),
`fake` (repeated or running digits), `damaged` (digits lost by a spreadsheet).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any

import phonenumbers as pn
from phonenumbers import PhoneNumberType as Type

from hub.identity.text import as_text, bare, digits_ascii, shown


class Line(StrEnum):
    """What answers at the other end. `unknown` is also a country that tells fixed and mobile lines not apart (US)."""

    MOBILE = "mobile"
    FIXED = "fixed"
    TOLL_FREE = "toll_free"  # and every other number of firms: shared cost, premium, UAN
    SHORT = "short"
    VOIP = "voip"
    UNKNOWN = "unknown"


LINES = {
    Type.MOBILE: Line.MOBILE,
    Type.PERSONAL_NUMBER: Line.MOBILE,
    Type.FIXED_LINE: Line.FIXED,
    Type.VOIP: Line.VOIP,
    **dict.fromkeys([Type.TOLL_FREE, Type.SHARED_COST, Type.PREMIUM_RATE, Type.UAN, Type.VOICEMAIL], Line.TOLL_FREE),
}


@dataclass(frozen=True, slots=True)
class Phone:
    """One number. `e164` is "" when it could not be read; `region` is the country it belongs to, "" if unknown."""

    e164: str
    national: str
    ext: str
    region: str
    line: Line
    flags: tuple[str, ...]
    raw: str


LONG = 300
"""A field longer than this is a message: only numbers that stand out are taken from it."""

PLAIN = re.compile(r"[+(]*\d[\d\s().\-]*")
SPLIT = re.compile(
    r";(?!ext)|\||(?<!,),(?!,)|\s/\s|(?<=[\d\s\-]{6})/|\b(?:или|либо|также|or|oder|ou)\b",
    re.I,
)
RUN = re.compile(r"[+(]{0,2}\d(?:[\s().\-/]{0,3}\d){3,20}")
EXTENSION = re.compile(
    r"(?:(?:\b|(?<=\d))(?:доб(?:авочный)?|внутр?(?:енний)?|вн|ext(?:ension|n)?|durchwahl|anexo|interno|poste|x)(?![^\W\d])"
    r"|;ext=|#|,,)\s*[.:№#-]*\s*(\d{1,7})\s*\)?\s*$",
    re.I,
)
PREFIX = re.compile(r"^\s*(?:tel|phone|callto|sms|whatsapp|тел(?:ефон)?|моб)\s*[.:]+\s*(?:/{2})?", re.I)
SPREADSHEET = re.compile(r"(\d)[.,](\d+)e\+?(\d{1,2})", re.I)
WHOLE_FLOAT = re.compile(r"(?<=\d{7})\.0$")
LOOKALIKES = re.compile(r"(?<=[\d+(\s-])[OОoоlIЗ](?=[\d)\s-])|(?<=\d)[OОoоlIЗ]\b")
LOOKS = str.maketrans("OОoоlIЗ", "0000113")
DASHES = str.maketrans(dict.fromkeys("‐‑‒–—―−˗", "-"))
RUNNING = "01234567890123456789"
EIGHT = frozenset(["RU", "KZ", "BY"])
"""Where a leading 8 is the long-distance prefix and never the start of a country code."""

NEIGHBOURS = {
    "RU": ("KZ", "BY", "UA"), "KZ": ("RU",), "BY": ("RU", "UA"), "UA": ("RU",),
    "DE": ("AT", "CH"), "AT": ("DE",), "CH": ("DE",),
}  # fmt: skip
"""Where the other customers of a site come from: tried when the site's own country knows no such number."""


def phones(text: Any, region: str = "") -> tuple[Phone, ...]:
    """Every number in one phone field. `region` is the connection's default country (ISO, "RU"), "" if it has none.

    A filled field always answers at least one Phone, readable or flagged; an empty one answers none.
    """
    field = as_text(text)
    if not field.strip():
        return ()
    region = region.strip().upper()
    return _long(field, region) if len(field) > LONG else _phones(field, region)


def _long(field: str, region: str) -> tuple[Phone, ...]:
    found = tuple(in_text(field, region))
    return found or (_unread(shown(field), ("text",)),)


@lru_cache(maxsize=1 << 14)
def _phones(field: str, region: str) -> tuple[Phone, ...]:
    text = _tidy(field)
    if PLAIN.fullmatch(text):
        return _merged(_several(text, region))
    damaged = _damaged(text, region)
    if damaged:
        return (damaged,)
    pieces = [p for p in SPLIT.split(text) if p and p.strip()]
    return _merged([phone for piece in pieces for phone in _piece(piece.strip(), region)]) or (
        _unread(shown(field), ("text",)),
    )


def _tidy(field: str) -> str:
    lines = field if "\n" not in field else field.replace("\r", "\n").replace("\n", ";")
    text = WHOLE_FLOAT.sub("", PREFIX.sub("", digits_ascii(bare(lines)).translate(DASHES)))
    return LOOKALIKES.sub(lambda m: m[0].translate(LOOKS), text)


def _merged(found: list[Phone]) -> tuple[Phone, ...]:
    """Numbers first; pieces of text only if there is nothing else."""
    numbers = [p for p in found if "text" not in p.flags]
    return tuple(dict.fromkeys(numbers or found))


def _damaged(text: str, region: str) -> Phone | None:
    """7.9991E+10: a spreadsheet showed a number and forgot its last digits."""
    match = SPREADSHEET.fullmatch(text)
    if not match:
        return None
    if len(match[2]) >= int(match[3]):
        return _read(match[1] + match[2][: int(match[3])], region, "")
    return _unread(text, ("damaged",))


def _piece(piece: str, region: str) -> list[Phone]:
    match = EXTENSION.search(piece)
    ext, rest = (match[1], piece[: match.start()]) if match else ("", piece)
    rest = rest.rstrip(" (,.")
    if PLAIN.fullmatch(rest):
        return [_read(rest, region, ext)] if ext else _several(rest, region)
    if pn.is_alpha_number(rest):
        return [_read(pn.convert_alpha_characters_in_number(rest), region, ext)]
    runs = RUN.findall(rest)
    return [_read(run, region, ext) for run in runs] or [_unread(piece, ("text",))]


def _several(text: str, region: str) -> list[Phone]:
    """One number, or two that were typed with nothing but a blank between them."""
    if sum(c.isdigit() for c in text) <= 15:
        return [_read(text, region, "")]
    for gap in re.finditer(r"\s+", text):
        pair = [_read(half, region, "") for half in (text[: gap.start()], text[gap.end() :])]
        if all(p.e164 and "invalid" not in p.flags for p in pair):
            return pair
    return [_read(text, region, "")]


def _unread(raw: str, flags: tuple[str, ...], national: str = "", line: Line = Line.UNKNOWN, ext: str = "") -> Phone:
    return Phone("", national, ext, "", line, flags, raw)


def _read(text: str, region: str, ext: str) -> Phone:
    digits = "".join(c for c in text if c.isdigit())
    if _fake(digits.lstrip("0") or digits):
        return _unread(text, ("fake",), digits, ext=ext)
    if len(digits) <= 6:
        return _short(text, digits, region, ext)
    for number, flags in _tries(text, digits, region):
        kind = pn.number_type(number)
        if kind != Type.UNKNOWN:  # valid: of the numbering plan of its country
            return _phone(number, kind, flags, text, ext)
    return _doubtful(text, digits, region, ext)


def _short(text: str, digits: str, region: str, ext: str) -> Phone:
    """A number of a few digits: a short code, a house line, or the hour in "after 6"."""
    if len(digits) < 3:
        return _unread(text, ("text",), ext=ext)
    return _unread(text, () if region else ("no_country",), digits, Line.SHORT, ext)


def _parse(text: str, region: str | None) -> pn.PhoneNumber | None:
    try:
        return pn.parse(text, region)
    except pn.NumberParseException:
        return None


def _tries(text: str, digits: str, region: str) -> Iterator[tuple[pn.PhoneNumber, tuple[str, ...]]]:
    """Readings from the most to the least literal; the first valid one is taken."""
    for reading, country, flags in _readings(text, digits, region):
        number = _parse(reading, country)
        if number is not None:
            yield number, flags


def _readings(text: str, digits: str, region: str) -> Iterator[tuple[str, str | None, tuple[str, ...]]]:
    guessed = ("guessed",) if region else ("guessed", "no_country")
    if text.startswith(("+", "(+")):
        yield "+" + digits, None, ()
    elif region:
        yield text, region, ()
    if digits.startswith("00"):
        yield "+" + digits[2:], None, ()
    if digits.startswith("011") and len(digits) > 12:
        yield "+" + digits[3:], None, ()
    eight = len(digits) == 11 and digits[0] == "8" and (region or text.startswith("+"))
    if eight:
        yield "+7" + digits[1:], None, ("guessed",)
    if len(digits) >= 11 and not (eight and region in EIGHT):
        yield "+" + digits, None, guessed
    # WhatsApp ids of Brazil and Mexico keep the national form of before the ninth digit and the dropped 1:
    # https://faq.whatsapp.com/1294841057948784
    if len(digits) == 12 and digits.startswith("55"):
        yield f"+{digits[:4]}9{digits[4:]}", None, ("guessed",)
    if len(digits) == 13 and digits.startswith("521"):
        yield f"+52{digits[3:]}", None, ("guessed",)
    for country in NEIGHBOURS.get(region, ()):
        yield digits, country, ("guessed",)


def _doubtful(text: str, digits: str, region: str, ext: str) -> Phone:
    """No numbering plan knows it: kept in E.164 if it is at least long enough, else as typed."""
    international = text.startswith("+") or digits.startswith("00")
    if not (international or region):
        return _unread(text, ("no_country",), digits, ext=ext)
    number = _parse(text, region or None)
    if number is not None and pn.is_possible_number(number):
        return _phone(number, pn.number_type(number), ("invalid",), text, ext)
    return _unread(text, ("invalid",), digits, ext=ext)


def _phone(number: pn.PhoneNumber, kind: int, flags: tuple[str, ...], raw: str, ext: str) -> Phone:
    national = pn.national_significant_number(number)
    if _fake(national):
        flags = (*flags, "fake")
    region = pn.region_code_for_number(number) or ""
    line = LINES.get(kind, Line.UNKNOWN)
    e164 = f"+{number.country_code}{national}"
    return Phone(e164, national, ext or number.extension or "", region, line, flags, raw)


def _fake(digits: str) -> bool:
    """One digit repeated, a run through the keyboard, or a code and seven equal digits (900 0000000)."""
    if len(digits) < 5:
        return False
    kinds = len(set(digits))
    if kinds == 1 or (kinds == 2 and len(set(digits[-7:])) == 1 and len(digits) > 7):
        return True
    return len(digits) > 5 and (digits in RUNNING or digits[::-1] in RUNNING)


# ── numbers inside a message ─────────────────────────────────────────────────────────────────────

ENOUGH = re.compile(r"\d(?:\D{0,3}\d){8}")
STANDING_OUT = re.compile(r"(?<![\w@./=+-])(?:\+ ?)?\(?\d(?:[ \t().\-/]{0,3}\d){8,14}(?![\w@=]|[.,-]\d)")
CALLED_OTHERWISE = re.compile(
    r"(?:инн|огрн|огрнип|кпп|снилс|бик|р/с|сч[её]т\w*|заказ\w*|договор\w*|артикул\w*|трек\w*|order|invoice|account|card|карт\w*"
    r"|tracking|ticket|sku|vin|iban|id|№|#|no\.)[\s:№#.]*$",
    re.I,
)
CALLED_PHONE = re.compile(
    r"(?:тел\w*|моб\w*|номер\w*|звон\w*|whats ?app|вотсап|phone|mobile|cell|number is|call(?: me)?|reach me at"
    r"|t[ée]l\w*|handy|m[óo]vil)[\s:.,=-]*(?:\bat\b\s*|\bпо\b\s*)?$|(?:^|\n)\s*$",
    re.I,
)
DATE = re.compile(r"\d{1,2}[./-]\d{1,2}[./-](?:19|20)\d\d(?!\d)|(?:19|20)\d\d[.-]\d\d[.-]\d\d(?!\d)")


def in_text(text: str, region: str = "") -> Iterator[Phone]:
    """Valid numbers that stand in a message. Order numbers, tax ids and dates are passed over."""
    if not (ENOUGH.search(text) or _foreign_digits(text)):
        return
    plain = digits_ascii(unicodedata.normalize("NFKC", text)).translate(DASHES)
    for match in STANDING_OUT.finditer(plain):
        before = plain[max(0, match.start() - 20) : match.start()]
        if CALLED_OTHERWISE.search(before) or DATE.match(match[0]):
            continue
        ext = EXTENSION.match(plain[match.end() : match.end() + 20].strip(" ,("))
        called = bool(CALLED_PHONE.search(before))
        yield from _standing(match[0].strip(), region.strip().upper(), ext[1] if ext else "", called)


def _foreign_digits(text: str) -> bool:
    return not text.isascii() and bool(ENOUGH.search(digits_ascii(text)))


def _standing(run: str, region: str, ext: str, called: bool) -> Iterator[Phone]:
    phone = _read(run, region, ext)
    if phone.e164 and not {"invalid", "fake"} & set(phone.flags) and (called or _sure(phone, run, region)):
        yield phone


def _sure(phone: Phone, run: str, region: str) -> bool:
    """Written as a number: with prefix or separators; ten bare digits only if they are a mobile of this country."""
    prefixed = "".join(c for c in run if c.isdigit()) != phone.national
    return prefixed or not run.isdigit() or (phone.line is Line.MOBILE and phone.region == region)
