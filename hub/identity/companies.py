"""Names of firms without their legal form, and the domains that are a firm's own."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from hub.identity.data import company_forms
from hub.identity.emails import Email
from hub.identity.text import as_text, bare, one_script, shown, skeleton

LONG = 300
WORD = re.compile(r"[^\W_]+(?:[-&.'’][^\W_]+)*")
NOT_OWN = frozenset(["free", "fake", "disposable", "bad", "literal", "quoted", "typo"])


@dataclass(frozen=True, slots=True)
class Company:
    """A firm as given, the key of its name without legal form ("" if none) and its own mail domains."""

    text: str = ""
    key: str = ""
    domains: tuple[str, ...] = ()


def company(text: Any, addresses: Iterable[Email] = ()) -> Company:
    """A firm from its name field and the addresses of its people. Free mail says nothing about a firm."""
    field = as_text(text)
    return Company(shown(field), company_key(field[:LONG]), own_domains(addresses))


@lru_cache(maxsize=1 << 13)
def company_key(text: str) -> str:
    """ООО «Ромашка», Romashka LLC and РОМАШКА have one key; a name of nothing but legal forms keeps them."""
    words = WORD.findall(one_script(bare(text)))
    if " ".join(words).casefold() in company_forms.NOBODY:
        return ""
    named = [w for w in words if w.casefold().replace(".", "") not in company_forms.FORMS | company_forms.SOLE]
    return " ".join(filter(None, (skeleton(w) for w in named or words)))


def own_domains(addresses: Iterable[Email]) -> tuple[str, ...]:
    """Domains of the addresses that belong to a firm: not a free provider's, not a throw-away's."""
    return tuple(dict.fromkeys(e.domain for e in addresses if e.domain and not NOT_OWN & set(e.flags)))
