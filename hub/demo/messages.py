"""What is sent: every connector's own fixtures, or captured messages from a folder the user names."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from standardwebhooks import Webhook

from connectors import registry
from connectors.contract import Raw
from connectors.testing.fixtures import cases
from hub.clock import Clock, instant

FOLDERS = {"web-form-own": "webform"}
"""Folders of captured messages that are called otherwise than their connector."""

FORMS = ("cf7-to-webhook", "elementor", "jotform", "google-forms", "gravity-forms", "tally", "webflow", "hubspot-forms")
"""Form services that have no connector of their own: they post to the any-form webhook."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message, the connection it needs, and how it travels: http, mail or bot."""

    connector: str
    raw: Raw
    via: str = "http"
    settings: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)


def now() -> datetime:
    """The moment, as senders write it."""
    return instant(Clock().now())


def fixtures() -> list[Message]:
    """All fixtures of all sources that come from a sender who proves who he is."""
    found = []
    for name in registry.names("sources"):
        folder = Path(registry.__file__).parent / "sources" / name / "fixtures"
        for case in cases(folder):
            expected = case.expectation.read_text("utf-8")
            if "url" in case.settings or any(f'"{word}"' in expected for word in ("unverified", "retry", "pause")):
                continue  # a forgery, or needs a vendor who can be asked: not part of this play
            via = "http" if registry.source(name).push else "mail"
            found.append(Message(name, case.raw, via, case.settings, case.secrets))
    return found


def captured(folder: Path) -> list[Message]:
    """Captured messages below `folder`, one folder per channel: bodies with `.headers.json` beside them, and mails."""
    found: list[Message] = []
    known = set(registry.names("sources"))
    for channel in sorted(path for path in folder.iterdir() if path.is_dir()):
        name = FOLDERS.get(channel.name, "webhook" if channel.name in FORMS else channel.name.replace("-", "_"))
        if name in known:
            found.extend(_mails(channel) if name == "email" else _requests(channel, name))
    return found


def _mails(channel: Path) -> Iterator[Message]:
    for file in sorted(channel.glob("*.eml")):
        yield Message("email", Raw(file.read_bytes(), now()), "mail")


def _requests(channel: Path, name: str) -> Iterator[Message]:
    for told in sorted(channel.glob("*.headers.json")):
        stem = told.name.removesuffix(".headers.json")
        body = next(file for file in channel.glob(f"{stem}.*") if file != told)
        about: dict[str, Any] = json.loads(told.read_text("utf-8"))
        headers = {key.lower(): str(value) for key, value in about["headers"].items()}
        raw = Raw(body.read_bytes(), now(), headers, about.get("method", "POST"))
        secrets = {key: str(value) for key, value in about.get("verify_with", {}).items()}
        yield Message(name, raw, "bot" if name == "telegram" else "http", {}, secrets)


def signed_now(message: Message) -> Message:
    """A message whose signature carries a time, signed again as its sender would sign it today."""
    given = message.raw.headers
    if "webhook-timestamp" not in given:
        return message
    at = now()
    signer = Webhook(message.secrets["secret"].split()[0])
    mark = signer.sign(given["webhook-id"], at, message.raw.body.decode())
    headers = {**given, "webhook-timestamp": str(int(at.timestamp())), "webhook-signature": mark}
    return replace(message, raw=replace(message.raw, headers=headers))
