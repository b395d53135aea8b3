"""The web sources against messages captured from real senders, read in place: they do not belong to us.

`captured_web.json` says per file which source reads it and what must come out. Every value an independent reader (the
standard library) finds in a message must stand in some draft.
"""

from __future__ import annotations

import email
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest

from connectors import registry
from connectors.contract import Raw
from connectors.testing.fixtures import Case, outcome

SAMPLES = Path(__file__).parents[3] / "shared/facts/channels/samples"
EXPECTED: dict[str, dict[str, Any]] = json.loads(Path(__file__).with_name("captured_web.json").read_text("utf-8"))

pytestmark = pytest.mark.skipif(not SAMPLES.is_dir(), reason="captured messages are not beside the repository")


def captured(file: str, expected: dict[str, Any]) -> Case:
    path = SAMPLES / file
    told = json.loads(path.with_name(f"{path.stem}.headers.json").read_text("utf-8"))
    headers = {name.lower(): value for name, value in told["headers"].items()}
    stamp = headers.get("webhook-timestamp", "1769938200")
    raw = Raw(path.read_bytes(), datetime.fromtimestamp(int(stamp), UTC), headers, told.get("method", "POST"))
    return Case(file, raw, expected.get("settings", {}), told.get("verify_with", {}), {}, path)


@pytest.mark.parametrize("file", EXPECTED)
def test_a_captured_message(file: str) -> None:
    expected = EXPECTED[file]
    found = outcome(captured(file, expected), registry.source(expected["source"]))
    if isinstance(found, dict):
        assert list(found) == [expected["outcome"]], found
        return
    assert len(found) == expected["drafts"]
    persons = [draft.get("person", {}) for draft in found]
    assert [draft.get("key") for draft in found] == expected["keys"]
    assert [draft.get("kind", "inquiry") for draft in found] == expected["kinds"]
    for part in ("phones", "emails"):
        assert [value for person in persons for value in person.get(part, [])] == expected.get(part, []), part
    assert [person["name"] for person in persons if "name" in person] == expected.get("names", [])


@pytest.mark.parametrize("file", [file for file in EXPECTED if EXPECTED[file]["source"] == "webhook"])
def test_the_webhook_loses_nothing(file: str) -> None:
    expected = EXPECTED[file]
    case = captured(file, expected)
    found = set(leaves(outcome(case, registry.source("webhook"))))
    missing = set(sent(case.raw)) - found
    assert not missing


def sent(raw: Raw) -> Iterator[str]:
    """All values of a message, by the standard library's readers."""
    kind = raw.header("content-type")
    if raw.body[:1] in (b"{", b"["):
        yield from leaves(json.loads(raw.body))
    elif kind.startswith("multipart/"):
        message = email.message_from_bytes(b"Content-Type: " + kind.encode() + b"\r\n\r\n" + raw.body)
        for part in message.walk():
            if not part.is_multipart() and not part.get_filename():
                yield from opened(part.get_payload(decode=True).decode())
    else:
        for _, value in parse_qsl(raw.body.decode(), keep_blank_values=True):
            yield value


def opened(text: str) -> Iterator[str]:
    yield from leaves(json.loads(text)) if text.startswith("{") else [text]


def leaves(value: Any) -> Iterator[str]:
    if isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            yield from leaves(one)
    else:
        yield str(value)
