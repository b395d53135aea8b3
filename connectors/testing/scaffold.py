"""`new`: the folder of a new source with everything the contract suite asks for, ready to be filled in."""

from __future__ import annotations

import re
from pathlib import Path

from connectors.testing.fixtures import RECEIVED

_CLASS = '''"""{title}: what comes from there, and what this source guarantees."""

from __future__ import annotations

from collections.abc import Sequence

from connectors.contract import Draft, Evidence, Person, Raw, Setting, Source
from connectors.errors import Unverified
from connectors.reading import flatten, read, require, same, text


class {cls}(Source):
    """One line: what one connection is (a form, a page, an account)."""

    name = "{name}"
    title = "{title}"
    evidence = Evidence.DOCUMENTED
    source = "https://example.com/link-to-the-vendors-documentation"
    form = (Setting("secret", "Secret", secret=True, required=True, help="Where to find it at the vendor"),)

    def verify(self, raw: Raw) -> None:
        if not same(raw.header("x-secret"), require(self.secrets, "secret", self.title)):
            raise Unverified(f"{{self.title}}: X-Secret is missing or is not the secret of this connection")

    def parse(self, raw: Raw) -> Sequence[Draft]:
        body = read(raw)
        sent = dict(body.fields)
        person = Person(name=text(sent.pop("name", "")))
        draft = Draft(key=text(sent.pop("id", "")) or None, person=person, fields=flatten(sent), flags=body.flags)
        return [draft]
'''

_README = """# {title}

What this source takes in, in one sentence.

## Set it up

1. Connections → Add → *{title}*. Save and copy the address `https://<your hub>/in/<token>`.
2. At the vendor: what to click, where to paste the address, where the secret is.
3. Send a test inquiry.

## What comes

Which fields, which of them becomes the key, what happens to the rest.

## Limits

How long the vendor waits, how often it tries again, what can be fetched after an outage.

**Evidence: documented.** Written from the vendor's documentation.
"""

_HTTP = (
    "POST /in/test HTTP/1.1\r\nHost: hub.example.test\r\nContent-Type: application/json\r\n"
    'X-Secret: test-secret\r\n\r\n{"id":"1","name":"Ann Example","question":"How much?"}'
)

_EXPECTED = """[
  {
    "key": "1",
    "person": {
      "name": "Ann Example"
    },
    "fields": {
      "question": "How much?"
    }
  }
]
"""

_CONNECTION = '{{\n  "received_at": "{received}",\n  "settings": {{}},\n  "secrets": {{"secret": "test-secret"}}\n}}\n'

_TEST = '''"""{title} keeps the contract of all sources."""

from __future__ import annotations

from connectors.sources.{name} import {cls}
from connectors.testing.source import SourceContract


class Test{cls}(SourceContract):
    source = {cls}
    signs_body = False  # remove once `verify` covers the body
'''


def new(name: str, folder: Path, tests: Path | None = None) -> list[Path]:
    """Write source `name` into `folder`/`name` (`connectors/sources`), its test into `tests`; answers the files.

    Raises `ValueError` for a name that is no folder of a Python package, `FileExistsError` where there is one already.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise ValueError(f"{name!r} cannot be a source's name: lower-case letters, digits and _, a letter first")
    words = {"name": name, "title": name.replace("_", " ").capitalize(), "received": RECEIVED}
    words["cls"] = "".join(part.capitalize() for part in name.split("_"))
    root = folder / name
    files = {
        root / "__init__.py": _CLASS.format(**words),
        root / "README.md": _README.format(**words),
        root / "fixtures/inquiry.http": _HTTP,
        root / "fixtures/inquiry.json": _EXPECTED,
        root / "fixtures/connection.json": _CONNECTION.format(**words),
    }
    if tests is not None:
        files[tests / f"test_source_{name}.py"] = _TEST.format(**words)
    _write(files)
    return list(files)


def _write(files: dict[Path, str]) -> None:
    there = [path for path in files if path.exists()]
    if there:
        raise FileExistsError(f"{there[0]} exists already; choose another name or remove it first")
    for path, content in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode())
