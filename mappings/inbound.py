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
from typing import Any

from marshmallow import Schema, fields, validate

from connectors.contract import Consent, Draft, Touch, Value
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


class Filling:
    """A draft while its fields find their places: made anew once, at the end (a new one for each field cost a lead
    more than understanding its JSON)."""

    __slots__ = ("_changed", "_draft")

    def __init__(self, draft: Draft) -> None:
        self._draft = draft
        self._changed: dict[str, dict[str, Any]] = {"draft": {}, "person": {}, "touch": {}, "first_touch": {}}

    def held(self, piece: str, attribute: str) -> Any:
        """What stands there by now."""
        changed = self._changed[piece]
        if attribute in changed:
            return changed[attribute]
        whole = self._draft if piece == "draft" else getattr(self._draft, piece) or NO_TOUCH
        return getattr(whole, attribute)

    def put(self, piece: str, attribute: str, value: Any) -> None:
        """This stands there from now on."""
        self._changed[piece][attribute] = value

    def copy(self) -> Filling:
        """One to try a list of values on."""
        twin = Filling(self._draft)
        twin._changed = {piece: dict(values) for piece, values in self._changed.items()}
        return twin

    def made(self, fields: Mapping[str, Value]) -> Draft:
        """The draft with everything that was put into it, and these fields left over."""
        draft, changed = self._draft, self._changed
        whole: dict[str, Any] = {**changed["draft"], "fields": fields}
        if changed["person"]:
            whole["person"] = replace(draft.person, **changed["person"])
        if changed["touch"]:
            whole["touch"] = replace(draft.touch, **changed["touch"])
        if changed["first_touch"]:
            whole["first_touch"] = replace(draft.first_touch or NO_TOUCH, **changed["first_touch"])
        return replace(draft, **whole)


NO_TOUCH = Touch()
Filler = Callable[[Filling, str, str], bool]
"""(filling, text, name) → whether the text stands in it now; False when there is no room for it."""


def _one(piece: str, attribute: str, filling: Filling, text: str, name: str) -> bool:
    held = filling.held(piece, attribute)
    if not held:
        filling.put(piece, attribute, text)
    return not held or bool(held == text)


def _listed(attribute: str, filling: Filling, text: str, name: str) -> bool:
    held: tuple[str, ...] = filling.held("person", attribute)
    if text not in held:
        filling.put("person", attribute, (*held, text))
    return True


def _contact(filling: Filling, text: str, name: str) -> bool:
    if read_email(text):
        return _listed("emails", filling, text, name)
    return looks_like_phone(text) and _listed("phones", filling, text, name)


def _named_one(piece: str, attribute: str, part: str, filling: Filling, text: str) -> bool:
    held = filling.held(piece, attribute)
    if part not in held:
        filling.put(piece, attribute, {**held, part: text})
    return part not in held or bool(held[part] == text)


def _utm(which: str, part: str, filling: Filling, text: str, name: str) -> bool:
    return _named_one(which, "utm", part, filling, text)


def _click(filling: Filling, text: str, name: str) -> bool:
    return _named_one("touch", "click_ids", name, filling, text)


def _consent(filling: Filling, text: str, name: str) -> bool:
    given = _CONSENT.into(text)
    if filling.held("draft", "consent") is not None or isinstance(given, Kept):
        return False
    filling.put("draft", "consent", Consent(given))
    return True


FILLERS: dict[str, Filler] = {
    **{field: partial(_one, "draft", field) for field in ("text", "subject", "form")},
    **{field: partial(_one, "person", field) for field in ("name", "first_name", "last_name", "middle_name")},
    **{field: partial(_one, "person", field) for field in ("company", "position", "language")},
    **{field: partial(_listed, field) for field in ("phones", "emails")},
    **{field: partial(_one, "touch", field) for field in ("page", "referrer")},
    **{f"utm_{part}": partial(_utm, "touch", part) for part in ("source", "medium", "campaign", "term", "content")},
    **{f"first_utm_{part}": partial(_utm, "first_touch", part) for part in ("source", "medium", "campaign")},
    "contact": _contact,
    "consent": _consent,
    "click_ids": _click,
}
TARGETS = (*FILLERS, *EXTRA, KEEP)


def apply_inbound(mapping: Inbound, draft: Draft) -> Draft:
    """The draft with its unknown fields put where they belong; doing it twice changes nothing more."""
    filling = Filling(draft)
    rest: dict[str, Value] = {}
    for field, value in draft.fields.items():
        target, name = mapping.target(field) or (KEEP, "")
        if target in EXTRA:
            rest[target if target not in draft.fields and target not in rest else field] = value
        elif (filled := _filled(filling, target, value, name)) is None:
            rest[field] = value
        else:
            filling = filled
    return filling.made(rest)


def _filled(filling: Filling, target: str, value: Value, name: str) -> Filling | None:
    """What holds every part of the value, None when any part finds no place (then nothing was changed)."""
    if target == KEEP:
        return None
    if not isinstance(value, list):
        return filling if _finds_room(filling, target, value, name) else None
    trial = filling.copy()
    return trial if value and all(_finds_room(trial, target, part, name) for part in value) else None


def _finds_room(filling: Filling, target: str, part: Value, name: str) -> bool:
    text = as_text(part)
    if blank(part) or isinstance(text, Kept) or not (text := text.strip()):
        return False
    return FILLERS[target](filling, text, name)


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
