"""What people do on the desk: see, search, take, give, move, reject, reopen, qualify."""

from __future__ import annotations

import re
from typing import Any

import pytest
from sqlalchemy import select, update

from hub.clock import MINUTE
from hub.model import contact, deadline, deal, lead, member
from tests.web.world import World, press


def row(world: World, name: str) -> Any:
    with world.hub.store.read() as conn:
        return conn.execute(select(lead).where(lead.c.id == world.leads[name])).one()


def names(page: str) -> list[str]:
    return re.findall(r'class="go"[^>]*>([^<]+)<', page)


# ── the inbox ────────────────────────────────────────────────────────────────────────────────────


def test_the_inbox_shows_every_lead_with_owner_and_next_step(still: World) -> None:
    page = still.visitor("dora").get("/desk").get_data(as_text=True)
    assert set(names(page)) == set(still.leads)
    assert "Forty chairs" in page
    assert "+4915123456789" in page
    assert page.count("First touch") == 4
    assert page.count(">Accept<") == 4


def test_the_list_is_silent_until_something_changes(world: World) -> None:
    client = world.visitor("dora")
    page = client.get("/desk").get_data(as_text=True)
    address = re.search(r'hx-get="([^"]+)"', page)
    assert address
    ask = address[1].replace("&amp;", "&")
    assert client.get(ask).status_code == 204
    world.hub.clock.advance(1)
    world.send(name="Late Comer", phone="+1 415 555 2671", submission_id="late")
    world.process()
    answer = client.get(ask)
    assert (answer.status_code, names(answer.get_data(as_text=True))[0]) == (200, "Late Comer")


def test_a_step_that_runs_late_is_visible_and_news(world: World) -> None:
    client = world.visitor("dora")
    page = client.get("/desk").get_data(as_text=True)
    ask = re.search(r'hx-get="([^"]+)"', page)
    assert ask
    assert 'class="overdue"' not in page
    world.hub.clock.advance(16 * MINUTE / 1000)
    answer = client.get(ask[1].replace("&amp;", "&"))
    assert answer.get_data(as_text=True).count('class="overdue"') == 4


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        ("schmi", ["Maria Schmidt"]), ("SCHMI", ["Maria Schmidt"]), ("соколова", ["Ольга Соколова"]),
        ("ЛЬГ", ["Ольга Соколова"]), ("912 345", ["Ivan Petrov"]), ("8 912 345 67 89", ["Ivan Petrov"]),
        ("495) 123", ["Ольга Соколова"]), ("john@exa", ["John Smith"]), ("nobody at all", []), ("%", []), ("_", []),
    ],
)  # fmt: skip
def test_search_finds_any_fragment(still: World, typed: str, found: list[str]) -> None:
    page = still.visitor("dora").get("/desk", query_string={"q": typed}).get_data(as_text=True)
    assert names(page) == found


def test_pages_follow_each_other_without_gap_or_repeat(world: World) -> None:
    for number in range(56):
        world.send(name=f"Person Number{number}", email=f"p{number}@example.com", submission_id=f"n{number}")
    world.process()
    client, address, seen = world.visitor("dora"), "/desk", []
    while address:
        page = client.get(address).get_data(as_text=True)
        seen += re.findall(r'id="lead-(\w+)"', page)
        older = re.search(r'href="(/desk\?[^"]*after=[^"]+)"', page)
        address = older[1].replace("&amp;", "&") if older else ""
    assert len(seen) == len(set(seen)) == 60


def test_filters(world: World) -> None:
    client = world.visitor("dora")
    press(client, f"/leads/{world.leads['John Smith']}/take")
    press(client, f"/leads/{world.leads['Ivan Petrov']}/reject", reason="No budget")
    shown = {which: names(client.get(f"/desk?show={which}").get_data(as_text=True)) for which in
             ("all", "mine", "nobody", "rejected")}  # fmt: skip
    assert shown["rejected"] == ["Ivan Petrov"]
    assert "John Smith" in shown["mine"]
    assert set(shown["nobody"]) == {"Maria Schmidt", "Ольга Соколова"}
    assert set(shown["all"]) == {"John Smith", "Maria Schmidt", "Ольга Соколова"}


