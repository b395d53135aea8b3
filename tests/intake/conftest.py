"""A whole hub for each test of this folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.whole import Whole, whole_hub


@pytest.fixture
def whole(tmp_path: Path) -> Iterator[Whole]:
    with whole_hub(tmp_path) as made:
        yield made
