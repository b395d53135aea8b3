"""Team, rules and directions: the last admin stays, rules keep to their grammar, every change has a name on it."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from hub.model import direction, journal, member, rotation, rule, stage
from tests.web.world import PASSWORD, World, log_in, press


def person(world: World, login: str) -> Any:
    with world.hub.store.read() as conn:
        return conn.execute(select(member).where(member.c.login == login)).one()


def change(world: World, login: str, **typed: str) -> str:
    """Change somebody as ada; what the page says then."""
    admin = world.admin
    row = person(world, login)
    fields = {"name": row.name, "role": row.role, "weight": "1", "active": "yes", **typed}
    if fields["active"] != "yes":
        del fields["active"]
    press(admin, f"/admin/team/{row.id}", **fields)
    return str(admin.get("/admin/team").get_data(as_text=True))


@pytest.mark.parametrize("typed", [{"role": "sales"}, {"active": ""}])
def test_the_last_admin_stays(world: World, typed: dict[str, str]) -> None:
    assert "is the last admin" in change(world, "ada", **typed)
    row = person(world, "ada")
    assert (row.role, row.active) == ("admin", True)


def test_an_admin_may_go_when_there_is_another(world: World) -> None:
    change(world, "dora", role="admin")
    change(world, "ada", role="sales")
    assert (person(world, "dora").role, person(world, "ada").role) == ("admin", "sales")


def test_somebody_new_can_log_in_and_gets_a_share(world: World) -> None:
    press(world.admin, "/admin/team", name="Nina New", login="Nina", password="a long word", role="lead_desk",
          weight="3", locale="ru")  # fmt: skip
    row = person(world, "nina")
    assert log_in(world.app.test_client(), "nina", "a long word").status_code == 303
    with world.hub.store.read() as conn:
        assert conn.execute(select(rotation.c.weight).where(rotation.c.member_id == row.id)).scalar() == 3
    assert row.locale == "ru"


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"login": "dora"}, "is taken"), ({"login": ""}, "is missing"), ({"password": "short"}, "at least 8"),
        ({"role": "owner"}, "is none of"), ({"weight": "-1"}, "between 0 and 100"), ({"weight": "101"}, "between 0"),
    ],
)  # fmt: skip
def test_who_cannot_be_added_is_told_why(world: World, typed: dict[str, str], said: str) -> None:
    admin = world.admin
    fields = {"name": "N", "login": "n", "password": "a long word", "role": "sales", "weight": "1", **typed}
    press(admin, "/admin/team", **fields)
    assert said in admin.get("/admin/team").get_data(as_text=True)
    with world.hub.store.read() as conn:
        assert len(conn.execute(select(member)).all()) == 5


def test_who_is_switched_off_is_out_at_once_and_gets_no_leads(world: World) -> None:
    dora = world.visitor("dora")
    change(world, "dora", active="", weight="5")
    assert dora.get("/desk").status_code == 302
    assert log_in(world.app.test_client(), "dora").status_code == 401
    with world.hub.store.read() as conn:
        weight = select(rotation.c.weight).where(rotation.c.member_id == world.members["dora"])
        assert conn.execute(weight).scalar() == 0


def test_a_new_password_replaces_the_old_and_ends_sessions(world: World) -> None:
    dora = world.visitor("dora")
    press(world.admin, f"/admin/team/{world.members['dora']}/password", password="another word")
    assert dora.get("/desk").status_code == 302
    assert log_in(world.app.test_client(), "dora", PASSWORD).status_code == 401
    assert log_in(world.app.test_client(), "dora", "another word").status_code == 303


def test_names_of_people_are_text(world: World) -> None:
    page = change(world, "dora", name='<script>alert("x")</script>')
    assert "<script>alert" not in page
    assert "&lt;script&gt;" in page


# ── rules ────────────────────────────────────────────────────────────────────────────────────────


def rules(world: World) -> list[Any]:
    with world.hub.store.read() as conn:
        return list(conn.execute(select(rule).order_by(rule.c.position)))


def main_direction(world: World) -> str:
    with world.hub.store.read() as conn:
        return str(conn.execute(select(direction.c.id)).scalar())


def add_rule(world: World, name: str, **typed: str) -> str:
    admin = world.admin
    fields = {"name": name, "direction": main_direction(world), "field-0": "page", "op-0": "contains", "value-0": "x"}
    press(admin, "/admin/rules", **{**fields, **typed})
    return str(admin.get("/admin/rules").get_data(as_text=True))


def test_a_rule_is_asked_before_the_one_that_takes_everything(world: World) -> None:
    add_rule(world, "One")
    page = add_rule(world, "Two", **{"field-1": "utm.source", "op-1": "is", "value-1": "ads"})
    assert [row.name for row in rules(world)] == ["One", "Two", "Everything else"]
    assert rules(world)[1].conditions[1] == {"field": "utm.source", "op": "is", "value": "ads"}
    assert "“ads”" in page


def test_rules_move_but_never_below_the_last(world: World) -> None:
    add_rule(world, "One")
    add_rule(world, "Two")
    admin = world.admin
    press(admin, f"/admin/rules/{rules(world)[1].id}", do="up")
    assert [row.name for row in rules(world)] == ["Two", "One", "Everything else"]
    press(admin, f"/admin/rules/{rules(world)[1].id}", do="down")
    assert [row.name for row in rules(world)] == ["Two", "One", "Everything else"]
    press(admin, f"/admin/rules/{rules(world)[0].id}", do="off")
    assert not rules(world)[0].active
    press(admin, f"/admin/rules/{rules(world)[0].id}", do="remove")
    assert [row.name for row in rules(world)] == ["One", "Everything else"]


def test_the_rule_that_takes_everything_stays(world: World) -> None:
    admin = world.admin
    for do in ("off", "remove"):
        press(admin, f"/admin/rules/{rules(world)[0].id}", do=do)
    assert [(row.name, row.active) for row in rules(world)] == [("Everything else", True)]


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"field-0": ""}, "are missing"), ({"field-0": "__class__"}, "no field"), ({"op-0": "eval"}, "is none of"),
        ({"direction": "nowhere"}, "not here any more"),
    ],
)  # fmt: skip
def test_a_rule_nobody_could_evaluate_is_not_saved(world: World, typed: dict[str, str], said: str) -> None:
    assert said in add_rule(world, "Odd", **typed)
    assert len(rules(world)) == 1


# ── directions ───────────────────────────────────────────────────────────────────────────────────


def test_a_direction_is_added_renamed_and_coloured(world: World) -> None:
    admin = world.admin
    press(admin, "/admin/directions", name="Doors")
    press(admin, "/admin/directions", name="Doors")
    with world.hub.store.read() as conn:
        (made,) = conn.execute(select(direction).where(direction.c.name == "Doors")).all()
    press(admin, f"/admin/directions/{made.id}", name="Doors and gates")
    press(admin, f"/admin/directions/{made.id}/lead/hot", name="Burning", colour="#FF8F92")
    press(admin, f"/admin/directions/{made.id}/lead/warm", name="Warm", colour="red;background:url(x)")
    with world.hub.store.read() as conn:
        stages = {row.key: row for row in conn.execute(select(stage).where(stage.c.direction_id == made.id))}
        told = [row.what for row in conn.execute(select(journal).where(journal.c.subject == "direction"))]
    assert (stages["hot"].name, stages["hot"].colour) == ("Burning", "#ff8f92")
    assert stages["warm"].colour == "#c1e0ff"
    assert sorted(told) == ["added", "renamed", "stage"]
    assert "Doors and gates" in admin.get("/admin/directions").get_data(as_text=True)


def test_every_change_of_people_and_rules_has_a_name_on_it(world: World) -> None:
    change(world, "dora", weight="2")
    add_rule(world, "One")
    press(world.admin, f"/admin/team/{world.members['sam']}/password", password="another word")
    with world.hub.store.read() as conn:
        lines = conn.execute(select(journal).where(journal.c.actor == f"member:{world.members['ada']}")).all()
    assert {(line.subject, line.what) for line in lines} == {
        ("member", "changed"), ("rule", "added"), ("member", "password"),
    }  # fmt: skip
