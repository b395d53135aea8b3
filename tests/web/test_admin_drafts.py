"""Drafts of routing: nothing happens before they are published, then exactly what was shown; and back again."""

from __future__ import annotations

import re
from typing import Any

import pytest
from sqlalchemy import select

from hub.clock import DAY
from hub.insight import drafts
from hub.insight.trial import outcomes
from hub.model import journal, lead, rotation, rule, rule_set
from tests.web.world import World, press


def page(world: World, path: str) -> str:
    answer = world.admin.get(f"/admin/{path}")
    assert answer.status_code == 200, path
    return str(answer.get_data(as_text=True))


def versions(world: World) -> list[Any]:
    with world.hub.store.read() as conn:
        return list(drafts.versions(conn))


def begin(world: World, why: str = "Spring") -> str:
    press(world.admin, "/admin/drafts", why=why)
    return str(versions(world)[0].id)


def change(world: World, draft_id: str, path: str, **typed: str) -> Any:
    """A form of the draft's page, with the stamp that stands there."""
    [seen] = set(re.findall(r'name="seen" value="(\w+)"', page(world, f"drafts/{draft_id}")))
    return press(world.admin, f"/admin/drafts/{draft_id}/{path}", **{"seen": seen, **typed})


def to_sam(world: World) -> str:
    """A draft in which everything that is in English goes to Sam."""
    draft_id = begin(world)
    change(world, draft_id, "pools", name="north")
    change(world, draft_id, "pools/north", off_hours="hold", own_first="",
           **{f"share-{world.members['sam']}": "1"})  # fmt: skip
    with world.hub.store.read() as conn:
        place = drafts.read_body(conn)["rules"][0]["direction_id"]
    change(world, draft_id, "rules", name="Pricing", direction=place, pool="north",
           **{"field-0": "text", "op-0": "contains", "value-0": "pricing"})  # fmt: skip
    return draft_id


def hidden(told: str) -> dict[str, str]:
    names = ("days", "until", "seen")
    return {name: re.findall(rf'name="{name}" value="(\w+)"', told)[0] for name in names}


def everything(world: World) -> list[Any]:
    with world.hub.store.read() as conn:
        return [list(conn.execute(select(table))) for table in (rule, rotation, lead)]


def test_a_draft_changes_nothing_until_it_is_published_and_then_exactly_what_was_shown(world: World) -> None:
    before = everything(world)
    draft_id = to_sam(world)
    told = page(world, f"drafts/{draft_id}/trial")
    assert everything(world) == before
    with world.hub.store.read() as conn:
        trial = drafts.simulate(conn, draft_id, world.hub.clock.now() + 1)
    changed = len(trial.differences)
    assert world.leads["John Smith"] in {one.lead_id for one in trial.differences}
    assert f"Of 4 leads, {changed} would have gone elsewhere." in told
    assert "Responsible: " in told
    assert "<b>Sam Seller</b>" in told
    assert "John Smith" in told
    answer = press(world.admin, f"/admin/drafts/{draft_id}/publish", **hidden(told))
    assert answer.status_code == 303
    assert [(row.state, row.n) for row in versions(world)] == [("live", 2), ("past", 1)]
    assert versions(world)[0].announced["changed"] == changed
    with world.hub.store.read() as conn:
        now = int(hidden(told)["until"])
        after = outcomes(conn, drafts.read_body(conn), now - 30 * DAY, now)
    assert [one.lead_id for one in after if one.owner == world.members["sam"]] == [world.leads["John Smith"]]
    world.send(name="New Visitor", phone="+7 912 000-11-33", message="Pricing please", submission_id="p")
    world.process()
    with world.hub.store.read() as conn:
        owner = conn.execute(select(lead.c.owner_id).where(lead.c.id == world.leads["New Visitor"])).scalar()
    assert owner == world.members["sam"]


def test_what_would_be_something_else_by_now_is_shown_and_not_published(world: World) -> None:
    draft_id = to_sam(world)
    form = hidden(page(world, f"drafts/{draft_id}/trial"))
    press(world.admin, "/admin/pools/desk", off_hours="hold", own_first="yes",
          **{f"share-{world.members['dora']}": "0", f"share-{world.members['dan']}": "3"})  # fmt: skip
    answer = press(world.admin, f"/admin/drafts/{draft_id}/publish", **form)
    assert answer.status_code == 409
    assert "Nothing was published" in answer.get_data(as_text=True)
    assert [row.state for row in versions(world)] == ["draft"]
    again = hidden(answer.get_data(as_text=True))
    assert press(world.admin, f"/admin/drafts/{draft_id}/publish", **again).status_code == 303


def test_the_second_of_two_tabs_saves_nothing(world: World) -> None:
    draft_id = begin(world)
    [seen] = set(re.findall(r'name="seen" value="(\w+)"', page(world, f"drafts/{draft_id}")))
    press(world.admin, f"/admin/drafts/{draft_id}/pools", name="one", seen=seen)
    press(world.admin, f"/admin/drafts/{draft_id}/pools", name="two", seen=seen)
    assert "Somebody changed the draft meanwhile" in page(world, f"drafts/{draft_id}")
    assert list(versions(world)[0].body["pools"]) == ["one"]


