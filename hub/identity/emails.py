"""E-mail addresses as people type them, and the key under which one mailbox is always found.

Nothing raises. `address` is what a mail may be sent to, "" when it must not be used. Flags: `bad` (not an
address), `injection` (carries a mail header; never leaves the hub), `quoted`, `literal` (legal, nobody has
one), `role`, `noreply`, `free`, `disposable`, `fake`, `typo` (see `hint`), `lookalike` (letters of two scripts).
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from disposable_email_domains import blocklist
from email_validator import EmailNotValidError, validate_email
from rapidfuzz.distance import OSA
from rapidfuzz.process import extractOne

from hub.identity.data import mail_domains as data
from hub.identity.text import TO_LATIN, TYPED_LATIN, as_text, bare, one_script, shown


@dataclass(frozen=True, slots=True)
class Email:
    """One address. `domain` is in ASCII form; `tag` is what stood after "+".

    `repaired` is a second key: the mailbox that was meant if the domain is a slip. It never replaces `key`.
    """

    address: str
    key: str
    domain: str
    tag: str
    flags: tuple[str, ...]
    raw: str
    hint: str = ""
    repaired: str = ""


@dataclass(frozen=True, slots=True)
class _Checked:
    """A valid address in its parts; `domain` as people read it, `ascii_domain` as it travels."""

    local_part: str
    domain: str
    ascii_domain: str


LONG = 1000
"""A field longer than this is a message: only what looks like an address is taken from it."""

INJECTION = re.compile(r"(?:[\r\n]|%0[ad]|\\[rn])\s*(?!mailto)[A-Za-z-]{2,20}\s*:|%0[ad]", re.I)
SPELT_AT = re.compile(r"\s*[\[({]\s*(?:at|собака)\s*[\])}]\s*", re.I)
SPELT_DOT = re.compile(r"\s*[\[({]\s*(?:dot|точка)\s*[\])}]\s*", re.I)
LOOSE_AT = re.compile(r"\s*@\s*")
MAILTO = re.compile(r"\bmailto:", re.I)
ANGLE = re.compile(r"<([^<>]*@[^<>]*)>")
QUOTED = re.compile(r'"[^"@]*"@[^\s"@]+')
SEPARATORS = re.compile(r"[\s,;|<>()]+")
EDGES = "\"'`«»“”.:!?*"
LITERAL = re.compile(r"@\[[^\]]*\]$")
PLAIN_LOCAL = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*")


def emails(text: Any) -> tuple[Email, ...]:
    """Every address in one e-mail field; a filled field always answers at least one, an empty one none."""
    field = as_text(text)
    if not field.strip():
        return ()
    return _emails.__wrapped__(field) if len(field) > LONG else _emails(field)


@lru_cache(maxsize=1 << 14)
def _emails(field: str) -> tuple[Email, ...]:
    raw = shown(field)
    if INJECTION.search(field.strip()):
        return (_bad(raw, "injection"),)
    text = LOOSE_AT.sub("@", SPELT_DOT.sub(".", SPELT_AT.sub("@", bare(MAILTO.sub("", field)))))
    found = tuple(dict.fromkeys(_read(token) for token in _tokens(text)))
    return found or (_bad(raw),)


def _tokens(text: str) -> list[str]:
    angled = ANGLE.findall(text)
    if angled:
        return [t.strip() for t in angled] + _tokens(ANGLE.sub(" ", text))
    if QUOTED.fullmatch(text) or LITERAL.search(text):
        return [text]
    tokens = (token.split("?", 1)[0].strip(EDGES) for token in SEPARATORS.split(text))
    return [token for token in tokens if "@" in token]


def _bad(raw: str, *flags: str) -> Email:
    return Email("", "", "", "", ("bad", *flags), raw)


def _read(token: str) -> Email:
    local, _, domain = token.rpartition("@")
    plain = f"{one_script(local)}@{one_script(domain)}"
    checked = _check(plain)
    if checked is None:
        return _meant(_bad(token), local, domain)
    email = _plain(checked, token)
    if plain != token:
        email = replace(email, flags=(*email.flags, "lookalike"))
    return _meant(email, checked.local_part, checked.domain)


def _check(address: str) -> _Checked | None:
    """Syntax only. Reserved .test domains pass: staging sites are customers too.

    A plain local part has no rules but its length, so that only its domain is judged, and most share a few.
    """
    local, _, domain = address.rpartition("@")
    if len(local) > 64 or not ("." in domain or domain.startswith("[")):
        return None
    if len(address) < 200 and PLAIN_LOCAL.fullmatch(local):
        found = _judged_domain(domain)
        return found and _Checked(local, found.domain, found.ascii_domain)
    return _judged(address)


@lru_cache(maxsize=1 << 12)
def _judged_domain(domain: str) -> _Checked | None:
    return _judged(f"a@{domain}")


def _judged(address: str) -> _Checked | None:
    try:
        found = validate_email(
            address,
            check_deliverability=False,
            allow_quoted_local=True,
            allow_domain_literal=True,
            globally_deliverable=False,
            test_environment=True,
        )
    except (EmailNotValidError, ValueError):  # ValueError: what idna says of lone surrogates
        return None
    return _Checked(found.local_part, found.domain, found.ascii_domain)


def _plain(checked: _Checked, raw: str) -> Email:
    domain = (checked.ascii_domain or checked.domain).lower()
    local = checked.local_part
    address = f"{local}@{domain}"
    if local.startswith('"'):
        return Email(address, address.casefold(), domain, "", ("quoted",), raw)
    if domain.startswith("["):
        return Email(address, address.casefold(), domain, "", ("literal",), raw)
    name, tag = _untagged(local)
    return Email(address, canonical(local, domain), domain, tag, _flags(name.casefold(), domain), raw)


def _untagged(local: str) -> tuple[str, str]:
    name, _, tag = local.partition("+")
    return (name, tag) if name else (local, "")


def canonical(local: str, domain: str) -> str:
    """The one key of a mailbox: case, tag, aliases of the provider and characters it ignores are gone."""
    domain = data.SAME.get(domain, domain)
    name = unicodedata.normalize("NFKC", _untagged(local)[0]).casefold()
    folded = name.translate(data.FOLD[domain]) if domain in data.FOLD else name
    return f"{unicodedata.normalize('NFKC', folded or name)}@{domain}"


def _flags(name: str, domain: str) -> tuple[str, ...]:
    free = domain in data.FREE
    stem = re.split(r"[._\-]", name.rstrip("0123456789"), maxsplit=1)[0]
    role = name.rstrip("0123456789._-") in data.ROLES or stem in ("info", "sales", "office", "support", "zakaz")
    verdicts = {
        "free": free,
        "role": role or name in data.NO_REPLY,
        "noreply": name in data.NO_REPLY,
        "disposable": domain in blocklist,
        "fake": _fake(name, domain, free),
    }
    return tuple(flag for flag, holds in verdicts.items() if holds)


def _fake(name: str, domain: str, free: bool) -> bool:
    labels = domain.split(".")
    if domain in data.PLACEHOLDERS or "example" in labels or name in data.PLACEHOLDER_LOCALS:
        return True
    if len(labels[0]) <= 3 and len(name) <= 3 and set(name) == set(labels[0]):  # a@a.aa, no@no.no
        return True
    if not free:
        return False
    return len(set(name)) == 1 or name == labels[0] or name in data.PLACEHOLDER_FREE_LOCALS


# ── slips of the domain ──────────────────────────────────────────────────────────────────────────


def _meant(email: Email, local: str, domain: str) -> Email:
    """With hint and second key if the domain is a slip of a known provider."""
    hint = meant(domain.lower().translate(TO_LATIN) if not domain.isascii() else domain.lower())
    if not hint and domain.isascii():
        return email
    if not hint:
        typed = f"{local}@{domain}".translate(TYPED_LATIN)
        local, _, hint = typed.rpartition("@")
        hint = hint if hint in data.FREE else ""
    if not hint or hint == email.domain or _check(f"{local}@{hint}") is None:
        return email
    fake = ("fake",) if _fake(_untagged(local)[0].casefold(), hint, True) and "fake" not in email.flags else ()
    kept = (f for f in email.flags if f != "disposable")  # traps are set up at misspelt domains
    return replace(email, flags=(*kept, "typo", *fake), hint=hint, repaired=canonical(local, hint))


@lru_cache(maxsize=1 << 13)
def meant(domain: str) -> str:
    """The provider meant by a misspelt domain, "" if it is one itself or nothing is near."""
    domain = domain.strip(".")
    if domain in data.FREE or domain in data.SAME or len(domain) > 40:
        return ""
    if domain in data.MISTAKES:
        return data.MISTAKES[domain]
    if "." not in domain:
        return next((d for d in data.LEADING if d.split(".")[0] == domain), "")
    found = extractOne(domain, data.OFTEN_MISSPELT, scorer=OSA.distance, score_cutoff=1)
    return found[0] if found else ""


# ── addresses inside a message ───────────────────────────────────────────────────────────────────

STANDING_OUT = re.compile(r"[^\s<>()\[\]{},;:\"'«»|@/=]{1,64}@[\w.\-]{1,190}\.[^\W\d_][\w\-]{0,30}[^\W_]")


def in_text(text: str) -> tuple[Email, ...]:
    """Addresses that stand in a message."""
    if "@" not in text:
        return ()
    found = (_read(token.strip(EDGES)) for token in STANDING_OUT.findall(bare(text)))
    return tuple(dict.fromkeys(e for e in found if e.address and "fake" not in e.flags))
