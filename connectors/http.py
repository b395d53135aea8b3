"""The one way out: HTTP calls with limits on time, size, addresses and calls per second.

Guarantees: an answer is complete or an error is raised; the error knows whether the request can have had an
effect (not one byte sent: it certainly had none); only public addresses are reached, unless host and port were
allowed; redirects lead only to the hosts named; no text of an error contains a path, a query, a header or a
body, because secrets live in all four.
"""

from __future__ import annotations

import http.client
import json as jsonlib
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urljoin

import orjson
import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError, LocationParseError
from urllib3.util import parse_url

from connectors.contract import Answer, Value
from connectors.errors import ConnectorError, Pause, Refuse, Retry
from connectors.sockets import CONNECT_SECONDS, Guard, Pools
from connectors.turns import Own, Turns

BODY_LIMIT = 20 * 2**20
PATIENCE = 5.0
REDIRECTS = frozenset({301, 302, 307, 308})
LONGEST_HOLD = 64.0


@dataclass(frozen=True, slots=True)
class Received:
    """A complete HTTP answer. Header names are lower case, the body is unpacked."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """Body as JSON; `Retry(effect=True)` when it is a login page, cut or empty."""
        try:
            return orjson.loads(self.body)
        except ValueError:
            what = "a web page" if self.body.lstrip()[:1] == b"<" else "something else"
        raise Retry(f"The answer (status {self.status}) is {what}, not JSON: is the address right?", effect=True)


def retry_after(answer: Answer) -> float | None:
    """Seconds the other side asked us to wait, None when it did not say.

    A date is taken relative to the answer's own Date, so a wrong clock on either side does no harm.
    """
    text = answer.headers.get("retry-after", "").strip()
    if text.isdecimal():
        return float(text)
    try:
        wait = parsedate_to_datetime(text) - parsedate_to_datetime(answer.headers.get("date", ""))
    except (TypeError, ValueError):
        return None
    return max(0.0, wait.total_seconds())


class Gate:
    """The way to one account, shared by all threads: turns within its budget, none while it asked for a pause.

    `turns` counts where several processes share the account.
    """

    def __init__(
        self,
        budget: tuple[int, float] | None = None,
        *,
        turns: Turns | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._clock, self._sleep = clock, sleep
        self._turns = turns or Own(budget, clock)
        self._refusals = 0

    def enter(self, patience: float = PATIENCE) -> None:
        """Wait for a turn; `Retry(effect=False)` at once when it will not come within `patience` seconds."""
        end = self._clock() + patience
        while wait := max(0.0, self._turns.shut_for()) or self._turns.take():
            if self._clock() + wait > end:
                raise Retry("The account's call budget is used up for now", after=round(wait, 3), effect=False)
            self._sleep(wait)

    def shut(self, asked: float | None) -> float:
        """Let nobody through for the seconds asked, longer when refusals pile up; answers the seconds."""
        own = min(LONGEST_HOLD, 2.0**self._refusals)
        wait = max(asked, own if self._refusals else 0.0) if asked is not None else own
        self._refusals = min(self._refusals + 1, 10)
        self._turns.shut(wait)
        return wait

    def opened(self) -> None:
        """The other side served us again."""
        self._refusals = 0


class _Adapter(HTTPAdapter):
    def __init__(self, guard: Guard, pool: int) -> None:
        self._guard = guard
        super().__init__(pool_connections=8, pool_maxsize=pool, max_retries=0)

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **kwargs: Any) -> None:
        self.poolmanager = Pools(num_pools=connections, maxsize=maxsize, block=block, **kwargs)
        self.poolmanager.guard = self._guard

    def request_url(self, request: requests.PreparedRequest, proxies: Any) -> str:
        """Never by a proxy."""
        return request.path_url


class Wire:
    """HTTP client of one connection; keeps the `Http` contract, any number of threads may share it.

    `allow` lists "host:port" pairs that may be private (self-hosted systems); `follow` the domains a redirect
    may lead to, with method, headers and body kept. No call takes longer than 5 s to connect, `timeout` to
    send and `timeout` to answer completely.
    """

    def __init__(
        self,
        gate: Gate | None = None,
        *,
        allow: Collection[str] = (),
        follow: Sequence[str] = (),
        pool: int = 64,
        patience: float = PATIENCE,
    ) -> None:
        self.gate = gate or Gate()
        self._follow = tuple(follow)
        self._patience = patience
        self._guard = Guard(allow)
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.headers.update({"User-Agent": "leadhub", "Accept": "application/json, */*"})
        self._headers = dict(self._session.headers)
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, _Adapter(self._guard, pool))

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
    ) -> Received:
        """The answer, whatever its status. Raises `Retry`, or `Pause` for an address that is not permitted."""
        sent = dict(headers or {})
        if json is not None:
            data = _encode(json)
            sent.setdefault("Content-Type", "application/json")
        for _ in range(4):
            answer = self._once(method, url, sent, params, data, timeout)
            target = self._target(url, answer)
            if not target:
                break
            url, params = target, None
        return answer

    def close(self) -> None:
        """Drop all connections."""
        self._session.close()

    def _once(
        self, method: str, url: str, headers: Mapping[str, str], params: Any, data: bytes | None, timeout: float
    ) -> Received:
        where = f"{method} {_host(url)}"
        self.gate.enter(self._patience)
        self._guard.thread.sent = False
        error: ConnectorError
        try:
            answer = self._talk(method, url, headers, params, data, timeout)
        except (requests.RequestException, HTTPError, OSError, http.client.HTTPException) as cause:
            error = _translate(where, cause, effect=bool(self._guard.thread.sent))
        except UnicodeError:
            error = Pause(f"{where}: the address, a token or a header has characters that cannot be sent")
        else:
            self._note(answer)
            return answer
        raise error  # here and not above: what the library said holds paths and tokens, and would stay attached

    def _talk(
        self, method: str, url: str, headers: Mapping[str, str], params: Any, data: bytes | None, timeout: float
    ) -> Received:
        """Past `Session.request`, which looks for cookies, proxies, passwords and hooks that we never have."""
        asked = requests.PreparedRequest()
        asked.prepare_method(method)
        asked.prepare_url(url, params)
        asked.prepare_headers({**self._headers, **headers})
        asked.prepare_body(data, None)
        adapter = self._session.get_adapter(asked.url or "")
        with adapter.send(asked, stream=True, timeout=(CONNECT_SECONDS, timeout)) as response:
            names = {name.lower(): value for name, value in response.headers.items()}
            return Received(response.status_code, names, _body(response))

    def _note(self, answer: Received) -> None:
        asked = retry_after(answer)
        if answer.status == 429 or (answer.status == 503 and asked is not None):
            self.gate.shut(asked)
        elif answer.status < 400:
            self.gate.opened()

    def _target(self, url: str, answer: Received) -> str:
        if answer.status not in REDIRECTS or not answer.headers.get("location"):
            return ""
        target = urljoin(url, answer.headers["location"])
        host = _host(target)
        same = target.startswith("https://") or url.startswith("http://")
        known = any(host == d or host.endswith("." + d) for d in self._follow)
        return target if known and same else ""


def _translate(where: str, cause: Exception, *, effect: bool) -> ConnectorError:
    if isinstance(cause, ValueError) and not effect:  # InvalidURL, InvalidSchema, InvalidHeader ...
        return Pause(f"{where}: the address or a header is malformed")
    if effect:
        why = "no complete answer in time" if _late(cause) else "the connection broke before the answer was complete"
        return Retry(f"{where}: {why}, so the outcome is unknown", effect=True)
    if isinstance(cause, requests.exceptions.SSLError):
        return Retry(f"{where}: the certificate or the encryption is not right; nothing was sent", effect=False)
    return Retry(f"{where}: cannot connect (name, network or server down); nothing was sent", effect=False)


def _late(cause: Exception) -> bool:
    return isinstance(cause, requests.Timeout | TimeoutError) or "timed out" in str(cause)


def _host(url: str) -> str:
    """Host of a URL as the client itself reads it; Python's own parser disagrees on some."""
    try:
        parts = parse_url(url)
    except LocationParseError:
        raise Pause("The address is not a web address") from None
    if parts.scheme not in {"http", "https"} or not parts.host or parts.auth:
        raise Pause("The address must start with https:// and hold no user name or password")
    return parts.host


def _encode(value: Value) -> bytes:
    """orjson is six times quicker, but writes numbers that are none as null and knows none above 64 bits: whatever
    says null, or nothing, the standard library writes or refuses."""
    with suppress(TypeError):
        told = orjson.dumps(value)
        if b"null" not in told:
            return told
    try:
        return jsonlib.dumps(value, allow_nan=False, separators=(",", ":")).encode()
    except (TypeError, ValueError):
        raise Refuse("A value cannot be written as JSON") from None


def _body(response: requests.Response) -> bytes:
    parts: list[bytes] = []
    size = 0
    for part in response.raw.stream(65536, decode_content=True):
        parts.append(part)
        size += len(part)
        if size > BODY_LIMIT:
            raise urllib3.exceptions.ProtocolError("too large")
    return b"".join(parts)
