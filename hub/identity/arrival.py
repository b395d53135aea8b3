"""One arrival made comparable: the person's own fields, what stands in the message, and where it came from. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from hub.identity.companies import company_key, own_domains
from hub.identity.facts import PERSONAL, SHARED, WEAK, Facts, Tie
from hub.identity.keys import RANK, Key, keys
from hub.identity.normalize import Known, dig
from hub.identity.phones import Line, Phone
from hub.identity.phones import phones as read_phones
from hub.identity.text import bare, skeleton

STRENGTH = {name: {2: PERSONAL, 1: SHARED, 0: WEAK}[rank] for name, rank in RANK.items()}
KINDS = {"phone": "p", "email": "m", "visitor": "v"}
TOWN_MARKS = frozenset(["g", "gorod", "city", "stadt", "ville", "ciudad", "m"])
SIGNATURE = "\n--"


@dataclass(frozen=True, slots=True)
class Setting:
    """What an arrival says besides the person's fields. `at` in whole seconds, `region` an ISO country or ""."""

    at: int
    region: str = ""
    text: str = ""
    town: str = ""


def facts_of(known: Known, setting: Setting) -> Facts:
    """What can be compared of a newcomer."""
    phones, emails = dig(setting.text, setting.region)
    ids: dict[str, Tie] = {}
    for key in (*known.keys, *keys(phones, emails)):
        place = place_name(key)
        if place and place not in ids:
            ids[place] = Tie(STRENGTH[key.strength], 1, setting.at, setting.at, key.attested)
    for place in _other_readings(known, phones):
        ids.setdefault(place, Tie(WEAK, 1, setting.at, setting.at))
    firm = known.company.key or _signed_firm(setting.text)
    own = own_domains((*known.emails, *emails))
    return Facts(
        ids,
        [known.name] if known.name.given or known.name.surname else [],
        [firm] if firm else [],
        list(own)[:2],
        [town for town in [town_key(setting.town)] if town],
        setting.at,
    )


def _other_readings(known: Known, phones: Iterable[Phone]) -> Iterator[str]:
    """A visitor from abroad writes the country code without "+", and the site's own country has such a number, too."""
    for phone in (*known.phones, *phones):
        digits = "".join(c for c in phone.raw if c.isdigit())
        if len(digits) < 11 or phone.raw.lstrip().startswith("+") or phone.e164 == f"+{digits}":
            continue
        if digits[0] in "08" and digits[1:] == phone.national:  # the prefix of a national number, no country code
            continue
        for other in read_phones(f"+{digits}"):
            if other.e164 and "invalid" not in other.flags and other.line is Line.MOBILE and not phone.ext:
                yield f"p:{other.e164}"


def place_name(key: Key) -> str:
    """`kind:value` of a key; a WhatsApp id is only another way of writing a number, which may change hands."""
    if key.kind == "whatsapp" and key.value.isdigit():
        return ""
    return f"{KINDS.get(key.kind, key.kind)}:{key.value}"


def town_key(text: str) -> str:
    """A town without "г." and its like; different spellings in two languages stay different."""
    words = [skeleton(word) for word in bare(text[:100]).replace(".", " ").replace(",", " ").split()]
    return " ".join(word for word in words if word and word not in TOWN_MARKS)


def _signed_firm(text: str) -> str:
    """A firm in a mail's signature is recognised by its legal form or its quotes."""
    _, mark, signature = text.rpartition(SIGNATURE)
    if not mark:
        return ""
    return next((company_key(line.strip()) for line in _lines(signature) if _is_firm(line)), "")


def _lines(signature: str) -> Iterable[str]:
    return [line for line in signature.splitlines()[:8] if 2 < len(line) < 80]


def _is_firm(line: str) -> bool:
    from hub.identity.data import company_forms

    words = {word.casefold().strip('.,«»"') for word in line.split()}
    return bool(words & (company_forms.SURE | {"ип", "тов", "ao", "ао", "ag", "s.l", "sl", "sarl", "kg"}))
