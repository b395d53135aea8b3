"""`SourceContract`: the tests every source passes. Inherit it and name the source; the fixtures do the rest.

class TestTilda(SourceContract):
    source = Tilda
"""

from __future__ import annotations

import ast
import copy
import inspect
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.contract import Evidence, Source
from connectors.errors import ConnectorError, Unverified
from connectors.testing.fixtures import Case, accept, cases, drafts_to_json, load_eml, load_http, outcome

__all__ = ["SourceContract", "accept", "cases", "drafts_to_json", "load_eml", "load_http", "outcome"]

_ALLOWED = ("connectors.contract", "connectors.errors", "connectors.http", "connectors.oauth", "connectors.reading")
_FORBIDDEN = ("hub", "mappings", "workers", "flask", "werkzeug", "requests", "rq", "redis", "sqlalchemy")
_DIRTY = (b"\x00", b"\xff" * 9, b"{", b"[]", b'"x"', b"null", b"42", b'{"a":' * 200, b"a=%zz&b=%00", b"--\r\n", b"=&=&")


class SourceContract:
    """Set `source`. `signs_body` False where the proof is a token and does not cover the body.

    `longest` is the number of lines `__init__.py` may have.
    """

    source: ClassVar[type[Source]]
    signs_body: ClassVar[bool] = True
    longest: ClassVar[int] = 100

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """One test per fixture; none for a proof that the source does not ask for."""
        found = cases(self.folder() / "fixtures")
        proven = [case for case in found if self.source.push and not self.source.unsigned and case.raw.headers]
        asked = {"case": found, "proven": proven, "signed": proven if self.signs_body else []}
        for name in asked.keys() & set(metafunc.fixturenames):
            metafunc.parametrize(name, asked[name], ids=[case.name for case in asked[name]])

    @classmethod
    def folder(cls) -> Path:
        """Where the source lives."""
        return Path(inspect.getfile(cls.source)).parent

    def test_has_fixtures(self) -> None:
        assert cases(self.folder() / "fixtures"), f"{self.source.name} has no fixtures"

    def test_gives_its_expectation(self, case: Case) -> None:
        assert case.expectation.exists(), (
            f"{case.expectation.name} is missing; write it with `leadhub connector accept`"
        )
        expected = json.loads(case.expectation.read_text("utf-8"))
        found = outcome(case, self.source)
        if expected == {"unverified": True}:
            assert list(found) == ["unverified"], found
        else:
            assert _through_json(found) == expected

    def test_reads_without_changing_anything(self, case: Case) -> None:
        before = copy.deepcopy((case.raw, case.settings, case.secrets))
        assert outcome(case, self.source) == outcome(case, self.source)
        assert before == (case.raw, case.settings, case.secrets)

    def test_keys_and_deliveries_repeat(self, case: Case) -> None:
        opened = case.open(self.source)
        first, again = (_attempt(lambda: opened.delivery(case.raw)) for _ in range(2))
        assert first == again

    def test_refuses_without_a_secret(self, proven: Case) -> None:
        with pytest.raises(Unverified):
            proven.open(self.source, secrets={}).verify(proven.raw)

    def test_refuses_another_secret(self, proven: Case) -> None:
        others = {name: f"not{one[::-1]}" for name, one in proven.secrets.items()}
        with pytest.raises(Unverified):
            proven.open(self.source, secrets=others).verify(proven.raw)

    def test_refuses_a_flipped_byte(self, signed: Case) -> None:
        opened, body = signed.open(self.source), signed.raw.body
        for at in {0, len(body) // 2, len(body) - 1} if body else ():
            flipped = body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]
            with pytest.raises(Unverified):
                opened.verify(replace(signed.raw, body=flipped))

    def test_survives_cut_messages(self, case: Case) -> None:
        size = len(case.raw.body)
        for cut in {0, 1, size // 4, size // 2, size - 2, size - 1}:
            self._feed(case, case.raw.body[: max(cut, 0)])

    def test_survives_known_dirt(self, case: Case) -> None:
        for dirt in _DIRTY:
            self._feed(case, dirt)
            self._feed(case, case.raw.body[:20] + dirt + case.raw.body[20:])

    @settings(max_examples=30, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(
        body=st.binary(max_size=300), kind=st.sampled_from(["application/json", "text/plain", "multipart/form-data"])
    )
    def test_survives_random_bytes(self, body: bytes, kind: str) -> None:
        for case in cases(self.folder() / "fixtures")[:1]:
            self._feed(case, body)
            self._feed(replace(case, raw=replace(case.raw, headers={"content-type": kind})), body)

    def _feed(self, case: Case, body: bytes) -> None:
        """Whatever comes, only errors of the contract leave a source."""
        opened = case.open(self.source)
        raw = replace(case.raw, body=body)
        for step in (opened.verify, opened.reply, opened.parse, opened.refuse):
            _attempt(lambda step=step: step(raw))  # type: ignore[misc]

    def test_declares_itself(self) -> None:
        source = self.source
        assert source.name == self.folder().name, "name is the folder's name"
        assert source.title
        assert isinstance(source.evidence, Evidence)
        assert source.evidence is Evidence.REAL or source.source.startswith("https://"), "source links to documentation"
        assert source.push or source.pull
        assert all(setting.label for setting in source.form)

    def test_is_small_and_explained(self) -> None:
        folder = self.folder()
        assert (folder / "README.md").is_file(), "README.md is the setup guide of the admin pages"
        assert len((folder / "__init__.py").read_text("utf-8").splitlines()) <= self.longest

    def test_imports_the_edge_only(self) -> None:
        own = f"connectors.sources.{self.folder().name}"
        for file in self.folder().glob("*.py"):
            if file.name != "sandbox.py":
                wrong = [name for name in _imports(file) if not _may_import(name, own)]
                assert not wrong, f"{file.name} imports {wrong}"

    def test_answers_what_the_sender_wants(self, case: Case) -> None:
        answer = case.open(self.source).accepted(case.raw, "r-1")
        assert 200 <= answer.status < 400


def _attempt(step: Callable[[], Any]) -> Any:
    try:
        return step()
    except ConnectorError as error:
        return type(error), str(error)


def _through_json(value: Any) -> Any:
    return json.loads(json.dumps(value))


def _may_import(name: str, own: str) -> bool:
    if name.partition(".")[0] == "connectors":
        return name.startswith((*_ALLOWED, own))
    return name.partition(".")[0] not in _FORBIDDEN


def _imports(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or "" if not node.level else f"connectors.sources.{file.parent.name}"
