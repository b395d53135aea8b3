"""Pipedrive's hooks (version 2): what they point at, who may have sent them, whose echo they are.

Nothing is signed; the only proof is HTTP Basic with the password we gave when we subscribed. The address carries
whom we write as, so that changes of our own are no reason to look again (a look costs tokens).
"""

from __future__ import annotations

import hmac
import json
import re
from base64 import b64encode
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, urlencode

from connectors.contract import Hint, Raw, digest
from connectors.errors import Unverified

USER = "leadhub"
OBJECTS = {"lead": "leads", "deal": "deals", "person": "persons", "organization": "organizations"}
"""What we subscribe to, as hooks call it, and the kinds that they are."""
_REF = re.compile(r"\d{1,18}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def password(secret: str) -> str:
    """The password of our hooks, made from the connection's own secret."""
    return digest("pipedrive hooks", secret)


def address(base: str, user: str, secret: str) -> str:
    """The subscribed address: `by` is the user we write as, `key` changes with the password."""
    return f"{base}?{urlencode({'by': user, 'key': _key(secret)})}"


def plain(subscribed: str, secret: str) -> str:
    """The address without our mark; "" when it is not ours or was subscribed with another password."""
    base, _, query = subscribed.partition("?")
    return base if parse_qs(query).get("key") == [_key(secret)] else ""


def _key(secret: str) -> str:
    return digest("pipedrive hook key", password(secret))[:8]


def verify(raw: Raw, secret: str) -> None:
    """Raise `Unverified` for a hook without our password; a body that is no hook has nothing to prove."""
    if str(_meta(raw.body).get("entity")) not in OBJECTS:
        return
    if not hmac.compare_digest(raw.header("authorization").encode(), basic(secret).encode()):
        raise Unverified("This hook of Pipedrive does not carry our password: plan the set-up again to renew it")


def hints(raw: Raw) -> list[Hint]:
    """The record, and the one it was merged into; nothing for our own changes and for a body that is no hook."""
    meta = _meta(raw.body)
    kind = OBJECTS.get(str(meta.get("entity")))
    if kind is None:
        return []
    if meta.get("change_source") == "api" and parse_qs(raw.query).get("by") == [str(meta.get("user_id"))]:
        return []
    refs = (str(meta.get(name) or "") for name in ("entity_id", "merged_to_id"))
    return [Hint(kind, ref) for ref in dict.fromkeys(refs) if _REF.fullmatch(ref)]


def basic(secret: str) -> str:
    """The Authorization header of our hooks."""
    return "Basic " + b64encode(f"{USER}:{password(secret)}".encode()).decode()


def _meta(body: bytes) -> Mapping[str, Any]:
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    meta = told.get("meta") if isinstance(told, dict) else None
    return meta if isinstance(meta, dict) else {}
