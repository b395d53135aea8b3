"""Pipedrive's OAuth: as everybody's, but the app proves itself by HTTP Basic."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from typing import Any

from connectors.contract import Answer, Http
from connectors.oauth import Grant, Tokens

TOKENS = "https://oauth.pipedrive.com/oauth/token"
"""https://pipedrive.readme.io/docs/marketplace-oauth-authorization; codes live 5 minutes."""


@dataclass(frozen=True, slots=True)
class _Signed:
    """Puts the app's id and secret on every call."""

    http: Http
    header: str

    def send(self, method: str, url: str, **given: Any) -> Answer:
        headers = {**(given.pop("headers", None) or {}), "Authorization": self.header}
        return self.http.send(method, url, headers=headers, **given)


class BasicGrant(Grant):
    """A grant whose client is named in the Authorization header."""

    def ask(self, http: Http, now: float, **what: str) -> Tokens:
        """As `Grant.ask`."""
        pair = b64encode(f"{self.client_id}:{self.client_secret}".encode()).decode()
        return Grant.ask(self, _Signed(http, f"Basic {pair}"), now, **what)
