"""Unknown form fields become fields of a draft, by the names that forms give them.

Pure. Guarantees: nothing is dropped and nothing overwritten. A field leaves `Draft.fields` only when its value
stands in the draft; a field without a line, or whose place is taken by another value, stays as it was.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from typing import Any, TypeVar

from marshmallow import Schema, fields, validate

from connectors.contract import Consent, Draft, Person, Touch, Value
from mappings.codecs import Kept, blank
from mappings.codecs.base import fold
from mappings.codecs.text import Bool, as_text, read_email
from mappings.problems import BadMapping, Problem, nearest, placed
from mappings.schema import check_head

KEEP = "keep"
"""Target of fields that stay as they are, for a connection that takes a default line back."""

EXTRA = ("city", "address", "budget", "product", "date")
"""Answers that have one name for all forms and no place of their own in a draft."""

_CONSENT = Bool(
    yes=("true", "1", "yes", "y", "on", "да", "согласен", "согласна", "agree", "agreed", "accepted", "i agree"),
    no=("false", "0", "no", "n", "off", "нет", "не согласен", "не согласна", "declined"),
)
_LOOKS_LIKE_PHONE = re.compile(r"\s*(?:tel:)?\+?(?:[\s().-]*\d){7,15}[\s.]*")


@lru_cache(8192)  # forms send the same names for ever
def normal(name: str) -> str:
    """A field's name without what never matters: case, spaces, - _ . : *, ё."""
    return re.sub(r"[\W_]+", "", fold(unicodedata.normalize("NFKC", name)))


@dataclass(frozen=True, slots=True)
class Inbound:
    """Compiled lines: normalised field name → (draft field, name as the line writes it)."""

    names: Mapping[str, tuple[str, str]]

    def target(self, field: str) -> tuple[str, str] | None:
        """Draft field for a form's field, None when no line names it.

        The name itself goes first, then without digits at its end, then what stands in its last brackets.
        """
        found = self._named(field)
        if found is None and (inner := re.search(r"\[([^\[\]]+)\]\s*$", field)):
            found = self._named(inner[1])
        return found

    def _named(self, field: str) -> tuple[str, str] | None:
        name = normal(field)
        return self.names.get(name) or self.names.get(name.rstrip("0123456789"))


# ── filling a draft ──────────────────────────────────────────────────────────────────────────────

Filler = Callable[[Draft, str, str], Draft | None]
"""(draft, text, name) → the draft that holds the text, None when there is no room for it."""


_Piece = TypeVar("_Piece", Draft, Person, Touch)


def _with(piece: _Piece, attribute: str, value: Any) -> _Piece:
    change: dict[str, Any] = {attribute: value}
    return replace(piece, **change)


def _own(attribute: str, draft: Draft, text: str, name: str) -> Draft | None:
    held = getattr(draft, attribute)
    return _with(draft, attribute, text) if not held else draft if held == text else None


def _person(attribute: str, draft: Draft, text: str, name: str) -> Draft | None:
    held = getattr(draft.person, attribute)
    if held:
        return draft if held == text else None
    return replace(draft, person=_with(draft.person, attribute, text))


def _listed(attribute: str, draft: Draft, text: str, name: str) -> Draft:
    held: tuple[str, ...] = getattr(draft.person, attribute)
    return draft if text in held else replace(draft, person=_with(draft.person, attribute, (*held, text)))


def _contact(draft: Draft, text: str, name: str) -> Draft | None:
    if read_email(text):
        return _listed("emails", draft, text, name)
    return _listed("phones", draft, text, name) if looks_like_phone(text) else None


def _touch(attribute: str, draft: Draft, text: str, name: str) -> Draft | None:
    held = getattr(draft.touch, attribute)
    if held:
        return draft if held == text else None
    return replace(draft, touch=_with(draft.touch, attribute, text))


def _utm(which: str, part: str, draft: Draft, text: str, name: str) -> Draft | None:
    touch: Touch = getattr(draft, which) or Touch()
    if part in touch.utm:
        return draft if touch.utm[part] == text else None
    return _with(draft, which, replace(touch, utm={**touch.utm, part: text}))


def _click(draft: Draft, text: str, name: str) -> Draft | None:
    held = draft.touch.click_ids
    if name in held:
        return draft if held[name] == text else None
    return replace(draft, touch=replace(draft.touch, click_ids={**held, name: text}))


