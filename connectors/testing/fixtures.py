"""Fixtures of a source: the whole request as on the wire beside the drafts it must become.

`<case>.http` (request line, headers, blank line, body, byte exact) or `<case>.eml` stands beside `<case>.json`, one of

- a list of drafts, fields at their default left out,
- `{"reply": {"status": 200, "body": "ok"}}`, `{"unreadable": "<sentence>"}`, `{"retry": ...}`, `{"pause": ...}`,
- `{"unverified": "<sentence>"}`; `{"unverified": true}` accepts any sentence.

`connection.json` holds `settings`, `secrets` (test values), `received_at`, and under `cases` what differs for one case:
the same keys, and `http` ({url: JSON answer}) for sources that fetch what a notification points at.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from pathlib import Path
from typing import Any

from connectors.contract import Draft, Http, Raw, Reply, Source, Value
from connectors.errors import ConnectorError

RECEIVED = "2026-02-01T09:30:00+00:00"


def load_http(data: bytes, received_at: datetime) -> Raw:
    """A request as on the wire. Repeated headers are joined by commas as WSGI does."""
    gap = b"\r\n\r\n" if b"\r\n\r\n" in data else b"\n\n"
    head, _, body = data.partition(gap)
    first, *lines = head.decode("latin-1").splitlines()
    method, target, *_ = [*first.split(" "), ""]
    headers: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        known = headers.get(name.lower())
        headers[name.lower()] = value.strip() if known is None else f"{known},{value.strip()}"
    path, _, query = target.partition("?")
    return Raw(body, received_at, headers, method, path, query)


def load_eml(data: bytes, received_at: datetime) -> Raw:
    """A mail as a mailbox gives it."""
    return Raw(data, received_at)


@dataclass(frozen=True, slots=True)
class Case:
    """One fixture: its name, the message, and the connection it came to."""

    name: str
    raw: Raw
    settings: Mapping[str, str]
    secrets: Mapping[str, str]
    answers: Mapping[str, Value]
    expectation: Path

    def open(self, source: type[Source], secrets: Mapping[str, str] | None = None) -> Source:
        """The source with this case's connection; `secrets` in place of its own."""
        return source(self.settings, self.secrets if secrets is None else secrets, _canned(self.answers))


def cases(folder: Path) -> list[Case]:
    """All fixtures of a source, `folder` being its `fixtures`, by name."""
    told = folder / "connection.json"
    connection: dict[str, Any] = json.loads(told.read_text("utf-8")) if told.is_file() else {}
    files = sorted([*folder.glob("*.http"), *folder.glob("*.eml")])
    return [_case(file, {**connection, **connection.get("cases", {}).get(file.stem, {})}) for file in files]


def _case(file: Path, connection: Mapping[str, Any]) -> Case:
    received_at = datetime.fromisoformat(connection.get("received_at", RECEIVED)).astimezone(UTC)
    load = load_http if file.suffix == ".http" else load_eml
    raw = load(file.read_bytes(), received_at)
    settings, secrets = connection.get("settings", {}), connection.get("secrets", {})
    return Case(file.stem, raw, settings, secrets, connection.get("http", {}), file.with_suffix(".json"))


def outcome(case: Case, source: type[Source]) -> Value:
    """What the source makes of a case, asked in this order: reply, verify, resolve, parse. Mail is not verified.

    `reply` comes first because a handshake (Meta's GET, Tilda's ping) carries no signature yet.
    """
    opened = case.open(source)
    try:
        answer = opened.reply(case.raw)
        if answer is not None:
            return {"reply": reply_to_json(answer)}
        if source.push and case.raw.headers:
            opened.verify(case.raw)
        return drafts_to_json(opened.parse(opened.resolve(case.raw)))
    except ConnectorError as error:
        return {_word(error): str(error)}


def _word(error: ConnectorError) -> str:
    """The word of the contract for an error, also for a subclass of it."""
    known = [cls for cls in type(error).__mro__ if cls.__module__ == "connectors.errors"]
    return known[0].__name__.lower()


def reply_to_json(reply: Reply) -> dict[str, Value]:
    """A reply with its body as text; the content type only where it is not JSON."""
    told: dict[str, Value] = {"status": reply.status, "body": reply.body.decode("utf-8", "replace")}
    return told if reply.content_type == "application/json" else {**told, "content_type": reply.content_type}


def drafts_to_json(drafts: Sequence[Draft]) -> list[dict[str, Value]]:
    """Drafts as JSON with everything at its default left out; times as ISO 8601."""
    return [_plain(draft) for draft in drafts]


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return {one.name: _plain(getattr(value, one.name)) for one in _told(value)}
    if isinstance(value, Mapping):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, datetime):
        return value.isoformat()
    return value.value if isinstance(value, Enum) else value


def _told(value: Any) -> list[dataclasses.Field[Any]]:
    return [one for one in dataclasses.fields(value) if getattr(value, one.name) != _default(one)]


def _default(one: dataclasses.Field[Any]) -> Any:
    return one.default_factory() if one.default_factory is not dataclasses.MISSING else one.default


def accept(source: type[Source], folder: Path, *, force: bool = False) -> list[Path]:
    """Write the expectation of every fixture that has none (with `force`: of every one) and answer the files written.

    Read what it wrote before you commit it: it records what the connector does, right or wrong.
    """
    written = []
    for case in cases(folder):
        if force or not case.expectation.exists():
            text = json.dumps(outcome(case, source), ensure_ascii=False, indent=2)
            case.expectation.write_text(text + "\n", "utf-8")
            written.append(case.expectation)
    return written


@dataclass(frozen=True, slots=True)
class _CannedAnswer:
    """An answer written in `connection.json`."""

    told: Value
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def body(self) -> bytes:
        return json.dumps(self.told).encode()

    def json(self) -> Any:
        return self.told


class _CannedHttp:
    """Answers by address; anything not written down is 404."""

    def __init__(self, answers: Mapping[str, Value]) -> None:
        self.answers = answers

    def send(self, method: str, url: str, **_: Any) -> _CannedAnswer:
        told = self.answers.get(url)
        return _CannedAnswer({}, 404) if told is None else _CannedAnswer(told)


def _canned(answers: Mapping[str, Value]) -> Http:
    return _CannedHttp(answers)