# ── the card ─────────────────────────────────────────────────────────────────────────────────────


def test_the_card_tells_everything_we_know(still: World) -> None:
    page = still.visitor("dora").get(f"/leads/{still.leads['John Smith']}").get_data(as_text=True)
    for part in ("Pricing?", "budget", "100-200", "john@example.org", "https://shop.example.com/?utm_source=mail",
                 "Wrote through “Site form”, form “Contact”", "Lead opened.", "a new person", "takes everything",
                 "It was the turn of"):  # fmt: skip
        assert part in page, part
    page = still.visitor("dora").get(f"/leads/{still.leads['Maria Schmidt']}").get_data(as_text=True)
    assert "looks misspelt" in page


def test_the_first_who_takes_a_lead_has_it(world: World) -> None:
    address = f"/leads/{world.leads['Maria Schmidt']}/take"
    dora, dan = world.visitor("dora"), world.visitor("dan")
    assert press(dora, address).status_code == 303
    assert press(dora, address).status_code == 303, "twice is once"
    late = press(dan, address)
    assert (late.status_code, "Dora Desk has taken this lead already." in late.get_data(as_text=True)) == (409, True)
    assert row(world, "Maria Schmidt").owner_id == world.members["dora"]


def test_a_note_and_a_next_step_stand_in_the_timeline(world: World) -> None:
    client, address = world.visitor("dora"), f"/leads/{world.leads['Ivan Petrov']}"
    assert press(client, f"{address}/note", text=" ").status_code == 409
    for _ in range(2):  # twice is once
        assert press(client, f"{address}/note", text="Wants <b>oak</b>").status_code == 303
        assert press(client, f"{address}/note", text="Send the offer", until="2099-03-01T10:30").status_code == 303
    late = press(client, f"{address}/note", text="Too late", until="2001-03-01T10:30")
    assert (late.status_code, "a time that is still to come" in late.get_data(as_text=True)) == (409, True)
    page = client.get(address).get_data(as_text=True)
    assert page.count("Note: Wants &lt;b&gt;oak&lt;/b&gt;") == 1
    assert page.count("Next step until 1 Mar 2099") == 1
    assert "Follow up" in page
    admin = world.visitor("ada")
    press(admin, f"{address}/convert", owner=world.members["sam"], force="because")
    with world.hub.store.read() as conn:
        [made] = list(conn.execute(select(deal).where(deal.c.lead_id == world.leads["Ivan Petrov"])))
    assert press(admin, f"/deals/{made.id}/note", text="Of the deal").status_code == 303
    assert press(admin, f"/deals/{made.id}/note", text="").status_code == 409
    page = admin.get(f"/deals/{made.id}").get_data(as_text=True)
    assert "Note: Of the deal" in page
    assert "Note: Wants &lt;b&gt;oak" in page


def test_tags_are_put_on_and_taken_off_and_go_along_to_the_deal(world: World) -> None:
    client, address = world.visitor("dora"), f"/leads/{world.leads['Ivan Petrov']}"
    assert press(client, f"{address}/tags", tags=" VIP , <b>oak</b>,vip,, Big   order").status_code == 303
    assert row(world, "Ivan Petrov").tags == ["VIP", "<b>oak</b>", "Big order"]
    assert press(client, f"{address}/tags", tags="VIP, <b>oak</b>, Big order", shown="").status_code == 303, (
        "twice is once"
    )
    page = client.get(address).get_data(as_text=True)
    assert page.count("Tags: VIP, &lt;b&gt;oak&lt;/b&gt;, Big order") == 1
    assert 'value="VIP, &lt;b&gt;oak&lt;/b&gt;, Big order"' in page
    assert press(client, f"{address}/tags", tags="VIP, New", shown="VIP, Old").status_code == 303
    assert row(world, "Ivan Petrov").tags == ["VIP", "New", "<b>oak</b>", "Big order"], "a page that was open long"
    for wrong in ("x" * 51, ",".join(map(str, range(31)))):
        late = press(client, f"{address}/tags", tags=wrong)
        assert (late.status_code, "50 signs at most" in late.get_data(as_text=True)) == (409, True)
    admin = world.visitor("ada")
    press(admin, f"{address}/convert", owner=world.members["sam"], force="because")
    with world.hub.store.read() as conn:
        [made] = list(conn.execute(select(deal).where(deal.c.lead_id == world.leads["Ivan Petrov"])))
    assert made.tags == ["VIP", "New", "<b>oak</b>", "Big order"]
    assert press(admin, f"/deals/{made.id}/tags", tags="", shown=", ".join(made.tags)).status_code == 303
    assert "Tags: –" in admin.get(f"/deals/{made.id}").get_data(as_text=True)


