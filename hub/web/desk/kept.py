"""Sentences for what people, and merges in a CRM, did to a contact; `story` shows them with the rest of a timeline."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from hub.web.desk.tongue import _, retold
from hub.web.desk.words import said


def _edited(_names: Any, facts: Mapping[str, Any]) -> str:
    told = [
        _("%(field)s “%(before)s” → “%(after)s”", field=said(name, "field"), before=before or "–", after=after or "–")
        for name, (before, after) in (facts.get("fields") or {}).items()
    ]
    told += [_("added %(value)s", value=one) for one in facts.get("added") or ()]
    told += [_("removed %(value)s", value=one) for one in facts.get("removed") or ()]
    return _("Contact data changed: %(what)s.", what="; ".join(told))


def _values(facts: Mapping[str, Any]) -> str:
    told = facts.get("values") or {}
    return "; ".join(
        f"{said(name, 'field')}: {', '.join(map(str, value)) if isinstance(value, list) else value}"
        for name, value in sorted(told.items())
        if value not in (None, "", [])
    )


KEPT: Mapping[tuple[str, str], Callable[[Any, Mapping[str, Any]], str]] = {
    ("contact", "edited"): _edited,
    ("contact", "left_company"): lambda _n, f: _("Is not of the company “%(name)s”.", name=f.get("name", "")),
    ("contact", "second_card"): lambda _n, f: _(
        "Written on the second card in the CRM: %(values)s.", values=_values(f)
    ),
    ("contact", "card_before_merge"): lambda _n, f: _(
        "What the second card said before it was merged: %(values)s.", values=_values(f)
    ),
    ("contact", "merged_there"): lambda _n, _f: _("The two cards in the CRM are one now."),
    ("contact", "second_card_left"): lambda _n, _f: _("The second card in the CRM is left as it is."),
    ("contact", "merge_due"): lambda _n, _f: _("The two cards in the CRM shall become one."),
    ("contact", "merge_refused"): lambda _n, f: _(
        "Merged in the CRM, but not here: %(why)s", why=retold(f.get("why", ""))
    ),
    ("contact", "found_in_crm"): lambda _n, _f: _("The CRM had a card of this person already."),
    ("", "note_left"): lambda _n, f: _("Left out of the CRM: %(text)s", text=f.get("text", "")),
    ("", "rehung"): lambda _n, _f: _("Hangs on the card of the right person in the CRM again."),
}