@pytest.mark.parametrize(
    ("path", "typed", "said"),
    [
        ("rules", {"field-0": "__class__", "op-0": "is", "pool": "desk"}, "there is no field"),
        ("rules", {"pool": "desk"}, "are missing"), ("pools", {"name": "desk"}, "is taken"),
        ("rules", {"field-0": "page", "op-0": "is", "pool": "nowhere"}, "is not here any more"),
        ("pools/desk/remove", {}, "and stays"),
    ],
)  # fmt: skip
def test_a_mistake_in_a_draft_is_named(world: World, path: str, typed: dict[str, str], said: str) -> None:
    draft_id = begin(world)
    with world.hub.store.read() as conn:
        place = drafts.read_body(conn)["rules"][0]["direction_id"]
    change(world, draft_id, path, **{"name": "Odd", "direction": place, **typed})
    assert said in page(world, f"drafts/{draft_id}")
    with world.hub.store.read() as conn:
        assert drafts.stamp(versions(world)[0].body) == drafts.stamp(drafts.read_body(conn))


def test_a_share_nobody_can_read_stays_as_typed(world: World) -> None:
    draft_id = begin(world)
    answer = change(world, draft_id, "pools/desk", off_hours="hold", **{f"share-{world.members['dora']}": "many"})
    assert answer.status_code == 422
    assert 'value="many"' in answer.get_data(as_text=True)


def test_rules_of_a_draft_move_switch_and_lead_elsewhere(world: World) -> None:
    draft_id = to_sam(world)
    first, last = (one["id"] for one in versions(world)[0].body["rules"])
    for act in ("down", "off"):
        change(world, draft_id, f"rules/{first}", do=act)
    change(world, draft_id, f"rules/{last}", do="pool", pool="north")
    assert [(one["name"], one["active"], one["pool"]) for one in versions(world)[0].body["rules"]] == [
        ("Pricing", False, "north"), ("Everything else", True, "north"),
    ]  # fmt: skip
    for one in (first, last):
        change(world, draft_id, f"rules/{one}", do="remove")
    assert [one["name"] for one in versions(world)[0].body["rules"]] == ["Everything else"]
    press(world.admin, f"/admin/drafts/{draft_id}/drop")
    assert versions(world) == []


def test_a_draft_with_a_broken_rule_is_not_published(world: World) -> None:
    draft_id = to_sam(world)
    row = versions(world)[0]
    body = {**row.body, "rules": [{**row.body["rules"][0], "direction_id": "gone"}, *row.body["rules"][1:]]}
    with world.hub.store.write() as conn:
        assert drafts.redraft(conn, world.hub.clock, draft_id, drafts.stamp(row.body), body, "hub")
    told = page(world, f"drafts/{draft_id}/trial")
    assert "its direction is gone" in told
    press(world.admin, f"/admin/drafts/{draft_id}/publish", **hidden(told))
    assert [one.state for one in versions(world)] == ["draft"]


def test_back_to_a_version_offers_to_route_again_what_the_bad_one_sent_elsewhere(world: World) -> None:
    draft_id = to_sam(world)
    world.hub.clock.advance(60)  # type: ignore[attr-defined]
    press(world.admin, f"/admin/drafts/{draft_id}/publish", **hidden(page(world, f"drafts/{draft_id}/trial")))
    world.hub.clock.advance(60)  # type: ignore[attr-defined]
    world.send(name="New Visitor", phone="+7 912 000-11-33", message="Pricing please", submission_id="p")
    world.process()
    world.hub.clock.advance(60)  # type: ignore[attr-defined]
    answer = press(world.admin, "/admin/drafts/back", n="1")
    assert answer.status_code == 303
    told = page(world, answer.location.partition("/admin/")[2])
    assert "1 open leads that nobody took" in told
    assert "New Visitor" in told
    span = {name: re.findall(rf'name="{name}" value="(\d+)"', told)[0] for name in ("since", "until")}
    press(world.admin, "/admin/drafts/again", **span)
    with world.hub.store.read() as conn:
        owner = conn.execute(select(lead.c.owner_id).where(lead.c.id == world.leads["New Visitor"])).scalar()
        lines = conn.execute(select(journal.c.what).where(journal.c.subject == "rules")).scalars()
        assert {"drafted", "redrafted", "published", "routed_again"} == set(lines)
    assert owner in (world.members["dora"], world.members["dan"])
    assert "No open lead went elsewhere" in page(world, "drafts/again?since={since}&until={until}".format(**span))
    assert world.admin.get("/admin/drafts/again?since=5&until=9").status_code == 404


def test_what_was_changed_by_hand_since_is_kept_as_a_version(world: World) -> None:
    draft_id = to_sam(world)
    press(world.admin, f"/admin/drafts/{draft_id}/publish", **hidden(page(world, f"drafts/{draft_id}/trial")))
    press(world.admin, "/admin/pools", name="by hand")
    press(world.admin, "/admin/drafts/back", n="1")
    assert [(row.state, row.n) for row in versions(world)] == [("live", 4), ("past", 3), ("past", 2), ("past", 1)]
    assert "by hand" in versions(world)[1].body["pools"]
    assert press(world.admin, "/admin/drafts/back", n="99").status_code == 404
    with world.hub.store.read() as conn:
        by = conn.execute(select(rule_set.c.by).where(rule_set.c.n == 4)).scalar()
    assert by == f"member:{world.members['ada']}"
