"""One person writes a hundred times at once, through several processes: one contact, one lead, nothing lost."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from typing import Any

from hub.model import contact, event, event_work, inquiry, journal, lead, link, match_key, rotation
from tests.flow import crowd
from tests.flow.scene import REAL, Scene, configured, scene
from tests.servers import Stack

PROCESSES = 4


def everywhere(job: Any, made: Scene, *arguments: tuple[Any, ...]) -> list[Any]:
    """Run a job in fresh processes at once."""
    config = configured(made.stack, made.address)
    with ProcessPoolExecutor(PROCESSES, multiprocessing.get_context("spawn")) as pool:
        running = [pool.submit(job, config, made.form_id, *one) for one in arguments]
        return [one.result(timeout=60) for one in running]


def all_events(made: Scene) -> list[Any]:
    with made.hub.store.read_inbox() as conn:
        return list(conn.execute(event.select().order_by(event.c.seq)))


def test_a_hundred_inquiries_of_one_person_are_one_lead(stack: Stack) -> None:
    with scene(stack, REAL) as made:
        done = everywhere(crowd.submit, made, *((25 * n, 25) for n in range(PROCESSES)))
        made.hub.flow.drain()
        assert sum(accepted for accepted, _drained in done) == 100
        assert len(all_events(made)) == len(made.rows(event_work, state="done")) == 100
        assert len(made.rows(contact)) == len(made.rows(lead)) == 1
        assert made.lead().inquiries == len(made.rows(inquiry)) == 100
        assert [row.decision for row in made.rows(inquiry)].count("new_lead") == 1
        assert {row.contact_id for row in made.rows(match_key)} == {made.contact().id}
        assert sum(row.given for row in made.rows(rotation)) == 1
        assert len(made.rows(link)) == 2
        made.push()
        assert len(made.cards()) == len(made.cards("contacts")) == 1


def test_the_same_words_sent_again_and_again_are_one_inquiry(stack: Stack) -> None:
    with scene(stack, REAL, set_up=False) as made:
        everywhere(crowd.submit_same, made, *[(10,)] * PROCESSES)
        made.hub.flow.drain()
        assert len(all_events(made)) == len(made.rows(event_work, state="done")) == 40
        assert len(made.rows(contact)) == len(made.rows(lead)) == len(made.rows(inquiry)) == 1
        assert len(made.rows(journal, what="sent_again")) == 39