def test_a_lead_moves_is_rejected_and_comes_back(world: World) -> None:
    client, address = world.visitor("dora"), f"/leads/{world.leads['Ivan Petrov']}"
    assert press(client, f"{address}/stage", stage="warm").status_code == 303
    assert press(client, f"{address}/reject", reason=" ").status_code == 409
    assert press(client, f"{address}/reject", reason="No budget").status_code == 303
    assert press(client, f"{address}/reject", reason="No budget").status_code == 303, "twice is once"
    page = client.get(address).get_data(as_text=True)
    assert "Moved from “New” to “Warm”." in page
    assert "Rejected: No budget" in page
    assert press(client, f"{address}/reopen").status_code == 303
    assert press(client, f"{address}/stage", stage="no such").status_code == 409
    assert press(client, f"{address}/stage", stage="created").status_code == 409, "a deal stage is none of a lead"
    assert row(world, "Ivan Petrov").state == "open"


def test_qualifying_hands_over_to_somebody_who_sells_once(world: World) -> None:
    dora, address = world.visitor("dora"), f"/leads/{world.leads['Ivan Petrov']}"
    assert press(dora, f"{address}/convert", owner=world.members["dan"]).status_code == 409
    for _twice in range(2):
        assert press(dora, f"{address}/convert", owner=world.members["sam"]).status_code == 303
    with world.hub.store.read() as conn:
        [made] = conn.execute(select(deal)).all()
    assert made.owner_id == world.members["sam"]
    seller = world.visitor("sam")
    assert "Ivan Petrov" in seller.get("/deals").get_data(as_text=True)
    assert press(seller, f"/deals/{made.id}/stage", stage="won").status_code == 303
    page = seller.get(f"/deals/{made.id}").get_data(as_text=True)
    assert "Moved from “Created” to “Won”." in page
    assert "Windows for a house" in page
    assert world.visitor("sue").get(f"/deals/{made.id}").status_code == 404


def test_who_gives_a_lead_away_is_not_left_before_a_closed_door(world: World) -> None:
    lead_id = world.leads["Ivan Petrov"]
    press(world.visitor("ada"), f"/leads/{lead_id}/give", owner=world.members["sam"])
    sam = world.visitor("sam")
    assert names(sam.get("/desk").get_data(as_text=True)) == ["Ivan Petrov"]
    gone = press(sam, f"/leads/{lead_id}/give", owner=world.members["sue"])
    assert (gone.status_code, gone.location) == (303, "/desk")
    assert sam.get(f"/leads/{lead_id}").status_code == 404
    assert press(world.visitor("sue"), f"/leads/{lead_id}/give", owner="nobody").status_code == 400


def test_htmx_gets_the_card_alone_and_complaints_in_it(world: World) -> None:
    client, address = world.visitor("dora"), f"/leads/{world.leads['Ivan Petrov']}"
    client.environ_base["HTTP_HX_REQUEST"] = "true"
    page = press(client, f"{address}/take").get_data(as_text=True)
    assert page.lstrip().startswith('<article id="card"')
    bare = press(client, f"{address}/reject")
    assert (bare.status_code, "Say why" in bare.get_data(as_text=True)) == (409, True)


