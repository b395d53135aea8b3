"""A desk whose timers wake robots and carry letters."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hub.funnel.timers import Timers
from hub.robots.run import Robots, follow_robots
from tests.funnel.desk import Desk, open_desk


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with open_desk(tmp_path) as made:
        made.timers = Timers(made.store, made.clock, [follow_robots], also=[Robots(made.store, made.clock).step])
        yield made
