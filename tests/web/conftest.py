"""One world per module for tests that only look, one per test for those that change it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.web.world import World, build, open_world


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of a small hub; never opened, only copied."""
    folder = tmp_path_factory.mktemp("built")
    build(folder)
    return folder


@pytest.fixture
def world(built: Path, tmp_path: Path) -> Iterator[World]:
    made = open_world(built, tmp_path)
    yield made
    made.close()


@pytest.fixture(scope="module")
def still(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A world that its tests leave as it is."""
    made = open_world(built, tmp_path_factory.mktemp("still"))
    yield made
    made.close()