def test_the_board_has_two_blocks_and_a_border(still: World) -> None:
    page = still.visitor("ada").get("/board").get_data(as_text=True)
    assert page.index('class="block lead"') < page.index('class="border"') < page.index('class="block deal"')
    desk = still.visitor("dora").get("/board").get_data(as_text=True)
    assert "Maria Schmidt" in desk
    assert "border" not in desk.replace("aria", "")
    assert 'class="block deal"' not in desk


def test_the_member_chooses_the_language(world: World) -> None:
    client = world.visitor("dora")
    assert 'lang="en"' in client.get("/desk").get_data(as_text=True)
    assert press(client, "/language", language="ru", next="/board").location == "/board"
    assert "Следующий шаг" in client.get("/desk").get_data(as_text=True)
    stranger = world.visitor()
    assert "Пароль" in stranger.get("/login", headers={"Accept-Language": "ru-RU,ru"}).get_data(as_text=True)


def test_a_nameless_person_has_something_to_click(world: World) -> None:
    with world.hub.store.write() as conn:
        conn.execute(update(contact).values(name=""))
    assert all(name.strip() for name in names(world.visitor("dora").get("/desk").get_data(as_text=True)))


def test_a_touch_is_noted_and_stops_the_clock(world: World) -> None:
    """What somebody did is evidence; pressing through the stages is none."""
    dora, lead_id = world.visitor("dora"), first_open(world)
    world.hub.timers.step()
    press(dora, f"/leads/{lead_id}/stage", stage="warm")
    world.hub.timers.step()
    assert running(world, lead_id) == {"first_touch", "qualify"}
    assert press(dora, f"/leads/{lead_id}/touch", kind="call", reached="yes").status_code == 303
    world.hub.timers.step()
    assert running(world, lead_id) == {"next_touch", "qualify"}
    assert "Called the client." in dora.get(f"/leads/{lead_id}").get_data(as_text=True)
    assert press(dora, f"/leads/{lead_id}/touch", kind="telepathy").status_code == 409


def test_too_little_known_is_no_deal_unless_somebody_says_why(world: World) -> None:
    admin, lead_id = world.admin, first_open(world)
    press(admin, "/admin/questions/usual")
    refused = press(admin, f"/leads/{lead_id}/convert", owner=seller(world))
    assert refused.status_code == 409
    assert "Too little is known" in refused.get_data(as_text=True)
    for name in ("need", "portrait"):
        assert press(admin, f"/leads/{lead_id}/answer", question=name, value="Known").status_code == 303
    press(admin, f"/leads/{lead_id}/touch", kind="call", reached="yes")
    assert press(admin, f"/leads/{lead_id}/convert", owner=seller(world)).status_code in (200, 303)
    assert state_of(world, lead_id) == "converted"


def test_by_force_with_a_reason(world: World) -> None:
    admin, lead_id = world.admin, first_open(world)
    press(admin, "/admin/questions/usual")
    press(admin, f"/leads/{lead_id}/convert", owner=seller(world), force="They paid already")
    assert state_of(world, lead_id) == "converted"
    assert "They paid already" in admin.get(f"/leads/{lead_id}").get_data(as_text=True)


def first_open(world: World) -> str:
    with world.hub.store.read() as conn:
        return str(conn.execute(select(lead.c.id).where(lead.c.state == "open").order_by(lead.c.id)).scalars().first())


def state_of(world: World, lead_id: str) -> str:
    with world.hub.store.read() as conn:
        return str(conn.execute(select(lead.c.state).where(lead.c.id == lead_id)).scalar())


def running(world: World, lead_id: str) -> set[str]:
    with world.hub.store.read() as conn:
        mine = (deadline.c.lead_id == lead_id) & (deadline.c.state == "running")
        return set(conn.execute(select(deadline.c.kind).where(mine)).scalars())


def seller(world: World) -> str:
    with world.hub.store.read() as conn:
        return str(conn.execute(select(member.c.id).where(member.c.login == "sam")).scalar())
