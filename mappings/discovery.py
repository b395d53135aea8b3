"""Proposals for form fields that no line names yet, by what they are called and what their values look like.

A proposal is only shown: a person accepts it, and `adopt` writes the line.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from connectors.contract import Value
from mappings.codecs import Kept, blank
from mappings.codecs.base import fold
from mappings.codecs.number import read_money
from mappings.codecs.text import read_email
from mappings.codecs.time import read_day, read_instant
from mappings.files import decode, rewrite
from mappings.inbound import KEEP, Inbound, looks_like_phone, normal


@dataclass(frozen=True, slots=True)
class Proposal:
    """What a field may be. `guess` is a draft field of the inbound mapping; `confidence` is between 0 and 1."""

    field: str
    example: str
    guess: str
    confidence: float
    why: str


_Guess = tuple[float, str, str]  # confidence, draft field, why
_NONE: _Guess = (0.0, "", "")


def discover(fields: Mapping[str, Value], mapping: Inbound) -> list[Proposal]:
    """A proposal for each unnamed field that looks like something we know, in the order of the form."""
    proposals = []
    for field, value in fields.items():
        if mapping.target(field) is None and not (isinstance(value, str) and value == ""):
            text = value if isinstance(value, str) else "" if blank(value) else str(value)
            confidence, guess, why = _best(_by_name(field, mapping), _by_shape(text.strip()))
            if guess:
                proposals.append(Proposal(field, text[:80], guess, confidence, why))
    return proposals


def _best(name: _Guess, shape: _Guess) -> _Guess:
    if name[1] and name[1] == shape[1]:
        return 0.98, name[1], f"{name[2]}, and {shape[2]}"
    return max(name, shape)


def _by_name(field: str, mapping: Inbound) -> _Guess:
    """A known name among the words of the field's name, the longest one; else the most similar known name."""
    words = re.findall(r"[^\W_\d]+", fold(field))
    known = {key: found for key, found in mapping.names.items() if found[0] != KEEP and len(key) > 2}
    runs = (
        ["".join(words[a:b]) for a in range(len(words)) for b in range(len(words), a, -1)] if len(words) <= 12 else []
    )
    if hits := [run for run in runs if run in known]:
        target, name = known[max(hits, key=len)]
        return 0.85, target, f"its name contains {name!r}"
    close = difflib.get_close_matches(normal(field)[:40], known, n=1, cutoff=0.8)
    return (0.7, known[close[0]][0], f"its name is close to {known[close[0]][1]!r}") if close else _NONE


def _by_shape(text: str) -> _Guess:
    if not text or len(text) > 2000:
        return _NONE
    if read_email(text):
        return 0.95, "emails", "its value looks like an e-mail address"
    if re.match(r"https?://\S+$", text):
        return 0.6, "page", "its value looks like a web address"
    if _is_date(text):
        return 0.5, "date", "its value looks like a date"
    if looks_like_phone(text):
        return 0.8, "phones", "its value looks like a phone number"
    money = read_money(text)
    return (0.5, "budget", "its value looks like money") if not isinstance(money, Kept) and money[1] else _NONE


def _is_date(text: str) -> bool:
    readings = (read_day(text, "dmy"), read_day(text, "mdy"), read_instant(text, "UTC", "dmy"))
    return not text.isdigit() and not all(isinstance(reading, Kept) for reading in readings)


def adopt(text: str, accepted: Iterable[Proposal], seen: str | None = None) -> str:
    """The text of an inbound mapping with lines for the accepted proposals; `seen` as in `rewrite`."""
    written = tomllib.loads(decode(text)).get("inbound", {})
    changes: dict[str, Value] = {}
    for proposal in accepted:
        path = f"inbound.{proposal.guess}.from"
        held = changes.get(path, written.get(proposal.guess, {}).get("from", []))
        changes[path] = [*held, proposal.field] if proposal.field not in held else held
    return rewrite(text, changes, seen)
