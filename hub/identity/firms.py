"""Which company is behind an inquiry: by tax number, by a mail domain of its own, by a name that tells it. Pure.

A tax number decides. A domain decides unless the tax numbers differ; free and throw-away mail is nobody's domain. A
name decides only if it is rare by itself, and nothing else objects: two firms "Romashka" stay two. A name or domain
that turns out to be used by several firms is retired: it leads to none of them any more.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any
from urllib.parse import urlsplit

from stdnum.eu import vat
from stdnum.ru import inn, ogrn
from tldextract import TLDExtract

from hub.identity.companies import company
from hub.identity.data import company_forms
from hub.identity.data.common_firms import COMMON
from hub.identity.data.mail_domains import FREE
from hub.identity.normalize import Known
from hub.identity.text import as_text, skeleton

Key = tuple[str, str]
"""Kind (tax, domain, name) and value of a row of company_key."""
RETIRED = {"name": "names", "domain": "domains"}
"""Under this kind a key stands that several firms use."""
LONG = 4000
TELLING = 6
"""Letters from which a single uncommon word tells a firm; measured on no list, short names are simply too many."""
TAX_FIELD = re.compile(
    r"(?:^|[^a-zа-я])(?:inn|инн|ogrn(?:ip)?|огрн(?:ип)?|vat|tax|ust|nip|tva|iva)(?:$|[^a-zа-я])", re.I
)
IN_TEXT = re.compile(
    r"\b(?:ИНН|INN|ОГРН(?:ИП)?|OGRN(?:IP)?|VAT|USt)\b\W{0,4}(?:(?:No|ID|IdNr|номер)\b\W{0,4})?([A-Z]{0,2}[\d ]{8,17})",
    re.I,
)


@dataclass(frozen=True, slots=True)
class Firm:
    """What an inquiry says of a company. `name` is the key of its name, `telling` whether that may decide alone."""

    text: str = ""
    name: str = ""
    telling: bool = False
    domains: tuple[str, ...] = ()
    taxes: tuple[str, ...] = ()

    @property
    def keys(self) -> tuple[Key, ...]:
        """What may lead to its company, the strongest first."""
        told = (("tax", self.taxes), ("domain", self.domains), ("name", (self.name,) if self.telling else ()))
        return tuple((kind, value) for kind, values in told for value in values)


@dataclass(frozen=True, slots=True)
class Choice:
    """The company found, or "" ; `by` is the key that led to it, `new` whether one is to be made, `retire` a name that
    turned out to be another firm's, too."""

    company_id: str = ""
    by: Key | None = None
    new: bool = False
    retire: Key | None = None


def firm_of(known: Known, fields: Mapping[str, Any], text: str) -> Firm:
    """The company behind an inquiry; an empty one when nothing is said of any."""
    firm = known.company
    domains = dict.fromkeys(own for domain in firm.domains if (own := registered(domain)))
    taxes = dict.fromkeys(_taxes(fields, f"{firm.text}\n{text}"))
    if not (domains or taxes or firm.key):
        return NONE
    return Firm(firm.text, firm.key, is_telling(firm.text, firm.key), tuple(domains), tuple(taxes))


NONE = Firm()


def read_firm(values: Mapping[str, Any]) -> Firm:
    """A company as a CRM's card tells it (name, domain, website, tax_id). A page of another's site is no domain."""
    named = company(as_text(values.get("name")))
    hosts = filter(None, (_host(as_text(values.get(field))) for field in ("domain", "website")))
    domains = dict.fromkeys(own for host in hosts if (own := registered(host)))
    taxes = dict.fromkeys(tax_number(as_text(values.get("tax_id"))))
    return Firm(named.text, named.key, is_telling(named.text, named.key), tuple(domains), tuple(taxes))


def _host(site: str) -> str:
    """The host of a site's own address, "" for a page within one."""
    try:
        told = urlsplit(site if "//" in site else f"//{site}")
        return "" if told.path.strip("/") else (told.hostname or "")
    except ValueError:
        return ""


# ── keys ─────────────────────────────────────────────────────────────────────────────────────────


@cache
def _suffixes() -> TLDExtract:
    """The public suffix list as it came with the library: nothing is fetched."""
    return TLDExtract(suffix_list_urls=(), cache_dir=None, include_psl_private_domains=True)


