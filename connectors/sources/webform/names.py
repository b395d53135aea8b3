"""The field names of our own form, and how each becomes a word of the contract."""

from __future__ import annotations

from connectors.contract import Consent, Handle, Person, Touch, Value
from connectors.reading import BadBody, instant, loads, text, touch

FILLED = frozenset(
    {"name", "first_name", "last_name", "middle_name", "company", "position", "language", "phone", "email", "message"}
)
"""What a person types."""

AROUND = frozenset(
    {"submission_id", "form", "page", "referrer", "visitor", "first_touch", "elapsed_ms"}
    | {"consent", "consent_text", "consent_version"}
)
"""What the page or the script adds."""

_YES = frozenset({"1", "on", "yes", "true", "да"})


def opened(sent: dict[str, Value]) -> dict[str, Value]:
    """One flat form: the script sends what was typed under `fields`. A typed field cannot pose as a name around it."""
    typed = sent.get("fields")
    if not isinstance(typed, dict):
        return dict(sent)
    around = {name: value for name, value in sent.items() if name != "fields"}
    return around | {f"fields.{name}" if name in around else name: value for name, value in typed.items()}


def person(sent: dict[str, Value]) -> Person:
    visitor = text(sent.get("visitor"))
    handles = (Handle("visitor", visitor),) if visitor else ()
    return Person(
        name=text(sent.get("name")),
        first_name=text(sent.get("first_name")),
        last_name=text(sent.get("last_name")),
        middle_name=text(sent.get("middle_name")),
        phones=_many(sent.get("phone")),
        emails=_many(sent.get("email")),
        handles=handles,
        company=text(sent.get("company")),
        position=text(sent.get("position")),
        language=text(sent.get("language")),
    )


def _many(value: Value) -> tuple[str, ...]:
    return tuple(filter(None, (text(one) for one in (value if isinstance(value, list) else [value]))))


def first_touch(told: Value) -> Touch | None:
    """An object from the script, or the same as JSON text in a hidden field; nothing where a page garbled it."""
    try:
        told = loads(told) if isinstance(told, str) else told
    except BadBody:
        return None
    if not isinstance(told, dict) or not told:
        return None
    return touch(told, text(told.get("page")), text(told.get("referrer")), instant(told.get("at")))


def consent(sent: dict[str, Value]) -> Consent | None:
    """A browser leaves an unticked box out: words that were shown without a tick are a "no"."""
    ticked, words = text(sent.get("consent")), text(sent.get("consent_text"))
    if not ticked and not words:
        return None
    return Consent(ticked.strip().lower() in _YES, words, text(sent.get("consent_version")))
