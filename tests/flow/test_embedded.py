"""The small installation: threads of one process do all the work, and hear of new messages from the file alone."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from hub.app import open_hub
from hub.funnel import moves
from hub.model import lead, link
from tests.flow.scene import REAL, Scene, configured, scene
from tests.flow.test_fleet import ROOT, once
from tests.servers import Stack, wait_until
from workers.embedded import EmbeddedRunner
from workers.process import environment

PEOPLE = ("Anna Peters", "Boris Keller", "Clara Voss", "Dana Wirth", "Emil Stark", "Fred Lang")
SECONDS = 4.0
"""Below the sweeper's five seconds: who arrives within them was heard and not found by chance."""


@pytest.fixture
def real(embedded: Stack) -> Iterator[Scene]:
    with scene(embedded, REAL) as made:
        yield made


@contextmanager
def working(made: Scene) -> Iterator[EmbeddedRunner]:
    """The work of `made`'s hub in a hub of its own, as in another process."""
    hub = open_hub(configured(made.stack, made.address))
    runner = EmbeddedRunner(hub)
    runner.start()
    try:
        yield runner
    finally:
        runner.stop()
        hub.close()


def arrived(made: Scene, count: int) -> bool:
    return len(made.cards()) == count and {row.state for row in made.rows(link)} == {"linked"}


def test_an_inquiry_is_in_the_crm_in_seconds_without_any_ring(real: Scene) -> None:
    with working(real):
        for number in range(3):
            real.post(name=PEOPLE[number], phone=f"+7916000000{number}", submission_id=f"s-{number}")
            wait_until(lambda done=number + 1: arrived(real, done), SECONDS)  # type: ignore[misc]
    once(real, 3)


def test_what_a_person_does_in_the_hub_is_in_the_crm_in_seconds(real: Scene) -> None:
    with working(real):
        real.post(name="Anna Peters", phone="+79160000000")
        wait_until(lambda: arrived(real, 1), SECONDS)
        with real.hub.store.write() as conn:
            moves.convert_lead(conn, REAL, real.lead().id, "member:" + real.members["vera"])
        wait_until(lambda: real.stands(real.card()) == real.spot("deal", "created"), SECONDS)


def test_a_hook_of_the_crm_is_followed_in_seconds(real: Scene) -> None:
    with working(real):
        real.post(name="Anna Peters", phone="+79160000000")
        wait_until(lambda: arrived(real, 1), SECONDS)
        real.drag("lead", "hot")
        real.hook(("leads", "status", real.card()["id"]))
        wait_until(lambda: real.lead().stage == "hot", SECONDS)


def test_stopping_finishes_the_step_and_starting_goes_on(real: Scene) -> None:
    for number in range(6):
        real.post(name=PEOPLE[number], phone=f"+7916000000{number}", submission_id=f"s-{number}")
        if number % 2:
            with working(real):
                wait_until(lambda: real.rows(lead), SECONDS)
    with working(real):
        wait_until(lambda: arrived(real, 6), 10)
    once(real, 6)


def test_the_command_does_the_same_in_a_process_of_its_own(real: Scene) -> None:
    told = {**environment(configured(real.stack, real.address)), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "hub.cli", "work"]
    with subprocess.Popen(command, env=told, stderr=subprocess.DEVNULL) as process:
        try:
            real.post(name="Anna Peters", phone="+79160000000")
            wait_until(lambda: arrived(real, 1), 30)
        finally:
            process.terminate()
    assert process.returncode == 0
    once(real, 1)
