"""The whole sync under a seed: thousands of schedules of people, faults, kills and interleavings, and no violation.

2,000 schedules in every run (the rest in test_machine_teeth), 100,000 in `make campaign`.
"""

from __future__ import annotations

import pytest

from tests.sync.schedules import SHARED, part


@pytest.mark.campaign
@pytest.mark.parametrize("number", range(SHARED))
def test_no_schedule_violates_an_invariant(number: int) -> None:
    assert part(number) == []
