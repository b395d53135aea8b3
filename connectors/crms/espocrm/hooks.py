"""EspoCRM's hooks: an array of changes of one event, signed with the hook's own secret.

One event is one hook with an id and a secret of its own. The secrets are told once, when a hook is made; the API
shows them again to the user who made it, and `keys` reads them there.
"""

from __future__ import annotations

import hmac
import json
from base64 import b64decode, b64encode
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from connectors.contract import Hint, Raw
from connectors.crms.espocrm.shape import DEALS, FIRMS, LEADS, PEOPLE
from connectors.errors import Unverified

EVENTS = tuple(f"{kind}.{what}" for kind in (LEADS, DEALS, PEOPLE, FIRMS) for what in ("create", "update", "delete"))

_UNSIGNED = "This hook of EspoCRM is not signed with its secret: plan the set-up again to renew it"


def signature(hook: str, secret: str, body: bytes) -> str:
    """https://docs.espocrm.com/administration/webhooks/"""
    return b64encode(f"{hook}:{hmac.new(secret.encode(), body, sha256).hexdigest()}".encode()).decode()


def hook_of(raw: Raw) -> str:
    """The id of the hook that says it sent this, "" for a body that is none."""
    try:
        return b64decode(raw.header("signature"), validate=True).partition(b":")[0].decode()
    except ValueError:
        return ""


def verify(raw: Raw, hooks: Mapping[str, tuple[str, str]]) -> None:
    """`Unverified` for a body of changes without a signature, and for a wrong one of a hook that is known here. The
    secret of another one is asked for where hints are read."""
    if not _refs(raw.body):
        return
    hook = hook_of(raw)
    if not hook.isalnum() or (hook in hooks and not _is_signed(raw, hook, hooks[hook][1])):
        raise Unverified(_UNSIGNED)


def hints(raw: Raw, hooks: Mapping[str, tuple[str, str]]) -> list[Hint]:
    """The records of one body. `hooks` are (event, secret) by hook id."""
    refs = _refs(raw.body)
    if not refs:
        return []
    hook = hook_of(raw)
    event, secret = hooks.get(hook, ("", ""))
    if not secret or not _is_signed(raw, hook, secret):
        raise Unverified(_UNSIGNED)
    kind = event.partition(".")[0]
    return [Hint(kind, ref) for ref in dict.fromkeys(refs)]


def _is_signed(raw: Raw, hook: str, secret: str) -> bool:
    return hmac.compare_digest(signature(hook, secret, raw.body).encode(), raw.header("signature").encode())


def _refs(body: bytes) -> list[str]:
    try:
        told: Any = json.loads(body)
    except (ValueError, RecursionError):
        return []
    rows = [one for one in told if isinstance(one, dict)] if isinstance(told, list) else []
    return [
        one["id"] for one in rows if isinstance(one.get("id"), str) and one["id"].isalnum() and len(one["id"]) <= 36
    ]
