"""What the page for load balancers counts."""

from __future__ import annotations

from hub.model import event_work
from tests.web.world import World


def test_what_a_worker_has_begun_is_still_to_be_done(world: World) -> None:
    """It may have been killed: nobody goes on with its events before its lease has ended."""
    now = world.hub.clock.now()
    with world.hub.store.write() as conn:
        for number, state in enumerate(("taken", "done", "parked")):
            row = {"event_id": f"e{number}", "seq": 0, "state": state, "lease": "gone", "lease_until": now, "at": now}
            conn.execute(event_work.insert().values(row | {"attempts": 1, "due_at": now, "code": "", "why": ""}))
    told = world.admin.get("/health").get_json()
    assert (told["ok"], told["backlog"], told["attention"]) == (True, 1, 1)
