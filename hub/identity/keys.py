"""Exact match keys: under which values a person is looked up, and how much each of them may decide.

A key is a value many systems write alike (E.164, canonical mailbox, lasting id). What anybody may type –
fake numbers, test@test.com, the id "0" – gives no key at all.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from connectors.contract import Handle
from hub.identity.emails import Email
from hub.identity.phones import Line, Phone


class Strength(StrEnum):
    """What agreeing on a key says."""

    PERSONAL = "personal"  # one person, until the number changes hands
    SHARED = "shared"  # a desk, a firm, a family: never joins by itself
    WEAK = "weak"  # a browser, a repaired slip, a number no plan knows: supports, never decides


@dataclass(frozen=True, slots=True)
class Key:
    """One match key. `kind` is phone, email or the network of a handle; `attested` if a provider vouches for it."""

    kind: str
    value: str
    strength: Strength
    attested: bool = False


RANK = {Strength.PERSONAL: 2, Strength.SHARED: 1, Strength.WEAK: 0}
OF_FIRMS = frozenset([Line.FIXED, Line.TOLL_FREE, Line.VOIP])
NO_ID = frozenset(["0", "-", "null", "none", "nil", "undefined", "unknown", "anonymous", "nan", "false"]) | {""}
OURS = frozenset(["phone", "email"])


def keys(
    phones: Iterable[Phone] = (),
    emails: Iterable[Email] = (),
    handles: Iterable[Handle] = (),
    attested: Container[str] = (),
) -> tuple[Key, ...]:
    """Keys of one person, each kind and value once with the best that is known of it.

    `attested` holds the E.164 numbers a provider vouches for.
    """
    best: dict[tuple[str, str], Key] = {}
    for key in _all(phones, emails, handles, attested):
        place = key.kind, key.value
        best[place] = _better(best[place], key) if place in best else key
    return tuple(best.values())


def _all(
    phones: Iterable[Phone], emails: Iterable[Email], handles: Iterable[Handle], attested: Container[str]
) -> Iterator[Key]:
    for phone in phones:
        yield from of_phone(phone, attested=phone.e164 in attested)
    for email in emails:
        yield from of_email(email)
    for handle in handles:
        yield from of_handle(handle)


def _better(a: Key, b: Key) -> Key:
    strength = max(a.strength, b.strength, key=RANK.__getitem__)
    return Key(a.kind, a.value, strength, a.attested or b.attested)


def of_phone(phone: Phone, attested: bool = False) -> Iterator[Key]:
    """A mobile is personal; a fixed line, a firm's number or one with an extension is shared."""
    if phone.e164 and "fake" not in phone.flags:
        yield Key("phone", _same_line(phone), _phone_strength(phone, attested), attested)


def _phone_strength(phone: Phone, attested: bool) -> Strength:
    if phone.line in OF_FIRMS or phone.ext:
        return Strength.SHARED
    doubtful = {"invalid", "no_country"} & set(phone.flags)
    return Strength.WEAK if doubtful and not attested else Strength.PERSONAL


def _same_line(phone: Phone) -> str:
    """Argentine mobiles are +54 9 … from abroad and in WhatsApp, and written without the 9 by half of the people."""
    if phone.e164.startswith("+549") and len(phone.e164) == 14:
        return "+54" + phone.e164[4:]
    return phone.e164


def of_email(email: Email) -> Iterator[Key]:
    """The mailbox, and the one that was meant if its domain is a slip."""
    if "fake" in email.flags:
        return
    if email.key and email.address:
        odd = {"quoted", "literal"} & set(email.flags)
        shared = "role" in email.flags
        yield Key("email", email.key, Strength.WEAK if odd else Strength.SHARED if shared else Strength.PERSONAL)
    if email.repaired:
        yield Key("email", email.repaired, Strength.WEAK)


def of_handle(handle: Handle) -> Iterator[Key]:
    """By lasting id only: user names are given to others. One browser is used by a family."""
    kind, value = handle.kind.strip().lower(), handle.id.strip()
    if not kind or kind in OURS or value.lower() in NO_ID:
        return
    yield Key(kind, value, Strength.WEAK if kind == "visitor" else Strength.PERSONAL, handle.attested)
