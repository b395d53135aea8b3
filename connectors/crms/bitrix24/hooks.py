"""Reads Bitrix24's events: form-encoded, one record each, its id only. The proof of the sender is a token inside."""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl

from connectors.contract import Hint
from connectors.errors import Unverified

EVENTS = (
    *(f"ONCRM{kind}{what}" for kind in ("LEAD", "DEAL", "CONTACT", "COMPANY") for what in ("UPDATE", "DELETE")),
    "ONCRMDEALMOVETOCATEGORY",
)
"""What we want to hear of. Not of additions: most are our own. A move to another pipeline is no update over there."""
WAKE = "ONOFFLINEEVENT"
_NAME = re.compile(r"ONCRM(LEAD|DEAL|CONTACT|COMPANY)[A-Z]+\Z")
_KINDS = {"LEAD": "leads", "DEAL": "deals", "CONTACT": "contacts", "COMPANY": "companies"}


def event(body: bytes, token: str) -> Mapping[str, str]:
    """Fields of an event under their bracketed names, {} for what is none.

    Raises `Unverified` when `token` is set and the event carries another `application_token`.
    """
    told = dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
    if not told.get("event"):
        return {}
    if token and not hmac.compare_digest(told.get("auth[application_token]", "").encode(), token.encode()):
        raise Unverified("The event's application token is not the one of this connection: copy it from the card")
    return told


def hints(name: str, ref: Any) -> Sequence[Hint]:
    """The record an event names; none for events about other things."""
    found = _NAME.match(name.upper())
    text = str(ref)
    return [Hint(_KINDS[found[1]], text)] if found and text.isascii() and text.isdecimal() else []


def queued(rows: Any) -> list[Hint]:
    """Records named by the portal's own queue of events, each once. EVENT_DATA is false where there is none."""
    found: dict[Hint, None] = {}
    for row in rows if isinstance(rows, list) else ():
        data = row.get("EVENT_DATA") if isinstance(row, dict) else None
        fields = data.get("FIELDS") if isinstance(data, dict) else None
        if isinstance(fields, dict):
            found.update(dict.fromkeys(hints(str(row.get("EVENT_NAME")), fields.get("ID"))))
    return list(found)