@lru_cache(maxsize=1 << 13)
def registered(domain: str) -> str:
    """The part of a domain that somebody registered: mail.firma.co.uk is firma.co.uk; "" for nobody's own."""
    found = _suffixes().extract_str(domain)
    own = f"{found.domain}.{found.suffix}" if found.suffix else ".".join(domain.split(".")[-2:])
    return "" if own in FREE or (found.suffix and not found.domain) or "." not in own else own


@lru_cache(maxsize=1 << 13)
def is_telling(text: str, key: str) -> bool:
    """Whether a firm's name is rare enough to decide: a trader's is a person's, and Romashka is anybody's."""
    if {word.casefold().strip(".«»\"'") for word in text.split()} & company_forms.SOLE:
        return False
    rare = [word for word in key.split() if word not in _common() and len(word) > 2]
    return len(rare) > 1 or any(len(word) >= TELLING for word in rare)


@cache
def _common() -> frozenset[str]:
    return frozenset(skeleton(word) for word in COMMON)


def _taxes(fields: Mapping[str, Any], text: str) -> Iterator[str]:
    for name, value in fields.items():
        if TAX_FIELD.search(name):
            yield from tax_number(as_text(value))
    for match in IN_TEXT.finditer(text[:LONG]):
        yield from tax_number(match[1])


def tax_number(text: str) -> Iterator[str]:
    """`ru-inn:...`, `ru-ogrn:...` or `eu-vat:...` of a number whose check digits are right."""
    plain = re.sub(r"[\s.\-]", "", text).upper()[:20]
    if len(set(plain)) < 3:
        return
    if inn.is_valid(plain):
        yield f"ru-inn:{plain}"
    elif ogrn.is_valid(plain):
        yield f"ru-ogrn:{plain}"
    elif plain[:2].isalpha() and vat.is_valid(plain):
        yield f"eu-vat:{vat.compact(plain)}"


# ── choosing ─────────────────────────────────────────────────────────────────────────────────────


def choose(firm: Firm, owners: Mapping[Key, str], known: Mapping[str, Collection[Key]]) -> Choice:
    """The company of a firm among those that own its keys; `known` are all keys of these companies."""
    for kind, value in firm.keys:
        company_id = owners.get((kind, value), "")
        if not company_id:
            continue
        if _objects(kind, firm, known.get(company_id, ())):
            retire = (kind, value) if kind == "name" else None
            return Choice(new=bool(firm.taxes or firm.domains), retire=retire)
        return Choice(company_id, (kind, value))
    return Choice(new=any((RETIRED.get(kind, ""), value) not in owners for kind, value in firm.keys))


def _objects(kind: str, firm: Firm, theirs: Collection[Key]) -> bool:
    """Another tax number of the same kind says that it is another firm; to a mere name another domain says so, too."""
    if kind != "tax" and _other(firm.taxes, [value for place, value in theirs if place == "tax"]):
        return True
    domains = {value for place, value in theirs if place == "domain"}
    return kind == "name" and bool(firm.domains) and bool(domains) and not domains & set(firm.domains)


def _other(ours: Collection[str], theirs: Collection[str]) -> bool:
    mine = dict(one.split(":") for one in ours)
    return any(mine.get(scheme, number) != number for scheme, number in (one.split(":") for one in theirs))


TOLD: Mapping[str, tuple[str, str]] = {
    "tax": ("The company {name}, by its tax number {what}", "Компания {name} — по налоговому номеру {what}"),
    "domain": ("The company {name}, by its mail domain {what}", "Компания {name} — по почтовому домену {what}"),
    "name": ("The company {name}, by its name", "Компания {name} — по названию"),
    "": ("A new company: {name}", "Новая компания: {name}"),
}


def company_fact(name: str, company_id: str, by: Key | None) -> dict[str, str]:
    """Why an inquiry is a company's, as stored with it."""
    kind, what = by or ("", "")
    en, ru = TOLD[kind]
    what = what.partition(":")[2] or what
    told = {"en": en.format(name=name, what=what), "ru": ru.format(name=name, what=what)}
    return {"result": "known_company" if by else "new_company", "by": kind, "company": company_id, **told}
