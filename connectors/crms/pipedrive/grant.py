"""Pipedrive's OAuth: as everybody's, but the app proves itself by HTTP Basic."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode

from connectors.contract import Answer, Http
from connectors.oauth import Grant, Tokens

CONSENT = "https://oauth.pipedrive.com/oauth/authorize"
TOKENS = "https://oauth.pipedrive.com/oauth/token"
"""https://pipedrive.readme.io/docs/marketplace-oauth-authorization; codes live 5 minutes."""


@dataclass(frozen=True, slots=True)
class _Signed:
    """Puts the app's id and secret on every call, and takes them out of its form: a client proves itself once."""

    http: Http
    header: str

    def send(self, method: str, url: str, **given: Any) -> Answer:
        headers = {**(given.pop("headers", None) or {}), "Authorization": self.header}
        form = [pair for pair in parse_qsl(given.pop("data", b"").decode()) if not pair[0].startswith("client_")]
        return self.http.send(method, url, headers=headers, data=urlencode(form).encode(), **given)


class BasicGrant(Grant):
    """A grant whose client is named in the Authorization header."""

    def ask(self, http: Http, now: float, **what: str) -> Tokens:
        """As `Grant.ask`."""
        pair = b64encode(f"{self.client_id}:{self.client_secret}".encode()).decode()
        return Grant.ask(self, _Signed(http, f"Basic {pair}"), now, **what)
