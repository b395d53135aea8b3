"""Looking for leads and deals: a part of a name, company, phone or e-mail, or a whole tag; `#tag` means the tag alone.

SQLite compares letters outside ASCII by case, so the usual spellings are asked for together.
"""

from __future__ import annotations

import json
import re

from sqlalchemy import ColumnElement, String, Table, cast, or_, select

from hub.model import contact, contact_point

LONGEST = 100
TAG = "#"


def matches(table: Table, search: str) -> ColumnElement[bool]:
    """A condition on leads or deals that are joined with their contact."""
    if search.startswith(TAG):
        return _tagged(table, search[1:])
    by_name = [column.ilike(_like(one), escape="\\") for one in _spellings(search)
               for column in (contact.c.name, contact.c.company)]  # fmt: skip
    points: list[ColumnElement[bool]] = [contact_point.c.value.ilike(_like(search), escape="\\")]
    digits = re.sub(r"\D", "", search)
    if len(digits) >= 3 and re.fullmatch(r"[\d\s()+.\-]+", search):
        national = digits[1:] if len(digits) > 9 else digits  # 8 912 ... is stored as +7 912 ...
        points += [contact_point.c.value.like(f"%{part}%") for part in {digits, national}]
    holders = select(contact_point.c.contact_id).where(or_(*points))
    return or_(*by_name, table.c.contact_id.in_(holders), _tagged(table, search))


def _tagged(table: Table, tag: str) -> ColumnElement[bool]:
    """The list is kept as JSON; a tag in it stands between quotes."""
    kept = cast(table.c.tags, String)
    told = (json.dumps(one, ensure_ascii=False) for one in _spellings(" ".join(tag.split())))
    return or_(*(kept.ilike(_like(one), escape="\\") for one in told))


def _spellings(text: str) -> list[str]:
    return sorted({text, text.lower(), text.upper(), text.title(), text.capitalize()})


def _like(text: str) -> str:
    return "%" + re.sub(r"([\\%_])", r"\\\1", text) + "%"
