"""Weights learnt from answers on a page: shown with what they would change, used as they were shown, and taken back."""

from __future__ import annotations

import json
import re
from typing import Any

from sqlalchemy import insert, select

from hub.identity.replay import differences
from hub.identity.rules import VERSION, Rules
from hub.model import journal, review, setting
from tests.web.test_admin_attention import SECRET, post, webhook
from tests.web.world import World, press

PAGE = "/admin/whom/weights"


def answers(world: World) -> None:
    """Pairs with nearly one mailbox, mostly one person; pairs with nearly one number, mostly two."""
    told = [(code, n < same) for code, same in (("near_mailbox", 60), ("near_number", 5)) for n in range(65)]
    rows = [
        {
            "id": f"r{n:03}", "first_id": f"a{n:03}", "second_id": f"b{n:03}", "at": n, "score": 7.0, "rules": VERSION,
            "why": [{"result": code, "bits": "+7.0"}], "state": "same" if same else "different",
        }
        for n, (code, same) in enumerate(told)
    ]  # fmt: skip
    with world.hub.store.write() as conn:
        conn.execute(insert(review), rows)


def come(world: World, *people: tuple[str, str]) -> None:
    row = webhook(world, SECRET)
    for name, phone in people:
        body = {"name": name, "phone": phone, "note": "A fence, please"}
        assert post(world, row, json.dumps(body).encode()).status_code == 200


def kept(world: World, name: str) -> Any:
    with world.hub.store.read() as conn:
        return conn.execute(select(setting.c.value).where(setting.c.name == name)).scalar()


def page(world: World) -> str:
    return str(world.admin.get(PAGE).get_data(as_text=True))


def test_a_proposal_is_shown_used_as_shown_and_taken_back(world: World) -> None:
    assert "Too few to learn from" in page(world)
    assert 'href="/admin/whom/weights"' in world.admin.get("/admin/whom").get_data(as_text=True)
    answers(world)
    told = page(world)
    assert "A number one slip away from" in told
    assert "65 the same person, 65 two people" in told
    seen = re.search(r'name="seen" value="(near_mailbox=[0-9.]+,near_number=[0-9.]+)"', told)
    assert seen is not None
    values = {name: float(value) for name, _, value in (one.partition("=") for one in seen[1].split(","))}
    assert values["near_number"] < Rules().near_number
    assert values["near_mailbox"] > Rules().near_mailbox
    press(world.admin, PAGE, seen="near_number=1.0")
    assert "look at the weights once more" in page(world)
    assert kept(world, "identity") is None
    press(world.admin, PAGE, seen=seen[1])
    assert "The new weights decide from now on" in page(world)
    assert kept(world, "identity") == values
    press(world.admin, f"{PAGE}/back")
    assert "The former weights decide again" in page(world)
    assert kept(world, "identity") == {}
    press(world.admin, f"{PAGE}/back")
    assert "nothing to bring back" in page(world)
    with world.hub.store.read() as conn:
        lines = select(journal.c.what).where(journal.c.subject == "identity").order_by(journal.c.id)
        assert list(conn.execute(lines).scalars()) == ["weights_used", "weights_back"]


def test_what_would_be_decided_otherwise_is_played(world: World) -> None:
    come(world, ("Nora Feldmann", "+1 917 803 4387"), ("Nora Feldmann", "+1 917 803 4388"))
    with world.hub.store.read() as conn:
        played, same = differences(conn, Rules(), Rules())
        _played, changed = differences(conn, Rules(), Rules(near_number=-40.0))
    assert played >= 2
    assert same == []
    [one] = changed
    assert (one.before, one.after, one.name) == (("joined", "Nora Feldmann"), ("new", ""), "Nora Feldmann")


def test_only_admins_learn_and_use_them(world: World) -> None:
    answers(world)
    assert press(world.visitor("sam"), PAGE, seen="near_number=1.0").status_code in (403, 404)
    assert kept(world, "identity") is None
