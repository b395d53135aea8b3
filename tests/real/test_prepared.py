"""What is prepared once per machine is found again, and prepared anew when anything it depends on changes."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.conftest import NO_PYTHON
from tests.real import prepared

PLAIN = prepared.Recipe("plain", (), (("word", "{folder}"),), (("sh", "-c", "cp word done"),), Path(sys.executable))


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prepared, "CACHE", tmp_path)
    monkeypatch.setattr(prepared, "_environment", lambda recipe, folder: None)


def test_it_is_made_once() -> None:
    with prepared.prepared(PLAIN) as first:
        assert (first / "account/done").read_text(encoding="utf-8") == str(first / "account")
        (first / "account/done").write_text("kept", encoding="utf-8")
    with prepared.prepared(PLAIN) as second:
        assert (second / "account/done").read_text(encoding="utf-8") == "kept"


def test_what_broke_in_the_middle_is_made_again() -> None:
    with pytest.raises(RuntimeError), prepared.prepared(replace(PLAIN, steps=(("false",),))):
        pass
    with prepared.prepared(PLAIN) as made:
        (made / "ready").unlink()
        (made / "account/done").unlink()
    with prepared.prepared(PLAIN) as again:
        assert (again / "account/done").exists()


@pytest.mark.parametrize("change", [{"packages": ("x",)}, {"files": ()}, {"steps": ()}, {"name": "other"}])
def test_a_change_of_the_recipe_is_another_one(change: dict[str, object]) -> None:
    assert replace(PLAIN, **change).key != PLAIN.key


def test_without_a_newer_python_the_test_is_skipped_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prepared, "_version", lambda python: (3, 11))
    with pytest.raises(pytest.skip.Exception, match=NO_PYTHON):
        prepared.newer_python()