def _consent(draft: Draft, text: str, name: str) -> Draft | None:
    given = _CONSENT.into(text)
    if draft.consent is not None or isinstance(given, Kept):
        return None
    return replace(draft, consent=Consent(given))


FILLERS: dict[str, Filler] = {
    **{field: partial(_own, field) for field in ("text", "subject", "form")},
    **{field: partial(_person, field) for field in ("name", "first_name", "last_name", "middle_name")},
    **{field: partial(_person, field) for field in ("company", "position", "language")},
    **{field: partial(_listed, field) for field in ("phones", "emails")},
    **{field: partial(_touch, field) for field in ("page", "referrer")},
    **{f"utm_{part}": partial(_utm, "touch", part) for part in ("source", "medium", "campaign", "term", "content")},
    **{f"first_utm_{part}": partial(_utm, "first_touch", part) for part in ("source", "medium", "campaign")},
    "contact": _contact,
    "consent": _consent,
    "click_ids": _click,
}
TARGETS = (*FILLERS, *EXTRA, KEEP)


def apply_inbound(mapping: Inbound, draft: Draft) -> Draft:
    """The draft with its unknown fields put where they belong; doing it twice changes nothing more."""
    rest: dict[str, Value] = {}
    for field, value in draft.fields.items():
        target, name = mapping.target(field) or (KEEP, "")
        if target in EXTRA:
            rest[target if target not in draft.fields and target not in rest else field] = value
        elif (filled := _filled(draft, target, value, name)) is None:
            rest[field] = value
        else:
            draft = filled
    return replace(draft, fields=rest)


def _filled(draft: Draft, target: str, value: Value, name: str) -> Draft | None:
    """The draft that holds every part of the value, None when any part finds no place."""
    parts = value if isinstance(value, list) else [value]
    filled: Draft | None = draft
    for part in parts:
        text = as_text(part)
        if target == KEEP or blank(part) or isinstance(text, Kept) or filled is None:
            return None
        filled = FILLERS[target](filled, text.strip(), name) if text.strip() else None
    return filled if parts else None


def looks_like_phone(text: str) -> bool:
    """Seven to fifteen digits with the signs people put between them."""
    return bool(_LOOKS_LIKE_PHONE.fullmatch(text))


# ── the file ─────────────────────────────────────────────────────────────────────────────────────


class NamesSchema(Schema):
    """A line of the inbound mapping: the names of one draft field."""

    names = fields.List(
        fields.String(validate=validate.Length(min=1)), required=True, data_key="from", validate=validate.Length(min=1)
    )


def compile_inbound(parsed: Mapping[str, Any], text: str, base: Inbound | None) -> Inbound:
    """Lines of a parsed file over those of `base`; raises `BadMapping` with all problems."""
    problems = list(check_head(parsed, ("format", "inbound")))
    section = parsed.get("inbound", {})
    if not isinstance(section, dict):
        problems.append(Problem("inbound", "must be a section: [inbound]"))
        section = {}
    names: dict[str, tuple[str, str]] = {}
    for target, written in section.items():
        found = list(_line_problems(target, written))
        problems += found or _claimed(names, target, written["from"])
    if problems:
        raise BadMapping(placed(text, problems))
    return Inbound({**(base.names if base else {}), **names})


def _line_problems(target: str, written: Any) -> Iterator[Problem]:
    path = f"inbound.{target}"
    if target not in TARGETS:
        yield Problem(path, "unknown draft field.", nearest(target, TARGETS))
    if not isinstance(written, dict):
        yield Problem(path, f'a line looks like {target}.from = ["name", "other name"].')
        return
    for key in NamesSchema().validate(written):
        known = key == "from"
        yield Problem(f"{path}.{key}", "must be a list of field names." if known else "unknown argument. Known: from.")


def _claimed(names: dict[str, tuple[str, str]], target: str, written: list[str]) -> list[Problem]:
    problems: list[Problem] = []
    for name in written:
        key = normal(name)
        held = names.setdefault(key, (target, name))
        if not key:
            problems.append(Problem(f"inbound.{target}.from", f"{name!r} has no letters or digits."))
        elif held[0] != target:
            problems.append(Problem(f"inbound.{target}.from", f"{name!r} is a name of {held[0]} already."))
    return problems
