"""Access tokens that expire: refreshed once, under a lock, by whoever comes first.

Guarantees: a single-use refresh token is used once, because the store's lock spans reading, refreshing and
saving, and whoever waited for the lock takes what the winner saved; a refused refresh token pauses the
connection only after three refusals, because vendors answer invalid_grant in outages too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any, Protocol, runtime_checkable
from urllib.parse import urlencode

from connectors.contract import Answer, Http, Value
from connectors.errors import Pause, Retry

EARLY_SECONDS = 300.0
REFUSALS = 3
ADDRESSES = ("instance_url", "api_domain", "client_endpoint")
"""Where token answers say which host serves the account (Salesforce; Pipedrive and Zoho; Bitrix24)."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """A pair of tokens. `expires_at` in unix seconds; `refusals` counts invalid_grant in a row; `address` is where the
    vendor says the account lives, "" when it does not."""

    access: str
    refresh: str
    expires_at: float
    refusals: int = 0
    address: str = ""


class TokenStore(Protocol):
    """Where the hub keeps the tokens of one connection, encrypted."""

    def load(self) -> Tokens: ...

    def save(self, tokens: Tokens) -> None:
        """Durable when it returns: the old refresh token is dead already."""

    def lock(self) -> AbstractContextManager[object]:
        """Held by one worker of the whole fleet at a time; not re-entrant."""


@dataclass(frozen=True, slots=True)
class Grant:
    """Where and as whom to ask for tokens. `as_json` for vendors that want JSON instead of a form (amoCRM).

    `parameter` for vendors that read the token from a parameter of this name, not from a header (Bitrix24).
    `authorize` is the vendor's consent page, `scope` and `more` what it wants to be asked with; `scheme` what stands
    before the token in its header."""

    url: str
    client_id: str
    client_secret: str
    redirect_uri: str = ""
    as_json: bool = False
    parameter: str = ""
    authorize: str = ""
    scope: str = ""
    more: tuple[tuple[str, str], ...] = ()
    scheme: str = "Bearer"

    def consent(self, state: str) -> str:
        """Address of the vendor's page where a person agrees; "" where there is none."""
        if not self.authorize:
            return ""
        asked = [("response_type", "code"), ("client_id", self.client_id), ("redirect_uri", self.redirect_uri)]
        asked += [("scope", self.scope)] if self.scope else []
        return f"{self.authorize}?{urlencode([*asked, ('state', state), *self.more])}"

    def ask(self, http: Http, now: float, **what: str) -> Tokens:
        """Tokens for `grant_type=...` and its parameters. `Retry`, or `Pause` when the grant is refused."""
        wish = {"client_id": self.client_id, "client_secret": self.client_secret, **what}
        if self.redirect_uri:
            wish["redirect_uri"] = self.redirect_uri
        if self.as_json:
            answer = http.send("POST", self.url, json=wish)
        else:
            form = {"Content-Type": "application/x-www-form-urlencoded"}
            answer = http.send("POST", self.url, headers=form, data=urlencode(wish).encode())
        if answer.status == 429 or answer.status >= 500:
            raise Retry(f"The token server answered with status {answer.status}")
        if answer.status != 200:
            raise Pause(f"The token server refused the grant (status {answer.status}): connect the account again")
        return _read(answer.json(), now, what.get("refresh_token", ""))

    def exchange(self, http: Http, code: str, now: float) -> Tokens:
        """The first tokens, for the code the vendor's page sent back."""
        return self.ask(http, now, grant_type="authorization_code", code=code)


def _read(told: Any, now: float, refresh: str) -> Tokens:
    """Some vendors keep the refresh token and do not repeat it."""
    try:
        life = float(told.get("expires_in", 3600))
        address = next((told[key] for key in ADDRESSES if isinstance(told.get(key), str)), "")
        return Tokens(str(told["access_token"]), str(told.get("refresh_token") or refresh), now + life, 0, address)
    except (AttributeError, KeyError, TypeError, ValueError):
        raise Retry("The token server's answer has no access token", effect=True) from None


@runtime_checkable
class Granting(Protocol):
    """A connector that may be used by OAuth."""

    def grant(self, redirect_uri: str = "") -> Grant | None:
        """How to ask for tokens; None when its settings hold a token that lasts."""


class Bearer:
    """An `Http` that puts the current access token on every call, and refreshes it when it must.

    `now` answers unix seconds.
    """

    def __init__(self, http: Http, grant: Grant, store: TokenStore, now: Callable[[], float]) -> None:
        self.plain, self._grant, self._store, self._now = http, grant, store, now

    def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        params: Sequence[tuple[str, str]] | None = None,
        json: Value = None,
        data: bytes | None = None,
        timeout: float = 30.0,
    ) -> Answer:
        """As `Http.send`; a 401 refreshes the token and sends once more: the first request was not served."""

        def call(access: str) -> Answer:
            if name := self._grant.parameter:
                told = {**(json or {}), name: access}
                return self.plain.send(method, url, headers=headers, params=params, json=told, timeout=timeout)
            signed = {**(headers or {}), "Authorization": f"{self._grant.scheme} {access}"}
            return self.plain.send(method, url, headers=signed, params=params, json=json, data=data, timeout=timeout)

        tokens = self._store.load()
        if tokens.expires_at - EARLY_SECONDS <= self._now():
            tokens = self._renew(tokens)
        answer = call(tokens.access)
        return call(self._renew(tokens).access) if answer.status == 401 else answer

    def _renew(self, seen: Tokens) -> Tokens:
        with self._store.lock():
            current = self._store.load()
            if current.access != seen.access:
                return current
            if current.refusals >= REFUSALS:
                raise Pause("The account no longer accepts our refresh token: connect it again")
            try:
                fresh = self._grant.ask(
                    self.plain, self._now(), grant_type="refresh_token", refresh_token=current.refresh
                )
            except Pause as refusal:
                return self._refused(current, refusal)
            except Retry as failure:
                # Whatever became of the token: the call it was for has not been sent.
                raise Retry(str(failure), after=failure.after, effect=False) from None
            self._store.save(fresh)
            return fresh

    def _refused(self, current: Tokens, refusal: Pause) -> Tokens:
        counted = replace(current, refusals=current.refusals + 1)
        self._store.save(counted)
        if counted.refusals >= REFUSALS:
            raise refusal
        raise Retry(f"The refresh token was refused ({counted.refusals} of {REFUSALS})", after=60.0)
