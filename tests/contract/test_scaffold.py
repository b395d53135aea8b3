"""The tools that write fixtures and new sources, and a new source that passes the contract as it is written."""

from __future__ import annotations

import importlib.util
import json
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType

import pytest

from connectors.contract import Draft, DraftKind, Person
from connectors.sources.tilda import Tilda
from connectors.testing.fixtures import accept, cases, drafts_to_json, load_http, outcome
from connectors.testing.scaffold import new
from connectors.testing.source import SourceContract

NOW = datetime(2026, 2, 1, 9, 30, tzinfo=UTC)


def imported(file: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(file.parent.name, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_request_is_read_as_on_the_wire() -> None:
    raw = load_http(b"POST /in/x?a=1&b HTTP/1.1\r\nX-A: 1\r\nx-a:2\r\nEmpty:\r\n\r\nbody\r\n\r\nrest\n", NOW)
    assert (raw.method, raw.path, raw.query) == ("POST", "/in/x", "a=1&b")
    assert dict(raw.headers) == {"x-a": "1,2", "empty": ""}
    assert raw.body == b"body\r\n\r\nrest\n"
    assert raw.received_at == NOW


def test_defaults_are_left_out_of_drafts() -> None:
    assert drafts_to_json([Draft()]) == [{}]
    told = drafts_to_json([Draft(key="", kind=DraftKind.NOTE, person=Person(name="Ян"), occurred_at=NOW)])
    assert told == [
        {"key": "", "kind": "note", "person": {"name": "Ян"}, "occurred_at": "2026-02-01T09:30:00+00:00"},
    ]


def test_accept_writes_what_is_missing_and_overwrites_only_by_force(tmp_path: Path) -> None:
    request = b"POST / HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded\r\n\r\ntranid=1&Name=A"
    (tmp_path / "one.http").write_bytes(request)
    (tmp_path / "two.http").write_bytes(request)
    (tmp_path / "two.json").write_text("[]")
    assert [path.name for path in accept(Tilda, tmp_path)] == ["one.json"]
    assert json.loads((tmp_path / "one.json").read_text()) == [{"key": "1", "person": {"name": "A"}}]
    assert (tmp_path / "two.json").read_text() == "[]"
    assert len(accept(Tilda, tmp_path, force=True)) == 2
    assert (tmp_path / "two.json").read_text() == (tmp_path / "one.json").read_text()


def test_a_new_source_gives_what_its_fixture_expects(tmp_path: Path) -> None:
    written = new("lead_magnet", tmp_path / "sources", tmp_path / "tests")
    assert all(path.is_file() for path in written)
    source = imported(tmp_path / "sources/lead_magnet/__init__.py").LeadMagnet
    [case] = cases(tmp_path / "sources/lead_magnet/fixtures")
    assert outcome(case, source) == json.loads(case.expectation.read_text("utf-8"))
    compile((tmp_path / "tests/test_source_lead_magnet.py").read_text(), "test", "exec")


def test_a_new_source_passes_the_contract(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    new("lead_magnet", tmp_path)
    source = imported(tmp_path / "lead_magnet/__init__.py").LeadMagnet
    suite = SourceContract()
    monkeypatch.setattr(SourceContract, "source", source, raising=False)
    monkeypatch.setattr(SourceContract, "folder", classmethod(lambda cls: tmp_path / "lead_magnet"))
    [case] = cases(tmp_path / "lead_magnet/fixtures")
    suite.test_gives_its_expectation(case)
    suite.test_refuses_without_a_secret(case)
    suite.test_refuses_another_secret(case)
    suite.test_survives_known_dirt(case)
    suite.test_declares_itself()
    suite.test_is_small_and_explained()
    suite.test_imports_the_edge_only()


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    new("one", tmp_path)
    with pytest.raises(FileExistsError, match="exists already"):
        new("one", tmp_path)


@pytest.mark.parametrize("name", ["", "Tilda", "../x", "1a", "a-b", "a b"])
def test_a_name_is_a_package_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="cannot be a source's name"):
        new(name, tmp_path)
