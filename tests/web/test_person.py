"""The person on a card, changed by hand: columns, points, keys, links and the journal agree, whoever else was at it."""

from __future__ import annotations

import html
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from connectors.contract import Person
from hub.identity.normalize import normalise
from hub.model import company, contact, contact_point, journal, lead, link, match_key, not_same, review
from tests.web.test_admin_cards import card, crm, person
from tests.web.world import World, press

IVAN = "+79123456789"


def shown(world: World, name: str = "Ivan Petrov") -> Any:
    with world.hub.store.read() as conn:
        return conn.execute(select(contact).where(contact.c.id == person(world, name))).one()


def points(world: World, name: str = "Ivan Petrov") -> dict[str, str]:
    with world.hub.store.read() as conn:
        mine = contact_point.c.contact_id == person(world, name)
        return {row.value: row.kind for row in conn.execute(select(contact_point).where(mine))}


def owner_of(world: World, kind: str, value: str) -> str | None:
    with world.hub.store.read() as conn:
        place = (match_key.c.kind == kind) & (match_key.c.value == value)
        return conn.execute(select(match_key.c.contact_id).where(place)).scalar()


def lines(world: World, what: str) -> list[Any]:
    with world.hub.store.read() as conn:
        return list(conn.execute(select(journal).where(journal.c.what == what)))


def save(world: World, login: str = "dora", name: str = "Ivan Petrov", **typed: str) -> Any:
    """The form as the card shows it, with these fields typed over."""
    row, held = shown(world, name), points(world, name)
    filled = {one: getattr(row, one) for one in ("name", "company", "position")}
    filled |= {kind: "\n".join(v for v, k in held.items() if k == kind) for kind in ("phone", "email")}
    was = {f"was-{one}": text for one, text in filled.items()}
    return press(world.visitor(login), f"/leads/{world.leads[name]}/person", **{**filled, **was, **typed})


def test_what_was_entered_is_shown_kept_recognised_and_sent(world: World) -> None:
    ivan = person(world, "Ivan Petrov")
    tie = card(world, crm(world, "bitrix24"), ivan, "7", "linked")
    answer = save(world, company="Roof & Sons", position="CEO", phone=f"{IVAN}\n8 (916) 765-43-21")
    assert answer.status_code == 303
    row = shown(world)
    assert (row.company, row.position) == ("Roof & Sons", "CEO")
    assert points(world)["+79167654321"] == "phone"
    assert owner_of(world, "phone", "+79167654321") == ivan
    with world.hub.store.read() as conn:
        assert conn.execute(select(link.c.dirty).where(link.c.id == tie)).scalar_one() > 0
    [line] = lines(world, "edited")
    assert line.actor == f"member:{world.members['dora']}"
    assert line.facts == {
        "fields": {"company": ["", "Roof & Sons"], "position": ["", "CEO"]}, "added": ["+79167654321"], "removed": [],
    }  # fmt: skip
    told = html.unescape(world.visitor("dora").get(f"/leads/{world.leads['Ivan Petrov']}").get_data(as_text=True))
    assert "Contact data changed: company “–” → “Roof & Sons”; position “–” → “CEO”; added +79167654321." in told
    assert "entered by Dora Desk" in told
    assert "typed into a form" in told, "the name still is what the form said"
    world.send(name="Ivan Petrov", phone="+7 916 765-43-21", message="again", submission_id="again")
    world.process()
    with world.hub.store.read() as conn:
        assert conn.execute(select(lead.c.inquiries).where(lead.c.contact_id == ivan)).scalar_one() == 2


def test_what_is_taken_away_is_recognised_no_more(world: World) -> None:
    ivan = person(world, "Ivan Petrov")
    assert owner_of(world, "phone", IVAN) == ivan
    assert save(world, phone="").status_code == 303
    assert "+79123456789" not in points(world)
    assert owner_of(world, "phone", IVAN) is None
    assert lines(world, "edited")[0].facts["removed"] == [IVAN]


def test_two_who_edit_at_once_lose_nothing_of_each_other(world: World) -> None:
    stale = {"was-phone": IVAN, "phone": IVAN, "was-company": "", "company": ""}
    save(world, phone=f"{IVAN}\n+7 916 765-43-21", company="Roof & Sons")
    save(world, login="ada", position="CEO", **stale)
    assert {"+79123456789", "+79167654321"} <= set(points(world))
    assert (shown(world).company, shown(world).position) == ("Roof & Sons", "CEO")
    assert len(lines(world, "edited")) == 2
    save(world, login="ada")
    assert len(lines(world, "edited")) == 2, "nothing was changed"


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"phone": f"{IVAN}\nafter lunch"}, "“after lunch” is no phone number"),
        ({"email": "ivan at home"}, "“ivan at home” is no e-mail address"),
    ],
)
def test_what_is_none_is_said_and_nothing_is_written(world: World, typed: dict[str, str], said: str) -> None:
    before = points(world)
    answer = save(world, company="<b>Roof</b>", **typed)
    told = answer.get_data(as_text=True)
    assert answer.status_code == 409
    assert said in html.unescape(told)
    assert 'value="&lt;b&gt;Roof&lt;/b&gt;"' in told, "what was typed stays"
    assert (points(world), shown(world).company, lines(world, "edited")) == (before, "", [])


def test_somebody_elses_number_stays_theirs_and_is_asked_about(world: World) -> None:
    maria = person(world, "Maria Schmidt")
    save(world, phone=f"{IVAN}\n+49 151 23456789")
    assert "+4915123456789" in points(world)
    assert owner_of(world, "phone", "+4915123456789") == maria
    with world.hub.store.read() as conn:
        [asked] = conn.execute(select(review)).all()
    assert {asked.first_id, asked.second_id} == {maria, person(world, "Ivan Petrov")}


def test_not_this_company_is_one_press_and_stays(world: World) -> None:
    ivan, firm = person(world, "Ivan Petrov"), world.hub.clock.new_id()
    with world.hub.store.write() as conn:
        known = {one.name: "" for one in company.c if str(one.type) in ("VARCHAR", "TEXT") and not one.nullable}
        times = {one.name: 1 for one in company.c if one.name.endswith("_at")}
        conn.execute(insert(company).values({**known, **times, "id": firm, "name": "Wrong GmbH"}))
        conn.execute(update(contact).where(contact.c.id == ivan).values(company_id=firm))
    address = f"/leads/{world.leads['Ivan Petrov']}"
    assert "Company: Wrong GmbH" in world.visitor("dora").get(address).get_data(as_text=True)
    for _press in range(2):
        assert press(world.visitor("dora"), f"{address}/elsewhere").status_code == 303
    assert shown(world).company_id is None
    assert len(lines(world, "left_company")) == 1
    with world.hub.store.read() as conn:
        assert len(conn.execute(select(not_same)).all()) == 1
    assert "Is not of the company “Wrong GmbH”." in world.visitor("dora").get(address).get_data(as_text=True)


def test_who_does_not_see_the_lead_changes_nothing(world: World) -> None:
    assert save(world, login="sam", company="Mine").status_code == 404
    assert shown(world).company == ""


def test_keys_of_a_point_are_those_an_inquiry_would_give(world: World) -> None:
    save(world, email="Iv.an+x@gmail.com")
    keys = normalise(Person(emails=("Iv.an+x@gmail.com",))).keys
    assert keys
    assert {owner_of(world, one.kind, one.value) for one in keys} == {person(world, "Ivan Petrov")}
