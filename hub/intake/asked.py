"""What routing rules may look at, of one inquiry: the same when it comes and when it is read again for a trial. Pure.

Everything is text. `known_person` and `known_company` are "yes" or empty, so that rules ask `present` or `absent`;
`score` is what the inquiry alone is worth by the points of `hub.funnel.warmth`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from connectors.contract import Person
from hub.funnel import warmth
from hub.identity.normalize import Known
from hub.routing.rules import OWN

NEW_PERSON = "new_person"
KNOWN_COMPANY = {
    "result": "known_company", "en": "The company was known already", "ru": "Компания уже была известна",
}  # fmt: skip
"""A fact beside those about the person."""
YES = "yes"


@dataclass(frozen=True, slots=True)
class Asked:
    """An inquiry as far as rules may ask. `touch` as stored; `why` are the facts of who was recognised."""

    source: str
    connection: str
    known: Known
    person: Person
    form: str = ""
    subject: str = ""
    text: str = ""
    touch: Mapping[str, Any] = field(default_factory=dict)
    fields: Mapping[str, Any] = field(default_factory=dict)
    why: Iterable[Any] = ()


def facts_of(one: Asked) -> dict[str, str]:
    """Facts by the names of `hub.routing.rules.FIELDS`, and `field.<name>` for every field of the form."""
    results = {fact.get("result") for fact in one.why if isinstance(fact, Mapping)}
    company = one.person.company or one.known.company.text
    facts = {
        "source": one.source,
        "connection": one.connection,
        "form": one.form,
        "region": next((phone.region for phone in one.known.phones), ""),
        "language": one.person.language,
        "page": str(one.touch.get("page") or ""),
        "referrer": str(one.touch.get("referrer") or ""),
        "text": one.text,
        "subject": one.subject,
        "company": company,
        "product": told(one.fields.get("product")),
        "score": str(_score(one, company)),
        "known_person": "" if NEW_PERSON in results else YES,
        "known_company": YES if KNOWN_COMPANY["result"] in results else "",
    }
    facts |= {f"utm.{name}": told(value) for name, value in (one.touch.get("utm") or {}).items()}
    return facts | {f"{OWN}{name}": told(value) for name, value in one.fields.items()}


def _score(one: Asked, company: str) -> int:
    points = [("phone", phone.flags) for phone in one.known.phones]
    points += [("email", mail.flags) for mail in one.known.emails]
    campaign = bool((one.touch.get("utm") or {}).get("campaign"))
    return _worth(tuple(points), bool(company), campaign)


@lru_cache(1 << 10)  # inquiries of one source are worth one of a few numbers
def _worth(points: tuple[tuple[str, tuple[str, ...]], ...], company: bool, campaign: bool) -> int:
    return warmth.score(warmth.Known(points=points, company=YES if company else "", campaign=campaign)).points


def told(value: Any) -> str:
    """A field's value as text; several are listed."""
    if value is None:
        return ""
    return ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
