"""Codecs of amounts: number, money, percent. The hub's value is a decimal written as text ("1234.56").

Guarantees: no binary fractions in the hub; a sign that may part thousands or decimals ("1.234") is kept until
the line declares which; an unknown or other currency is kept; nothing is rounded unless the line says `round`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from functools import lru_cache
from random import Random
from typing import ClassVar

from babel.numbers import is_currency

from connectors.contract import Value
from mappings.codecs.base import Choices, Codec, Kept

_LONGEST = 40  # digits; longer "numbers" are ids or attacks, and databases differ on them
_WHOLE = re.compile(r"[+-]?\d+")
_FRACTION = re.compile(r"[+-]?\d*([.,])\d+")
_GROUPS = re.compile(r"[+-]?[1-9]\d{0,2}(?:([ '.,])\d{3})(?:\1\d{3})*(?:([.,])\d+)?")
_MONEY = re.compile(
    r"(?P<sign>[+-]?)\s*(?P<before>[^\d\s.,'+-][^\d]*?)?\s*(?P<amount>[+-]?[\d.,' ]*\d)\s*(?P<after>[^\d]*)"
)
_SIGNS = {
    "₽": "RUB", "руб": "RUB", "рублей": "RUB", "р": "RUB", "€": "EUR", "£": "GBP", "₸": "KZT", "₴": "UAH", "₺": "TRY",
    "₾": "GEL", "֏": "AMD", "₹": "INR", "₪": "ILS", "zł": "PLN", "us$": "USD", "$": "USD",
}  # fmt: skip


def read_decimal(raw: Value, decimal: str = "") -> Decimal | Kept:
    """The number that is written; `decimal` is the declared mark ("." or ","), "" when nobody declared one."""
    if isinstance(raw, bool) or not isinstance(raw, str | int | float | Decimal):
        return Kept(raw, "is no number")
    # A double carries 15 decimal digits for sure: 0.1 + 0.2 is 0.3 again.
    text = format(raw, ".15g") if isinstance(raw, float) else str(raw)
    if isinstance(raw, str):
        text = _spelled(text, decimal)
    if len(text) > _LONGEST:
        return Kept(raw, f"has more than {_LONGEST} digits")
    try:
        number = Decimal(text)
    except InvalidOperation:
        return Kept(raw, _doubt(raw))
    return number if number.is_finite() else Kept(raw, "is no number")


def _doubt(raw: Value) -> str:
    mark = re.search(r"[.,]", str(raw))
    return f"may use {mark[0]!r} for thousands or for decimals: declare `decimal`" if mark else "is no number"


@lru_cache(maxsize=65536)
def _spelled(text: str, decimal: str) -> str:
    """The same number as Python writes it, "" when that is not certain."""
    if len(text) > 2 * _LONGEST:
        return text
    text = re.sub(r"[\s_]+", " ", unicodedata.normalize("NFKC", text)).strip().replace("−", "-").replace("’", "'")
    if _WHOLE.fullmatch(text):
        return text
    grouped, fraction = _GROUPS.fullmatch(text), _FRACTION.fullmatch(text)
    if grouped and (not fraction or decimal):
        group, mark = grouped[1], grouped[2] or ""
        if group not in (mark, decimal) and decimal in ("", mark or decimal):
            return text.replace(group, "").replace(mark, ".") if mark else text.replace(group, "")
    if fraction and decimal in ("", fraction[1]) and (decimal or not grouped):
        return text.replace(fraction[1], ".")
    return ""


@lru_cache(maxsize=1024)
def read_currency(sign: str) -> str:
    """ISO 4217 code of a sign or code, "" when unknown."""
    word = sign.strip().rstrip(".").casefold()
    return _SIGNS.get(word) or (word.upper() if is_currency(word.upper()) else "")


@lru_cache(maxsize=65536)
def read_money(text: str, decimal: str = "") -> tuple[Decimal, str] | Kept:
    """Amount and ISO 4217 code ("" when none is written) of "1 234,56 ₽"; `Kept` when either is in doubt."""
    found = _MONEY.fullmatch(" ".join(text.split()).replace("−", "-")) if len(text) < 2 * _LONGEST else None
    if not found:
        return Kept(text, "is no amount of money")
    signs = [sign.strip() for sign in (found["before"] or "", found["after"]) if sign.strip()]
    codes = {read_currency(sign) for sign in signs}
    if "" in codes or len(codes) > 1:
        return Kept(text, f"is in a currency we do not know: {' '.join(signs)}")
    amount = read_decimal(found["sign"] + found["amount"], decimal)
    return Kept(text, amount.why) if isinstance(amount, Kept) else (amount, codes.pop() if codes else "")


@dataclass(frozen=True, slots=True)
class Number(Codec):
    """A plain number."""

    decimal: str = ""
    shape: str = "number"
    round: bool = False

    name: ClassVar[str] = "number"
    about: ClassVar[str] = (
        "number; `decimal` is the mark of fractions in texts; `shape` what is sent: number, text or whole; "
        "`round` lets a whole number lose its fraction, both ways"
    )
    makes: ClassVar[str] = "decimal"
    takes: ClassVar[frozenset[str]] = frozenset({"number", "money", "text"})
    ordered: ClassVar[bool] = True
    choices: ClassVar[Mapping[str, Choices]] = {"decimal": ("", ".", ","), "shape": ("number", "text", "whole")}

    def read(self, raw: Value) -> Value:
        number = read_decimal(raw, self.decimal)
        return number if isinstance(number, Kept) else self._told(number)

    def _told(self, number: Decimal) -> str:
        if self.shape == "whole" and self.round:
            number = number.to_integral_value(ROUND_HALF_UP)
        return format(number, "f")

    def write(self, hub: Value) -> Value:
        number = read_decimal(hub, ".")
        return number if isinstance(number, Kept) else self._shaped(number)

    def _shaped(self, number: Decimal) -> Value:
        if self.shape == "text":
            return format(number, "f").replace(".", self.decimal or ".")
        whole = number.to_integral_value(ROUND_HALF_UP)
        if whole == number or (self.shape == "whole" and self.round):
            return int(whole)
        if self.shape == "whole":
            return Kept(format(number, "f"), "has a fraction, the CRM takes whole numbers")
        if Decimal(format(float(number), ".15g")) != number:
            return Kept(format(number, "f"), "has more digits than a JSON number carries")
        return float(number)

    def key(self, hub: Value) -> Hashable:
        number = read_decimal(hub, ".")
        return repr(hub) if isinstance(number, Kept) else number

    def hub_example(self, chance: Random) -> Value:
        whole = str(chance.choice((0, 7, -3, 1200, chance.randint(0, 10**9))))
        return whole + chance.choice(("", "", ".5", ".25", ".00", ".125"))

    def raw_example(self, chance: Random) -> Value:
        return chance.choice(
            (
                "1 234,56",
                "1,234.56",
                "1.234",
                "1,5",
                0.1 + 0.2,
                -7,
                1e400,
                "NaN",
                "9" * 99,
                "x",
                True,
                [1],
                "1'000",
                "012",
            )
        )


@dataclass(frozen=True, slots=True)
class Money(Number):
    """An amount. A currency sign in the text must be the declared one."""

    currency: str = ""
    zero_is_blank: bool = False

    name: ClassVar[str] = "money"
    about: ClassVar[str] = (
        "amount; `currency` is the one texts may name; `zero_is_blank` for CRMs that show 0 where nothing was entered; "
        "`decimal`, `shape`, `round` as in number"
    )

    def into(self, raw: Value) -> Value:
        value = Codec.into(self, raw)
        return None if self.zero_is_blank and isinstance(value, str) and Decimal(value) == 0 else value

    def out(self, hub: Value) -> Value:
        value = Codec.out(self, hub)
        return 0 if value is None and self.zero_is_blank else value

    def read(self, raw: Value) -> Value:
        if not isinstance(raw, str):
            return Number.read(self, raw)
        found = read_money(raw, self.decimal)
        if isinstance(found, Kept):
            return found
        amount, currency = found
        if currency not in ("", self.currency):
            return Kept(raw, f"is in {currency}, this line holds {self.currency or 'amounts without currency'}")
        return self._told(amount)

    def raw_example(self, chance: Random) -> Value:
        return chance.choice((Number.raw_example(self, chance), "1 234,56 ₽", "€1k", "-5 RUB", "5 XXZ", "12.50", 0))


@dataclass(frozen=True, slots=True)
class Percent(Number):
    """A share. The hub's value is in percent; whether the CRM's 0.05 means 5 % must be declared."""

    unit: str = ""

    name: ClassVar[str] = "percent"
    about: ClassVar[str] = "percent here; `unit` there: percent (5) or fraction (0.05)"
    choices: ClassVar[Mapping[str, Choices]] = {
        "decimal": ("", ".", ","),
        "shape": ("number", "text", "whole"),
        "unit": ("percent", "fraction"),
    }
    needs: ClassVar[Choices] = ("unit",)

    def read(self, raw: Value) -> Value:
        number = read_decimal(raw.strip().removesuffix("%") if isinstance(raw, str) else raw, self.decimal)
        if isinstance(number, Kept):
            return Kept(raw, number.why)
        return self._told(number * 100 if self.unit == "fraction" else number)

    def write(self, hub: Value) -> Value:
        number = read_decimal(hub, ".")
        if isinstance(number, Kept):
            return number
        return self._shaped(number / 100 if self.unit == "fraction" else number)
