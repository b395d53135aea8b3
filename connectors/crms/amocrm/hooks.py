"""Reads amoCRM's hooks: form-encoded, in PHP brackets, several records and actions in one body, unsigned."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import parse_qsl

from connectors.contract import Hint

_KEY = re.compile(r"(leads|contacts|companies|unsorted)\[(\w+)\]\[(\d+)\]\[(id|type|lead_id|note)\](?:\[(\w+)\])?\Z")
_NOTED = {"1": "contacts", "2": "leads", "3": "companies"}  # element types of API v2


def hints(body: bytes) -> list[Hint]:
    """Each record once, in the order mentioned; nothing for a body that is no hook."""
    seen: dict[tuple[str, str, str], dict[str, str]] = {}
    for name, value in parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True):
        if part := _KEY.match(name):
            group, action, index, key, inner = part.groups()
            seen.setdefault((group, action, index), {})[inner or key] = value
    found = (_hint(group, told) for (group, _, _), told in seen.items())
    return list(dict.fromkeys(hint for hint in found if hint.ref.isascii() and hint.ref.isdecimal()))


def _hint(group: str, told: Mapping[str, str]) -> Hint:
    """Companies arrive as contacts with type=company, a note names its record by number."""
    if "element_id" in told:
        return Hint(_NOTED.get(told.get("element_type", ""), group), told["element_id"])
    if group == "unsorted":
        return Hint("leads", told.get("lead_id", ""))
    return Hint("companies" if told.get("type") == "company" else group, told.get("id", ""))
