"""One person writes a hundred times at once, through several processes: one contact, one lead, nothing lost."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import pytest

from hub.model import contact, event, event_work, inquiry, journal, lead, link, match_key, rotation
from hub.store.engine import open_store
from hub.store.migrate import HEADS, revision
from tests.flow import crowd
from tests.flow.scene import REAL, Scene, configured, scene
from tests.servers import Stack

PROCESSES = 4


@pytest.fixture(scope="module")
def pool() -> Iterator[ProcessPoolExecutor]:
    """Fresh processes, as machines would be: nothing of this one is in them."""
    with ProcessPoolExecutor(PROCESSES, multiprocessing.get_context("spawn")) as running:
        list(running.map(crowd.ready, range(PROCESSES)))
        yield running


def everywhere(pool: ProcessPoolExecutor, job: Any, made: Scene, *arguments: tuple[Any, ...]) -> list[Any]:
    """Run a job in all processes at once."""
    config = configured(made.stack, made.address)
    running = [pool.submit(job, config, made.form_id, *one) for one in arguments]
    return [one.result(timeout=60) for one in running]


def all_events(made: Scene) -> list[Any]:
    with made.hub.store.read_inbox() as conn:
        return list(conn.execute(event.select().order_by(event.c.seq)))


def test_a_hundred_inquiries_of_one_person_are_one_lead(stack: Stack, pool: ProcessPoolExecutor) -> None:
    with scene(stack, REAL) as made:
        start = time.time() + 1.0
        done = everywhere(pool, crowd.submit, made, *((25 * n, 25, start) for n in range(PROCESSES)))
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


def test_the_same_words_sent_again_and_again_are_one_inquiry(stack: Stack, pool: ProcessPoolExecutor) -> None:
    with scene(stack, REAL, set_up=False) as made:
        everywhere(pool, crowd.submit_same, made, *[(10,)] * PROCESSES)
        made.hub.flow.drain()
        assert len(all_events(made)) == len(made.rows(event_work, state="done")) == 40
        assert len(made.rows(contact)) == len(made.rows(lead)) == len(made.rows(inquiry)) == 1
        assert len(made.rows(journal, what="sent_again")) == 39


def test_several_that_start_on_an_empty_database_make_its_tables_once(stack: Stack, pool: ProcessPoolExecutor) -> None:
    config = configured(stack)
    running = [pool.submit(crowd.migrate, config) for _process in range(PROCESSES)]
    assert all(one.result(timeout=60) for one in running)
    store = open_store(stack.database_url, stack.inbox_url)
    assert (revision(store.hub, "hub"), revision(store.inbox, "inbox")) == (HEADS["hub"], HEADS["inbox"])
    store.close()
