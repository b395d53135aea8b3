"""How many schedules are played, and what of them failed: by seed, so that each can be played again exactly."""

from __future__ import annotations

import os
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from tests.sync.world import schedule

FULL = os.environ.get("LEADHUB_CAMPAIGN") == "full"
SCHEDULES = 100_000 if FULL else 2_000
PARTS = 20
BITE = 100
ONCE_FAILED = (
    40550, 40561, 40727, 40821, 41095, 42663, 42955, 44125, 44441, 50026, 50417, 50791, 61568, 61709, 61743, 62110,
    62476, 63292, 70693, 74115, 74553, 75215, 80128, 81659, 83311, 84732, 101216,
    101590, 102828, 107280, 115572, 117353, 123738, 13178, 58768, 59470,
    16191, 24068, 61815, 64277, 67228, 67755, 31360, 37105, 41539, 94211, 56785, 10739,
)  # fmt: skip
"""Beyond those of every run: a card moved over the border and hung on somebody else at once, a worker killed before it
had looked at what waits for a person, two cards of one company, two causes at a time, a card of two records, a contact
merged or found over there whose cards did not hear of it, an edit that waits for a decision while something else is
written, a stage told to a lead that is a deal there, a card whose lead stays here, a conversion that is
not possible here, a company or a contact that comes to a card while it is being written, calls that never arrived, room
that people made for a tag that had none."""
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
    """The violations of one part of all schedules. The night's are played on every core, a process each."""
    size = SCHEDULES // PARTS
    seeds = range(number * size, (number + 1) * size)
    if not FULL:
        return failing(seeds)
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        return [line for told in pool.map(failing, batched(seeds)) for line in told]


def batched(seeds: range) -> list[range]:
    """In bites of some seconds, so that no core waits long for another at the end."""
    return [seeds[start : start + BITE] for start in range(0, len(seeds), BITE)]
