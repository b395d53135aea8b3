"""A person as they wrote themselves → a person we can compare and look up. Pure; nothing is lost or refused.

The original stays in the stored draft; `Known` is made from it again whenever the rules change.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from connectors.contract import Handle, Person
from hub.identity import emails as mail
from hub.identity import phones as tel
from hub.identity.companies import Company, company
from hub.identity.emails import Email, emails
from hub.identity.keys import Key, keys
from hub.identity.names import Name, name
from hub.identity.phones import Phone, phones
from hub.identity.text import as_text


@dataclass(frozen=True, slots=True)
class Known:
    """Who wrote, normalised. `flags` say what an admin or the desk should know of the fields:

    `asks_country` (a number needs the connection's default country), `phone_in_name`, `email_in_name`,
    `email_in_phone`, `phone_in_email`, `phone_in_company`, `email_in_company`.
    """

    name: Name = field(default_factory=Name)
    phones: tuple[Phone, ...] = ()
    emails: tuple[Email, ...] = ()
    handles: tuple[Handle, ...] = ()
    company: Company = field(default_factory=Company)
    keys: tuple[Key, ...] = ()
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Found:
    phones: tuple[Phone, ...]
    emails: tuple[Email, ...]
    flags: tuple[str, ...] = ()


MAYBE_CONTACT = re.compile(r"@|\d(?:\D{0,3}\d){6}")
WHATSAPP = re.compile(r"\d{7,15}")


def normalise(person: Person, region: str = "") -> Known:
    """The whole person. `region` is the connection's default country (ISO), "" if it has none."""
    whole = name(person.name, person.first_name, person.last_name, person.middle_name)
    found = [_phone_field(text, region) for text in (*person.phones, *person.attested_phones)]
    found += [_email_field(text, region) for text in person.emails]
    found += [_other_field(text, region, where) for where, text in _fields(person)]
    found.append(_Found(tuple(_whatsapp(person.handles)), ()))
    numbers = _numbers([p for f in found for p in f.phones])
    addresses = tuple(dict.fromkeys(e for f in found for e in f.emails))
    vouched = _vouched(person, region)
    return Known(
        name=whole,
        phones=numbers,
        emails=addresses,
        handles=person.handles,
        company=company(person.company or whole.company, addresses),
        keys=keys(numbers, addresses, person.handles, vouched),
        flags=_flags(found, numbers),
    )


def dig(text: str, region: str = "") -> tuple[tuple[Phone, ...], tuple[Email, ...]]:
    """Numbers and addresses that stand in a message or in a wrong field: only what is certainly one."""
    if not MAYBE_CONTACT.search(text):
        return (), ()
    addresses = mail.in_text(text)
    return tuple(dict.fromkeys(tel.in_text(text, region))), addresses


def _fields(person: Person) -> list[tuple[str, str]]:
    names = (person.name, person.first_name, person.last_name, person.middle_name)
    return [("name", n) for n in names if n] + ([("company", person.company)] if person.company else [])


def _phone_field(text: str, region: str) -> _Found:
    numbers = phones(text, region)
    if "@" not in as_text(text):
        return _Found(numbers, ())
    addresses = mail.in_text(text)
    if not addresses:
        return _Found(numbers, ())
    return _Found(tuple(p for p in numbers if p.e164), addresses, ("email_in_phone",))


def _email_field(text: str, region: str) -> _Found:
    addresses = emails(text)
    if any(e.address for e in addresses) or not MAYBE_CONTACT.search(as_text(text)):
        return _Found((), addresses)
    numbers = tuple(p for p in phones(text, region) if p.e164 and "@" not in as_text(text))
    return _Found(numbers, (), ("phone_in_email",)) if numbers else _Found((), addresses)


def _other_field(text: str, region: str, where: str) -> _Found:
    numbers, addresses = dig(as_text(text), region)
    flags = (f"phone_in_{where}",) * bool(numbers) + (f"email_in_{where}",) * bool(addresses)
    return _Found(numbers, addresses, flags)


def _whatsapp(handles: tuple[Handle, ...]) -> list[Phone]:
    """A WhatsApp id is the number without its plus: https://developers.facebook.com/docs/whatsapp"""
    ids = [h.id for h in handles if h.kind == "whatsapp" and WHATSAPP.fullmatch(h.id)]
    return [phone for i in ids for phone in phones("+" + i)]


def _vouched(person: Person, region: str) -> frozenset[str]:
    numbers = [p for text in person.attested_phones for p in phones(text, region)]
    numbers += _whatsapp(tuple(h for h in person.handles if h.attested))
    return frozenset(p.e164 for p in numbers if p.e164)


def _numbers(found: list[Phone]) -> tuple[Phone, ...]:
    """Each number once; the first way of writing it is kept, one with extension apart from one without."""
    once: dict[tuple[str, str], Phone] = {}
    for phone in found:
        once.setdefault((phone.e164 or phone.raw, phone.ext), phone)
    return tuple(once.values())


def _flags(found: list[_Found], numbers: tuple[Phone, ...]) -> tuple[str, ...]:
    asks = ("asks_country",) if any("no_country" in p.flags for p in numbers) else ()
    return tuple(dict.fromkeys((*asks, *(flag for f in found for flag in f.flags))))
