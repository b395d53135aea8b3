"""What every test of the whole way shares."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.flow.scene import Scene, scene
from tests.once import lay_tables
from tests.servers import Stack


@pytest.fixture
def play(stack: Stack) -> Iterator[Scene]:
    """A hub whose time stands still, beside a CRM that is set up; on both stacks."""
    with scene(stack) as made:
        yield made


@pytest.fixture
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Stack:
    """SQLite files alone, for what no database changes."""
    folder = tmp_path_factory.mktemp("hub")
    lay_tables(folder)
    return Stack("embedded", f"sqlite:///{folder}/hub.db", f"sqlite:///{folder}/inbox.db", None, folder)


@pytest.fixture
def small(embedded: Stack) -> Iterator[Scene]:
    """The same as `play` on SQLite alone."""
    with scene(embedded) as made:
        yield made
