"""How many schedules are played, and what of them failed: by seed, so that each can be played again exactly."""

from __future__ import annotations

import os
from collections.abc import Iterable

from tests.sync.world import schedule

FULL = os.environ.get("LEADHUB_CAMPAIGN") == "full"
SCHEDULES = 100_000 if FULL else 2_000
PARTS = 20
SHARED = 12
"""So many of the parts stand in the first of two files, which run at the same time."""


def failing(seeds: Iterable[int], profile: str = "") -> list[str]:
    """One line per violation."""
    told = []
    for seed in seeds:
        world = schedule(seed, profile)
        told += [f"seed {seed} ({world.profile}): {one}" for one in (*world.wrong, *world.crm.wrong)]
    return told


def part(number: int) -> list[str]:
    """The violations of one part of all schedules."""
    size = SCHEDULES // PARTS
    return failing(range(number * size, (number + 1) * size))
