"""Notes and tasks that a CRM did not take, on the attention page: tried again or left, once, and by whom."""

from __future__ import annotations

import re
from typing import Any

import pytest
from sqlalchemy import select

from hub.model import hanging, journal
from hub.sync.unsaid import IN_DOUBT, WAITS
from tests.web.world import World, press


def note(world: World, code: str, state: str = "parked", text: str = "She wants <b>oak</b>") -> str:
    made = world.hub.clock.new_id()
    with world.hub.store.write() as conn:
        conn.execute(hanging.insert().values(
            id=made, connection_id="crm", what="note", subject="lead", subject_id=world.leads["Ivan Petrov"], text=text,
            state=state, remote_kind="notes", code=code, why="No such <i>field</i>", since=1_770_000_000_000,
            attempts=8, lease="",
        ))  # fmt: skip
    return made


def row(world: World, hanging_id: str) -> Any:
    with world.hub.store.read() as conn:
        return conn.execute(select(hanging).where(hanging.c.id == hanging_id)).one()


def page(world: World) -> str:
    return str(world.admin.get("/admin/attention").get_data(as_text=True))


def lines(world: World, what: str) -> list[str]:
    with world.hub.store.read() as conn:
        mine = (journal.c.what == what) & (journal.c.subject_id == world.leads["Ivan Petrov"])
        return list(conn.execute(select(journal.c.actor).where(mine)).scalars())


@pytest.mark.parametrize(
    ("what", "line", "then", "told"),
    [
        ("again", "tried_again", ("new", "", 0), "Sending to the CRM was started again."),
        ("leave", "note_left", ("parked", "", 8), "Left out of the CRM: She wants &lt;b&gt;oak&lt;/b&gt;"),
    ],
)
def test_a_parked_note_is_answered_once(
    world: World, what: str, line: str, then: tuple[str, str, int], told: str
) -> None:
    made = note(world, "refuse")
    before = page(world)
    assert "She wants &lt;b&gt;oak&lt;/b&gt;" in before
    assert "No such &lt;i&gt;field&lt;/i&gt;" in before
    assert re.search(r'Attention <span class="count">1<', before), "it counts among what waits"
    for _press in range(2):
        assert press(world.admin, f"/admin/attention/notes/{made}/{what}").status_code == 303
    now = row(world, made)
    assert (now.state, now.code, now.attempts) == then
    assert (now.due_at == world.hub.clock.now()) is (what == "again")
    assert lines(world, line) == [f"member:{world.members['ada']}"]
    assert "This was settled already." in page(world)
    assert "Notes and tasks a CRM does not take" not in page(world)
    assert told in world.admin.get(f"/leads/{world.leads['Ivan Petrov']}").get_data(as_text=True)


@pytest.mark.parametrize("code", [IN_DOUBT, "unknown_outcome"])
def test_what_may_be_there_is_sent_again_by_who_looked(world: World, code: str) -> None:
    made = note(world, code)
    assert "I looked: it is not on the card" in page(world)
    press(world.admin, f"/admin/attention/notes/{made}/again")
    assert "it may have arrived already" in page(world)
    assert row(world, made).state == "parked"
    press(world.admin, f"/admin/attention/notes/{made}/again", sure="yes")
    assert (row(world, made).state, row(world, made).code) == ("new", "")


def test_what_goes_on_by_itself_is_not_asked_about(world: World) -> None:
    going = note(world, "retry", "uncertain", text="On its way")
    assert "On its way" not in page(world)
    for what in ("again", "leave"):
        press(world.admin, f"/admin/attention/notes/{going}/{what}")
    assert (row(world, going).state, row(world, going).code) == ("uncertain", "retry")
    assert press(world.admin, f"/admin/attention/notes/{going}/eat").status_code == 404


def test_the_count_of_every_page_is_read_by_index(world: World) -> None:
    asked = str(select(hanging.c.id).where(WAITS).compile(compile_kwargs={"literal_binds": True}))
    with world.hub.store.read() as conn:
        assert "ix_hanging_cause" in str(conn.exec_driver_sql(f"EXPLAIN QUERY PLAN {asked}").all())
