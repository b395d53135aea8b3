"""What the scenes of this folder begin with."""

from __future__ import annotations

import pytest

from tests.sync.scenes import Scene, calm


@pytest.fixture
def scene() -> Scene:
    """Makes calm worlds."""
    return calm
